//! Routes alerts into aggregation groups and says when each group is due (`dispatch/`).

mod dispatcher;
mod follow;
mod group;
mod members;
mod reload;
mod route;

pub use dispatcher::Dispatcher;
pub use follow::Aside;
pub use group::{Flush, Group, GroupId, GroupName, LastDecision, Schedule};
pub use members::Members;
pub use reload::Snapshot;
pub use route::{RouteNode, RouteTree};
