//! Evaluates an expression for all steps of a range at once (`promql/engine.go`).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "nodes, operators and functions are many, and most places care for few of them"
)]

mod plan;
mod rebuild;
mod resolve;
mod room;
mod stop;
mod table;

mod matching;
mod output;
mod select;

mod aggregate;
mod binary;
mod call;
mod evaluate;
mod join;

pub(crate) use call::absent_labels;
pub use plan::{Prepared, is_fixed, prepare, prepare_with};
pub use resolve::resolve;
pub use stop::Stop;

use super::{Annotations, Value};
use crate::labels::Matcher;

/// The steps at which an expression is evaluated: `start`, `start + step`, up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Steps {
    /// Unix milliseconds.
    pub start: i64,
    /// Unix milliseconds, not before `start`.
    pub end: i64,
    /// Milliseconds; 0 for an instant query, whose `end` is its `start`.
    pub step: i64,
}

/// How expressions are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// How far an instant selector looks back; milliseconds.
    pub lookback: i64,
    /// The step of subqueries that do not name one; milliseconds.
    pub subquery_step: i64,
    /// Samples that may be held at once. Places of series for steps at which they have none, and the labels that are
    /// made, are bounded in proportion.
    pub max_samples: usize,
    /// Keeps metric names until the end, so that they can be used on the way (`promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Uses start timestamps for resets of counters (`use-start-timestamps`).
    pub use_start_timestamps: bool,
    /// Drops `__type__` and `__unit__` with the name (`type-and-unit-labels`).
    pub type_and_unit_labels: bool,
}

/// Data that an expression needs: series that match, with their samples of `from < time <= to`.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// What the series match.
    pub matchers: Vec<Matcher>,
    /// Unix milliseconds; excluded.
    pub from: i64,
    /// Unix milliseconds; included.
    pub to: i64,
}

/// Why an expression cannot be evaluated. The texts are Prometheus's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The data or the parameters do not allow it.
    #[error("{0}")]
    Failed(String),
    /// More samples than [`Options::max_samples`].
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// So many series have a place for each step, which takes memory whether they have samples there or not.
    #[error(
        "query processing would hold {series} series at {steps} steps in memory: ask for fewer series, a shorter range or a longer step"
    )]
    TooManySteps {
        /// How many series.
        series: usize,
        /// How many steps.
        steps: usize,
    },
    /// `label_replace`, `label_join` or `count_values` make more text than can be held.
    #[error("query processing would hold too much text in the labels that it makes")]
    TooMuchText,
    /// `label_replace`, `label_join` or `count_values` make a value of more than a mebibyte.
    #[error("query processing would make a label of more than 1048576 bytes")]
    TooLongLabel,
    /// [`Stop`] said so.
    #[error("query timed out in expression evaluation")]
    Stopped,
}

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The result.
    pub value: Value,
    /// Warnings and remarks.
    pub annotations: Annotations,
}

impl Steps {
    /// One step.
    #[must_use]
    pub fn instant(time: i64) -> Self {
        Self {
            start: time,
            end: time,
            step: 0,
        }
    }

    /// How many steps there are; none if `end` is before `start`.
    #[must_use]
    pub fn count(self) -> usize {
        if self.end < self.start {
            return 0;
        }
        let distance = self.end.saturating_sub(self.start);
        match self.step {
            ..=0 => 1,
            step => usize::try_from(distance / step).map_or(usize::MAX, |steps| steps + 1),
        }
    }

    /// The last step.
    #[must_use]
    pub fn last(self) -> i64 {
        match self.step {
            ..=0 => self.start,
            step => self.start + self.end.saturating_sub(self.start) / step * step,
        }
    }

    /// The times of the steps.
    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> {
        let step = self.step.max(0);
        (0..self.count()).map(move |index| {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            self.start.saturating_add(index.saturating_mul(step))
        })
    }

    /// Whether there is one step only, as of an instant query.
    fn is_single(self) -> bool {
        self.start == self.end
    }

    /// The first step alone.
    fn first_only(self) -> Self {
        Self {
            end: self.start,
            ..self
        }
    }
}

impl EvalError {
    fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}
