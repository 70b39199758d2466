//! Which node of the mesh tells what: from a flush's decision to an attempt that may be sent, and from its end to the log
//! of all nodes.
//!
//! Every node decides every flush. For each notification the node that ranks first claims it at once; the others watch:
//! the one of rank r claims it r times [`RANK_DELAY`] later, if by then nobody told it and nobody holds it.

mod attempt;
mod claimed;
mod held_back;
mod peers;
mod recheck;
mod state;
mod takeover;
mod watch;

use std::time::Duration;

pub use peers::Facts;
pub use recheck::{Recheck, RecheckInput, RecheckOutcome};
pub(in crate::tenant) use state::Handover;

/// Notifications of one kind looked at in one step of the loop.
const PER_STEP: usize = 64;

/// How long each rank waits for those before it.
const RANK_DELAY: Duration = Duration::from_secs(3);

/// A decision older than this is taken anew before anything is sent.
const FRESH: Duration = Duration::from_secs(1);

/// The first byte of payloads about claims.
pub const CLAIM_PAYLOAD: u8 = 2;

/// The first byte of payloads with [`Facts`].
pub const FACTS_PAYLOAD: u8 = 3;
