//! Evaluates an expression for all steps of a range at once (`promql/engine.go`).

use super::{Annotations, Series, Value, ast::Expr};
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
    /// Samples that may be held at once.
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
}

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The result.
    pub value: Value,
    /// Warnings and remarks.
    pub annotations: Annotations,
}

/// An expression with the data that it needs for its steps.
#[derive(Debug)]
pub struct Prepared {
    expr: Expr,
    selections: Vec<Selection>,
}

/// Finds the data that an expression needs.
///
/// # Errors
/// When a duration expression has no value, or one out of range.
pub fn prepare(expr: &Expr, steps: Steps, options: Options) -> Result<Prepared, EvalError> {
    let _ = (steps, options);
    Ok(Prepared {
        expr: expr.clone(),
        selections: Vec::new(),
    })
}

impl Prepared {
    /// The data that is needed, in the order in which [`evaluate`](Self::evaluate) takes it.
    #[must_use]
    pub fn selections(&self) -> &[Selection] {
        &self.selections
    }

    /// Evaluates the expression.
    ///
    /// # Errors
    /// When the data or a parameter does not allow it, or a limit is reached.
    pub fn evaluate(&self, data: Vec<Vec<Series>>) -> Result<Output, EvalError> {
        let _ = (data, &self.expr);
        Err(EvalError::Failed("not yet".into()))
    }
}
