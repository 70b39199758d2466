//! Alertmanager's API v2 and what is added to it.

mod alerts;
mod dispatch;
mod groups;
mod post_alerts;
mod receivers;
mod silences;
mod status;

pub(super) use dispatch::{handle, handler_label};
