//! Inhibition: an alert is muted while a matching source fires.

mod index;

pub use index::Inhibitor;
