//! `wecom_robot_configs`: a group robot of WeCom (WeChat Work). Watchfire's own.

use std::sync::Arc;

use super::{
    address::{Robot, check_robot},
    entry::{HttpField, Inherit, inherit_http},
};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{FilePath, HiddenUrl, Name, Named, Place, Reader},
    section::section,
};

section! {
    /// `wecom_robot_configs[]`
    pub WecomRobotConfig in "config.WecomRobotConfig", check check_wecom_robot {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The robot's whole address.
        webhook_url: Secret as HiddenUrl,
        /// A file with the robot's address.
        webhook_url_file: String as FilePath,
        /// The robot's key.
        key: Secret,
        /// A file with the robot's key.
        key_file: String as FilePath,
        /// How the message is written.
        message_type: WecomRobotMessage as Name<WecomRobotMessage>,
        /// The message.
        content: String = r#"{{ template "wecom_robot.default.content" . }}"#,
        /// Users to mention, `@all` for everybody; templates.
        mentioned_list: Vec<String>,
        /// Telephone numbers to mention, in texts only; templates.
        mentioned_mobiles: Vec<String>,
    }
}

/// How the message is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WecomRobotMessage {
    /// `markdown`
    #[default]
    Markdown,
    /// `markdown_v2`: with tables, without colours and mentions.
    MarkdownV2,
    /// `text`
    Text,
}

impl Named for WecomRobotMessage {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("markdown", Self::Markdown),
        ("markdown_v2", Self::MarkdownV2),
        ("text", Self::Text),
    ];

    fn unknown(word: &str) -> String {
        format!(
            "message_type of wecom_robot_configs must be markdown, markdown_v2 or text, not {word:?}"
        )
    }
}

fn check_wecom_robot(config: &mut WecomRobotConfig, place: &Place, reader: &mut Reader<'_>) {
    let robot = [
        ("webhook_url", !config.webhook_url.is_empty()),
        ("webhook_url_file", !config.webhook_url_file.is_empty()),
        ("key", !config.key.is_empty()),
        ("key_file", !config.key_file.is_empty()),
    ];
    if config.message_type == WecomRobotMessage::Text && !place.has("content") {
        config.content = r#"{{ template "wecom_robot.default.plain" . }}"#.to_owned();
    }
    let list = "wecom_robot_configs";
    if check_robot(list, Robot::Wecom, &config.webhook_url, place, reader) {
        reader.exactly_one(place, &robot);
    }
}

impl Inherit for WecomRobotConfig {
    fn meant(key: &str) -> Option<&'static str> {
        Some(match key {
            "url" | "apiurl" | "webhook" | "hook" | "hookurl" | "robot" | "roboturl"
            | "address" => "webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…'",
            "token" | "accesstoken" | "robotkey" | "webhookkey" => "key",
            "mobiles" | "atmobiles" | "phones" | "mentionedmobilelist" => "mentioned_mobiles: […]",
            "at" | "userids" | "users" | "mentions" | "atuserids" | "touser" => {
                "mentioned_list: […]"
            }
            "atall" | "isatall" => "mentioned_list: ['@all']",
            "msgtype" | "type" => "message_type: markdown, markdown_v2 or text",
            "message" | "text" | "markdown" | "body" => "content",
            "corpid" | "agentid" | "apisecret" => {
                "wechat_configs: [{corp_id: …, agent_id: …, api_secret: …}] for an application"
            }
            _ => return None,
        })
    }

    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }
}
