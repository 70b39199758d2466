//! `telegram_configs`: messages of a Telegram bot.

use std::sync::Arc;

use super::entry::{HttpField, Inherit, inherit_http, or_global};
use crate::config::{
    HttpConfig, HttpUrl, Secret,
    global::Global,
    read::{FilePath, Place, Reader, Shown},
    section::section,
};

section! {
    /// `telegram_configs[]`
    pub TelegramConfig in "telegram.plain", check check_telegram {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The service.
        api_url: HttpUrl as Shown<HttpUrl>,
        /// The bot's token; empty if `bot_token_file` is given.
        bot_token: Secret,
        /// A file with the bot's token.
        bot_token_file: String as FilePath,
        /// The chat; 0 if `chat_id_file` is given.
        chat_id: i64,
        /// A file with the chat.
        chat_id_file: String as FilePath,
        /// A thread of the chat; 0 for none.
        message_thread_id: i64,
        /// The message.
        message: String = r#"{{ template "telegram.default.message" . }}"#,
        /// Whether messages come without a sound.
        disable_notifications: bool,
        /// `Markdown`, `MarkdownV2`, `HTML` or empty for plain text.
        parse_mode: String = "HTML",
    }
}

fn check_telegram(config: &mut TelegramConfig, place: &Place, reader: &mut Reader<'_>) {
    let tokens = [
        ("bot_token", !config.bot_token.is_empty()),
        ("bot_token_file", !config.bot_token_file.is_empty()),
    ];
    let chats = [
        ("chat_id", config.chat_id != 0),
        ("chat_id_file", !config.chat_id_file.is_empty()),
    ];
    if !reader.at_most_one(place, &tokens) {
        return;
    }
    if chats.iter().all(|(_, set)| !set) {
        reader.deny(
            place.at,
            "missing chat_id or chat_id_file on telegram_config",
        );
        return;
    }
    if reader.at_most_one(place, &chats)
        && !["", "Markdown", "MarkdownV2", "HTML"].contains(&&*config.parse_mode)
    {
        reader.deny(
            place.of("parse_mode"),
            "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
        );
    }
}

impl Inherit for TelegramConfig {
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        or_global(&mut self.api_url, &global.telegram_api_url);
        if self.bot_token.is_empty() && self.bot_token_file.is_empty() {
            self.bot_token = global.telegram_bot_token.clone();
            self.bot_token_file
                .clone_from(&global.telegram_bot_token_file);
        }
        if self.bot_token.is_empty() && self.bot_token_file.is_empty() {
            reader.deny(
                place.at,
                "missing bot_token or bot_token_file on telegram_config",
            );
        }
    }
}
