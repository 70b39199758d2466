//! `GET /api/v2/alerts/groups`.

use std::{cmp::Ordering, sync::Arc};

use axum::{body::Body, http::Response};

use super::{alerts::AlertFilter, warm::warmed};
use crate::{
    alert::Alert,
    api::{
        error::ApiError,
        query::{Query, ReceiverFilter},
        state::ApiState,
        stream::{ChunkWriter, Gone, stream_json},
        write::{self, Suppression},
    },
    dispatch::Group,
    labels::Fingerprint,
    notify::{MuteStatus, Muting},
    tenant::View,
};

pub(super) async fn get(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let mode = state.about().matcher_mode;
    let filter = GroupFilter {
        alerts: AlertFilter::parse(query, mode)?,
        receivers: ReceiverFilter::parse(query, mode)?,
        muted: query.flag("muted"),
    };
    let view = state.view().await?;
    stream_json(state.writers(), move |writer| {
        write_groups(writer, &view, &filter)
    })
    .await
}

struct GroupFilter {
    alerts: AlertFilter,
    receivers: ReceiverFilter,
    muted: bool,
}

/// A group as it is answered: what the filters left of it.
struct Answered<'v> {
    group: &'v Group,
    alerts: Vec<Member<'v>>,
}

/// An alert with what mutes it, if the filter had to know.
type Member<'v> = (&'v Arc<Alert>, Option<MuteStatus>);

fn write_groups(writer: &mut ChunkWriter, view: &View, filter: &GroupFilter) -> Result<(), Gone> {
    let mut muting = view.muting();
    let mut answered = collect(view, filter, &mut muting);
    let receivers = Receivers::of(&answered);
    // Upstream counts hidden groups among the receivers of their alerts, too.
    answered.retain(|one| filter.muted || one.group.muted_by.is_empty());
    answered.sort_by(|a, b| {
        let (a, b) = (a.group, b.group);
        (a.labels.cmp(&b.labels)).then_with(|| a.route.receiver.cmp(&b.route.receiver))
    });
    writer.out.push('[');
    let mut first = true;
    for one in &mut answered {
        if !std::mem::take(&mut first) {
            writer.out.push(',');
        }
        write_group(writer, one, &receivers, &mut muting)?;
        one.alerts = Vec::new();
    }
    writer.out.push_str("]\n");
    Ok(())
}

fn collect<'v>(view: &'v View, filter: &GroupFilter, muting: &mut Muting) -> Vec<Answered<'v>> {
    let mut answered = Vec::new();
    for group in view.groups.values() {
        let receiver = view.config.receiver(&group.route.receiver).map(Arc::clone);
        let names = [Arc::clone(&group.route.receiver)];
        if !filter.receivers.accepts_any(&names, |_| receiver.clone()) {
            continue;
        }
        let alerts: Vec<_> = warmed(group.members.iter())
            .filter(|alert| filter.alerts.accepts(alert, view.at.wall))
            .filter_map(|alert| {
                if filter.alerts.accepts_any_status() {
                    return Some((alert, None));
                }
                let status = muting.status(&alert.labels);
                let wanted = filter.alerts.accepts_status(&status);
                wanted.then_some((alert, Some(status)))
            })
            .collect();
        if !alerts.is_empty() {
            answered.push(Answered { group, alerts });
        }
    }
    answered
}

fn write_group(
    writer: &mut ChunkWriter,
    one: &mut Answered<'_>,
    receivers: &Receivers<'_>,
    muting: &mut Muting,
) -> Result<(), Gone> {
    let group = one.group;
    writer.out.push_str("{\"alerts\":[");
    let mut of_alert = Vec::new();
    // Sorting jumps about in the group; what it needs is fetched in order before.
    warmed(one.alerts.iter().map(|(alert, _)| *alert)).for_each(drop);
    for (i, index) in notification_order(&one.alerts).into_iter().enumerate() {
        let (alert, status) = &mut one.alerts[index];
        let status = status.take();
        let status = status.unwrap_or_else(|| muting.status(&alert.labels));
        if i > 0 {
            writer.out.push(',');
        }
        receivers.of_alert(alert.fingerprint, &group.route.receiver, &mut of_alert);
        let suppression = Suppression {
            silenced_by: &status.silenced_by,
            inhibited_by: &status.inhibited_by,
            muted_by: &group.muted_by,
        };
        write::alert(&mut writer.out, alert, &of_alert, &suppression);
        writer.flush_if_full()?;
    }
    let out = &mut writer.out;
    out.push_str("],\"labels\":");
    write::labels(out, &group.labels);
    out.push_str(",\"receiver\":{");
    write::member(out, "name", &group.route.receiver);
    out.push_str("},\"routeLabels\":");
    write::object(out, group.route.labels.iter().map(|(k, v)| (&**k, &**v)));
    out.push('}');
    writer.flush_if_full()
}

/// By job, instance (missing ones last), then labels (`alert.AlertSlice`).
fn notification_order(alerts: &[Member<'_>]) -> Vec<usize> {
    let mut keys: Vec<_> = alerts
        .iter()
        .enumerate()
        .map(|(index, (alert, _))| {
            let labels = &alert.labels;
            (labels.get("job"), labels.get("instance"), labels, index)
        })
        .collect();
    let missing_last = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    };
    keys.sort_by(|a, b| {
        missing_last(a.0, b.0)
            .then_with(|| missing_last(a.1, b.1))
            .then_with(|| a.2.cmp(b.2))
    });
    keys.into_iter().map(|(_, _, _, index)| index).collect()
}

/// The receivers of each alert among the groups that are answered, sorted by name; one stands twice if two routes lead
/// to it, as upstream has it.
struct Receivers<'v> {
    /// Empty if each alert is in one group only.
    pairs: Vec<(Fingerprint, &'v Arc<str>)>,
}

impl<'v> Receivers<'v> {
    fn of(answered: &[Answered<'v>]) -> Self {
        let mut pairs: Vec<_> = answered
            .iter()
            .flat_map(|one| {
                let receiver = &one.group.route.receiver;
                one.alerts
                    .iter()
                    .map(move |(alert, _)| (alert.fingerprint, receiver))
            })
            .collect();
        pairs.sort_unstable();
        if pairs.windows(2).all(|pair| pair[0].0 != pair[1].0) {
            pairs = Vec::new();
        }
        Self { pairs }
    }

    /// Of an alert in a group of the receiver `own`.
    fn of_alert(&self, fingerprint: Fingerprint, own: &Arc<str>, out: &mut Vec<Arc<str>>) {
        out.clear();
        if self.pairs.is_empty() {
            out.push(Arc::clone(own));
            return;
        }
        let start = self
            .pairs
            .partition_point(|(other, _)| *other < fingerprint);
        let all = self.pairs[start..]
            .iter()
            .take_while(|(other, _)| *other == fingerprint);
        out.extend(all.map(|(_, receiver)| Arc::clone(receiver)));
    }
}
