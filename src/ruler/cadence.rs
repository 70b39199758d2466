//! When a group is evaluated: slots that all nodes compute alike (`Group.EvalTimestamp` of Prometheus's `rules/group.go`).

/// The slots of a group: `offset`, `offset + interval`, and so on, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    interval: i64,
    offset: i64,
}

impl Cadence {
    /// Slots of `interval` milliseconds; `offset` shifts them and counts modulo the interval.
    #[must_use]
    pub fn new(interval: i64, offset: i64) -> Self {
        let interval = interval.max(1);
        Self {
            interval,
            offset: offset.rem_euclid(interval),
        }
    }

    /// Milliseconds between slots.
    #[must_use]
    pub fn interval(self) -> i64 {
        self.interval
    }

    /// The last slot that is not after `time`; Unix milliseconds.
    #[must_use]
    pub fn slot(self, time: i64) -> i64 {
        let since = time.saturating_sub(self.offset);
        since.saturating_sub(since.rem_euclid(self.interval)) + self.offset
    }

    /// The first slot after `time`; Unix milliseconds.
    #[must_use]
    pub fn after(self, time: i64) -> i64 {
        self.slot(time).saturating_add(self.interval)
    }

    /// Whether `time` is a slot.
    #[must_use]
    pub fn has(self, time: i64) -> bool {
        self.slot(time) == time
    }

    /// How many slots lie between two.
    #[must_use]
    pub fn between(self, earlier: i64, later: i64) -> u64 {
        let steps = later.saturating_sub(earlier) / self.interval - 1;
        u64::try_from(steps).unwrap_or(0)
    }
}

/// Spreads groups over their intervals: FNV-1a over a component's name, 64 bits.
pub(super) fn spread(name: &str) -> i64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::try_from(hash >> 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_are_an_interval_apart(interval in 1..10_000_000_i64, offset in any::<i64>(), time in -1_i64 << 50..1 << 50) {
            let cadence = Cadence::new(interval, offset);
            let slot = cadence.slot(time);
            prop_assert!(slot <= time && time < slot + interval);
            prop_assert_eq!(cadence.after(time), slot + interval);
            prop_assert!(cadence.has(slot));
            prop_assert_eq!(cadence.slot(slot + interval - 1), slot);
            prop_assert_eq!(cadence.between(slot, slot + 3 * interval), 2);
        }

        #[test]
        fn an_interval_that_divides_another_shares_its_slots(minute in 1..1_000_i64, times in 1..60_i64, offset in any::<i64>(), time in 0..1_i64 << 45) {
            let (short, long) = (Cadence::new(minute, offset), Cadence::new(minute * times, offset));
            prop_assert!(short.has(long.slot(time)));
        }
    }
}
