//! `POST /api/v2/receivers/{name}/test` and `POST /api/v2/templates/render`: to see what a receiver gets before it
//! matters.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, oneshot},
};

use super::dispatch::read_body;
use crate::{
    api::{
        error::{ApiError, json_response},
        state::{ApiState, Trials},
        write,
    },
    config::{Integration, Texts},
    io::{Senders, spawn},
    node::NotifyAttempt,
    notify::{
        Memory, Verdict,
        integration::{Rehearsal, Shown},
        sample,
    },
    template::{Mode, Scope},
    time::Timestamp,
};

/// Sample alerts and templates are small.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Nobody waits longer for a test.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is asked of a receiver.
#[derive(Debug, Default)]
struct Wanted {
    dry_run: bool,
    /// `slack` or `slack[1]`; all if empty.
    integration: String,
}

pub(super) async fn test(
    state: &ApiState,
    name: &str,
    body: Body,
) -> Result<Response<Body>, ApiError> {
    let bytes = read_body(body, MAX_BODY, "test").await?;
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    let Some(trials) = state.trials() else {
        return Err(ApiError::internal("this node sends nothing"));
    };
    let permit = Arc::new(permit(trials)?);
    let view = state.view().await?;
    let json = parse(&bytes)?;
    let now = view.at.wall;
    let wanted = Wanted {
        dry_run: json["dryRun"].as_bool().unwrap_or_default(),
        integration: json["integration"].as_str().unwrap_or_default().to_owned(),
    };
    let alerts = match json.get("alerts") {
        Some(_) => sample::alerts(&json, now).map_err(ApiError::bad_request)?,
        None => Vec::new(),
    };
    let receiver = view.config.receiver(&name).ok_or(ApiError::Missing)?;
    let unique = format!("{:?}", state.now());
    let data = sample::notification(&name, &trials.external_url, alerts, &unique, now);
    let data = Arc::new(data);
    let chosen = receiver
        .integrations
        .iter()
        .filter(|integration| wanted.includes(integration));
    let running: Vec<_> = chosen
        .map(|integration| {
            let attempt = NotifyAttempt {
                attempt: 0,
                data: Arc::clone(&data),
                integration: Arc::clone(integration),
                texts: Arc::clone(&view.config.texts),
                memory: Memory::new(),
                timeout: TIMEOUT,
            };
            let tried = tried(Arc::clone(&trials.senders), attempt, wanted.dry_run);
            let (result, ended) = oneshot::channel();
            let permit = Arc::clone(&permit);
            spawn(&Handle::current(), "receiver test", async move {
                // The test runs on when its client hangs up, and counts until it ends.
                let _permit = permit;
                // A client that went away does not want to know.
                let _ = result.send(tried.await);
            });
            (Arc::clone(integration), ended)
        })
        .collect();
    let mut results = Vec::with_capacity(running.len());
    for (integration, tried) in running {
        let tried = tried.await;
        let tried = tried.map_err(|error| ApiError::internal(error.to_string()))?;
        results.push((integration, tried));
    }
    let mut out = "{\"results\":".to_owned();
    write::list(&mut out, results, |out, (integration, result)| {
        write_result(out, &integration, &result);
    });
    out.push_str("}\n");
    Ok(json_response(StatusCode::OK, out))
}

fn permit(trials: &Trials) -> Result<OwnedSemaphorePermit, ApiError> {
    let permit = Arc::clone(&trials.running).try_acquire_owned();
    permit.ok().ok_or_else(|| ApiError::Handler {
        status: StatusCode::TOO_MANY_REQUESTS,
        text: "other tests are running; wait until they end".to_owned(),
    })
}

impl Wanted {
    fn includes(&self, integration: &Integration) -> bool {
        let kind = integration.kind.as_str();
        self.integration.is_empty()
            || self.integration == kind
            || self.integration == format!("{kind}[{}]", integration.index)
    }
}

/// What became of one integration.
enum Tried {
    Sent(Verdict),
    Rehearsed(Result<Rehearsal, Verdict>),
}

async fn tried(senders: Arc<Senders>, attempt: NotifyAttempt, dry_run: bool) -> Tried {
    if dry_run {
        Tried::Rehearsed(senders.rehearse(attempt).await)
    } else {
        Tried::Sent(senders.notify(attempt).await)
    }
}

fn write_result(out: &mut String, integration: &Integration, tried: &Tried) {
    let (outcome, error, note) = match tried {
        Tried::Sent(verdict) | Tried::Rehearsed(Err(verdict)) => match verdict {
            Verdict::Sent(receipt) => ("sent", "", receipt.notes()),
            Verdict::Retry { error, .. } | Verdict::Permanent { error, .. } => {
                ("failed", error.as_str(), String::new())
            }
        },
        Tried::Rehearsed(Ok(rehearsal)) => ("rehearsed", "", rehearsal.template_problems.clone()),
    };
    out.push('{');
    write::member(out, "integration", integration.kind.as_str());
    out.push_str(&format!(",\"index\":{}", integration.index));
    write::member(out, "outcome", outcome);
    write::member(out, "error", error);
    write::member(out, "note", &note);
    out.push_str(",\"requests\":");
    let requests = match tried {
        Tried::Rehearsed(Ok(rehearsal)) => rehearsal.requests.as_slice(),
        Tried::Rehearsed(Err(_)) | Tried::Sent(_) => &[],
    };
    write::list(out, requests, write_request);
    out.push('}');
}

