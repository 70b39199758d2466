//! Go's `time.Time`: a point in time that remembers its zone, with Go's layouts and methods.

mod zone;

pub use zone::{Time, Zone};
