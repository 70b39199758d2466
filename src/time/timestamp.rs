//! Points in time on the wall clock, with Go's zero time and the notations of Alertmanager's API.

use std::{fmt, time::Duration};

/// A point in time, UTC, in nanoseconds; years 1 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// A text is not a timestamp in any accepted layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse {text:?} as a timestamp")]
pub struct TimestampError {
    text: String,
}

/// Seconds of Go's zero time, 0001-01-01T00:00:00Z.
const ZERO_SECONDS: i64 = -62_135_596_800;

impl Timestamp {
    /// Go's `time.Time{}`: 0001-01-01T00:00:00Z. Alertmanager sends it as the end of a firing alert.
    pub const ZERO: Self = Self(jiff::Timestamp::constant(ZERO_SECONDS, 0));
    /// The latest time there is, in the year 9999.
    pub const MAX: Self = Self(jiff::Timestamp::MAX);
    /// 1970-01-01T00:00:00Z, what the API makes of an empty date.
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// Makes a timestamp of Unix seconds and nanoseconds, held to years 1 to 9999.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: i32) -> Self {
        match jiff::Timestamp::new(seconds, nanos) {
            Ok(at) => Self(at).max(Self::ZERO),
            Err(_) if seconds < 0 => Self::ZERO,
            Err(_) => Self(jiff::Timestamp::MAX),
        }
    }

    /// Makes a timestamp of Unix milliseconds.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let nanos = i32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or_default();
        Self::from_unix(millis.div_euclid(1000), nanos)
    }

    /// Parses RFC 3339 with any number of fractional digits, and the shorter layouts that go-openapi's `strfmt` takes
    /// (`2006-01-02T15:04:05`, `2006-01-02T15:04:05Z`, without a zone as UTC, with a space in place of `T`).
    ///
    /// # Errors
    /// When the text fits no layout.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        if text.is_empty() {
            return Ok(Self::EPOCH);
        }
        let error = || TimestampError {
            text: text.to_owned(),
        };
        if !text.is_char_boundary(10) || text.len() < 16 {
            return Err(error());
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(at).max(Self::ZERO));
        }
        let civil: jiff::civil::DateTime = text.parse().ok().ok_or_else(error)?;
        let at = jiff::tz::Offset::UTC
            .to_timestamp(civil)
            .ok()
            .ok_or_else(error)?;
        Ok(Self(at).max(Self::ZERO))
    }

    /// Whether this is Go's zero time.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Unix seconds, rounded down.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.as_millisecond().div_euclid(1000)
    }

    /// Unix milliseconds.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Unix time as seconds and nanoseconds; the latter are never negative.
    #[must_use]
    pub fn unix_parts(self) -> (i64, i32) {
        let (seconds, nanos) = (self.0.as_second(), self.0.subsec_nanosecond());
        if nanos < 0 {
            (seconds - 1, nanos + 1_000_000_000)
        } else {
            (seconds, nanos)
        }
    }

    /// Unix time in seconds as a float, as metrics show it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
    pub fn unix_f64(self) -> f64 {
        let (seconds, nanos) = self.unix_parts();
        seconds as f64 + f64::from(nanos) / 1e9
    }

    /// The time that lies `duration` later, held to the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(duration)
                .unwrap_or(jiff::Timestamp::MAX),
        )
    }

    /// The time that lies `duration` earlier, held to the range.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(duration)
                .unwrap_or(jiff::Timestamp::MIN),
        )
        .max(Self::ZERO)
    }

    /// The time from `earlier` to this one, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.0.duration_since(earlier.0)).unwrap_or_default()
    }

    /// RFC 3339 in UTC with exactly three fractional digits, as Alertmanager's API prints times.
    #[must_use]
    pub fn to_rfc3339_millis(self) -> String {
        let mut text = String::with_capacity(24);
        self.push_rfc3339_millis(&mut text);
        text
    }

    /// Appends what [`Self::to_rfc3339_millis`] makes.
    pub fn push_rfc3339_millis(self, out: &mut String) {
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let nanos = self.put_seconds(&mut text);
        put_digits(&mut text[20..23], nanos / 1_000_000);
        out.push_str(str::from_utf8(&text).unwrap_or_default());
    }

    /// Go's `RFC3339Nano` in UTC: as many fractional digits as needed, as notifications print times.
    #[must_use]
    pub fn to_rfc3339_nanos(self) -> String {
        let mut text = String::with_capacity(30);
        self.push_rfc3339_nanos(&mut text);
        text
    }

    /// Appends what [`Self::to_rfc3339_nanos`] makes.
    pub fn push_rfc3339_nanos(self, out: &mut String) {
        let mut text = *b"0000-00-00T00:00:00.000000000";
        let nanos = self.put_seconds(&mut text);
        put_digits(&mut text[20..], nanos);
        let text = str::from_utf8(&text).unwrap_or_default();
        out.push_str(if nanos == 0 {
            &text[..19]
        } else {
            text.trim_end_matches('0')
        });
        out.push('Z');
    }

    /// Puts the time up to its seconds into the beginning of `text` and returns the nanoseconds behind them. Lists of
    /// alerts are full of times, and `strftime` takes longer than all else of an alert.
    fn put_seconds(self, text: &mut [u8]) -> u32 {
        let civil = self.civil();
        put_digits(&mut text[..4], u32::from(civil.year().unsigned_abs()));
        for (at, value) in [
            (5, civil.month()),
            (8, civil.day()),
            (11, civil.hour()),
            (14, civil.minute()),
            (17, civil.second()),
        ] {
            put_digits(&mut text[at..at + 2], u32::from(value.unsigned_abs()));
        }
        civil.subsec_nanosecond().unsigned_abs()
    }

    /// The library's own type, for calendars and time zones.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        self.0
    }

    fn civil(self) -> jiff::civil::DateTime {
        jiff::tz::Offset::UTC.to_datetime(self.0)
    }
}

