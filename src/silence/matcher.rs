//! Evaluates many label sets against one snapshot of the silences.

use std::sync::Arc;

use super::{
    index::TextMap, model::SilenceState, rest::Rest, stats::SilenceStats, store::Silences,
    tiers::Tier,
};
use crate::{labels::LabelSet, time::Timestamp};

/// Values remembered per label; the labels that repeat from alert to alert have far fewer.
const MEMO_VALUES: usize = 2048;

/// A reader of one snapshot. A worker makes it with [`Silences::matcher`] and keeps it as long as the snapshot.
///
/// It costs next to nothing to make and remembers what it found for each value of a label, for one moment.
#[derive(Debug)]
pub struct SilenceMatcher {
    silences: Silences,
    parts: Vec<Part>,
    /// The moment for which the parts remember.
    at: Timestamp,
    stats: SilenceStats,
    scratch: Vec<u32>,
}

#[derive(Debug)]
struct Part {
    tier: Tier,
    /// Per label of the index.
    memo: Vec<Memo>,
    rest: Rest,
    /// Matcher sets that were looked at for the current alert.
    scanned: usize,
}

/// Matcher sets by value of one label: those among the candidates that are active and whose matchers on this label all
/// match.
type Memo = TextMap<Box<str>, Box<[u32]>>;

impl SilenceMatcher {
    pub(super) fn new(silences: Silences) -> Self {
        Self {
            parts: silences.tiers().iter().map(Part::new).collect(),
            silences,
            at: Timestamp::ZERO,
            stats: SilenceStats::default(),
            scratch: Vec::new(),
        }
    }

