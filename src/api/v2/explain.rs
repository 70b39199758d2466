//! `GET /api/v2/alerts/{fingerprint}/explain` and `POST /api/v2/routes/test`: why an alert goes where it goes, and what
//! became of it there.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::Value;

use super::{dispatch::read_body, notifications::write_entry};
use crate::{
    api::{
        body::{BodyError, GoJsonError, ValidationError, go_json},
        error::{ApiError, json_response},
        state::ApiState,
        write::{self, Suppression},
    },
    labels::{Fingerprint, LabelSet, go_quote},
    nflog::NflogEntry,
    tenant::{GroupExplanation, RouteStep, View},
    time::{Timestamp, format_prom_duration},
};

/// A label set has a thousandth of it.
const MAX_BODY: usize = 1024 * 1024;

pub(super) async fn explain(state: &ApiState, text: &str) -> Result<Response<Body>, ApiError> {
    let fingerprint = fingerprint(text)?;
    let view = state.view().await?;
    let mut out = String::new();
    let explained = tokio::task::spawn_blocking(move || {
        write_explanation(&mut out, &view, fingerprint).then_some(out)
    });
    match explained.await {
        Ok(Some(out)) => Ok(json_response(StatusCode::OK, out)),
        Ok(None) => Err(ApiError::Missing),
        Err(error) => Err(ApiError::internal(error.to_string())),
    }
}

fn fingerprint(text: &str) -> Result<Fingerprint, ApiError> {
    let hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.parse() {
        Ok(fingerprint) if hex => Ok(fingerprint),
        _ => Err(ApiError::Contract {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: 601,
            message: format!(
                "fingerprint in path must be of 16 hexadecimal digits: {}",
                go_quote(text)
            ),
        }),
    }
}

fn write_explanation(out: &mut String, view: &View, fingerprint: Fingerprint) -> bool {
    let Some(explanation) = view.explain(fingerprint) else {
        return false;
    };
    let receivers = write::receivers(&view.receivers_of(&explanation.alert.labels));
    let suppression = Suppression {
        silenced_by: &explanation.muted.silenced_by,
        inhibited_by: &explanation.muted.inhibited_by,
        muted_by: &[],
    };
    out.push_str("{\"at\":");
    write::time(out, view.at.wall);
    out.push_str(",\"alert\":");
    write::alert(out, &explanation.alert, &receivers, &suppression);
    out.push_str(",\"groups\":");
    write::list(out, &explanation.groups, write_group);
    out.push_str("}\n");
    true
}

fn write_group(out: &mut String, group: &GroupExplanation) {
    out.push_str("{\"path\":");
    write::list(out, &group.path, write_step);
    write::member(out, "receiver", &group.receiver);
    write::member(out, "groupKey", &group.group_key);
    write_timers(
        out,
        [
            group.group_wait,
            group.group_interval,
            group.repeat_interval,
        ],
    );
    out.push_str(",\"mutedBy\":");
    write::list(out, &*group.muted_by, |out, name| write::string(out, name));
    for (name, at) in [
        ("created", group.created),
        ("lastFlush", group.last_flush),
        ("nextFlush", group.next_flush),
    ] {
        write_optional_time(out, name, at);
    }
    out.push_str(",\"decisions\":");
    write::list(out, &*group.decisions, |out, decision| {
        out.push('{');
        write::member(out, "integration", &decision.integration);
        out.push_str(",\"at\":");
        write::time(out, decision.at);
        out.push_str(",\"notify\":");
        out.push_str(if decision.notify { "true" } else { "false" });
        write::member(out, "reason", &decision.reason);
        out.push('}');
    });
    out.push_str(",\"owners\":");
    write::list(out, &group.owners, |out, (integration, node)| {
        out.push('{');
        write::member(out, "integration", integration);
        write::member(out, "node", node);
        out.push('}');
    });
    out.push_str(",\"told\":");
    write::list(out, &group.told, |out, (entry, firing)| {
        write_told(out, entry, *firing)
    });
    out.push_str(",\"notifications\":");
    write::list(out, &group.notifications, |out, entry| {
        write_entry(out, entry)
    });
    out.push('}');
}

