//! What of the past of one recording rule is not known here: what to ask for next, what came, and what did not.
//!
//! It is asked for backwards, from what is known, a span at a time. What came without a partition has holes: once all was
//! heard of, it is gone over again, until there are none.

use super::{known::Known, set::Group};
use crate::{federation::depends_by, labels::LabelSet, promql::ast::Expr};

/// The most slots that are asked for: a week at an interval of a minute.
const FURTHEST: i64 = 10_080;

/// Slots that are asked for at once, at most. Servers give 11,000 of a series, but there may be many series.
const AT_ONCE: i64 = 1_440;

/// How few at least, where more was too much.
const FEWEST: i64 = 30;

/// What failed is asked again after 1, 2, 4 intervals and so on, up to two to the power of this.
const LONGEST_PAUSE: u32 = 5;

/// What of the past of a recording rule is not known here. Times are Unix milliseconds.
#[derive(Debug)]
pub(super) struct Gap {
    /// Whether the rule was evaluated before, as far as is known.
    pub(super) existed: bool,
    /// How far before the first slot that is due lies the first that is made up for; milliseconds.
    behind: i64,
    /// Slots that are asked for at once.
    at_once: i64,
    pub(super) under_way: bool,
    /// How often something failed, or came with holes.
    failures: u32,
    /// When it may be asked for again.
    again: i64,
    /// Why it is not known yet.
    pub(super) reason: String,
    /// The labels of series that are not known, though those of other labels are; none if no slot was heard of yet.
    holes: Vec<LabelSet>,
    /// The last slot that has holes.
    pub(super) up_to: i64,
    /// Once all slots were heard of: how they are gone over because of holes.
    anew: Option<Anew>,
}

/// How slots that have holes are asked for again.
#[derive(Debug, Default)]
struct Anew {
    /// The last slot to ask for, once the newest were; Unix milliseconds.
    next: Option<i64>,
    /// The labels that are still missing.
    holes: Vec<LabelSet>,
}

/// Slots of a rule; Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
    /// Whether nothing before is needed.
    is_oldest: bool,
}

/// What is to be done about a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is none any more.
    Over,
    /// It is too long for all of it to be asked for.
    TooLong,
    Ask(Span),
}

impl Gap {
    pub(super) fn new(existed: bool, behind: i64) -> Self {
        Self {
            existed,
            behind,
            at_once: AT_ONCE,
            under_way: false,
            failures: 0,
            again: i64::MIN,
            reason: "endpoints are still asked for it".to_owned(),
            holes: Vec::new(),
            up_to: i64::MIN,
            anew: None,
        }
    }

    /// Of a rule of which all is known but what it did not write: series with these labels, the last of them in the slot
    /// `up_to`.
    pub(super) fn of_holes(holes: Vec<LabelSet>, up_to: i64) -> Self {
        Self {
            holes,
            up_to,
            anew: Some(Anew::default()),
            ..Self::new(true, 0)
        }
    }

    /// What to ask for if so many milliseconds before the first slot that did not begin yet, `open`, are read.
    pub(super) fn next(&self, group: &Group, (open, read): (i64, i64), known: Known) -> Next {
        let interval = group.cadence.interval();
        let back = read.saturating_add(self.behind);
        let needed = group.cadence.slot(open.saturating_sub(back));
        let furthest = open.saturating_sub(interval.saturating_mul(FURTHEST));
        let first = needed.max(furthest);
        let since = known.span().map_or(open, |(since, _)| since);
        let last = if since > first {
            since.saturating_sub(interval)
        } else if let Some(anew) = &self.anew
            && self.up_to >= needed
        {
            anew.next.unwrap_or(self.up_to)
        } else if since > needed {
            return Next::TooLong;
        } else {
            return Next::Over;
        };
        let steps = (self.at_once - 1).saturating_mul(interval);
        let from = first.max(last.saturating_sub(steps)).min(last);
        Next::Ask(Span {
            first: from,
            last,
            is_oldest: from <= first,
        })
    }

    /// Whether it may be asked for.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.again <= now
    }

    /// Whether not all slots were heard of yet, be it with holes.
    pub(super) fn is_open(&self) -> bool {
        self.anew.is_none()
    }

    /// Whether there may be more than what is known: nobody evaluated the rule before, then there is as much as there is.
    pub(super) fn is_of_weight(&self) -> bool {
        self.existed || self.failures == 0
    }

    /// The labels of elements of an expression that depend on its holes.
    pub(super) fn holes_by(&self, expr: &Expr) -> Vec<LabelSet> {
        let holes = self.holes.iter();
        holes.filter_map(|hole| depends_by(expr, hole)).collect()
    }

    /// Takes in that slots were heard of, but for series with these labels. What lacks them is asked again later, if there is
    /// nothing before it to ask for.
    pub(super) fn heard(
        &mut self,
        span: Span,
        (holes, reason): (Vec<LabelSet>, String),
        interval: i64,
        now: i64,
    ) {
        match &mut self.anew {
            None => {
                add(&mut self.holes, holes);
                if !self.holes.is_empty() {
                    self.up_to = self.up_to.max(span.last);
                }
            }
            Some(anew) => {
                add(&mut anew.holes, holes);
                anew.next = Some(span.first.saturating_sub(interval));
            }
        }
        if !span.is_oldest {
            return;
        }
        if let Some(anew) = self.anew.take() {
            self.holes = anew.holes;
        }
        if !self.holes.is_empty() {
            self.anew = Some(Anew::default());
            self.pause(reason, interval, now);
        }
    }

    /// Takes in that what was asked for did not come; it may have been too much.
    pub(super) fn failed(&mut self, reason: String, interval: i64, now: i64) {
        self.at_once = (self.at_once / 4).max(FEWEST);
        self.pause(reason, interval, now);
    }

    /// Takes in that it is [too long](Next::TooLong).
    pub(super) fn give_up(&mut self) {
        self.failures = self.failures.max(1);
        self.reason = format!("no more than {FURTHEST} slots are asked for");
    }

    /// Has it asked again later.
    fn pause(&mut self, reason: String, interval: i64, now: i64) {
        let pauses = 1_i64 << self.failures.min(LONGEST_PAUSE);
        self.failures += 1;
        // The slot that is due then may be a little early.
        let pause = interval.saturating_mul(pauses).saturating_sub(interval / 2);
        self.again = now.saturating_add(pause);
        self.reason = reason;
    }
}

fn add(holes: &mut Vec<LabelSet>, more: Vec<LabelSet>) {
    for hole in more {
        if !holes.contains(&hole) {
            holes.push(hole);
        }
    }
}
