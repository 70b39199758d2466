//! Go's layouts: which parts of a reference time they name.

/// A part of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    Pm,
    LowerPm,
    Zone,
    /// `Z0700` and the like prints `Z` for UTC.
    Offset {
        z: bool,
        colon: bool,
        parts: OffsetParts,
    },
    /// `.000`, `,000`: so many digits.
    FractionZero(usize),
    /// `.999`: so many digits, without zeros at the end.
    FractionNine(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetParts {
    Hours,
    Minutes,
    Seconds,
}

/// What stands before the first part, the part, and what follows it.
pub(super) fn next(layout: &str) -> Option<(&str, Part, &str)> {
    let bytes = layout.as_bytes();
    for at in 0..bytes.len() {
        // Parts begin with ASCII, so this is a boundary.
        if !bytes[at].is_ascii() {
            continue;
        }
        if let Some((part, length)) = part_at(&layout[at..], at.checked_sub(1).map(|b| bytes[b])) {
            return Some((&layout[..at], part, &layout[at + length..]));
        }
    }
    None
}

fn part_at(rest: &str, before: Option<u8>) -> Option<(Part, usize)> {
    const OFFSETS: [(&str, bool, OffsetParts); 5] = [
        ("07:00:00", true, OffsetParts::Seconds),
        ("070000", false, OffsetParts::Seconds),
        ("07:00", true, OffsetParts::Minutes),
        ("0700", false, OffsetParts::Minutes),
        ("07", false, OffsetParts::Hours),
    ];
    const NAMED: [(&str, Part); 22] = [
        ("January", Part::LongMonth),
        ("Monday", Part::LongWeekDay),
        ("MST", Part::Zone),
        ("002", Part::ZeroYearDay),
        ("01", Part::ZeroMonth),
        ("02", Part::ZeroDay),
        ("03", Part::ZeroHour12),
        ("04", Part::ZeroMinute),
        ("05", Part::ZeroSecond),
        ("06", Part::Year),
        ("15", Part::Hour),
        ("1", Part::NumMonth),
        ("2006", Part::LongYear),
        ("2", Part::Day),
        ("__2", Part::UnderYearDay),
        ("_2", Part::UnderDay),
        ("3", Part::Hour12),
        ("4", Part::Minute),
        ("5", Part::Second),
        ("PM", Part::Pm),
        ("pm", Part::LowerPm),
        ("\0", Part::Pm),
    ];
    match rest.as_bytes()[0] {
        sign @ (b'-' | b'Z') => {
            let (text, colon, parts) = OFFSETS
                .into_iter()
                .find(|(text, ..)| rest[1..].starts_with(text))?;
            let z = sign == b'Z';
            return Some((Part::Offset { z, colon, parts }, text.len() + 1));
        }
        b'J' | b'M' => {
            for (short, part) in [("Jan", Part::Month), ("Mon", Part::WeekDay)] {
                let long = rest.starts_with("January") || rest.starts_with("Monday");
                // `Month` and `Janet` are no short names.
                let ends = !rest.get(3..)?.starts_with(|c: char| c.is_ascii_lowercase());
                if rest.starts_with(short) && !long && ends {
                    return Some((part, 3));
                }
            }
        }
        b'.' | b',' => return fraction_at(rest, before),
        // `_2006` is an underscore and a year.
        b'_' if rest.starts_with("_2006") => return None,
        _ => {}
    }
    NAMED
        .into_iter()
        .find(|(text, _)| rest.starts_with(text))
        .map(|(text, part)| (part, text.len()))
}

/// A fraction of seconds, if no digit follows it.
fn fraction_at(rest: &str, _before: Option<u8>) -> Option<(Part, usize)> {
    let digits = &rest[1..];
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.len() - digits.trim_start_matches(digit).len();
    if digits[count..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let part = if digit == '0' {
        Part::FractionZero(count)
    } else {
        Part::FractionNine(count)
    };
    Some((part, count + 1))
}
