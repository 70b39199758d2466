//! Who goes first: rendezvous hashing, so that the order of the others stays when a node comes or goes.

use xxhash_rust::xxh64::xxh64;

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
