//! `feishu_configs` with an application: a token that is shared, and `uuid`, by which Feishu drops repeats for an hour.

use std::{sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    Context, FileContents, HttpRequest, HttpResponse, Token, TokenRequest, TransportError,
    errcode::{CODE, Coded},
    feishu_message::Message,
    status,
    vendor::{PATIENCE, Reading, Room, Vendor, With},
    wire::{file, http_url},
};
use crate::{
    config::{FeishuConfig, HttpConfig, Secret},
    json,
    notify::{FailureReason, Renderer, Verdict},
};

/// Bytes of a body; cards and posts may have 30 KiB.
const MOST: usize = 30_000;

/// The longest `uuid`.
const UUID: usize = 50;

/// Applications may write to a group or a user five times a second.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct App {
    config: FeishuConfig,
    api: Url,
    secret: Secret,
    receiver: String,
    http: Arc<HttpConfig>,
}

impl App {
    pub(super) fn new(
        config: &FeishuConfig,
        files: &FileContents,
        render: &Renderer<'_>,
    ) -> Result<Self, Verdict> {
        let secret = if config.app_secret_file.is_empty() {
            config.app_secret.clone()
        } else {
            Secret::new(file(files, "app_secret_file", &config.app_secret_file)?)
        };
        let receiver = render.required("receive_id", &config.receive_id)?;
        if receiver.trim().is_empty() {
            return Err(Verdict::unsendable(
                "receive_id names nobody for this notification",
            ));
        }
        Ok(Self {
            api: http_url("api_url", config.api_url.as_str())?,
            config: config.clone(),
            secret,
            receiver: receiver.trim().to_owned(),
            http: Arc::clone(&config.http),
        })
    }

    fn method(&self, name: &str) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!(
            "{}/open-apis/{name}",
            self.api.path().trim_end_matches('/')
        ));
        url
    }
}

