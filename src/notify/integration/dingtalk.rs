//! `dingtalk_configs`: what robots of groups and robots of applications have in common, the words.
//!
//! Who is to be notified must be named twice: in `at`, and with an `@` in the text.

use super::{
    Begun, Context, dingtalk_app, dingtalk_robot,
    people::{listed, mentions, not_of_feishu, take_all},
    vendor,
};
use crate::{
    config::{DingTalkButton, DingTalkConfig, Language},
    notify::{NotificationData, Renderer, Verdict},
};

/// A title is one line above the text and in the list of conversations.
const TITLE: usize = 256;

/// The files to read for each notification.
pub(super) fn files(config: &DingTalkConfig) -> Vec<String> {
    let files = [
        &config.webhook_url_file,
        &config.access_token_file,
        &config.secret_file,
        &config.app_secret_file,
    ];
    let given = files.into_iter().filter(|path| !path.is_empty());
    given.cloned().collect()
}

/// Begins an attempt.
pub(super) fn begin(
    config: &DingTalkConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    if config.app_key.is_empty() {
        let robot = dingtalk_robot::Robot::new(config, &context.files)?;
        vendor::begin(robot, context, render)
    } else {
        let app = dingtalk_app::App::new(config, &context.files, render)?;
        vendor::begin(app, context, render)
    }
}

/// The title, on one line.
pub(super) fn title(config: &DingTalkConfig, render: &Renderer<'_>) -> Result<String, Verdict> {
    let title = render.title("title", &config.title)?;
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(crate::notify::Limit::Chars(TITLE).cut(&line))
}

/// A button of a card, rendered.
#[derive(Debug)]
pub(super) struct Button {
    pub(super) title: String,
    pub(super) url: String,
}

/// The buttons of a card, at most `most`; a card needs one, so there is one to the alerts if there is no other.
pub(super) fn buttons(
    sources: &[DingTalkButton],
    most: usize,
    data: &NotificationData,
    render: &Renderer<'_>,
) -> Result<Vec<Button>, Verdict> {
    let mut buttons = Vec::new();
    for source in sources {
        let button = Button {
            title: render.detail("buttons", &source.title)?,
            url: render.detail("buttons", &source.url)?,
        };
        if !button.title.is_empty() && !button.url.is_empty() && buttons.len() < most {
            buttons.push(button);
        }
    }
    if buttons.is_empty() {
        let title = match render.language() {
            Language::English => "Show alerts",
            Language::Chinese => "查看告警",
        };
        buttons.push(Button {
            title: title.to_owned(),
            url: format!("{}/#/alerts", data.external_url),
        });
    }
    Ok(buttons)
}

/// Who is mentioned.
#[derive(Debug, Default)]
pub(super) struct At {
    pub(super) mobiles: Vec<String>,
    pub(super) user_ids: Vec<String>,
    pub(super) all: bool,
}

impl At {
    /// Those of the settings and of `mention_map`.
    pub(super) fn of(config: &DingTalkConfig, render: &Renderer<'_>) -> Result<Self, Verdict> {
        let mapped = render.mentions();
        let mut mobiles = listed(render, "at.mobiles", &config.at.mobiles, &mapped.mobiles)?;
        let mapped_users = not_of_feishu(&mapped.user_ids);
        let mut user_ids = listed(render, "at.user_ids", &config.at.user_ids, &mapped_users)?;
        let all = take_all(&mut mobiles) | take_all(&mut user_ids) | config.at.all;
        let mut mobiles: Vec<_> = mobiles.iter().map(|mobile| dialled(mobile)).collect();
        mobiles.dedup();
        Ok(Self {
            mobiles,
            user_ids,
            all,
        })
    }

    /// The mentions that the text lacks, to stand at its end.
    pub(super) fn missing_in(&self, text: &str, before: &str) -> String {
        let mut out = String::new();
        for one in self.mobiles.iter().chain(&self.user_ids) {
            let mention = format!("@{one}");
            if !mentions(text, &mention) {
                out.push_str(if out.is_empty() { before } else { " " });
                out.push_str(&mention);
            }
        }
        out
    }
}

/// A telephone number as DingTalk wants it: bare in China, `+852-12345678` elsewhere.
fn dialled(mobile: &str) -> String {
    let number: String = mobile
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')'))
        .collect();
    let abroad = number
        .strip_prefix('+')
        .or_else(|| number.strip_prefix("00"));
    let Some(abroad) = abroad else {
        return number.replace('-', "");
    };
    let (country, rest) = match abroad.split_once('-') {
        Some(parts) => parts,
        None => abroad.split_at(abroad.floor_char_boundary(country_code(abroad))),
    };
    let rest = rest.replace('-', "");
    if country == "86" {
        rest
    } else {
        format!("+{country}-{rest}")
    }
}

/// How many digits the country code at the beginning of a number has (ITU-T E.164).
fn country_code(number: &str) -> usize {
    match number.as_bytes() {
        [b'1' | b'7', ..] => 1,
        [b'2', b'0' | b'7', ..]
        | [b'3', b'0'..=b'4' | b'6' | b'9', ..]
        | [b'4', b'0' | b'1' | b'3'..=b'9', ..]
        | [b'5', b'1'..=b'8', ..]
        | [b'6', b'0'..=b'6', ..]
        | [b'8', b'1' | b'2' | b'4' | b'6', ..]
        | [b'9', b'0'..=b'5' | b'8', ..] => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_abroad_have_a_dash() {
        for (typed, expect) in [
            ("13800000000", "13800000000"),
            ("138-0000-0000", "13800000000"),
            ("+86 138 0000 0000", "13800000000"),
            ("+86-13800000000", "13800000000"),
            ("008613800000000", "13800000000"),
            ("+852-1234-5678", "+852-12345678"),
            ("+85212345678", "+852-12345678"),
            ("+1 (212) 5550100", "+1-2125550100"),
            ("+4915112345678", "+49-15112345678"),
            ("+", "+-"),
            ("+é", "+é-"),
        ] {
            assert_eq!(dialled(typed), expect, "{typed}");
        }
    }

    #[test]
    fn who_is_mentioned_already_is_not_mentioned_again() {
        let at = At {
            mobiles: vec!["138".to_owned(), "+852-1".to_owned()],
            user_ids: vec!["u1".to_owned()],
            all: false,
        };
        assert_eq!(at.missing_in("hi", "\n"), "\n@138 @+852-1 @u1");
        assert_eq!(at.missing_in("hi @138, @u12", "\n"), "\n@+852-1 @u1");
    }
}
