//! Time as a value: what time it is, points in time, and the two duration notations of the field.
//!
//! Only `io::clock` and the simulator make a [`Now`]; everything else is given one.

mod duration;
mod timestamp;

use std::time::Duration;

pub use duration::{
    DurationError, format_go_duration, format_prom_duration, parse_go_duration, parse_prom_duration,
};
pub use timestamp::{Timestamp, TimestampError};

/// The current time, passed down by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since the node started. Timers use it.
    pub mono: Duration,
    /// Wall-clock time; it may jump. Stored and exchanged timestamps use it.
    pub wall: Timestamp,
}
