//! Alertmanager's own encoding of a notification-log entry (`nflog/nflogpb`, v0.34), for its files and as the body of our
//! records.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Trail,
    entry::{LogKey, NflogEntry, ReceiverKey, ReceiverValue},
};
use crate::time::Timestamp;

/// An entry with the time at which it may be forgotten.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MeshEntry {
    #[prost(message, optional, tag = "1")]
    pub(crate) entry: Option<PbEntry>,
    #[prost(message, optional, tag = "2")]
    pub(crate) expires_at: Option<PbTime>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PbEntry {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) group_key: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) receiver: Option<PbReceiver>,
    #[prost(message, optional, tag = "5")]
    pub(crate) timestamp: Option<PbTime>,
    #[prost(uint64, repeated, tag = "6")]
    pub(crate) firing_alerts: Vec<u64>,
    #[prost(uint64, repeated, tag = "7")]
    pub(crate) resolved_alerts: Vec<u64>,
    #[prost(btree_map = "string, message", tag = "8")]
    pub(crate) receiver_data: BTreeMap<String, PbValue>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PbReceiver {
    #[prost(string, tag = "1")]
    pub(crate) group_name: String,
    #[prost(string, tag = "2")]
    pub(crate) integration: String,
    #[prost(uint32, tag = "3")]
    pub(crate) idx: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PbValue {
    #[prost(oneof = "PbValueKind", tags = "1, 2, 3")]
    pub(crate) value: Option<PbValueKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum PbValueKind {
    #[prost(string, tag = "1")]
    Str(String),
    #[prost(int64, tag = "2")]
    Int(i64),
    #[prost(double, tag = "3")]
    Double(f64),
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PbTime {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// An encoded entry cannot be used: a part that must be there is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("notification log entry has no {part}")]
pub struct NflogWireError {
    /// What is missing.
    pub part: &'static str,
}

impl MeshEntry {
    /// Encodes an entry that may be forgotten at `expires_at`.
    pub(crate) fn new(entry: &NflogEntry, expires_at: Timestamp) -> Self {
        let receiver = &entry.key.receiver;
        let value = |value: &ReceiverValue| PbValue {
            value: Some(match value {
                ReceiverValue::Str(text) => PbValueKind::Str(text.clone()),
                ReceiverValue::Int(number) => PbValueKind::Int(*number),
                ReceiverValue::Double(number) => PbValueKind::Double(*number),
            }),
        };
        Self {
            entry: Some(PbEntry {
                group_key: entry.key.group_key.as_bytes().to_vec(),
                receiver: Some(PbReceiver {
                    group_name: receiver.group_name.to_string(),
                    integration: receiver.integration.to_string(),
                    idx: receiver.index,
                }),
                timestamp: Some(entry.timestamp.into()),
                firing_alerts: entry.firing.to_vec(),
                resolved_alerts: entry.resolved.to_vec(),
                receiver_data: entry
                    .receiver_data
                    .iter()
                    .map(|(name, v)| (name.clone(), value(v)))
                    .collect(),
            }),
            expires_at: Some(expires_at.into()),
        }
    }

    /// Makes the entry; what Alertmanager does not know is empty, and the sequence number is the second of the timestamp.
    ///
    /// # Errors
    /// When the key or the timestamp is missing.
    pub(crate) fn into_entry(self) -> Result<NflogEntry, NflogWireError> {
        let pb = self.entry.ok_or(NflogWireError { part: "contents" })?;
        let receiver = pb.receiver.ok_or(NflogWireError { part: "receiver" })?;
        let timestamp = Timestamp::from(pb.timestamp.ok_or(NflogWireError { part: "timestamp" })?);
        Ok(NflogEntry {
            key: LogKey {
                group_key: String::from_utf8_lossy(&pb.group_key).into(),
                receiver: ReceiverKey {
                    group_name: receiver.group_name.into(),
                    integration: receiver.integration.into(),
                    index: receiver.idx,
                },
            },
            seq: u64::try_from(timestamp.unix_seconds()).unwrap_or_default(),
            edit: 0,
            timestamp,
            firing: sorted(pb.firing_alerts),
            resolved: sorted(pb.resolved_alerts),
            held: Arc::default(),
            receiver_data: pb
                .receiver_data
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.value?.into())))
                .collect(),
            repeat_interval: Duration::ZERO,
            trail: Trail::default(),
            expires_at: self.expires_at.map_or(timestamp, Timestamp::from),
        })
    }
}

impl From<PbValueKind> for ReceiverValue {
    fn from(value: PbValueKind) -> Self {
        match value {
            PbValueKind::Str(text) => Self::Str(text),
            PbValueKind::Int(number) => Self::Int(number),
            PbValueKind::Double(number) => Self::Double(number),
        }
    }
}

impl From<Timestamp> for PbTime {
    fn from(at: Timestamp) -> Self {
        let (seconds, nanos) = at.unix_parts();
        Self { seconds, nanos }
    }
}

impl From<PbTime> for Timestamp {
    fn from(at: PbTime) -> Self {
        Self::from_unix(at.seconds, at.nanos)
    }
}

/// Sorts hashes and drops repeats: Alertmanager writes them in no order, lookups here are binary.
pub(crate) fn sorted(mut hashes: Vec<u64>) -> Arc<[u64]> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes.into()
}
