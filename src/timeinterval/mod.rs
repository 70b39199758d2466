//! Time intervals that mute or activate routes (`timeinterval/timeinterval.go` of Alertmanager v0.34).
//!
//! The parts are parsed one by one from the texts of the file, so that each error has its place, and print as upstream
//! prints them. Which route names which interval is not decided here.

mod location;
mod range;

mod interval;

pub use interval::TimeInterval;
pub use location::Location;
pub use range::{DayOfMonthRange, IntervalError, MonthRange, TimeRange, WeekdayRange, YearRange};
