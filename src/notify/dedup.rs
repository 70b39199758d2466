//! Whether a group has something to tell an integration (`notify/dedup_stage.go`).

use std::{sync::Arc, time::Duration};

use super::NotifyReason;
use crate::{nflog::NflogEntry, time::Timestamp};

/// The alerts of a flush by status, as `LabelSet::log_hash`, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hashes {
    /// Those that fire.
    pub firing: Arc<[u64]>,
    /// Those that are resolved.
    pub resolved: Arc<[u64]>,
}

/// Why nothing is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quiet {
    /// Nothing fires and nobody was told that anything does.
    NothingFires,
    /// All this was told already; the repeat is due after this time.
    NothingNew {
        /// When the repeat interval will have elapsed.
        repeat_at: Timestamp,
    },
    /// No alert is left: all are silenced or inhibited.
    AllMuted,
    /// The route is muted by these time intervals, or none of its active ones holds.
    OutOfHours,
}

impl Quiet {
    /// In words, for those who ask why.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::NothingFires => "nothing fires and nothing was told to fire".to_owned(),
            Self::NothingNew { repeat_at } => {
                format!("nothing changed since the last notification; it repeats after {repeat_at}")
            }
            Self::AllMuted => "every alert of the group is silenced or inhibited".to_owned(),
            Self::OutOfHours => "the route is muted by its time intervals".to_owned(),
        }
    }
}

/// Decides whether to notify, and why.
///
/// `held` hashes in the entry count as told firing: they were, and were muted when later notifications left them out.
///
/// # Errors
/// With the reason to stay quiet.
pub(super) fn reason_to_notify(
    entry: Option<&NflogEntry>,
    hashes: &Hashes,
    send_resolved: bool,
    repeat_interval: Duration,
    now: Timestamp,
) -> Result<NotifyReason, Quiet> {
    let Some(entry) = entry else {
        return if hashes.firing.is_empty() {
            Err(Quiet::NothingFires)
        } else {
            Ok(NotifyReason::FirstNotification)
        };
    };
    if !entry.has_firing(hashes.firing.iter().copied()) {
        let first = entry.firing.is_empty();
        return Ok(if first {
            NotifyReason::FirstNotification
        } else {
            NotifyReason::NewAlertsAdded
        });
    }
    if hashes.firing.is_empty() {
        let owed = hashes
            .resolved
            .iter()
            .any(|hash| entry.held.binary_search(hash).is_ok());
        let told = !entry.firing.is_empty() || owed;
        return if told {
            Ok(NotifyReason::AllAlertsResolved)
        } else {
            Err(Quiet::NothingFires)
        };
    }
    if send_resolved && !entry.has_resolved(hashes.resolved.iter().copied()) {
        return Ok(NotifyReason::SomeAlertsResolved);
    }
    let repeat_at = entry.timestamp.plus(repeat_interval);
    if repeat_at < now {
        Ok(NotifyReason::RepeatIntervalElapsed)
    } else {
        Err(Quiet::NothingNew { repeat_at })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::nflog::{LogKey, ReceiverKey, Trail};

    fn entry(firing: &[u64], resolved: &[u64], held: &[u64]) -> NflogEntry {
        let receiver = ReceiverKey {
            group_name: "r".into(),
            integration: "webhook".into(),
            index: 0,
        };
        NflogEntry {
            key: LogKey {
                group_key: "{}:{}".into(),
                receiver,
            },
            seq: 1,
            edit: 0,
            timestamp: Timestamp::from_unix(1000, 0),
            firing: firing.into(),
            resolved: resolved.into(),
            held: held.into(),
            receiver_data: BTreeMap::new(),
            repeat_interval: Duration::from_secs(100),
            trail: Trail::default(),
            expires_at: Timestamp::MAX,
        }
    }

    #[test]
    fn the_table_of_upstream() {
        use NotifyReason::*;
        let quiet = Err(Quiet::NothingNew {
            repeat_at: Timestamp::from_unix(1100, 0),
        });
        let told = |f: &[u64], r: &[u64]| Some(entry(f, r, &[]));
        for (entry, firing, resolved, send_resolved, at, expect, why) in [
            (
                None,
                vec![1],
                vec![],
                true,
                1001,
                Ok(FirstNotification),
                "no entry",
            ),
            (
                None,
                vec![],
                vec![1],
                true,
                1001,
                Err(Quiet::NothingFires),
                "no entry, nothing fires",
            ),
            (
                told(&[1], &[]),
                vec![1, 2],
                vec![],
                true,
                1001,
                Ok(NewAlertsAdded),
                "a new alert",
            ),
            (
                told(&[], &[1]),
                vec![2],
                vec![],
                true,
                1001,
                Ok(FirstNotification),
                "new after all resolved",
            ),
            (
                told(&[1], &[]),
                vec![],
                vec![1],
                true,
                1001,
                Ok(AllAlertsResolved),
                "the last resolved",
            ),
            (
                told(&[1], &[]),
                vec![],
                vec![1],
                false,
                1001,
                Ok(AllAlertsResolved),
                "whatever send_resolved says",
            ),
            (
                told(&[], &[1]),
                vec![],
                vec![1],
                true,
                1001,
                Err(Quiet::NothingFires),
                "told already",
            ),
            (
                told(&[1, 2], &[]),
                vec![1],
                vec![2],
                true,
                1001,
                Ok(SomeAlertsResolved),
                "one of two resolved",
            ),
            (
                told(&[1, 2], &[]),
                vec![1],
                vec![2],
                false,
                1001,
                quiet.clone(),
                "but resolves are not sent",
            ),
            (
                told(&[1, 2], &[]),
                vec![1],
                vec![],
                true,
                1001,
                quiet.clone(),
                "one vanished",
            ),
            (
                told(&[1], &[]),
                vec![1],
                vec![],
                true,
                1100,
                quiet,
                "the repeat is due strictly after",
            ),
            (
                told(&[1], &[]),
                vec![1],
                vec![],
                true,
                1101,
                Ok(RepeatIntervalElapsed),
                "the repeat",
            ),
        ] {
            let hashes = Hashes {
                firing: firing.into(),
                resolved: resolved.into(),
            };
            let now = Timestamp::from_unix(at, 0);
            let got = reason_to_notify(
                entry.as_ref(),
                &hashes,
                send_resolved,
                Duration::from_secs(100),
                now,
            );
            assert_eq!(got, expect, "{why}");
        }
    }

    #[test]
    fn a_held_resolve_is_told() {
        let hashes = Hashes {
            firing: Arc::default(),
            resolved: [7].into(),
        };
        let decide = |entry| {
            reason_to_notify(
                Some(&entry),
                &hashes,
                true,
                Duration::from_secs(100),
                Timestamp::from_unix(1001, 0),
            )
        };
        assert_eq!(
            decide(entry(&[], &[], &[7])),
            Ok(NotifyReason::AllAlertsResolved)
        );
        assert_eq!(decide(entry(&[], &[], &[8])), Err(Quiet::NothingFires));
    }
}
