//! What came of a row: every change at the source against what the receiver took.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{receiver::Request, source::Change};

/// Notifications of one status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Changes at the source, each of which is to be told once.
    pub(crate) wanted: usize,
    /// Notifications that the receiver took.
    pub(crate) taken: usize,
    /// Those beyond the first of each change.
    pub(crate) doubled: usize,
    /// Changes that were never told.
    pub(crate) lost: usize,
}

/// What one run of a row gave.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) firing: Count,
    pub(crate) resolved: Count,
    /// What a receiver that deduplicates by `Idempotency-Key` would still see twice.
    pub(crate) visible: usize,
    /// Seconds from the change to its first notification, half of all firing ones and the last.
    pub(crate) first_half: f64,
    pub(crate) first_last: f64,
    /// All requests, refused ones too.
    pub(crate) attempts: usize,
    /// What a row measures beside that, by name and unit.
    pub(crate) figures: BTreeMap<String, f64>,
    /// Why there is no result.
    pub(crate) error: Option<String>,
}

impl Run {
    /// Counts requests against changes.
    pub(crate) fn count(changes: &BTreeMap<Change, Instant>, requests: &[Request]) -> Self {
        let mut told: BTreeMap<Change, Vec<&Request>> = BTreeMap::new();
        for request in requests.iter().filter(|request| request.taken) {
            for change in changes_in(request) {
                told.entry(change).or_default().push(request);
            }
        }
        let mut run = Self {
            attempts: requests.len(),
            ..Self::default()
        };
        let mut delays: Vec<f64> = Vec::new();
        for (change, at) in changes {
            let first = told.get(change).and_then(|requests| requests.first());
            let count = run.of(change.1);
            count.wanted += 1;
            match first {
                None => count.lost += 1,
                Some(_) => count.doubled = count.doubled.wrapping_sub(1),
            }
            if let Some(first) = first.filter(|_| change.1 == "firing") {
                delays.push(first.at.saturating_duration_since(*at).as_secs_f64());
            }
        }
        for (change, requests) in &told {
            let count = run.of(change.1);
            count.taken += requests.len();
            count.doubled = count.doubled.wrapping_add(requests.len());
            let keys: BTreeSet<&String> = requests.iter().filter_map(|r| r.key.as_ref()).collect();
            let keyless = requests.iter().filter(|r| r.key.is_none()).count();
            let wanted = usize::from(changes.contains_key(change));
            run.visible += (keys.len() + keyless).saturating_sub(wanted);
        }
        delays.sort_by(f64::total_cmp);
        run.first_half = delays.get(delays.len() / 2).copied().unwrap_or(0.0);
        run.first_last = delays.last().copied().unwrap_or(0.0);
        run
    }

    fn of(&mut self, status: &str) -> &mut Count {
        match status {
            "resolved" => &mut self.resolved,
            _firing => &mut self.firing,
        }
    }

    /// Whether every change was told once.
    pub(crate) fn is_exact(&self) -> bool {
        let exact = |count: &Count| count.lost == 0 && count.doubled == 0;
        self.error.is_none() && exact(&self.firing) && exact(&self.resolved)
    }
}

/// What a notification tells.
fn changes_in(request: &Request) -> Vec<Change> {
    let alerts = request.body["alerts"].as_array();
    let told = alerts.into_iter().flatten().map(|alert| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let status = match alert["status"].as_str() {
            Some("resolved") => "resolved",
            _firing => "firing",
        };
        // Go leaves out the zeros at the end.
        let starts = text(&alert["startsAt"]);
        let starts = starts
            .parse::<Timestamp>()
            .map_or(starts, |at| format!("{at:.3}"));
        (text(&alert["labels"]["alertname"]), status, starts)
    });
    told.collect()
}
