//! `wecom_robot_configs`: a robot of a group of WeCom (WeChat Work). Its key is all that protects it; nothing tells
//! repeats.

use std::{sync::Arc, time::Duration};

use url::Url;

use super::{
    Begun, Context, FileContents, HttpRequest, HttpResponse,
    errcode::{Coded, ERRCODE},
    people::{listed, mentions, not_of_feishu, take_all},
    vendor::{self, PATIENCE, Reading, Room, Vendor, With},
    wire::{file, http_url},
};
use crate::{
    config::{HttpConfig, Secret, WecomRobotConfig, WecomRobotMessage},
    json,
    notify::{FailureReason, Limit, Renderer, Verdict},
};

const SEND: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send";

/// Bytes of a text.
const TEXT: usize = 2048;

/// Bytes of markdown of either version.
const MARKDOWN: usize = 4096;

/// Robots take 20 messages a minute.
const PAUSE: Duration = Duration::from_secs(60);

/// The files to read for each notification.
pub(super) fn files(config: &WecomRobotConfig) -> Vec<String> {
    let files = [&config.webhook_url_file, &config.key_file];
    let given = files.into_iter().filter(|path| !path.is_empty());
    given.cloned().collect()
}

/// Begins an attempt.
pub(super) fn begin(
    config: &WecomRobotConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let url = address(config, &context.files)?;
    let key = url
        .query_pairs()
        .find(|(name, _)| name == "key")
        .map(|(_, key)| Secret::new(key));
    let robot = Robot {
        config: config.clone(),
        key: key.unwrap_or_default(),
        url,
        http: Arc::clone(&config.http),
    };
    vendor::begin(robot, context, render)
}

fn address(config: &WecomRobotConfig, files: &FileContents) -> Result<Url, Verdict> {
    if !config.webhook_url.is_empty() {
        return http_url("webhook_url", config.webhook_url.reveal());
    }
    if !config.webhook_url_file.is_empty() {
        let url = file(files, "webhook_url_file", &config.webhook_url_file)?;
        return http_url("webhook_url_file", url);
    }
    let key = if config.key_file.is_empty() {
        config.key.reveal()
    } else {
        file(files, "key_file", &config.key_file)?
    };
    let mut url = http_url("key", SEND)?;
    url.query_pairs_mut().append_pair("key", key);
    Ok(url)
}

#[derive(Debug)]
struct Robot {
    config: WecomRobotConfig,
    url: Url,
    key: Secret,
    http: Arc<HttpConfig>,
}

impl Vendor for Robot {
    fn body(
        &self,
        _context: &Context,
        render: &Renderer<'_>,
        room: Room,
    ) -> Result<String, Verdict> {
        let config = &self.config;
        let mapped = render.mentions();
        let mut users = listed(
            render,
            "mentioned_list",
            &config.mentioned_list,
            &not_of_feishu(&mapped.user_ids),
        )?;
        let mut mobiles = listed(
            render,
            "mentioned_mobiles",
            &config.mentioned_mobiles,
            &mapped.mobiles,
        )?;
        if take_all(&mut users) | take_all(&mut mobiles) {
            users.push("@all".to_owned());
        }
        let content = |limit: usize| {
            render.body_within("content", &config.content, Limit::Bytes(room.of(limit)))
        };
        let written = match config.message_type {
            WecomRobotMessage::Text => {
                let content = content(TEXT)?;
                written("text", &content, |inner| {
                    inner
                        .texts("mentioned_list", &users)
                        .texts("mentioned_mobile_list", &mobiles);
                })
            }
            WecomRobotMessage::Markdown => {
                let most = room.of(MARKDOWN);
                let fits = |text: &str| text.len() + mentioned(text, &users).len() <= most;
                let content = render.body_fitting("content", &config.content, &fits)?;
                let content = format!("{content}{}", mentioned(&content, &users));
                written("markdown", &content, |_| {})
            }
            WecomRobotMessage::MarkdownV2 => written("markdown_v2", &content(MARKDOWN)?, |_| {}),
        };
        Ok(written)
    }

    fn request(&self, body: &str, _with: &With) -> HttpRequest {
        let url = Secret::new(self.url.as_str());
        HttpRequest::json("POST", url, body.to_owned(), &self.http).within(PATIENCE)
    }

    fn read(&self, response: &HttpResponse) -> Reading {
        match Coded::read(response, ERRCODE) {
            Ok(coded) => judge(&coded),
            Err(verdict) => Reading::Done(verdict),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.key]
    }
}

fn judge(coded: &Coded) -> Reading {
    use FailureReason::{AuthError, ClientError, ServerError};
    Reading::Done(match &*coded.code {
        "0" => Verdict::sent(),
        "-1" => coded.retry(ServerError),
        "45033" => coded.retry(FailureReason::RateLimited),
        "45009" => coded.limited(PAUSE),
        "40058" | "45002" => {
            return Reading::Shorten(
                coded.permanent(ClientError, "the message is too long, or not well-formed"),
            );
        }
        "93000" => coded.permanent(
            AuthError,
            "there is no robot with this key: copy the robot's address anew",
        ),
        "93008" => coded.permanent(ClientError, "the robot is not in its group any more"),
        "40008" => coded.permanent(ClientError, "the robot does not take this message_type"),
        "44004" => coded.permanent(ClientError, "the text is empty"),
        _ => return Reading::Unknown(coded.permanent(ClientError, "")),
    })
}

