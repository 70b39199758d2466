//! One tenant: a complete Alertmanager, composed of the state machines below it.
//!
//! Siblings never call each other; the tenant carries what one yields to the next.

mod deliver;
mod explain;
mod flush;
mod ingest;
mod job;
mod maintain;
mod persist;
mod reload;
mod settings;
mod stats;
mod tenant;
mod view;

pub use explain::{Explanation, GroupExplanation, RouteStep};
pub use job::{TenantJob, TenantJobDone};
pub use persist::Saved;
pub use reload::{ReloadInput, ReloadOutcome};
pub use settings::TenantSettings;
pub use stats::{LATENCY_BOUNDS, NotificationStats, Stats};
pub use tenant::{Record, Tenant, TenantEffect};
pub use view::View;