impl Vendor for App {
    fn token(&self) -> Option<TokenRequest> {
        let id = &self.config.app_id;
        let url = self.method("auth/v3/tenant_access_token/internal");
        let body = json::document(|root| {
            root.text("app_id", id)
                .text("app_secret", self.secret.reveal());
        });
        let hash = Sha256::digest(self.secret.reveal());
        let request = HttpRequest::json("POST", Secret::new(url.as_str()), body, &self.http);
        Some(TokenRequest {
            key: format!("feishu/{}/{id}/{hash:x}", self.api),
            request: request.within(PATIENCE),
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
        let message = Message::new(config, &context.data, render)?;
        let key = &context.data.idempotency_key;
        let key = &key[..key.floor_char_boundary(UUID)];
        let body = |text: &str| {
            let mut content = String::new();
            json::push_object(&mut content, |inner| message.write(inner, text));
            json::document(|root| {
                root.text("receive_id", &self.receiver)
                    .text("msg_type", message.kind())
                    .text("content", &content)
                    .text("uuid", key);
            })
        };
        let most = room.of(MOST);
        let text = render.body_fitting("text", &config.text, &|text| body(text).len() <= most)?;
        Ok(body(&text))
    }

    fn request(&self, body: &str, with: &With) -> HttpRequest {
        let mut url = self.method("im/v1/messages");
        url.query_pairs_mut()
            .append_pair("receive_id_type", &self.config.receive_id_type);
        HttpRequest::json(
            "POST",
            Secret::new(url.as_str()),
            body.to_owned(),
            &self.http,
        )
        .header("Authorization", format!("Bearer {}", with.token.reveal()))
        .within(PATIENCE)
    }

    fn read(&self, response: &HttpResponse) -> Reading {
        match Coded::read(response, CODE) {
            Ok(coded) => judge(&coded),
            Err(verdict) if response.status == 401 => Reading::RefreshToken(verdict),
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
        "0" => Verdict::sent(),
        "99991661" | "99991663" | "99991664" | "99991665" | "99991668" => {
            return Reading::RefreshToken(coded.retry(AuthError));
        }
        "99991400" | "11232" | "230020" => coded.limited(PAUSE),
        // The same uuid is being sent, or Feishu has troubles of its own.
        "230049" | "1500" | "2200" => coded.retry(ServerError),
        "230025" | "19036" => {
            return Reading::Shorten(coded.permanent(ClientError, "the message is too long"));
        }
        "230002" => coded.permanent(ClientError, "the application is not in that group"),
        "230006" => coded.permanent(ClientError, "the application has no robot: add one to it"),
        "230013" => coded.permanent(
            AuthError,
            "the application may not be used by that user: widen its availability",
        ),
        "230027" | "99991672" | "99991679" => coded.permanent(
            AuthError,
            "the application lacks the permission to send as a robot (im:message:send_as_bot)",
        ),
        "230001" | "230099" | "9499" => {
            coded.permanent(ClientError, "check receive_id and receive_id_type")
        }
        _ => return Reading::Unknown(coded.permanent(ClientError, "")),
    })
}

fn read_token(answer: Result<HttpResponse, TransportError>) -> Result<Token, Verdict> {
    let response = answer.map_err(|error| status::of_transport("POST", &error, None))?;
    let coded = Coded::read(&response, CODE)?;
    let token = coded.text("tenant_access_token");
    match &*coded.code {
        "0" if !token.is_empty() => Ok(Token {
            value: Secret::new(token),
            lives: Duration::from_secs(coded.json["expire"].as_u64().unwrap_or(7200)),
        }),
        "0" | "10001" | "20050" => Err(coded.retry(FailureReason::ServerError)),
        "99991400" | "11232" => Err(coded.limited(PAUSE)),
        _ => Err(coded.permanent(
            FailureReason::AuthError,
            "there is no token for app_id and app_secret",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{context, firing, http, many, run},
        *,
    };

    const TOKEN: &str =
        r#"{"code":0,"msg":"ok","tenant_access_token":"hunter2hunter2","expire":7200}"#;
    const OK: &str = r#"{"code":0,"msg":"success","data":{"message_id":"om_1"}}"#;

    fn yaml(more: &str) -> String {
        format!(
            "feishu_configs: [{{app_id: A, app_secret: hunter2secret, receive_id: oc_1, title: T, text: hi{more}}}]"
        )
    }

    #[test]
    fn requests_are_those_of_the_vendor() {
        let mut bodies = String::new();
        for more in [
            "",
            ", message_type: post",
            ", message_type: text, at_user_ids: [ou_1]",
        ] {
            let (course, verdict) = run(
                &context(&yaml(more), firing()),
                [http(200, TOKEN), http(200, OK)],
            );
            assert_eq!(verdict, Verdict::sent());
            let urls: Vec<_> = course
                .requests
                .iter()
                .map(|request| request.url.reveal())
                .collect();
            assert_eq!(
                urls,
                [
                    "https://open.feishu.cn/open-apis/auth/v3/tenant_access_token/internal",
                    "https://open.feishu.cn/open-apis/im/v1/messages?receive_id_type=chat_id"
                ]
            );
            let bearer = ("Authorization", "Bearer hunter2hunter2".to_owned());
            assert!(course.requests[1].headers.contains(&bearer));
            assert_eq!(
                course.body(0),
                "{\"app_id\":\"A\",\"app_secret\":\"hunter2secret\"}\n"
            );
            bodies.push_str(&course.body(1));
        }
        expect_test::expect![[r#"
            {"receive_id":"oc_1","msg_type":"interactive","content":"{\"config\":{\"wide_screen_mode\":true},\"header\":{\"title\":{\"tag\":\"plain_text\",\"content\":\"T\"},\"template\":\"red\"},\"elements\":[{\"tag\":\"markdown\",\"content\":\"hi\"}]}","uuid":"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"}
            {"receive_id":"oc_1","msg_type":"post","content":"{\"en_us\":{\"title\":\"T\",\"content\":[[{\"tag\":\"text\",\"text\":\"hi\"}]]}}","uuid":"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"}
            {"receive_id":"oc_1","msg_type":"text","content":"{\"text\":\"T\\nhi\\n\\u003cat user_id=\\\"ou_1\\\"\\u003e\\u003c/at\\u003e\"}","uuid":"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"}
        "#]]
        .assert_eq(&bodies);
        let lark = yaml(", api_url: 'https://open.larksuite.com/'");
        let (course, _) = run(&context(&lark, firing()), [http(200, TOKEN), http(200, OK)]);
        let url = course.requests[1].url.reveal();
        assert!(
            url.starts_with("https://open.larksuite.com/open-apis/im/"),
            "{url}"
        );
    }

    #[test]
    fn bodies_never_exceed_the_limit() {
        let yaml = yaml("").replace(
            "text: hi",
            "text: '{{ range .Alerts }}\"{{ .Labels.instance }}\" {{ end }}'",
        );
        let (course, verdict) = run(
            &context(&yaml, many(2000)),
            [http(200, TOKEN), http(200, OK)],
        );
        let size = course.requests[1].body.len();
        let rendered = verdict == Verdict::sent();
        assert!(size <= 30_000 && (size > 29_000 || !rendered), "{size}");
    }

    #[test]
    fn what_answers_mean() {
        let token = || http(200, TOKEN);
        let code = |status: u16, code: i64| {
            http(
                status,
                &format!("{{\"code\":{code},\"msg\":\"hunter2secret\"}}"),
            )
        };
        let ok = || http(200, OK);
        let check = |answers: Vec<_>, expect: &str| {
            let (_, verdict) = run(&context(&yaml(""), firing()), answers);
            let shown = format!("{verdict:?}");
            assert!(shown.contains(expect), "{expect}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        };
        check(vec![token(), code(400, 99_991_663), token(), ok()], "Sent");
        check(vec![token(), http(401, "no"), token(), ok()], "Sent");
        check(
            vec![
                token(),
                code(400, 99_991_663),
                token(),
                code(400, 99_991_663),
            ],
            "Retry",
        );
        check(vec![token(), code(400, 99_991_400)], "RateLimited");
        check(vec![token(), code(400, 230_020)], "after: Some(5s)");
        check(vec![token(), code(400, 230_025), ok()], "found it too long");
        check(vec![token(), code(400, 230_002)], "not in that group");
        check(vec![token(), code(400, 4711), ok()], "Sent");
        check(vec![token(), code(400, 4711), code(400, 4711)], "Permanent");
        check(vec![token(), http(500, "")], "Retry");
        check(
            vec![code(200, 10_003)],
            "there is no token for app_id and app_secret",
        );
        check(vec![code(200, 99_991_400)], "RateLimited");
        check(vec![http(200, "")], "Retry");
    }
}
