//! Alerts: what one is, how two posts of it merge, and the store of all of them.

mod model;
mod store;

pub use model::{Alert, AlertStatus};
pub use store::{AlertStore, Put};
