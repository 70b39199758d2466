//! Counters of the silence store, rendered as `alertmanager_silences_*`.

/// How many silences there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilenceCounts {
    /// Muting.
    pub active: usize,
    /// Going to mute.
    pub pending: usize,
    /// Over.
    pub expired: usize,
}

/// What the store and its readers did since the start. Readers count in their own copy and hand it back for [`add`].
///
/// [`add`]: SilenceStats::add
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilenceStats {
    /// `queries_total`: evaluations of one alert, and lists.
    pub queries: u64,
    /// `query_silences_scanned_total`: silences that were looked at.
    pub scanned: u64,
    /// `query_silences_skipped_total`: silences that the index spared.
    pub skipped: u64,
    /// `matcher_compile_errors_total{stage="load_snapshot"}`: silences dropped at import or restart.
    pub load_compile_errors: u64,
}

impl SilenceStats {
    /// Adds what a reader counted.
    pub fn add(&mut self, other: &Self) {
        self.queries += other.queries;
        self.scanned += other.scanned;
        self.skipped += other.skipped;
        self.load_compile_errors += other.load_compile_errors;
    }
}
