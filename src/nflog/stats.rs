//! Counters of the notification log, rendered as `alertmanager_nflog_*`.

/// What the log and its readers did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NflogStats {
    /// `queries_total`: entries that were looked up for a decision.
    pub queries: u64,
    /// `query_errors_total`: lookups without an entry, as upstream counts them.
    pub query_errors: u64,
    /// Entries that were refused because a newer one is there.
    pub stale: u64,
}

impl NflogStats {
    /// Adds what a reader counted.
    pub fn add(&mut self, other: &Self) {
        self.queries += other.queries;
        self.query_errors += other.query_errors;
        self.stale += other.stale;
    }
}
