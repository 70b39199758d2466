//! All alerts that are known, by fingerprint, and how a new post of one merges with the old (`provider/mem`).
//!
//! Routing, muting and persistence are not its matter. Clones share structure and cost nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::OrdMap;

use super::Alert;
use crate::{labels::Fingerprint, time::Timestamp};

/// What a post did to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Stored.
    Stored {
        /// As it stands now.
        alert: Arc<Alert>,
        /// As it stood before.
        previous: Option<Arc<Alert>>,
        /// An ended alert of the same name that was forgotten to make room.
        evicted: Option<Arc<Alert>>,
    },
    /// Dropped: its alert name has as many alerts as it may.
    Limited {
        /// The alert name.
        name: String,
    },
}

/// No alert of this name can make room.
struct Full;

/// The alerts and the limits on them.
#[derive(Debug, Clone, Default)]
pub struct AlertStore {
    alerts: OrdMap<Fingerprint, Arc<Alert>>,
    /// `--alerts.per-alertname-limit`; zero is no limit.
    limit: usize,
    /// By alert name, soonest end first; kept only under a limit.
    by_name: BTreeMap<String, BTreeSet<(Timestamp, Fingerprint)>>,
}

impl AlertStore {
    /// Makes an empty store; a `limit` of zero is none.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Takes in a post, merging it with what is known; `guessed` says that nobody said until when what is known lasts.
    pub fn put(&mut self, alert: Alert, guessed: bool, now: Timestamp) -> Put {
        let previous = self.alerts.get(&alert.fingerprint).cloned();
        let alert = match &previous {
            Some(old) if overlap(old, &alert) => merge(old, alert, guessed, now),
            _ => alert,
        };
        let mut evicted = None;
        if self.limit > 0 {
            match self.admit(&alert, previous.as_deref(), now) {
                Ok(room) => evicted = room,
                Err(Full) => {
                    return Put::Limited {
                        name: alert.name().to_owned(),
                    };
                }
            }
        }
        let alert = Arc::new(alert);
        self.alerts.insert(alert.fingerprint, Arc::clone(&alert));
        Put::Stored {
            alert,
            previous,
            evicted,
        }
    }

    /// Puts an alert as it is, without merging: a restart's or a new incident's.
    pub fn replace(&mut self, alert: Arc<Alert>) -> Option<Arc<Alert>> {
        if self.limit > 0 {
            let bucket = self.by_name.entry(alert.name().to_owned()).or_default();
            if let Some(old) = self.alerts.get(&alert.fingerprint) {
                bucket.remove(&(old.ends_at, old.fingerprint));
            }
            bucket.insert((alert.ends_at, alert.fingerprint));
        }
        self.alerts.insert(alert.fingerprint, alert)
    }

    /// Forgets an alert.
    pub fn remove(&mut self, fingerprint: Fingerprint) -> Option<Arc<Alert>> {
        let alert = self.alerts.remove(&fingerprint)?;
        if let Some(bucket) = self.by_name.get_mut(alert.name()) {
            bucket.remove(&(alert.ends_at, fingerprint));
            if bucket.is_empty() {
                self.by_name.remove(alert.name());
            }
        }
        Some(alert)
    }

    /// The alert with this fingerprint.
    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        self.alerts.get(&fingerprint)
    }

    /// All alerts, by fingerprint.
    #[must_use]
    pub fn all(&self) -> &OrdMap<Fingerprint, Arc<Alert>> {
        &self.alerts
    }

    /// The limit on alerts of one name; zero is none.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Makes room for `alert` in the bucket of its name, at the cost of one that has ended (`alert/limit` of v0.34),
    /// which comes back.
    fn admit(
        &mut self,
        alert: &Alert,
        previous: Option<&Alert>,
        now: Timestamp,
    ) -> Result<Option<Arc<Alert>>, Full> {
        let mut evicted = None;
        let bucket = self.by_name.entry(alert.name().to_owned()).or_default();
        if let Some(old) = previous {
            bucket.remove(&(old.ends_at, old.fingerprint));
        } else if bucket.len() >= self.limit {
            match bucket.first().copied() {
                Some(first @ (ends_at, fingerprint)) if ends_at <= now => {
                    bucket.remove(&first);
                    evicted = self.alerts.remove(&fingerprint);
                }
                _ => return Err(Full),
            }
        }
        bucket.insert((alert.ends_at, alert.fingerprint));
        Ok(evicted)
    }
}

