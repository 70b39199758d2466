//! The rendered issue: members in the order of their names, as upstream writes them (`notify/jira/types.go`).

use serde_json::{Map, Value};

use super::document;
use crate::{
    config::JiraConfig,
    json,
    notify::{Limit, Renderer, Verdict},
};

/// The length of a title; Jira refuses longer ones.
const SUMMARY: Limit = Limit::Chars(255);

/// The length of a description.
const DESCRIPTION: usize = 32_767;

/// An issue without its place.
#[derive(Debug)]
pub(super) struct Issue {
    /// The key of its project.
    pub(super) project: String,
    /// Everything that an issue is created with.
    fields: Map<String, Value>,
    /// What an update leaves as it is.
    kept: Vec<&'static str>,
    /// What the configuration adds, which wins and is in every update.
    further: Map<String, Value>,
}

impl Issue {
    /// Renders it; `label` is that of the group. Jira's version 3 takes a document for the description.
    pub(super) fn new(
        config: &JiraConfig,
        label: &str,
        version_3: bool,
        render: &Renderer<'_>,
    ) -> Result<Self, Verdict> {
        let project = render.required("project", &config.project)?;
        let issue_type = render.required("issue_type", &config.issue_type)?;
        let summary = render.title("summary", &config.summary.template)?;
        let mut fields = Map::new();
        fields.insert("project".into(), named("key", project.clone()));
        fields.insert("issuetype".into(), named("name", issue_type));
        // Jira refuses titles of more than one line.
        let summary = summary.replace(['\r', '\n'], " ");
        fields.insert("summary".into(), SUMMARY.cut(&summary).into());
        fields.insert("labels".into(), labels(config, label, render)?.into());
        if let Some(description) = description(config, version_3, render)? {
            fields.insert("description".into(), description);
        }
        let priority = render.detail("priority", &config.priority)?;
        if !priority.is_empty() {
            fields.insert("priority".into(), named("name", priority));
        }
        let mut kept = Vec::new();
        for (name, field) in [
            ("summary", &config.summary),
            ("description", &config.description),
        ] {
            if field.enable_update == Some(false) {
                kept.push(name);
            }
        }
        Ok(Self {
            project,
            fields,
            kept,
            further: render.members("fields", &config.fields)?,
        })
    }

    /// The body that creates it.
    pub(super) fn creation(&self) -> String {
        self.body(&[])
    }

    /// The body that brings it up to date.
    pub(super) fn update(&self) -> String {
        self.body(&self.kept)
    }

    fn body(&self, left_out: &[&str]) -> String {
        let mut fields = self.fields.clone();
        for name in left_out {
            fields.remove(*name);
        }
        fields.extend(self.further.clone());
        json::document(|issue| {
            issue.value("fields", &Value::Object(fields));
        })
    }
}

fn named(key: &str, value: String) -> Value {
    let mut object = Map::new();
    if !value.is_empty() || key == "key" {
        object.insert(key.to_owned(), Value::String(value));
    }
    Value::Object(object)
}

/// The labels in their order. Jira refuses spaces in labels, and the issue with them.
fn labels(config: &JiraConfig, label: &str, render: &Renderer<'_>) -> Result<Vec<String>, Verdict> {
    let mut labels = vec![label.to_owned()];
    for source in &config.labels {
        let label = render.detail("labels", source)?;
        let words: Vec<_> = label.split_whitespace().collect();
        if !words.is_empty() {
            labels.push(words.join("_"));
        }
    }
    labels.sort_unstable();
    Ok(labels)
}

fn description(
    config: &JiraConfig,
    version_3: bool,
    render: &Renderer<'_>,
) -> Result<Option<Value>, Verdict> {
    let source = &config.description.template;
    if !version_3 {
        let text = render.body_within("description", source, Limit::Chars(DESCRIPTION))?;
        return Ok((!text.is_empty()).then_some(Value::String(text)));
    }
    let text = render.body("description", source)?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(document @ Value::Object(_)) = serde_json::from_str(text) {
        return Ok(Some(document::cut(document, DESCRIPTION)));
    }
    let mut limit = DESCRIPTION;
    // The document is longer than its text, by how much depends on the text.
    for _ in 0..4 {
        let text = render.body_within("description", source, Limit::Chars(limit))?;
        let document = document::of_text(text.trim());
        let length = document::length(&document);
        if length <= DESCRIPTION {
            return Ok(Some(document));
        }
        limit = text.chars().count().min(limit) * DESCRIPTION / length * 9 / 10;
    }
    let document = document::of_text(&Limit::Chars(DESCRIPTION).cut(text));
    Ok(Some(document::cut(document, DESCRIPTION)))
}
