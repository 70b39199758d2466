//! Functions of dates: the calendar of UTC for any number of seconds.

use crate::promql::FunctionId;

/// A function of Unix seconds.
pub type DateFunction = fn(f64) -> f64;

/// The function of an id, if it is one of dates. Without an argument the engine gives it the whole seconds of the step.
#[must_use]
pub fn date_function(id: FunctionId) -> Option<DateFunction> {
    use FunctionId as Id;
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others know no date")]
    Some(match id {
        Id::Minute => |value| number(Time::of(value).second_of_day / 60 % 60),
        Id::Hour => |value| number(Time::of(value).second_of_day / 3600),
        Id::DayOfWeek => |value| number(Time::of(value).day_of_week()),
        Id::DayOfMonth => |value| number(Time::of(value).date().day),
        Id::DayOfYear => |value| number(Time::of(value).date().day_of_year()),
        Id::DaysInMonth => |value| number(Time::of(value).date().days_in_month()),
        Id::Month => |value| number(Time::of(value).date().month),
        Id::Year => |value| Time::of(value).date().year as f64,
        _ => return None,
    })
}

fn number(small: u64) -> f64 {
    small as f64
}

/// Seconds from the year -292277022400, 1 March, to 1970; Go counts from there, modulo 2^64.
const BEFORE_1970: u64 = DAYS_BEFORE_1970 * 86_400;
/// Years in whole cycles of 400, and from 1 March of the year 0 to 1970.
const DAYS_BEFORE_1970: u64 = FIRST_YEAR / 400 * DAYS_OF_400_YEARS + 719_468;
const FIRST_YEAR: u64 = 292_277_022_400;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// Days since 1 March of the first year, and the time of the day.
#[derive(Clone, Copy)]
struct Time {
    days: u64,
    second_of_day: u64,
}

/// A day of the calendar; months and days from 1.
#[derive(Clone, Copy)]
struct Date {
    year: i64,
    month: u64,
    day: u64,
}

impl Time {
    fn of(seconds: f64) -> Self {
        let since_first = whole(seconds).cast_unsigned().wrapping_add(BEFORE_1970);
        Self {
            days: since_first / 86_400,
            second_of_day: since_first % 86_400,
        }
    }

    /// From Sunday, 0. The first day is a Wednesday.
    fn day_of_week(self) -> u64 {
        (self.days + 3) % 7
    }

    /// Years begin in March here, so that 29 February is the last day of one.
    fn date(self) -> Date {
        let cycle = self.days / DAYS_OF_400_YEARS;
        let day = self.days % DAYS_OF_400_YEARS;
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let next_year = month >= 10;
        let year = (cycle * 400 + year + u64::from(next_year)).cast_signed();
        Date {
            year: year - FIRST_YEAR.cast_signed(),
            month: if next_year { month - 9 } else { month + 3 },
            day: day_of_year - (153 * month + 2) / 5 + 1,
        }
    }
}

impl Date {
    fn is_leap_year(self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    fn days_in_month(self) -> u64 {
        match self.month {
            2 => 28 + u64::from(self.is_leap_year()),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn day_of_year(self) -> u64 {
        let before = match self.month {
            1 => 0,
            2 => 31,
            month => (153 * (month - 3) + 2) / 5 + 59 + u64::from(self.is_leap_year()),
        };
        before + self.day
    }
}

/// The integer below a number in magnitude, as a conversion on x86-64 has it: without one, it is the lowest.
fn whole(value: f64) -> i64 {
    const BEYOND: f64 = -(i64::MIN as f64);
    if (-BEYOND..BEYOND).contains(&value) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is after the point is cut off"
        )]
        return value as i64;
    }
    i64::MIN
}

#[cfg(test)]
mod tests {
    use FunctionId as Id;

    use super::*;

    fn of(id: FunctionId, seconds: f64) -> f64 {
        date_function(id).expect("a function of dates")(seconds)
    }

    const ALL: [FunctionId; 8] = [
        Id::Year,
        Id::Month,
        Id::DayOfMonth,
        Id::Hour,
        Id::Minute,
        Id::DayOfWeek,
        Id::DayOfYear,
        Id::DaysInMonth,
    ];

    #[test]
    fn dates_are_those_of_utc() {
        for (seconds, expected) in [
            (0.0, [1970, 1, 1, 0, 0, 4, 1, 31]),
            (0.9, [1970, 1, 1, 0, 0, 4, 1, 31]),
            (-0.9, [1970, 1, 1, 0, 0, 4, 1, 31]),
            (-1.0, [1969, 12, 31, 23, 59, 3, 365, 31]),
            (1_136_239_445.0, [2006, 1, 2, 22, 4, 1, 2, 31]),
            (1_500_000_000.0, [2017, 7, 14, 2, 40, 5, 195, 31]),
            (1_456_790_399.0, [2016, 2, 29, 23, 59, 1, 60, 29]),
            (1_456_790_400.0, [2016, 3, 1, 0, 0, 2, 61, 31]),
            (1_483_228_799.0, [2016, 12, 31, 23, 59, 6, 366, 31]),
            (951_782_400.0, [2000, 2, 29, 0, 0, 2, 60, 29]),
            (4_107_542_400.0, [2100, 3, 1, 0, 0, 1, 60, 31]),
            (-62_135_596_800.0, [1, 1, 1, 0, 0, 1, 1, 31]),
        ] {
            assert_eq!(
                ALL.map(|id| of(id, seconds)),
                expected.map(f64::from),
                "{seconds}"
            );
        }
    }

    #[test]
    fn what_no_integer_holds_is_the_lowest() {
        for seconds in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e19,
            i64::MIN as f64,
        ] {
            let got = [Id::Year, Id::Month, Id::DayOfMonth, Id::Hour, Id::Minute]
                .map(|id| of(id, seconds));
            assert_eq!(got, [292_277_026_596.0, 12.0, 4.0, 15.0, 30.0], "{seconds}");
        }
    }

    proptest::proptest! {
        #[test]
        fn days_follow_each_other(day in -800_000_i64..800_000) {
            let seconds = |day: i64| (day * 86_400) as f64;
            let (before, after) = (seconds(day), seconds(day + 1));
            let (date, next) = (Time::of(before).date(), Time::of(after).date());
            let expected = if date.day < date.days_in_month() {
                (date.year, date.month, date.day + 1, date.day_of_year() + 1)
            } else if date.month < 12 {
                (date.year, date.month + 1, 1, date.day_of_year() + 1)
            } else {
                (date.year + 1, 1, 1, 1)
            };
            proptest::prop_assert_eq!((next.year, next.month, next.day, next.day_of_year()), expected);
            proptest::prop_assert_eq!(of(Id::DayOfWeek, after), (of(Id::DayOfWeek, before) + 1.0) % 7.0);
        }
    }
}
