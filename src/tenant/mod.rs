//! One tenant: a complete Alertmanager, composed of the state machines below.

mod view;

pub use view::View;
