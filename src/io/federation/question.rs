//! What a partition is asked, what comes of it, and why nothing does.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    federation::{Extent, Speech, Version},
    labels::LabelSet,
    promql::{
        Series,
        ast::ExprKind,
        engine::Steps,
        parse::{Features, parse},
    },
};

/// Values at more times are asked for in several requests: Prometheus refuses more than 11,000 steps.
const MOST_POINTS: i64 = 11_000;

/// What the values are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Times {
    /// An expression at this time; Unix milliseconds.
    At(i64),
    /// An expression at `start`, `start + step`, up to `end`.
    Grid { start: i64, end: i64, step: i64 },
    /// Samples of `from < time <= to`; the query has the range selector.
    Window { from: i64, to: i64 },
}

/// What a partition is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ask {
    pub(super) partition: usize,
    pub(super) query: Arc<str>,
    pub(super) times: Times,
    /// How far instant selectors look back; milliseconds.
    pub(super) lookback: i64,
    /// Whether it asks for series and nothing more.
    pub(super) selects: bool,
    /// Whether the marks of ended series must be among the samples of a window.
    pub(super) marks: bool,
    /// Further parameters of the request, as [`further`](super::request::further) writes them.
    pub(super) further: Arc<str>,
    /// For whom this is; `None` if it is the same for all.
    pub(super) speech: Option<Speech>,
    /// The same for replicas that are spoken to otherwise.
    pub(super) others: Vec<Version>,
}

/// What an endpoint answered to a question.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) series: Vec<Series>,
    pub(super) samples: usize,
    /// `warnings` and `infos` about the query.
    pub(super) remarks: Vec<String>,
}

/// Why an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) cause: Cause,
}

/// What an answer that does not count comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The endpoint: another replica may answer.
    Endpoint,
    /// What the endpoint is not able to do, though it is well: another replica may be.
    Ability,
    /// The times: no replica holds them.
    Times,
    /// The plan: what is left of the replicas is to be asked otherwise.
    Plan(Extent),
    /// The time that it had, which tells nothing of the endpoint: another replica may need less.
    Time,
    /// The query: every replica would refuse it.
    Query,
    /// What this node may hold for all queries: no replica's answer would fit.
    Limit,
    /// The samples that the query may hold: every replica has more.
    Samples,
    /// The format: JSON cannot carry what was asked.
    Histograms,
}

impl Cause {
    /// Whether another replica may answer what is asked in the same way.
    pub(super) fn is_of_replica(self) -> bool {
        matches!(self, Self::Endpoint | Self::Ability | Self::Time)
    }
}

impl Failure {
    /// What is wrong with an endpoint.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            cause: Cause::Endpoint,
        }
    }
}

impl Times {
    /// The times of steps.
    pub(super) fn of(steps: Steps) -> Self {
        if steps.step <= 0 || steps.start == steps.last() {
            return Self::At(steps.start);
        }
        Self::Grid {
            start: steps.start,
            end: steps.last(),
            step: steps.step,
        }
    }

    /// The last of them.
    pub(super) fn last(self) -> i64 {
        match self {
            Self::At(time) | Self::Grid { end: time, .. } | Self::Window { to: time, .. } => time,
        }
    }

    /// The same times in parts that endpoints take; none is made before it is asked for.
    fn parts(self) -> impl Iterator<Item = Self> {
        let mut left = Some(self);
        std::iter::from_fn(move || {
            let part = left.take()?;
            let Self::Grid { start, end, step } = part else {
                return Some(part);
            };
            let last = start.saturating_add(step.saturating_mul(MOST_POINTS - 1));
            let last = last.min(end);
            let next = last.saturating_add(step);
            left = (next <= end && next > last).then_some(Self::Grid {
                start: next,
                end,
                step,
            });
            Some(Self::Grid {
                start,
                end: last,
                step,
            })
        })
    }

    pub(super) fn has(self, time: i64) -> bool {
        match self {
            Self::At(at) => time == at,
            Self::Grid { start, end, step } => {
                (start..=end).contains(&time) && (time - start) % step == 0
            }
            // Before Prometheus 3 windows include their start; these samples are dropped afterwards.
            Self::Window { from, to } => (from..=to).contains(&time),
        }
    }
}

impl Values {
    /// Adds the values of later times.
    pub(super) fn append(&mut self, later: Self) {
        let places = self.series.iter().enumerate();
        let places: BTreeMap<LabelSet, usize> = places
            .map(|(place, series)| (series.labels.clone(), place))
            .collect();
        for series in later.series {
            let place = places.get(&series.labels);
            match place.and_then(|place| self.series.get_mut(*place)) {
                Some(known) => {
                    known.floats.times.extend(series.floats.times);
                    known.floats.values.extend(series.floats.values);
                }
                None => self.series.push(series),
            }
        }
        self.samples = self.samples.saturating_add(later.samples);
        for remark in later.remarks {
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }
}

impl Ask {
    /// What costs an endpoint nothing.
    pub(super) fn nothing(time: i64, lookback: i64) -> Self {
        Self {
            partition: 0,
            query: "vector(1)".into(),
            times: Times::At(time),
            lookback,
            selects: false,
            marks: false,
            further: Arc::default(),
            speech: None,
            others: Vec::new(),
        }
    }

    /// The question as a replica is asked it that is spoken to so; none if it may not be.
    pub(super) fn said(self: &Arc<Self>, speech: Speech) -> Option<Arc<Self>> {
        if self.speech.is_none_or(|own| own == speech) {
            return Some(Arc::clone(self));
        }
        let version = self.others.iter().find(|other| other.speech == speech)?;
        Some(Arc::new(Self {
            query: Arc::clone(&version.query),
            lookback: version.lookback,
            speech: Some(speech),
            others: Vec::new(),
            further: Arc::clone(&self.further),
            ..**self
        }))
    }

    /// The same question in parts of so many times as endpoints take.
    pub(super) fn parts(&self) -> impl Iterator<Item = Self> {
        self.times.parts().map(|times| Self {
            times,
            ..self.clone()
        })
    }

    /// Whether it has selectors that look back, and not only windows. What cannot be read may have some.
    pub(super) fn has_instant_selectors(&self) -> bool {
        if matches!(self.times, Times::Window { .. }) {
            return false;
        }
        let Ok(expr) = parse(&self.query, Features::all()) else {
            return true;
        };
        let mut left = vec![&expr];
        while let Some(expr) = left.pop() {
            if matches!(expr.kind, ExprKind::Vector(_)) {
                return true;
            }
            left.extend(expr.children());
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_times_are_asked_for_in_parts() {
        let grid = |start: i64, end: i64, step: i64| Times::Grid { start, end, step };
        let parts: Vec<Times> = grid(0, 22_005, 1).parts().collect();
        let wanted = [
            grid(0, 10_999, 1),
            grid(11_000, 21_999, 1),
            grid(22_000, 22_005, 1),
        ];
        assert_eq!(parts, wanted);
        let one: Vec<Times> = grid(0, 10_999, 1).parts().collect();
        assert_eq!(one, [grid(0, 10_999, 1)]);
        assert_eq!(Times::At(5).parts().collect::<Vec<_>>(), [Times::At(5)]);
        let mut endless = grid(i64::MAX - 1, i64::MAX, 1).parts();
        assert!(endless.next().is_some() && endless.next().is_none());
        assert_eq!(grid(0, i64::MAX, 1).parts().nth(1), Some(wanted[1]));
    }
}
