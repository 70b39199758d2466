//! Encodings of everything that is kept but alerts: a version byte, then protobuf with the tenant in it.
//!
//! A version is read forever; unknown fields are skipped, so fields may be added without a new version. Fields 16 to 31
//! of each record are left for what replication adds (clock, origin, dot).

use std::{sync::Arc, time::Duration};

use prost::Message;

use super::error::RecordError;
use crate::{
    history::{HistoryEntry, Outcome},
    labels::{Fingerprint, LabelSet},
    nflog::{
        NflogEntry, Trail,
        wire::{MeshEntry, sorted},
    },
    silence::{Silence, wire::MeshSilence},
    time::Timestamp,
};

/// The version that is written, and the highest that is read.
pub(super) const VERSION: u8 = 1;

/// When a group is next due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSchedule {
    /// Whose group.
    pub tenant: Arc<str>,
    /// The route that made the group, in the form that tells equal routes apart.
    pub route_id: Arc<str>,
    /// The receiver.
    pub receiver: Arc<str>,
    /// The group.
    pub group_key: Arc<str>,
    /// When the group came to be.
    pub created_at: Timestamp,
    /// When this was written.
    pub saved_at: Timestamp,
    /// From `saved_at` to the next flush.
    pub next_flush_in: Duration,
    /// When it was last flushed; `Timestamp::ZERO` if never.
    pub last_flush_at: Timestamp,
    /// Whether the group is gone; such a record only overrides an older one.
    pub gone: bool,
    /// How often the group was flushed, by whichever node.
    pub flushes: u64,
}

/// That the node lived at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// When.
    pub at: Timestamp,
    /// Whether the node stopped then, on purpose.
    pub stopped: bool,
}

#[derive(Clone, PartialEq, Message)]
struct SilenceRecord {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(message, optional, tag = "2")]
    mesh: Option<MeshSilence>,
    #[prost(uint64, tag = "3")]
    rev: u64,
    #[prost(bool, tag = "4")]
    expired_by_user: bool,
}

#[derive(Clone, PartialEq, Message)]
struct NflogRecord {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(message, optional, tag = "2")]
    mesh: Option<MeshEntry>,
    #[prost(uint64, tag = "3")]
    seq: u64,
    #[prost(uint32, tag = "4")]
    edit: u32,
    #[prost(fixed64, repeated, tag = "5")]
    held: Vec<u64>,
    #[prost(uint64, tag = "6")]
    repeat_interval_nanos: u64,
    /// Tellers and numbers, in turn.
    #[prost(fixed64, repeated, tag = "7")]
    trail: Vec<u64>,
    /// Numbers and names, in turn.
    #[prost(fixed64, repeated, tag = "8")]
    names: Vec<u64>,
}

