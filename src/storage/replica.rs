//! What nodes tell each other: one record of a replicated map, in the encodings of the store where it has them.
//!
//! A map that this version does not know is no error: a later version speaks of it.

use std::sync::Arc;

use prost::Message;

use super::{
    GroupSchedule,
    alert_record::{AlertRecord, decode_record, encode_full},
    decode_history, decode_nflog, decode_rule, decode_schedules, decode_silence, encode_history,
    encode_nflog, encode_rule_copy, encode_schedules, encode_silence,
    error::RecordError,
    records::{PbInstant, instant, unversioned, versioned},
};
use crate::{
    alert::Alert, decoder::Decoder, history::HistoryEntry, labels::Fingerprint, nflog::NflogEntry,
    ruler::RuleCopy, silence::Silence, time::Timestamp,
};

/// The kinds of records that nodes exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicaMap {
    /// Silences.
    Silences,
    /// The notification log.
    Log,
    /// Alerts, whole.
    Alerts,
    /// When groups are next due.
    Schedules,
    /// Alerts of which only the end moved, many in one.
    Refreshes,
    /// Notifications, for people.
    History,
    /// Who evaluates which rules, and what their alerts are.
    Rules,
}

impl ReplicaMap {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Silences,
        Self::Log,
        Self::Alerts,
        Self::Schedules,
        Self::Refreshes,
        Self::History,
        Self::Rules,
    ];

    /// The number by which nodes name it.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Silences => 1,
            Self::Log => 2,
            Self::Alerts => 3,
            Self::Schedules => 4,
            Self::Refreshes => 5,
            Self::History => 6,
            Self::Rules => 7,
        }
    }

    /// The kind of that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|map| map.number() == number)
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silences => "silences",
            Self::Log => "nflog",
            Self::Alerts => "alerts",
            Self::Schedules => "schedules",
            Self::Refreshes => "refreshes",
            Self::History => "history",
            Self::Rules => "rules",
        }
    }
}

/// An alert as one node has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertCopy {
    /// The alert.
    pub alert: Alert,
    /// When the outage began whose time was added to the alert's end; `None` if the node heard of the alert since.
    pub outage: Option<Timestamp>,
}

/// That an alert still fires and only its end moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// Which alert.
    pub fingerprint: Fingerprint,
    /// A hash of what a refresh does not say; whoever has other contents asks for the alert.
    pub contents: u64,
    /// When it was posted.
    pub updated_at: Timestamp,
    /// Its new end.
    pub ends_at: Timestamp,
    /// Whether that is a guess.
    pub timeout: bool,
}

/// A record from another node.
#[derive(Debug, Clone, PartialEq)]
pub enum Replica {
    /// A silence.
    Silence(Silence),
    /// An entry of the notification log.
    Log(NflogEntry),
    /// An alert.
    Alert(AlertCopy),
    /// Schedules of groups.
    Schedules(Vec<GroupSchedule>),
    /// Refreshes.
    Refreshes(Vec<Refresh>),
    /// History.
    History(Vec<HistoryEntry>),
    /// A record of rules.
    Rule(RuleCopy),
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbAlertCopy {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(bytes = "vec", tag = "2")]
    alert: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    outage: Option<PbInstant>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbRefreshes {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(message, repeated, tag = "2")]
    refreshes: Vec<PbReplicaRefresh>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct PbReplicaRefresh {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(fixed64, tag = "2")]
    contents: u64,
    #[prost(message, optional, tag = "3")]
    updated_at: Option<PbInstant>,
    #[prost(message, optional, tag = "4")]
    ends_at: Option<PbInstant>,
    #[prost(bool, tag = "5")]
    timeout: bool,
}

/// Encodes an alert for another node; `outage` as in [`AlertCopy`].
#[must_use]
pub fn encode_alert(tenant: &str, alert: &Alert, outage: Option<Timestamp>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    encode_full(alert, &mut bytes);
    versioned(&PbAlertCopy {
        tenant: tenant.to_owned(),
        alert: bytes,
        outage: outage.map(PbInstant::from),
    })
}

/// Encodes refreshes for another node.
#[must_use]
pub fn encode_refreshes(tenant: &str, refreshes: &[Refresh]) -> Vec<u8> {
    let refreshes = refreshes.iter().map(|refresh| PbReplicaRefresh {
        fingerprint: refresh.fingerprint.0,
        contents: refresh.contents,
        updated_at: Some(refresh.updated_at.into()),
        ends_at: Some(refresh.ends_at.into()),
        timeout: refresh.timeout,
    });
    versioned(&PbRefreshes {
        tenant: tenant.to_owned(),
        refreshes: refreshes.collect(),
    })
}

/// Decodes a record and its tenant.
///
/// # Errors
/// When the bytes are damaged.
pub fn decode_replica(map: ReplicaMap, bytes: &[u8]) -> Result<(Arc<str>, Replica), RecordError> {
    Ok(match map {
        ReplicaMap::Silences => {
            let (tenant, silence) = decode_silence(bytes)?;
            (tenant, Replica::Silence(silence))
        }
        ReplicaMap::Log => {
            let (tenant, entry) = decode_nflog(bytes)?;
            (tenant, Replica::Log(entry))
        }
        ReplicaMap::Alerts => decode_alert(bytes)?,
        ReplicaMap::Schedules => {
            let schedules = decode_schedules(bytes)?;
            let first = schedules.first();
            let tenant = first.map(|first| Arc::clone(&first.tenant));
            (tenant.unwrap_or_default(), Replica::Schedules(schedules))
        }
        ReplicaMap::Refreshes => decode_refreshes(bytes)?,
        ReplicaMap::History => {
            let entries = decode_history(bytes)?;
            let first = entries.first();
            let tenant = first.map(|first| Arc::clone(&first.tenant));
            (tenant.unwrap_or_default(), Replica::History(entries))
        }
        ReplicaMap::Rules => {
            let (tenant, record) = decode_rule(bytes)?;
            (tenant, Replica::Rule(record))
        }
    })
}

