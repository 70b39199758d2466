//! `dingtalk_configs` with a robot of a group: one address, signed for each attempt, no key that would tell repeats.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use url::Url;

use super::{
    Context, FileContents, HttpRequest, HttpResponse,
    dingtalk::{At, Button, buttons, title},
    errcode::{Coded, ERRCODE},
    vendor::{PATIENCE, Reading, Room, Vendor, With},
    wire::{file, http_url},
};
use crate::{
    config::{DingTalkConfig, DingTalkMessage, HttpConfig, Secret},
    json,
    notify::{FailureReason, Renderer, Verdict},
    time::Timestamp,
};

const SEND: &str = "https://oapi.dingtalk.com/robot/send";

/// The most bytes that a body may have.
const MOST: usize = 20_000;

/// A card with more buttons is not shown on telephones.
const BUTTONS: usize = 10;

/// Robots take 20 messages a minute.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Robot {
    config: DingTalkConfig,
    url: Url,
    token: Secret,
    secret: Secret,
    http: Arc<HttpConfig>,
}

impl Robot {
    pub(super) fn new(config: &DingTalkConfig, files: &FileContents) -> Result<Self, Verdict> {
        let url = address(config, files)?;
        let token = url
            .query_pairs()
            .find(|(name, _)| name == "access_token")
            .map(|(_, token)| Secret::new(token));
        let secret = if config.secret_file.is_empty() {
            config.secret.clone()
        } else {
            Secret::new(file(files, "secret_file", &config.secret_file)?)
        };
        Ok(Self {
            config: config.clone(),
            token: token.unwrap_or_default(),
            url,
            secret,
            http: Arc::clone(&config.http),
        })
    }
}

fn address(config: &DingTalkConfig, files: &FileContents) -> Result<Url, Verdict> {
    if !config.webhook_url.is_empty() {
        return http_url("webhook_url", config.webhook_url.reveal());
    }
    if !config.webhook_url_file.is_empty() {
        let url = file(files, "webhook_url_file", &config.webhook_url_file)?;
        return http_url("webhook_url_file", url);
    }
    let token = if config.access_token_file.is_empty() {
        config.access_token.reveal()
    } else {
        file(files, "access_token_file", &config.access_token_file)?
    };
    let mut url = http_url("access_token", SEND)?;
    url.query_pairs_mut().append_pair("access_token", token);
    Ok(url)
}

/// The signature of a time in milliseconds, in base64.
fn signature(secret: &str, timestamp: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = format!("{timestamp}\n{secret}");
    STANDARD.encode(hmac::sign(&key, signed.as_bytes()))
}

fn signed(url: &Url, secret: &Secret, at: Timestamp) -> Secret {
    if secret.is_empty() {
        return Secret::new(url.as_str());
    }
    let timestamp = at.unix_millis().to_string();
    let signature = signature(secret.reveal(), &timestamp);
    let mut url = url.clone();
    url.query_pairs_mut()
        .append_pair("timestamp", &timestamp)
        .append_pair("sign", &signature);
    Secret::new(url.as_str())
}

impl Vendor for Robot {
    fn body(
        &self,
        context: &Context,
        render: &Renderer<'_>,
        room: Room,
    ) -> Result<String, Verdict> {
        let config = &self.config;
        let message = Message {
            kind: config.message_type,
            title: title(config, render)?,
            at: At::of(config, render)?,
            buttons: match config.message_type {
                DingTalkMessage::ActionCard => {
                    buttons(&config.buttons, BUTTONS, &context.data, render)?
                }
                DingTalkMessage::Markdown | DingTalkMessage::Text => Vec::new(),
            },
        };
        let most = room.of(MOST);
        let fits = |text: &str| message.json(text).len() <= most;
        let text = render.body_fitting("text", &config.text, &fits)?;
        Ok(message.json(&text))
    }

    fn request(&self, body: &str, with: &With) -> HttpRequest {
        let url = signed(&self.url, &self.secret, with.at);
        HttpRequest::json("POST", url, body.to_owned(), &self.http).within(PATIENCE)
    }

