//! `dingtalk_configs` with a robot of an application: messages to people or to a group, with a token that is shared.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    Context, FileContents, HttpRequest, HttpResponse, Token, TokenRequest, TransportError,
    dingtalk::{At, Button, buttons, title},
    errcode::{Coded, Keys},
    status,
    vendor::{PATIENCE, Reading, Room, Vendor, With},
    wire::file,
};
use crate::{
    config::{DingTalkConfig, DingTalkMessage, HttpConfig, Secret},
    json,
    notify::{FailureReason, Receipt, Renderer, Verdict},
};

const API: &str = "https://api.dingtalk.com/v1.0";

/// The most bytes that the parameters of a message may have.
const MOST: usize = 15_000;

/// The most buttons for which there is a card.
const BUTTONS: usize = 5;

const KEYS: Keys = Keys {
    code: &["code"],
    words: "message",
};

const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct App {
    config: DingTalkConfig,
    secret: Secret,
    /// Rendered; empty if the message goes to a group.
    user_ids: Vec<String>,
    /// Rendered.
    conversation: String,
    http: Arc<HttpConfig>,
}

impl App {
    pub(super) fn new(
        config: &DingTalkConfig,
        files: &FileContents,
        render: &Renderer<'_>,
    ) -> Result<Self, Verdict> {
        let secret = if config.app_secret_file.is_empty() {
            config.app_secret.clone()
        } else {
            Secret::new(file(files, "app_secret_file", &config.app_secret_file)?)
        };
        let mut user_ids = Vec::new();
        for source in &config.user_ids {
            let rendered = render.required("user_ids", source)?;
            let some = rendered.split(',').map(str::trim);
            user_ids.extend(some.filter(|one| !one.is_empty()).map(str::to_owned));
        }
        let conversation = render.required("open_conversation_id", &config.open_conversation_id)?;
        if user_ids.is_empty() && conversation.is_empty() {
            return Err(Verdict::unsendable(
                "user_ids and open_conversation_id name nobody for this notification",
            ));
        }
        Ok(Self {
            config: config.clone(),
            secret,
            user_ids,
            conversation,
            http: Arc::clone(&config.http),
        })
    }
}

impl Vendor for App {
    fn token(&self) -> Option<TokenRequest> {
        let (key, secret) = (&*self.config.app_key, self.secret.reveal());
        let url = Secret::new(format!("{API}/oauth2/accessToken"));
        let body = json::document(|root| {
            root.text("appKey", key).text("appSecret", secret);
        });
        let hash = Sha256::digest(secret);
        Some(TokenRequest {
            key: format!("dingtalk/{key}/{hash:x}"),
            request: HttpRequest::json("POST", url, body, &self.http).within(PATIENCE),
            read: read_token,
            refused: None,
        })
    }

    fn body(
        &self,
        context: &Context,
        render: &Renderer<'_>,
        room: Room,
    ) -> Result<String, Verdict> {
        let config = &self.config;
        let to_group = self.user_ids.is_empty();
        let message = Parameters {
            kind: config.message_type,
            title: title(config, render)?,
            // People whom the message goes to need no mention.
            at: if to_group {
                At::of(config, render)?
            } else {
                At::default()
            },
            buttons: match config.message_type {
                DingTalkMessage::ActionCard => {
                    buttons(&config.buttons, BUTTONS, &context.data, render)?
                }
                DingTalkMessage::Markdown | DingTalkMessage::Text => Vec::new(),
            },
        };
        let most = room.of(MOST);
        let fits = |text: &str| message.json(text).1.len() <= most;
        let text = render.body_fitting("text", &config.text, &fits)?;
        let (key, parameters) = message.json(&text);
        Ok(json::document(|root| {
            root.text("robotCode", &config.robot_code);
            if to_group {
                root.text("openConversationId", &self.conversation);
            } else {
                root.texts("userIds", &self.user_ids);
            }
            root.text("msgKey", key).text("msgParam", &parameters);
        }))
    }

    fn request(&self, body: &str, with: &With) -> HttpRequest {
        let method = if self.user_ids.is_empty() {
            "groupMessages/send"
        } else {
            "oToMessages/batchSend"
        };
        let url = Secret::new(format!("{API}/robot/{method}"));
        HttpRequest::json("POST", url, body.to_owned(), &self.http)
            .header("x-acs-dingtalk-access-token", with.token.reveal())
            .within(PATIENCE)
    }

