//! `time.ParseInLocation` with UTC for the location.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the parts of a layout"
)]

use std::sync::Arc;

use jiff::civil::{Date, DateTime};

use super::{
    layout::{OffsetParts, Part, next},
    methods::{month_names, weekday_names},
    zone::{FixedZone, Time, Zone},
};
use crate::labels::go_quote;

/// Why a part cannot be read.
enum Bad {
    Syntax,
    /// `month out of range`
    Range(&'static str),
}

/// What has been read so far.
#[derive(Default)]
struct Read {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    /// `Some(true)` after noon.
    pm: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone: Option<String>,
}

/// Reads a text in a layout.
///
/// # Errors
/// Go's message when the text is not in the layout.
pub(crate) fn parse(layout: &str, text: &str) -> Result<Time, String> {
    let mut read = Read::default();
    let (mut layout_rest, mut rest) = (layout, text);
    let syntax = |at: &str, part: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            go_quote(text),
            go_quote(layout),
            go_quote(at),
            go_quote(part)
        )
    };
    let told = |what: &str| format!("parsing time {}: {what}", go_quote(text));
    loop {
        let (before, part, after) = match next(layout_rest) {
            Some((before, part, after)) => (before, Some(part), after),
            None => (layout_rest, None, ""),
        };
        rest = skip(rest, before).map_err(|at| syntax(at, before))?;
        let Some(part) = part else {
            if rest.is_empty() {
                break;
            }
            return Err(told(&format!("extra text: {}", go_quote(rest))));
        };
        let shown = &layout_rest[before.len()..layout_rest.len() - after.len()];
        layout_rest = after;
        rest = read.part(part, rest, after).map_err(|bad| match bad {
            Bad::Syntax => syntax(rest, shown),
            Bad::Range(what) => told(&format!("{what} out of range")),
        })?;
    }
    read.finish()
        .map_err(|what| told(&format!("{what} out of range")))
}

/// Skips the fixed text of a layout; spaces match any number of spaces. The error is where it does not match.
fn skip<'t>(mut text: &'t str, mut prefix: &str) -> Result<&'t str, &'t str> {
    while let Some(first) = prefix.chars().next() {
        if first == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(text);
            }
            prefix = prefix.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(first).ok_or(text)?;
        prefix = &prefix[first.len_utf8()..];
    }
    Ok(text)
}

