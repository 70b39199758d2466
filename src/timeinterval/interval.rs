//! One interval: a point in time lies in it if it fits every part that is given.

use super::{DayOfMonthRange, Location, MonthRange, TimeRange, WeekdayRange, YearRange};
use crate::time::Timestamp;

/// Conditions on the calendar and the clock of a place. A part that is `None` holds always; one that is an empty list
/// holds never, as in Alertmanager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeInterval {
    /// Times of the day.
    pub times: Option<Vec<TimeRange>>,
    /// Days of the week.
    pub weekdays: Option<Vec<WeekdayRange>>,
    /// Days of the month.
    pub days_of_month: Option<Vec<DayOfMonthRange>>,
    /// Months.
    pub months: Option<Vec<MonthRange>>,
    /// Years.
    pub years: Option<Vec<YearRange>>,
    /// Where the calendar and the clock are; `None` is UTC.
    pub location: Option<Location>,
}

impl TimeInterval {
    /// Whether `at` lies in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let zone = match &self.location {
            Some(location) => location.zone(),
            None => &jiff::tz::TimeZone::UTC,
        };
        let local = zone.to_datetime(at.to_jiff());
        let minute = u16::try_from(local.hour())
            .ok()
            .zip(u16::try_from(local.minute()).ok())
            .map_or(0, |(hour, minute)| hour * 60 + minute);
        let (day, length) = (local.day(), local.date().days_in_month());
        holds(self.times.as_deref(), |range| range.contains(minute))
            && holds(self.days_of_month.as_deref(), |range| {
                range.contains(day, length)
            })
            && holds(self.months.as_deref(), |range| {
                range.contains(local.month())
            })
            && holds(self.weekdays.as_deref(), |range| {
                range.contains(local.weekday())
            })
            && holds(self.years.as_deref(), |range| range.contains(local.year()))
    }
}

