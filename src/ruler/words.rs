//! The labels and annotations of a rule's alerts, as templates that are compiled once.

use std::{collections::BTreeMap, sync::Arc};

use super::set::Settings;
use crate::{
    config::{Rule, RuleKind},
    promql::{Point, Sample},
    template::{
        Expanded, QueryReply, QuerySample, RuleData, RuleTemplate, Value, native_histogram,
    },
    time::Timestamp,
};

/// The words of a rule's alerts.
#[derive(Debug, Default)]
pub struct Words {
    labels: Vec<(String, RuleTemplate)>,
    annotations: Vec<(String, RuleTemplate)>,
}

/// Texts by their names.
pub(super) type Texts = BTreeMap<String, String>;

/// What queries in templates came to, by their texts.
pub(super) type Replies = BTreeMap<String, Result<Vec<Sample>, String>>;

/// The words for one element.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// The labels and the annotations.
    Texts(Texts, Texts),
    /// A template asks this query, whose answer is not there yet.
    Needs(String),
}

impl Words {
    /// Compiles the texts of a rule; what is no template was refused when its file was read.
    pub(super) fn of(rule: &Rule) -> Self {
        let RuleKind::Alerting {
            alert, annotations, ..
        } = &rule.kind
        else {
            return Self::default();
        };
        let compiled = |texts: &Texts| {
            let one = |(name, text): (&String, &String)| {
                Some((name.clone(), RuleTemplate::new(alert, text).ok()?))
            };
            texts.iter().filter_map(one).collect()
        };
        Self {
            labels: compiled(&rule.labels),
            annotations: compiled(annotations),
        }
    }

    /// Fills them in for an element; `at` is the time of the evaluation in Unix milliseconds.
    pub(super) fn fill(
        &self,
        sample: &Sample,
        settings: &Settings,
        at: i64,
        replies: &Replies,
    ) -> Filled {
        let data = RuleData {
            labels: sample.labels.clone(),
            external_labels: settings.external_labels.clone(),
            external_url: Arc::clone(&settings.external_url),
            value: value_of(&sample.point),
            now: Timestamp::from_millis(at),
        };
        let all = |texts: &[(String, RuleTemplate)]| {
            let mut filled = Texts::new();
            for (name, template) in texts {
                match template.expand(&data, &mut |query| reply(replies, query)) {
                    Expanded::Text(text) | Expanded::Failed(text) => {
                        filled.insert(name.clone(), text);
                    }
                    Expanded::Needs(query) => return Err(query),
                }
            }
            Ok(filled)
        };
        match all(&self.labels).and_then(|labels| Ok((labels, all(&self.annotations)?))) {
            Ok((labels, annotations)) => Filled::Texts(labels, annotations),
            Err(query) => Filled::Needs(query),
        }
    }
}

fn reply(replies: &Replies, query: &str) -> QueryReply {
    match replies.get(query) {
        None => QueryReply::Unknown,
        Some(Err(reason)) => QueryReply::Failed(reason.clone()),
        Some(Ok(samples)) => QueryReply::Samples(
            samples
                .iter()
                .map(|sample| QuerySample {
                    labels: sample.labels.clone(),
                    value: value_of(&sample.point),
                })
                .collect(),
        ),
    }
}

fn value_of(point: &Point) -> Value {
    match point {
        Point::Float(value) => Value::Float(*value),
        Point::Histogram(histogram) => native_histogram(histogram.to_string()),
    }
}
