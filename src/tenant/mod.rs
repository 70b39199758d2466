//! One tenant: a complete Alertmanager, composed of the state machines below it.
//!
//! Siblings never call each other; the tenant carries what one yields to the next.

mod decoders;
mod deliver;
mod explain;
mod export;
mod flush;
mod handover;
mod ingest;
mod job;
mod load;
mod maintain;
mod owners;
mod persist;
mod reload;
mod replicate;
mod restore;
mod rules;
mod settings;
mod state;
mod stats;
mod view;

#[doc(hidden)]
pub use decoders::decoders;
pub use explain::{Explanation, GroupExplanation, RouteStep};
pub use export::{ExportInput, Exported};
pub use handover::{CLAIM_PAYLOAD, FACTS_PAYLOAD, Facts, Recheck, RecheckInput, RecheckOutcome};
pub use job::{TenantJob, TenantJobDone, TenantJobName};
pub use load::Damaged;
pub use persist::Saved;
pub use reload::{ReloadInput, ReloadOutcome};
pub use replicate::{
    Index, IndexInput, MeshIdentity, Omissions, Portion, PortionInput, REPLICATION_PAYLOAD,
};
pub use settings::TenantSettings;
pub use state::{Record, Tenant, TenantEffect};
pub use stats::{
    CLAIM_BOUNDS_MS, ClaimStats, LATENCY_BOUNDS, NotificationStats, ReplicaStats, ReplicationStats,
    SnapshotStats, Stats, Takeover,
};
pub use view::{PeerFacts, PeerLag, Phase, Tellers, View};
