//! The words of a rule for each element of its result (`Eval` of Prometheus's `rules/alerting.go`). Templates may ask
//! queries of their own: these are evaluated like others, and the words are then made again.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    alerting::Element,
    apply::Outcome,
    effect::Answered,
    recording::Recorded,
    set::{Rule, Settings},
    words::{Filled, Replies},
};
use crate::{
    config::RuleKind,
    labels::LabelSet,
    promql::{Point, ast::Expr, parse},
};

/// A result whose words are being made.
#[derive(Debug)]
pub(super) struct Expanding {
    answered: Answered,
    /// What the queries of templates came to.
    replies: Replies,
    asked: Option<String>,
}

/// What is next.
pub(super) enum Step {
    /// A template asks this.
    Query(Arc<Expr>),
    /// The words are made.
    Done(Outcome),
}

impl Expanding {
    pub(super) fn new(answered: Answered) -> Self {
        Self {
            answered,
            replies: Replies::new(),
            asked: None,
        }
    }

    /// Takes in the answer to the query of the last step.
    pub(super) fn answer(&mut self, result: Result<Answered, String>) {
        if let Some(query) = self.asked.take() {
            let reply = result.map(|answered| answered.elements);
            self.replies.insert(query, reply);
        }
    }

    pub(super) fn step(&mut self, rule: &Rule, settings: &Settings, at: i64) -> Step {
        match &rule.definition.kind {
            RuleKind::Recording { .. } => Step::Done(self.series(rule)),
            RuleKind::Alerting { alert, .. } => self.alerts(rule, alert, settings, at),
        }
    }

    fn series(&mut self, rule: &Rule) -> Outcome {
        let answered = std::mem::take(&mut self.answered);
        let mut recorded = Vec::with_capacity(answered.elements.len());
        for sample in &answered.elements {
            recorded.push(Recorded {
                source: sample.labels.clone(),
                labels: labelled(rule, &sample.labels),
                point: sample.point.clone(),
            });
        }
        Outcome::Series { answered, recorded }
    }

    fn alerts(&mut self, rule: &Rule, alert: &str, settings: &Settings, at: i64) -> Step {
        let mut elements = Vec::with_capacity(self.answered.elements.len());
        for sample in &self.answered.elements {
            let value = match &sample.point {
                Point::Float(value) => *value,
                Point::Histogram(_) => 0.0,
            };
            let filled = rule.words.fill(sample, settings, at, &self.replies);
            let (labels, annotations) = match filled {
                Filled::Texts(labels, annotations) => (labels, annotations),
                Filled::Needs(query) => return self.ask(query, rule, settings, at),
            };
            elements.push(Element {
                source: sample.labels.clone(),
                labels: relabelled(&without_name(&sample.labels), &labels, ("alertname", alert)),
                annotations: LabelSet::from_pairs(&annotations),
                value,
                proven: rule.grows,
            });
        }
        let answered = std::mem::take(&mut self.answered);
        Step::Done(Outcome::Alerts { answered, elements })
    }

    /// Asks a query of a template; one that cannot be asked is answered with its error at once.
    fn ask(&mut self, query: String, rule: &Rule, settings: &Settings, at: i64) -> Step {
        match parse::parse(&query, settings.features) {
            Ok(expr) => {
                self.asked = Some(query);
                Step::Query(Arc::new(expr))
            }
            Err(error) => {
                self.replies.insert(query, Err(error.to_string()));
                self.step(rule, settings, at)
            }
        }
    }
}

/// The labels of the series that a recording rule makes of an element.
pub(super) fn labelled(rule: &Rule, element: &LabelSet) -> LabelSet {
    relabelled(element, &rule.definition.labels, ("__name__", rule.name()))
}

fn without_name(labels: &LabelSet) -> LabelSet {
    labels.filter_pairs(|name, _| name != "__name__")
}

/// The labels of a result with those of the rule above them, and the name above all.
fn relabelled(of: &LabelSet, own: &BTreeMap<String, String>, name: (&str, &str)) -> LabelSet {
    let replaced = |label: &str| label == name.0 || own.contains_key(label);
    let kept = of.iter().filter(|(label, _)| !replaced(label));
    let own = own
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let own = own.filter(|(label, value)| *label != name.0 && !value.is_empty());
    LabelSet::from_pairs(kept.chain(own).chain([name]))
}
