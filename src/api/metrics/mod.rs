//! `/metrics`: the counters of the node and of the HTTP server under Alertmanager's names.

mod http;

use axum::{body::Body, extract::State, http::Response};
pub use http::HttpStats;

use super::state::ApiState;

/// `GET /metrics`.
pub(super) async fn serve(State(state): State<ApiState>) -> Response<Body> {
    state.http_stats().count_scrape();
    Response::new(Body::empty())
}
