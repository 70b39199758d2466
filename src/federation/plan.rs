//! What a query asks of each partition, and what is computed of the answers.

use std::sync::Arc;

use super::{
    Guard, Speech, World,
    dialect::Habits,
    distribute::Distributor,
    scope::{Scope, Scopes},
};
use crate::{
    labels::LabelSet,
    promql::{
        Span,
        ast::Expr,
        engine::{EvalError, Options, Steps, resolve},
    },
};

/// A query, cut into what partitions compute and what is computed here.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is computed here; `ExprKind::Fragment(n)` stands for the values of `fragments[n]`.
    pub local: Expr,
    /// What is computed elsewhere.
    pub fragments: Vec<Fragment>,
    /// Which partitions each element of the result comes from.
    pub(super) origin: Scope,
}

/// An expression whose value is made of its values on some partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// What each partition is asked; at most once per partition.
    pub questions: Vec<Question>,
    /// The part of the query that it is.
    pub span: Span,
    /// Whether it is a selector and nothing more.
    pub selects: bool,
    /// Whether its value is the same at all steps.
    pub fixed: bool,
    /// Whether its elements have no metric name, whatever an endpoint leaves on them.
    pub nameless: bool,
    /// Whether answers are parts of an aggregation: the same labels from several partitions are expected.
    pub partial: bool,
    /// Whether native histograms among its values may be counters, of whose resets sums tell nothing.
    pub counters: bool,
    /// Whether it is of use only if all its values are finite.
    pub finite: bool,
}

/// What a partition is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The partition, by its place in the world.
    pub partition: usize,
    /// The expression in the partition's dialect, without what it does not know.
    pub query: Arc<str>,
    /// How far its instant selectors are to look back, in milliseconds: to be said to endpoints that can be told.
    pub lookback: i64,
    /// The labels that are attached to the answer.
    pub attach: LabelSet,
    /// For whom this is: how the replica that is asked first is spoken to.
    pub speech: Speech,
    /// The same for replicas that are spoken to otherwise, where they may be asked for it.
    pub others: Vec<Version>,
    /// What the same replica is asked as well: if any of it fires, the answer is of no use.
    pub guards: Vec<Guard>,
}

/// A question as it is asked of a replica that is spoken to otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// How that one is spoken to.
    pub speech: Speech,
    /// The question.
    pub query: Arc<str>,
    /// How far its instant selectors are to look back, in milliseconds.
    pub lookback: i64,
}

/// Plans a query.
///
/// # Errors
/// When the expression has no value for these steps.
pub fn plan(expr: &Expr, steps: Steps, options: Options, world: &World) -> Result<Plan, EvalError> {
    let expr = resolve(expr, steps, options)?;
    let mut distributor = Distributor {
        world,
        habits: Habits::new(&expr, options),
        steps,
        fragments: Vec::new(),
    };
    let scopes = Scopes::of(world, &expr);
    let local = distributor.local(&expr, &scopes);
    Ok(Plan {
        local,
        fragments: distributor.fragments,
        origin: scopes.own,
    })
}
