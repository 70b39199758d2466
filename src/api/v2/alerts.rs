//! `GET /api/v2/alerts`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{body::Body, http::Response};

use super::warm::{warmed, with_warm_labels};
use crate::{
    alert::Alert,
    api::{
        error::ApiError,
        query::{Query, ReceiverFilter, accepts_all},
        state::ApiState,
        stream::{ChunkWriter, Gone, stream_list},
        write::{self, Suppression},
    },
    labels::{Fingerprint, Matcher, MatcherMode},
    notify::{MuteStatus, Muting},
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
const SEARCHERS: usize = 4;

/// Alerts that a worker writes in one go; they make about one chunk of the answer.
pub(super) const PER_PART: usize = 96;

pub(super) async fn get(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let mode = state.about().matcher_mode;
    let filter = Arc::new(AlertFilter::parse(query, mode)?);
    let receivers = Arc::new(ReceiverFilter::parse(query, mode)?);
    let view = state.view().await?;
    let list = || AlertList::new(&view, &filter, &receivers);
    if filter.matchers.is_empty() {
        let parts = view.alerts.len().div_ceil(PER_PART);
        let worker = || {
            let mut list = list();
            move |part, writer: &mut ChunkWriter| {
                let view = Arc::clone(&list.view);
                list.write(writer, warmed(alerts_of_part(&view, part, parts)))
            }
        };
        return stream_list(state.writers(), parts, worker).await;
    }
    let found: Arc<[_]> = search(&view, &filter).await?.into();
    let parts = found.len().div_ceil(PER_PART);
    let worker = || {
        let (mut list, found) = (list(), Arc::clone(&found));
        move |part, writer: &mut ChunkWriter| {
            let from = part * PER_PART;
            let until = found.len().min(from + PER_PART);
            list.write(writer, warmed(found[from..until].iter()))
        }
    };
    stream_list(state.writers(), parts, worker).await
}

/// One of many equal ranges of fingerprints. These are hashes, so the ranges hold about as many alerts.
fn alerts_of_part(view: &View, part: usize, parts: usize) -> impl Iterator<Item = &Arc<Alert>> {
    let place = |part: usize| ((part as u128) << 64) / parts as u128;
    let fingerprint = |at| Fingerprint(u64::try_from(at).unwrap_or(u64::MAX));
    let (first, last) = (fingerprint(place(part)), fingerprint(place(part + 1) - 1));
    view.alerts.range(first..=last).map(|(_, alert)| alert)
}

/// The alerts that the cheap half of the filter accepts, by fingerprint.
async fn search(view: &Arc<View>, filter: &Arc<AlertFilter>) -> Result<Vec<Arc<Alert>>, ApiError> {
    let parts = (0..SEARCHERS).map(|part| {
        let (view, filter) = (Arc::clone(view), Arc::clone(filter));
        tokio::task::spawn_blocking(move || {
            let alerts = alerts_of_part(&view, part, SEARCHERS);
            accepted(alerts, &filter, view.at.wall)
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
    with_warm_labels(alerts)
        .filter(|alert| filter.accepts(alert, now))
        .cloned()
        .collect()
}

/// Alerts that are over are hidden, whatever the filter says.
fn is_over(alert: &Alert, now: Timestamp) -> bool {
    !alert.ends_at.is_zero() && alert.ends_at < now
}

/// Writes alerts, those that the filters accept.
struct AlertList {
    view: Arc<View>,
    filter: Arc<AlertFilter>,
    receivers: Arc<ReceiverFilter>,
    muting: Muting,
    /// By the routes to them.
    routed: BTreeMap<Box<[u32]>, Receivers>,
}

/// Where alerts of some routes go.
struct Receivers {
    json: String,
    is_accepted: bool,
}

impl AlertList {
    fn new(view: &Arc<View>, filter: &Arc<AlertFilter>, receivers: &Arc<ReceiverFilter>) -> Self {
        Self {
            view: Arc::clone(view),
            filter: Arc::clone(filter),
            receivers: Arc::clone(receivers),
            muting: view.muting(),
            routed: BTreeMap::new(),
        }
    }

    fn write<'a>(
        &mut self,
        writer: &mut ChunkWriter,
        alerts: impl Iterator<Item = &'a Arc<Alert>>,
    ) -> Result<(), Gone> {
        let now = self.view.at.wall;
        for alert in alerts.filter(|alert| !is_over(alert, now)) {
            let routes = self.view.tree.matching(&alert.labels);
            let routes: Box<[u32]> = routes.iter().map(|route| route.index).collect();
            let receivers = match self.routed.get(&routes) {
                Some(receivers) => receivers,
                None => {
                    let names = self.view.receivers_of(&alert.labels);
                    let by_name = |name: &str| self.view.config.receiver(name).map(Arc::clone);
                    let receivers = Receivers {
                        json: write::receivers(&names),
                        is_accepted: self.receivers.is_open()
                            || self.receivers.accepts_any(&names, by_name),
                    };
                    self.routed.entry(routes).or_insert(receivers)
                }
            };
            if !receivers.is_accepted {
                continue;
            }
            let status = self.muting.status(&alert.labels);
            if !self.filter.accepts_status(&status) {
                continue;
            }
            let suppression = Suppression {
                silenced_by: &status.silenced_by,
                inhibited_by: &status.inhibited_by,
                muted_by: &[],
            };
            writer.out.push(',');
            write::alert(&mut writer.out, alert, &receivers.json, &suppression);
            writer.flush_if_full()?;
        }
        Ok(())
    }
}