/// A decoder for each kind of record, by its name.
#[doc(hidden)]
#[must_use]
pub fn decoders() -> Vec<Decoder> {
    let decoder = |map: ReplicaMap| {
        let read = move |bytes: &[u8]| decode_replica(map, bytes).ok();
        Decoder::new(map.as_str(), read, |(tenant, replica)| {
            encode_replica(&tenant, &replica)
        })
    };
    ReplicaMap::ALL.into_iter().map(decoder).collect()
}

fn encode_replica(tenant: &str, replica: &Replica) -> Vec<u8> {
    match replica {
        Replica::Silence(silence) => encode_silence(tenant, silence),
        Replica::Log(entry) => encode_nflog(tenant, entry),
        Replica::Alert(copy) => encode_alert(tenant, &copy.alert, copy.outage),
        Replica::Schedules(schedules) => encode_schedules(schedules),
        Replica::Refreshes(refreshes) => encode_refreshes(tenant, refreshes),
        Replica::History(entries) => {
            let entries: Vec<_> = entries.iter().cloned().map(Arc::new).collect();
            encode_history(&entries)
        }
        Replica::Rule(record) => encode_rule_copy(tenant, record),
    }
}

fn decode_alert(bytes: &[u8]) -> Result<(Arc<str>, Replica), RecordError> {
    let copy: PbAlertCopy = unversioned("alert", bytes)?;
    let record = decode_record(&copy.alert).map_err(|source| RecordError::Damaged {
        what: "alert",
        source,
    })?;
    let Some(AlertRecord::Full(alert)) = record else {
        return Err(RecordError::Missing {
            what: "alert",
            part: "contents",
        });
    };
    let outage = copy.outage.map(Timestamp::from);
    Ok((
        copy.tenant.into(),
        Replica::Alert(AlertCopy { alert, outage }),
    ))
}

fn decode_refreshes(bytes: &[u8]) -> Result<(Arc<str>, Replica), RecordError> {
    let batch: PbRefreshes = unversioned("refreshes of alerts", bytes)?;
    let refreshes = batch.refreshes.into_iter().map(|refresh| Refresh {
        fingerprint: Fingerprint(refresh.fingerprint),
        contents: refresh.contents,
        updated_at: instant(refresh.updated_at),
        ends_at: instant(refresh.ends_at),
        timeout: refresh.timeout,
    });
    Ok((batch.tenant.into(), Replica::Refreshes(refreshes.collect())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::labels::LabelSet;

    fn alert() -> Alert {
        let labels = LabelSet::from_pairs([("alertname", "Down"), ("i", "ü")]);
        Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: LabelSet::from_pairs([("summary", "x")]),
            generator_url: "http://p".into(),
            starts_at: Timestamp::from_unix(1_795_000_000, 1),
            ends_at: Timestamp::from_unix(1_795_000_300, 2),
            updated_at: Timestamp::from_unix(1_795_000_001, 3),
            timeout: true,
        }
    }

    fn refresh() -> Refresh {
        Refresh {
            fingerprint: Fingerprint(u64::MAX),
            contents: 7,
            updated_at: Timestamp::from_unix(-1, 999_999_999),
            ends_at: Timestamp::ZERO,
            timeout: true,
        }
    }

    #[test]
    fn alerts_and_refreshes_come_back() {
        for outage in [None, Some(Timestamp::from_unix(1_794_999_000, 5))] {
            let bytes = encode_alert("t", &alert(), outage);
            let copy = AlertCopy {
                alert: alert(),
                outage,
            };
            let decoded = decode_replica(ReplicaMap::Alerts, &bytes).unwrap();
            assert_eq!(decoded, ("t".into(), Replica::Alert(copy)));
        }
        let bytes = encode_refreshes("t", &[refresh(), refresh()]);
        let decoded = decode_replica(ReplicaMap::Refreshes, &bytes).unwrap();
        assert_eq!(
            decoded,
            ("t".into(), Replica::Refreshes(vec![refresh(), refresh()]))
        );
    }

    #[test]
    fn numbers_name_maps() {
        for map in ReplicaMap::ALL {
            assert_eq!(ReplicaMap::from_number(map.number()), Some(map));
        }
        assert_eq!(ReplicaMap::from_number(0), None);
        assert_eq!(ReplicaMap::from_number(99), None);
    }

    proptest! {
        #[test]
        fn hostile_records_never_panic(
            map in 0..ReplicaMap::ALL.len(),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let map = ReplicaMap::ALL[map];
            let _ = decode_replica(map, &bytes);
            let mut bytes = match map {
                ReplicaMap::Refreshes => encode_refreshes("t", &[refresh()]),
                ReplicaMap::Silences | ReplicaMap::Log | ReplicaMap::Alerts
                | ReplicaMap::Schedules | ReplicaMap::History | ReplicaMap::Rules => encode_alert("t", &alert(), None),
            };
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode_replica(map, &bytes);
            let _ = decode_replica(map, &bytes[..at]);
        }
    }
}
