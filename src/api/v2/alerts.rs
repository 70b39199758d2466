//! `GET /api/v2/alerts`.

use std::sync::Arc;

use axum::{body::Body, http::Response};

use crate::{
    alert::Alert,
    api::{
        error::ApiError,
        query::{Query, ReceiverFilter, accepts_all},
        state::ApiState,
        stream::{ChunkWriter, Gone, stream_json},
        write::{self, Suppression},
    },
    labels::{Matcher, MatcherMode},
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

    /// The cheap half: alerts that are over are hidden, whatever the filter says.
    pub(super) fn accepts(&self, alert: &Alert, now: Timestamp) -> bool {
        let over = !alert.ends_at.is_zero() && alert.ends_at < now;
        !over && accepts_all(&self.matchers, &alert.labels)
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

pub(super) async fn get(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let mode = state.about().matcher_mode;
    let filter = AlertFilter::parse(query, mode)?;
    let receivers = ReceiverFilter::parse(query, mode)?;
    let view = state.view().await?;
    stream_json(move |writer| write_alerts(writer, &view, &filter, &receivers)).await
}

fn write_alerts(
    writer: &mut ChunkWriter,
    view: &View,
    filter: &AlertFilter,
    receiver_filter: &ReceiverFilter,
) -> Result<(), Gone> {
    let by_name = |name: &str| view.config.receiver(name).map(Arc::clone);
    let mut muting = view.muting();
    let mut first = true;
    writer.out.push('[');
    for alert in view.alerts.values() {
        if !filter.accepts(alert, view.at.wall) {
            continue;
        }
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
