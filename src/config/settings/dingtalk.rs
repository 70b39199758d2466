//! `dingtalk_configs`: a DingTalk group robot, or a robot of an application. Watchfire's own.

use std::sync::Arc;

use super::{
    address::{Robot, check_robot},
    entry::{HttpField, Inherit, inherit_http},
    robot::Forms,
};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{FilePath, HiddenUrl, Name, Named, Place, Reader},
    section::section,
};

section! {
    /// `dingtalk_configs[]`: a group robot by `webhook_url` or `access_token`, or an application by `app_key`.
    pub DingTalkConfig in "config.DingTalkConfig", check check_dingtalk {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The robot's whole address.
        webhook_url: Secret as HiddenUrl,
        /// A file with the robot's address.
        webhook_url_file: String as FilePath,
        /// The robot's token.
        access_token: Secret,
        /// A file with the robot's token.
        access_token_file: String as FilePath,
        /// The secret that signs, if the robot asks for it; it begins with `SEC`.
        secret: Secret,
        /// A file with the secret.
        secret_file: String as FilePath,
        /// How the message is written.
        message_type: DingTalkMessage as Name<DingTalkMessage>,
        /// The title.
        title: String = r#"{{ template "dingtalk.default.title" . }}"#,
        /// The text.
        text: String = r#"{{ template "dingtalk.default.text" . }}"#,
        /// Who is mentioned.
        at: DingTalkAt,
        /// Buttons of a card.
        buttons: Vec<DingTalkButton>,
        /// The application's key.
        app_key: String,
        /// The application's secret.
        app_secret: Secret,
        /// A file with the application's secret.
        app_secret_file: String as FilePath,
        /// The application's robot.
        robot_code: String,
        /// Who is written to; empty if `open_conversation_id` is given.
        user_ids: Vec<String>,
        /// The group that is written to.
        open_conversation_id: String,
    }

    /// Who is mentioned; texts are templates, and lists in one text are separated by commas.
    #[derive(Eq)]
    pub DingTalkAt in "config.DingTalkAt" {
        /// Telephone numbers.
        mobiles: Vec<String>,
        /// Users.
        user_ids: Vec<String>,
        /// Everybody.
        all: bool,
    }

    /// A button of a card.
    #[derive(Eq)]
    pub DingTalkButton in "config.DingTalkButton", check check_button {
        /// Its text.
        title: String,
        /// Where it leads.
        url: String,
    }
}

/// How the message is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DingTalkMessage {
    /// `markdown`
    #[default]
    Markdown,
    /// `text`
    Text,
    /// `actionCard`
    ActionCard,
}

impl Named for DingTalkMessage {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("markdown", Self::Markdown),
        ("text", Self::Text),
        ("actionCard", Self::ActionCard),
    ];

    fn unknown(word: &str) -> String {
        format!(
            "message_type of dingtalk_configs must be markdown, text or actionCard, not {word:?}"
        )
    }
}

fn check_dingtalk(config: &mut DingTalkConfig, place: &Place, reader: &mut Reader<'_>) {
    let forms = Forms {
        list: "dingtalk_configs",
        robot: &[
            ("webhook_url", !config.webhook_url.is_empty()),
            ("webhook_url_file", !config.webhook_url_file.is_empty()),
            ("access_token", !config.access_token.is_empty()),
            ("access_token_file", !config.access_token_file.is_empty()),
        ],
        secret: (&config.secret, &config.secret_file),
        app: ("app_key", &config.app_key),
        app_secret: (&config.app_secret, &config.app_secret_file),
    };
    if !check_robot(
        "dingtalk_configs",
        Robot::DingTalk,
        &config.webhook_url,
        place,
        reader,
    ) {
        return;
    }
    let is_application = forms.is_application(place, reader);
    // Only cards have buttons.
    if !config.buttons.is_empty() && !place.has("message_type") {
        config.message_type = DingTalkMessage::ActionCard;
    }
    if config.message_type == DingTalkMessage::Text && !place.has("text") {
        config.text = r#"{{ template "dingtalk.default.plain" . }}"#.to_owned();
    }
    if !is_application {
        return;
    }
    if config.robot_code.is_empty() {
        reader.deny(
            place.at,
            "missing robot_code in dingtalk_configs with app_key",
        );
    }
    let receivers = [
        ("user_ids", !config.user_ids.is_empty()),
        (
            "open_conversation_id",
            !config.open_conversation_id.is_empty(),
        ),
    ];
    reader.exactly_one(place, &receivers);
}

fn check_button(button: &mut DingTalkButton, place: &Place, reader: &mut Reader<'_>) {
    if button.title.is_empty() || button.url.is_empty() {
        reader.deny(place.at, "a button of dingtalk_configs needs title and url");
    }
}

impl Inherit for DingTalkConfig {
    fn meant(key: &str) -> Option<&'static str> {
        Some(match key {
            "url" | "apiurl" | "webhook" | "hook" | "hookurl" | "robot" | "roboturl"
            | "address" => "webhook_url: 'https://oapi.dingtalk.com/robot/send?access_token=…'",
            "token" | "accesskey" | "key" | "robottoken" => "access_token",
            "sign" | "signsecret" | "signkey" | "secretkey" | "sec" => "secret: 'SEC…'",
            "mobiles" | "mobile" | "atmobiles" | "phones" | "mention" | "mentions"
            | "mentionedmobiles" => "at: {mobiles: […]}",
            "atuserids" | "atusers" | "mentionedlist" => "at: {user_ids: […]}",
            "atall" | "isatall" => "at: {all: true}",
            "msgtype" | "type" => "message_type: markdown, text or actionCard",
            "message" | "content" | "markdown" | "body" => "text",
            "btns" => "buttons: [{title: …, url: …}]",
            "clientid" | "appid" => "app_key",
            "clientsecret" => "app_secret",
            _ => return None,
        })
    }

    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }
}
