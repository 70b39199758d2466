//! `alertmanager_alerts`: how many alerts are in which state, over all groups (`dispatch/metric.go`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::family::Page;
use crate::{
    dispatch::Group,
    notify::Muting,
    tenant::View,
    time::{Now, Timestamp},
};

/// In rising priority: an alert in several groups counts by its highest state.
const STATES: [&str; 3] = ["unprocessed", "active", "suppressed"];

/// Counting judges every alert. What took long is kept for so many times its duration, so that scraping costs at most
/// this fraction of a core.
const KEEP: u32 = 20;

/// How many alerts are in each of [`STATES`]; by group key where that is asked for, otherwise under one empty key.
type Counts = BTreeMap<Arc<str>, [u64; 3]>;

/// Counts, and keeps the result while counting anew would cost too much.
#[derive(Debug, Default)]
pub(super) struct AlertCounter {
    kept: Mutex<Option<(Duration, Counts)>>,
}

impl AlertCounter {
    pub(super) fn add(
        &self,
        page: &mut Page,
        view: &View,
        by_group: bool,
        clock: &dyn Fn() -> Now,
    ) {
        let counts = self.counts(view, by_group, clock);
        let mut family = page.gauge("alertmanager_alerts", "How many alerts by state.");
        for (group_key, counts) in &counts {
            for (state, count) in STATES.iter().zip(counts) {
                let labels = [("group_key", &**group_key), ("state", *state)];
                family = family.count(&labels[usize::from(!by_group)..], *count);
            }
        }
        family.end();
    }

    fn counts(&self, view: &View, by_group: bool, clock: &dyn Fn() -> Now) -> Counts {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let began = clock().mono;
        if let Some((until, counts)) = &*kept
            && began < *until
        {
            return counts.clone();
        }
        let counts = if by_group {
            count_by_group(view)
        } else {
            count(view)
        };
        let ended = clock().mono;
        let until = ended + ended.saturating_sub(began) * KEEP;
        *kept = Some((until, counts.clone()));
        counts
    }
}

fn count(view: &View) -> Counts {
    let mut muting = view.muting();
    let mut states: Vec<_> = view
        .groups
        .values()
        .flat_map(|group| states_of(group, &mut muting, view.at.wall))
        .collect();
    states.sort_unstable();
    let mut counts = [0; 3];
    for (i, (fingerprint, state)) in states.iter().enumerate() {
        let last = states
            .get(i + 1)
            .is_none_or(|(next, _)| next != fingerprint);
        counts[*state] += u64::from(last);
    }
    Counts::from([(Arc::from(""), counts)])
}

fn count_by_group(view: &View) -> Counts {
    let mut muting = view.muting();
    let mut counts = Counts::new();
    for group in view.groups.values() {
        let of_group = counts.entry(Arc::clone(&group.key)).or_default();
        for (_, state) in states_of(group, &mut muting, view.at.wall) {
            of_group[state] += 1;
        }
    }
    counts
}

/// The firing alerts of a group with the places of their states in [`STATES`].
fn states_of(
    group: &Group,
    muting: &mut Muting,
    now: Timestamp,
) -> Vec<(crate::labels::Fingerprint, usize)> {
    group
        .members
        .iter()
        .filter(|alert| !alert.is_resolved_at(now))
        .map(|alert| {
            let state = if group.last_flush.is_none() {
                0
            } else if muting.status(&alert.labels).is_muted() {
                2
            } else {
                1
            };
            (alert.fingerprint, state)
        })
        .collect()
}
