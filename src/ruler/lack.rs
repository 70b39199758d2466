//! What a rule cannot know at a slot of what other rules wrote: they did not write it, or they did before this node evaluated
//! them, and it is not known here. What depends on that decides nothing.

use std::sync::Arc;

use super::{
    apply::Outcome,
    depend::Component,
    effect::{Effect, Word},
    gap::Gap,
    machine::Ruler,
    reader::{Reader, Writer},
};
use crate::{federation::Certainty, labels::LabelSet};

/// What a rule cannot know at a slot of what other rules wrote before.
#[derive(Clone, Debug)]
pub(super) struct Lack {
    /// The labels of the elements that depend on it.
    holes: Vec<LabelSet>,
    /// Those of which more than series are missing: what holds without it may not hold with it.
    shortened: Vec<LabelSet>,
    /// What it is, and why.
    reason: String,
}

impl Lack {
    pub(super) fn new(reason: String) -> Self {
        Self {
            holes: Vec::new(),
            shortened: Vec::new(),
            reason,
        }
    }

    /// Elements with these labels depend on it as well: on series that are missing, or on some of their samples.
    pub(super) fn add(&mut self, hole: LabelSet, shortened: bool) {
        if shortened && !self.shortened.contains(&hole) {
            self.shortened.push(hole.clone());
        }
        if !self.holes.contains(&hole) {
            self.holes.push(hole);
        }
    }

    /// The same, with what another one says.
    fn and(mut self, other: Self) -> Self {
        for hole in other.holes {
            let shortened = other.shortened.contains(&hole);
            self.add(hole, shortened);
        }
        self.reason = format!("{}; {}", self.reason, other.reason);
        self
    }

    /// Whether nothing that the rule makes of it is certain.
    pub(super) fn is_whole(&self) -> bool {
        self.holes.iter().any(|hole| hole.is_empty())
    }
}

impl Outcome {
    /// The same, with what depends on what is not known.
    pub(super) fn lacking(mut self, lack: &Lack) -> Self {
        let answered = match &mut self {
            Self::Failed(_) => return self,
            Self::Alerts { answered, .. } | Self::Series { answered, .. } => answered,
        };
        let holes = answered.certainty.holes().iter().chain(&lack.holes);
        answered.certainty = Certainty::without(holes.cloned().collect());
        answered.missing.push(lack.reason.clone());
        if let Self::Alerts { elements, .. } = &mut self {
            // What holds on a part of the time does not hold on all of it.
            let certainty = Certainty::without(lack.shortened.clone());
            for element in elements {
                element.proven &= certainty.is_certain(&element.source);
            }
        }
        self
    }
}

impl Ruler {
    /// What a rule, by its number in the component, cannot know at a slot of what other rules wrote, or would have.
    pub(super) fn lack(
        &mut self,
        (number, component): (usize, &Component),
        at: usize,
        slot: i64,
    ) -> Option<Lack> {
        let set = Arc::clone(&self.set);
        let reader = Reader::new(&set, component, at, slot)?;
        let unwritten = self.unwritten(&reader);
        let forgotten = self.forgotten(number, &reader);
        if let Some(lack) = &forgotten {
            let group = component.rules.get(at).map(|(group, _)| *group);
            self.say_lack((number, group?), reader.rule.name(), &lack.reason);
        }
        match (unwritten, forgotten) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        }
    }

    /// What a rule of a component, by its number, cannot know of what other rules wrote before this node evaluated them.
    fn forgotten(&self, number: usize, reader: &Reader<'_>) -> Option<Lack> {
        let recall = self.recall_of(number).filter(|of| of.lacks_something())?;
        // An endpoint may have what is written.
        if !self.set.settings.copied.is_empty() {
            return None;
        }
        let mut lack: Option<Lack> = None;
        for writer in reader.writers() {
            let gap = recall.gap(writer.number).filter(|gap| gap.is_of_weight());
            let Some(gap) = gap else {
                continue;
            };
            for hole in self.holes_in(gap, reader, &writer) {
                let (name, why) = (&writer.rule.key.name, &gap.reason);
                let reason = || {
                    format!(
                        "{name}, which it reads, is not known here as far back as it is read: {why}"
                    )
                };
                let lack = lack.get_or_insert_with(|| Lack::new(reason()));
                lack.add(hole, true);
            }
        }
        lack
    }

    /// The labels of elements that depend on what is not known of a rule that is read.
    fn holes_in(&self, gap: &Gap, reader: &Reader<'_>, writer: &Writer<'_>) -> Vec<LabelSet> {
        if self.lacks(reader, writer).is_some() {
            return vec![LabelSet::empty()];
        }
        let earliest = reader.needs().iter().map(|need| need.from).min();
        let reaches = |from: i64| from.saturating_add(reader.query_offset) < gap.up_to;
        match earliest.is_some_and(reaches) {
            true => gap.holes_by(reader.expr()),
            false => Vec::new(),
        }
    }

    /// Says that a rule of a group lacks something; once for each group.
    fn say_lack(&mut self, (number, group): (usize, usize), rule: &str, reason: &str) {
        let key = self.group_key(group);
        let recall = self.recall_of_mut(number);
        if let Some(key) = key
            && recall.is_some_and(|recall| recall.is_said_first(group))
        {
            self.effects.push_back(Effect::Say(Word::Lacks {
                group: key.joined(),
                rule: rule.to_owned(),
                reason: reason.to_owned(),
            }));
        }
    }
}
