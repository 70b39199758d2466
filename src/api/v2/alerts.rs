//! `GET /api/v2/alerts`.

use std::sync::Arc;

use axum::{body::Body, http::Response};

use super::warm::warmed;
use crate::{
    alert::Alert,
    api::{
        error::ApiError,
        query::{Query, ReceiverFilter, accepts_all},
        state::ApiState,
        stream::{ChunkWriter, Gone, stream_json},
        write::{self, Suppression},
    },
    labels::{Fingerprint, Matcher, MatcherMode},
    notify::MuteStatus,
    tenant::View,
    time::Timestamp,
};

/// Which alerts a client wants to see, for lists and for groups.
#[derive(Debug)]
pub(super) struct AlertFilter {
    matchers: Vec<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
}

impl AlertFilter {
    pub(super) fn parse(query: &Query, mode: MatcherMode) -> Result<Self, ApiError> {
        Ok(Self {
            matchers: query.filter(mode)?,
            active: query.flag("active"),
            silenced: query.flag("silenced"),
            inhibited: query.flag("inhibited"),
        })
    }

    /// The cheap half.
    pub(super) fn accepts(&self, alert: &Alert, now: Timestamp) -> bool {
        !is_over(alert, now) && accepts_all(&self.matchers, &alert.labels)
    }

    /// Whether the dear half accepts every alert.
    pub(super) fn accepts_any_status(&self) -> bool {
        self.active && self.silenced && self.inhibited
    }

    /// The dear half. Being muted by a time interval does not count.
    pub(super) fn accepts_status(&self, status: &MuteStatus) -> bool {
        let silenced = !status.silenced_by.is_empty();
        let inhibited = !status.inhibited_by.is_empty();
        (self.active || silenced || inhibited)
            && (self.silenced || !silenced)
            && (self.inhibited || !inhibited)
    }
}

/// Threads that look through the alerts for one request.
const SEARCHERS: u64 = 4;

pub(super) async fn get(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let mode = state.about().matcher_mode;
    let filter = AlertFilter::parse(query, mode)?;
    let receivers = ReceiverFilter::parse(query, mode)?;
    let view = state.view().await?;
    if filter.matchers.is_empty() {
        return stream_json(state.writers(), move |writer| {
            let all = warmed(view.alerts.values());
            let alerts = all.filter(|alert| filter.accepts(alert, view.at.wall));
            write_alerts(writer, &view, &filter, &receivers, alerts)
        })
        .await;
    }
    let filter = Arc::new(filter);
    let found = search(&view, &filter).await?;
    stream_json(state.writers(), move |writer| {
        write_alerts(writer, &view, &filter, &receivers, &found)
    })
    .await
}

/// The alerts that the cheap half of the filter accepts, by fingerprint.
async fn search(view: &Arc<View>, filter: &Arc<AlertFilter>) -> Result<Vec<Arc<Alert>>, ApiError> {
    let parts = (0..SEARCHERS).map(|part| {
        let (view, filter) = (Arc::clone(view), Arc::clone(filter));
        tokio::task::spawn_blocking(move || {
            // Fingerprints are hashes, so equal ranges hold about as many alerts.
            let range = u64::MAX / SEARCHERS + 1;
            let (first, last) = (part * range, part * range + (range - 1));
            let range = view.alerts.range(Fingerprint(first)..=Fingerprint(last));
            accepted(range.map(|(_, alert)| alert), &filter, view.at.wall)
        })
    });
    let mut found = Vec::new();
    for part in parts.collect::<Vec<_>>() {
        let part = part.await;
        found.extend(part.map_err(|error| ApiError::internal(error.to_string()))?);
    }
    Ok(found)
}

/// The alerts that the cheap half of the filter accepts.
fn accepted<'v>(
    alerts: impl Iterator<Item = &'v Arc<Alert>>,
    filter: &AlertFilter,
    now: Timestamp,
) -> Vec<Arc<Alert>> {
    warmed(alerts)
        .filter(|alert| filter.accepts(alert, now))
        .cloned()
        .collect()
}

/// Alerts that are over are hidden, whatever the filter says.
fn is_over(alert: &Alert, now: Timestamp) -> bool {
    !alert.ends_at.is_zero() && alert.ends_at < now
}

fn write_alerts<'a>(
    writer: &mut ChunkWriter,
    view: &View,
    filter: &AlertFilter,
    receiver_filter: &ReceiverFilter,
    alerts: impl IntoIterator<Item = &'a Arc<Alert>>,
) -> Result<(), Gone> {
    let by_name = |name: &str| view.config.receiver(name).map(Arc::clone);
    let mut muting = view.muting();
    let mut first = true;
    writer.out.push('[');
    for alert in alerts {
        let receivers = view.receivers_of(&alert.labels);
        if !receiver_filter.is_open() && !receiver_filter.accepts_any(&receivers, by_name) {
            continue;
        }
        let status = muting.status(&alert.labels);
        if !filter.accepts_status(&status) {
            continue;
        }
        if !std::mem::take(&mut first) {
            writer.out.push(',');
        }
        let suppression = Suppression {
            silenced_by: &status.silenced_by,
            inhibited_by: &status.inhibited_by,
            muted_by: &[],
        };
        write::alert(&mut writer.out, alert, &receivers, &suppression);
        writer.flush_if_full()?;
    }
    writer.out.push_str("]\n");
    Ok(())
}
