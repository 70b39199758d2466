//! `feishu_configs` with a robot of a group: one address, the signature in the body, no key that would tell repeats.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use url::Url;

use super::{
    Context, FileContents, HttpRequest, HttpResponse,
    errcode::{CODE, Coded},
    feishu_message::Message,
    vendor::{PATIENCE, Reading, Room, Vendor, With},
    wire::{file, http_url},
};
use crate::{
    config::{FeishuConfig, FeishuMessage, HttpConfig, Secret},
    json,
    notify::{FailureReason, Renderer, Verdict},
};

/// Bytes of a body without its signature, of the 20 KiB that it may have.
const MOST: usize = 20_000;

/// Robots take five messages a second and 100 a minute; nothing is said to happen to those that send more.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Robot {
    config: FeishuConfig,
    url: Url,
    token: Secret,
    secret: Secret,
    http: Arc<HttpConfig>,
}

impl Robot {
    pub(super) fn new(config: &FeishuConfig, files: &FileContents) -> Result<Self, Verdict> {
        let url = if config.webhook_url_file.is_empty() {
            http_url("webhook_url", config.webhook_url.reveal())?
        } else {
            let url = file(files, "webhook_url_file", &config.webhook_url_file)?;
            http_url("webhook_url_file", url)?
        };
        let secret = if config.secret_file.is_empty() {
            config.secret.clone()
        } else {
            Secret::new(file(files, "secret_file", &config.secret_file)?)
        };
        let last = url.path().rsplit('/').next();
        Ok(Self {
            token: Secret::new(last.unwrap_or_default()),
            config: config.clone(),
            url,
            secret,
            http: Arc::clone(&config.http),
        })
    }
}

