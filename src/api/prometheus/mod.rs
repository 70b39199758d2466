//! Prometheus's HTTP API over all endpoints together, below `/prometheus`, so that `http://node:9093/prometheus` is a
//! Prometheus for Grafana and `promtool`.

mod exemplars;
mod expressions;
mod form;
mod params;
mod querier;
mod respond;
mod rules;
mod tree;
mod values;

mod router;

pub(super) use expressions::Expressions;
pub use querier::{
    Answering, Explanation, Found, GlobalAnswer, GlobalQuery, Lookup, LookupScope, Querier,
};
pub use respond::{ApiFailure, ErrorType};
pub(super) use router::router;
pub use rules::{RuleReader, Showing};
