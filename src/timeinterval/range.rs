//! The parts of an interval: ranges of minutes, weekdays, days, months and years, from text and back.

use std::fmt;

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A text is no part of a time interval; the messages are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// Not `a` or `a:b`.
    #[error("couldn't parse range {0}, invalid format")]
    Range(String),
    /// Not a number.
    #[error("strconv.Atoi: parsing {}: {problem}", crate::labels::go_quote(text))]
    Number {
        /// What should have been a number.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not a name of a weekday.
    #[error("{0} is not a valid weekday")]
    Weekday(String),
    /// A range of weekdays over the end of the week.
    #[error("start day cannot be before end day")]
    WeekdayOrder,
    /// Not a day of the month, from the beginning or the end.
    #[error("{0} is not a valid day of the month: out of range")]
    DayOfMonth(i64),
    /// Days from the end of the month up to days from its beginning.
    #[error("end day must be negative if start day is negative")]
    DaySigns,
    /// A range of days that no month has.
    #[error("end day {end} is always before start day {start}")]
    DayOrder {
        /// First day.
        start: i64,
        /// Last day.
        end: i64,
    },
    /// Neither a name nor a number of a month.
    #[error("{0} is not a valid month")]
    Month(String),
    /// A range of months over the end of the year.
    #[error("end month {end} is before start month {start}")]
    MonthOrder {
        /// Name of the first month; empty if there is no such month.
        start: &'static str,
        /// Name of the last month; empty if there is no such month.
        end: &'static str,
    },
    /// A range of years that is empty.
    #[error("end year {end} is before start year {start}")]
    YearOrder {
        /// First year.
        start: i64,
        /// Last year.
        end: i64,
    },
    /// One end of a range of times is missing.
    #[error("both start and end times must be provided")]
    TimeMissing,
    /// A range of times that is empty or goes over midnight.
    #[error("start time cannot be equal or greater than end time")]
    TimeOrder,
    /// Not a time of the form `HH:MM`.
    #[error("couldn't parse timestamp {0}, invalid format")]
    Time(String),
    /// No time zone has this name.
    #[error("unknown time zone {0}")]
    UnknownTimeZone(String),
    /// The name of a time zone is a path.
    #[error("time: invalid location name")]
    InvalidLocationName,
}

/// Minutes of a day from `start` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    start: u16,
    end: u16,
}

impl TimeRange {
    /// Reads `start_time` and `end_time`, each `HH:MM`, up to `24:00`.
    ///
    /// # Errors
    /// When one is missing or no time, or when they are out of order.
    pub fn parse(start_time: &str, end_time: &str) -> Result<Self, IntervalError> {
        if start_time.is_empty() || end_time.is_empty() {
            return Err(IntervalError::TimeMissing);
        }
        let (start, end) = (minute_of_day(start_time)?, minute_of_day(end_time)?);
        if start >= end {
            return Err(IntervalError::TimeOrder);
        }
        Ok(Self { start, end })
    }

    /// The first minute as `HH:MM`.
    #[must_use]
    pub fn start_time(&self) -> String {
        format!("{:02}:{:02}", self.start / 60, self.start % 60)
    }

    /// The minute behind the last one as `HH:MM`.
    #[must_use]
    pub fn end_time(&self) -> String {
        format!("{:02}:{:02}", self.end / 60, self.end % 60)
    }

    pub(super) fn contains(self, minute: u16) -> bool {
        (self.start..self.end).contains(&minute)
    }
}

fn minute_of_day(text: &str) -> Result<u16, IntervalError> {
    let error = || IntervalError::Time(text.to_owned());
    let [a, b, b':', c, d] = text.as_bytes() else {
        return Err(error());
    };
    let number = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit())
            .then(|| u16::from(tens - b'0') * 10 + u16::from(ones - b'0'))
    };
    match (number(*a, *b), number(*c, *d)) {
        (Some(24), Some(0)) => Ok(24 * 60),
        (Some(hour @ ..=23), Some(minute @ ..=59)) => Ok(hour * 60 + minute),
        _ => Err(error()),
    }
}

/// The two ends of `a:b`, or `a` twice, in lower case.
fn ends<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, IntervalError>,
) -> Result<(T, T), IntervalError> {
    let text = text.to_lowercase();
    let (start, end) = text.split_once(':').unwrap_or((&text, &text));
    if text.matches(':').count() > 1 {
        return Err(IntervalError::Range(text));
    }
    Ok((parse(start)?, parse(end)?))
}

