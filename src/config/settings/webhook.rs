//! `webhook_configs`: a JSON body to a URL.

use std::{sync::Arc, time::Duration};

use super::entry::{HttpField, Inherit, inherit_http};
use crate::{
    config::{
        HttpConfig, Secret,
        global::Global,
        read::{Any, FilePath, GoDuration, Place, Reader, Shown, TemplateUrl},
        section::section,
    },
    yaml::Value,
};

section! {
    /// `webhook_configs[]`
    pub WebhookConfig in "webhook.plain", check check_webhook {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The address, a template; empty if `url_file` is given.
        url: Secret as TemplateUrl,
        /// A file with the address, read for each notification; empty if `url` is given.
        url_file: String as Shown<FilePath>,
        /// Alerts beyond this number are cut and counted; 0 keeps all.
        max_alerts: u64 as Shown<u64>,
        /// Bound on one request; zero for none but that of the flush.
        timeout: Duration as Shown<GoDuration>,
        /// Replaces the body; its texts are templates. `Null` for the usual body.
        payload: Value as Any,
    }
}

fn check_webhook(webhook: &mut WebhookConfig, place: &Place, reader: &mut Reader<'_>) {
    let (url, url_file) = (!webhook.url.is_empty(), !webhook.url_file.is_empty());
    reader.exactly_one(place, &[("url", url), ("url_file", url_file)]);
}

impl Inherit for WebhookConfig {
    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }
}
