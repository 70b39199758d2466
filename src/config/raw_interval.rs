//! `time_intervals` and `mute_time_intervals` as they are written.

use std::{fmt::Display, marker::PhantomData};

use super::{
    read::{Codec, Content, Cursor, Place, Reader, Section},
    section::section,
};
use crate::{
    timeinterval::{
        DayOfMonthRange, IntervalError, Location, MonthRange, TimeInterval, TimeRange,
        WeekdayRange, YearRange,
    },
    yaml::Value,
};

section! {
    /// `TimeInterval` of upstream's config/config.go.
    pub(crate) RawTimeInterval in "config.plain", check check_name {
        name: String,
        time_intervals: Vec<TimeInterval>,
    }

    /// `MuteTimeInterval` of upstream's config/config.go.
    pub(crate) RawMuteTimeInterval in "config.plain", check check_mute_name {
        name: String,
        time_intervals: Vec<TimeInterval>,
    }

    /// One entry of `times`.
    RawTimes in "timeinterval.yamlTimeRange" {
        start_time: String,
        end_time: String,
    }
}

fn check_name(interval: &mut RawTimeInterval, place: &Place, reader: &mut Reader<'_>) {
    if interval.name.is_empty() {
        reader.deny(place.at, "missing name in time interval");
    }
}

fn check_mute_name(interval: &mut RawMuteTimeInterval, place: &Place, reader: &mut Reader<'_>) {
    if interval.name.is_empty() {
        reader.deny(place.at, "missing name in mute time interval");
    }
}

/// `TimeInterval` of upstream's timeinterval/timeinterval.go.
impl Section for TimeInterval {
    const GO: &'static str = "timeinterval.TimeInterval";

    fn keys() -> Vec<&'static str> {
        vec![
            "times",
            "weekdays",
            "days_of_month",
            "months",
            "years",
            "location",
        ]
    }

    fn read_key(&mut self, key: &str, node: Cursor<'_>, reader: &mut Reader<'_>) -> bool {
        match key {
            "times" => self.times = Ranges::<TimeRange>::read(node, reader).flatten(),
            "weekdays" => self.weekdays = Ranges::<WeekdayRange>::read(node, reader).flatten(),
            "days_of_month" => {
                self.days_of_month = Ranges::<DayOfMonthRange>::read(node, reader).flatten();
            }
            "months" => self.months = Ranges::<MonthRange>::read(node, reader).flatten(),
            "years" => self.years = Ranges::<YearRange>::read(node, reader).flatten(),
            "location" => self.location = read_location(node, reader),
            _ => return false,
        }
        true
    }

    fn print_keys(&self, out: &mut Vec<(Value, Value)>) {
        super::read::print_key::<Ranges<TimeRange>>("times", &self.times, None, out);
        super::read::print_key::<Ranges<WeekdayRange>>("weekdays", &self.weekdays, None, out);
        super::read::print_key::<Ranges<DayOfMonthRange>>(
            "days_of_month",
            &self.days_of_month,
            None,
            out,
        );
        super::read::print_key::<Ranges<MonthRange>>("months", &self.months, None, out);
        super::read::print_key::<Ranges<YearRange>>("years", &self.years, None, out);
        if let Some(location) = &self.location {
            out.push((Value::from("location"), Value::from(&*location.to_string())));
        }
    }
}

fn read_location(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Location> {
    if node.is_null() {
        return None;
    }
    let name = reader.text(node, "string")?;
    match Location::parse(&name, &reader.env.local) {
        Ok(location) => Some(location),
        Err(error) => {
            reader.deny(node.position(), error.to_string());
            None
        }
    }
}

/// A range of the calendar or the clock.
trait Range: Sized {
    /// Reads it; a mistake is noted.
    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self>;

    /// Prints it as upstream does.
    fn print(&self) -> Value;
}

macro_rules! text_ranges {
    ($($range:ident)*) => {$(
        impl Range for $range {
            fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let text = reader.text(node, "string")?;
                noted(Self::parse(&text), node, reader)
            }

            fn print(&self) -> Value {
                printed(self)
            }
        }
    )*};
}

text_ranges! { WeekdayRange DayOfMonthRange MonthRange YearRange }

fn printed(range: &impl Display) -> Value {
    Value::from(&*range.to_string())
}

fn noted<T>(
    parsed: Result<T, IntervalError>,
    node: Cursor<'_>,
    reader: &mut Reader<'_>,
) -> Option<T> {
    parsed
        .map_err(|error| reader.deny(node.position(), error.to_string()))
        .ok()
}

impl Range for TimeRange {
    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let mut times = RawTimes::default();
        let place = reader.section(node, &mut times);
        if !place.sound {
            return None;
        }
        noted(
            Self::parse(&times.start_time, &times.end_time),
            node,
            reader,
        )
    }

    fn print(&self) -> Value {
        let times = [
            ("start_time", self.start_time()),
            ("end_time", self.end_time()),
        ];
        let keys = times.map(|(key, time)| (Value::from(key), Value::from(&*time)));
        Value::Mapping(keys.to_vec())
    }
}

/// A list of ranges, of which an empty one holds never and none at all always.
struct Ranges<R>(PhantomData<R>);

impl<R: Range> Codec for Ranges<R> {
    type Value = Option<Vec<R>>;

    fn go_type() -> String {
        "[]timeinterval.Range".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self::Value> {
        if node.is_null() {
            return Some(None);
        }
        let Content::List(items) = node.content() else {
            reader.mismatch(node, &Self::go_type());
            return None;
        };
        let mut ranges = Vec::new();
        reader.nested(node, |reader| {
            for &item in items {
                ranges.extend(R::read(node.at(item), reader));
            }
        });
        Some(Some(ranges))
    }

    fn null() -> Self::Value {
        None
    }

    fn print(ranges: &Self::Value) -> Value {
        let ranges = ranges.iter().flatten();
        Value::Sequence(ranges.map(R::print).collect())
    }

    fn is_empty(ranges: &Self::Value) -> bool {
        ranges.as_ref().is_none_or(Vec::is_empty)
    }
}
