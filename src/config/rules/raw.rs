//! The sections of a file of rules as they are written.

use std::{collections::BTreeMap, time::Duration};

use super::model::OnPartial;
use crate::{
    config::{
        read::{Name, Named, Placed, Position, PromDuration, Reader, Section, Spot, Spotted},
        section::section,
    },
    labels::go_quote,
};

section! {
    pub(super) RawRules in "rulefmt.RuleGroups" {
        groups: Vec<Placed<RawGroup>>,
    }

    pub(super) RawGroup in "rulefmt.RuleGroup", unknown other_group_key {
        name: String,
        interval: Duration as PromDuration,
        query_offset: Option<Duration> as Option<PromDuration>,
        limit: i64,
        rules: Vec<Placed<RawRule>>,
        labels: BTreeMap<String, Spotted<String>> as BTreeMap<String, Spot<String>>,
        eval_offset: Option<Duration> as Option<PromDuration>,
        concurrency: u32,
        params: BTreeMap<String, Vec<String>>,
        on_partial: Option<OnPartial> as Option<Name<OnPartial>>,
        partial_response_strategy: Option<Strategy> as Option<Name<Strategy>>,
    }

    pub(super) RawRule in "rulefmt.Rule", unknown other_rule_key {
        record: String,
        alert: String,
        expr: Spotted<String> as Spot<String>,
        hold ["for"]: Duration as PromDuration,
        keep_firing_for: Duration as PromDuration,
        labels: BTreeMap<String, Spotted<String>> as BTreeMap<String, Spot<String>>,
        annotations: BTreeMap<String, Spotted<String>> as BTreeMap<String, Spot<String>>,
        on_partial: Option<OnPartial> as Option<Name<OnPartial>>,
    }
}

/// `partial_response_strategy` of Thanos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Warn,
    Abort,
}

impl Named for Strategy {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("abort", Self::Abort),
        ("ABORT", Self::Abort),
        ("warn", Self::Warn),
        ("WARN", Self::Warn),
    ];

    fn unknown(word: &str) -> String {
        format!(
            "partial_response_strategy must be warn or abort, not {}",
            go_quote(word)
        )
    }
}

impl From<Strategy> for OnPartial {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Warn => Self::Accept,
            Strategy::Abort => Self::Abort,
        }
    }
}

/// What to do with keys of other rulers.
fn other_group_key(key: &str, at: Position, reader: &mut Reader<'_>) {
    let hint = match key {
        "eval_delay" | "evaluation_delay" => Some("write query_offset"),
        "align_evaluation_time_on_interval" => Some("write eval_offset: 0s"),
        "source_tenants" => Some("name the tenants as endpoints in --query.config-file"),
        "type" | "tenant" | "headers" | "notifier_headers" | "debug" | "eval_alignment" => {
            Some("a key of vmalert, which has no meaning here")
        }
        _ => None,
    };
    unknown_key::<RawGroup>(key, at, hint, reader);
}

fn other_rule_key(key: &str, at: Position, reader: &mut Reader<'_>) {
    let hint = match key {
        "debug" | "update_entries_limit" => Some("a key of vmalert, which has no meaning here"),
        _ => None,
    };
    unknown_key::<RawRule>(key, at, hint, reader);
}

fn unknown_key<S: Section>(key: &str, at: Position, hint: Option<&str>, reader: &mut Reader<'_>) {
    let near = crate::config::read::nearest(key, &S::keys());
    let hint = hint.map(str::to_owned);
    let hint = hint.or_else(|| near.map(|near| format!("did you mean {near}?")));
    reader.unknown_key(key, S::GO, at, hint);
}