fn write_request(out: &mut String, request: &Shown) {
    out.push('{');
    write::member(out, "method", request.method);
    write::member(out, "target", &request.target);
    out.push_str(",\"headers\":");
    write::list(out, &request.headers, |out, (name, value)| {
        out.push('{');
        write::member(out, "name", name);
        write::member(out, "value", value);
        out.push('}');
    });
    write::member(out, "body", &request.body);
    out.push('}');
}

pub(super) async fn render(state: &ApiState, body: Body) -> Result<Response<Body>, ApiError> {
    let bytes = read_body(body, MAX_BODY, "template").await?;
    let json = parse(&bytes)?;
    let view = state.view().await?;
    let now = view.at.wall;
    let mode = match json["type"].as_str() {
        None | Some("" | "text") => Mode::Text,
        Some("html") => Mode::Html,
        Some(other) => {
            let text = format!("type must be text or html, not {other:?}");
            return Err(ApiError::bad_request(text));
        }
    };
    let Some(text) = json["text"].as_str().map(str::to_owned) else {
        return Err(ApiError::bad_request("text, the template, is missing"));
    };
    let texts = Arc::clone(&view.config.texts);
    let permit = state.trials().map(permit).transpose()?;
    let rendered = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        rendered(&texts, &text, mode, &json, now)
    });
    let output = rendered
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?
        .map_err(ApiError::bad_request)?;
    let mut out = "{".to_owned();
    write::member(&mut out, "output", &output);
    out.push_str("}\n");
    Ok(json_response(StatusCode::OK, out))
}

fn rendered(
    texts: &Texts,
    text: &str,
    mode: Mode,
    json: &Value,
    now: Timestamp,
) -> Result<String, String> {
    let data = match json.get("data") {
        None | Some(Value::Null) => sample::sample_data(now),
        Some(data) => sample::data(data, now)?,
    };
    let template = texts
        .template(text, mode)
        .map_err(|error| error.to_string())?;
    let scope = Scope {
        zone: texts.timezone().clone(),
        ..Scope::new(data, now)
    };
    template.render(&scope).map_err(|error| error.to_string())
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::api::testing::{api_with_receiver, post};

    const HOOK: &str = "webhook_configs: [{url: 'http://127.0.0.1:9/hook-hunter2'}]";

    async fn ask(path: &str, body: &str) -> (StatusCode, serde_json::Value) {
        let answer = post(&api_with_receiver(HOOK), path, body).await;
        let json = serde_json::from_str(&answer.body).unwrap_or_default();
        (answer.status, json)
    }

    #[tokio::test]
    async fn a_dry_run_shows_the_request_without_its_secrets() {
        let body = "{\"dryRun\":true}";
        let (status, json) = ask("/api/v2/receivers/team/test", body).await;
        assert_eq!(status, 200, "{json}");
        let result = &json["results"][0];
        assert_eq!(result["outcome"], "rehearsed");
        let request = &result["requests"][0];
        assert_eq!(request["target"], "http://127.0.0.1:9/<secret>");
        let sent = request["body"].as_str().unwrap();
        assert!(sent.contains("This is a test of the receiver"), "{sent}");
        assert!(!json.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn own_alerts_are_told() {
        let body = "{\"dryRun\":true,\"alerts\":[{\"labels\":{\"alertname\":\"Mine\"}}]}";
        let (_, json) = ask("/api/v2/receivers/team/test", body).await;
        let sent = json["results"][0]["requests"][0]["body"].as_str().unwrap();
        assert!(sent.contains("\"alertname\":\"Mine\""), "{sent}");
    }

    #[tokio::test]
    async fn a_receiver_that_does_not_answer_is_said_to_fail() {
        let (status, json) = ask("/api/v2/receivers/team/test", "").await;
        assert_eq!(status, 200);
        assert_eq!(json["results"][0]["outcome"], "failed");
        let error = json["results"][0]["error"].as_str().unwrap();
        assert!(error.contains("refused"), "{error}");
        assert!(!error.contains("hunter2"));
        assert_eq!(ask("/api/v2/receivers/nobody/test", "").await.0, 404);
        assert_eq!(ask("/api/v2/receivers/team/test", "{").await.0, 400);
    }

    #[tokio::test]
    async fn templates_are_rendered_with_the_data_given() {
        let path = "/api/v2/templates/render";
        let body = "{\"text\":\"{{ .Receiver }}\",\"data\":{\"receiver\":\"r\"}}";
        assert_eq!(ask(path, body).await.1["output"], "r");
        let body = "{\"text\":\"<b title=\\\"{{ .Receiver }}\\\">\",\"type\":\"html\",\"data\":{\"receiver\":\"\\\"\"}}";
        assert_eq!(ask(path, body).await.1["output"], "<b title=\"&#34;\">");
        let (status, json) = ask(path, "{\"text\":\"{{ .Nope }}\"}").await;
        assert_eq!(status, 400);
        assert!(json.as_str().unwrap().contains("Nope"), "{json}");
        assert_eq!(ask(path, "{}").await.0, 400);
    }
}
