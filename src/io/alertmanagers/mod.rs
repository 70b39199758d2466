//! Tells other Alertmanagers of alerts, each by itself: what waits for one of them is the latest state of each alert, never a
//! queue of states that were.

mod discover;
mod queue;
mod sender;
mod stats;
mod tell;

#[cfg(test)]
mod tests;

pub use stats::{AlertmanagerStats, AlertmanagersStats};
pub use tell::Alertmanagers;