fn number(text: &str) -> Result<i64, IntervalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let problem = if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse() {
            Ok(number) => return Ok(number),
            Err(_) => "value out of range",
        }
    };
    Err(IntervalError::Number {
        text: text.to_owned(),
        problem,
    })
}

/// Writes `a:b`, or `a` if both ends are the same.
fn write_range<T: fmt::Display + PartialEq>(
    f: &mut fmt::Formatter<'_>,
    start: T,
    end: T,
) -> fmt::Result {
    if start == end {
        write!(f, "{start}")
    } else {
        write!(f, "{start}:{end}")
    }
}

/// Days of the week, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekdayRange {
    /// From Sunday, which is 0.
    start: usize,
    end: usize,
}

impl WeekdayRange {
    /// Reads `monday` or `monday:friday`, in any case.
    ///
    /// # Errors
    /// When a name is no weekday, or when the range goes over the end of a week, which begins on Sunday.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        let (start, end) = ends(text, |name| {
            WEEKDAYS
                .iter()
                .position(|weekday| *weekday == name)
                .ok_or_else(|| IntervalError::Weekday(name.to_owned()))
        })?;
        if start > end {
            return Err(IntervalError::WeekdayOrder);
        }
        Ok(Self { start, end })
    }

    pub(super) fn contains(self, weekday: jiff::civil::Weekday) -> bool {
        usize::try_from(weekday.to_sunday_zero_offset())
            .is_ok_and(|day| (self.start..=self.end).contains(&day))
    }
}

impl fmt::Display for WeekdayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_range(f, WEEKDAYS[self.start], WEEKDAYS[self.end])
    }
}

/// Days of the month, both ends included; negative ones count from the end, -1 being the last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOfMonthRange {
    start: i64,
    end: i64,
}

impl DayOfMonthRange {
    /// Reads `1`, `1:5`, `-3:-1` or `15:-1`.
    ///
    /// # Errors
    /// When a day is no number or out of range, or when the range is empty in every month.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        let (start, end) = ends(text, number)?;
        for day in [start, end] {
            if day == 0 || !(-31..=31).contains(&day) {
                return Err(IntervalError::DayOfMonth(day));
            }
        }
        if start < 0 && end > 0 {
            return Err(IntervalError::DaySigns);
        }
        // Upstream compares as if every month had 28 days, and takes -1 for the 27th.
        let in_february = |day: i64| if day < 0 { 28 + day } else { day };
        if in_february(start) > in_february(end) {
            return Err(IntervalError::DayOrder { start, end });
        }
        Ok(Self { start, end })
    }

    /// Ends outside of the month are cut; a range behind the month's end is empty.
    pub(super) fn contains(self, day: i8, days_in_month: i8) -> bool {
        let length = i64::from(days_in_month);
        let absolute = |day: i64| if day < 0 { length + day + 1 } else { day };
        (absolute(self.start)..=absolute(self.end)).contains(&i64::from(day))
    }
}

impl fmt::Display for DayOfMonthRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_range(f, self.start, self.end)
    }
}

/// Months, both ends included, from January, which is 1. Upstream takes any number; others hold no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthRange {
    start: i64,
    end: i64,
}

impl MonthRange {
    /// Reads `may`, `5`, `may:august` or `5:8`, in any case.
    ///
    /// # Errors
    /// When it is neither name nor number, or when the range goes over the end of the year.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        let (start, end) = ends(text, |name| {
            if let Some((month, _)) = (1..).zip(MONTHS).find(|(_, month)| *month == name) {
                return Ok(month);
            }
            number(name)
                .ok()
                .ok_or_else(|| IntervalError::Month(name.to_owned()))
        })?;
        if start > end {
            let name = |month: i64| {
                let index = usize::try_from(month - 1).ok();
                index.and_then(|at| MONTHS.get(at)).copied().unwrap_or("")
            };
            return Err(IntervalError::MonthOrder {
                start: name(start),
                end: name(end),
            });
        }
        Ok(Self { start, end })
    }

    pub(super) fn contains(self, month: i8) -> bool {
        (self.start..=self.end).contains(&i64::from(month))
    }
}

/// As numbers, which is how upstream prints them.
impl fmt::Display for MonthRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_range(f, self.start, self.end)
    }
}

/// Years, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YearRange {
    start: i64,
    end: i64,
}

impl YearRange {
    /// Reads `2026` or `2026:2030`.
    ///
    /// # Errors
    /// When it is no number, or when the range is empty.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        let (start, end) = ends(text, number)?;
        if start > end {
            return Err(IntervalError::YearOrder { start, end });
        }
        Ok(Self { start, end })
    }

    pub(super) fn contains(self, year: i16) -> bool {
        (self.start..=self.end).contains(&i64::from(year))
    }
}

