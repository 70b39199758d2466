//! Knows the addresses of robots of groups, which people put where they do not belong, and what to write instead.

use super::entry::RawIntegration;
use crate::{
    config::{
        Secret,
        read::{Place, Reader},
        settings::{Settings, WebhookConfig, WecomRobotConfig, WecomRobotMessage},
    },
    yaml::Value,
};

/// Whose address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Robot {
    DingTalk,
    Wecom,
    Feishu,
    /// prometheus-webhook-dingtalk, which takes webhooks and speaks to DingTalk.
    Proxy,
}

impl Robot {
    /// The robot at an address; `None` for anything else.
    pub(super) fn at(address: &str) -> Option<Self> {
        let address = address.to_ascii_lowercase();
        let (_, after_scheme) = address.split_once("://")?;
        let (_, path) = after_scheme.split_once('/')?;
        if path.contains("cgi-bin/webhook/send") {
            Some(Self::Wecom)
        } else if path.contains("robot/send") && path.contains("access_token=") {
            Some(Self::DingTalk)
        } else if path.contains("open-apis/bot/") {
            Some(Self::Feishu)
        } else {
            let path = path.split(['?', '#']).next().unwrap_or_default();
            let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
            matches!(*parts, [.., "dingtalk", _, "send"]).then_some(Self::Proxy)
        }
    }

    /// As it is told.
    fn name(self) -> &'static str {
        match self {
            Self::DingTalk => "a robot of DingTalk",
            Self::Wecom => "a robot of WeCom",
            Self::Feishu => "a robot of Feishu",
            Self::Proxy => "prometheus-webhook-dingtalk",
        }
    }

    /// How it is written.
    pub(super) fn right_form(self) -> &'static str {
        match self {
            Self::DingTalk => {
                "write dingtalk_configs: [{webhook_url: 'https://oapi.dingtalk.com/robot/send?access_token=…', secret: 'SEC…'}]"
            }
            Self::Wecom => {
                "write wecom_robot_configs: [{webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…'}]"
            }
            Self::Feishu => {
                "write feishu_configs: [{webhook_url: 'https://open.feishu.cn/open-apis/bot/v2/hook/…', secret: …}]"
            }
            Self::Proxy => {
                "write webhook_configs: [{url: …}], or dingtalk_configs with the robot's own address"
            }
        }
    }
}

/// Denies the address of another vendor's robot; false if it was.
pub(super) fn check_robot(
    list: &str,
    right: Robot,
    address: &Secret,
    place: &Place,
    reader: &mut Reader<'_>,
) -> bool {
    match Robot::at(address.reveal()) {
        Some(robot) if robot != right => {
            let message = format!("webhook_url of {list} is the address of {}", robot.name());
            reader.deny_with_hint(place.of("webhook_url"), message, robot.right_form());
            false
        }
        Some(_) | None => true,
    }
}

/// Denies the address of a robot, where an application or a service is wanted; false if it was.
pub(super) fn check_service(
    what: &str,
    key: &str,
    address: &str,
    place: &Place,
    reader: &mut Reader<'_>,
) -> bool {
    let Some(robot) = Robot::at(address) else {
        return true;
    };
    let message = format!(
        "{what} is the address of {}, which an application cannot use",
        robot.name()
    );
    reader.deny_with_hint(place.of(key), message, robot.right_form());
    false
}

/// Says what loads, and yet reaches nobody.
pub(crate) fn warn_robot(entry: &RawIntegration, reader: &mut Reader<'_>) {
    match &entry.settings {
        Settings::Webhook(webhook) => warn_webhook(webhook, &entry.place, reader),
        Settings::WecomRobot(robot) => warn_wecom(robot, &entry.place, reader),
        Settings::DingTalk(robot)
            if !robot.secret.is_empty()
                && !robot.secret.reveal().starts_with("SEC")
                && !robot.secret.reveal().starts_with('<') =>
        {
            let message = "secret of dingtalk_configs does not begin with SEC, as those that DingTalk gives do";
            reader.warn(entry.place.of("secret"), message);
        }
        Settings::DingTalk(_)
        | Settings::Email(_)
        | Settings::PagerDuty(_)
        | Settings::Opsgenie(_)
        | Settings::Wechat(_)
        | Settings::Slack(_)
        | Settings::VictorOps(_)
        | Settings::Pushover(_)
        | Settings::Sns(_)
        | Settings::Telegram(_)
        | Settings::Discord(_)
        | Settings::Webex(_)
        | Settings::MsTeams(_)
        | Settings::MsTeamsV2(_)
        | Settings::Jira(_)
        | Settings::IncidentIo(_)
        | Settings::Rocketchat(_)
        | Settings::Mattermost(_)
        | Settings::Feishu(_)
        | Settings::Falcon(_) => {}
    }
}