    fn read(&self, response: &HttpResponse) -> Reading {
        match Coded::read(response, ERRCODE) {
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
        use FailureReason::{AuthError, ClientError, ServerError};
        let permanent = |reason, advice: &str| coded.permanent(reason, advice);
        Reading::Done(match &*coded.code {
            "0" => Verdict::sent(),
            "-1" => coded.retry(ServerError),
            "130101" | "130102" | "302033" | "90030" => coded.limited(PAUSE),
            "310000" => return self.judge_security(coded),
            "460101" | "101002" => {
                return Reading::Shorten(permanent(ClientError, "the message is too long"));
            }
            "300001" | "300005" => permanent(
                AuthError,
                "there is no robot with this access_token: copy the robot's address anew",
            ),
            "400013" | "400101" | "400102" => permanent(
                ClientError,
                "the robot was switched off or its group is gone",
            ),
            "400105" | "400106" | "40035" => {
                permanent(ClientError, "the robot does not take this message_type")
            }
            _ => return Reading::Unknown(permanent(ClientError, "")),
        })
    }

    /// One code stands for the three ways in which a robot is protected.
    fn judge_security(&self, coded: &Coded) -> Reading {
        let permanent = |advice: &str| coded.permanent(FailureReason::AuthError, advice);
        if coded.says(&["keyword", "关键词"]) {
            return Reading::Done(permanent(
                "the text holds none of the robot's keywords: write one of them into title or text, or use the \
                 robot's signature",
            ));
        }
        if coded.says(&["whitelist", "white list", "白名单", " ip ", "ip地址"]) {
            return Reading::Done(permanent(
                "the address of this node is not on the robot's list: add the addresses of all nodes to it",
            ));
        }
        if self.secret.is_empty() {
            return Reading::Done(permanent("the robot asks for a signature: set secret"));
        }
        Reading::SignAgain(permanent(
            "the signature is not that of the robot: check secret, and the clock of this node",
        ))
    }
}

struct Message {
    kind: DingTalkMessage,
    title: String,
    at: At,
    buttons: Vec<Button>,
}

impl Message {
    fn json(&self, text: &str) -> String {
        let new_line = match self.kind {
            DingTalkMessage::Text => "\n",
            DingTalkMessage::Markdown | DingTalkMessage::ActionCard => "\n\n",
        };
        let text = format!("{text}{}", self.at.missing_in(text, new_line));
        json::document(|root| {
            match self.kind {
                DingTalkMessage::Text => {
                    root.text("msgtype", "text");
                    root.object("text", |inner| {
                        inner.text("content", &text);
                    });
                }
                DingTalkMessage::Markdown => {
                    root.text("msgtype", "markdown");
                    root.object("markdown", |inner| {
                        inner.text("title", &self.title).text("text", &text);
                    });
                }
                DingTalkMessage::ActionCard => {
                    root.text("msgtype", "actionCard");
                    root.object("actionCard", |card| self.card(card, &text));
                }
            }
            root.object("at", |at| {
                at.texts("atMobiles", &self.at.mobiles)
                    .texts("atUserIds", &self.at.user_ids)
                    .flag("isAtAll", self.at.all);
            });
        })
    }

