//! Who goes first: rendezvous hashing, so that the order of the others stays when a node comes or goes.

use xxhash_rust::xxh64::xxh64;

use crate::{cluster::NodeName, config::Integration, nflog::LogKey, notify::rate::Bucket};

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
    let own = weight(me, what);
    others
        .into_iter()
        .filter(|other| *other != me && weight(other, what) > own)
        .count()
}

/// Who of `names` goes first for `what`; `None` of none.
#[must_use]
pub fn first<'a>(
    names: impl IntoIterator<Item = &'a NodeName>,
    what: &[u8],
) -> Option<&'a NodeName> {
    names.into_iter().max_by_key(|name| weight(name, what))
}

fn weight(name: &str, what: &[u8]) -> (u64, u64) {
    (
        xxh64(what, xxh64(name.as_bytes(), 0)),
        xxh64(name.as_bytes(), 1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_goes_first_has_nobody_before_it() {
        let names: Vec<NodeName> = ["a", "b", "c"].map(Into::into).to_vec();
        let mut won = [0; 3];
        for what in 0..300_u32 {
            let what = what.to_be_bytes();
            let first = first(&names, &what).unwrap();
            for (name, won) in names.iter().zip(&mut won) {
                let ahead = rank(name, names.iter().map(|name| &**name), &what);
                assert_eq!(ahead == 0, name == first);
                *won += u32::from(ahead == 0);
            }
        }
        assert!(won.iter().all(|won| *won > 60), "{won:?}");
        assert_eq!(first([], b"x"), None);
    }
}
