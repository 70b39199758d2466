//! `discord_configs`: a Discord webhook.

use std::sync::Arc;

use super::entry::{HttpField, Inherit, inherit_http};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{FilePath, HiddenUrl, Place, Reader},
    section::section,
};

section! {
    /// `discord_configs[]`
    pub DiscordConfig in "discord.plain", check check_discord {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The webhook; empty if `webhook_url_file` is given.
        webhook_url: Secret as HiddenUrl,
        /// A file with the webhook.
        webhook_url_file: String as FilePath,
        /// What stands above the embed.
        content: String,
        /// The title.
        title: String = r#"{{ template "discord.default.title" . }}"#,
        /// The message.
        message: String = r#"{{ template "discord.default.message" . }}"#,
        /// The sender's name, no template.
        username: String,
        /// The sender's picture, no template.
        avatar_url: String,
    }
}

fn check_discord(config: &mut DiscordConfig, place: &Place, reader: &mut Reader<'_>) {
    let urls = [
        ("webhook_url", !config.webhook_url.is_empty()),
        ("webhook_url_file", !config.webhook_url_file.is_empty()),
    ];
    reader.exactly_one(place, &urls);
}

impl Inherit for DiscordConfig {
    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }
}
