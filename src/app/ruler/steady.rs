//! A clock that is set, until the node says what the mesh makes of that.

use std::time::Duration;

use crate::time::{Now, Timestamp};

/// A wall clock that moves by more than this against the monotonic one was set.
const SET: Duration = Duration::from_secs(2);

/// How long the node is given to say how far the clock of the mesh is ahead of the one that was set.
const WAIT: Duration = Duration::from_secs(5);

/// Goes on at its pace when the wall clock is set. The correction that made the old clock right makes the new one wrong until
/// the node has looked, and a time that is wrong for a moment shifts all that is pending.
#[derive(Debug, Default)]
pub(super) struct Steady {
    last: Option<Now>,
    /// Since when the clock differs; monotonic.
    differs: Option<Duration>,
}

impl Steady {
    /// The time to go by, where the clock says `now`.
    pub(super) fn at(&mut self, now: Now) -> Now {
        let Some(last) = self.last else {
            self.last = Some(now);
            return now;
        };
        let expected = last.wall.plus(now.mono.saturating_sub(last.mono));
        if distance(now.wall, expected) <= SET {
            self.believe(now);
            return now;
        }
        let since = *self.differs.get_or_insert(now.mono);
        if now.mono.saturating_sub(since) >= WAIT {
            self.believe(now);
            return now;
        }
        Now {
            wall: expected,
            ..now
        }
    }

    /// The node said how far the clock of the mesh is ahead: what the clock says now is right.
    pub(super) fn corrected(&mut self) {
        *self = Self::default();
    }

    fn believe(&mut self, now: Now) {
        self.last = Some(now);
        self.differs = None;
    }
}

fn distance(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(mono: u64, wall: i64) -> Now {
        Now {
            mono: Duration::from_secs(mono),
            wall: Timestamp::from_millis(wall * 1000),
        }
    }

    fn wall(steady: &mut Steady, mono: u64, wall: i64) -> i64 {
        steady.at(now(mono, wall)).wall.unix_millis() / 1000
    }

    #[test]
    fn a_clock_that_is_set_counts_once_the_node_has_looked_or_does_not_look() {
        let mut steady = Steady::default();
        assert_eq!(wall(&mut steady, 10, 1000), 1000);
        assert_eq!(wall(&mut steady, 12, 1003), 1003, "it drifts");
        // It is set back by ten minutes, and then that is what the correction was about.
        assert_eq!(wall(&mut steady, 13, 404), 1004);
        assert_eq!(wall(&mut steady, 14, 405), 1005);
        steady.corrected();
        assert_eq!(wall(&mut steady, 15, 1006), 1006);
        // Nobody says anything of it.
        assert_eq!(wall(&mut steady, 16, 407), 1007);
        assert_eq!(wall(&mut steady, 20, 411), 1011);
        assert_eq!(wall(&mut steady, 21, 412), 412);
        assert_eq!(wall(&mut steady, 22, 413), 413);
    }
}