fn holds<R: Copy>(ranges: Option<&[R]>, fits: impl Fn(R) -> bool) -> bool {
    ranges.is_none_or(|ranges| ranges.iter().any(|range| fits(*range)))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn in_zone(name: &str) -> TimeInterval {
        TimeInterval {
            location: Some(Location::parse(name, &TimeZone::UTC).unwrap()),
            ..TimeInterval::default()
        }
    }

    #[test]
    fn no_part_always_and_an_empty_part_never() {
        assert!(TimeInterval::default().contains(Timestamp::EPOCH));
        let empty = TimeInterval {
            weekdays: Some(Vec::new()),
            ..TimeInterval::default()
        };
        assert!(!empty.contains(Timestamp::EPOCH));
    }

    #[test]
    fn the_end_of_a_time_is_not_in_it() {
        let office = TimeInterval {
            times: Some(vec![TimeRange::parse("09:00", "17:00").unwrap()]),
            weekdays: Some(vec![WeekdayRange::parse("monday:friday").unwrap()]),
            ..in_zone("Europe/Berlin")
        };
        for (text, expect) in [
            ("2026-11-20T07:59:59Z", false),
            ("2026-11-20T08:00:00Z", true),
            ("2026-11-20T15:59:59.999Z", true),
            ("2026-11-20T16:00:00Z", false),
            ("2026-11-21T10:00:00Z", false),
            ("2026-07-20T07:00:00Z", true),
            ("2026-07-20T15:00:00Z", false),
        ] {
            assert_eq!(office.contains(at(text)), expect, "{text}");
        }
    }

    /// A month with a change to summer time is an hour short; upstream v0.34 takes a day of it away.
    #[test]
    fn the_last_day_of_a_month_with_a_clock_change() {
        let last_day = TimeInterval {
            days_of_month: Some(vec![DayOfMonthRange::parse("-1").unwrap()]),
            ..in_zone("Europe/Berlin")
        };
        for (text, expect) in [
            ("2026-03-30T12:00:00Z", false),
            ("2026-03-31T12:00:00Z", true),
            ("2026-10-31T12:00:00Z", true),
            ("2026-10-30T12:00:00Z", false),
            ("2026-02-28T12:00:00Z", true),
            ("2028-02-28T12:00:00Z", false),
            ("2028-02-29T22:59:59Z", true),
            ("2028-02-29T23:00:00Z", false),
        ] {
            assert_eq!(last_day.contains(at(text)), expect, "{text}");
        }
    }

    #[test]
    fn days_are_cut_to_the_month() {
        let days = |text: &str| TimeInterval {
            days_of_month: Some(vec![DayOfMonthRange::parse(text).unwrap()]),
            ..TimeInterval::default()
        };
        for (range, text, expect) in [
            ("25:31", "2026-02-28T00:00:00Z", true),
            ("29:31", "2026-02-28T00:00:00Z", false),
            ("-31:-28", "2026-02-01T00:00:00Z", true),
            ("-31:-29", "2026-02-01T00:00:00Z", false),
            ("-31:-31", "2026-01-01T00:00:00Z", true),
            ("1:-1", "2026-04-30T00:00:00Z", true),
        ] {
            assert_eq!(days(range).contains(at(text)), expect, "{range} {text}");
        }
    }

    #[test]
    fn the_ends_of_time_are_no_panic() {
        for name in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
            let year = TimeInterval {
                years: Some(vec![YearRange::parse("0:9999").unwrap()]),
                ..in_zone(name)
            };
            assert!(year.contains(Timestamp::ZERO));
            assert!(year.contains(Timestamp::from_unix(i64::MAX, 0)));
        }
    }

    /// Names the days of a month that a range means, one by one.
    fn days_meant(start: i64, end: i64, length: i64) -> Vec<i64> {
        let from_end = |day: i64| if day < 0 { day + length + 1 } else { day };
        let mut days = Vec::new();
        for day in 1..=31 {
            if day <= length && day >= from_end(start) && day <= from_end(end) {
                days.push(day);
            }
        }
        days
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_calendar(
            seconds in 0i64..4_102_444_800,
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
            start in -31i64..=31, end in -31i64..=31,
            weekdays in (0usize..7, 0usize..7),
            months in (1i8..=12, 1i8..=12),
            minutes in (0u16..1440, 1u16..=1440),
        ) {
            let names = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
            let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let days = DayOfMonthRange::parse(&format!("{start}:{end}"));
            let weekday = WeekdayRange::parse(&format!("{}:{}", names[weekdays.0], names[weekdays.1]));
            let month = MonthRange::parse(&format!("{}:{}", months.0, months.1));
            let time = TimeRange::parse(&clock(minutes.0), &clock(minutes.1));
            let interval = TimeInterval {
                days_of_month: days.as_ref().ok().map(|range| vec![*range]),
                weekdays: weekday.as_ref().ok().map(|range| vec![*range]),
                months: month.as_ref().ok().map(|range| vec![*range]),
                times: time.as_ref().ok().map(|range| vec![*range]),
                ..in_zone(zone)
            };
            let at = Timestamp::from_unix(seconds, 0);
            let zoned = at.to_jiff().in_tz(zone).unwrap();
            let length = i64::from(zoned.last_of_month().unwrap().day());
            let fits_day = days.is_err() || days_meant(start, end, length).contains(&i64::from(zoned.day()));
            let mut weekday_names = names[weekdays.0..].iter().take((weekdays.1 + 1).saturating_sub(weekdays.0));
            let name = zoned.strftime("%A").to_string().to_lowercase();
            let fits_weekday = weekday.is_err() || weekday_names.any(|known| *known == name);
            let fits_month = month.is_err() || (zoned.month() >= months.0 && zoned.month() <= months.1);
            let now = zoned.strftime("%H:%M").to_string();
            let fits_time = time.is_err() || (now >= clock(minutes.0) && now < clock(minutes.1));
            prop_assert_eq!(interval.contains(at), fits_day && fits_weekday && fits_month && fits_time);
        }
    }
}