fn write_told(out: &mut String, entry: &NflogEntry, firing: bool) {
    out.push('{');
    write::member(out, "integration", &entry.key.receiver.integration);
    write::number(out, "index", entry.key.receiver.index);
    out.push_str(",\"at\":");
    write::time(out, entry.timestamp);
    write::number(out, "seq", entry.seq);
    out.push_str(",\"asFiring\":");
    out.push_str(if firing { "true" } else { "false" });
    out.push('}');
}

fn write_step(out: &mut String, step: &RouteStep) {
    out.push('{');
    write::member(out, "id", &step.id);
    out.push_str(",\"matchers\":");
    write::list(out, &step.matchers, |out, matcher| {
        write::string(out, matcher)
    });
    write::member(out, "receiver", &step.receiver);
    out.push_str(",\"continue\":");
    out.push_str(if step.continue_matching {
        "true"
    } else {
        "false"
    });
    out.push('}');
}

fn write_timers(out: &mut String, [wait, interval, repeat]: [Duration; 3]) {
    write::member(out, "groupWait", &format_prom_duration(wait));
    write::member(out, "groupInterval", &format_prom_duration(interval));
    write::member(out, "repeatInterval", &format_prom_duration(repeat));
}

fn write_optional_time(out: &mut String, name: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        write::time(out, at);
    }
}

pub(super) async fn test_routes(state: &ApiState, body: Body) -> Result<Response<Body>, ApiError> {
    let bytes = read_body(body, MAX_BODY, "alert").await?;
    let labels = parse_labels(&go_json::text(&bytes));
    let labels = labels.map_err(|error| ApiError::body("alert", error))?;
    let view = state.view().await?;
    let mut out = "{\"receivers\":".to_owned();
    write::list(&mut out, view.receivers_of(&labels), |out, name| {
        write::string(out, &name);
    });
    out.push_str(",\"routes\":");
    write::list(&mut out, view.tree.matching(&labels), |out, route| {
        let group_labels = route.group_labels(&labels);
        out.push_str("{\"path\":");
        let steps = view.tree.path(route).into_iter();
        write::list(out, steps, |out, node| {
            write_step(out, &RouteStep::of(node))
        });
        write::member(out, "receiver", &route.receiver);
        write::member(out, "groupKey", &route.group_key(&group_labels));
        out.push_str(",\"groupLabels\":");
        write::labels(out, &group_labels);
        write_timers(
            out,
            [
                route.group_wait,
                route.group_interval,
                route.repeat_interval,
            ],
        );
        for (name, intervals) in [
            ("muteTimeIntervals", &route.mute_time_intervals),
            ("activeTimeIntervals", &route.active_time_intervals),
        ] {
            out.push_str(",\"");
            out.push_str(name);
            out.push_str("\":");
            write::list(out, intervals, |out, name| write::string(out, name));
        }
        out.push('}');
    });
    out.push_str("}\n");
    Ok(json_response(StatusCode::OK, out))
}

fn parse_labels(body: &str) -> Result<LabelSet, BodyError> {
    let value = go_json::decode(body, go_json::Tree)?;
    let labels = match value.get("labels") {
        None | Some(Value::Null) => return Err(ValidationError::required("labels").into()),
        Some(labels) => labels,
    };
    let object = labels.as_object().ok_or_else(|| {
        GoJsonError("json: cannot unmarshal labels into an object of strings".to_owned())
    })?;
    let pair = |(name, value): (&String, &Value)| match value.as_str() {
        Some(value) => Ok((name.clone(), value.to_owned())),
        None => Err(GoJsonError(format!(
            "json: cannot unmarshal the label {} into a string",
            go_quote(name)
        ))),
    };
    let pairs: Vec<_> = object.iter().map(pair).collect::<Result<_, _>>()?;
    Ok(LabelSet::from_pairs(
        pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(k, v)| (k, v)),
    ))
}
