//! `wechat_configs`: an application of WeCom (WeChat Work), `notify/wechat/wechat.go` upstream.
//!
//! The token is shared by all that have the same corporation and secret, and asked for anew when the vendor refuses it;
//! upstream keeps it for longer than it lives. Texts are cut before WeCom cuts them in the middle of an alert.

use std::{sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    Begun, Context, HttpRequest, HttpResponse, Token, TokenRequest, TransportError,
    errcode::{Coded, ERRCODE},
    status,
    vendor::{self, PATIENCE, Reading, Room, Vendor, With},
    wire::{file, http_url},
};
use crate::{
    config::{HttpConfig, Secret, WechatConfig, WechatMessage},
    json,
    notify::{FailureReason, Limit, Receipt, Renderer, Verdict},
};

/// Bytes of a message.
const MOST: usize = 2048;

const PAUSE: Duration = Duration::from_secs(60);

/// How long WeCom remembers messages, in seconds, where it is asked to drop repeats; its default.
const REMEMBERED: u32 = 1800;

const NO_ADDRESS: &str = "the address of this node is not on the application's list: add the addresses of all nodes to it";

/// The files to read for each notification.
pub(super) fn files(config: &WechatConfig) -> Vec<String> {
    if config.api_secret.is_empty() {
        vec![config.api_secret_file.clone()]
    } else {
        Vec::new()
    }
}

/// Begins an attempt.
pub(super) fn begin(
    config: &WechatConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let secret = if config.api_secret.is_empty() {
        file(&context.files, "api_secret_file", &config.api_secret_file)?.to_owned()
    } else {
        render.secret("api_secret", config.api_secret.reveal())?
    };
    let app = App {
        api: http_url("api_url", config.api_url.as_str())?,
        corporation: render.required("corp_id", &config.corp_id)?,
        secret: Secret::new(secret),
        config: config.clone(),
        http: Arc::clone(&config.http),
    };
    vendor::begin(app, context, render)
}

#[derive(Debug)]
struct App {
    config: WechatConfig,
    api: Url,
    corporation: String,
    secret: Secret,
    http: Arc<HttpConfig>,
}

impl App {
    fn method(&self, name: &str) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!("{}{name}", self.api.path()));
        url
    }
}

