//! What rules would have written and did not, as partitions were missing or evaluations failed. Who reads it does not know it
//! either: neither a gap nor an older sample says that a condition holds or that it ended.

use std::sync::Arc;

use super::{
    apply::Spot,
    cadence::Cadence,
    lack::Lack,
    machine::Ruler,
    reader::{Reader, Writer},
    recording::{Alive, Written},
    set::Rule,
    state::RuleState,
};
use crate::{federation::depends_by, labels::LabelSet};

/// The slots in which a rule did not write all that it would have, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwritten(Vec<Stretch>);

/// Consecutive slots; Unix milliseconds.
#[derive(Clone, Debug)]
struct Stretch {
    /// Of the series that were not written; none if any may be among them.
    labels: LabelSet,
    first: i64,
    last: i64,
    reason: Arc<str>,
}

impl Unwritten {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is something, and all of a slot was written.
    pub(super) fn is_over(&self, slot: i64) -> bool {
        let mut stretches = self.0.iter();
        !self.0.is_empty() && stretches.all(|one| one.last < slot)
    }

    /// Takes in that series with these labels were not written in a slot.
    fn note(&mut self, slot: i64, cadence: Cadence, labels: LabelSet, reason: &str) {
        let mut stretches = self.0.iter_mut();
        let goes_on = stretches.find(|one| one.labels == labels && cadence.after(one.last) >= slot);
        match goes_on {
            Some(stretch) => {
                stretch.last = stretch.last.max(slot);
                stretch.reason = reason.into();
            }
            None => self.0.push(Stretch {
                labels,
                first: slot,
                last: slot,
                reason: reason.into(),
            }),
        }
    }

    /// Takes in that all that was written in these slots is known now.
    pub(super) fn heal(&mut self, first: i64, last: i64, cadence: Cadence) {
        let stretches = std::mem::take(&mut self.0);
        for stretch in stretches {
            if stretch.last < first || last < stretch.first {
                self.0.push(stretch);
                continue;
            }
            if stretch.first < first {
                self.0.push(Stretch {
                    last: first.saturating_sub(cadence.interval()),
                    ..stretch.clone()
                });
            }
            if last < stretch.last {
                self.0.push(Stretch {
                    first: cadence.after(last),
                    ..stretch
                });
            }
        }
    }

    /// Drops slots before one: nobody reads them any more.
    fn forget(&mut self, before: i64) {
        self.0.retain(|stretch| before <= stretch.last);
    }

    /// The labels that are missing in any of these slots, and why.
    fn among(&self, first: i64, last: i64) -> impl Iterator<Item = (&LabelSet, &str)> {
        let stretches = self.0.iter();
        let among = stretches.filter(move |one| one.first <= last && first <= one.last);
        among.map(|one| (&one.labels, &*one.reason))
    }

    /// The labels of all that was not written, and the last slot of which that is so.
    pub(super) fn all(&self) -> (Vec<LabelSet>, i64) {
        let mut labels: Vec<LabelSet> = self.0.iter().map(|one| one.labels.clone()).collect();
        labels.sort();
        labels.dedup();
        let last = self.0.iter().map(|one| one.last).max();
        (labels, last.unwrap_or(i64::MIN))
    }
}

impl Ruler {
    /// Notes of a rule what it did not write in a slot, if others read it: series with such labels of its elements.
    pub(super) fn note_unwritten(
        &self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        (holes, reason): (&[LabelSet], &str),
    ) {
        let outputs = rule.ties.outputs.iter();
        let reach = outputs.map(|output| self.kept_back(&output.name)).max();
        let Some(reach) = reach.filter(|reach| *reach > 0) else {
            return;
        };
        let interval = spot.cadence.interval();
        state
            .unwritten
            .forget(spot.slot.saturating_sub(reach).saturating_sub(interval));
        for hole in holes {
            // What the rule writes over its elements' labels does not tell them apart.
            let labels = hole.filter_pairs(|name, _| !rule.definition.labels.contains_key(name));
            state
                .unwritten
                .note(spot.slot, spot.cadence, labels, reason);
        }
    }

    /// Has rules that read what a rule records see that it wrote nothing, or nothing but what it `wrote`: what was there before
    /// is not what is there now. Servers are told of no end.
    pub(super) fn hide_unwritten(&mut self, alive: &Alive, wrote: &[Written], spot: Spot) {
        self.overlay.write(&alive.unwritten(wrote, spot.time()));
    }

    /// The name of a rule that did not write something of what is needed.
    pub(super) fn has_unwritten<'a>(
        &self,
        reader: &Reader<'_>,
        writer: &Writer<'a>,
    ) -> Option<&'a str> {
        let unwritten = self.unwritten_of(writer)?;
        let mut slots = writer.slots_read(reader.needs());
        let lacks = slots.any(|(first, last)| unwritten.among(first, last).next().is_some());
        lacks.then_some(&*writer.rule.key.name)
    }

    /// What a rule did not write, if there is anything.
    fn unwritten_of(&self, writer: &Writer<'_>) -> Option<&Unwritten> {
        let (group, rule) = writer.place;
        let state = self.states.groups.get(group)?.rules.get(rule)?;
        Some(&state.unwritten).filter(|unwritten| !unwritten.is_empty())
    }

    /// What a rule cannot know at a slot, as others did not write it.
    pub(super) fn unwritten(&self, reader: &Reader<'_>) -> Option<Lack> {
        let mut lack: Option<Lack> = None;
        for writer in reader.writers() {
            let Some(unwritten) = self.unwritten_of(&writer) else {
                continue;
            };
            let key = &writer.rule.key;
            for (first, last) in writer.slots_read(reader.needs()) {
                for (labels, reason) in unwritten.among(first, last) {
                    let Some(hole) = depends_by(reader.expr(), labels) else {
                        continue;
                    };
                    let name = &key.name;
                    let why = || format!("{name}, which it reads, was not written: {reason}");
                    let lack = lack.get_or_insert_with(|| Lack::new(why()));
                    // In one slot series are missing, and none is there with a value of before.
                    lack.add(hole, key.alerting || first < last);
                }
            }
        }
        lack
    }
}
