//! The one place where a [`Now`] is made.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use jiff::SignedDuration;

use crate::time::{Now, Timestamp};

/// Reads the system's clocks; copies of one clock share its start.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    offset: SignedDuration,
    /// By how many milliseconds the clock of the mesh is ahead of it, if it follows that.
    ahead: Option<&'static AtomicI64>,
}

impl Clock {
    /// Starts the monotonic time; the wall clock is shifted by `offset` (`--test.clock-offset`).
    #[must_use]
    pub fn start(offset: SignedDuration) -> Self {
        Self {
            start: Instant::now(),
            offset,
            ahead: None,
        }
    }

    /// A clock that follows that of the mesh, once it is told how far that is ahead. One for each process: it stays.
    #[must_use]
    pub fn of_mesh(self) -> Self {
        let ahead: &'static AtomicI64 = Box::leak(Box::default());
        let ahead = Some(ahead);
        Self { ahead, ..self }
    }

    /// The same without that: as the system has it.
    #[must_use]
    pub fn of_system(self) -> Self {
        Self {
            ahead: None,
            ..self
        }
    }

    /// By how many milliseconds the clock of the mesh is ahead of the system's; for all copies.
    pub fn follow(&self, ahead: i64) {
        if let Some(place) = self.ahead {
            place.store(ahead, Relaxed);
        }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = self.wall(SystemTime::now());
        let ahead = self.ahead.map_or(0, |ahead| ahead.load(Relaxed));
        let by = Duration::from_millis(ahead.unsigned_abs());
        Now {
            mono: self.start.elapsed(),
            wall: match ahead.is_negative() {
                true => wall.minus(by),
                false => wall.plus(by),
            },
        }
    }

    /// The wall-clock time of a file or another program, shifted as [`Self::now`] is.
    #[must_use]
    pub fn wall(&self, at: SystemTime) -> Timestamp {
        let wall = match at.duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp::EPOCH.plus(after),
            Err(before) => Timestamp::EPOCH.minus(before.duration()),
        };
        if self.offset.is_negative() {
            wall.minus(self.offset.unsigned_abs())
        } else {
            wall.plus(self.offset.unsigned_abs())
        }
    }

    /// The runtime's name for a monotonic time; a time beyond its range is a long time ahead.
    #[must_use]
    pub(super) fn instant(&self, mono: Duration) -> tokio::time::Instant {
        const LONG: Duration = Duration::from_secs(30 * 365 * 86_400);
        (self.start + mono.min(LONG)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_moves_the_wall_clock_only() {
        let clock = Clock::start(SignedDuration::from_hours(-2));
        let now = clock.now();
        assert!(now.mono < Duration::from_secs(60));
        let plain = Clock::start(SignedDuration::ZERO).now();
        let behind = plain.wall.since(now.wall);
        assert!(behind.abs_diff(Duration::from_hours(2)) < Duration::from_secs(60));
        assert!(clock.instant(Duration::MAX) > clock.instant(Duration::from_secs(1)));
    }
}
