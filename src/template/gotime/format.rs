//! `time.Time.Format`, `String` and `GoString`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the parts of a layout"
)]

use std::fmt::{self, Write as _};

use super::{
    layout::{OffsetParts, Part, next},
    methods::{month_text, weekday_text},
    zone::{Time, Zone},
};

impl Time {
    /// The time in a layout.
    pub(crate) fn format(&self, layout: &str) -> String {
        let civil = self.civil();
        let (offset, abbreviation) = self.offset();
        let mut out = String::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while let Some((before, part, after)) = next(rest) {
            out.push_str(before);
            rest = after;
            match part {
                Part::Offset { z, colon, parts } => {
                    push_offset(&mut out, offset, (z, colon, parts));
                }
                Part::Zone if abbreviation.is_empty() => push_unnamed_zone(&mut out, offset),
                Part::Zone => out.push_str(&abbreviation),
                _ => push_civil(&mut out, part, civil, layout_byte(layout, rest, part)),
            }
        }
        out.push_str(rest);
        out
    }

    /// Go's syntax, as `%#v` prints it.
    pub(crate) fn go_string(&self) -> String {
        let civil = self.civil();
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Local(_) => "time.Local".to_owned(),
            Zone::Named(_) | Zone::Fixed(_) => {
                format!(
                    "time.Location({})",
                    crate::labels::go_quote(self.zone.name())
                )
            }
        };
        format!(
            "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
            civil.year(),
            month_text(civil.month().into()),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            civil.subsec_nanosecond(),
        )
    }

    /// RFC 3339 with as many digits of the second as there are, as JSON shows it.
    pub(crate) fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// The mark of a fraction, which may be a comma.
fn layout_byte(layout: &str, rest: &str, part: Part) -> char {
    let (Part::FractionZero(digits) | Part::FractionNine(digits)) = part else {
        return '.';
    };
    let at = layout.len() - rest.len() - digits - 1;
    if layout.as_bytes()[at] == b',' {
        ','
    } else {
        '.'
    }
}

fn push_civil(out: &mut String, part: Part, civil: jiff::civil::DateTime, mark: char) {
    let hour = civil.hour();
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let (year, month, day) = (civil.year(), civil.month(), civil.day());
    let weekday = || weekday_text(civil.weekday().to_sunday_zero_offset().into());
    let _ = match part {
        Part::LongMonth => write!(out, "{}", month_text(month.into())),
        Part::Month => write!(out, "{}", &month_text(month.into())[..3]),
        Part::NumMonth => write!(out, "{month}"),
        Part::ZeroMonth => write!(out, "{month:02}"),
        Part::LongWeekDay => write!(out, "{}", weekday()),
        Part::WeekDay => write!(out, "{}", &weekday()[..3]),
        Part::Day => write!(out, "{day}"),
        Part::UnderDay => write!(out, "{day:>2}"),
        Part::ZeroDay => write!(out, "{day:02}"),
        Part::UnderYearDay => write!(out, "{:>3}", civil.day_of_year()),
        Part::ZeroYearDay => write!(out, "{:03}", civil.day_of_year()),
        Part::Hour => write!(out, "{hour:02}"),
        Part::Hour12 => write!(out, "{hour12}"),
        Part::ZeroHour12 => write!(out, "{hour12:02}"),
        Part::Minute => write!(out, "{}", civil.minute()),
        Part::ZeroMinute => write!(out, "{:02}", civil.minute()),
        Part::Second => write!(out, "{}", civil.second()),
        Part::ZeroSecond => write!(out, "{:02}", civil.second()),
        Part::LongYear if year < 0 => write!(out, "-{:04}", year.unsigned_abs()),
        Part::LongYear => write!(out, "{year:04}"),
        Part::Year => write!(out, "{:02}", year.rem_euclid(100)),
        Part::Pm => write!(out, "{}", if hour >= 12 { "PM" } else { "AM" }),
        Part::LowerPm => write!(out, "{}", if hour >= 12 { "pm" } else { "am" }),
        Part::FractionZero(digits) | Part::FractionNine(digits) => {
            let nines = matches!(part, Part::FractionNine(_));
            push_fraction(out, civil.subsec_nanosecond(), (digits, nines), mark);
            Ok(())
        }
        Part::Zone | Part::Offset { .. } => Ok(()),
    };
}