fn put_digits(text: &mut [u8], mut value: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789"[(value % 10) as usize];
        value /= 10;
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at).max(Self::ZERO)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339_nanos())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339_nanos())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints_as_the_api_and_as_notifications_do() {
        let at = Timestamp::from_unix(1_795_286_611, 88_000_000);
        assert_eq!(at.to_rfc3339_millis(), "2026-11-21T18:43:31.088Z");
        assert_eq!(at.to_rfc3339_nanos(), "2026-11-21T18:43:31.088Z");
        assert_eq!(Timestamp::ZERO.to_rfc3339_nanos(), "0001-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::EPOCH.to_rfc3339_millis(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_unix(0, 1).to_rfc3339_nanos(),
            "1970-01-01T00:00:00.000000001Z"
        );
    }

    proptest! {
        #[test]
        fn prints_what_the_library_prints(seconds in -62_135_596_800_i64..253_402_207_200, nanos in 0..1_000_000_000) {
            let at = Timestamp::from_unix(seconds, nanos);
            let text = at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
            prop_assert_eq!(at.to_rfc3339_nanos(), text);
            let seconds = at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S");
            let text = format!("{seconds}.{:03}Z", at.unix_parts().1 / 1_000_000);
            prop_assert_eq!(at.to_rfc3339_millis(), text);
        }
    }

    #[test]
    fn parses_what_clients_send() {
        for (text, expect) in [
            ("2026-11-21T18:43:31.088Z", "2026-11-21T18:43:31.088Z"),
            (
                "2026-11-21T19:43:31.123456789+01:00",
                "2026-11-21T18:43:31.123456789Z",
            ),
            ("2026-11-21T18:43:31", "2026-11-21T18:43:31Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-01T00:00:00Z", "9999-12-01T00:00:00Z"),
            ("", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(
                Timestamp::parse(text)
                    .map(Timestamp::to_rfc3339_nanos)
                    .as_deref(),
                Ok(expect),
                "{text}"
            );
        }
        for text in [
            "x",
            "2026",
            "2026-11-21",
            "yesterday at noon",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(
            Timestamp::ZERO.minus(Duration::from_secs(1)),
            Timestamp::ZERO
        );
        let late = Timestamp::from_unix(i64::MAX, 0);
        assert_eq!(late.plus(Duration::MAX), late);
        let at = Timestamp::from_millis(1500);
        assert_eq!(at.since(Timestamp::EPOCH), Duration::from_millis(1500));
        assert_eq!(Timestamp::EPOCH.since(at), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(-1).unix_parts(), (-1, 999_000_000));
    }
}
