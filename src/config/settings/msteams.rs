//! `msteams_configs` and `msteamsv2_configs`: Microsoft Teams by connector and by workflow.

use std::sync::Arc;

use super::entry::{HttpField, Inherit, inherit_http};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{FilePath, HiddenUrl, Place, Reader},
    section::section,
};

section! {
    /// `msteams_configs[]`
    pub MsTeamsConfig in "msteams.plain", check check_msteams {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The webhook; empty if `webhook_url_file` is given.
        webhook_url: Secret as HiddenUrl,
        /// A file with the webhook.
        webhook_url_file: String as FilePath,
        /// The title.
        title: String = r#"{{ template "msteams.default.title" . }}"#,
        /// The summary.
        summary: String = r#"{{ template "msteams.default.summary" . }}"#,
        /// The text.
        text: String = r#"{{ template "msteams.default.text" . }}"#,
    }

    /// `msteamsv2_configs[]`
    pub MsTeamsV2Config in "msteamsv2.plain", check check_msteamsv2 {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The webhook; empty if `webhook_url_file` is given.
        webhook_url: Secret as HiddenUrl,
        /// A file with the webhook.
        webhook_url_file: String as FilePath,
        /// The title.
        title: String = r#"{{ template "msteamsv2.default.title" . }}"#,
        /// The text.
        text: String = r#"{{ template "msteamsv2.default.text" . }}"#,
    }
}

fn check_msteams(config: &mut MsTeamsConfig, place: &Place, reader: &mut Reader<'_>) {
    check_urls(&config.webhook_url, &config.webhook_url_file, place, reader);
}

fn check_msteamsv2(config: &mut MsTeamsV2Config, place: &Place, reader: &mut Reader<'_>) {
    check_urls(&config.webhook_url, &config.webhook_url_file, place, reader);
}

fn check_urls(url: &Secret, file: &str, place: &Place, reader: &mut Reader<'_>) {
    let urls = [
        ("webhook_url", !url.is_empty()),
        ("webhook_url_file", !file.is_empty()),
    ];
    reader.exactly_one(place, &urls);
}

impl Inherit for MsTeamsConfig {
    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }
}

impl Inherit for MsTeamsV2Config {
    /// Of this type alone an own `http_config` inherits the proxy (since 0.34).
    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        if self.http.proxy.url.is_empty() && !global.http.proxy.url.is_empty() {
            Arc::make_mut(&mut self.http).proxy.url = global.http.proxy.url.clone();
        }
    }
}
