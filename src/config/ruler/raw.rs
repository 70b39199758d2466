//! The sections of the file as they are written.

use std::{collections::BTreeMap, time::Duration};

use super::outputs::{AlertmanagerConfig, RemoteWriteConfig};
use crate::{
    config::{
        OnPartial,
        read::{Codec, Cursor, Name, Placed, PromDuration, Reader, Shown, Spot, Spotted, join},
        relabel::RelabelRule,
        section::section,
    },
    labels::{Relabel, go_quote},
    yaml::Value,
};

section! {
    pub(super) RawRuler in "ruler.Config" {
        rule_files: Vec<String> as Vec<RuleGlob>,
        external_labels: BTreeMap<String, Spotted<String>> as BTreeMap<String, Spot<String>>,
        evaluation_interval: Duration as PromDuration = Duration::from_mins(1),
        rule_query_offset: Duration as PromDuration,
        on_partial: OnPartial as Name<OnPartial>,
        hold_for: Duration as PromDuration = Duration::from_hours(1),
        look_back: bool as Shown<bool> = true,
        resend_delay: Duration as PromDuration = Duration::from_mins(1),
        alert_relabel_configs: Vec<Relabel> as Vec<RelabelRule>,
        alertmanagers: Vec<AlertmanagerConfig>,
        remote_write: Vec<Placed<RemoteWriteConfig>>,
    }
}

/// A path of files of rules or targets, relative to the directory of the file; its last part may be a pattern.
pub(in crate::config) struct RuleGlob;

impl Codec for RuleGlob {
    type Value = String;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let typed = reader.text(node, "string")?;
        let directories = typed.rsplit_once('/').map_or("", |(before, _)| before);
        if typed.is_empty() || directories.contains('*') {
            let message = format!("invalid rule file path {}", go_quote(&typed));
            let hint = "only the last part of a path may be a pattern";
            reader.deny_with_hint(node.position(), message, hint);
            return None;
        }
        Some(join(&reader.env.directory, &typed))
    }

    fn null() -> String {
        String::new()
    }

    fn print(path: &String) -> Value {
        Value::from(&**path)
    }

    fn is_empty(path: &String) -> bool {
        path.is_empty()
    }
}