impl Read {
    /// Reads one part and returns what follows it.
    fn part<'t>(&mut self, part: Part, text: &'t str, layout: &str) -> Result<&'t str, Bad> {
        let rest;
        match part {
            Part::Year => {
                let (year, after) = fixed(text, 2)?;
                let century = if year >= 69 { 1900 } else { 2000 };
                self.year = i16::try_from(year + century).ok();
                rest = after;
            }
            Part::LongYear => {
                let (year, after) = fixed(text, 4)?;
                self.year = i16::try_from(year).ok();
                rest = after;
            }
            Part::Month | Part::LongMonth => {
                let (month, after) = named(text, month_names(), part == Part::Month)?;
                self.month = Some(month + 1);
                rest = after;
            }
            Part::NumMonth | Part::ZeroMonth => {
                let (month, after) = number(text, part == Part::ZeroMonth)?;
                self.month = Some(month);
                if !(1..=12).contains(&month) {
                    return Err(Bad::Range("month"));
                }
                rest = after;
            }
            Part::WeekDay | Part::LongWeekDay => {
                rest = named(text, weekday_names(), part == Part::WeekDay)?.1;
            }
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                let text = match part {
                    Part::UnderDay => text.strip_prefix(' ').unwrap_or(text),
                    _ => text,
                };
                let (day, after) = number(text, part == Part::ZeroDay)?;
                self.day = Some(day);
                rest = after;
            }
            Part::UnderYearDay | Part::ZeroYearDay => {
                let digits = match part {
                    Part::UnderYearDay => text.trim_start_matches(' '),
                    _ => text,
                };
                let (day, after) = fixed(digits, digits_at(digits).clamp(1, 3))?;
                self.year_day = i16::try_from(day).ok();
                rest = after;
            }
            Part::Hour
            | Part::Hour12
            | Part::ZeroHour12
            | Part::Minute
            | Part::ZeroMinute
            | Part::Second
            | Part::ZeroSecond => return self.clock(part, text, layout),
            Part::Pm | Part::LowerPm => {
                let upper = part == Part::Pm;
                let half = text.get(..2).ok_or(Bad::Syntax)?;
                self.pm = Some(match (half, upper) {
                    ("PM", true) | ("pm", false) => true,
                    ("AM", true) | ("am", false) => false,
                    _ => return Err(Bad::Syntax),
                });
                rest = &text[2..];
            }
            Part::Zone => return self.zone(text),
            Part::Offset { z, colon, parts } => return self.offset(text, (z, colon, parts)),
            Part::FractionZero(digits) => {
                if digits_at(text.get(1..).unwrap_or_default()) < digits {
                    return Err(Bad::Syntax);
                }
                return self.fraction(text, digits);
            }
            Part::FractionNine(_) => {
                let digits = fraction_digits(text);
                return if digits == 0 {
                    Ok(text)
                } else {
                    self.fraction(text, digits)
                };
            }
        }
        Ok(rest)
    }

    fn clock<'t>(&mut self, part: Part, text: &'t str, layout: &str) -> Result<&'t str, Bad> {
        let zero = matches!(part, Part::ZeroHour12 | Part::ZeroMinute | Part::ZeroSecond);
        let (value, mut rest) = number(text, zero)?;
        let (slot, most, what) = match part {
            Part::Hour => (&mut self.hour, 23, "hour"),
            Part::Hour12 | Part::ZeroHour12 => (&mut self.hour, 12, "hour"),
            Part::Minute | Part::ZeroMinute => (&mut self.minute, 59, "minute"),
            _ => (&mut self.second, 59, "second"),
        };
        if value > most {
            return Err(Bad::Range(what));
        }
        *slot = value;
        // A fraction may follow the seconds even if the layout has none.
        if matches!(part, Part::Second | Part::ZeroSecond) && fraction_digits(rest) > 0 {
            let in_layout = next(layout).is_some_and(|(_, part, _)| {
                matches!(part, Part::FractionZero(_) | Part::FractionNine(_))
            });
            if !in_layout {
                rest = self.fraction(rest, fraction_digits(rest))?;
            }
        }
        Ok(rest)
    }

    fn fraction<'t>(&mut self, text: &'t str, digits: usize) -> Result<&'t str, Bad> {
        if !text.starts_with(['.', ',']) {
            return Err(Bad::Syntax);
        }
        let end = 1 + digits;
        let mut nanos = 0;
        for i in 0..9 {
            let digit = text.as_bytes()[1..end].get(i).map_or(0, |byte| byte - b'0');
            nanos = nanos * 10 + i32::from(digit);
        }
        self.nanos = nanos;
        Ok(&text[end..])
    }

    fn zone<'t>(&mut self, text: &'t str) -> Result<&'t str, Bad> {
        if let Some(rest) = text.strip_prefix("UTC") {
            self.utc = true;
            return Ok(rest);
        }
        let length = zone_name(text).ok_or(Bad::Syntax)?;
        self.zone = Some(text[..length].to_owned());
        Ok(&text[length..])
    }

    fn offset<'t>(
        &mut self,
        text: &'t str,
        (z, colon, parts): (bool, bool, OffsetParts),
    ) -> Result<&'t str, Bad> {
        if z && let Some(rest) = text.strip_prefix('Z') {
            self.utc = true;
            return Ok(rest);
        }
        let (sign, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').ok_or(Bad::Syntax)?),
        };
        let count = match parts {
            OffsetParts::Hours => 1,
            OffsetParts::Minutes => 2,
            OffsetParts::Seconds => 3,
        };
        let mut seconds = 0;
        let bounds = [
            (24, 3600, "time zone offset hour"),
            (60, 60, "time zone offset minute"),
            (60, 1, "time zone offset second"),
        ];
        for (i, (most, unit, what)) in bounds.into_iter().take(count).enumerate() {
            if i > 0 && colon {
                rest = rest.strip_prefix(':').ok_or(Bad::Syntax)?;
            }
            let (value, after) = fixed(rest, 2)?;
            if value > most {
                return Err(Bad::Range(what));
            }
            seconds += value * unit;
            rest = after;
        }
        self.offset = Some(sign * seconds);
        Ok(rest)
    }

    /// The time that was read; the error is the part that is out of range.
    fn finish(self) -> Result<Time, &'static str> {
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let year = self.year.unwrap_or_default();
        let date = match self.year_day {
            None => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                Date::new(year, month, day).ok().ok_or("day")?
            }
            Some(day) => Date::new(year, 1, 1)
                .and_then(|first| first.with().day_of_year(day).build())
                .ok()
                .filter(|date| self.month.is_none_or(|month| month == date.month()))
                .ok_or("day-of-year")?,
        };
        let civil = DateTime::from_parts(
            date,
            jiff::civil::Time::new(hour, self.minute, self.second, self.nanos)
                .ok()
                .ok_or("hour")?,
        );
        let fixed = |seconds, abbreviation: String| {
            Zone::Fixed(Arc::new(FixedZone {
                seconds,
                abbreviation: abbreviation.into(),
            }))
        };
        let zone = match (self.utc, self.offset, self.zone) {
            (true, _, _) | (_, Some(0), None) | (_, None, None) => Zone::Utc,
            (_, Some(offset), name) => fixed(offset, name.unwrap_or_default()),
            (_, None, Some(name)) => {
                let hours = name
                    .strip_prefix("GMT")
                    .and_then(|rest| rest.parse::<i32>().ok());
                fixed(hours.unwrap_or_default() * 3600, name)
            }
        };
        Time::from_civil(civil, zone).ok_or("year")
    }
}

