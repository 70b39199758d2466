//! Decides what is told to whom, and turns it into requests.
//!
//! A flush passes the stages in Alertmanager's order (`notify/notify.go`): inhibition, active and mute intervals,
//! silences, then for each integration deduplication, sending with retries, and the record of it.

pub(crate) mod by_key;
pub mod claims;
pub mod data;
pub mod decide;
mod dedup;
mod delivery;
mod digest;
pub mod integration;
mod key;
pub mod mute;
mod rate;
mod render;
pub mod retry;
pub(crate) mod route_labels;
mod running;
pub mod sample;
mod verdict;

pub use data::{NotificationData, NotifyReason};
pub use dedup::Quiet;
pub use delivery::Delivery;
pub use mute::{MuteStatus, Muting};
pub use render::{Limit, Mentions, Renderer};
pub use verdict::{FailureReason, Memory, Receipt, Verdict};
