//! `GET /api/v2/receivers`.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use crate::api::{
    error::{ApiError, json_response},
    query::{Query, ReceiverFilter},
    state::ApiState,
    write,
};

pub(super) async fn get(state: &ApiState, query: &Query) -> Result<Response<Body>, ApiError> {
    let filter = ReceiverFilter::matchers_only(query, state.about().matcher_mode)?;
    let view = state.view().await?;
    let receivers = view
        .config
        .receivers
        .iter()
        .filter(|receiver| filter.accepts_labels(receiver));
    let mut out = String::new();
    write::list(&mut out, receivers, |out, receiver| {
        out.push_str("{\"labels\":");
        write::object(out, receiver.labels.iter().map(|(k, v)| (&**k, &**v)));
        write::member(out, "name", &receiver.name);
        out.push('}');
    });
    out.push('\n');
    Ok(json_response(StatusCode::OK, out))
}