/// A number of exactly so many digits.
fn fixed(text: &str, digits: usize) -> Result<(i32, &str), Bad> {
    if digits_at(text) < digits {
        return Err(Bad::Syntax);
    }
    let value = text[..digits].parse().ok().ok_or(Bad::Syntax)?;
    Ok((value, &text[digits..]))
}

/// A number of one or two digits, or of exactly two.
fn number(text: &str, two: bool) -> Result<(i8, &str), Bad> {
    let digits = digits_at(text).min(2);
    if digits == 0 || two && digits < 2 {
        return Err(Bad::Syntax);
    }
    let value = text[..digits].parse().ok().ok_or(Bad::Syntax)?;
    Ok((value, &text[digits..]))
}

fn digits_at(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// How many digits a fraction has that the text begins with.
fn fraction_digits(text: &str) -> usize {
    if text.starts_with(['.', ',']) {
        digits_at(&text[1..])
    } else {
        0
    }
}

/// Which of the names the text begins with, in any case.
fn named<'t>(text: &'t str, names: &[&str], short: bool) -> Result<(i8, &'t str), Bad> {
    for (at, name) in (0_i8..).zip(names) {
        let name = if short { &name[..3] } else { name };
        let begins = text
            .get(..name.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(name));
        if begins {
            return Ok((at, &text[name.len()..]));
        }
    }
    Err(Bad::Syntax)
}

/// How long the abbreviation of a zone is that the text begins with (`parseTimeZone`).
fn zone_name(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours(rest));
    }
    if text.starts_with(['+', '-']) {
        return Some(signed_hours(text)).filter(|length| *length > 0);
    }
    let upper = text
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_uppercase)
        .count();
    let last = |at: usize| text.as_bytes().get(at).copied();
    match upper {
        5 if last(4) == Some(b'T') => Some(5),
        4 if last(3) == Some(b'T') || text.starts_with("WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// The length of `+3` or `-11`, hours that a zone can have.
fn signed_hours(text: &str) -> usize {
    if !text.starts_with(['+', '-']) {
        return 0;
    }
    let digits = digits_at(&text[1..]);
    match text[1..=digits].parse::<u32>() {
        Ok(hours) if hours <= 23 => 1 + digits,
        _ => 0,
    }
}
