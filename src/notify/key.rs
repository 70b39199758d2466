//! Names of notifications that every node derives alike.

use std::{collections::BTreeSet, sync::Arc};

use sha2::{Digest as _, Sha256};

use crate::{alert::Alert, nflog::LogKey, time::Timestamp};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The number of the first notification of a group: the Unix second of its earliest alert, so that numbers do not return
/// after the log has forgotten the group.
#[must_use]
pub(super) fn first_seq(alerts: &[Arc<Alert>]) -> u64 {
    let earliest = alerts
        .iter()
        .map(|alert| alert.starts_at.unix_seconds())
        .min()
        .unwrap_or_default();
    u64::try_from(earliest).unwrap_or_default()
}

/// The idempotency key: 160 bits of SHA-256 over cluster, integration, group, number and the set of (fingerprint, status,
/// start), in base32. It does not depend on who sends or how it is rendered.
#[must_use]
pub(super) fn idempotency_key(
    cluster: &str,
    key: &LogKey,
    seq: u64,
    alerts: &[Arc<Alert>],
    at: Timestamp,
) -> Arc<str> {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    text(cluster);
    text(&key.receiver.to_string());
    text(&key.group_key);
    hash.update(seq.to_be_bytes());
    let set: BTreeSet<_> = alerts
        .iter()
        .map(|alert| {
            (
                alert.fingerprint.0,
                alert.is_resolved_at(at),
                alert.starts_at.unix_parts(),
            )
        })
        .collect();
    for (fingerprint, resolved, (seconds, nanos)) in set {
        hash.update(fingerprint.to_be_bytes());
        hash.update([u8::from(resolved)]);
        hash.update(seconds.to_be_bytes());
        hash.update(nanos.to_be_bytes());
    }
    base32(&hash.finalize()[..20]).into()
}

/// The key of a digest of notifications with these keys.
#[must_use]
pub(super) fn digest_key<'a>(keys: impl Iterator<Item = &'a str>) -> Arc<str> {
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(key);
        hash.update([0]);
    }
    base32(&hash.finalize()[..20]).into()
}

fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 8 / 5);
    for chunk in bytes.chunks(5) {
        let bits = chunk
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte))
            << (8 * (5 - chunk.len()));
        for shift in (0..8).rev() {
            let digit = usize::try_from(bits >> (5 * shift) & 31).expect("five bits");
            out.push(char::from(BASE32[digit]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_rfc_4648() {
        assert_eq!(base32(b"fooba"), "MZXW6YTB");
        assert_eq!(base32(b"foobafooba"), "MZXW6YTBMZXW6YTB");
    }
}
