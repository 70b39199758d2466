//! `webex_configs`: messages of Webex.

use std::sync::Arc;

use super::entry::{HttpField, Inherit, inherit_http, or_global};
use crate::config::{
    HttpConfig, HttpUrl,
    global::Global,
    read::{Place, Reader, Shown},
    section::section,
};

section! {
    /// `webex_configs[]`
    pub WebexConfig in "config.plain", check check_webex {
        /// How to connect; it holds the authorization.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The service.
        api_url: HttpUrl,
        /// The message, in Markdown.
        message: String = r#"{{ template "webex.default.message" . }}"#,
        /// The room, a template.
        room_id: String as Shown<String>,
    }
}

fn check_webex(config: &mut WebexConfig, place: &Place, reader: &mut Reader<'_>) {
    if config.room_id.is_empty() {
        reader.deny(place.at, "missing room_id on webex_config");
    } else if !place.has("http_config") || config.http.authorization.is_none() {
        reader.deny(place.at, "missing webex_configs.http_config.authorization");
    }
}

impl Inherit for WebexConfig {
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        or_global(&mut self.api_url, &global.webex_api_url);
        if self.api_url.is_empty() {
            reader.deny(place.at, "no global Webex URL set");
        }
    }
}
