//! From the text of the file to a [`RulerConfig`], or to everything that is wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    outputs::{AlertmanagerConfig, RemoteWriteConfig},
    raw::RawRuler,
};
use crate::{
    config::{
        LoadEnv, LoadErrors, OnPartial,
        read::{Place, Reader, Stage},
    },
    labels::{MatcherMode, Relabel, go_quote, is_valid_label_name},
    regex::expand_with,
    yaml::Document,
};

/// What is evaluated and where results go.
#[derive(Debug, Clone, PartialEq)]
pub struct RulerConfig {
    /// Files of rules in the order of the file: paths as resolved against its directory, the last part of which may be a
    /// pattern.
    pub rule_files: Vec<String>,
    /// Labels of all alerts and of all samples that are written; what templates call external labels.
    pub external_labels: BTreeMap<String, String>,
    /// How often groups are evaluated that do not say so; never zero.
    pub evaluation_interval: Duration,
    /// How long before its slot a group looks at the data, unless it says so itself.
    pub rule_query_offset: Duration,
    /// What is done with partial answers by groups that do not say so.
    pub on_partial: OnPartial,
    /// After how long of holding the partial answer is taken as complete.
    pub hold_for: Duration,
    /// Whether alerts that nobody knows anything of are pending for as long as their conditions held before.
    pub look_back: bool,
    /// How often an alert that fires is sent again; never zero.
    pub resend_delay: Duration,
    /// Rules over the labels of all alerts.
    pub alert_relabel_configs: Vec<Relabel>,
    /// Alertmanagers that are told besides this mesh.
    pub alertmanagers: Vec<AlertmanagerConfig>,
    /// Servers that take samples; their names are unique.
    pub remote_write: Vec<RemoteWriteConfig>,
}

/// The defaults of the file.
impl Default for RulerConfig {
    fn default() -> Self {
        RawRuler::default().config()
    }
}

/// Reads the file of the ruler.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load_ruler(text: &[u8], env: &LoadEnv) -> Result<RulerConfig, LoadErrors> {
    let document = Document::parse(text).map_err(|error| LoadErrors::syntax(&env.file, &error))?;
    let mut reader = Reader::new(env);
    let mut raw = RawRuler::default();
    let place = reader.document(&document, &mut raw);
    reader.stage = Stage::Whole;
    check_whole(&mut raw, &place, &mut reader);
    match reader.errors() {
        Some(errors) => Err(errors),
        None => Ok(raw.config()),
    }
}

impl RulerConfig {
    /// Puts variables of the environment in the place of `$NAME` and `${NAME}` in external labels, as Prometheus does; `$$`
    /// is a dollar. What `variable` does not know is empty, and its name is in the answer.
    pub fn expand_external_labels(
        &mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> BTreeSet<String> {
        let mut unknown = BTreeSet::new();
        for text in self.external_labels.values_mut() {
            let mut names = BTreeMap::new();
            expand_with(&mut String::new(), text, |name| {
                names.insert(name.to_owned(), variable(name));
                ""
            });
            let mut out = String::new();
            expand_with(&mut out, text, |name| {
                names
                    .get(name)
                    .and_then(Option::as_deref)
                    .unwrap_or_default()
            });
            let missing = names.iter().filter(|(_, value)| value.is_none());
            unknown.extend(missing.map(|(name, _)| name.clone()));
            *text = out;
        }
        unknown
    }
}

fn check_whole(raw: &mut RawRuler, place: &Place, reader: &mut Reader<'_>) {
    for (name, value) in &raw.external_labels {
        if !is_valid_label_name(name, MatcherMode::Utf8Strict) || name == "__name__" {
            let message = format!("{} is not a valid label name", go_quote(name));
            reader.deny(value.at, message);
        }
    }
    for (key, duration) in [
        ("evaluation_interval", raw.evaluation_interval),
        ("resend_delay", raw.resend_delay),
    ] {
        if duration.is_zero() && place.has(key) {
            reader.deny(place.of(key), format!("{key} must be greater than zero"));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for one in &raw.remote_write {
        let name = if one.value.name.is_empty() {
            one.value.url.as_str()
        } else {
            &one.value.name
        };
        if names.contains(&name) && !name.is_empty() {
            let message = "found multiple remote write configs with the same name or url";
            let hint = "give them different names";
            reader.deny_with_hint(one.place.at, message, hint);
        }
        names.push(name);
    }
}

impl RawRuler {
    fn config(self) -> RulerConfig {
        RulerConfig {
            rule_files: self.rule_files,
            external_labels: self
                .external_labels
                .into_iter()
                .map(|(name, value)| (name, value.value))
                .collect(),
            evaluation_interval: self.evaluation_interval,
            rule_query_offset: self.rule_query_offset,
            on_partial: self.on_partial,
            hold_for: self.hold_for,
            look_back: self.look_back,
            resend_delay: self.resend_delay,
            alert_relabel_configs: self.alert_relabel_configs,
            alertmanagers: self.alertmanagers,
            remote_write: self.remote_write.into_iter().map(|one| one.value).collect(),
        }
    }
}
