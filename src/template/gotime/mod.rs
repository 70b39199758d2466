//! Go's `time.Time`: a point in time that remembers its zone, with Go's layouts and methods.

mod zone;

mod layout;

mod format;
mod parse;

mod duration;

mod methods;

pub(crate) use duration::{duration_seconds, duration_text};
pub(crate) use methods::{DURATION, LOCATION, MONTH, TIME, WEEKDAY, month_text, weekday_text};
pub(crate) use parse::parse;
pub use zone::{FixedZone, Time, Zone};
pub(crate) use zone::{between, load_zone};
