//! Who goes first: rendezvous hashing, so that the order of the others stays when a node comes or goes.

use xxhash_rust::xxh64::xxh64;

use crate::{config::Integration, nflog::LogKey, notify::rate::Bucket};

/// What ranks are computed for: the group at its receiver; where a receiver may be told only so often, the receiver's
/// address, so that one node keeps to its limit.
#[must_use]
pub fn rank_key(key: &LogKey, integration: Option<&Integration>) -> Vec<u8> {
    let limited = integration.filter(|integration| {
        integration.rate_limit.is_some() || integration.settings.default_rate_limit().is_some()
    });
    match limited {
        Some(integration) => format!("{:?}", Bucket::of(&key.receiver, integration)).into_bytes(),
        None => key.to_string().into_bytes(),
    }
}

/// How many of `others` go before `me` for `what`.
#[must_use]
pub fn rank<'a>(me: &str, others: impl IntoIterator<Item = &'a str>, what: &[u8]) -> usize {
    let weight = |name: &str| {
        (
            xxh64(what, xxh64(name.as_bytes(), 0)),
            xxh64(name.as_bytes(), 1),
        )
    };
    let own = weight(me);
    others
        .into_iter()
        .filter(|other| *other != me && weight(other) > own)
        .count()
}
