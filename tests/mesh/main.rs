//! Clusters of real processes in network namespaces: rows of the table of faults, the classic exercise with a
//! Prometheus and a mailbox, and the way from Alertmanager and back.
//!
//! `examples/faults` runs all rows. Where namespaces cannot be made the tests fail, unless `WATCHFIRE_NO_NAMESPACES` is set;
//! then they say that they did not run.
#![expect(clippy::unwrap_used, reason = "test code: a failed step ends the test")]
#![expect(clippy::print_stdout, reason = "tests say what they saw")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests run real processes in real time"
)]

mod classic;
mod faults;
mod harness;
mod mailbox;
mod migration;
#[path = "../skipped/mod.rs"]
mod skipped;
