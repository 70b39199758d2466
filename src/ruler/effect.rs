//! What the ruler asks of the world, and what comes back.

use std::{collections::BTreeMap, sync::Arc};

use super::{overlay::Overlay, record::RuleRecord, recording::Written};
use crate::{
    federation::Certainty,
    labels::LabelSet,
    promql::{
        Point, Sample, Series, Value,
        ast::Expr,
        engine::{Options, Steps},
    },
    time::Timestamp,
};

/// Names an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvaluationId(pub u64);

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Evaluate an expression and hand the result back ([`super::Ruler::evaluated`]).
    Evaluate(Evaluation),
    /// Tell the Alertmanagers of alerts: this one, and others that are configured.
    Tell(Vec<Told>),
    /// Write samples to databases.
    Write(Vec<Written>),
    /// Keep what changed, here and on other nodes.
    Keep(Vec<RuleRecord>),
    /// Tell the operator.
    Say(Word),
}

/// An expression to evaluate.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Names it.
    pub id: EvaluationId,
    /// The expression.
    pub expr: Arc<Expr>,
    /// At which time, of several the last; Unix milliseconds.
    pub at: i64,
    /// All times, if it is asked about several at once ([`Answered::series`]).
    pub range: Option<Steps>,
    /// How.
    pub options: Options,
    /// What rules wrote themselves, if the expression reads it.
    pub own: Option<Overlay>,
    /// Parameters of the requests to endpoints.
    pub params: Arc<[(String, String)]>,
    /// How long it may take from now on; milliseconds.
    pub within: i64,
    /// How many milliseconds later the same is asked again; `None` for a template, which may then ask something else.
    pub every: Option<i64>,
    /// Since when what the node measures of itself must be known up to `at`, or there is no result; Unix milliseconds.
    pub measured_since: Option<i64>,
}

impl Evaluation {
    /// The times that it is about.
    #[must_use]
    pub fn steps(&self) -> Steps {
        self.range.unwrap_or_else(|| Steps::instant(self.at))
    }
}

/// The result of an evaluation.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// The elements; a scalar is one without labels.
    pub elements: Vec<Sample>,
    /// The elements at each of several times, in place of those at one.
    pub series: Vec<Series>,
    /// Which of them are certain, though partitions are missing.
    pub certainty: Certainty,
    /// The partitions that are missing, with their reasons.
    pub missing: Vec<String>,
    /// The endpoints that answered, by name.
    pub endpoints: Vec<Arc<str>>,
    /// Whether endpoints were asked for it together with others.
    pub light: bool,
}

impl Answered {
    /// The result of an expression at the times that it is asked about.
    ///
    /// # Errors
    /// When it is neither a vector nor a scalar at each of them.
    pub fn of(
        evaluation: &Evaluation,
        value: Value,
        certainty: Certainty,
        missing: Vec<String>,
    ) -> Result<Self, String> {
        if evaluation.range.is_some()
            && let Value::Matrix(series) = value
        {
            return Ok(Self {
                series,
                certainty,
                missing,
                ..Self::default()
            });
        }
        Self::of_value(value, certainty, missing)
    }

    /// The result at several times of what is answered at one after the other, all with the same partitions.
    ///
    /// # Errors
    /// The first that there is.
    pub fn of_each(
        evaluation: &Evaluation,
        steps: Steps,
        mut answer: impl FnMut(Evaluation) -> Result<Self, String>,
    ) -> Result<Self, String> {
        let mut series: BTreeMap<LabelSet, Series> = BTreeMap::new();
        let mut whole = Self::default();
        for at in steps.iter() {
            let answered = answer(Evaluation {
                at,
                range: None,
                ..evaluation.clone()
            })?;
            whole.certainty = answered.certainty;
            whole.missing = answered.missing;
            for sample in answered.elements {
                let of = series.entry(sample.labels.clone()).or_default();
                of.labels = sample.labels;
                match sample.point {
                    Point::Float(value) => of.floats.put_between(vec![(at, value)]),
                    Point::Histogram(value) => of.histograms.put_between(vec![(at, value)]),
                }
            }
        }
        whole.series = series.into_values().collect();
        Ok(whole)
    }

    /// The result of an expression that has one value at one time.
    ///
    /// # Errors
    /// When it is neither a vector nor a scalar.
    pub fn of_value(
        value: Value,
        certainty: Certainty,
        missing: Vec<String>,
    ) -> Result<Self, String> {
        let elements = match value {
            Value::Vector(samples) => samples,
            Value::Scalar { time, value } => vec![Sample {
                labels: LabelSet::empty(),
                time,
                point: Point::Float(value),
            }],
            Value::Matrix(_) | Value::String { .. } => {
                return Err("rule result is not a vector or scalar".to_owned());
            }
        };
        Ok(Self {
            elements,
            certainty,
            missing,
            ..Self::default()
        })
    }
}

/// An alert as Alertmanagers are told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What identifies it.
    pub labels: LabelSet,
    /// What describes it.
    pub annotations: LabelSet,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When it ended, or until when it fires if nobody says more.
    pub ends_at: Timestamp,
    /// Where its expression can be looked at.
    pub generator_url: Arc<str>,
}

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// An evaluation failed; said when the reason changes.
    Failed {
        /// The group, `file;name`.
        group: String,
        /// The rule.
        rule: String,
        /// Whether it has alerts.
        alerting: bool,
        /// Why.
        reason: String,
    },
    /// It succeeds again.
    Recovered {
        /// The group.
        group: String,
        /// The rule.
        rule: String,
    },
    /// A label or an annotation of a rule's alerts could not be made; said when the reason changes.
    Unexpanded {
        /// The group.
        group: String,
        /// The rule.
        rule: String,
        /// What it is: `annotation summary`.
        text: String,
        /// Why.
        reason: String,
    },
    /// Slots passed without an evaluation.
    Missed {
        /// The group.
        group: String,
        /// How many.
        slots: u64,
    },
    /// Recording rules were not evaluated at slots that passed, and will not be.
    Lost {
        /// The group.
        group: String,
        /// How many evaluations.
        evaluations: u64,
        /// The first rule that could not be evaluated; empty if none was tried.
        rule: String,
        /// Why.
        reason: String,
    },
    /// What a rule reads of what other rules wrote is not known here as far back as it reads it.
    Lacks {
        /// The group.
        group: String,
        /// The rule.
        rule: String,
        /// What it lacks, and why.
        reason: String,
    },
    /// What was unknown for too long counts as decided.
    GaveUp {
        /// The group.
        group: String,
        /// The rule.
        rule: String,
        /// How many alerts.
        alerts: usize,
    },
    /// The clock was set back, and groups that were evaluated at later times begin anew.
    SetBack {
        /// How many sets of groups that read each other.
        components: usize,
    },
    /// Groups that another node evaluated are evaluated here from now on.
    TookOver {
        /// How many.
        groups: usize,
        /// Which node.
        from: Arc<str>,
        /// Whether that node is there still: it has other rules now, or ranks behind this one.
        lives: bool,
        /// The epoch under which this node evaluates them; the highest, if they have several.
        epoch: u64,
    },
    /// Groups that were evaluated here are another node's from now on.
    HandedOver {
        /// How many.
        groups: usize,
        /// Which node; empty if this one stops and nobody else is there.
        to: Arc<str>,
    },
}