    fn card(&self, card: &mut json::ObjectWriter<'_>, text: &str) {
        card.text("title", &self.title).text("text", text);
        if let [button] = &*self.buttons {
            card.text("btnOrientation", "0")
                .text("singleTitle", &button.title)
                .text("singleURL", &button.url);
            return;
        }
        // Two fit beside each other.
        let side_by_side = self.buttons.len() == 2;
        card.text("btnOrientation", if side_by_side { "1" } else { "0" });
        card.array("btns", |buttons| {
            for button in &self.buttons {
                buttons.object(|inner| {
                    inner
                        .text("title", &button.title)
                        .text("actionURL", &button.url);
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{Course, configuration, context, context_of, firing, http, many, run},
        *,
    };
    use crate::notify::integration::TransportError;

    const HOOK: &str = "https://oapi.dingtalk.com/robot/send?access_token=hunter2hunter2";

    fn yaml(more: &str) -> String {
        format!(
            "dingtalk_configs: [{{webhook_url: '{HOOK}', title: T, text: 'load <high>'{more}}}]"
        )
    }

    fn told(more: &str) -> Course {
        let (course, verdict) = run(
            &context(&yaml(more), firing()),
            [http(200, r#"{"errcode":0,"errmsg":"ok"}"#)],
        );
        assert_eq!(verdict, Verdict::sent(), "{more}");
        course
    }

    #[test]
    fn signs_as_the_vendor_does() {
        let secret = "SECtest0000000000000000000000000000";
        assert_eq!(
            signature(secret, "1700000000000"),
            "z5fbc8pZASq7fzOgF6v++NtJ1yr4Or1hG9+Q2Vj9T24="
        );
        let url = Url::parse(HOOK).unwrap();
        let at = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(
            signed(&url, &Secret::new(secret), at).reveal(),
            format!(
                "{HOOK}&timestamp=1700000000000&sign=z5fbc8pZASq7fzOgF6v%2B%2BNtJ1yr4Or1hG9%2BQ2Vj9T24%3D"
            )
        );
        assert_eq!(signed(&url, &Secret::default(), at).reveal(), HOOK);
    }

    #[test]
    fn bodies_are_those_of_the_vendor() {
        let bodies = [
            told("").body(0),
            told(", message_type: text, at: {mobiles: ['138 0000 0000', '+85212345678'], user_ids: ['u1,u2', '@u1']}").body(0),
            told(", at: {mobiles: ['1'], all: true}").body(0),
            told(", message_type: actionCard, at: {user_ids: [all]}").body(0),
            told(", buttons: [{title: A, url: 'http://a'}]").body(0),
            told(", buttons: [{title: A, url: 'http://a'}, {title: B, url: 'http://b'}]").body(0),
        ];
        expect_test::expect![[r#"
            {"msgtype":"markdown","markdown":{"title":"T","text":"load \u003chigh\u003e"},"at":{"atMobiles":[],"atUserIds":[],"isAtAll":false}}
            {"msgtype":"text","text":{"content":"load \u003chigh\u003e\n@13800000000 @+852-12345678 @u1 @u2"},"at":{"atMobiles":["13800000000","+852-12345678"],"atUserIds":["u1","u2"],"isAtAll":false}}
            {"msgtype":"markdown","markdown":{"title":"T","text":"load \u003chigh\u003e\n\n@1"},"at":{"atMobiles":["1"],"atUserIds":[],"isAtAll":true}}
            {"msgtype":"actionCard","actionCard":{"title":"T","text":"load \u003chigh\u003e","btnOrientation":"0","singleTitle":"Show alerts","singleURL":"http://am.example.org/#/alerts"},"at":{"atMobiles":[],"atUserIds":[],"isAtAll":true}}
            {"msgtype":"actionCard","actionCard":{"title":"T","text":"load \u003chigh\u003e","btnOrientation":"0","singleTitle":"A","singleURL":"http://a"},"at":{"atMobiles":[],"atUserIds":[],"isAtAll":false}}
            {"msgtype":"actionCard","actionCard":{"title":"T","text":"load \u003chigh\u003e","btnOrientation":"1","btns":[{"title":"A","actionURL":"http://a"},{"title":"B","actionURL":"http://b"}]},"at":{"atMobiles":[],"atUserIds":[],"isAtAll":false}}
        "#]]
        .assert_eq(&bodies.concat());
    }

    #[test]
    fn those_whom_the_alerts_concern_are_mentioned() {
        let text = format!(
            "global: {{mention_map: [{{matchers: [severity=critical], mobiles: ['139'], user_ids: [boss, ou_1]}}]}}\n\
             route: {{receiver: all}}\nreceivers:\n- name: all\n  {}\n",
            yaml("")
        );
        let config =
            crate::config::load(text.as_bytes(), &crate::config::LoadEnv::default()).unwrap();
        let (course, _) = run(
            &context_of(&config, 0, firing()),
            [http(200, r#"{"errcode":0}"#)],
        );
        let json = course.json(0);
        assert_eq!(json["markdown"]["text"], "load <high>\n\n@139 @boss");
        assert_eq!(json["at"]["atMobiles"][0], "139");
        let resolved = super::super::harness::resolved();
        let (course, _) = run(
            &context_of(&config, 0, resolved),
            [http(200, r#"{"errcode":0}"#)],
        );
        assert_eq!(course.json(0)["markdown"]["text"], "load <high>");
    }

    #[test]
    fn addresses_come_from_a_token_or_a_file() {
        let (course, _) = run(
            &context(
                "dingtalk_configs: [{access_token: 'a+b', text: x}]",
                firing(),
            ),
            [http(200, r#"{"errcode":0}"#)],
        );
        let url = "https://oapi.dingtalk.com/robot/send?access_token=a%2Bb";
        assert_eq!(course.requests[0].url.reveal(), url);
        let config =
            configuration("dingtalk_configs: [{webhook_url_file: /u, secret_file: /s, text: x}]");
        assert_eq!(
            super::super::files(&config.receivers[0].integrations[0]),
            ["/u", "/s"]
        );
        let mut context = context_of(&config, 0, firing());
        context.files = [("/u", format!("{HOOK}\n")), ("/s", "SECx\n".to_owned())]
            .map(|(path, content)| (path.to_owned(), Ok(content)))
            .into();
        let (course, _) = run(&context, [http(200, r#"{"errcode":0}"#)]);
        let url = course.requests[0].url.reveal();
        assert!(url.starts_with(&format!("{HOOK}&timestamp=")), "{url}");
        context
            .files
            .insert("/u".to_owned(), Ok("hunter2 hunter2".to_owned()));
        let (_, verdict) = run(&context, []);
        let shown = format!("{verdict:?}");
        assert!(
            shown.contains("webhook_url_file") && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    #[test]
    fn bodies_never_exceed_the_limit_and_say_what_is_left_out() {
        for (text, more) in [
            (
                "{{ range .Alerts }}<{{ .Labels.instance }}>\n{{ end }}",
                true,
            ),
            (
                "{{ range .Alerts }}{{ .Labels.instance }} 日本語 \"quoted\"\n{{ end }}",
                true,
            ),
            (&*"日\"".repeat(20_000), false),
        ] {
            let yaml = format!(
                "dingtalk_configs: [{{webhook_url: '{HOOK}', title: T, text: \"{}\", at: {{mobiles: ['138']}}}}]",
                text.replace('"', "\\\"").replace('\n', "\\n")
            );
            let answers = [http(200, r#"{"errcode":0}"#)];
            let (course, verdict) = run(&context(&yaml, many(2000)), answers);
            let rendered = verdict == Verdict::sent();
            let size = course.requests[0].body.len();
            assert!(size <= 20_000 && (size > 19_000 || !rendered), "{size}");
            let json = course.json(0);
            let text = json["markdown"]["text"].as_str().unwrap();
            assert!(text.ends_with("\n\n@138"), "{text}");
            assert_eq!(
                text.contains(" more: http://am.example.org/#/alerts"),
                more && rendered
            );
        }
    }

    /// The verdict after these answers, in a few words, and how many requests there were.
    fn verdict_after(more: &str, answers: &[&str]) -> (String, usize) {
        let answers = answers.iter().map(|body| http(200, body));
        let (course, verdict) = run(&context(&yaml(more), firing()), answers);
        let shown = match verdict {
            Verdict::Sent(receipt) => format!("sent {}", receipt.note),
            Verdict::Retry {
                after: Some(after), ..
            } => format!("wait {}", after.as_secs()),
            Verdict::Retry { after: None, .. } => "retry".to_owned(),
            Verdict::Permanent { error, .. } => format!("permanent {error}"),
        };
        assert!(
            !shown.contains("hunter2") && !shown.contains("SEC123"),
            "{shown}"
        );
        (shown, course.requests.len())
    }

    #[test]
    fn what_codes_mean() {
        let signed = ", secret: SEC1234567";
        let sign = r#"{"errcode":310000,"errmsg":"sign not match for hunter2hunter2 SEC1234567"}"#;
        let ok = r#"{"errcode":0,"errmsg":"ok"}"#;
        for (more, answers, expect, requests) in [
            ("", &[ok][..], "sent", 1),
            ("", &[r#"{"errcode":-1,"errmsg":"busy"}"#], "retry", 1),
            (
                "",
                &[r#"{"errcode":130101,"errmsg":"send too fast"}"#],
                "wait 60",
                1,
            ),
            (
                "",
                &[
                    r#"{"status":1111,"wait":5,"source":"x5","punish":"deny","uuid":"u","errcode":130101}"#,
                ],
                "wait 60",
                1,
            ),
            ("", &[r#"{"errcode":302033}"#], "wait 60", 1),
            ("", &[r#"{"errcode":90030}"#], "wait 60", 1),
            (
                "",
                &[r#"{"errcode":300001,"errmsg":"token is not exist"}"#],
                "permanent refused with code 300001: token is not exist: there is no robot",
                1,
            ),
            (
                "",
                &[r#"{"errcode":310000,"errmsg":"keywords not in content"}"#],
                "permanent refused with code 310000: keywords not in content: the text holds none",
                1,
            ),
            (
                "",
                &[r#"{"errcode":310000,"errmsg":"description:机器人发送签名不匹配;solution:x"}"#],
                "permanent refused with code 310000: description:机器人发送签名不匹配;solution:x: the robot asks for a signature",
                1,
            ),
            (
                signed,
                &[r#"{"errcode":310000,"errmsg":"ip 1.2.3.4 not in whitelist"}"#],
                "permanent refused with code 310000: ip 1.2.3.4 not in whitelist: the address of this node",
                1,
            ),
            (signed, &[sign, ok], "sent", 2),
            (
                signed,
                &[sign, sign],
                "permanent refused with code 310000: sign not match for <redacted> <redacted>: the signature is not",
                2,
            ),
            (
                "",
                &[r#"{"errcode":460101,"errmsg":"message too long"}"#, ok],
                "sent the receiver found it too long",
                2,
            ),
            (
                "",
                &[r#"{"errcode":101002}"#, r#"{"errcode":460101}"#],
                "permanent refused with code 460101",
                2,
            ),
            ("", &[r#"{"errcode":4711,"errmsg":"new"}"#, ok], "sent", 2),
            (
                "",
                &[r#"{"errcode":4711,"errmsg":"new"}"#; 2],
                "permanent refused with code 4711: new",
                2,
            ),
            ("", &["<html>"], "retry", 1),
        ] {
            let (shown, count) = verdict_after(more, answers);
            assert!(shown.starts_with(expect), "{answers:?}: {shown}");
            assert_eq!(count, requests, "{answers:?}");
        }
    }

    #[test]
    fn a_wrong_clock_signs_with_the_receivers_time() {
        let mut refused = http(200, r#"{"errcode":310000,"errmsg":"invalid timestamp"}"#).unwrap();
        refused.headers = vec![(
            "date".to_owned(),
            "Sun, 22 Nov 2026 02:56:01 GMT".to_owned(),
        )];
        let context = context(&yaml(", secret: SEC1234567"), firing());
        let (course, verdict) = run(&context, [Ok(refused), http(200, r#"{"errcode":0}"#)]);
        let first = course.requests[0].url.reveal();
        assert!(first.contains("timestamp=1795287360000"), "{first}");
        let second = course.requests[1].url.reveal();
        assert!(second.contains("timestamp=1795316161000"), "{second}");
        let Verdict::Sent(receipt) = verdict else {
            panic!()
        };
        assert_eq!(
            receipt.note,
            "the clock of this node is 28800 s off the receiver's"
        );
    }

    #[test]
    fn without_an_answer_it_is_tried_again() {
        let error = TransportError {
            message: "connection reset".to_owned(),
            timed_out: false,
            ambiguous: true,
        };
        let (_, verdict) = run(&context(&yaml(""), firing()), [Err(error)]);
        let Verdict::Retry {
            ambiguous, error, ..
        } = verdict
        else {
            panic!()
        };
        assert!(ambiguous);
        assert_eq!(error, "Post \"<redacted>\": connection reset");
        for (status, retried) in [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (429, true),
            (502, true),
        ] {
            let (_, verdict) = run(&context(&yaml(""), firing()), [http(status, "x")]);
            assert_eq!(
                matches!(verdict, Verdict::Retry { .. }),
                retried,
                "{status}"
            );
        }
    }

    #[test]
    fn a_template_that_fails_still_tells() {
        let yaml = format!(
            "dingtalk_configs: [{{webhook_url: '{HOOK}', text: '{{{{ .Nonsense }}}}', title: T}}]"
        );
        let (course, verdict) = run(&context(&yaml, firing()), [http(200, r#"{"errcode":0}"#)]);
        let Verdict::Sent(receipt) = verdict else {
            panic!()
        };
        assert!(
            receipt
                .template_problems
                .contains("template of text failed"),
            "{}",
            receipt.template_problems
        );
        let json = course.json(0);
        assert!(
            json["markdown"]["text"]
                .as_str()
                .unwrap()
                .contains("instance=a:9100")
        );
    }
}
