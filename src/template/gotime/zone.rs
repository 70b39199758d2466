//! A point in time and the zone that it is shown in.

use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// `time.Time`
#[derive(Clone, Debug)]
pub struct Time {
    /// When.
    pub at: jiff::Timestamp,
    /// Where.
    pub zone: Zone,
}

/// `*time.Location`
#[derive(Clone, Debug, PartialEq)]
pub enum Zone {
    /// `time.UTC`
    Utc,
    /// `time.Local`
    Local(TimeZone),
    /// A zone of the IANA database.
    Named(TimeZone),
    /// `time.FixedZone`: seconds east of UTC and an abbreviation, which may be empty.
    Fixed(i32, std::sync::Arc<str>),
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self {
            at: at.to_jiff(),
            zone: Zone::Utc,
        }
    }
}
