//! Watchfire among its real neighbours: Prometheus, amtool, Alertmanager and Postfix from Debian, as black boxes.
//!
//! Everything here is a process and an HTTP request. `WATCHFIRE_PEERS_SUBJECT` names another binary to put under
//! test, so that the harness itself is proved against `prometheus-alertmanager`. A program that is not installed
//! skips its test with a message; `./test` installs them all.
#![expect(clippy::unwrap_used, reason = "test code: a failed step ends the test")]
#![expect(
    clippy::print_stderr,
    reason = "a test that fails shows the logs of its processes"
)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests run real processes in real time and wait for conditions with a bound"
)]

mod differences;
mod http;
mod needed;
mod node;
mod normal;
mod process;
mod script;
mod sink;

#[path = "../skipped/mod.rs"]
mod skipped;

mod amtool;
mod config_files;
mod differential;
mod hostile;
mod hostile_receivers;
mod kill;
mod language;
mod mail;
mod prometheus;
mod rule_tests;
mod rules;
mod upstream_files;
mod webhooks;