/// Seconds since 1970 and nanoseconds; the default is 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct PbInstant {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ScheduleBatch {
    #[prost(message, repeated, tag = "1")]
    schedules: Vec<ScheduleRecord>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ScheduleRecord {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(string, tag = "2")]
    route_id: String,
    #[prost(string, tag = "3")]
    receiver: String,
    #[prost(string, tag = "4")]
    group_key: String,
    #[prost(message, optional, tag = "5")]
    created_at: Option<PbInstant>,
    #[prost(message, optional, tag = "6")]
    saved_at: Option<PbInstant>,
    #[prost(uint64, tag = "7")]
    next_flush_in_nanos: u64,
    #[prost(message, optional, tag = "8")]
    last_flush_at: Option<PbInstant>,
    #[prost(bool, tag = "9")]
    gone: bool,
    #[prost(uint64, tag = "10")]
    flushes: u64,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct HistoryBatch {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<HistoryRecord>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct HistoryRecord {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(uint64, tag = "2")]
    id: u64,
    #[prost(message, optional, tag = "3")]
    at: Option<PbInstant>,
    #[prost(string, tag = "4")]
    receiver: String,
    #[prost(string, tag = "5")]
    integration: String,
    #[prost(uint32, tag = "6")]
    index: u32,
    #[prost(string, tag = "7")]
    group_key: String,
    /// Names and values in turn.
    #[prost(string, repeated, tag = "8")]
    group_labels: Vec<String>,
    #[prost(string, tag = "9")]
    status: String,
    #[prost(string, tag = "10")]
    reason: String,
    #[prost(uint32, tag = "11")]
    outcome: u32,
    #[prost(uint32, tag = "12")]
    attempts: u32,
    #[prost(string, tag = "13")]
    error: String,
    #[prost(uint64, tag = "14")]
    duration_nanos: u64,
    #[prost(uint64, tag = "15")]
    firing: u64,
    #[prost(uint64, tag = "32")]
    resolved: u64,
    #[prost(fixed64, repeated, tag = "33")]
    fingerprints: Vec<u64>,
    #[prost(string, tag = "34")]
    node: String,
    #[prost(uint64, tag = "35")]
    seq: u64,
    #[prost(string, tag = "36")]
    idempotency_key: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct HeartbeatRecord {
    #[prost(message, optional, tag = "1")]
    at: Option<PbInstant>,
    #[prost(bool, tag = "2")]
    stopped: bool,
}

/// Encodes a silence.
#[must_use]
pub fn encode_silence(tenant: &str, silence: &Silence) -> Vec<u8> {
    versioned(&SilenceRecord {
        tenant: tenant.to_owned(),
        mesh: Some(silence.into()),
        rev: silence.rev,
        expired_by_user: silence.expired_by_user,
    })
}

/// Decodes a silence and its tenant.
///
/// # Errors
/// When the bytes are damaged or a matcher does not compile.
pub fn decode_silence(bytes: &[u8]) -> Result<(Arc<str>, Silence), RecordError> {
    let record: SilenceRecord = unversioned("silence", bytes)?;
    let mesh = record.mesh.ok_or(RecordError::Missing {
        what: "silence",
        part: "contents",
    })?;
    let silence = Silence {
        rev: record.rev,
        expired_by_user: record.expired_by_user,
        ..Silence::try_from(mesh)?
    };
    Ok((record.tenant.into(), silence))
}

/// Encodes a notification-log entry.
#[must_use]
pub fn encode_nflog(tenant: &str, entry: &NflogEntry) -> Vec<u8> {
    let (told, names) = (entry.trail.told(), entry.trail.names());
    versioned(&NflogRecord {
        tenant: tenant.to_owned(),
        mesh: Some(MeshEntry::new(entry, entry.expires_at)),
        seq: entry.seq,
        edit: entry.edit,
        held: entry.held.to_vec(),
        repeat_interval_nanos: nanos(entry.repeat_interval),
        trail: told
            .iter()
            .flat_map(|(teller, seq)| [*teller, *seq])
            .collect(),
        names: names.iter().flat_map(|(seq, name)| [*seq, *name]).collect(),
    })
}

/// Decodes a notification-log entry and its tenant.
///
/// # Errors
/// When the bytes are damaged.
pub fn decode_nflog(bytes: &[u8]) -> Result<(Arc<str>, NflogEntry), RecordError> {
    let record: NflogRecord = unversioned("notification log entry", bytes)?;
    let mesh = record.mesh.ok_or(RecordError::Missing {
        what: "notification log entry",
        part: "contents",
    })?;
    let entry = NflogEntry {
        seq: record.seq,
        edit: record.edit,
        held: sorted(record.held),
        repeat_interval: Duration::from_nanos(record.repeat_interval_nanos),
        trail: Trail::of(&pairs(&record.trail), &pairs(&record.names)),
        ..mesh.into_entry()?
    };
    Ok((record.tenant.into(), entry))
}

fn pairs(numbers: &[u64]) -> Vec<(u64, u64)> {
    let (pairs, _) = numbers.as_chunks::<2>();
    pairs
        .iter()
        .map(|[first, second]| (*first, *second))
        .collect()
}

/// Encodes group schedules; one value may hold many.
#[must_use]
pub fn encode_schedules(schedules: &[GroupSchedule]) -> Vec<u8> {
    versioned(&ScheduleBatch {
        schedules: schedules.iter().map(ScheduleRecord::from).collect(),
    })
}

/// Decodes group schedules.
///
/// # Errors
/// When the bytes are damaged.
pub fn decode_schedules(bytes: &[u8]) -> Result<Vec<GroupSchedule>, RecordError> {
    let batch: ScheduleBatch = unversioned("group schedules", bytes)?;
    Ok(batch.schedules.into_iter().map(Into::into).collect())
}

/// Encodes history entries; one value may hold many.
#[must_use]
pub fn encode_history(entries: &[Arc<HistoryEntry>]) -> Vec<u8> {
    versioned(&HistoryBatch {
        entries: entries.iter().map(|e| HistoryRecord::from(&**e)).collect(),
    })
}

/// Decodes history entries.
///
/// # Errors
/// When the bytes are damaged.
pub fn decode_history(bytes: &[u8]) -> Result<Vec<HistoryEntry>, RecordError> {
    let batch: HistoryBatch = unversioned("notification history", bytes)?;
    Ok(batch.entries.into_iter().map(Into::into).collect())
}

/// Encodes the heartbeat.
#[must_use]
pub fn encode_heartbeat(heartbeat: &Heartbeat) -> Vec<u8> {
    versioned(&HeartbeatRecord {
        at: Some(heartbeat.at.into()),
        stopped: heartbeat.stopped,
    })
}

/// Decodes the heartbeat.
///
/// # Errors
/// When the bytes are damaged.
pub fn decode_heartbeat(bytes: &[u8]) -> Result<Heartbeat, RecordError> {
    let record: HeartbeatRecord = unversioned("heartbeat", bytes)?;
    let at = record.at.ok_or(RecordError::Missing {
        what: "heartbeat",
        part: "time",
    })?;
    Ok(Heartbeat {
        at: at.into(),
        stopped: record.stopped,
    })
}

/// A version byte and the message.
pub(super) fn versioned(message: &impl Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.encoded_len() + 1);
    bytes.push(VERSION);
    message.encode_raw(&mut bytes);
    bytes
}

