//! A query of many times on the grid that its step and its start make.

use std::{fmt::Write as _, sync::Arc};

use super::{block::Block, horizon::Horizon};
use crate::promql::{
    ast::{Expr, ExprKind},
    engine::{Options, Steps},
    with_room,
};

/// Queries for whose steps the same values hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RangeKey {
    /// The expression, and where its parts stand: remarks name places.
    pub(super) expr: String,
    /// Milliseconds between two steps.
    step: i64,
    /// When steps are, modulo the step.
    phase: i64,
    /// How it is evaluated; the bound of samples is none of it.
    options: Options,
}

/// A query of many times. Its steps have numbers, which count from a time that all queries of its kind share.
#[derive(Clone, Debug)]
pub struct RangeQuery {
    pub(super) key: Arc<RangeKey>,
    pub(super) first: i64,
    pub(super) last: i64,
    horizon: Horizon,
}

/// Steps that are to be asked, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub(super) first: i64,
    pub(super) last: i64,
}

/// A part of a query, in the order of time.
#[derive(Clone, Debug)]
pub enum Planned {
    /// What is known.
    Kept(Arc<Block>, Gap),
    /// What is to be asked.
    Asked(Gap),
}

impl RangeQuery {
    /// The query, if it may be answered in parts.
    #[must_use]
    pub fn new(expr: &Expr, steps: Steps, options: Options) -> Option<Self> {
        // Names that are dropped late are dropped in another way where there is one step only.
        if steps.step <= 0 || steps.count() < 2 || options.delayed_name_removal {
            return None;
        }
        let horizon = Horizon::of(expr)?;
        let phase = steps.start.rem_euclid(steps.step);
        let number = |time: i64| Some(time.checked_sub(phase)?.div_euclid(steps.step));
        let mut text = expr.to_string();
        push_places(expr, &mut text);
        let key = RangeKey {
            expr: text,
            step: steps.step,
            phase,
            options: Options {
                max_samples: 0,
                ..options
            },
        };
        Some(Self {
            key: Arc::new(key),
            first: number(steps.start)?,
            last: number(steps.last())?,
            horizon,
        })
    }

    /// The number of steps.
    #[must_use]
    pub fn count(&self) -> u64 {
        Gap {
            first: self.first,
            last: self.last,
        }
        .count()
    }

    /// The steps of a part.
    #[must_use]
    pub fn steps(&self, part: Gap) -> Steps {
        Steps {
            start: self.time(part.first),
            end: self.time(part.last),
            step: self.key.step,
        }
    }

    /// The number of the last step whose value no longer changes if samples until `settled` do not; none if no value is
    /// settled.
    pub(super) fn last_settled(&self, settled: i64) -> Option<i64> {
        let time = self.horizon.settled(settled)?;
        Some(
            time.saturating_sub(self.key.phase)
                .div_euclid(self.key.step),
        )
    }

    pub(super) fn time(&self, number: i64) -> i64 {
        number
            .saturating_mul(self.key.step)
            .saturating_add(self.key.phase)
    }

    /// The number of the step at a time; none if no step is there.
    pub(super) fn number(&self, time: i64) -> Option<i64> {
        let distance = time.checked_sub(self.key.phase)?;
        (distance.rem_euclid(self.key.step) == 0).then(|| distance.div_euclid(self.key.step))
    }

    /// Cuts steps that are to be asked at the multiples of `split` milliseconds; nowhere if that is 0.
    pub(super) fn split(&self, gap: Gap, split: i64, out: &mut Vec<Planned>) {
        let mut first = gap.first;
        while split > 0 && first < gap.last {
            let next = self.time(first).div_euclid(split).saturating_add(1);
            let before = next.saturating_mul(split).saturating_sub(1);
            let last = before
                .saturating_sub(self.key.phase)
                .div_euclid(self.key.step)
                .max(first);
            if last >= gap.last {
                break;
            }
            out.push(Planned::Asked(Gap { first, last }));
            first = last + 1;
        }
        out.push(Planned::Asked(Gap {
            first,
            last: gap.last,
        }));
    }
}

impl Gap {
    /// The number of steps.
    #[must_use]
    pub fn count(self) -> u64 {
        u64::try_from(self.last.saturating_sub(self.first)).map_or(0, |between| between + 1)
    }
}

/// Where the parts of an expression stand.
fn push_places(expr: &Expr, out: &mut String) {
    // Writing to a string never fails.
    let _ = write!(out, " {:?}", expr.span);
    if let ExprKind::Matrix(matrix) = &expr.kind {
        let _ = write!(out, " {:?}", matrix.selector_span);
    }
    for child in expr.children() {
        with_room(|| push_places(child, out));
    }
}