fn warn_webhook(webhook: &WebhookConfig, place: &Place, reader: &mut Reader<'_>) {
    let robot = match Robot::at(webhook.url.reveal()) {
        // It takes webhooks.
        None | Some(Robot::Proxy) => return,
        Some(robot) => robot,
    };
    let body = if webhook.payload == Value::Null {
        "it does not understand the body of a webhook, and "
    } else {
        ""
    };
    reader.warn(
        place.of("url"),
        format!(
            "url of webhook_configs is the address of {}: {body}it answers 200 also when it refuses a message, so that \
             nobody would know; {}",
            robot.name(),
            robot.right_form()
        ),
    );
}

fn warn_wecom(robot: &WecomRobotConfig, place: &Place, reader: &mut Reader<'_>) {
    let (mobiles, users) = match robot.message_type {
        WecomRobotMessage::Text => return,
        WecomRobotMessage::Markdown => (!robot.mentioned_mobiles.is_empty(), false),
        WecomRobotMessage::MarkdownV2 => (
            !robot.mentioned_mobiles.is_empty(),
            !robot.mentioned_list.is_empty(),
        ),
    };
    let unmentioned = [("mentioned_mobiles", mobiles), ("mentioned_list", users)];
    for (key, _) in unmentioned.iter().filter(|(_, set)| *set) {
        reader.warn(
            place.of(key),
            format!(
                "{key} has no effect on this message_type: WeCom mentions mobiles in text only, and users in text and \
                 markdown"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadEnv, load};

    #[test]
    fn robots_are_known_by_their_addresses() {
        for (address, expect) in [
            (
                "https://oapi.dingtalk.com/robot/send?access_token=x",
                Some(Robot::DingTalk),
            ),
            (
                "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x",
                Some(Robot::Wecom),
            ),
            (
                "https://open.feishu.cn/open-apis/bot/v2/hook/x",
                Some(Robot::Feishu),
            ),
            (
                "https://open.larksuite.com/open-apis/bot/v2/hook/x",
                Some(Robot::Feishu),
            ),
            ("http://wdt:8060/dingtalk/webhook1/send", Some(Robot::Proxy)),
            ("http://proxy/x/dingtalk/ops/send/?a=b", Some(Robot::Proxy)),
            ("http://robots.example/send", None),
            ("http://host/dingtalk/send", None),
            ("https://qyapi.weixin.qq.com/cgi-bin/", None),
            ("", None),
        ] {
            assert_eq!(Robot::at(address), expect, "{address}");
        }
    }

    fn file(entry: &str) -> String {
        format!("route: {{receiver: a}}\nreceivers:\n- name: a\n  {entry}\n")
    }

    fn refused(entry: &str) -> String {
        let errors = load(file(entry).as_bytes(), &LoadEnv::default()).unwrap_err();
        let shown = errors.to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        shown
    }

    fn warned(entry: &str) -> String {
        let config = load(file(entry).as_bytes(), &LoadEnv::default()).unwrap();
        let warnings = config.warnings.iter().map(|warning| &*warning.message);
        let shown = warnings.collect::<Vec<_>>().join("\n");
        assert!(!shown.contains("hunter2"), "{shown}");
        shown
    }

    #[test]
    fn addresses_in_the_wrong_place_get_the_right_form() {
        let wecom = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hunter2";
        let dingtalk = "https://oapi.dingtalk.com/robot/send?access_token=hunter2";
        let feishu = "https://open.feishu.cn/open-apis/bot/v2/hook/hunter2";
        for (address, form) in [
            (wecom, "wecom_robot_configs: [{webhook_url:"),
            (dingtalk, "dingtalk_configs: [{webhook_url:"),
            (feishu, "feishu_configs: [{webhook_url:"),
        ] {
            let wechat =
                format!("wechat_configs: [{{api_url: '{address}', corp_id: c, api_secret: s}}]");
            assert!(refused(&wechat).contains(form), "{wechat}");
            let app = format!(
                "feishu_configs: [{{app_id: a, app_secret: b, receive_id: c, api_url: '{address}'}}]"
            );
            assert!(refused(&app).contains(form), "{app}");
            let global = format!(
                "global: {{wechat_api_url: '{address}', wechat_api_secret: s, wechat_api_corp_id: c}}\n{}",
                file("wechat_configs: [{}]")
            );
            let errors = load(global.as_bytes(), &LoadEnv::default()).unwrap_err();
            assert!(errors.to_string().contains(form), "{errors}");
            for list in ["dingtalk", "wecom_robot", "feishu"] {
                let entry = format!("{list}_configs: [{{webhook_url: '{address}'}}]");
                if form.starts_with(list) {
                    assert_eq!(warned(&entry), "");
                } else {
                    assert!(refused(&entry).contains(form), "{entry}");
                }
            }
            let webhook = format!("webhook_configs: [{{url: '{address}'}}]");
            let shown = warned(&webhook);
            assert!(
                shown.contains(form) && shown.contains("answers 200"),
                "{shown}"
            );
        }
        let proxy = "http://wdt:8060/dingtalk/ops/send";
        assert_eq!(
            warned(&format!("webhook_configs: [{{url: '{proxy}'}}]")),
            ""
        );
        let shown = refused(&format!("dingtalk_configs: [{{webhook_url: '{proxy}'}}]"));
        assert!(shown.contains("write webhook_configs: [{url:"), "{shown}");
    }

    #[test]
    fn made_up_keys_get_the_right_one() {
        for (entry, right) in [
            ("dingtalk_configs: [{url: x}]", "write webhook_url"),
            ("dingtalk_configs: [{api_url: x}]", "write webhook_url"),
            ("dingtalk_configs: [{webhook: x}]", "write webhook_url"),
            ("dingtalk_configs: [{token: x}]", "write access_token"),
            (
                "dingtalk_configs: [{access_token: x, sign: y}]",
                "write secret",
            ),
            (
                "dingtalk_configs: [{access_token: x, mobiles: ['1']}]",
                "write at: {mobiles: […]}",
            ),
            (
                "dingtalk_configs: [{access_token: x, atMobiles: ['1']}]",
                "write at: {mobiles: […]}",
            ),
            (
                "dingtalk_configs: [{access_token: x, isAtAll: true}]",
                "write at: {all: true}",
            ),
            (
                "dingtalk_configs: [{access_token: x, msgtype: text}]",
                "write message_type",
            ),
            (
                "dingtalk_configs: [{access_token: x, message: y}]",
                "write text",
            ),
            (
                "dingtalk_configs: [{access_token: x, titel: y}]",
                "did you mean title?",
            ),
            ("wecom_robot_configs: [{url: x}]", "write webhook_url"),
            ("wecom_robot_configs: [{api_url: x}]", "write webhook_url"),
            ("wecom_robot_configs: [{token: x}]", "write key"),
            (
                "wecom_robot_configs: [{key: x, mentioned_mobile_list: ['1']}]",
                "write mentioned_mobiles",
            ),
            (
                "wecom_robot_configs: [{key: x, message: y}]",
                "write content",
            ),
            ("feishu_configs: [{url: x}]", "write webhook_url"),
            (
                "feishu_configs: [{token: x}]",
                "write webhook_url with the whole address",
            ),
            (
                "feishu_configs: [{webhook_url: 'http://x', at: y}]",
                "write at_user_ids",
            ),
            (
                "feishu_configs: [{app_id: x, app_secret: y, chat_id: z}]",
                "write receive_id_type: chat_id, receive_id",
            ),
            (
                "falcon_configs: [{url: 'http://x', mode: form, to: y}]",
                "write tos",
            ),
        ] {
            let shown = refused(entry);
            assert!(shown.contains(right), "{entry}: {shown}");
        }
        let known = "wechat_configs: [{corp_id: c, api_secret: s, key: hunter2}]";
        assert!(refused(known).contains("wecom_robot_configs"));
    }

    #[test]
    fn what_reaches_nobody_is_told() {
        assert!(warned("dingtalk_configs: [{access_token: a, secret: hunter2}]").contains("SEC"));
        assert_eq!(
            warned("dingtalk_configs: [{access_token: a, secret: SECx}]"),
            ""
        );
        let markdown =
            "wecom_robot_configs: [{key: a, mentioned_list: [u], mentioned_mobiles: ['1']";
        assert!(warned(&format!("{markdown}}}]")).starts_with("mentioned_mobiles has no effect"));
        let shown = warned(&format!("{markdown}, message_type: markdown_v2}}]"));
        assert!(shown.contains("mentioned_list has no effect"), "{shown}");
        assert_eq!(warned(&format!("{markdown}, message_type: text}}]")), "");
    }
}
