//! Which of two copies of an alert holds, and hashes of what else is compared.

use std::time::Duration;

use xxhash_rust::xxh64::Xxh64;

use crate::{
    alert::Alert,
    labels::LabelSet,
    storage::{AlertCopy, Refresh},
    time::Timestamp,
};

/// An end counts as heard so much later than it was. Refreshes are told late, and by clocks that may differ: whoever takes
/// in an end may not know of one that another node heard before, perhaps at a later time by its clock. It is at least how
/// far clocks may differ before they are corrected.
const END_COUNTS_LATER: Duration = Duration::from_secs(5);

/// When a copy of an alert was heard, as it counts among copies.
fn counts_from(updated_at: Timestamp, ends_at: Timestamp) -> Timestamp {
    let ended = !ends_at.is_zero() && ends_at <= updated_at;
    if ended {
        updated_at.plus(END_COUNTS_LATER)
    } else {
        updated_at
    }
}

/// When an alert must have been heard, at least, to count after the copy that its node knows; `ends` says whether it does.
pub(in crate::tenant) fn counts_after(known: &Alert, ends: bool) -> Timestamp {
    let heard = if ends {
        known.updated_at
    } else {
        counts_from(known.updated_at, known.ends_at)
    };
    heard.plus(Duration::from_nanos(1))
}

/// What decides between two copies of one alert; the greater one holds. Total on contents, so that merging is
/// commutative, associative and idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AlertVersion {
    counts_from: Timestamp,
    updated_at: Timestamp,
    /// A node that heard of the alert since knows its end; one that was down has only guessed it.
    heard: bool,
    starts_at: Timestamp,
    ends_at: Timestamp,
    timeout: bool,
    contents: u64,
}

impl AlertVersion {
    /// The version of an alert; `outage` as in [`AlertCopy`].
    pub(super) fn new(alert: &Alert, outage: Option<Timestamp>) -> Self {
        Self {
            counts_from: counts_from(alert.updated_at, alert.ends_at),
            updated_at: alert.updated_at,
            heard: outage.is_none(),
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            timeout: alert.timeout,
            contents: alert_contents(alert),
        }
    }

    /// The version of a copy from another node.
    pub(super) fn of(copy: &AlertCopy) -> Self {
        Self::new(&copy.alert, copy.outage)
    }

    /// What a refresh makes of an alert with the same contents.
    pub(super) fn refreshed(self, refresh: &Refresh) -> Self {
        Self {
            counts_from: counts_from(refresh.updated_at, refresh.ends_at),
            updated_at: refresh.updated_at,
            heard: true,
            ends_at: refresh.ends_at,
            timeout: refresh.timeout,
            ..self
        }
    }

    /// A hash of the version. Whether it was heard of does not count: it is no difference to repair.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = Hasher::new();
        hasher.time(self.updated_at);
        hasher.time(self.starts_at);
        hasher.time(self.ends_at);
        hasher.number(u64::from(self.timeout));
        hasher.number(self.contents);
        hasher.finish()
    }
}

/// A hash of what a refresh does not say of an alert.
pub(super) fn alert_contents(alert: &Alert) -> u64 {
    let mut hasher = Hasher::new();
    hasher.time(alert.starts_at);
    hasher.labels(&alert.annotations);
    hasher.text(&alert.generator_url);
    hasher.finish()
}

/// xxh64 over parts that cannot run into each other.
pub(super) struct Hasher(Xxh64);

impl Hasher {
    pub(super) fn new() -> Self {
        Self(Xxh64::new(0))
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    pub(super) fn time(&mut self, at: Timestamp) {
        let (seconds, nanos) = at.unix_parts();
        self.number(seconds.cast_unsigned());
        self.number(u64::from(nanos.cast_unsigned()));
    }

    pub(super) fn numbers(&mut self, numbers: &[u64]) {
        self.number(numbers.len() as u64);
        for number in numbers {
            self.number(*number);
        }
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.digest()
    }

    fn labels(&mut self, labels: &LabelSet) {
        for (name, value) in labels {
            self.text(name);
            self.text(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::labels::Fingerprint;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_795_000_000 + seconds, 0)
    }

    fn any_copy() -> impl Strategy<Value = AlertCopy> {
        let times = (0..3_i64, 0..2_i64, 0..3_i64);
        (times, any::<bool>(), 0..2_u8, prop::option::of(0..2_i64)).prop_map(
            |((updated, starts, ends), timeout, text, outage)| AlertCopy {
                alert: Alert {
                    labels: LabelSet::empty(),
                    annotations: LabelSet::from_pairs([("n", text.to_string())]),
                    generator_url: "".into(),
                    starts_at: at(starts),
                    ends_at: at(ends),
                    updated_at: at(updated),
                    timeout,
                    fingerprint: Fingerprint(1),
                },
                outage: outage.map(at),
            },
        )
    }

    fn merged(copies: &[AlertCopy]) -> Alert {
        let best = copies.iter().max_by_key(|copy| AlertVersion::of(copy));
        best.unwrap().alert.clone()
    }

    proptest! {
        #[test]
        fn merging_does_not_depend_on_order_or_repetition(
            (copies, shuffled) in prop::collection::vec(any_copy(), 1..8)
                .prop_flat_map(|copies| (Just(copies.clone()), Just(copies).prop_shuffle())),
            repeat in any::<prop::sample::Index>(),
        ) {
            let expect = merged(&copies);
            prop_assert_eq!(&merged(&shuffled), &expect);
            let mut again = shuffled;
            again.push(copies[repeat.index(copies.len())].clone());
            prop_assert_eq!(&merged(&again), &expect);
        }
    }

    fn ending(updated: i64, ends: i64) -> Alert {
        Alert {
            labels: LabelSet::empty(),
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: at(0),
            ends_at: at(ends),
            updated_at: at(updated),
            timeout: false,
            fingerprint: Fingerprint(1),
        }
    }

    #[test]
    fn an_end_holds_against_a_refresh_that_another_node_heard_at_about_the_same_time() {
        let version = |alert: &Alert| AlertVersion::new(alert, None);
        let end = ending(100, 99);
        for (refreshed, holds) in [(90, true), (101, true), (104, true), (106, false)] {
            let refresh = ending(refreshed, refreshed + 240);
            assert_eq!(version(&end) > version(&refresh), holds, "{refreshed}");
        }
        // Whoever knows of the end and hears that the alert fires again is believed, however soon that is.
        let again = Alert {
            updated_at: counts_after(&end, false).max(at(101)),
            ..ending(101, 341)
        };
        assert!(version(&again) > version(&end));
        let ends_again = counts_after(&end, true).max(at(100));
        assert!(ends_again < at(101), "{ends_again:?}");
    }

    #[test]
    fn who_heard_of_an_alert_knows_its_end_better_than_who_was_down() {
        let alert = ending(0, 300);
        let heard = AlertVersion::new(&alert, None);
        let guessed = Alert {
            ends_at: at(600),
            ..alert
        };
        assert!(heard > AlertVersion::new(&guessed, Some(at(-60))));
    }
}
