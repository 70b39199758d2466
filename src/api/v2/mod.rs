//! Alertmanager's API v2 and what is added to it.

mod alerts;
mod cluster;
mod dispatch;
mod endpoints;
mod explain;
mod groups;
mod notifications;
mod post_alerts;
mod problems;
mod receivers;
mod silences;
mod status;
mod trial;
mod warm;

pub(super) use dispatch::{handle, handler_label};
