//! `/api/v2/silences` and `/api/v2/silence/{silenceID}`.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use super::dispatch::read_body;
use crate::{
    api::{
        body::{BodyError, PostedSilence, ValidationError, go_json, parse_silence},
        error::{ApiError, json_response},
        query::Query,
        state::{ApiState, unexpected},
        stream::stream_json,
        write,
    },
    labels::{MatchOp, MatcherMode, go_quote},
    node::{Reply, Request},
    silence::{MatcherText, Silence, SilenceDraft, SilenceError, SilenceQuery, check_matcher_sets},
    time::Timestamp,
};

/// A silence with 10,000 matchers has a tenth of it.
const MAX_BODY: usize = 2 * 1024 * 1024;

pub(super) async fn list(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let wanted = SilenceQuery {
        filter: query.filter(state.about().matcher_mode)?,
        active: query.flag("active"),
        pending: query.flag("pending"),
        expired: query.flag("expired"),
    };
    let view = state.view().await?;
    stream_json(state.writers(), move |writer| {
        let now = view.at.wall;
        writer.out.push('[');
        for (i, silence) in view.silences.query(&wanted, now).iter().enumerate() {
            if i > 0 {
                writer.out.push(',');
            }
            write_silence(&mut writer.out, silence, now);
            writer.flush_if_full()?;
        }
        writer.out.push_str("]\n");
        Ok(())
    })
    .await
}

pub(super) async fn get(state: &ApiState, id: &str) -> Result<Response<Body>, ApiError> {
    let id = uuid(id)?;
    let view = state.view().await?;
    let silence = view.silences.get(&id).ok_or(ApiError::Missing)?;
    let mut out = String::new();
    write_silence(&mut out, silence, view.at.wall);
    out.push('\n');
    Ok(json_response(StatusCode::OK, out))
}

pub(super) async fn delete(state: &ApiState, id: &str) -> Result<Response<Body>, ApiError> {
    let request = Request::ExpireSilence(Arc::from(uuid(id)?));
    let reply = state.request(request).await;
    let Reply::SilenceExpired(result) = reply else {
        return Err(unexpected(&reply));
    };
    match result {
        Ok(()) => Ok(Response::new(Body::empty())),
        Err(SilenceError::NotFound) => Err(ApiError::Missing),
        Err(error) => Err(ApiError::internal(error.to_string())),
    }
}

pub(super) async fn post(state: &ApiState, body: Body) -> Result<Response<Body>, ApiError> {
    let bytes = read_body(body, MAX_BODY, "silence").await?;
    if bytes.is_empty() {
        let missing = BodyError::Invalid(ValidationError::required("silence"));
        return Err(ApiError::body("silence", missing));
    }
    let mode = state.about().matcher_mode;
    let now = state.view().await?.at.wall;
    // Many patterns take long to compile.
    let draft = tokio::task::spawn_blocking(move || {
        let posted = parse_silence(&go_json::text(&bytes))
            .map_err(|error| ApiError::body("silence", error))?;
        draft_of(posted, now, mode)
    });
    let draft = draft
        .await
        .map_err(|error| ApiError::internal(error.to_string()))??;
    let reply = state.request(Request::SetSilence(draft)).await;
    let Reply::SilenceSet(result) = reply else {
        return Err(unexpected(&reply));
    };
    let id = result.map_err(|error| refused(&error))?;
    let mut out = "{".to_owned();
    write::member(&mut out, "silenceID", &id);
    out.push_str("}\n");
    Ok(json_response(StatusCode::OK, out))
}

fn draft_of(
    posted: PostedSilence,
    now: Timestamp,
    mode: MatcherMode,
) -> Result<SilenceDraft, ApiError> {
    let failed =
        |reason: &str| ApiError::bad_request(format!("Failed to create silence: {reason}"));
    if posted.starts_at >= posted.ends_at {
        return Err(failed("start time must be before end time"));
    }
    if posted.ends_at < now {
        return Err(failed("end time can't be in the past"));
    }
    let texts: Vec<_> = posted
        .matchers
        .into_iter()
        .map(|matcher| MatcherText {
            name: matcher.name,
            op: MatchOp::from_flags(matcher.is_regex, matcher.is_equal),
            value: matcher.value,
        })
        .collect();
    Ok(SilenceDraft {
        id: (!posted.id.is_empty()).then(|| posted.id.into()),
        matcher_sets: check_matcher_sets(&[texts], mode).map_err(|error| refused(&error))?,
        starts_at: posted.starts_at,
        ends_at: posted.ends_at,
        created_by: posted.created_by,
        comment: posted.comment,
        annotations: posted.annotations,
    })
}

fn refused(error: &SilenceError) -> ApiError {
    let status = match error {
        SilenceError::NotFound => StatusCode::NOT_FOUND,
        SilenceError::Invalid(_) | SilenceError::TooMany { .. } | SilenceError::TooLarge { .. } => {
            StatusCode::BAD_REQUEST
        }
    };
    ApiError::Handler {
        status,
        text: error.to_string(),
    }
}

/// `format: uuid` takes any case, and dashes or none.
fn uuid(id: &str) -> Result<String, ApiError> {
    let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
    if id.len() <= 36 && uuid::Uuid::try_parse(&id).is_ok() {
        return Ok(id.into_owned());
    }
    Err(ApiError::Contract {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: 601,
        message: format!("silenceID in path must be of type uuid: {}", go_quote(&id)),
    })
}

/// Appends a `gettableSilence`. Of several matcher sets, which only files and peers can bring, the API shows the first;
/// upstream answers 500 for the whole list.
fn write_silence(out: &mut String, silence: &Silence, now: Timestamp) {
    out.push('{');
    write::member(out, "id", &silence.id);
    out.push_str(",\"status\":{");
    write::member(out, "state", silence.state_at(now).as_str());
    out.push_str("},\"updatedAt\":");
    write::time(out, silence.updated_at);
    out.push_str(",\"annotations\":");
    let annotations = silence.annotations.iter();
    write::object(out, annotations.map(|(k, v)| (k.as_str(), v.as_str())));
    write::member(out, "comment", &silence.comment);
    write::member(out, "createdBy", &silence.created_by);
    out.push_str(",\"endsAt\":");
    write::time(out, silence.ends_at);
    out.push_str(",\"matchers\":");
    let matchers = silence.matcher_sets.first().into_iter().flatten();
    write::list(out, matchers, write::matcher);
    out.push_str(",\"startsAt\":");
    write::time(out, silence.starts_at);
    out.push('}');
}
