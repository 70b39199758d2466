//! `GET /api/v2/notifications`: who was told what, newest first, page by page.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use crate::{
    api::{error::ApiError, query::Query, state::ApiState, stream::stream_json, write},
    history::{HistoryEntry, HistoryQuery, Outcome},
    labels::{MatcherMode, go_quote},
    time::Timestamp,
};

/// Entries of a page unless the client says otherwise.
const LIMIT: usize = 100;
/// At 8 KiB an entry this bounds an answer to 8 MiB.
const MAX_LIMIT: usize = 1000;

pub(super) async fn get(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let wanted = parse(query, state.about().matcher_mode)?;
    let view = state.view().await?;
    stream_json(state.writers(), move |writer| {
        let page = view.history.query(&wanted);
        writer.out.push_str("{\"notifications\":[");
        for (i, entry) in page.entries.iter().enumerate() {
            if i > 0 {
                writer.out.push(',');
            }
            write_entry(&mut writer.out, entry);
            writer.flush_if_full()?;
        }
        writer.out.push(']');
        if let Some(next) = page.next {
            write::member(&mut writer.out, "nextCursor", &next.to_string());
        }
        writer.out.push_str("}\n");
        Ok(())
    })
    .await
}

fn parse(query: &Query, mode: MatcherMode) -> Result<HistoryQuery, ApiError> {
    let text = |name: &str| query.last(name).map(str::to_owned);
    let outcome = match query.last("outcome") {
        None => None,
        Some(name) => Some(Outcome::from_name(name).ok_or_else(|| {
            let names = Outcome::ALL.map(Outcome::as_str).join(" ");
            invalid(606, &format!("outcome in query should be one of [{names}]"))
        })?),
    };
    let number = |name: &str| match query.last(name) {
        None => Ok(None),
        Some(digits) => digits.parse::<u64>().map(Some).ok().ok_or_else(|| {
            let value = go_quote(digits);
            invalid(
                601,
                &format!("{name} in query must be of type uint64: {value}"),
            )
        }),
    };
    let limit = number("limit")?.map_or(LIMIT, |limit| {
        usize::try_from(limit)
            .unwrap_or(MAX_LIMIT)
            .clamp(1, MAX_LIMIT)
    });
    Ok(HistoryQuery {
        receiver: text("receiver"),
        group_key: text("groupKey"),
        integration: text("integration"),
        outcome,
        matchers: query.filter(mode)?,
        since: time(query, "since")?,
        until: time(query, "until")?,
        limit,
        before: number("cursor")?,
    })
}

fn time(query: &Query, name: &str) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = query.last(name) else {
        return Ok(None);
    };
    let at = Timestamp::parse(text).ok().ok_or_else(|| {
        let value = go_quote(text);
        invalid(
            601,
            &format!("{name} in query must be of type date-time: {value}"),
        )
    })?;
    Ok(Some(at))
}

fn invalid(code: u16, message: &str) -> ApiError {
    ApiError::Contract {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code,
        message: message.to_owned(),
    }
}

/// Appends a notification.
pub(super) fn write_entry(out: &mut String, entry: &HistoryEntry) {
    out.push('{');
    write::member(out, "id", &entry.id.to_string());
    out.push_str(",\"at\":");
    write::time(out, entry.at);
    write::member(out, "receiver", &entry.receiver);
    write::member(out, "integration", &entry.integration);
    write::number(out, "index", entry.index);
    write::member(out, "groupKey", &entry.group_key);
    out.push_str(",\"groupLabels\":");
    write::labels(out, &entry.group_labels);
    write::member(out, "status", &entry.status);
    write::member(out, "reason", &entry.reason);
    write::member(out, "outcome", entry.outcome.as_str());
    write::number(out, "attempts", entry.attempts);
    if !entry.error.is_empty() {
        write::member(out, "error", &entry.error);
    }
    write::number(out, "durationMs", millis(entry.duration));
    write::number(out, "firing", entry.firing);
    write::number(out, "resolved", entry.resolved);
    out.push_str(",\"fingerprints\":");
    write::list(out, &entry.fingerprints, |out, fp| {
        write::fingerprint(out, *fp)
    });
    write::member(out, "node", &entry.node);
    write::number(out, "seq", entry.seq);
    write::member(out, "idempotencyKey", &entry.idempotency_key);
    out.push('}');
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(query: &str) -> String {
        match parse(&Query::parse(query), MatcherMode::Fallback) {
            Ok(query) => format!("{} {:?} {:?}", query.limit, query.before, query.outcome),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn parameters() {
        for (query, expect) in [
            ("", "100 None None"),
            ("limit=0", "1 None None"),
            (
                "limit=99999999999&cursor=7&outcome=failed",
                "1000 Some(7) Some(Failed)",
            ),
            ("limit=x", "limit in query must be of type uint64: \"x\""),
            (
                "outcome=x",
                "outcome in query should be one of [sent failed recorded]",
            ),
            ("since=x", "since in query must be of type date-time: \"x\""),
            ("filter=x", "bad matcher format: x"),
        ] {
            assert_eq!(message(query), expect, "{query}");
        }
    }
}
