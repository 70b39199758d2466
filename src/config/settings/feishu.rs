//! `feishu_configs`: a robot or an application of Feishu (Lark). Watchfire's own.

use std::sync::Arc;

use super::{
    address::{Robot, check_robot, check_service},
    entry::{HttpField, Inherit, inherit_http},
    robot::Forms,
};
use crate::config::{
    HttpConfig, HttpUrl, Secret,
    global::Global,
    read::{FilePath, HiddenUrl, Name, Named, Place, Reader},
    section::section,
};

section! {
    /// `feishu_configs[]`: a group robot by `webhook_url`, or an application by `app_id`.
    pub FeishuConfig in "config.FeishuConfig", check check_feishu {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The robot's address.
        webhook_url: Secret as HiddenUrl,
        /// A file with the robot's address.
        webhook_url_file: String as FilePath,
        /// The secret that signs, if the robot asks for it.
        secret: Secret,
        /// A file with the secret.
        secret_file: String as FilePath,
        /// How the message is written.
        message_type: FeishuMessage as Name<FeishuMessage>,
        /// The title.
        title: String = r#"{{ template "feishu.default.title" . }}"#,
        /// The text.
        text: String = r#"{{ template "feishu.default.text" . }}"#,
        /// Users to mention; templates.
        at_user_ids: Vec<String>,
        /// Whether everybody is mentioned.
        at_all: bool,
        /// The service of an application; `https://open.larksuite.com` for Lark.
        api_url: HttpUrl = "https://open.feishu.cn",
        /// The application.
        app_id: String,
        /// The application's secret.
        app_secret: Secret,
        /// A file with the application's secret.
        app_secret_file: String as FilePath,
        /// What `receive_id` is: `chat_id`, `open_id`, `user_id`, `union_id` or `email`.
        receive_id_type: String = "chat_id",
        /// Who is written to.
        receive_id: String,
    }
}

/// How the message is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FeishuMessage {
    /// `interactive`: a card.
    #[default]
    Interactive,
    /// `post`
    Post,
    /// `text`
    Text,
}

impl Named for FeishuMessage {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("interactive", Self::Interactive),
        ("post", Self::Post),
        ("text", Self::Text),
    ];

    fn unknown(word: &str) -> String {
        format!("message_type of feishu_configs must be interactive, post or text, not {word:?}")
    }
}

const RECEIVE_ID_TYPES: [&str; 5] = ["chat_id", "open_id", "user_id", "union_id", "email"];

fn check_feishu(config: &mut FeishuConfig, place: &Place, reader: &mut Reader<'_>) {
    let forms = Forms {
        list: "feishu_configs",
        robot: &[
            ("webhook_url", !config.webhook_url.is_empty()),
            ("webhook_url_file", !config.webhook_url_file.is_empty()),
        ],
        secret: (&config.secret, &config.secret_file),
        app: ("app_id", &config.app_id),
        app_secret: (&config.app_secret, &config.app_secret_file),
    };
    let list = "feishu_configs";
    if !check_robot(list, Robot::Feishu, &config.webhook_url, place, reader) {
        return;
    }
    let service = config.api_url.as_str();
    if !check_service(
        "api_url of feishu_configs",
        "api_url",
        service,
        place,
        reader,
    ) {
        return;
    }
    if config.message_type != FeishuMessage::Interactive && !place.has("text") {
        config.text = r#"{{ template "feishu.default.plain" . }}"#.to_owned();
    }
    if !forms.is_application(place, reader) {
        return;
    }
    if config.receive_id.is_empty() {
        reader.deny(place.at, "missing receive_id in feishu_configs with app_id");
    }
    if !RECEIVE_ID_TYPES.contains(&&*config.receive_id_type) {
        reader.deny(
            place.of("receive_id_type"),
            "receive_id_type of feishu_configs must be chat_id, open_id, user_id, union_id or email",
        );
    }
}

impl Inherit for FeishuConfig {
    fn meant(key: &str) -> Option<&'static str> {
        Some(match key {
            "url" | "webhook" | "hook" | "hookurl" | "robot" | "roboturl" | "address" => {
                "webhook_url: 'https://open.feishu.cn/open-apis/bot/v2/hook/…'"
            }
            "token" | "accesstoken" | "key" => "webhook_url with the whole address",
            "sign" | "signsecret" | "signkey" | "secretkey" => "secret",
            "at" | "userids" | "openids" | "mention" | "mentions" | "atusers" | "mentionedlist" => {
                "at_user_ids: […]"
            }
            "isatall" => "at_all: true",
            "msgtype" | "type" => "message_type: interactive, post or text",
            "message" | "content" | "markdown" | "body" => "text",
            "chatid" => "receive_id_type: chat_id, receive_id: …",
            "openid" => "receive_id_type: open_id, receive_id: …",
            "email" => "receive_id_type: email, receive_id: …",
            _ => return None,
        })
    }

    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }

    /// An application's messages carry `uuid`, by which repeats within an hour are dropped.
    fn is_idempotent(&self) -> bool {
        !self.app_id.is_empty()
    }
}