    fn read(&self, response: &HttpResponse) -> Reading {
        if (200..=299).contains(&response.status) {
            return Reading::Done(self.taken(response));
        }
        match Coded::read(response, KEYS) {
            Ok(coded) => judge(response.status, &coded),
            Err(verdict) if response.status == 401 => Reading::RefreshToken(verdict),
            Err(verdict) => Reading::Done(verdict),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.secret]
    }
}

impl App {
    /// People who were not reached are named in an answer that is otherwise a success.
    fn taken(&self, response: &HttpResponse) -> Verdict {
        let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if !json["processQueryKey"].is_string() {
            let said = status::quoted(&String::from_utf8_lossy(&response.body));
            return Verdict::Retry {
                after: None,
                reason: FailureReason::Other,
                error: format!(
                    "the answer has no processQueryKey, so that nobody knows whether the message was taken: {said}"
                ),
                ambiguous: true,
            };
        }
        let people = |key: &str| -> Vec<String> {
            let list = json[key].as_array().into_iter().flatten();
            list.filter_map(|one| one.as_str().map(str::to_owned))
                .collect()
        };
        let (unknown, limited) = (
            people("invalidStaffIdList"),
            people("flowControlledStaffIdList"),
        );
        let all = self.user_ids.len();
        if all > 0 && limited.len() >= all {
            return Verdict::Retry {
                after: Some(PAUSE),
                reason: FailureReason::RateLimited,
                error: "too many messages to these people".to_owned(),
                ambiguous: false,
            };
        }
        if all > 0 && unknown.len() + limited.len() >= all {
            return Verdict::Permanent {
                reason: FailureReason::ClientError,
                error: format!("none of user_ids is known: {}", unknown.join(", ")),
            };
        }
        let mut receipt = Receipt::default();
        for (people, why) in [
            (unknown, "not known"),
            (limited, "not told, for they were told too much"),
        ] {
            if !people.is_empty() {
                receipt.add_note(&format!("{why}: {}", people.join(", ")));
            }
        }
        Verdict::Sent(receipt)
    }
}

fn judge(status: u16, coded: &Coded) -> Reading {
    use FailureReason::{AuthError, ClientError, ServerError};
    let code = coded.code.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| code.contains(word));
    if has(&["qps", "throttling", "flowcontrol", "toomany", "too.many"]) {
        return Reading::Done(coded.limited(PAUSE));
    }
    if status == 401 || has(&["invalidauthentication", "accesstoken", "access.token"]) {
        let advice = "the token is refused: check app_key and app_secret";
        return Reading::RefreshToken(coded.permanent(AuthError, advice));
    }
    if has(&["toolong", "overmax.msg", "msgparam.overmax", "msgparam.too"]) {
        return Reading::Shorten(coded.permanent(ClientError, "the message is too long"));
    }
    if status >= 500 || has(&["systembusy", "serviceunavailable", "system.busy"]) {
        return Reading::Done(coded.retry(ServerError));
    }
    if status == 403 {
        let advice = "the application lacks the permission to send as a robot";
        return Reading::Done(coded.permanent(AuthError, advice));
    }
    if has(&["robotcode"]) {
        let advice = "robot_code is not that of this application's robot";
        return Reading::Done(coded.permanent(ClientError, advice));
    }
    if has(&["invalidparameter"]) {
        return Reading::Done(coded.permanent(ClientError, ""));
    }
    Reading::Unknown(coded.permanent(ClientError, ""))
}

fn read_token(answer: Result<HttpResponse, TransportError>) -> Result<Token, Verdict> {
    let response = answer.map_err(|error| status::of_transport("POST", &error, None))?;
    let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if let (Some(token), 200) = (json["accessToken"].as_str(), response.status)
        && !token.is_empty()
    {
        let lives = json["expireIn"].as_u64().unwrap_or(7200);
        return Ok(Token {
            value: Secret::new(token),
            lives: Duration::from_secs(lives),
        });
    }
    let coded = Coded::read(&response, KEYS)?;
    match judge(response.status, &coded) {
        Reading::Done(verdict @ Verdict::Retry { .. }) => Err(verdict),
        Reading::Done(_)
        | Reading::RefreshToken(_)
        | Reading::SignAgain(_)
        | Reading::Shorten(_)
        | Reading::Unknown(_) => Err(coded.permanent(
            FailureReason::AuthError,
            "there is no token for app_key and app_secret",
        )),
    }
}

