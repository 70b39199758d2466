//! Alerts: what one is, how two posts of it merge, and the store of all of them.

mod model;
mod post;
mod store;

pub use model::{Alert, AlertStatus};
pub use post::{InvalidAlert, PostedAlert};
pub use store::{AlertStore, Put};
