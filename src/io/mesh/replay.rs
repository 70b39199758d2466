//! The window of datagram counters: each is taken once, and those that are too old never.

/// Which of the last counters came.
#[derive(Debug, Default)]
pub(super) struct ReplayWindow {
    /// One more than the highest counter that came.
    next: u64,
    /// Bit `i` is the counter `next - 1 - i`.
    seen: u128,
}

impl ReplayWindow {
    /// Takes a counter in; `false` if it came before or is too old to know.
    pub(super) fn take(&mut self, counter: u64) -> bool {
        let Some(after) = counter.checked_add(1) else {
            return false;
        };
        if after > self.next {
            let ahead = u32::try_from(after - self.next).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.next = after;
            return true;
        }
        let Some(bit) = u32::try_from(self.next - after)
            .ok()
            .and_then(|behind| 1_u128.checked_shl(behind))
        else {
            return false;
        };
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_counter_is_taken_once(counters in prop::collection::vec(prop_oneof![0..300_u64, any::<u64>()], 0..200)) {
            let mut window = ReplayWindow::default();
            let mut taken = BTreeSet::new();
            for counter in counters {
                let highest = taken.last().copied();
                let is_taken = window.take(counter);
                if is_taken {
                    prop_assert!(taken.insert(counter));
                } else {
                    let old = highest.is_some_and(|highest| highest - counter.min(highest) >= 128);
                    prop_assert!(taken.contains(&counter) || old || counter == u64::MAX);
                }
            }
        }
    }
}
