//! One query over several endpoints that each hold a part of the data.
//!
//! A query is [planned](plan): what a partition can compute by itself becomes a fragment that its endpoint evaluates,
//! the rest is evaluated here over the fragments' values. An [`Inquiry`] names what to fetch and makes the [`Answer`],
//! which tells the partitions that did not contribute. The shell (`io::federation`) fetches; everything here is pure.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "expressions and functions are many, and most rules are about few of them"
)]

mod answer;
mod ask;
mod batch;
mod copies;
mod depends;
mod dialect;
mod distribute;
mod fill;
mod grows;
mod guard;
mod inquiry;
pub mod local;
mod merge;
mod notes;
mod own;
mod plan;
mod prune;
mod range;
mod reach;
mod read;
mod recent;
mod recurring;
mod scope;
mod size;
mod versions;
mod world;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Certainty, Fetched, Missing};
pub use batch::{Marks, joined, may_be_joined, parted};
pub use depends::depends_by;
pub use dialect::as_here;
pub use fill::{fill_gaps, has_gaps};
pub use grows::keeps_elements;
pub use guard::{Guard, Rates};
pub use inquiry::{Inquiry, Refusal, Window};
pub use local::Local;
pub use merge::Overlap;
pub use own::{OwnMetrics, PartitionsUp};
pub use plan::{Fragment, Plan, Question, Version, plan};
pub use range::{
    Block, CacheCounts, Gap, Horizon, Part, Planned, RangeCache, RangeQuery, assemble, cut,
};
#[doc(hidden)]
pub use read::decoders;
pub use read::{Malformed, ReadFormat, Reading, read_chunks, read_request, read_samples};
pub use recent::Recent;
pub use recurring::Recurring;
pub use versions::drops_histograms;
pub use world::{Claim, Dialect, Extent, Partition, PartitionMode, Pushdown, Speech, World};
