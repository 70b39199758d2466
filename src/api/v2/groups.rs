//! `GET /api/v2/alerts/groups`.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use axum::{body::Body, http::Response};

use super::{
    alerts::{AlertFilter, PER_PART},
    warm::{warmed, with_warm_labels},
};
use crate::{
    alert::Alert,
    api::{
        error::ApiError,
        query::{Query, ReceiverFilter},
        state::ApiState,
        stream::{ChunkWriter, Gone, stream_list},
        write::{self, Suppression},
    },
    config::Config,
    dispatch::Group,
    labels::{Fingerprint, LabelSet},
    notify::{Muting, route_labels},
    tenant::View,
    time::Timestamp,
};

/// Threads that look through the groups for one request.
const SEARCHERS: usize = 2;

pub(super) async fn get(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let mode = state.about().matcher_mode;
    let filter = Arc::new(GroupFilter {
        alerts: AlertFilter::parse(query, mode)?,
        receivers: ReceiverFilter::parse(query, mode)?,
        muted: query.flag("muted"),
    });
    let view = state.view().await?;
    let external_url = state
        .trials()
        .map(|trials| Arc::clone(&trials.external_url));
    let labels = RouteLabels {
        config: Arc::clone(&view.config),
        external_url: external_url.unwrap_or_default(),
        at: view.at.wall,
    };
    let found = search(&view, &filter).await?;
    let answered = Arc::new(GroupList::of(found, &filter, labels));
    let worker = || {
        let (answered, mut muting) = (Arc::clone(&answered), view.muting());
        move |part: usize, writer: &mut ChunkWriter| answered.write(part, writer, &mut muting)
    };
    stream_list(state.writers(), answered.parts.len(), worker).await
}

struct GroupFilter {
    alerts: AlertFilter,
    receivers: ReceiverFilter,
    muted: bool,
}

/// A group as it is answered: what the filters left of it, in the order of notifications.
struct Answered {
    group: Arc<Group>,
    alerts: Vec<Arc<Alert>>,
}

/// The groups of which the filters leave anything, in no order.
async fn search(view: &Arc<View>, filter: &Arc<GroupFilter>) -> Result<Vec<Answered>, ApiError> {
    let parts = (0..SEARCHERS).map(|part| {
        let (view, filter) = (Arc::clone(view), Arc::clone(filter));
        tokio::task::spawn_blocking(move || {
            let groups = view.groups.values().skip(part).step_by(SEARCHERS);
            accepted(groups, &filter, &view)
        })
    });
    let mut found = Vec::new();
    for part in parts.collect::<Vec<_>>() {
        let part = part.await;
        found.extend(part.map_err(|error| ApiError::internal(error.to_string()))?);
    }
    Ok(found)
}

fn accepted<'v>(
    groups: impl Iterator<Item = &'v Arc<Group>>,
    filter: &GroupFilter,
    view: &View,
) -> Vec<Answered> {
    let mut muting = view.muting();
    let mut answered = Vec::new();
    for group in groups {
        let receiver = view.config.receiver(&group.route.receiver).map(Arc::clone);
        let names = [Arc::clone(&group.route.receiver)];
        if !filter.receivers.accepts_any(&names, |_| receiver.clone()) {
            continue;
        }
        let alerts: Vec<_> = with_warm_labels(group.members.iter())
            .filter(|alert| filter.alerts.accepts(alert, view.at.wall))
            .filter(|alert| {
                filter.alerts.accepts_any_status()
                    || filter.alerts.accepts_status(&muting.status(&alert.labels))
            })
            .collect();
        if !alerts.is_empty() {
            answered.push(Answered {
                group: Arc::clone(group),
                alerts: in_notification_order(&alerts),
            });
        }
    }
    answered
}

/// The groups in order, cut into parts.
struct GroupList {
    answered: Vec<Answered>,
    receivers: Receivers,
    parts: Vec<Vec<Piece>>,
    labels: RouteLabels,
}

/// What the labels of routes are rendered with.
struct RouteLabels {
    config: Arc<Config>,
    external_url: Arc<str>,
    at: Timestamp,
}