impl Vendor for App {
    fn token(&self) -> Option<TokenRequest> {
        let mut url = self.method("gettoken");
        url.query_pairs_mut()
            .append_pair("corpid", &self.corporation)
            .append_pair("corpsecret", self.secret.reveal());
        let hash = Sha256::digest(self.secret.reveal());
        Some(TokenRequest {
            key: format!("wechat/{}/{}/{hash:x}", self.api, self.corporation),
            request: HttpRequest {
                method: "GET",
                url: Secret::new(url.as_str()),
                headers: Vec::new(),
                body: Arc::from([]),
                timeout: Some(PATIENCE),
                http: Arc::clone(&self.http),
            },
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
        let message =
            render.body_within("message", &config.message, Limit::Bytes(room.of(MOST)))?;
        // Repeats are told by the whole body, so the key in the part that is not used makes it this notification's.
        let only_once = context.integration.delivery.idempotent;
        let unused = if only_once {
            &*context.data.idempotency_key
        } else {
            ""
        };
        let (kind, text, markdown) = match config.message_type {
            WechatMessage::Text => ("text", &*message, unused),
            WechatMessage::Markdown => ("markdown", unused, &*message),
        };
        let user = render.required("to_user", &config.to_user)?;
        let party = render.required("to_party", &config.to_party)?;
        let tag = render.required("to_tag", &config.to_tag)?;
        let agent = render.required("agent_id", &config.agent_id)?;
        Ok(json::document(|root| {
            root.object("text", |inner| {
                inner.text("content", text);
            });
            root.text_if_any("touser", &user)
                .text_if_any("toparty", &party)
                .text_if_any("totag", &tag)
                .text_if_any("agentid", &agent)
                .text("safe", "0")
                .text("msgtype", kind)
                .object("markdown", |inner| {
                    inner.text("content", markdown);
                });
            if only_once {
                root.number("enable_duplicate_check", 1)
                    .number("duplicate_check_interval", REMEMBERED);
            }
        }))
    }

    fn request(&self, body: &str, with: &With) -> HttpRequest {
        let mut url = self.method("message/send");
        url.query_pairs_mut()
            .append_pair("access_token", with.token.reveal());
        let url = Secret::new(url.as_str());
        HttpRequest::json("POST", url, body.to_owned(), &self.http)
    }

    fn read(&self, response: &HttpResponse) -> Reading {
        match Coded::read(response, ERRCODE) {
            Ok(coded) => judge(&coded),
            Err(verdict) => Reading::Done(verdict),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.secret]
    }
}

fn judge(coded: &Coded) -> Reading {
    use FailureReason::{AuthError, ClientError, ServerError};
    Reading::Done(match &*coded.code {
        "0" => taken(coded),
        "-1" => coded.retry(ServerError),
        "40014" | "42001" | "40001" => return Reading::RefreshToken(coded.retry(AuthError)),
        "45009" | "45033" => coded.limited(PAUSE),
        "45002" => {
            return Reading::Shorten(coded.permanent(ClientError, "the message is too long"));
        }
        "81013" => coded.permanent(
            ClientError,
            "to_user, to_party and to_tag name nobody whom the application may write to",
        ),
        "60020" => coded.permanent(AuthError, NO_ADDRESS),
        "40013" => coded.permanent(AuthError, "there is no such corp_id"),
        "40056" => coded.permanent(ClientError, "there is no such agent_id"),
        "48002" | "301002" | "60011" => {
            coded.permanent(AuthError, "the application lacks the permission")
        }
        _ => return Reading::Unknown(coded.permanent(ClientError, "")),
    })
}

/// A success may be one for some recipients only.
fn taken(coded: &Coded) -> Verdict {
    let mut receipt = Receipt::default();
    for (key, who) in [
        ("invaliduser", "users"),
        ("invalidparty", "departments"),
        ("invalidtag", "tags"),
        ("unlicenseduser", "users without licence"),
    ] {
        let names = coded.text(key);
        if !names.is_empty() {
            receipt.add_note(&format!("not told, {who}: {}", status::quoted(&names)));
        }
    }
    Verdict::Sent(receipt)
}

fn read_token(answer: Result<HttpResponse, TransportError>) -> Result<Token, Verdict> {
    let response = answer.map_err(|error| status::of_transport("GET", &error, None))?;
    let coded = Coded::read(&response, ERRCODE)?;
    let token = coded.text("access_token");
    match &*coded.code {
        "0" if !token.is_empty() => Ok(Token {
            value: Secret::new(token),
            lives: Duration::from_secs(coded.json["expires_in"].as_u64().unwrap_or(7200)),
        }),
        "0" | "-1" => Err(coded.retry(FailureReason::ServerError)),
        "45009" | "45033" => Err(coded.limited(PAUSE)),
        "60020" => Err(coded.permanent(FailureReason::AuthError, NO_ADDRESS)),
        _ => Err(coded.permanent(
            FailureReason::AuthError,
            "there is no token for corp_id and api_secret",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{
            assert_as_recorded, context, firing, http, many, recorded, resolved, run,
        },
        *,
    };

    const TOKEN: &str = r#"{"errcode":0,"errmsg":"ok","access_token":"TOK","expires_in":7200}"#;
    const OK: &str = r#"{"errcode":0,"errmsg":"ok","invaliduser":"","msgid":"m"}"#;

    fn entry(more: &str) -> String {
        format!(
            "wechat_configs: [{{corp_id: C, api_secret: hunter2hunter2, agent_id: '1000002', to_user: '@all', message: hi{more}}}]"
        )
    }

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, entry) in [
            (
                "wx",
                "{corp_id: C, api_secret: S, agent_id: '1000002', to_user: '@all', api_url: 'http://127.0.0.1:18980/wx/cgi-bin/', send_resolved: true}",
            ),
            (
                "wxm",
                "{corp_id: C, api_secret: S, agent_id: '1000002', to_party: '2', message_type: markdown, api_url: 'http://127.0.0.1:18980/wxm/cgi-bin/', send_resolved: true}",
            ),
        ] {
            for (number, data) in [(1, firing()), (2, resolved())] {
                let context = context(&format!("wechat_configs: [{entry}]"), data);
                let (course, verdict) = run(&context, [http(200, TOKEN), http(200, OK)]);
                assert_eq!(verdict, Verdict::sent());
                assert_as_recorded(
                    &course.requests[0],
                    &format!("GET_{name}_cgi-bin_gettoken_1.json"),
                );
                let name = format!("POST_{name}_cgi-bin_message_send_{number}.json");
                assert_as_recorded(&course.requests[1], &name);
            }
        }
    }

    #[test]
    fn the_body_is_the_recorded_one_around_the_message() {
        let entry = "{corp_id: C, api_secret: S, agent_id: '1000002', to_party: '2', message_type: markdown, \
                     to_user: '', to_tag: '', message: M, api_url: 'http://127.0.0.1:18980/wxm/cgi-bin/'}";
        let context = context(&format!("wechat_configs: [{entry}]"), firing());
        let (course, _) = run(&context, [http(200, TOKEN), http(200, OK)]);
        let Some(recorded) = recorded("POST_wxm_cgi-bin_message_send_1.json") else {
            return;
        };
        let mut json: serde_json::Value = serde_json::from_str(&recorded.body).unwrap();
        json["markdown"]["content"] = "M".into();
        assert_eq!(course.json(1), json);
        let around = recorded.body.split("[FIRING").next().unwrap().to_owned();
        assert!(course.body(1).starts_with(&around), "{}", course.body(1));
    }

    #[test]
    fn repeats_are_dropped_by_the_vendor_if_that_is_wanted() {
        let yaml = entry(", to_party: '', to_tag: '', delivery: {idempotent: true}");
        let (course, _) = run(&context(&yaml, firing()), [http(200, TOKEN), http(200, OK)]);
        expect_test::expect![[r#"
            {"text":{"content":"hi"},"touser":"@all","agentid":"1000002","safe":"0","msgtype":"text","markdown":{"content":"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"},"enable_duplicate_check":1,"duplicate_check_interval":1800}
        "#]]
        .assert_eq(&course.body(1));
    }

    #[test]
    fn messages_never_exceed_the_limit() {
        for kind in ["text", "markdown"] {
            let yaml = entry(&format!(", message_type: {kind}, to_party: '', to_tag: ''")).replace(
                "message: hi",
                "message: '{{ range .Alerts }}日 {{ .Labels.instance }} {{ end }}'",
            );
            let (course, verdict) = run(
                &context(&yaml, many(500)),
                [http(200, TOKEN), http(200, OK)],
            );
            let json = course.json(1);
            let content = json[kind]["content"].as_str().unwrap();
            let rendered = verdict == Verdict::sent();
            assert!(content.len() <= 2048 && (content.len() > 1900 || !rendered));
            assert!(content.contains(" more: http://am.example.org/#/alerts") || !rendered);
        }
    }

    #[test]
    fn what_answers_mean() {
        let token = || http(200, TOKEN);
        let code = |code: i64| {
            http(
                200,
                &format!("{{\"errcode\":{code},\"errmsg\":\"hunter2hunter2\"}}"),
            )
        };
        let ok = || http(200, OK);
        let check = |answers: Vec<_>, expect: &str| {
            let entry = entry(", to_party: '', to_tag: ''");
            let (course, verdict) = run(&context(&entry, firing()), answers);
            let shown = format!("{verdict:?}");
            assert!(shown.contains(expect), "{expect}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
            course
        };
        for refused in [40014, 42001, 40001] {
            let course = check(vec![token(), code(refused), token(), ok()], "Sent");
            assert_eq!(course.tokens.len(), 2);
            assert!(!course.tokens[0].contains("hunter2"));
            check(
                vec![token(), code(refused), token(), code(refused)],
                "Retry { after: None, reason: AuthError",
            );
        }
        check(vec![token(), code(-1)], "after: None, reason: ServerError");
        check(
            vec![token(), code(45009)],
            "after: Some(60s), reason: RateLimited",
        );
        check(vec![token(), code(45002), ok()], "found it too long");
        check(vec![token(), code(81013)], "Permanent");
        check(vec![token(), code(60020)], "add the addresses of all nodes");
        for permanent in [40013, 40056, 48002, 301_002] {
            check(vec![token(), code(permanent)], "Permanent");
        }
        check(vec![token(), code(4711), code(4711)], "Permanent");
        check(vec![token(), code(4711), ok()], "Sent");
        let part = r#"{"errcode":0,"errmsg":"ok","invaliduser":"u1|u2","invalidtag":"t"}"#;
        check(
            vec![token(), http(200, part)],
            "note: \"not told, users: u1|u2; not told, tags: t\"",
        );
        check(vec![token(), http(503, "")], "Retry");
        check(
            vec![code(40001)],
            "there is no token for corp_id and api_secret",
        );
        check(vec![code(40013)], "Permanent");
        check(vec![code(-1)], "Retry");
        check(vec![code(45009)], "RateLimited");
        check(vec![http(200, "<html>")], "Retry");
        check(vec![http(500, "")], "Retry");
    }
}