    /// The ids of the silences that are active at `now` and match, sorted.
    #[must_use]
    pub fn mutes(&mut self, labels: &LabelSet, now: Timestamp) -> Vec<Arc<str>> {
        self.stats.queries += 1;
        if now != self.at {
            self.at = now;
            self.parts = self.silences.tiers().iter().map(Part::new).collect();
        }
        if self
            .parts
            .iter()
            .any(|part| now < part.tier.index.valid_from())
        {
            self.stats.scanned += self.silences.len() as u64;
            return self.silences.mutes(labels, now);
        }
        let mut found = Vec::new();
        for part in &mut self.parts {
            part.begin(labels, now, &mut found);
        }
        for (name, value) in labels {
            for part in &mut self.parts {
                part.look_at(labels, (name, value), now, &mut self.scratch, &mut found);
            }
        }
        for part in &self.parts {
            let skipped = part.tier.index.len().saturating_sub(part.scanned);
            self.stats.scanned += part.scanned as u64;
            self.stats.skipped += skipped as u64;
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What this reader did, for [`Silences::count`].
    #[must_use]
    pub fn stats(&self) -> &SilenceStats {
        &self.stats
    }
}

impl Part {
    fn new(tier: &Tier) -> Self {
        Self {
            memo: vec![Memo::default(); tier.index.labels()],
            rest: Rest::new(&tier.index),
            tier: tier.clone(),
            scanned: 0,
        }
    }

    /// Begins with another alert, and with the matcher sets that none of its labels leads to.
    fn begin(&mut self, labels: &LabelSet, now: Timestamp, found: &mut Vec<Arc<str>>) {
        let Self { tier, rest, .. } = self;
        rest.begin();
        self.scanned = tier.index.always().len();
        for slot in tier.index.always() {
            if is_in_force(tier, *slot, now) && rest.matches(&tier.index, *slot, labels) {
                found.push(tier.index.slot(*slot).silence.id.clone());
            }
        }
    }

    /// Adds the ids of active silences that are filed under this label and match.
    fn look_at(
        &mut self,
        labels: &LabelSet,
        (name, value): (&str, &str),
        now: Timestamp,
        scratch: &mut Vec<u32>,
        found: &mut Vec<Arc<str>>,
    ) {
        let Self {
            tier, memo, rest, ..
        } = self;
        let Some(label) = tier.index.label(name) else {
            return;
        };
        let slots = match memo[label].get(value) {
            Some(slots) => slots,
            None => {
                candidates(tier, label, (name, value), now, scratch);
                if memo[label].len() < MEMO_VALUES {
                    memo[label].insert(value.into(), scratch.as_slice().into());
                }
                scratch.as_slice()
            }
        };
        self.scanned += slots.len();
        for slot in slots {
            if rest.matches(&tier.index, *slot, labels) {
                found.push(tier.index.slot(*slot).silence.id.clone());
            }
        }
    }
}

fn is_in_force(tier: &Tier, slot: u32, now: Timestamp) -> bool {
    let silence = &tier.index.slot(slot).silence;
    silence.state_at(now) == SilenceState::Active && !tier.is_outdated(slot)
}

/// Puts the matcher sets into `out` that are filed under this label, match its value and are in force.
fn candidates(
    tier: &Tier,
    label: usize,
    (name, value): (&str, &str),
    now: Timestamp,
    out: &mut Vec<u32>,
) {
    out.clear();
    tier.index.candidates(label, value, out);
    out.sort_unstable();
    out.dedup();
    out.retain(|slot| is_in_force(tier, *slot, now) && tier.index.slot(*slot).matches(name, value));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        labels::{MatchOp, MatcherMode},
        rng::Rng,
        silence::{MatcherText, SilenceDraft, SilenceLimits, check_matcher_sets},
        time::Timestamp,
    };

    const NAMES: [&str; 3] = ["alertname", "instance", "pod"];
    const VALUES: [&str; 10] = [
        "",
        "a",
        "b",
        "host-1",
        "host-12",
        "host-2:9100",
        "web",
        "db-web-1",
        "ü",
        "über",
    ];
    const PATTERNS: [&str; 24] = [
        ".*",
        ".+",
        "a|b",
        "(?i)HOST-1",
        "host-[0-9]+",
        "host-1.*",
        ".*9100",
        ".*web.*",
        "(a|host).*",
        "host-(1|2).*",
        "[a-z]+",
        "",
        "a?",
        "()",
        "ü.*",
        ".*ü",
        "(?:.*-)?web(?:-.*)?",
        "a{2,}",
        "\\w+",
        "[^a]+",
        "x|",
        "(h)(o)(s)(t)-.",
        ".*-.*-.*",
        "^host-1$",
    ];

    fn matcher_text() -> impl Strategy<Value = MatcherText> {
        (0..4_u8, 0..NAMES.len(), 0..PATTERNS.len(), 0..VALUES.len()).prop_map(
            |(op, name, pattern, value)| {
                let op = MatchOp::from_flags(op & 1 == 1, op & 2 == 2);
                let text = if op.is_regex() {
                    PATTERNS[pattern]
                } else {
                    VALUES[value]
                };
                MatcherText {
                    name: NAMES[name].to_owned(),
                    op,
                    value: text.to_owned(),
                }
            },
        )
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(Vec<Vec<MatcherText>>, u64, u64),
        Edit(usize, u64),
        Expire(usize),
        Wait(u64),
        Gc(usize),
        IndexBegins,
        IndexEnds(bool),
        Restart,
        Check(Vec<(usize, usize)>, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let sets = prop::collection::vec(prop::collection::vec(matcher_text(), 1..4), 1..3);
        let labels = prop::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..4);
        prop_oneof![
            6 => (sets, 0..50_u64, 1..9_000_u64).prop_map(|(s, start, len)| Step::Set(s, start, len)),
            2 => (0..200_usize, 1..9_000_u64).prop_map(|(i, len)| Step::Edit(i, len)),
            1 => (0..200_usize).prop_map(Step::Expire),
            1 => (0..5_000_u64).prop_map(Step::Wait),
            1 => (1..9_usize).prop_map(Step::Gc),
            3 => Just(Step::IndexBegins),
            3 => prop::bool::weighted(0.9).prop_map(Step::IndexEnds),
            1 => Just(Step::Restart),
            4 => (labels, 0..6_000_u64).prop_map(|(l, back)| Step::Check(l, back)),
        ]
    }

    fn draft(sets: &[Vec<MatcherText>], starts_at: Timestamp, len: u64) -> Option<SilenceDraft> {
        Some(SilenceDraft {
            id: None,
            matcher_sets: check_matcher_sets(sets, MatcherMode::Fallback).ok()?,
            starts_at,
            ends_at: starts_at.plus(Duration::from_secs(len)),
            created_by: String::new(),
            comment: String::new(),
            annotations: std::collections::BTreeMap::new(),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_index_finds_what_looking_at_all_silences_finds(
            steps in prop::collection::vec(step(), 1..150)
        ) {
            let mut rng = Rng::from_seed(1);
            let mut now = Timestamp::from_unix(1_795_000_000, 0);
            let mut silences = Silences::new(Duration::from_secs(600));
            let limits = SilenceLimits::default();
            let mut ids: Vec<Arc<str>> = Vec::new();
            let mut job = None;
            for step in steps {
                match step {
                    Step::Set(sets, start, len) => {
                        let starts_at = now.plus(Duration::from_secs(start));
                        if let Some(draft) = draft(&sets, starts_at, len) {
                            ids.push(silences.set(draft, now, limits, &mut rng).unwrap().id);
                        }
                    }
                    Step::Edit(at, len) => {
                        let Some(old) = ids.get(at).and_then(|id| silences.get(id)).cloned() else {
                            continue;
                        };
                        let edit = SilenceDraft {
                            id: Some(old.id.clone()),
                            matcher_sets: old.matcher_sets.clone(),
                            starts_at: old.starts_at,
                            ends_at: old.starts_at.plus(Duration::from_secs(len)),
                            created_by: String::new(),
                            comment: String::new(),
                            annotations: std::collections::BTreeMap::new(),
                        };
                        if let Ok(done) = silences.set(edit, now, limits, &mut rng) {
                            ids.push(done.id);
                        }
                    }
                    Step::Expire(at) => {
                        if let Some(id) = ids.get(at) {
                            let _ = silences.expire(id, now);
                        }
                    }
                    Step::Wait(seconds) => now = now.plus(Duration::from_secs(seconds)),
                    Step::Gc(most) => {
                        silences.gc(most, now);
                    }
                    Step::IndexBegins => job = job.or_else(|| silences.index_job(now)),
                    Step::IndexEnds(made) => {
                        if let Some(job) = job.take() {
                            silences.take_index(made.then(|| job.run()));
                        }
                    }
                    Step::Restart => {
                        let saved: Vec<_> = silences.iter().map(|s| (**s).clone()).collect();
                        silences = Silences::new(Duration::from_secs(600));
                        job = None;
                        silences.restore(saved, now);
                    }
                    Step::Check(pairs, back) => {
                        let labels = LabelSet::from_pairs(
                            pairs.iter().map(|(n, v)| (NAMES[*n], VALUES[*v])),
                        );
                        let mut matcher = silences.matcher();
                        for at in [now, now.minus(Duration::from_secs(back)), now] {
                            prop_assert_eq!(
                                matcher.mutes(&labels, at),
                                silences.mutes(&labels, at),
                                "{:?}", labels
                            );
                        }
                    }
                }
            }
        }
    }
}
