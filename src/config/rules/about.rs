//! One rule of a file: what it means and what is wrong with it.

use std::collections::BTreeMap;

use super::{
    RuleOptions,
    load::{check_labels, plain},
    locate::locate,
    model::{Rule, RuleKind},
    raw::RawRule,
};
use crate::{
    config::read::{Place, Placed, Position, Reader, Spotted},
    labels::{MatcherMode, go_quote, is_valid_label_name},
    promql::{
        self,
        ast::Expr,
        parse::{ParseError, parse},
    },
    template::RuleTemplate,
};

/// What is said of a rule.
pub(super) struct About<'f> {
    /// What mistakes begin with: `group "a", rule 1, "b": `.
    prefix: String,
    /// The text of the file.
    file: &'f str,
}

impl<'f> About<'f> {
    pub(super) fn new(file: &'f str, group: &str, index: usize, rule: &RawRule) -> Self {
        let name = if rule.alert.is_empty() {
            &rule.record
        } else {
            &rule.alert
        };
        let (group, name) = (go_quote(group), go_quote(name));
        Self {
            prefix: format!("group {group}, rule {}, {name}: ", index + 1),
            file,
        }
    }

    fn deny(&self, at: Position, message: &str, reader: &mut Reader<'_>) {
        reader.deny(at, format!("{}{message}", self.prefix));
    }

    /// The rule, if it is right.
    pub(super) fn rule(
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
        check_labels(&self.prefix, &rule.labels, reader);
        for (name, value) in &rule.annotations {
            if !is_valid_label_name(name, MatcherMode::Utf8Strict) {
                self.deny(
                    value.at,
                    &format!("invalid annotation name: {name}"),
                    reader,
                );
            }
        }
        if !rule.alert.is_empty() {
            self.check_templates(&rule.alert, "label", &rule.labels, reader);
            self.check_templates(&rule.alert, "annotation", &rule.annotations, reader);
        }
        let mut labels = of_group.clone();
        labels.extend(plain(&rule.labels));
        let (line, column) = place.at.pair();
        Some(Rule {
            text: rule.expr.value,
            expr: expr?.into(),
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
        let text = &rule.expr.value;
        if text.is_empty() {
            let message = "field 'expr' must be set in rule";
            self.deny(place.of("expr"), message, reader);
            return None;
        }
        let errors = match parse(text, options.features) {
            Ok(expr) => return Some(expr),
            Err(errors) => errors,
        };
        if errors.errors().is_empty() {
            let message = format!("could not parse expression: {errors}");
            self.deny(rule.expr.at, &message, reader);
        }
        for ParseError { span, message } in errors.errors() {
            let place = span.place(text);
            let message = format!("could not parse expression: {place}: parse error: {message}");
            let offset = usize::try_from(span.start).unwrap_or(0);
            let at = locate(self.file, rule.expr.at, text, offset);
            self.deny(at, &message, reader);
        }
        None
    }

    fn check_templates(
        &self,
        alert: &str,
        what: &str,
        texts: &BTreeMap<String, Spotted<String>>,
        reader: &mut Reader<'_>,
    ) {
        for (name, text) in texts {
            let name = go_quote(name);
            let at = |line, column| {
                let offset = line_start(&text.value, line) + column - 1;
                locate(self.file, text.at, &text.value, offset)
            };
            match RuleTemplate::new(alert, &text.value) {
                Ok(template) => {
                    for (line, column, error) in template.check() {
                        let prefix = &self.prefix;
                        let message = format!("{prefix}{what} {name} will be an error: {error}");
                        reader.warn(at(line, column), message);
                    }
                }
                Err(error) => {
                    let message = format!("{what} {name}: {error}");
                    self.deny(at(error.line, 1), &message, reader);
                }
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

/// Where a line of a text begins, counted from 1.
fn line_start(text: &str, line: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    before.map(str::len).sum()
}
