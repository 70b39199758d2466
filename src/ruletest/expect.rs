//! Compares what is expected with what is there, as promtool does.

use std::collections::BTreeMap;

use super::{data::shown, failure::Failure};
use crate::{
    config::{AlertTest, ExpectedSample, ExpressionTest},
    labels::LabelSet,
    promql::{
        Point, Sample,
        parse::{SeriesValue, parse_metric, parse_series},
    },
    ruler::{Phase, Ruler},
};

type Texts = BTreeMap<String, String>;

/// Compares the alerts of a name that fire.
pub(super) fn alerts(test: &AlertTest, ruler: &Ruler, at: u64) -> Option<Failure> {
    let expected = test.exp_alerts.iter().map(|alert| {
        let mut labels = alert.exp_labels.clone();
        labels.insert("alertname".to_owned(), test.alertname.clone());
        (labels, alert.exp_annotations.clone())
    });
    let mut expected: Vec<(Texts, Texts)> = expected.collect();
    let mut got: Vec<(Texts, Texts)> = Vec::new();
    for (group, state) in ruler.set().groups.iter().zip(&ruler.states().groups) {
        let rules = group.rules.iter().zip(&state.rules);
        let named = rules.filter(|(rule, _)| rule.key.alerting && rule.name() == test.alertname);
        for (_, state) in named {
            let firing = state.alerts.active();
            let firing = firing.filter(|(_, instance)| instance.phase == Phase::Firing);
            got.extend(
                firing.map(|(labels, instance)| (texts(labels), texts(&instance.annotations))),
            );
        }
    }
    expected.sort();
    got.sort();
    (expected != got).then(|| Failure::Alerts {
        alertname: test.alertname.clone(),
        at,
        expected: expected.iter().map(alert_text).collect(),
        got: got.iter().map(alert_text).collect(),
    })
}

fn texts(labels: &LabelSet) -> Texts {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn alert_text((labels, annotations): &(Texts, Texts)) -> String {
    let (labels, annotations) = (
        LabelSet::from_pairs(labels),
        LabelSet::from_pairs(annotations),
    );
    format!("labels: {labels}\nannotations: {annotations}")
}

/// An element of a result in the form in which it is compared.
#[derive(Debug)]
struct Element {
    labels: LabelSet,
    value: f64,
    /// The text of a histogram.
    histogram: String,
}

/// Compares the elements of an expression.
pub(super) fn samples(
    test: &ExpressionTest,
    got: Result<Vec<Sample>, String>,
    fuzzy: bool,
    at: u64,
) -> Option<Failure> {
    let failed = |reason| Failure::Query {
        expr: test.expr.clone(),
        at,
        reason,
    };
    let expected: Result<Vec<Element>, String> = test.exp_samples.iter().map(expected).collect();
    let (mut got, mut expected) = match (got, expected) {
        (Err(reason), _) | (_, Err(reason)) => return Some(failed(reason)),
        (Ok(got), Ok(expected)) => (
            got.into_iter().map(Element::from).collect::<Vec<_>>(),
            expected,
        ),
    };
    expected.sort_by(|a, b| a.labels.cmp(&b.labels));
    got.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut pairs = expected.iter().zip(&got);
    let same =
        expected.len() == got.len() && pairs.all(|(wanted, found)| wanted.equals(found, fuzzy));
    (!same).then(|| Failure::Samples {
        expr: test.expr.clone(),
        at,
        expected: expected.iter().map(Element::text).collect(),
        got: got.iter().map(Element::text).collect(),
    })
}

fn expected(sample: &ExpectedSample) -> Result<Element, String> {
    let labels = match sample.labels.trim() {
        "" => LabelSet::empty(),
        text => {
            parse_metric(text).map_err(|error| format!("labels {:?}: {error}", sample.labels))?
        }
    };
    let mut histogram = String::new();
    if !sample.histogram.is_empty() {
        let failed = |reason: String| format!("histogram {:?}: {reason}", sample.histogram);
        let (_, values) = parse_series(&format!("{{}} {}", sample.histogram))
            .map_err(|error| failed(error.to_string()))?;
        histogram = match &*values {
            [SeriesValue::Histogram { histogram, .. }] => histogram.to_test_expression(),
            [SeriesValue::Float(_) | SeriesValue::Omitted] => {
                return Err(failed("it is a number".to_owned()));
            }
            values => return Err(failed(format!("expected 1 value, got {}", values.len()))),
        };
    }
    Ok(Element {
        labels,
        value: sample.value,
        histogram,
    })
}

impl From<Sample> for Element {
    fn from(sample: Sample) -> Self {
        let (value, histogram) = match &sample.point {
            Point::Float(value) => (*value, String::new()),
            Point::Histogram(histogram) => (0.0, histogram.to_test_expression()),
        };
        Self {
            labels: sample.labels,
            value,
            histogram,
        }
    }
}

impl Element {
    fn equals(&self, other: &Self, fuzzy: bool) -> bool {
        let (a, b) = (self.value, other.value);
        #[expect(clippy::float_cmp, reason = "promtool compares exactly")]
        let value = a == b || fuzzy && (a.next_down() == b || a.next_up() == b);
        value && self.labels == other.labels && self.histogram == other.histogram
    }

    fn text(&self) -> String {
        match self.histogram.as_str() {
            "" => format!("{} {}", self.labels, shown(&Point::Float(self.value))),
            histogram => format!("{} {histogram}", self.labels),
        }
    }
}
