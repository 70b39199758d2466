//! The time of a vendor, and how many messages it takes in how much of it.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Seconds since the epoch.
pub(crate) fn unix() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

/// The text of `Date`.
pub(crate) fn date() -> String {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer
        .timestamp_to_rfc9110_string(&jiff::Timestamp::now())
        .unwrap()
}

/// So many messages in so much time; whoever sends more is shut out for a while.
pub(crate) struct Allowance {
    most: usize,
    per: Duration,
    ban: Duration,
    state: Mutex<(Vec<f64>, f64)>,
}

impl Allowance {
    pub(crate) fn new(most: usize, per: Duration, ban: Duration) -> Self {
        Self {
            most,
            per,
            ban,
            state: Mutex::default(),
        }
    }

    /// Whether one more message is taken.
    pub(crate) fn takes(&self) -> bool {
        let now = unix();
        let mut state = self.state.lock().unwrap();
        let (taken, banned_until) = &mut *state;
        if now < *banned_until {
            return false;
        }
        taken.retain(|at| now - at < self.per.as_secs_f64());
        if taken.len() >= self.most {
            *banned_until = now + self.ban.as_secs_f64();
            return false;
        }
        taken.push(now);
        true
    }
}
