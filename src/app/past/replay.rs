//! Which alerts would have fired.

use std::collections::BTreeMap;

use super::{
    course::{Course, Happened},
    rules::{Past, PastError},
};
use crate::{
    config::RuleKind,
    labels::LabelSet,
    ruler::{GroupKey, Instance, Phase, Ruler},
};

/// An alert that would have fired. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The file of its rule.
    pub file: String,
    /// The group of its rule.
    pub group: String,
    /// Its labels.
    pub labels: LabelSet,
    /// Its annotations, as of when it began to fire.
    pub annotations: LabelSet,
    /// The value with which it began to fire.
    pub value: f64,
    /// When its condition began to hold.
    pub active_at: i64,
    /// When it began to fire.
    pub fired_at: i64,
    /// When it ended; `None` if it fired still.
    pub ended_at: Option<i64>,
}

/// A rule that could not always be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubled {
    /// The file of the rule.
    pub file: String,
    /// Its group.
    pub group: String,
    /// The name of the alert or of the series.
    pub name: String,
    /// Slots.
    pub evaluations: u64,
    /// Those in which it failed.
    pub failures: u64,
    /// The last error.
    pub error: String,
    /// The partitions that did not answer, with their reasons.
    pub missing: Vec<String>,
}

/// What would have happened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replayed {
    /// The alerts in the order in which they would have begun to fire.
    pub alerts: Vec<Alert>,
    /// The rules that failed, or that partitions were missing for.
    pub troubled: Vec<Troubled>,
    /// Evaluations of all rules.
    pub evaluations: u64,
}

/// Evaluates rules over a time that is past.
///
/// # Errors
/// When files cannot be read.
pub async fn replay(past: &Past) -> Result<Replayed, PastError> {
    let mut ground = past.read()?;
    let alerts = ground.files.iter().flat_map(|file| &file.groups);
    let mut rules = alerts.flat_map(|group| &group.rules);
    if !rules.any(|rule| matches!(rule.kind, RuleKind::Alerting { .. })) {
        return Err(PastError::NoRules);
    }
    let files = std::mem::take(&mut ground.files);
    let set = past.set(&ground.config, files);
    let mut course = Course::new(set, ground.federation, (past.from, past.to));
    let mut story = Story::default();
    while let Some(happened) = course.advance().await? {
        story.take(happened);
        story.look(course.ruler());
    }
    Ok(story.told(&course))
}

/// The place of a group in the set, and that of a rule in the group.
type Place = (usize, usize);

/// What happens to alerts.
#[derive(Debug, Default)]
struct Story {
    firing: BTreeMap<Place, BTreeMap<LabelSet, Alert>>,
    over: Vec<Alert>,
    missing: BTreeMap<Place, Vec<String>>,
    errors: BTreeMap<(String, String), String>,
}

impl Story {
    fn take(&mut self, happened: Happened) {
        for word in happened.said {
            if let crate::ruler::Word::Failed {
                group,
                rule,
                reason,
                ..
            } = word
            {
                self.errors.insert((group, rule), reason);
            }
        }
    }

    /// Looks at all rules after a slot.
    fn look(&mut self, ruler: &Ruler) {
        let groups = ruler.set().groups.iter().zip(&ruler.states().groups);
        for (at, (group, state)) in groups.enumerate() {
            for (number, state) in state.rules.iter().enumerate() {
                for (labels, instance) in state.alerts.all() {
                    self.see(&group.key, (at, number), labels, instance);
                }
                for one in &state.missing {
                    let known = self.missing.entry((at, number)).or_default();
                    if !known.contains(one) {
                        known.push(one.clone());
                    }
                }
            }
        }
    }

    fn see(&mut self, group: &GroupKey, place: Place, labels: &LabelSet, instance: &Instance) {
        let fires = instance.phase == Phase::Firing;
        let firing = self.firing.entry(place).or_default();
        let known = firing.get(labels);
        // One that ended and fires again is another.
        let same = known.is_some_and(|alert| fires && Some(alert.fired_at) == instance.fired_at);
        if same {
            return;
        }
        if let Some(mut alert) = firing.remove(labels) {
            let ended = instance.resolved_at.or(instance.fired_at);
            alert.ended_at = Some(ended.unwrap_or(instance.active_at));
            self.over.push(alert);
        }
        if fires {
            firing.insert(labels.clone(), alert_of(group, labels, instance));
        }
    }

    fn told(self, course: &Course) -> Replayed {
        let firing = self.firing.into_values().flat_map(BTreeMap::into_values);
        let mut alerts: Vec<Alert> = self.over.into_iter().chain(firing).collect();
        alerts.sort_by(|a, b| (a.fired_at, &a.labels).cmp(&(b.fired_at, &b.labels)));
        let ruler = course.ruler();
        let groups = ruler.set().groups.iter().zip(&ruler.states().groups);
        let (mut troubled, mut evaluations) = (Vec::new(), 0);
        for (at, (group, state)) in groups.enumerate() {
            for (number, (rule, state)) in group.rules.iter().zip(&state.rules).enumerate() {
                evaluations += state.evaluations;
                let missing = self.missing.get(&(at, number)).cloned().unwrap_or_default();
                if state.failures == 0 && missing.is_empty() {
                    continue;
                }
                let name = rule.name().to_owned();
                let error = self.errors.get(&(group.key.joined(), name.clone()));
                troubled.push(Troubled {
                    file: group.key.file.to_string(),
                    group: group.key.name.to_string(),
                    name,
                    evaluations: state.evaluations,
                    failures: state.failures,
                    error: error.cloned().unwrap_or_default(),
                    missing,
                });
            }
        }
        Replayed {
            alerts,
            troubled,
            evaluations,
        }
    }
}

fn alert_of(group: &GroupKey, labels: &LabelSet, instance: &Instance) -> Alert {
    Alert {
        file: group.file.to_string(),
        group: group.name.to_string(),
        labels: labels.clone(),
        annotations: instance.annotations.clone(),
        value: instance.value,
        active_at: instance.active_at,
        fired_at: instance.fired_at.unwrap_or(instance.active_at),
        ended_at: None,
    }
}