struct Parameters {
    kind: DingTalkMessage,
    title: String,
    at: At,
    buttons: Vec<Button>,
}

impl Parameters {
    /// The name of the template, and its parameters in JSON.
    fn json(&self, text: &str) -> (&'static str, String) {
        let text = format!("{text}{}", self.at.missing_in(text, "\n\n"));
        let mut out = String::new();
        let mut key = "sampleMarkdown";
        json::push_object(&mut out, |root| match self.kind {
            DingTalkMessage::Text => {
                key = "sampleText";
                root.text("content", &text);
            }
            DingTalkMessage::Markdown => {
                root.text("title", &self.title).text("text", &text);
            }
            DingTalkMessage::ActionCard => {
                root.text("title", &self.title).text("text", &text);
                key = self.card(root);
            }
        });
        (key, out)
    }

    fn card(&self, root: &mut json::ObjectWriter<'_>) -> &'static str {
        match &*self.buttons {
            [button] => {
                root.text("singleTitle", &button.title)
                    .text("singleURL", &button.url);
                "sampleActionCard"
            }
            // Side by side.
            [left, right] => {
                root.text("buttonTitle1", &left.title)
                    .text("buttonUrl1", &left.url)
                    .text("buttonTitle2", &right.title)
                    .text("buttonUrl2", &right.url);
                "sampleActionCard6"
            }
            several => {
                for (i, button) in (1..).zip(several) {
                    root.text(&format!("actionTitle{i}"), &button.title)
                        .text(&format!("actionURL{i}"), &button.url);
                }
                match several.len() {
                    3 => "sampleActionCard3",
                    4 => "sampleActionCard4",
                    _ => "sampleActionCard5",
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{context, firing, http, many, run},
        *,
    };

    const TOKEN: &str = r#"{"accessToken":"hunter2hunter2","expireIn":7200}"#;
    const TAKEN: &str = r#"{"processQueryKey":"k"}"#;

    fn yaml(more: &str) -> String {
        format!(
            "dingtalk_configs: [{{app_key: K, app_secret: hunter2secret, robot_code: R, title: T, text: hi, {more}}}]"
        )
    }

    #[test]
    fn requests_are_those_of_the_vendor() {
        let (course, verdict) = run(
            &context(&yaml("user_ids: [u1, 'u2,u3']"), firing()),
            [http(200, TOKEN), http(200, TAKEN)],
        );
        assert_eq!(verdict, Verdict::sent());
        assert_eq!(
            course.requests[0].url.reveal(),
            "https://api.dingtalk.com/v1.0/oauth2/accessToken"
        );
        assert_eq!(
            course.body(0),
            "{\"appKey\":\"K\",\"appSecret\":\"hunter2secret\"}\n"
        );
        assert_eq!(
            course.requests[1].url.reveal(),
            "https://api.dingtalk.com/v1.0/robot/oToMessages/batchSend"
        );
        let token = ("x-acs-dingtalk-access-token", "hunter2hunter2".to_owned());
        assert!(course.requests[1].headers.contains(&token));
        let group = yaml("open_conversation_id: cid, at: {mobiles: ['138']}");
        let text = yaml("open_conversation_id: cid, message_type: text");
        let mut bodies = course.body(1);
        for more in [group, text] {
            let (course, _) = run(
                &context(&more, firing()),
                [http(200, TOKEN), http(200, TAKEN)],
            );
            assert!(
                course.requests[1]
                    .url
                    .reveal()
                    .ends_with("/groupMessages/send")
            );
            bodies.push_str(&course.body(1));
        }
        expect_test::expect![[r#"
            {"robotCode":"R","userIds":["u1","u2","u3"],"msgKey":"sampleMarkdown","msgParam":"{\"title\":\"T\",\"text\":\"hi\"}"}
            {"robotCode":"R","openConversationId":"cid","msgKey":"sampleMarkdown","msgParam":"{\"title\":\"T\",\"text\":\"hi\\n\\n@138\"}"}
            {"robotCode":"R","openConversationId":"cid","msgKey":"sampleText","msgParam":"{\"content\":\"hi\"}"}
        "#]]
        .assert_eq(&bodies);
    }

    #[test]
    fn cards_have_the_template_of_their_buttons() {
        let button = "{title: A, url: 'http://a'}";
        for (count, key, members) in [
            (0, "sampleActionCard", 4),
            (1, "sampleActionCard", 4),
            (2, "sampleActionCard6", 6),
            (3, "sampleActionCard3", 8),
            (5, "sampleActionCard5", 12),
            (7, "sampleActionCard5", 12),
        ] {
            let more = format!(
                "user_ids: [u], message_type: actionCard, buttons: [{}]",
                vec![button; count].join(", ")
            );
            let (course, _) = run(
                &context(&yaml(&more), firing()),
                [http(200, TOKEN), http(200, TAKEN)],
            );
            let json = course.json(1);
            assert_eq!(json["msgKey"], key);
            let inner: Value = serde_json::from_str(json["msgParam"].as_str().unwrap()).unwrap();
            assert_eq!(inner.as_object().unwrap().len(), members, "{inner}");
        }
    }

    #[test]
    fn parameters_never_exceed_the_limit() {
        let more = "user_ids: [u]".to_owned();
        let yaml = yaml(&more).replace(
            "text: hi",
            "text: '{{ range .Alerts }}\"{{ .Labels.instance }}\" {{ end }}'",
        );
        let (course, _) = run(
            &context(&yaml, many(2000)),
            [http(200, TOKEN), http(200, TAKEN)],
        );
        let size = course.json(1)["msgParam"].as_str().unwrap().len();
        assert!(size <= 15_000, "{size}");
    }

    #[test]
    fn what_answers_mean() {
        let ok = || http(200, TAKEN);
        let token = || http(200, TOKEN);
        let old = || {
            http(
                401,
                r#"{"code":"InvalidAuthentication","message":"hunter2hunter2 is not valid"}"#,
            )
        };
        let check = |answers: Vec<_>, expect: &str| {
            let (_, verdict) = run(&context(&yaml("user_ids: [u1, u2]"), firing()), answers);
            let shown = format!("{verdict:?}");
            assert!(shown.contains(expect), "{expect}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        };
        check(vec![token(), old(), token(), ok()], "note: \"\"");
        check(
            vec![token(), old(), token(), old()],
            "Permanent { reason: AuthError",
        );
        check(vec![token(), http(401, "no"), token(), ok()], "Sent");
        let busy = r#"{"code":"Forbidden.AccessDenied.QpsLimitForApi","message":"x"}"#;
        check(
            vec![token(), http(403, busy)],
            "after: Some(10s), reason: RateLimited",
        );
        let wrong = r#"{"code":"invalidParameter.robotCode.auth","message":"x"}"#;
        check(vec![token(), http(400, wrong)], "robot_code is not that");
        check(vec![token(), http(500, r#"{"code":"x"}"#)], "Retry");
        check(vec![token(), http(502, "<html>")], "Retry");
        check(vec![token(), http(200, "<html>")], "ambiguous: true");
        let part = r#"{"processQueryKey":"k","invalidStaffIdList":["u2"]}"#;
        check(vec![token(), http(200, part)], "note: \"not known: u2\"");
        let part = r#"{"processQueryKey":"k","invalidStaffIdList":["u1","u2"]}"#;
        check(
            vec![token(), http(200, part)],
            "none of user_ids is known: u1, u2",
        );
        let part = r#"{"processQueryKey":"k","flowControlledStaffIdList":["u1","u2"]}"#;
        check(vec![token(), http(200, part)], "RateLimited");
        let secret = r#"{"code":"invalidClientIdOrSecret","message":"hunter2secret is wrong"}"#;
        check(
            vec![http(400, secret)],
            "there is no token for app_key and app_secret",
        );
        check(vec![http(503, "")], "Retry");
        check(vec![http(200, "{}")], "Retry");
    }
}
