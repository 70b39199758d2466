//! What of the past of rules is known here: a rule that reads what others wrote is evaluated at a slot that is past only
//! where nothing of that is missing. A gap in its series can be seen; a wrong value cannot.

use super::{
    cadence::Cadence,
    depend::{Component, Output, Read},
    machine::Ruler,
    reader::{Reader, Writer},
};
use crate::promql::{
    ast::Expr,
    engine::{Options, Steps, prepare},
};

/// The slots up to now, without a gap, whose results are here as they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known(Option<Run>);

/// Slots; Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    since: i64,
    last: i64,
    /// The last one that drove what is older out of what is kept.
    written: Option<i64>,
}

impl Known {
    /// Takes in that the results of a slot are here. What is older than what is here already does not get there any more.
    pub(super) fn note(&mut self, slot: i64, cadence: Cadence) {
        match &mut self.0 {
            Some(run) if slot <= run.last => {}
            Some(run) if cadence.after(run.last) >= slot => {
                run.last = slot;
                run.written = Some(slot);
            }
            place => {
                *place = Some(Run {
                    since: slot,
                    last: slot,
                    written: Some(slot),
                });
            }
        }
    }

    /// Takes in that the results of slots are here that come before those which are, or end among them.
    pub(super) fn fill(&mut self, first: i64, last: i64, cadence: Cadence) {
        match &mut self.0 {
            Some(run) if cadence.after(last) >= run.since => run.since = run.since.min(first),
            Some(_) => {}
            place @ None => {
                *place = Some(Run {
                    since: first,
                    last,
                    written: None,
                });
            }
        }
    }

    /// The first and the last of those slots; Unix milliseconds.
    pub(super) fn span(self) -> Option<(i64, i64)> {
        self.0.map(|run| (run.since, run.last))
    }

    /// Whether the results of all slots from the first to the last are here.
    pub(super) fn has(self, first: i64, last: i64) -> bool {
        self.0
            .is_some_and(|run| run.since <= first && last <= run.last)
    }
}

/// Samples that an expression needs: those of `from < time <= to` in Unix milliseconds.
#[derive(Debug)]
pub(super) struct Need {
    read: Read,
    pub(super) from: i64,
    to: i64,
    /// Whether the last one that is not after `from` is needed as well.
    before: bool,
    /// After when that may be.
    oldest: i64,
    /// Whether samples on either side of the window count as well.
    extended: bool,
}

impl Need {
    /// The first and the last slot, none later than `latest`, in which a rule of this cadence and query offset writes what is
    /// needed. There are none if the first comes after the last.
    pub(super) fn slots(&self, (cadence, offset): (Cadence, i64), latest: i64) -> (i64, i64) {
        let last = cadence.slot(self.to.saturating_add(offset).min(latest));
        let from = self.from.saturating_add(offset);
        let first = match self.before {
            true => cadence.slot(from).min(last),
            false => cadence.after(from),
        };
        (first, last)
    }

    /// Whether series of an output may be among them.
    pub(super) fn may_read(&self, output: &Output) -> bool {
        self.read.may_read(output)
    }

    /// Whether samples after a time count.
    pub(super) fn looks_past(&self, at: i64) -> bool {
        self.extended || self.to > at
    }
}

/// What an expression needs at an instant.
pub(super) fn needs(expr: &Expr, at: i64, options: Options) -> Vec<Need> {
    let steps = Steps::instant(at);
    let bare = Options {
        lookback: 0,
        ..options
    };
    let (Ok(whole), Ok(bare)) = (prepare(expr, steps, options), prepare(expr, steps, bare)) else {
        return Vec::new();
    };
    let selections = bare.selections().iter().enumerate();
    let needs = selections.map(|(number, selection)| {
        let before = bare.sees_marks(number);
        let oldest = match before {
            true => selection.from.saturating_sub(options.lookback),
            false => selection.from,
        };
        let mut plain = whole.selections().iter();
        let plain = plain.any(|one| {
            one.matchers == selection.matchers && (one.from, one.to) == (oldest, selection.to)
        });
        Need {
            read: Read::new(selection.matchers.clone(), 0),
            from: selection.from,
            to: selection.to,
            before,
            oldest,
            extended: !plain,
        }
    });
    needs.collect()
}

/// Since when what the node measures of itself must be known for an expression at an instant, if it reads of that.
pub(super) fn measured_since(expr: &Expr, at: i64, options: Options) -> Option<i64> {
    let needs = needs(expr, at, options).into_iter();
    let measured = needs.filter(|need| need.read.is_measured());
    measured.map(|need| need.from).min()
}

impl Ruler {
    /// Why a rule, by its number in the component, cannot be evaluated at a slot that is past: what it reads of other rules is
    /// not known here as it was then.
    pub(super) fn unknown(
        &self,
        component: &Component,
        number: usize,
        slot: i64,
    ) -> Option<String> {
        let reader = Reader::new(&self.set, component, number, slot)?;
        let mut reads = reader.rule.ties.reads.iter();
        if reads.any(|read| !read.is_named() && !read.is_measured()) {
            return Some("it selects without a name what may be of any rule".to_owned());
        }
        let mut unknown = reader.writers().filter_map(|writer| {
            self.lacks(&reader, &writer)
                .or_else(|| self.has_unwritten(&reader, &writer))
        });
        let name = unknown.next()?;
        Some(format!(
            "it reads {name}, which is not known here as it was then"
        ))
    }

    /// The name of what a rule writes, if something of that is needed and not here.
    pub(super) fn lacks<'a>(&self, reader: &Reader<'_>, writer: &Writer<'a>) -> Option<&'a str> {
        let (group, rule) = writer.place;
        let state = self.states.groups.get(group)?.rules.get(rule)?;
        let is_here = |need: &Need, name: &str| {
            let (first, last) = writer.slots_of(need);
            if first > last {
                return true;
            }
            // Of each series there is what can be read at its newest sample.
            let behind = self
                .kept_back(name)
                .saturating_add(writer.group.query_offset);
            let written = state.known.0.and_then(|run| run.written);
            let is_kept = written.is_none_or(|newest| newest.saturating_sub(behind) <= need.oldest);
            !need.extended && need.to <= reader.time && is_kept && state.known.has(first, last)
        };
        let mut outputs = writer.rule.ties.outputs.iter();
        let lacking = outputs.find(|output| {
            let mut needs = reader.needs().iter().filter(|need| need.may_read(output));
            needs.any(|need| !is_here(need, &output.name))
        })?;
        Some(&lacking.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_begins_anew() {
        let cadence = Cadence::new(30, 0);
        let mut known = Known::default();
        assert!(!known.has(30, 30));
        for slot in [30, 60, 90] {
            known.note(slot, cadence);
        }
        assert!(known.has(30, 90) && known.has(60, 60));
        assert!(!known.has(0, 90) && !known.has(60, 120));
        known.note(60, cadence);
        assert!(known.has(30, 90), "what is known stays so");
        known.note(150, cadence);
        assert!(known.has(150, 150) && !known.has(90, 150) && !known.has(90, 90));
    }

    #[test]
    fn what_came_before_joins_what_is_known() {
        let cadence = Cadence::new(30, 0);
        let mut known = Known::default();
        known.fill(30, 90, cadence);
        known.note(120, cadence);
        assert_eq!(known.span(), Some((30, 120)));
        known.fill(-60, 0, cadence);
        assert_eq!(known.span(), Some((-60, 120)));
        known.fill(-300, -120, cadence);
        assert_eq!(known.span(), Some((-60, 120)), "there is a gap between");
    }
}
