//! `opsgenie_configs`: alerts of Opsgenie.

use std::{collections::BTreeMap, sync::Arc};

use super::entry::{HttpField, Inherit, inherit_http, or_global};
use crate::{
    config::{
        HttpConfig, HttpUrl, Secret,
        global::Global,
        read::{FilePath, Place, Reader},
        section::section,
    },
    template,
};

section! {
    /// `opsgenie_configs[]`
    pub OpsgenieConfig in "opsgenie.plain", check check_opsgenie {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The key, a template; it wins over the file.
        api_key: Secret,
        /// A file with the key.
        api_key_file: String as FilePath,
        /// The service, with a slash at its end.
        api_url: HttpUrl,
        /// The title.
        message: String = r#"{{ template "opsgenie.default.message" . }}"#,
        /// The description.
        description: String = r#"{{ template "opsgenie.default.description" . }}"#,
        /// Where the alert comes from.
        source: String = r#"{{ template "opsgenie.default.source" . }}"#,
        /// Details beside the common labels.
        details: BTreeMap<String, String>,
        /// What the alert is about.
        entity: String,
        /// Who has to do something about it.
        responders: Vec<OpsgenieResponder>,
        /// Actions, separated by commas.
        actions: String,
        /// Tags, separated by commas.
        tags: String,
        /// A note.
        note: String,
        /// `P1` to `P5`.
        priority: String,
        /// Whether title and description of an alert are brought up to date.
        update_alerts: bool,
    }

    /// Who has to do something about an alert: one of `id`, `name` and `username`.
    #[derive(Eq)]
    pub OpsgenieResponder in "opsgenie.OpsGenieConfigResponder" {
        /// By identifier.
        id: String,
        /// By name.
        name: String,
        /// By the name of a user.
        username: String,
        /// `team`, `teams`, `user`, `escalation` or `schedule`, or a template.
        kind ["type"]: String,
    }
}

const TYPES: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];

fn check_opsgenie(config: &mut OpsgenieConfig, place: &Place, reader: &mut Reader<'_>) {
    let keys = [
        ("api_key", !config.api_key.is_empty()),
        ("api_key_file", !config.api_key_file.is_empty()),
    ];
    if !reader.at_most_one(place, &keys) {
        return;
    }
    for responder in &mut config.responders {
        if let Err(problem) = check_responder(responder) {
            let OpsgenieResponder {
                id,
                name,
                username,
                kind,
            } = responder;
            let shown = format!("{{{id} {name} {username} {kind}}}");
            reader.deny(
                place.of("responders"),
                format!("opsGenieConfig responder {shown} {problem}"),
            );
            return;
        }
    }
}

fn check_responder(responder: &mut OpsgenieResponder) -> Result<(), String> {
    if responder.id.is_empty() && responder.username.is_empty() && responder.name.is_empty() {
        return Err("has to have at least one of id, username or name specified".to_owned());
    }
    if responder.kind.contains("{{") {
        return template::check_syntax(&responder.kind)
            .map_err(|error| format!("type contains invalid template syntax: {error}"));
    }
    responder.kind = responder.kind.to_lowercase();
    if TYPES.contains(&&*responder.kind) {
        return Ok(());
    }
    Err("type does not match valid options ^(team|teams|user|escalation|schedule)$".to_owned())
}

impl Inherit for OpsgenieConfig {
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        or_global(&mut self.api_url, &global.opsgenie_api_url);
        if self.api_url.is_empty() {
            reader.deny(place.at, "no global OpsGenie URL set");
            return;
        }
        self.api_url = self.api_url.with_slash();
        or_global(&mut self.api_key, &global.opsgenie_api_key);
        or_global(&mut self.api_key_file, &global.opsgenie_api_key_file);
        if self.api_key.is_empty() && self.api_key_file.is_empty() {
            reader.deny(
                place.at,
                "no global OpsGenie API Key set either inline or in a file",
            );
        }
    }

    fn is_idempotent(&self) -> bool {
        true
    }
}
