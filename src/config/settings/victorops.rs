//! `victorops_configs`: Splunk On-Call.

use std::{collections::BTreeMap, sync::Arc};

use super::entry::{HttpField, Inherit, inherit_http, or_global};
use crate::config::{
    HttpConfig, HttpUrl, Secret,
    global::Global,
    read::{FilePath, Place, Reader, Shown},
    section::section,
};

section! {
    /// `victorops_configs[]`
    pub VictorOpsConfig in "config.plain", check check_victorops {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The key; it wins over the file.
        api_key: Secret,
        /// A file with the key.
        api_key_file: String as FilePath,
        /// The service, with a slash at its end.
        api_url: HttpUrl as Shown<HttpUrl>,
        /// Who is to be paged.
        routing_key: String as Shown<String>,
        /// `CRITICAL`, `WARNING` or `INFO`.
        message_type: String as Shown<String> = "CRITICAL",
        /// What happened.
        state_message: String as Shown<String> = r#"{{ template "victorops.default.state_message" . }}"#,
        /// The title.
        entity_display_name: String as Shown<String> = r#"{{ template "victorops.default.entity_display_name" . }}"#,
        /// Who sends.
        monitoring_tool: String as Shown<String> = r#"{{ template "victorops.default.monitoring_tool" . }}"#,
        /// Further fields.
        custom_fields: BTreeMap<String, String>,
    }
}

/// Fields that the notifier sets itself.
const RESERVED: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

fn check_victorops(config: &mut VictorOpsConfig, place: &Place, reader: &mut Reader<'_>) {
    if config.routing_key.is_empty() {
        reader.deny(place.at, "missing Routing key in VictorOps config");
        return;
    }
    let keys = [
        ("api_key", !config.api_key.is_empty()),
        ("api_key_file", !config.api_key_file.is_empty()),
    ];
    if !reader.at_most_one(place, &keys) {
        return;
    }
    if let Some(field) = RESERVED
        .iter()
        .find(|field| config.custom_fields.contains_key(**field))
    {
        let message = format!(
            "victorOps config contains custom field {field} which cannot be used as it conflicts with the fixed/static fields"
        );
        reader.deny(place.of("custom_fields"), message);
    }
}

impl Inherit for VictorOpsConfig {
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        or_global(&mut self.api_url, &global.victorops_api_url);
        if self.api_url.is_empty() {
            reader.deny(place.at, "no global VictorOps URL set");
            return;
        }
        self.api_url = self.api_url.with_slash();
        or_global(&mut self.api_key, &global.victorops_api_key);
        or_global(&mut self.api_key_file, &global.victorops_api_key_file);
        if self.api_key.is_empty() && self.api_key_file.is_empty() {
            reader.deny(place.at, "no global VictorOps API Key set");
        }
    }

    fn is_idempotent(&self) -> bool {
        true
    }
}
