//! `jira_configs`: issues of Jira.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::entry::{HttpField, Inherit, inherit_http, or_global};
use crate::{
    config::{
        HttpConfig, HttpUrl,
        global::Global,
        read::{Any, Codec, Content, Cursor, Name, Named, Place, PromDuration, Reader, Section},
        section::section,
    },
    yaml::Value,
};

section! {
    /// `jira_configs[]`
    pub JiraConfig in "jira.plain", check check_jira {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The service.
        api_url: HttpUrl,
        /// Which Jira it is.
        api_type: JiraApi as Name<JiraApi>,
        /// The project, a template.
        project: String,
        /// The title of the issue.
        summary: JiraField as FieldCodec = JiraField::of(r#"{{ template "jira.default.summary" . }}"#),
        /// The description of the issue.
        description: JiraField as FieldCodec = JiraField::of(r#"{{ template "jira.default.description" . }}"#),
        /// Labels, templates.
        labels: Vec<String>,
        /// The priority.
        priority: String = r#"{{ template "jira.default.priority" . }}"#,
        /// The type of the issue, a template.
        issue_type: String,
        /// The transition that opens an issue again.
        reopen_transition: String,
        /// The transition that closes an issue.
        resolve_transition: String,
        /// Issues closed with this resolution stay closed.
        wont_fix_resolution: String,
        /// How long after it was closed an issue is opened again; zero for ever.
        reopen_duration: Duration as PromDuration,
        /// Further fields, templates.
        fields: BTreeMap<String, Value> as BTreeMap<String, Any>,
    }

    /// A field of an issue.
    #[derive(Eq)]
    pub JiraField in "jira.plain" {
        /// Its text.
        template: String,
        /// Whether it is brought up to date; `None` is true.
        enable_update: Option<bool>,
    }
}

impl JiraField {
    fn of(template: &str) -> Self {
        Self {
            template: template.to_owned(),
            enable_update: None,
        }
    }
}

/// A text, or a section with `template` and `enable_update`.
pub(crate) struct FieldCodec;

impl Codec for FieldCodec {
    type Value = JiraField;

    fn go_type() -> String {
        JiraField::GO.to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<JiraField> {
        match node.content() {
            Content::Scalar(..) => String::read(node, reader).map(|text| JiraField::of(&text)),
            Content::List(_) | Content::Map(_) | Content::Cycle(_) => JiraField::read(node, reader),
        }
    }

    fn null() -> JiraField {
        JiraField::default()
    }

    fn print(field: &JiraField) -> Value {
        JiraField::print(field)
    }

    fn is_empty(field: &JiraField) -> bool {
        JiraField::is_empty(field)
    }
}

/// Which Jira it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JiraApi {
    /// `auto`: by the host.
    #[default]
    Auto,
    /// `cloud`
    Cloud,
    /// `datacenter`
    Datacenter,
}

impl Named for JiraApi {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("cloud", Self::Cloud),
        ("datacenter", Self::Datacenter),
    ];

    fn unknown(_word: &str) -> String {
        "unknown api_type on jira_config, must be auto, cloud or datacenter".to_owned()
    }
}

fn check_jira(config: &mut JiraConfig, place: &Place, reader: &mut Reader<'_>) {
    if config.project.is_empty() {
        reader.deny(place.at, "missing project in jira_config");
    } else if config.issue_type.is_empty() {
        reader.deny(place.at, "missing issue_type in jira_config");
    }
}

impl Inherit for JiraConfig {
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        or_global(&mut self.api_url, &global.jira_api_url);
        if self.api_url.is_empty() {
            reader.deny(place.at, "no global Jira Cloud URL set");
        }
    }
}