/// What follows the version byte.
pub(super) fn body(bytes: &[u8]) -> Result<&[u8], RecordError> {
    match bytes.split_first() {
        None => Err(RecordError::Empty),
        Some((&VERSION, body)) => Ok(body),
        Some((&version, _)) => Err(RecordError::Version {
            version,
            known: VERSION,
        }),
    }
}

pub(super) fn unversioned<M: Message + Default>(
    what: &'static str,
    bytes: &[u8],
) -> Result<M, RecordError> {
    M::decode(body(bytes)?).map_err(|source| RecordError::Damaged { what, source })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn instant(at: Option<PbInstant>) -> Timestamp {
    at.map_or(Timestamp::ZERO, Timestamp::from)
}

impl From<Timestamp> for PbInstant {
    fn from(at: Timestamp) -> Self {
        let (seconds, nanos) = at.unix_parts();
        Self { seconds, nanos }
    }
}

impl From<PbInstant> for Timestamp {
    fn from(at: PbInstant) -> Self {
        Self::from_unix(at.seconds, at.nanos)
    }
}

impl From<&GroupSchedule> for ScheduleRecord {
    fn from(schedule: &GroupSchedule) -> Self {
        Self {
            tenant: schedule.tenant.to_string(),
            route_id: schedule.route_id.to_string(),
            receiver: schedule.receiver.to_string(),
            group_key: schedule.group_key.to_string(),
            created_at: Some(schedule.created_at.into()),
            saved_at: Some(schedule.saved_at.into()),
            next_flush_in_nanos: nanos(schedule.next_flush_in),
            last_flush_at: Some(schedule.last_flush_at.into()),
            gone: schedule.gone,
            flushes: schedule.flushes,
        }
    }
}

impl From<ScheduleRecord> for GroupSchedule {
    fn from(record: ScheduleRecord) -> Self {
        Self {
            tenant: record.tenant.into(),
            route_id: record.route_id.into(),
            receiver: record.receiver.into(),
            group_key: record.group_key.into(),
            created_at: instant(record.created_at),
            saved_at: instant(record.saved_at),
            next_flush_in: Duration::from_nanos(record.next_flush_in_nanos),
            last_flush_at: instant(record.last_flush_at),
            gone: record.gone,
            flushes: record.flushes,
        }
    }
}

impl From<&HistoryEntry> for HistoryRecord {
    fn from(entry: &HistoryEntry) -> Self {
        Self {
            tenant: entry.tenant.to_string(),
            id: entry.id,
            at: Some(entry.at.into()),
            receiver: entry.receiver.to_string(),
            integration: entry.integration.to_string(),
            index: entry.index,
            group_key: entry.group_key.to_string(),
            group_labels: entry
                .group_labels
                .iter()
                .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
                .collect(),
            status: entry.status.to_string(),
            reason: entry.reason.to_string(),
            outcome: match entry.outcome {
                Outcome::Sent => 0,
                Outcome::Failed => 1,
                Outcome::Recorded => 2,
            },
            attempts: entry.attempts,
            error: entry.error.to_string(),
            duration_nanos: nanos(entry.duration),
            firing: entry.firing,
            resolved: entry.resolved,
            fingerprints: entry.fingerprints.iter().map(|f| f.0).collect(),
            node: entry.node.to_string(),
            seq: entry.seq,
            idempotency_key: entry.idempotency_key.to_string(),
        }
    }
}

impl From<HistoryRecord> for HistoryEntry {
    fn from(record: HistoryRecord) -> Self {
        let pairs = record.group_labels.chunks_exact(2);
        Self {
            id: record.id,
            tenant: record.tenant.into(),
            at: instant(record.at),
            receiver: record.receiver.into(),
            integration: record.integration.into(),
            index: record.index,
            group_key: record.group_key.into(),
            group_labels: LabelSet::from_pairs(pairs.map(|pair| (&pair[0], &pair[1]))),
            status: record.status.into(),
            reason: record.reason.into(),
            outcome: match record.outcome {
                0 => Outcome::Sent,
                2 => Outcome::Recorded,
                _ => Outcome::Failed,
            },
            attempts: record.attempts,
            error: record.error.into(),
            duration: Duration::from_nanos(record.duration_nanos),
            firing: record.firing,
            resolved: record.resolved,
            fingerprints: record.fingerprints.into_iter().map(Fingerprint).collect(),
            node: record.node.into(),
            seq: record.seq,
            idempotency_key: record.idempotency_key.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        labels::MatcherMode,
        nflog::{LogKey, ReceiverKey, ReceiverValue},
        silence::{MatcherText, check_matcher_sets},
    };

    fn at(seconds: i64, nanos: i32) -> Timestamp {
        Timestamp::from_unix(1_795_286_611 + seconds, nanos)
    }

    fn silence() -> Silence {
        let matcher = |op| MatcherText {
            name: "job".to_owned(),
            op,
            value: "a|b".to_owned(),
        };
        use crate::labels::MatchOp::{Equal, NotEqual, NotRegex, Regex};
        let sets = [
            vec![matcher(Equal), matcher(NotEqual)],
            vec![matcher(Regex), matcher(NotRegex)],
        ];
        Silence {
            id: "9b2c9a44-8b0a-4f2c-9d0b-0d8a7b3c2f11".into(),
            matcher_sets: check_matcher_sets(&sets, MatcherMode::Fallback).unwrap(),
            starts_at: at(0, 1),
            ends_at: at(3600, 0),
            updated_at: at(1, 0),
            created_by: "ann".to_owned(),
            comment: "wartung ü".to_owned(),
            annotations: BTreeMap::from([("ticket".to_owned(), "T-1".to_owned())]),
            expires_at: at(7200, 0),
            rev: 3,
            expired_by_user: true,
        }
    }

    fn nflog_entry() -> NflogEntry {
        let data = [
            ("n", ReceiverValue::Int(-7)),
            ("r", ReceiverValue::Double(0.5)),
            ("threadTs", ReceiverValue::Str("17.5".to_owned())),
        ];
        NflogEntry {
            key: LogKey {
                group_key: "{}:{alertname=\"A\"}".into(),
                receiver: ReceiverKey {
                    group_name: "team".into(),
                    integration: "slack".into(),
                    index: 2,
                },
            },
            seq: 1_795_286_000,
            edit: 1,
            timestamp: at(0, 5),
            firing: [1, u64::MAX].into(),
            resolved: [7].into(),
            held: [9, 10].into(),
            receiver_data: data.map(|(name, value)| (name.to_owned(), value)).into(),
            repeat_interval: Duration::from_secs(14_400),
            trail: Trail::default(),
            expires_at: at(432_000, 0),
        }
    }

    fn schedule() -> GroupSchedule {
        GroupSchedule {
            tenant: "anonymous".into(),
            route_id: "{}/{a=\"b\"}/0".into(),
            receiver: "team".into(),
            group_key: "{}/{a=\"b\"}:{}".into(),
            created_at: at(-60, 0),
            saved_at: at(0, 0),
            next_flush_in: Duration::from_millis(29_500),
            last_flush_at: Timestamp::ZERO,
            gone: false,
            flushes: 0,
        }
    }

    fn history_entry() -> HistoryEntry {
        HistoryEntry {
            id: 17,
            tenant: "anonymous".into(),
            at: at(0, 0),
            receiver: "team".into(),
            integration: "webhook".into(),
            index: 0,
            group_key: "{}:{alertname=\"A\"}".into(),
            group_labels: LabelSet::from_pairs([("alertname", "A"), ("b", "c")]),
            status: "firing".into(),
            reason: "first notification".into(),
            outcome: Outcome::Failed,
            attempts: 3,
            error: "503".into(),
            duration: Duration::from_millis(1500),
            firing: 2,
            resolved: 1,
            fingerprints: vec![Fingerprint(1), Fingerprint(u64::MAX)],
            node: "n1".into(),
            seq: 1_795_286_000,
            idempotency_key: "K".into(),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<&str> = digits
            .as_bytes()
            .chunks(100)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        lines.join("\n")
    }

    #[test]
    fn what_an_entry_knows_of_is_kept() {
        let entry = NflogEntry {
            trail: Trail::of(&[(3, 7), (5, 8)], &[(7, 1), (8, 2)]),
            ..nflog_entry()
        };
        let (_, read) = decode_nflog(&encode_nflog("a", &entry)).unwrap();
        assert_eq!(read, entry);
    }

    /// The bytes of version 1. They must never change: stores in the field hold them.
    #[test]
    fn version_1_is_written_as_ever() {
        expect![[r#"
            010a09616e6f6e796d6f757312bf010ab4010a2439623263396134342d386230612d346632632d396430622d306438613762
            336332663131120a12036a6f621a03617c62120c080212036a6f621a03617c621a0808d3cc87d8061001220608e3e887d806
            2a0608d4cc87d8064203616e6e4a0a77617274756e6720c3bc520d0a067469636b65741203542d315a1a0a0a12036a6f621a
            03617c620a0c080212036a6f621a03617c625a1c0a0c080112036a6f621a03617c620a0c080312036a6f621a03617c621206
            08f38488d80618032001"#]].assert_eq(&hex(&encode_silence("anonymous", &silence())));
        expect![[r#"
            010a09616e6f6e796d6f7573127f0a750a127b7d3a7b616c6572746e616d653d2241227d120f0a047465616d1205736c6163
            6b18022a0808d3cc87d8061005320b01ffffffffffffffffff013a010742100a016e120b10f9ffffffffffffffff01420e0a
            0172120919000000000000e03f42120a08746872656164547312060a0431372e35120608d3fba1d80618f0c787d80620012a
            1009000000000000000a000000000000003080808a978ca303"#]].assert_eq(&hex(&encode_nflog("anonymous", &nflog_entry())));
        expect![[r#"
            010a510a09616e6f6e796d6f7573120c7b7d2f7b613d2262227d2f301a047465616d220d7b7d2f7b613d2262227d3a7b7d2a
            060897cc87d806320608d3cc87d80638808ed9f26d420b088092b8c398feffffff01"#]].assert_eq(&hex(&encode_schedules(&[schedule()])));
        expect![[r#"
            010a9f010a09616e6f6e796d6f757310111a0608d3cc87d80622047465616d2a07776562686f6f6b3a127b7d3a7b616c6572
            746e616d653d2241227d4209616c6572746e616d654201414201624201634a06666972696e6752126669727374206e6f7469
            6669636174696f6e580160036a033530337080dea0cb0578028002018a02100100000000000000ffffffffffffffff920202
            6e319802f0c787d806a202014b"#]].assert_eq(&hex(&encode_history(&[Arc::new(history_entry())])));
        let heartbeat = Heartbeat {
            at: at(0, 0),
            stopped: true,
        };
        expect!["010a0608d3cc87d8061001"].assert_eq(&hex(&encode_heartbeat(&heartbeat)));
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let tenant: Arc<str> = "anonymous".into();
        let bytes = encode_silence(&tenant, &silence());
        assert_eq!(decode_silence(&bytes), Ok((tenant.clone(), silence())));
        let bytes = encode_nflog(&tenant, &nflog_entry());
        assert_eq!(decode_nflog(&bytes), Ok((tenant, nflog_entry())));
        let schedules = vec![
            schedule(),
            GroupSchedule {
                gone: true,
                flushes: 3,
                last_flush_at: at(1, 1),
                ..schedule()
            },
        ];
        assert_eq!(
            decode_schedules(&encode_schedules(&schedules)),
            Ok(schedules)
        );
        let mut entries = Vec::new();
        for outcome in Outcome::ALL {
            entries.push(HistoryEntry {
                outcome,
                ..history_entry()
            });
        }
        let shared: Vec<_> = entries.iter().cloned().map(Arc::new).collect();
        assert_eq!(decode_history(&encode_history(&shared)), Ok(entries));
        for stopped in [false, true] {
            let heartbeat = Heartbeat {
                at: at(0, 9),
                stopped,
            };
            assert_eq!(
                decode_heartbeat(&encode_heartbeat(&heartbeat)),
                Ok(heartbeat)
            );
        }
    }

    #[test]
    fn says_why_a_value_cannot_be_read() {
        assert_eq!(decode_heartbeat(&[]), Err(RecordError::Empty));
        assert_eq!(
            decode_silence(&[9, 1]).unwrap_err().to_string(),
            "stored value has format version 9, this program knows up to 1"
        );
        assert_eq!(
            decode_nflog(&[1]).unwrap_err().to_string(),
            "stored notification log entry has no contents"
        );
        assert_eq!(
            decode_history(&[1, 0xff]).unwrap_err().to_string(),
            "stored notification history is damaged"
        );
    }

    proptest! {
        #[test]
        fn hostile_values_never_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            which in 0..4_u8,
            at in any::<prop::sample::Index>(),
            flip in any::<u8>(),
        ) {
            match which {
                0 => bytes = encode_silence("t", &silence()),
                1 => bytes = encode_nflog("t", &nflog_entry()),
                2 => bytes = encode_history(&[Arc::new(history_entry())]),
                _ => bytes.insert(0, VERSION),
            }
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let _ = decode_silence(&bytes);
            let _ = decode_nflog(&bytes);
            let _ = decode_schedules(&bytes);
            let _ = decode_heartbeat(&bytes);
            if let Ok(entries) = decode_history(&bytes) {
                for mut entry in entries {
                    entry.bound();
                }
            }
        }
    }
}
