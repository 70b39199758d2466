//! Decides what is told to whom, and turns it into requests.
//!
//! A flush passes the stages in Alertmanager's order (`notify/notify.go`): inhibition, active and mute intervals,
//! silences, then for each integration deduplication, sending with retries, and the record of it.

pub mod data;
pub mod integration;
mod verdict;

pub use data::{NotificationData, NotifyReason};
pub use verdict::{FailureReason, Verdict};