/// Whether two posts tell of the same incident (`provider/mem` `Put`).
fn overlap(old: &Alert, new: &Alert) -> bool {
    (new.ends_at > old.starts_at && new.ends_at < old.ends_at)
        || (new.starts_at > old.starts_at && new.starts_at < old.ends_at)
}

/// Merges overlapping posts; the one that just came leads (`types.Alert.Merge`). Upstream asks `updated_at` which that
/// is, and ignores resolves after the clock was set back.
fn merge(old: &Alert, mut young: Alert, guessed: bool, now: Timestamp) -> Alert {
    young.starts_at = young.starts_at.min(old.starts_at);
    let keep_end = if young.is_resolved_at(now) {
        old.is_resolved_at(now) && old.ends_at > young.ends_at
    } else {
        old.ends_at > young.ends_at && !old.timeout && !guessed
    };
    if keep_end {
        young.ends_at = old.ends_at;
    }
    young
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelSet;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds, 0)
    }

    fn alert(name: &str, from: i64, to: i64, updated: i64) -> Alert {
        let labels = LabelSet::from_pairs([("alertname", "Down"), ("i", name)]);
        Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: at(from),
            ends_at: at(to),
            updated_at: at(updated),
            timeout: false,
        }
    }

    fn put(store: &mut AlertStore, alert: Alert, now: i64) -> (i64, i64) {
        match store.put(alert, false, at(now)) {
            Put::Stored { alert, .. } => {
                (alert.starts_at.unix_seconds(), alert.ends_at.unix_seconds())
            }
            Put::Limited { .. } => panic!("limited"),
        }
    }

    #[test]
    fn posts_merge_as_upstream() {
        for (old, new, expect, why) in [
            (
                (100, 200, 110),
                (100, 300, 150),
                (100, 300),
                "a refresh replaces",
            ),
            (
                (100, 200, 110),
                (150, 300, 150),
                (100, 300),
                "an overlap keeps the earlier start",
            ),
            (
                (100, 300, 110),
                (120, 200, 150),
                (100, 300),
                "firing: the later end stays",
            ),
            (
                (100, 300, 110),
                (100, 150, 160),
                (100, 150),
                "a resolve ends it",
            ),
            (
                (100, 200, 110),
                (250, 400, 260),
                (250, 400),
                "a new incident replaces",
            ),
        ] {
            let mut store = AlertStore::new(0);
            put(&mut store, alert("a", old.0, old.1, old.2), old.2);
            assert_eq!(
                put(&mut store, alert("a", new.0, new.1, new.2), new.2),
                expect,
                "{why}"
            );
        }
        let mut store = AlertStore::new(0);
        put(
            &mut store,
            Alert {
                timeout: true,
                ..alert("a", 100, 300, 110)
            },
            110,
        );
        assert_eq!(
            put(&mut store, alert("a", 120, 200, 150), 150),
            (100, 200),
            "a guessed end gives way"
        );
    }

    #[test]
    fn a_full_alert_name_takes_no_more_until_one_ends() {
        let mut store = AlertStore::new(2);
        put(&mut store, alert("a", 1, 100, 1), 1);
        put(&mut store, alert("b", 1, 200, 1), 1);
        assert!(matches!(
            store.put(alert("c", 1, 300, 1), false, at(50)),
            Put::Limited { .. }
        ));
        put(&mut store, alert("a", 1, 150, 60), 60);
        assert!(
            matches!(
                store.put(alert("c", 1, 300, 1), false, at(120)),
                Put::Limited { .. }
            ),
            "a was refreshed to 150"
        );
        put(&mut store, alert("c", 1, 300, 1), 160);
        assert_eq!(store.all().len(), 2, "a made room");
        let gone = alert("b", 1, 200, 1).fingerprint;
        assert!(store.remove(gone).is_some());
        put(&mut store, alert("d", 1, 300, 1), 161);
    }
}
