//! Mistakes that tests put into the protocols on purpose: a suite that does not notice them proves nothing.

use super::Node;
use crate::{notify::claims::Skips, tenant::Omissions};

/// The mistakes; none by default.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Mutations {
    /// Nobody is asked before a node notifies.
    pub claims_ignored: bool,
    /// That something is started needs one acknowledgement only.
    pub started_by_one: bool,
    /// A lease is not renewed while a request is in flight.
    pub lease_not_renewed: bool,
    /// Each node counts its own vote only.
    pub electorate_differs: bool,
    /// Notifications are numbered by the clock.
    pub seq_by_clock: bool,
    /// What was told is not told to other nodes.
    pub done_untold: bool,
    /// Batches of refreshes do not say when they were heard.
    pub refreshes_undated: bool,
    /// A claim stays when its notification is told.
    pub claims_kept: bool,
    /// The end that a user gave a silence does not beat edits.
    pub edits_beat_expiries: bool,
}

impl Node {
    /// Puts mistakes into a node that knows its mesh.
    #[doc(hidden)]
    #[must_use]
    pub fn with_mutations(mut self, mutations: Mutations) -> Self {
        self.mutations = mutations;
        let skips = Skips {
            asking: mutations.claims_ignored,
            started: mutations.started_by_one,
            renewal: mutations.lease_not_renewed,
            release: mutations.claims_kept,
        };
        let omissions = Omissions {
            done: mutations.done_untold,
            updated_at: mutations.refreshes_undated,
            expiry: mutations.edits_beat_expiries,
        };
        self.tenant
            .leave_out(skips, omissions, mutations.seq_by_clock);
        self
    }
}
