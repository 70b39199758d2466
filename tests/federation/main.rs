//! Watchfire among real servers: three Prometheus 2.42, two of them replicas of each other, and a `VictoriaMetrics` hold
//! the parts of what one more Prometheus holds as a whole; answers must be those of that one.
//!
//! The samples lie off the boundaries of windows, which Prometheus counts in before 3.0. Where a program is missing its
//! test says so and does nothing. `FEDERATION_SEED` and `FEDERATION_QUERIES` choose other random expressions and how
//! many; `FEDERATION_SHOW` is how many differences are printed.
#![expect(clippy::unwrap_used, reason = "test code: a failed step ends the test")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the numbers are the outcome, and what failed shows its logs"
)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests run real processes in real time and wait for conditions with a bound"
)]

mod api;
mod chance;
mod data;
mod doors;
mod ended;
mod exemplars;
mod fake;
mod found;
mod guess;
mod loss;
mod over;
mod past;
mod practice;
mod proxy;
mod rates;
mod recall;
mod remote_write;
mod replicas;
mod rules;
mod servers;
mod side_by_side;
mod slots;
mod stored;
mod transfer;

#[path = "../promql/expressions.rs"]
mod expressions;
#[path = "../peers/http.rs"]
#[expect(dead_code, reason = "other tests ask for more")]
mod http;
#[path = "../peers/needed.rs"]
mod needed;
#[path = "../peers/node.rs"]
#[expect(dead_code, reason = "other tests ask for more")]
mod node;
#[path = "../peers/process.rs"]
#[expect(dead_code, reason = "other tests ask for more")]
mod process;
#[path = "../skipped/mod.rs"]
mod skipped;