/// Alerts of one group that are written in one go.
struct Piece {
    /// The place of the group.
    group: usize,
    alerts: Range<usize>,
}

impl GroupList {
    fn of(mut answered: Vec<Answered>, filter: &GroupFilter, labels: RouteLabels) -> Self {
        let receivers = Receivers::of(&answered);
        // Upstream counts hidden groups among the receivers of their alerts, too.
        answered.retain(|one| filter.muted || one.group.muted_by.is_empty());
        answered.sort_by(|a, b| {
            let (a, b) = (&a.group, &b.group);
            (a.labels.cmp(&b.labels))
                .then_with(|| a.route.receiver.cmp(&b.route.receiver))
                .then_with(|| a.id.cmp(&b.id))
        });
        let parts = parts_of(answered.iter().map(|one| one.alerts.len()));
        Self {
            answered,
            receivers,
            parts,
            labels,
        }
    }

    fn write(
        &self,
        part: usize,
        writer: &mut ChunkWriter,
        muting: &mut Muting,
    ) -> Result<(), Gone> {
        for Piece { group, alerts } in &self.parts[part] {
            let Answered { group, alerts: all } = &self.answered[*group];
            if alerts.start == 0 {
                writer.out.push_str(",{\"alerts\":[");
            }
            self.write_alerts(group, &all[alerts.clone()], alerts.start, writer, muting)?;
            if alerts.end == all.len() {
                self.labels.write_end(&mut writer.out, group);
            }
        }
        Ok(())
    }

    fn write_alerts(
        &self,
        group: &Group,
        alerts: &[Arc<Alert>],
        before: usize,
        writer: &mut ChunkWriter,
        muting: &mut Muting,
    ) -> Result<(), Gone> {
        let own = write::receivers(std::slice::from_ref(&group.route.receiver));
        for (i, alert) in warmed(alerts.iter()).enumerate() {
            if before + i > 0 {
                writer.out.push(',');
            }
            let all = self.receivers.of_alert(alert.fingerprint);
            let status = muting.status(&alert.labels);
            let suppression = Suppression {
                silenced_by: &status.silenced_by,
                inhibited_by: &status.inhibited_by,
                muted_by: &group.muted_by,
            };
            let receivers = all.as_deref().unwrap_or(&own);
            write::alert(&mut writer.out, alert, receivers, &suppression);
            writer.flush_if_full()?;
        }
        Ok(())
    }
}

