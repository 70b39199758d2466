//! `pagerduty_configs`: events of PagerDuty, version 1 by `service_key`, version 2 by `routing_key`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::entry::{HttpField, Inherit, inherit_http, or_global};
use crate::{
    config::{
        HttpConfig, HttpUrl, Secret,
        global::Global,
        read::{Any, FilePath, GoDuration, Place, Reader, Shown},
        section::section,
    },
    yaml::Value,
};

section! {
    /// `pagerduty_configs[]`
    pub PagerDutyConfig in "pagerduty.plain", check check_pagerduty {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The key of version 1, a template.
        service_key: Secret,
        /// A file with the key of version 1.
        service_key_file: String as FilePath,
        /// The key of version 2, a template.
        routing_key: Secret,
        /// A file with the key of version 2.
        routing_key_file: String as FilePath,
        /// Where events go; version 1 has its own address.
        url: HttpUrl,
        /// Who sends.
        client: String = r#"{{ template "pagerduty.default.client" . }}"#,
        /// Where the sender is.
        client_url: String = r#"{{ template "pagerduty.default.clientURL" . }}"#,
        /// The summary.
        description: String = r#"{{ template "pagerduty.default.description" .}}"#,
        /// Details, those of upstream among them.
        details: BTreeMap<String, Value> as BTreeMap<String, Any>,
        /// Images.
        images: Vec<PagerDutyImage>,
        /// Links.
        links: Vec<PagerDutyLink>,
        /// The system in trouble; `client` unless it is set.
        source: String,
        /// The severity; `error` if empty.
        severity: String,
        /// The class of the event.
        class: String,
        /// The component in trouble.
        component: String,
        /// The group of components.
        group: String,
        /// Bound on one request; zero for none but that of the flush.
        timeout: Duration as Shown<GoDuration>,
    }

    /// An image of an event.
    #[derive(Eq)]
    pub PagerDutyImage in "pagerduty.PagerdutyImage" {
        /// Its address.
        src: String,
        /// What is shown in its place.
        alt: String,
        /// Where it leads.
        href: String,
    }

    /// A link of an event.
    #[derive(Eq)]
    pub PagerDutyLink in "pagerduty.PagerdutyLink" {
        /// Where it leads.
        href: String,
        /// Its text.
        text: String,
    }
}

/// `DefaultPagerdutyDetails`
const DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

fn check_pagerduty(config: &mut PagerDutyConfig, place: &Place, reader: &mut Reader<'_>) {
    let routing = !config.routing_key.is_empty();
    let routing_file = !config.routing_key_file.is_empty();
    let service = !config.service_key.is_empty();
    let service_file = !config.service_key_file.is_empty();
    if !(routing || routing_file || service || service_file) {
        reader.deny(
            place.at,
            "missing service or routing key in PagerDuty config",
        );
        return;
    }
    let routing = [("routing_key", routing), ("routing_key_file", routing_file)];
    let service = [("service_key", service), ("service_key_file", service_file)];
    let _ = reader.at_most_one(place, &routing) && reader.at_most_one(place, &service);
    if config.source.is_empty() {
        config.source.clone_from(&config.client);
    }
    for (key, template) in DETAILS {
        if !config.details.contains_key(key) {
            config.details.insert(key.to_owned(), Value::from(template));
        }
    }
}

impl Inherit for PagerDutyConfig {
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        or_global(&mut self.url, &global.pagerduty_url);
        if self.url.is_empty() {
            reader.deny(place.at, "no global PagerDuty URL set");
        }
    }

    fn is_idempotent(&self) -> bool {
        true
    }
}
