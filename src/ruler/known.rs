//! What of the past of rules is known here: a rule that reads what others wrote is evaluated at a slot that is past only
//! where nothing of that is missing. A gap in its series can be seen; a wrong value cannot.

use super::{
    cadence::Cadence,
    depend::{Component, Read},
    machine::Ruler,
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
    fn slots(&self, (cadence, offset): (Cadence, i64), latest: i64) -> (i64, i64) {
        let last = cadence.slot(self.to.saturating_add(offset).min(latest));
        let from = self.from.saturating_add(offset);
        let first = match self.before {
            true => cadence.slot(from).min(last),
            false => cadence.after(from),
        };
        (first, last)
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
        let (group, rule) = *component.rules.get(number)?;
        let group = self.set.groups.get(group)?;
        let rule = group.rules.get(rule)?;
        let mut reads = rule.ties.reads.iter();
        if reads.any(|read| !read.is_named() && !read.is_measured()) {
            return Some("it selects without a name what may be of any rule".to_owned());
        }
        let at = slot.saturating_sub(group.query_offset);
        let writers = component.reads.get(number)?;
        if writers.is_empty() {
            return None;
        }
        let needs = needs(&rule.definition.expr, at, self.set.settings.options);
        let mut unknown = writers.iter().filter_map(|writer| {
            let latest = component.latest(number, *writer, slot);
            let place = *component.rules.get(*writer)?;
            self.lacks(place, &needs, (at, latest))
                .or_else(|| self.has_unwritten(place, &needs, latest))
        });
        let name = unknown.next()?;
        Some(format!(
            "it reads {name}, which is not known here as it was then"
        ))
    }

    /// The slots of a rule, none later than `latest`, of which something is needed: from one to another.
    pub(super) fn slots_read<'a>(
        &self,
        (group, rule): (usize, usize),
        needs: &'a [Need],
        latest: i64,
    ) -> impl Iterator<Item = (i64, i64)> + 'a {
        let of = self.set.groups.get(group);
        let timing = of.map(|of| (of.cadence, of.query_offset));
        let rule = self.rule(group, rule);
        let needed = needs.iter().filter(move |need| {
            let mut outputs = rule.iter().flat_map(|rule| &rule.ties.outputs);
            outputs.any(|output| need.read.may_read(output))
        });
        needed.filter_map(move |need| Some(need.slots(timing?, latest)))
    }

    /// The name of what a rule writes, if something of that is needed and not here.
    pub(super) fn lacks(
        &self,
        (group_at, rule_at): (usize, usize),
        needs: &[Need],
        (at, latest): (i64, i64),
    ) -> Option<String> {
        let group = self.set.groups.get(group_at)?;
        let rule = group.rules.get(rule_at)?;
        let state = self.states.groups.get(group_at)?.rules.get(rule_at)?;
        let (cadence, offset) = (group.cadence, group.query_offset);
        let is_here = |need: &Need, name: &str| {
            let (first, last) = need.slots((cadence, offset), latest);
            if first > last {
                return true;
            }
            // Of each series there is what can be read at its newest sample.
            let reach = self.kept_back(name);
            let written = state.known.0.and_then(|run| run.written);
            let is_kept = written.is_none_or(|newest| {
                newest.saturating_sub(offset).saturating_sub(reach) <= need.oldest
            });
            !need.extended && need.to <= at && is_kept && state.known.has(first, last)
        };
        let outputs = rule.ties.outputs.iter();
        let mut lacking = outputs.filter(|output| {
            let mut needs = needs.iter().filter(|need| need.read.may_read(output));
            needs.any(|need| !is_here(need, &output.name))
        });
        lacking.next().map(|output| output.name.clone())
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
