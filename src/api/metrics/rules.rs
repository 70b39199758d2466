//! `prometheus_rule_*` of the ruler's groups, under the names that dashboards and the mixins of Prometheus know.
//!
//! Series are as many as the files have groups; `rule_group` is `file;name`, as there.

use std::sync::Arc;

use super::family::Page;
use crate::ruler::{GroupState, RuleSet, RuleState, States};

/// A family with a value for each group.
type Family = (&'static str, &'static str, fn(&GroupState) -> f64);

/// What is counted.
const COUNTERS: [Family; 5] = [
    (
        "prometheus_rule_group_iterations_total",
        "Slots of a group that began, those that were missed among them.",
        |group| number(group.iterations.saturating_add(group.missed)),
    ),
    (
        "prometheus_rule_group_iterations_missed_total",
        "Slots of a group that passed while the one before was still evaluated.",
        |group| number(group.missed),
    ),
    (
        "prometheus_rule_evaluations_total",
        "Evaluations of the rules of a group.",
        |group| number(group.rules.iter().map(|rule| rule.evaluations).sum()),
    ),
    (
        "prometheus_rule_evaluation_failures_total",
        "Evaluations of the rules of a group that failed.",
        |group| number(group.rules.iter().map(|rule| rule.failures).sum()),
    ),
    (
        "watchfire_rule_group_evaluations_caught_up_total",
        "Evaluations of recording rules of a group that made up for slots that were missed.",
        |group| number(group.caught_up),
    ),
];

/// What is measured.
const GAUGES: [Family; 6] = [
    (
        "prometheus_rule_group_last_evaluation_timestamp_seconds",
        "The last slot of a group; seconds since 1970.",
        |group| seconds(group.last_slot.unwrap_or(0)),
    ),
    (
        "prometheus_rule_group_last_duration_seconds",
        "How long the last slot of a group took.",
        |group| seconds(group.took),
    ),
    (
        "prometheus_rule_group_last_rule_duration_sum_seconds",
        "How long the rules of a group took in its last slot, added up.",
        |group| seconds(group.rules.iter().map(|rule| rule.took).sum()),
    ),
    (
        "prometheus_rule_group_last_evaluation_samples",
        "Samples that the rules of a group wrote in its last slot.",
        |group| number(u64::try_from(group.samples).unwrap_or(u64::MAX)),
    ),
    (
        "prometheus_rule_group_rules",
        "Rules of a group.",
        |group| number(u64::try_from(group.rules.len()).unwrap_or(u64::MAX)),
    ),
    (
        "watchfire_rule_group_held",
        "Alerts and series of a group that are as they were because partitions are missing.",
        |group| number(held(&group.rules)),
    ),
];

/// Who evaluates what.
const OWNERS: [Family; 2] = [
    (
        "watchfire_ruler_group_owned",
        "Whether this node evaluates a group.",
        |group| f64::from(u8::from(group.owned.is_some())),
    ),
    (
        "watchfire_ruler_group_epoch",
        "Counts the owners that a group had in the mesh, as far as this node knows.",
        |group| number(group.claim.as_ref().map_or(0, |claim| claim.epoch)),
    ),
];

/// What is shown of the ruler.
pub(super) struct Shown {
    /// The rules, and what is known of them; `None` if the ruler does not answer.
    pub(super) all: Option<(Arc<RuleSet>, States)>,
    /// How often it hung, and whether it does.
    pub(super) hangs: (u64, bool),
}

/// All of it.
pub(super) fn add(page: &mut Page, shown: &Shown) {
    if let Some((set, states)) = &shown.all {
        let names = names(set);
        for (name, help, value) in COUNTERS {
            let mut family = page.counter(name, help);
            for (group, state) in names.iter().zip(&states.groups) {
                family = family.value(&[("rule_group", group)], value(state));
            }
            family.end();
        }
        add_missed(page, set, states);
        add_expansions(page, states);
        for (name, help, value) in GAUGES.into_iter().chain(OWNERS) {
            let mut family = page.gauge(name, help);
            for (group, state) in names.iter().zip(&states.groups) {
                family = family.value(&[("rule_group", group)], value(state));
            }
            family.end();
        }
        let mut intervals = page.gauge(
            "prometheus_rule_group_interval_seconds",
            "How often a group is evaluated.",
        );
        for (name, group) in names.iter().zip(&set.groups) {
            let interval = seconds(group.cadence.interval());
            intervals = intervals.value(&[("rule_group", name)], interval);
        }
        intervals.end();
    }
    add_ruler(page, shown);
}

/// What rules read of it: all that is not about groups, and what the shipped rules are about.
pub(super) fn add_own(page: &mut Page, shown: &Shown) {
    if let Some((set, states)) = &shown.all {
        add_missed(page, set, states);
    }
    add_ruler(page, shown);
}

fn names(set: &RuleSet) -> Vec<String> {
    set.groups.iter().map(|group| group.key.joined()).collect()
}

/// Recording rules by themselves: theirs are gaps.
fn add_missed(page: &mut Page, set: &RuleSet, states: &States) {
    let mut family = page.counter(
        "watchfire_rule_group_evaluations_missed_total",
        "Evaluations of rules of a group that did not take place in their slot, nor were made up for.",
    );
    for (group, state) in set.groups.iter().zip(&states.groups) {
        let name = group.key.joined();
        for (kind, alerting) in [("alerting", true), ("recording", false)] {
            let rules = group.rules.iter().zip(&state.rules);
            let rules = rules.filter(|(rule, _)| rule.key.alerting == alerting);
            let missed: u64 = rules.map(|(_, state)| state.missed).sum();
            family = family.value(&[("rule_group", &name), ("type", kind)], number(missed));
        }
    }
    family.end();
}

fn add_ruler(page: &mut Page, shown: &Shown) {
    if let Some((_, states)) = &shown.all {
        page.counter(
            "watchfire_ruler_takeovers_total",
            "Times that this node took over groups that another one evaluated.",
        )
        .value(&[], number(states.takeovers))
        .end();
        page.counter(
            "watchfire_ruler_bugs_total",
            "Times that the ruler of this node ended by a bug and began anew.",
        )
        .value(&[], number(states.ended_by_bugs))
        .end();
    }
    let (hangs, hanging) = shown.hangs;
    page.counter(
        "watchfire_ruler_hangs_total",
        "Times that the ruler of this node hung and its groups were handed over.",
    )
    .value(&[], number(hangs))
    .end();
    page.gauge(
        "watchfire_ruler_hanging",
        "Whether the ruler of this node hangs.",
    )
    .value(&[], f64::from(u8::from(hanging)))
    .end();
}

fn add_expansions(page: &mut Page, states: &States) {
    page.counter(
        "prometheus_template_text_expansions_total",
        "Expansions of the labels and annotations of alerts, those among them that waited for a query.",
    )
    .value(&[], number(states.expansions))
    .end();
    page.counter(
        "prometheus_template_text_expansion_failures_total",
        "Labels and annotations of alerts whose templates failed.",
    )
    .value(&[], number(states.failed_expansions))
    .end();
}

fn held(rules: &[Arc<RuleState>]) -> u64 {
    let held = rules.iter().map(|rule| rule.held).sum::<usize>();
    u64::try_from(held).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts below 2^53 are exact, and no count gets there"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// Milliseconds as seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "times in milliseconds are far below 2^53"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
