//! `incidentio_configs`: an alert source of incident.io.

use std::{sync::Arc, time::Duration};

use super::entry::{Inherit, inherit_http};
use crate::config::{
    Authorization, HttpConfig, HttpUrl, Secret,
    global::Global,
    read::{FilePath, GoDuration, Place, Reader, Shown},
    section::section,
};

section! {
    /// `incidentio_configs[]`
    pub IncidentIoConfig in "incidentio.plain", check check_incidentio {
        /// How to connect. Its files are relative to the working directory, as upstream forgets to move them.
        http ["http_config"]: Arc<HttpConfig> as Shown<Arc<HttpConfig>>,
        /// The address; empty if `url_file` is given.
        url: HttpUrl as Shown<HttpUrl>,
        /// A file with the address.
        url_file: String as Shown<FilePath>,
        /// The token of the alert source; empty if its file or `http_config.authorization` is given.
        alert_source_token: Secret,
        /// A file with the token.
        alert_source_token_file: String as FilePath,
        /// Alerts beyond this number are cut; 0 keeps all.
        max_alerts: u64 as Shown<u64>,
        /// Bound on one request; zero for none but that of the flush.
        timeout: Duration as Shown<GoDuration>,
    }
}

fn check_incidentio(config: &mut IncidentIoConfig, place: &Place, reader: &mut Reader<'_>) {
    let token = !config.alert_source_token.is_empty();
    let token_file = !config.alert_source_token_file.is_empty();
    let urls = [
        ("url", !config.url.is_empty()),
        ("url_file", !config.url_file.is_empty()),
    ];
    let tokens = [
        ("alert_source_token", token),
        ("alert_source_token_file", token_file),
    ];
    if !reader.exactly_one(place, &urls) || !reader.at_most_one(place, &tokens) {
        return;
    }
    let own_http = place.has("http_config");
    let authorized = own_http && config.http.authorization.is_some();
    if authorized && (token || token_file) {
        reader.deny(
            place.of("http_config"),
            "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization",
        );
    } else if own_http && !authorized && !token && !token_file {
        reader.deny(
            place.at,
            "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured",
        );
    }
}

impl Inherit for IncidentIoConfig {
    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }

    fn is_idempotent(&self) -> bool {
        true
    }
}

impl IncidentIoConfig {
    /// Makes the token the authorization, which wins over what `http_config` says; after printing, as Slack's.
    pub(super) fn authorize(&mut self) {
        if self.alert_source_token.is_empty() && self.alert_source_token_file.is_empty() {
            return;
        }
        Arc::make_mut(&mut self.http).authorization = Some(Authorization {
            credentials: self.alert_source_token.clone(),
            credentials_file: self.alert_source_token_file.clone(),
            ..Authorization::default()
        });
    }
}
