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
    rules: Option<&'a rules::Shown>,
    /// Whether that is all of the rules, or what rules read of them.
    for_rules: bool,
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
        match parts.rules {
            Some(shown) if parts.for_rules => rules::add_own(&mut page, shown),
            Some(shown) => rules::add(&mut page, shown),
            None => {}
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
    let printed = render(state, false, Page::print).await?;
    printed.map_err(|error| ApiError::internal(error.to_string()))
}

/// What the node measures of itself, as `/metrics` shows it but for most about groups of rules: rules about the mesh, about
/// partitions and about the ruler read it without an endpoint; and what it means. `None` if the node does not answer.
pub async fn own_samples(state: &ApiState) -> Option<(Vec<(LabelSet, f64)>, Vec<Meaning>)> {
    let own = render(state, true, |page| (page.samples(), page.meanings())).await;
    own.ok()
}

async fn shown(state: &ApiState) -> Option<rules::Shown> {
    let reader = state.rule_reader()?;
    Some(rules::Shown {
        all: reader.show().await,
        hangs: reader.hangs(),
    })
}

async fn render<T: Send + 'static>(
    state: &ApiState,
    for_rules: bool,
    make: impl FnOnce(Page) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let rules = shown(state).await;
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
            for_rules,
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
