//! How the alert journal writes one alert: whole, as a refresh, or as a removal.
//!
//! Alerts are the bulk of what is saved, so they are encoded by hand straight from their labels; decoding goes through
//! derived messages. A test holds the two together.

use std::sync::Arc;

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

use crate::{
    alert::Alert,
    labels::{Fingerprint, LabelSet},
    time::Timestamp,
};

/// One record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AlertRecord {
    /// The whole alert.
    Full(Alert),
    /// Only the times of an alert moved.
    Refresh {
        fingerprint: Fingerprint,
        updated_at: Timestamp,
        ends_at: Timestamp,
        timeout: bool,
    },
    /// The alert is gone.
    Removed(Fingerprint),
}

/// Exactly one field is set.
#[derive(Clone, PartialEq, Message)]
struct PbRecord {
    #[prost(message, optional, tag = "1")]
    full: Option<PbAlert>,
    #[prost(message, optional, tag = "2")]
    refresh: Option<PbRefresh>,
    #[prost(fixed64, optional, tag = "3")]
    removed: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbAlert {
    /// Names and values in turn.
    #[prost(string, repeated, tag = "1")]
    labels: Vec<String>,
    /// Names and values in turn.
    #[prost(string, repeated, tag = "2")]
    annotations: Vec<String>,
    #[prost(string, tag = "3")]
    generator_url: String,
    #[prost(int64, tag = "4")]
    starts_at: i64,
    #[prost(int32, tag = "5")]
    starts_at_nanos: i32,
    #[prost(int64, tag = "6")]
    ends_at: i64,
    #[prost(int32, tag = "7")]
    ends_at_nanos: i32,
    #[prost(int64, tag = "8")]
    updated_at: i64,
    #[prost(int32, tag = "9")]
    updated_at_nanos: i32,
    #[prost(bool, tag = "10")]
    timeout: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct PbRefresh {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(int64, tag = "2")]
    updated_at: i64,
    #[prost(int32, tag = "3")]
    updated_at_nanos: i32,
    #[prost(int64, tag = "4")]
    ends_at: i64,
    #[prost(int32, tag = "5")]
    ends_at_nanos: i32,
    #[prost(bool, tag = "6")]
    timeout: bool,
}

/// Appends a whole alert to `out`.
pub(super) fn encode_full(alert: &Alert, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(512);
    for (tag, pairs) in [(1, &alert.labels), (2, &alert.annotations)] {
        for (name, value) in pairs {
            put_text(tag, name, &mut body);
            put_text(tag, value, &mut body);
        }
    }
    put_text(3, &alert.generator_url, &mut body);
    put_time(4, alert.starts_at, &mut body);
    put_time(6, alert.ends_at, &mut body);
    put_time(8, alert.updated_at, &mut body);
    encode_key(10, WireType::Varint, &mut body);
    body.push(u8::from(alert.timeout));
    put_bytes(1, &body, out);
}

/// Appends a refresh of an alert to `out`.
pub(super) fn encode_refresh(alert: &Alert, out: &mut Vec<u8>) {
    let (updated_at, updated_at_nanos) = alert.updated_at.unix_parts();
    let (ends_at, ends_at_nanos) = alert.ends_at.unix_parts();
    let record = PbRecord {
        refresh: Some(PbRefresh {
            fingerprint: alert.fingerprint.0,
            updated_at,
            updated_at_nanos,
            ends_at,
            ends_at_nanos,
            timeout: alert.timeout,
        }),
        ..PbRecord::default()
    };
    record.encode_raw(out);
}

/// Appends a removal to `out`.
pub(super) fn encode_removed(fingerprint: Fingerprint, out: &mut Vec<u8>) {
    let record = PbRecord {
        removed: Some(fingerprint.0),
        ..PbRecord::default()
    };
    record.encode_raw(out);
}

/// Reads the next record, which stands behind its length; `None` for a kind that a later version added.
pub(super) fn decode_next(rest: &mut &[u8]) -> Result<Option<AlertRecord>, prost::DecodeError> {
    Ok(PbRecord::decode_length_delimited(rest)?.into_record())
}

/// Reads one record that stands alone.
pub(super) fn decode_record(bytes: &[u8]) -> Result<Option<AlertRecord>, prost::DecodeError> {
    Ok(PbRecord::decode(bytes)?.into_record())
}

impl PbRecord {
    fn into_record(self) -> Option<AlertRecord> {
        match self {
            Self {
                full: Some(full), ..
            } => Some(AlertRecord::Full(full.into())),
            Self {
                refresh: Some(refresh),
                ..
            } => Some(AlertRecord::Refresh {
                fingerprint: Fingerprint(refresh.fingerprint),
                updated_at: Timestamp::from_unix(refresh.updated_at, refresh.updated_at_nanos),
                ends_at: Timestamp::from_unix(refresh.ends_at, refresh.ends_at_nanos),
                timeout: refresh.timeout,
            }),
            Self { removed, .. } => {
                removed.map(|fingerprint| AlertRecord::Removed(Fingerprint(fingerprint)))
            }
        }
    }
}

impl From<PbAlert> for Alert {
    fn from(pb: PbAlert) -> Self {
        let labels = pairs(&pb.labels);
        Self {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: pairs(&pb.annotations),
            generator_url: Arc::from(pb.generator_url),
            starts_at: Timestamp::from_unix(pb.starts_at, pb.starts_at_nanos),
            ends_at: Timestamp::from_unix(pb.ends_at, pb.ends_at_nanos),
            updated_at: Timestamp::from_unix(pb.updated_at, pb.updated_at_nanos),
            timeout: pb.timeout,
        }
    }
}

fn pairs(texts: &[String]) -> LabelSet {
    LabelSet::from_pairs(texts.chunks_exact(2).map(|pair| (&pair[0], &pair[1])))
}

fn put_text(tag: u32, text: &str, out: &mut Vec<u8>) {
    put_bytes(tag, text.as_bytes(), out);
}

fn put_bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Writes seconds under `tag` and nanoseconds under the next one.
fn put_time(tag: u32, at: Timestamp, out: &mut Vec<u8>) {
    let (seconds, nanos) = at.unix_parts();
    encode_key(tag, WireType::Varint, out);
    encode_varint(seconds.cast_unsigned(), out);
    encode_key(tag + 1, WireType::Varint, out);
    encode_varint(u64::from(nanos.cast_unsigned()), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_reads_as_the_messages() {
        for (ends_at, timeout) in [
            (Timestamp::ZERO, false),
            (Timestamp::from_unix(1_795_286_911, 5), true),
            (Timestamp::from_unix(-1, 999_999_999), false),
        ] {
            let labels = LabelSet::from_pairs([
                ("alertname", "A"),
                ("ü", "x\0y"),
                ("long", &"z".repeat(300)),
            ]);
            let alert = Alert {
                fingerprint: labels.fingerprint(),
                labels,
                annotations: LabelSet::from_pairs([("empty", "")]),
                generator_url: "http://p/graph".into(),
                starts_at: Timestamp::from_unix(1_795_286_611, 88_000_000),
                ends_at,
                updated_at: Timestamp::from_unix(1_795_286_612, 1),
                timeout,
            };
            let mut bodies = [Vec::new(), Vec::new(), Vec::new()];
            encode_full(&alert, &mut bodies[0]);
            encode_refresh(&alert, &mut bodies[1]);
            encode_removed(alert.fingerprint, &mut bodies[2]);
            let mut bytes = Vec::new();
            for body in bodies {
                encode_varint(body.len() as u64, &mut bytes);
                bytes.extend(body);
            }
            let mut rest = &*bytes;
            let mut next = || decode_next(&mut rest).unwrap().unwrap();
            assert_eq!(next(), AlertRecord::Full(alert.clone()));
            assert_eq!(
                next(),
                AlertRecord::Refresh {
                    fingerprint: alert.fingerprint,
                    updated_at: alert.updated_at,
                    ends_at,
                    timeout,
                }
            );
            assert_eq!(next(), AlertRecord::Removed(alert.fingerprint));
            assert!(rest.is_empty());
        }
    }
}
