//! `/metrics`: the counters of the node and of the shell under Alertmanager's names, and our own beside them.
//!
//! Left out are `go_*`, since there is no Go runtime, and `net_conntrack_*`, since the HTTP client hides its
//! connections. The text format 0.0.4 is answered whatever is asked for; Prometheus takes it.

mod alertmanagers;
mod alerts;
mod cluster;
mod family;
mod http;
mod mesh;
mod node;
mod own;
mod process;
mod queries;
mod remote_write;
mod rules;
mod sources;
mod stores;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Response, header},
};
pub use http::HttpStats;
pub use sources::{MetricLabels, ReloadStats, Sources};

use self::{alerts::AlertCounter, family::Page};
use super::{error::ApiError, state::ApiState};
use crate::{
    io::{
        alertmanagers::AlertmanagersStats,
        federation::{FederationStatus, Meaning},
        remote_write::RemoteWriteStats,
    },
    labels::LabelSet,
    ruler::{RuleSet, States},
    tenant::View,
    time::Now,
};

/// What the page remembers between scrapes.
#[derive(Debug, Default)]
pub(super) struct Renderer {
    alerts: AlertCounter,
}

/// What not every node has.
struct Parts<'a> {
    queries: Option<&'a FederationStatus>,
    remote_write: Option<&'a RemoteWriteStats>,
    alertmanagers: Option<&'a AlertmanagersStats>,
    rules: Option<&'a (Arc<RuleSet>, States)>,
}

impl Renderer {
    fn render(
        &self,
        view: &View,
        sources: &Sources,
        http: &HttpStats,
        parts: &Parts<'_>,
        clock: &dyn Fn() -> Now,
    ) -> Page {
        let mut page = Page::default();
        let labels = sources.labels;
        self.alerts.add(&mut page, view, labels.group_keys, clock);
        node::add(&mut page, view, http, labels);
        stores::add(&mut page, view, sources);
        cluster::add(&mut page, view, sources);
        mesh::add(&mut page, view, sources);
        http::add(&mut page, http);
        own::add(&mut page, view, sources);
        if let Some(status) = parts.queries {
            queries::add(&mut page, status);
        }
        if let Some(stats) = parts.remote_write {
            remote_write::add(&mut page, stats);
        }
        if let Some(stats) = parts.alertmanagers {
            alertmanagers::add(&mut page, stats);
        }
        if let Some((set, states)) = parts.rules {
            rules::add(&mut page, set, states);
        }
        process::add(&mut page);
        page
    }
}

/// `GET /metrics`.
pub(super) async fn serve(State(state): State<ApiState>) -> Response<Body> {
    match page(&state).await {
        Ok(text) => {
            state.http_stats().count_scrape(true);
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
            );
            response
        }
        Err(error) => {
            state.http_stats().count_scrape(false);
            error.into_response()
        }
    }
}

async fn page(state: &ApiState) -> Result<String, ApiError> {
    let rules = match state.rule_reader() {
        Some(reader) => reader.show().await,
        None => None,
    };
    let printed = render(state, rules, Page::print).await?;
    printed.map_err(|error| ApiError::internal(error.to_string()))
}

/// What the node measures of itself, as `/metrics` shows it but for rules: rules about the mesh and about partitions read it
/// without an endpoint; and what it means. `None` if the node does not answer.
pub async fn own_samples(state: &ApiState) -> Option<(Vec<(LabelSet, f64)>, Vec<Meaning>)> {
    let own = render(state, None, |page| (page.samples(), page.meanings())).await;
    own.ok()
}

async fn render<T: Send + 'static>(
    state: &ApiState,
    rules: Option<(Arc<RuleSet>, States)>,
    make: impl FnOnce(Page) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let view = state.view().await?;
    let state = state.clone();
    let rendered = tokio::task::spawn_blocking(move || {
        let clock = || state.now();
        let queries = state.querier().map(|querier| querier.status());
        let parts = Parts {
            queries: queries.as_ref(),
            remote_write: state.remote_write(),
            alertmanagers: state.alertmanagers(),
            rules: rules.as_ref(),
        };
        let sources = state.sources();
        let page = state
            .renderer()
            .render(&view, sources, state.http_stats(), &parts, &clock);
        make(page)
    });
    rendered
        .await
        .map_err(|error| ApiError::internal(error.to_string()))
}