/// The signature of a time in seconds, in base64. Unlike DingTalk's, it signs nothing with a key that is both.
fn signature(secret: &str, timestamp: &str) -> String {
    let key = format!("{timestamp}\n{secret}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, b""))
}

impl Vendor for Robot {
    fn body(
        &self,
        context: &Context,
        render: &Renderer<'_>,
        room: Room,
    ) -> Result<String, Verdict> {
        let config = &self.config;
        let message = Message::new(config, &context.data, render)?;
        let body = |text: &str| {
            json::document(|root| {
                root.text("msg_type", message.kind());
                match config.message_type {
                    FeishuMessage::Interactive => {
                        root.object("card", |card| message.write(card, text));
                    }
                    FeishuMessage::Post => {
                        root.object("content", |content| {
                            content.object("post", |post| message.write(post, text));
                        });
                    }
                    FeishuMessage::Text => {
                        root.object("content", |content| message.write(content, text));
                    }
                }
            })
        };
        let most = room.of(MOST);
        let text = render.body_fitting("text", &config.text, &|text| body(text).len() <= most)?;
        Ok(body(&text))
    }

    fn request(&self, body: &str, with: &With) -> HttpRequest {
        let body = if self.secret.is_empty() {
            body.to_owned()
        } else {
            let timestamp = with.at.unix_seconds().to_string();
            let sign = signature(self.secret.reveal(), &timestamp);
            let members = body.strip_prefix('{').unwrap_or(body);
            format!("{{\"timestamp\":\"{timestamp}\",\"sign\":\"{sign}\",{members}")
        };
        let url = Secret::new(self.url.as_str());
        HttpRequest::json("POST", url, body, &self.http).within(PATIENCE)
    }

    fn read(&self, response: &HttpResponse) -> Reading {
        match Coded::read(response, CODE) {
            Ok(coded) => self.judge(&coded),
            Err(verdict) => Reading::Done(verdict),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.token, &self.secret]
    }
}

impl Robot {
    fn judge(&self, coded: &Coded) -> Reading {
        use FailureReason::{AuthError, ClientError};
        Reading::Done(match &*coded.code {
            "0" => Verdict::sent(),
            "11232" => coded.limited(PAUSE),
            // The code of old for too many messages and for whatever else is wrong with them.
            "9499" if coded.says(&["too many", "frequency"]) => coded.limited(PAUSE),
            "9499" => coded.permanent(ClientError, "the message is not well-formed"),
            "19001" => coded.permanent(
                AuthError,
                "there is no robot at this address: copy the robot's address anew",
            ),
            "19021" if self.secret.is_empty() => {
                coded.permanent(AuthError, "the robot asks for a signature: set secret")
            }
            "19021" => {
                return Reading::SignAgain(coded.permanent(
                    AuthError,
                    "the signature is not that of the robot: check secret, and the clock of this node",
                ));
            }
            "19022" => coded.permanent(
                AuthError,
                "the address of this node is not on the robot's list: add the addresses of all nodes to it",
            ),
            "19024" => coded.permanent(
                AuthError,
                "the text holds none of the robot's keywords: write one of them into title or text, or use the \
                 robot's signature",
            ),
            "19036" | "11246" => {
                return Reading::Shorten(coded.permanent(ClientError, "the message is too long"));
            }
            _ => return Reading::Unknown(coded.permanent(ClientError, "")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{configuration, context, context_of, firing, http, many, resolved, run},
        *,
    };

    const HOOK: &str = "https://open.feishu.cn/open-apis/bot/v2/hook/hunter2hunter2";
    const OK: &str = r#"{"code":0,"msg":"success","data":{},"StatusCode":0,"StatusMessage":"success","Extra":null}"#;

    fn yaml(more: &str) -> String {
        format!(
            "feishu_configs: [{{webhook_url: '{HOOK}', title: T, text: \"load\\nhigh\"{more}}}]"
        )
    }

    #[test]
    fn signs_as_the_vendor_does() {
        assert_eq!(
            signature("feishu-secret", "1700000000"),
            "OrBzY1Y01Gq+HgJsl+7OfWcMVwc7YocohQm5iiZwjhU="
        );
        let context = context(&yaml(", secret: hunter2secret"), firing());
        let (course, _) = run(&context, [http(200, OK)]);
        let json = course.json(0);
        assert_eq!(json["timestamp"], "1795287360");
        assert_eq!(json["sign"], signature("hunter2secret", "1795287360"));
        assert_eq!(json["msg_type"], "interactive");
    }

    #[test]
    fn bodies_are_those_of_the_vendor() {
        let people = "at_user_ids: ['ou_1,ou_2'], at_all: true";
        let mut bodies = String::new();
        for (more, data) in [
            (String::new(), firing()),
            (format!(", {people}"), resolved()),
            (format!(", message_type: text, {people}"), firing()),
            (format!(", message_type: post, {people}"), firing()),
            (
                ", message_type: post, at_user_ids: [all]".to_owned(),
                firing(),
            ),
        ] {
            let (course, verdict) = run(&context(&yaml(&more), data), [http(200, OK)]);
            assert_eq!(verdict, Verdict::sent());
            assert_eq!(course.requests[0].url.reveal(), HOOK);
            bodies.push_str(&course.body(0));
        }
        expect_test::expect![[r#"
            {"msg_type":"interactive","card":{"config":{"wide_screen_mode":true},"header":{"title":{"tag":"plain_text","content":"T"},"template":"red"},"elements":[{"tag":"markdown","content":"load\nhigh"}]}}
            {"msg_type":"interactive","card":{"config":{"wide_screen_mode":true},"header":{"title":{"tag":"plain_text","content":"T"},"template":"green"},"elements":[{"tag":"markdown","content":"load\nhigh\n\u003cat id=all\u003e\u003c/at\u003e \u003cat id=ou_1\u003e\u003c/at\u003e \u003cat id=ou_2\u003e\u003c/at\u003e"}]}}
            {"msg_type":"text","content":{"text":"T\nload\nhigh\n\u003cat user_id=\"all\"\u003e\u003c/at\u003e \u003cat user_id=\"ou_1\"\u003e\u003c/at\u003e \u003cat user_id=\"ou_2\"\u003e\u003c/at\u003e"}}
            {"msg_type":"post","content":{"post":{"en_us":{"title":"T","content":[[{"tag":"text","text":"load"}],[{"tag":"text","text":"high"}],[{"tag":"at","user_id":"all"},{"tag":"at","user_id":"ou_1"},{"tag":"at","user_id":"ou_2"}]]}}}}
            {"msg_type":"post","content":{"post":{"en_us":{"title":"T","content":[[{"tag":"text","text":"load"}],[{"tag":"text","text":"high"}],[{"tag":"at","user_id":"all"}]]}}}}
        "#]]
        .assert_eq(&bodies);
    }

    #[test]
    fn only_its_own_people_are_mentioned() {
        let text = format!(
            "global: {{mention_map: [{{matchers: [severity=critical], user_ids: [boss, ou_1]}}]}}\n\
             route: {{receiver: all}}\nreceivers:\n- name: all\n  {}\n",
            yaml("")
        );
        let env = crate::config::LoadEnv::default();
        let config = crate::config::load(text.as_bytes(), &env).unwrap();
        let (course, _) = run(&context_of(&config, 0, firing()), [http(200, OK)]);
        let content = &course.json(0)["card"]["elements"][0]["content"];
        assert_eq!(content, "load\nhigh\n<at id=ou_1></at>");
    }

    #[test]
    fn texts_and_posts_have_a_plain_default() {
        for (kind, sign) in [("text", false), ("post", false), ("interactive", true)] {
            let yaml = format!("feishu_configs: [{{webhook_url: '{HOOK}', message_type: {kind}}}]");
            let (course, verdict) = run(&context(&yaml, firing()), [http(200, OK)]);
            assert_eq!(verdict, Verdict::sent());
            assert_eq!(course.body(0).contains("**"), sign, "{}", course.body(0));
            assert!(course.body(0).contains("load high"));
        }
    }

    #[test]
    fn bodies_never_exceed_the_limit() {
        for kind in ["text", "post", "interactive"] {
            for text in [
                "{{ range .Alerts }}<{{ .Labels.instance }}>\n{{ end }}",
                &*"日本".repeat(9000),
            ] {
                let yaml = format!(
                    "feishu_configs: [{{webhook_url: '{HOOK}', message_type: {kind}, title: T, text: \"{}\", secret: s}}]",
                    text.replace('\n', "\\n")
                );
                let (course, verdict) = run(&context(&yaml, many(2000)), [http(200, OK)]);
                let rendered = verdict == Verdict::sent();
                let size = course.requests[0].body.len();
                assert!(
                    size <= 20_480 && (size > 19_000 || !rendered),
                    "{kind} {size}"
                );
                assert!(course.body(0).contains("am.example.org"));
            }
        }
    }

    #[test]
    fn addresses_and_secrets_come_from_files_too() {
        let config = configuration(
            "feishu_configs: [{webhook_url_file: /u, secret_file: /s, text: x, title: T}]",
        );
        assert_eq!(
            super::super::files(&config.receivers[0].integrations[0]),
            ["/u", "/s"]
        );
        let mut context = context_of(&config, 0, firing());
        context.files = [
            ("/u", format!("{HOOK}\n")),
            ("/s", "hunter2secret\n".to_owned()),
        ]
        .map(|(path, content)| (path.to_owned(), Ok(content)))
        .into();
        let (course, _) = run(&context, [http(200, OK)]);
        assert_eq!(course.requests[0].url.reveal(), HOOK);
        assert_eq!(
            course.json(0)["sign"],
            signature("hunter2secret", "1795287360")
        );
    }

    #[test]
    fn what_codes_mean() {
        let sign = r#"{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time hunter2hunter2"}"#;
        let long = r#"{"code":19036,"msg":"too long"}"#;
        let signed = ", secret: hunter2secret";
        for (more, answers, expect) in [
            ("", &[OK][..], "Sent"),
            (
                "",
                &[r#"{"StatusCode":0,"StatusMessage":"success"}"#],
                "Sent",
            ),
            (
                "",
                &[r#"{"code":11232,"msg":"frequency limited psm[x]"}"#],
                "after: Some(10s), reason: RateLimited",
            ),
            (
                "",
                &[r#"{"code":9499,"msg":"too many request"}"#],
                "after: Some(10s), reason: RateLimited",
            ),
            ("", &[r#"{"code":9499,"msg":"Bad Request"}"#], "Permanent"),
            (
                "",
                &[r#"{"code":19001,"msg":"param invalid: hunter2hunter2"}"#],
                "param invalid: <redacted>: there is no robot",
            ),
            ("", &[sign], "set secret"),
            (signed, &[sign, OK], "Sent"),
            (signed, &[sign, sign], "Permanent { reason: AuthError"),
            (
                "",
                &[r#"{"code":19022,"msg":"Ip Not Allowed"}"#],
                "addresses of all nodes",
            ),
            (
                "",
                &[r#"{"code":19024,"msg":"Key Words Not Found"}"#],
                "none of the robot's keywords",
            ),
            ("", &[long, OK], "found it too long"),
            ("", &[long, long], "Permanent"),
            ("", &[r#"{"code":4711}"#, OK], "Sent"),
            ("", &[r#"{"code":4711}"#, r#"{"code":4711}"#], "Permanent"),
            ("", &["{}"], "ambiguous: true"),
        ] {
            let (_, verdict) = run(
                &context(&yaml(more), firing()),
                answers.iter().map(|body| http(200, body)),
            );
            let shown = format!("{verdict:?}");
            assert!(shown.contains(expect), "{expect}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let (_, verdict) = run(
            &context(&yaml(""), firing()),
            [http(400, r#"{"code":19024}"#)],
        );
        assert!(format!("{verdict:?}").contains("keywords"));
    }
}