fn written(kind: &str, content: &str, more: impl FnOnce(&mut json::ObjectWriter<'_>)) -> String {
    json::document(|root| {
        root.text("msgtype", kind).object(kind, |inner| {
            inner.text("content", content);
            more(inner);
        });
    })
}

/// The mentions that markdown lacks, to stand at its end; only users can be mentioned in it.
fn mentioned(text: &str, users: &[String]) -> String {
    let mut out = String::new();
    for user in users {
        let mention = format!("<@{}>", user.trim_start_matches('@'));
        if !mentions(text, &mention) {
            out.push_str(if out.is_empty() { "\n" } else { " " });
            out.push_str(&mention);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{configuration, context, context_of, firing, http, many, run},
        *,
    };

    const HOOK: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hunter2hunter2";
    const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;

    fn yaml(more: &str) -> String {
        format!("wecom_robot_configs: [{{webhook_url: '{HOOK}', content: 'load high'{more}}}]")
    }

    #[test]
    fn bodies_are_those_of_the_vendor() {
        let people = "mentioned_list: ['u1,u2', '@all'], mentioned_mobiles: ['138']";
        let mut bodies = String::new();
        for more in [
            String::new(),
            format!(", {people}"),
            format!(", message_type: text, {people}"),
            ", message_type: text".to_owned(),
            format!(", message_type: markdown_v2, {people}"),
        ] {
            let (course, verdict) = run(&context(&yaml(&more), firing()), [http(200, OK)]);
            assert_eq!(verdict, Verdict::sent());
            assert_eq!(course.requests[0].url.reveal(), HOOK);
            bodies.push_str(&course.body(0));
        }
        expect_test::expect![[r#"
            {"msgtype":"markdown","markdown":{"content":"load high"}}
            {"msgtype":"markdown","markdown":{"content":"load high\n\u003c@u1\u003e \u003c@u2\u003e \u003c@all\u003e"}}
            {"msgtype":"text","text":{"content":"load high","mentioned_list":["u1","u2","@all"],"mentioned_mobile_list":["138"]}}
            {"msgtype":"text","text":{"content":"load high","mentioned_list":[],"mentioned_mobile_list":[]}}
            {"msgtype":"markdown_v2","markdown_v2":{"content":"load high"}}
        "#]]
        .assert_eq(&bodies);
    }

    #[test]
    fn contents_never_exceed_the_limit() {
        for (kind, most) in [("text", 2048), ("markdown", 4096), ("markdown_v2", 4096)] {
            for content in [
                "{{ range .Alerts }}日 {{ .Labels.instance }}\n{{ end }}",
                &*"日本".repeat(5000),
            ] {
                let yaml = format!(
                    "wecom_robot_configs: [{{key: k, message_type: {kind}, content: \"{}\", mentioned_list: [u1]}}]",
                    content.replace('\n', "\\n")
                );
                let (course, verdict) = run(&context(&yaml, many(500)), [http(200, OK)]);
                let json = course.json(0);
                let content = json[kind]["content"].as_str().unwrap();
                let rendered = verdict == Verdict::sent();
                let size = content.len();
                assert!(size <= most && (size + 200 > most || !rendered), "{size}");
                assert_eq!(content.ends_with("\n<@u1>"), kind == "markdown");
            }
        }
    }

    #[test]
    fn keys_come_from_the_file_too() {
        let config = configuration("wecom_robot_configs: [{key_file: /k, content: x}]");
        assert_eq!(
            super::super::files(&config.receivers[0].integrations[0]),
            ["/k"]
        );
        let mut context = context_of(&config, 0, firing());
        context
            .files
            .insert("/k".to_owned(), Ok("hunter2hunter2\n".to_owned()));
        let (course, _) = run(&context, [http(200, OK)]);
        assert_eq!(course.requests[0].url.reveal(), HOOK);
    }

    #[test]
    fn what_codes_mean() {
        let long = r#"{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}"#;
        let gone = r#"{"errcode":93000,"errmsg":"invalid webhook url hunter2hunter2"}"#;
        for (answers, expect) in [
            (&[OK][..], "Sent"),
            (&[r#"{"errcode":-1}"#], "after: None, reason: ServerError"),
            (
                &[r#"{"errcode":45009}"#],
                "after: Some(60s), reason: RateLimited",
            ),
            (
                &[r#"{"errcode":45033}"#],
                "after: None, reason: RateLimited",
            ),
            (&[long, OK], "found it too long"),
            (
                &[long, long],
                "Permanent { reason: ClientError, error: \"refused with code 40058",
            ),
            (
                &[gone],
                "Permanent { reason: AuthError, error: \"refused with code 93000: invalid webhook url <redacted>",
            ),
            (&[r#"{"errcode":93008}"#], "Permanent"),
            (&[r#"{"errcode":4711}"#, OK], "Sent"),
            (&[r#"{"errcode":4711}"#, r#"{"errcode":4711}"#], "Permanent"),
            (&["gateway"], "ambiguous: true"),
        ] {
            let answers = answers.iter().map(|body| http(200, body));
            let (_, verdict) = run(&context(&yaml(""), firing()), answers);
            let shown = format!("{verdict:?}");
            assert!(shown.contains(expect), "{expect}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
