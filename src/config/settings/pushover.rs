//! `pushover_configs`: messages of Pushover.

use std::{sync::Arc, time::Duration};

use super::entry::{HttpField, Inherit, inherit_http};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{FilePath, GoDuration, Place, Reader},
    section::section,
};

section! {
    /// `pushover_configs[]`
    pub PushoverConfig in "pushover.plain", check check_pushover {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The user's key, a template.
        user_key: Secret,
        /// A file with the user's key.
        user_key_file: String as FilePath,
        /// The application's token, a template.
        token: Secret,
        /// A file with the application's token.
        token_file: String as FilePath,
        /// The title.
        title: String = r#"{{ template "pushover.default.title" . }}"#,
        /// The message.
        message: String = r#"{{ template "pushover.default.message" . }}"#,
        /// A link.
        url: String = r#"{{ template "pushover.default.url" . }}"#,
        /// The text of the link.
        url_title: String,
        /// One device of the user; all if empty.
        device: String,
        /// The sound.
        sound: String,
        /// From -2 to 2; 2 needs to be acknowledged.
        priority: String = r#"{{ if eq .Status "firing" }}2{{ else }}0{{ end }}"#,
        /// How often an emergency is repeated.
        retry: Duration as GoDuration = Duration::from_secs(60),
        /// How long an emergency is repeated.
        expire: Duration as GoDuration = Duration::from_secs(60 * 60),
        /// After which time the message is deleted; zero for never.
        ttl: Duration as GoDuration,
        /// Whether the message is HTML.
        html: bool,
        /// Whether the message is in monospace.
        monospace: bool,
    }
}

fn check_pushover(config: &mut PushoverConfig, place: &Place, reader: &mut Reader<'_>) {
    let users = [
        ("user_key", !config.user_key.is_empty()),
        ("user_key_file", !config.user_key_file.is_empty()),
    ];
    let tokens = [
        ("token", !config.token.is_empty()),
        ("token_file", !config.token_file.is_empty()),
    ];
    let formats = [("monospace", config.monospace), ("html", config.html)];
    let _ = reader.exactly_one(place, &users)
        && reader.exactly_one(place, &tokens)
        && reader.at_most_one(place, &formats);
}

impl Inherit for PushoverConfig {
    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }
}