/// Cuts groups of these sizes into parts of about as many alerts.
fn parts_of(sizes: impl Iterator<Item = usize>) -> Vec<Vec<Piece>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut room = PER_PART;
    for (group, size) in sizes.enumerate() {
        let mut from = 0;
        while from < size {
            let until = size.min(from + room);
            let alerts = from..until;
            part.push(Piece { group, alerts });
            room -= until - from;
            from = until;
            if room == 0 {
                parts.push(std::mem::take(&mut part));
                room = PER_PART;
            }
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

impl RouteLabels {
    /// Appends what stands behind the alerts of a group.
    fn write_end(&self, out: &mut String, group: &Group) {
        out.push_str("],\"labels\":");
        write::labels(out, &group.labels);
        out.push_str(",\"receiver\":{");
        write::member(out, "name", &group.route.receiver);
        out.push_str("},\"routeLabels\":");
        let batch = route_labels::Batch {
            receiver: &group.route.receiver,
            group_labels: &group.labels,
            route_labels: &group.route.labels,
            external_url: &self.external_url,
            texts: &self.config.texts,
            at: self.at,
        };
        // All alerts of the group, whatever the filters leave of it. What fails is told with notifications.
        let (labels, _failed) = route_labels::render(batch, group.members.iter());
        write::object(out, labels.iter().map(|(k, v)| (&**k, &**v)));
        out.push('}');
    }
}

/// By job, instance (missing ones last), then labels (`alert.AlertSlice`).
fn in_notification_order(alerts: &[&Arc<Alert>]) -> Vec<Arc<Alert>> {
    let mut keys: Vec<_> = alerts
        .iter()
        .map(|alert| {
            let (job, instance) = job_and_instance(&alert.labels);
            // Missing ones last.
            ((job.is_none(), job), (instance.is_none(), instance), *alert)
        })
        .collect();
    keys.sort_unstable_by(|a, b| {
        let (one, other) = ((a.0, a.1), (b.0, b.1));
        one.cmp(&other).then_with(|| a.2.labels.cmp(&b.2.labels))
    });
    keys.into_iter()
        .map(|(.., alert)| Arc::clone(alert))
        .collect()
}

/// Looks for both in one go; the labels are sorted.
fn job_and_instance(labels: &LabelSet) -> (Option<&str>, Option<&str>) {
    let mut instance = None;
    for (name, value) in labels {
        match name.cmp("job") {
            Ordering::Less if name == "instance" => instance = Some(value),
            Ordering::Less => {}
            Ordering::Equal => return (Some(value), instance),
            Ordering::Greater => break,
        }
    }
    (None, instance)
}

/// The receivers of each alert among the groups that are answered, sorted by name; one stands twice if two routes lead
/// to it, as upstream has it.
struct Receivers {
    /// Empty if each alert is in one group only.
    pairs: Vec<(Fingerprint, Arc<str>)>,
}

impl Receivers {
    fn of(answered: &[Answered]) -> Self {
        let alerts = || answered.iter().flat_map(|one| &one.alerts);
        let mut fingerprints: Vec<_> = alerts().map(|alert| alert.fingerprint).collect();
        fingerprints.sort_unstable();
        let mut pairs = Vec::new();
        if fingerprints.windows(2).any(|pair| pair[0] == pair[1]) {
            pairs.extend(answered.iter().flat_map(|one| {
                let receiver = &one.group.route.receiver;
                let of_group = one.alerts.iter();
                of_group.map(|alert| (alert.fingerprint, Arc::clone(receiver)))
            }));
            pairs.sort_unstable();
        }
        Self { pairs }
    }

    /// The list of an alert that may be in more than one group.
    fn of_alert(&self, fingerprint: Fingerprint) -> Option<String> {
        let start = self
            .pairs
            .partition_point(|(other, _)| *other < fingerprint);
        let all: Vec<_> = self.pairs[start..]
            .iter()
            .take_while(|(other, _)| *other == fingerprint)
            .map(|(_, receiver)| Arc::clone(receiver))
            .collect();
        (!all.is_empty()).then(|| write::receivers(&all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_all_alerts_in_order() {
        for sizes in [
            vec![],
            vec![1],
            vec![PER_PART],
            vec![PER_PART - 1, 2, 3 * PER_PART, 1],
            vec![1; 3 * PER_PART + 1],
        ] {
            let parts = parts_of(sizes.iter().copied());
            let in_parts = parts.iter().flatten();
            let places = in_parts.flat_map(|piece| piece.alerts.clone().map(|i| (piece.group, i)));
            let of_group = |(group, size)| (0..size).map(move |i| (group, i));
            let all = sizes.iter().copied().enumerate().flat_map(of_group);
            assert!(places.eq(all), "{sizes:?}");
            let mut counts = parts
                .iter()
                .map(|part| part.iter().map(|piece| piece.alerts.len()).sum::<usize>());
            assert!(
                counts.all(|count| (1..=PER_PART).contains(&count)),
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn job_and_instance_are_found_beside_others() {
        for (pairs, expect) in [
            (vec![], (None, None)),
            (vec![("job", "j")], (Some("j"), None)),
            (vec![("instance", "i")], (None, Some("i"))),
            (
                vec![("a", "x"), ("instance", "i"), ("job", "j"), ("z", "x")],
                (Some("j"), Some("i")),
            ),
            (vec![("instance", "i"), ("k", "x")], (None, Some("i"))),
        ] {
            let labels = LabelSet::from_pairs(pairs);
            assert_eq!(job_and_instance(&labels), expect, "{labels}");
        }
    }
}