impl fmt::Display for YearRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_range(f, self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: fmt::Display>(parse: fn(&str) -> Result<T, IntervalError>, cases: &[(&str, &str)]) {
        for (text, expect) in cases {
            let shown = match parse(text) {
                Ok(range) => range.to_string(),
                Err(error) => format!("error: {error}"),
            };
            assert_eq!(shown, *expect, "{text}");
            if let Ok(range) = parse(text) {
                assert_eq!(parse(&range.to_string()).unwrap().to_string(), *expect);
            }
        }
    }

    #[test]
    fn times() {
        let shown = |start: &str, end: &str| match TimeRange::parse(start, end) {
            Ok(range) => format!("{}-{}", range.start_time(), range.end_time()),
            Err(error) => error.to_string(),
        };
        let order = "start time cannot be equal or greater than end time";
        for (start, end, expect) in [
            ("00:00", "24:00", "00:00-24:00"),
            ("09:05", "17:59", "09:05-17:59"),
            ("17:00", "09:00", order),
            ("09:00", "09:00", order),
            ("24:00", "24:00", order),
            ("", "09:00", "both start and end times must be provided"),
            ("09:00", "", "both start and end times must be provided"),
            (
                "9:00",
                "10:00",
                "couldn't parse timestamp 9:00, invalid format",
            ),
            (
                "24:01",
                "10:00",
                "couldn't parse timestamp 24:01, invalid format",
            ),
            (
                "09:00",
                "25:00",
                "couldn't parse timestamp 25:00, invalid format",
            ),
            (
                "09:60",
                "10:00",
                "couldn't parse timestamp 09:60, invalid format",
            ),
            (
                "0a:00",
                "10:00",
                "couldn't parse timestamp 0a:00, invalid format",
            ),
            (
                "32400",
                "10:00",
                "couldn't parse timestamp 32400, invalid format",
            ),
        ] {
            assert_eq!(shown(start, end), expect, "{start} {end}");
        }
    }

    #[test]
    fn weekdays() {
        check(
            WeekdayRange::parse,
            &[
                ("Monday", "monday"),
                ("monday:FRIDAY", "monday:friday"),
                ("sunday:sunday", "sunday"),
                ("mon", "error: mon is not a valid weekday"),
                ("", "error:  is not a valid weekday"),
                ("1", "error: 1 is not a valid weekday"),
                ("friday:monday", "error: start day cannot be before end day"),
                (
                    "saturday:sunday",
                    "error: start day cannot be before end day",
                ),
                ("a:b:c", "error: couldn't parse range a:b:c, invalid format"),
            ],
        );
    }

    #[test]
    fn days_of_month() {
        check(
            DayOfMonthRange::parse,
            &[
                ("1", "1"),
                ("1:5", "1:5"),
                ("-3:-1", "-3:-1"),
                ("1:-1", "1:-1"),
                ("+5", "5"),
                ("-31:-31", "-31"),
                (
                    "0",
                    "error: 0 is not a valid day of the month: out of range",
                ),
                (
                    "1:32",
                    "error: 32 is not a valid day of the month: out of range",
                ),
                (
                    "-32:1",
                    "error: -32 is not a valid day of the month: out of range",
                ),
                (
                    "-1:5",
                    "error: end day must be negative if start day is negative",
                ),
                ("5:1", "error: end day 1 is always before start day 5"),
                ("-1:-5", "error: end day -5 is always before start day -1"),
                ("28:-1", "error: end day -1 is always before start day 28"),
                ("a", "error: strconv.Atoi: parsing \"a\": invalid syntax"),
                (
                    "1-5",
                    "error: strconv.Atoi: parsing \"1-5\": invalid syntax",
                ),
                (
                    "99999999999999999999",
                    "error: strconv.Atoi: parsing \"99999999999999999999\": value out of range",
                ),
            ],
        );
    }

    #[test]
    fn months_and_years() {
        check(
            MonthRange::parse,
            &[
                ("May:August", "5:8"),
                ("1:march", "1:3"),
                ("december", "12"),
                ("13", "13"),
                ("foo", "error: foo is not a valid month"),
                (
                    "3:1",
                    "error: end month january is before start month march",
                ),
                ("13:1", "error: end month january is before start month "),
            ],
        );
        check(
            YearRange::parse,
            &[
                ("2026", "2026"),
                ("2026:2030", "2026:2030"),
                (
                    "2030:2026",
                    "error: end year 2026 is before start year 2030",
                ),
                ("x", "error: strconv.Atoi: parsing \"x\": invalid syntax"),
            ],
        );
    }
}
