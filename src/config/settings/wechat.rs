//! `wechat_configs`: an application of WeCom (WeChat Work).

use std::sync::Arc;

use super::{
    address::check_service,
    entry::{HttpField, Inherit, inherit_http, or_global},
};
use crate::config::{
    HttpConfig, HttpUrl, Secret,
    global::Global,
    read::{FilePath, Name, Named, Place, Reader},
    section::section,
};

section! {
    /// `wechat_configs[]`
    pub WechatConfig in "config.plain", check check_wechat {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The application's secret, a template.
        api_secret: Secret,
        /// A file with the application's secret.
        api_secret_file: String as FilePath,
        /// The company.
        corp_id: String,
        /// The message.
        message: String = r#"{{ template "wechat.default.message" . }}"#,
        /// The service, with a slash at its end.
        api_url: HttpUrl,
        /// Users, separated by `|`.
        to_user: String = r#"{{ template "wechat.default.to_user" . }}"#,
        /// Departments, separated by `|`.
        to_party: String = r#"{{ template "wechat.default.to_party" . }}"#,
        /// Tags, separated by `|`.
        to_tag: String = r#"{{ template "wechat.default.to_tag" . }}"#,
        /// The application.
        agent_id: String = r#"{{ template "wechat.default.agent_id" . }}"#,
        /// How the message is written.
        message_type: WechatMessage as Name<WechatMessage>,
    }
}

/// How the message is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WechatMessage {
    /// `text`
    #[default]
    Text,
    /// `markdown`
    Markdown,
}

impl Named for WechatMessage {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("", Self::Text),
        ("markdown", Self::Markdown),
    ];

    fn unknown(word: &str) -> String {
        let word = crate::labels::go_quote(word);
        format!("weChat message type {word} does not match valid options ^(text|markdown)$")
    }
}

fn check_wechat(config: &mut WechatConfig, place: &Place, reader: &mut Reader<'_>) {
    let secrets = [
        ("api_secret", !config.api_secret.is_empty()),
        ("api_secret_file", !config.api_secret_file.is_empty()),
    ];
    reader.at_most_one(place, &secrets);
    let service = config.api_url.as_str();
    check_service(
        "api_url of wechat_configs",
        "api_url",
        service,
        place,
        reader,
    );
}

impl Inherit for WechatConfig {
    const SEND_RESOLVED: bool = false;

    fn meant(key: &str) -> Option<&'static str> {
        Some(match key {
            "webhookurl" | "webhook" | "key" | "roboturl" => {
                "wecom_robot_configs: [{webhook_url: …}] for a robot of a group"
            }
            "corpsecret" | "secret" => "api_secret",
            "corpid" => "corp_id",
            "touser" | "users" => "to_user",
            "content" | "text" => "message",
            "msgtype" => "message_type: text or markdown",
            _ => return None,
        })
    }

    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        if self.api_url.is_empty()
            && !check_service(
                "wechat_api_url of global",
                "api_url",
                global.wechat_api_url.as_str(),
                place,
                reader,
            )
        {
            return;
        }
        or_global(&mut self.api_url, &global.wechat_api_url);
        if self.api_url.is_empty() {
            reader.deny(place.at, "no global Wechat URL set");
            return;
        }
        if self.api_secret.is_empty() && self.api_secret_file.is_empty() {
            self.api_secret = global.wechat_api_secret.clone();
            self.api_secret_file
                .clone_from(&global.wechat_api_secret_file);
        }
        if self.api_secret.is_empty() && self.api_secret_file.is_empty() {
            reader.deny(
                place.at,
                "no global Wechat Api Secret set either inline or in a file",
            );
            return;
        }
        or_global(&mut self.corp_id, &global.wechat_api_corp_id);
        if self.corp_id.is_empty() {
            reader.deny(place.at, "no global Wechat CorpID set");
        }
        self.api_url = self.api_url.with_slash();
    }
}
