//! From the text of a file of rules to a [`RuleFile`], or to everything that is wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    about::About,
    model::{OnPartial, RuleFile, RuleGroup},
    raw::{RawGroup, RawRules},
};
use crate::{
    config::{
        LoadEnv, LoadErrors,
        read::{Place, Placed, Position, Reader, Spotted, Stage},
    },
    labels::{MatcherMode, go_quote, is_valid_label_name},
    promql::parse::Features,
    template::RuleTemplate,
    time::format_prom_duration,
    yaml::Document,
};

/// How files of rules are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleOptions {
    /// The parts of PromQL that are on.
    pub features: Features,
    /// Whether keys that do not exist are passed over (`--ignore-unknown-fields`).
    pub ignore_unknown_fields: bool,
    /// The interval of groups that name none, if it is known.
    pub interval: Option<Duration>,
}

/// Reads a file of rules; `path` is for messages and for [`RuleFile::path`].
///
/// # Errors
/// With everything that is wrong with it, each mistake with line and column, in the words of Prometheus where it refuses
/// the file too.
pub fn load_rules(path: &str, text: &[u8], options: &RuleOptions) -> Result<RuleFile, LoadErrors> {
    let env = LoadEnv::for_file(path);
    let document = Document::parse(text).map_err(|error| LoadErrors::syntax(path, &error))?;
    let mut reader = Reader::new(&env);
    reader.ignore_unknown = options.ignore_unknown_fields;
    let mut raw = RawRules::default();
    reader.document(&document, &mut raw);
    reader.stage = Stage::Whole;
    if document.more {
        let message = "only the first document of a file of rules is read, and there are more";
        reader.warn(Position::default(), message);
    }
    // Mistakes in a file of another encoding are told at the values that have them.
    let file = std::str::from_utf8(text).unwrap_or_default();
    let mut names = BTreeSet::new();
    let mut groups = Vec::new();
    // Prometheus passes over items that are null.
    let there = |group: &Placed<RawGroup>| group.place.at != Position::default();
    for group in raw.groups.into_iter().filter(there) {
        check_name(&group, &mut names, &mut reader);
        groups.push(check_group(file, group, options, &mut reader));
    }
    match reader.errors() {
        Some(errors) => Err(errors),
        None => Ok(RuleFile {
            path: path.to_owned(),
            groups,
            warnings: reader.warnings,
        }),
    }
}

fn check_name(group: &Placed<RawGroup>, names: &mut BTreeSet<String>, reader: &mut Reader<'_>) {
    let name = &group.value.name;
    if !name.is_empty() {
        if !names.insert(name.clone()) {
            let message = format!("groupname: \"{name}\" is repeated in the same file");
            reader.deny(group.place.of("name"), message);
        }
    } else if group.place.sound || !group.place.has("name") {
        reader.deny(group.place.at, "Groupname must not be empty");
    }
}

fn check_group(
    file: &str,
    group: Placed<RawGroup>,
    options: &RuleOptions,
    reader: &mut Reader<'_>,
) -> RuleGroup {
    let Placed {
        value: group,
        place,
    } = group;
    check_labels("", &group.labels, reader);
    warn_of_templates(&group, reader);
    check_offset(&group, options.interval, &place, reader);
    let labels = plain(&group.labels);
    let mut rules = Vec::new();
    for (index, rule) in group.rules.into_iter().enumerate() {
        if rule.place.sound {
            let about = About::new(file, &group.name, index, &rule.value);
            rules.extend(about.rule(rule, &labels, options, reader));
        }
    }
    let strategy = group.partial_response_strategy.map(OnPartial::from);
    let params = group.params.into_iter();
    let params = params.flat_map(|(name, values)| {
        let pair = move |value| (name.clone(), value);
        values.into_iter().map(pair)
    });
    RuleGroup {
        name: group.name,
        interval: Some(group.interval).filter(|interval| !interval.is_zero()),
        query_offset: group.query_offset,
        eval_offset: group.eval_offset,
        limit: usize::try_from(group.limit).unwrap_or(0),
        labels,
        concurrency: usize::try_from(group.concurrency).ok().filter(|n| *n > 0),
        params: params.collect(),
        on_partial: group.on_partial.or(strategy),
        rules,
    }
}

/// Labels of a group are templates too in its alerts, which Prometheus finds out when they are evaluated.
fn warn_of_templates(group: &RawGroup, reader: &mut Reader<'_>) {
    if group.rules.iter().all(|rule| rule.value.alert.is_empty()) {
        return;
    }
    for (name, text) in &group.labels {
        if let Err(error) = RuleTemplate::new(&group.name, &text.value) {
            let name = go_quote(name);
            let message = format!("label {name} of the group will be an error in alerts: {error}");
            reader.warn(text.at, message);
        }
    }
}

fn check_offset(
    group: &RawGroup,
    default: Option<Duration>,
    place: &Place,
    reader: &mut Reader<'_>,
) {
    let own = Some(group.interval).filter(|interval| !interval.is_zero());
    let (Some(offset), Some(interval)) = (group.eval_offset, own.or(default)) else {
        return;
    };
    if offset >= interval {
        let mut message = "eval_offset must be smaller than the interval of the group".to_owned();
        if own.is_none() {
            let interval = format_prom_duration(interval);
            message.push_str(&format!(
                ", which names none: evaluation_interval is {interval}"
            ));
        }
        reader.deny(place.of("eval_offset"), message);
    }
}

pub(super) fn check_labels(
    before: &str,
    labels: &BTreeMap<String, Spotted<String>>,
    reader: &mut Reader<'_>,
) {
    for (name, value) in labels {
        if !is_valid_label_name(name, MatcherMode::Utf8Strict) || name == "__name__" {
            reader.deny(value.at, format!("{before}invalid label name: {name}"));
        }
    }
}

pub(super) fn plain(map: &BTreeMap<String, Spotted<String>>) -> BTreeMap<String, String> {
    let pairs = map.iter();
    pairs
        .map(|(name, value)| (name.clone(), value.value.clone()))
        .collect()
}