fn push_fraction(out: &mut String, nanos: i32, (digits, nines): (usize, bool), mark: char) {
    let all = format!("{nanos:09}");
    let mut text = all.get(..digits).unwrap_or(&all);
    if nines {
        text = text.trim_end_matches('0');
        if text.is_empty() {
            return;
        }
    }
    out.push(mark);
    out.push_str(text);
}

fn push_offset(out: &mut String, offset: i32, (z, colon, parts): (bool, bool, OffsetParts)) {
    if z && offset == 0 {
        out.push('Z');
        return;
    }
    let seconds = offset.unsigned_abs();
    let colon = if colon { ":" } else { "" };
    let sign = if offset < 0 { '-' } else { '+' };
    let _ = write!(out, "{sign}{:02}", seconds / 3600);
    if parts != OffsetParts::Hours {
        let _ = write!(out, "{colon}{:02}", seconds / 60 % 60);
    }
    if parts == OffsetParts::Seconds {
        let _ = write!(out, "{colon}{:02}", seconds % 60);
    }
}

/// A zone without a name shows its offset.
fn push_unnamed_zone(out: &mut String, offset: i32) {
    let minutes = offset.unsigned_abs() / 60;
    let sign = if offset < 0 { '-' } else { '+' };
    let _ = write!(out, "{sign}{:02}{:02}", minutes / 60, minutes % 60);
}

#[cfg(test)]
mod tests {
    use super::{
        super::{load_zone, parse},
        *,
    };
    use crate::time::Timestamp;

    fn time() -> Time {
        Timestamp::from_unix(1_772_357_405, 120_000_000).into()
    }

    #[test]
    fn layouts_are_gos() {
        let paris = time().at_zone(load_zone("Europe/Paris", &jiff::tz::TimeZone::UTC).unwrap());
        for (layout, expect) in [
            ("2006-01-02T15:04:05Z07:00", "2026-03-01T10:30:05+01:00"),
            ("Mon Jan _2 3:4:5 PM 06 MST", "Sun Mar  1 10:30:5 AM 26 CET"),
            (
                "Monday, January 2 pm .000 ,99 002 __2",
                "Sunday, March 1 am .120 ,12 060  60",
            ),
            (
                "-07 -0700 -070000 -07:00:00 Z0700",
                "+01 +0100 +010000 +01:00:00 +0100",
            ),
            ("January2 Janet Month", "March1 Janet Month"),
            ("_2006 20060102 x", "_2026 20260301 x"),
            ("15h04m05s.999", "10h30m05s.12"),
            ("é 2006", "é 2026"),
        ] {
            assert_eq!(paris.format(layout), expect, "{layout}");
        }
        assert_eq!(paris.to_string(), "2026-03-01 10:30:05.12 +0100 CET");
        assert_eq!(
            time().go_string(),
            "time.Date(2026, time.March, 1, 9, 30, 5, 120000000, time.UTC)"
        );
    }

    #[test]
    fn texts_are_read_as_go_reads_them() {
        for (layout, text, expect) in [
            ("2006-01-02", "2026-03-01", "2026-03-01 00:00:00 +0000 UTC"),
            (
                "2006-01-02T15:04:05Z07:00",
                "2026-03-01T10:30:05.5+02:00",
                "2026-03-01 10:30:05.5 +0200 +0200",
            ),
            (
                "Jan 2 2006 3PM MST",
                "mar 1 2026 11PM CET",
                "2026-03-01 23:00:00 +0000 CET",
            ),
            ("06 002", "26 060", "2026-03-01 00:00:00 +0000 UTC"),
        ] {
            assert_eq!(parse(layout, text).unwrap().to_string(), expect, "{text}");
        }
        for (layout, text, expect) in [
            (
                "2006-01-02",
                "x",
                "parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as \"2006\"",
            ),
            (
                "2006-01-02",
                "2026-13-01",
                "parsing time \"2026-13-01\": month out of range",
            ),
            (
                "2006-01-02",
                "2026-02-30",
                "parsing time \"2026-02-30\": day out of range",
            ),
            (
                "2006-01-02",
                "2026-02-03 04",
                "parsing time \"2026-02-03 04\": extra text: \" 04\"",
            ),
        ] {
            assert_eq!(parse(layout, text).unwrap_err(), expect);
        }
    }
}
