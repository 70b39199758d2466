//! From the text of a file of rules to a [`RuleFile`], or to everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    model::{OnPartial, Rule, RuleFile, RuleGroup, RuleKind},
    raw::{RawGroup, RawRule, RawRules},
};
use crate::{
    config::{
        LoadEnv, LoadErrors,
        read::{Place, Placed, Position, Reader, Spotted, Stage},
    },
    labels::{MatcherMode, go_quote, is_valid_label_name},
    promql::{
        self,
        ast::Expr,
        parse::{Features, parse},
    },
    yaml::Document,
};

/// How files of rules are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleOptions {
    /// The parts of PromQL that are on.
    pub features: Features,
    /// Whether keys that do not exist are passed over (`--ignore-unknown-fields`).
    pub ignore_unknown_fields: bool,
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
    let mut names = BTreeSet::new();
    let mut groups = Vec::new();
    for group in raw.groups {
        check_name(&group, &mut names, &mut reader);
        groups.push(check_group(group, options, &mut reader));
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
    group: Placed<RawGroup>,
    options: &RuleOptions,
    reader: &mut Reader<'_>,
) -> RuleGroup {
    let Placed {
        value: group,
        place,
    } = group;
    check_labels("", &group.labels, reader);
    check_offset(&group, &place, reader);
    let labels = plain(&group.labels);
    let mut rules = Vec::new();
    for (index, rule) in group.rules.into_iter().enumerate() {
        if rule.place.sound {
            let about = About::new(&group.name, index, &rule.value);
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

fn check_offset(group: &RawGroup, place: &Place, reader: &mut Reader<'_>) {
    if let Some(offset) = group.eval_offset
        && !group.interval.is_zero()
        && offset >= group.interval
    {
        let message = "eval_offset must be smaller than the interval of the group";
        reader.deny(place.of("eval_offset"), message);
    }
}

fn check_labels(before: &str, labels: &BTreeMap<String, Spotted<String>>, reader: &mut Reader<'_>) {
    for (name, value) in labels {
        if !is_valid_label_name(name, MatcherMode::Utf8Strict) || name == "__name__" {
            reader.deny(value.at, format!("{before}invalid label name: {name}"));
        }
    }
}

fn plain(map: &BTreeMap<String, Spotted<String>>) -> BTreeMap<String, String> {
    let pairs = map.iter();
    pairs
        .map(|(name, value)| (name.clone(), value.value.clone()))
        .collect()
}

/// What mistakes of a rule begin with: `group "a", rule 1, "b": `.
struct About(String);

impl About {
    fn new(group: &str, index: usize, rule: &RawRule) -> Self {
        let name = if rule.alert.is_empty() {
            &rule.record
        } else {
            &rule.alert
        };
        let (group, name) = (go_quote(group), go_quote(name));
        Self(format!("group {group}, rule {}, {name}: ", index + 1))
    }

    fn deny(&self, at: Position, message: &str, reader: &mut Reader<'_>) {
        reader.deny(at, format!("{}{message}", self.0));
    }

    /// The rule, if it is right.
    fn rule(
        &self,
        rule: Placed<RawRule>,
        of_group: &BTreeMap<String, String>,
        options: &RuleOptions,
        reader: &mut Reader<'_>,
    ) -> Option<Rule> {
        let Placed { value: rule, place } = rule;
        self.check_names(&rule, &place, reader);
        let expr = self.expr(&rule, &place, options, reader);
        if !rule.record.is_empty() {
            self.check_recording(&rule, &place, reader);
        }
        check_labels(&self.0, &rule.labels, reader);
        for (name, value) in &rule.annotations {
            if !is_valid_label_name(name, MatcherMode::Utf8Strict) {
                self.deny(
                    value.at,
                    &format!("invalid annotation name: {name}"),
                    reader,
                );
            }
        }
        let mut labels = of_group.clone();
        labels.extend(plain(&rule.labels));
        let (line, column) = place.at.pair();
        Some(Rule {
            text: rule.expr.value,
            expr: expr?,
            labels,
            on_partial: rule.on_partial,
            place: promql::Place { line, column },
            kind: if rule.alert.is_empty() {
                RuleKind::Recording {
                    record: rule.record,
                }
            } else {
                RuleKind::Alerting {
                    alert: rule.alert,
                    hold: rule.hold,
                    keep_firing_for: rule.keep_firing_for,
                    annotations: plain(&rule.annotations),
                }
            },
        })
    }

    fn check_names(&self, rule: &RawRule, place: &Place, reader: &mut Reader<'_>) {
        match (rule.record.is_empty(), rule.alert.is_empty()) {
            (false, false) => {
                let message = "only one of 'record' and 'alert' must be set";
                let at = place.of("record").max(place.of("alert"));
                self.deny(at, message, reader);
            }
            (true, true) => {
                self.deny(place.at, "one of 'record' or 'alert' must be set", reader);
            }
            (true, false) | (false, true) => {}
        }
    }

    fn expr(
        &self,
        rule: &RawRule,
        place: &Place,
        options: &RuleOptions,
        reader: &mut Reader<'_>,
    ) -> Option<Expr> {
        let Spotted { value: text, at } = &rule.expr;
        if text.is_empty() {
            self.deny(place.of("expr"), "field 'expr' must be set in rule", reader);
            return None;
        }
        match parse(text, options.features) {
            Ok(expr) => Some(expr),
            Err(errors) => {
                let message = format!("could not parse expression: {errors}");
                self.deny(*at, &message, reader);
                None
            }
        }
    }

    fn check_recording(&self, rule: &RawRule, place: &Place, reader: &mut Reader<'_>) {
        let alerts_only = [
            ("annotations", !rule.annotations.is_empty()),
            ("for", !rule.hold.is_zero()),
            ("keep_firing_for", !rule.keep_firing_for.is_zero()),
        ];
        for (key, _) in alerts_only.into_iter().filter(|(_, set)| *set) {
            let message = format!("invalid field '{key}' in recording rule");
            self.deny(place.of(key), &message, reader);
        }
        // A name of UTF-8 may hold braces, but an expression in the place of the name is what was meant.
        if rule.record.contains(['{', '}']) {
            let record = &rule.record;
            let message = format!(
                "braces present in the recording rule name; should it be in expr?: {record}"
            );
            self.deny(place.of("record"), &message, reader);
        }
    }
}
