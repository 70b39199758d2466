//! A point in time and the zone that it is shown in.

use std::sync::Arc;

use jiff::{
    SignedDuration,
    civil::DateTime,
    tz::{Offset, TimeZone, TimeZoneDatabase},
};

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
    /// `time.FixedZone`
    Fixed(Arc<FixedZone>),
}

/// A zone that is nothing but an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedZone {
    /// East of UTC.
    pub seconds: i32,
    /// May be empty.
    pub abbreviation: Box<str>,
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self {
            at: at.to_jiff(),
            zone: Zone::Utc,
        }
    }
}

impl Zone {
    /// Its name: `UTC`, `Local`, `Europe/Paris`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Utc => "UTC",
            Self::Local(_) => "Local",
            Self::Named(zone) => zone.iana_name().unwrap_or_default(),
            Self::Fixed(fixed) => &fixed.abbreviation,
        }
    }
}

/// The time zone of that name (`time.LoadLocation`).
pub(crate) fn load_zone(name: &str, local: &TimeZone) -> Result<Zone, String> {
    match name {
        "" | "UTC" => return Ok(Zone::Utc),
        "Local" => return Ok(Zone::Local(local.clone())),
        _ => {}
    }
    if name.contains("..") || name.starts_with(['/', '\\']) || name.contains('\\') {
        return Err("time: invalid location name".to_owned());
    }
    // The database ignores case; Go's, which is a folder, does not.
    TimeZoneDatabase::bundled()
        .get(name)
        .ok()
        .filter(|zone| zone.iana_name() == Some(name))
        .map(Zone::Named)
        .ok_or_else(|| format!("unknown time zone {name}"))
}

impl Time {
    /// Date and time as a clock in the zone shows them.
    pub(crate) fn civil(&self) -> DateTime {
        match &self.zone {
            Zone::Utc => Offset::UTC.to_datetime(self.at),
            Zone::Local(zone) | Zone::Named(zone) => zone.to_datetime(self.at),
            Zone::Fixed(fixed) => offset(fixed.seconds).to_datetime(self.at),
        }
    }

    /// Seconds east of UTC, and the zone's abbreviation, which may be empty.
    pub(crate) fn offset(&self) -> (i32, String) {
        match &self.zone {
            Zone::Utc => (0, "UTC".to_owned()),
            Zone::Local(zone) | Zone::Named(zone) => {
                let info = zone.to_offset_info(self.at);
                (info.offset().seconds(), info.abbreviation().to_owned())
            }
            Zone::Fixed(fixed) => (fixed.seconds, fixed.abbreviation.to_string()),
        }
    }

    pub(crate) fn is_dst(&self) -> bool {
        match &self.zone {
            Zone::Utc | Zone::Fixed(_) => false,
            Zone::Local(zone) | Zone::Named(zone) => zone.to_offset_info(self.at).dst().is_dst(),
        }
    }

    /// The same moment elsewhere.
    pub(crate) fn at_zone(&self, zone: Zone) -> Self {
        Self { at: self.at, zone }
    }

    /// The moment that lies so many nanoseconds later, held to the range.
    pub(crate) fn plus(&self, nanos: i64) -> Self {
        let at = self
            .at
            .saturating_add(SignedDuration::from_nanos(nanos))
            .unwrap_or(self.at);
        Self {
            at,
            zone: self.zone.clone(),
        }
    }

    /// The moment at which clocks of the zone show a date and time; in a gap, as Go takes it, by the offset before it.
    pub(crate) fn from_civil(civil: DateTime, zone: Zone) -> Option<Self> {
        let at = match &zone {
            Zone::Utc => Offset::UTC.to_timestamp(civil).ok()?,
            Zone::Local(tz) | Zone::Named(tz) => {
                tz.to_ambiguous_timestamp(civil).compatible().ok()?
            }
            Zone::Fixed(fixed) => offset(fixed.seconds).to_timestamp(civil).ok()?,
        };
        Some(Self { at, zone })
    }

    /// Go's zero time.
    pub(crate) fn zero() -> Self {
        Timestamp::ZERO.into()
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.at == Timestamp::ZERO.to_jiff()
    }
}

fn offset(seconds: i32) -> Offset {
    Offset::from_seconds(seconds).unwrap_or(Offset::UTC)
}

/// Nanoseconds from one moment to a later one, held to the range of `time.Duration`.
pub(crate) fn between(earlier: jiff::Timestamp, later: jiff::Timestamp) -> i64 {
    let nanos = later.duration_since(earlier).as_nanos();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}
