//! `incidentio_configs`: the webhook's body in version 1 to an alert source (`notify/incidentio/incidentio.go`).

use std::sync::Arc;

use super::{
    Begun, Context, HttpRequest, conversation::single, payload::webhook_body, status, wire::file,
};
use crate::{
    alert::Alert,
    config::{IncidentIoConfig, Secret},
    labels::LabelSet,
    notify::{Limit, NotificationData, Verdict},
};

/// The size of a body, in bytes.
const MAX_BODY: usize = 512 * 1024;

/// What is left of an annotation where a single alert is too large.
const ANNOTATION: Limit = Limit::Bytes(2048);

/// The files to read for each notification; the token's is read with the request.
pub(super) fn files(config: &IncidentIoConfig) -> Vec<String> {
    if config.url.is_empty() {
        vec![config.url_file.clone()]
    } else {
        Vec::new()
    }
}

/// Begins an attempt.
pub(super) fn begin(config: &IncidentIoConfig, context: &Context) -> Result<Begun, Verdict> {
    let url = if config.url.is_empty() {
        file(&context.files, "url_file", &config.url_file)?
    } else {
        config.url.as_str()
    };
    let data = &context.data;
    let body = body(data, config.max_alerts);
    let (timeout, allowed) = (config.timeout, context.allowed);
    let request = HttpRequest::json("POST", Secret::new(url), body, &config.http)
        .header("Idempotency-Key", format!("\"{}\"", data.idempotency_key))
        .within(timeout);
    Ok(single(request, move |result| match result {
        Ok(response) => status::of_response(&response),
        Err(error) => {
            let cause = status::own_timeout("incident.io", timeout, allowed);
            status::of_transport("POST", &error, cause)
        }
    }))
}

/// The body with as many whole alerts as are allowed and fit; upstream keeps the first alone as soon as one is too many.
fn body(data: &NotificationData, max_alerts: u64) -> String {
    let write = |alerts: usize| webhook_body(data, alerts as u64, "1");
    let whole = webhook_body(data, max_alerts, "1");
    if whole.len() <= MAX_BODY {
        return whole;
    }
    let allowed = match usize::try_from(max_alerts) {
        Ok(0) | Err(_) => data.alerts.len(),
        Ok(most) => most.min(data.alerts.len()),
    };
    let mut best = None;
    let (mut low, mut high) = (1, allowed.min(2));
    loop {
        let text = write(high);
        if text.len() > MAX_BODY {
            break;
        }
        best = Some(text);
        low = high + 1;
        if high == allowed {
            break;
        }
        high = (high * 2).min(allowed);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        let text = write(middle);
        if text.len() <= MAX_BODY {
            best = Some(text);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    best.unwrap_or_else(|| webhook_body(&with_short_annotations(data), 1, "1"))
}

/// The first alert is too large alone: its labels tell what it is.
fn with_short_annotations(data: &NotificationData) -> NotificationData {
    let mut data = data.clone();
    let shorter = data.alerts.iter().enumerate().map(|(i, alert)| {
        if i > 0 {
            return Arc::clone(alert);
        }
        let annotations = alert.annotations.iter();
        let annotations = annotations.map(|(name, value)| (name, ANNOTATION.cut(value)));
        Arc::new(Alert {
            annotations: LabelSet::from_pairs(annotations),
            ..Alert::clone(alert)
        })
    });
    data.alerts = shorter.collect();
    data
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{
            assert_as_recorded, configuration, context_of, firing, http, many, recorded, resolved,
            run,
        },
        *,
    };
    use crate::notify::FailureReason;

    const RECORDED: &str = "incidentio_configs: [{url: 'http://127.0.0.1:18980/incident', alert_source_token: hunter2}]";

    #[test]
    fn bodies_are_those_that_alertmanager_sent() {
        let config = configuration(RECORDED);
        for (data, name) in [
            (firing(), "POST_incident_1.json"),
            (resolved(), "POST_incident_2.json"),
        ] {
            let (course, verdict) = run(&context_of(&config, 0, data), [http(202, "{}")]);
            assert_eq!(verdict, Verdict::sent());
            let Some(recorded) = recorded(name) else {
                return;
            };
            // The recording is of 0.33, which lacks the labels of the route.
            let body = course.body(0).replace(",\"routeLabels\":{}", "");
            assert_eq!(body, recorded.body);
            let mut request = course.requests[0].clone();
            request.body = Arc::from(body.into_bytes());
            assert_as_recorded(&request, name);
        }
    }

    #[test]
    fn the_token_is_the_authorization() {
        let config = configuration(RECORDED);
        let context = context_of(&config, 0, firing());
        let (course, _) = run(&context, [http(202, "")]);
        let authorization = course.requests[0].http.authorization.as_ref().unwrap();
        assert_eq!(authorization.credentials.reveal(), "hunter2");
        assert_eq!(authorization.kind, "Bearer");
    }

    #[test]
    fn whole_alerts_are_cut() {
        for (count, max_alerts) in [(3000, 0), (2000, 0), (5000, 4000)] {
            let text = body(&many(count), max_alerts);
            assert!(text.len() <= MAX_BODY && text.len() > MAX_BODY - 1000);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let shown = json["alerts"].as_array().unwrap().len();
            assert_eq!(json["truncatedAlerts"], count - shown);
        }
        let json: serde_json::Value = serde_json::from_str(&body(&many(9), 2)).unwrap();
        assert_eq!(json["alerts"].as_array().unwrap().len(), 2);
        assert_eq!(json["truncatedAlerts"], 7);
    }

    #[test]
    fn one_alert_that_is_too_large_loses_its_annotations_end() {
        let mut data = many(2);
        let mut alert = Alert::clone(&data.alerts[0]);
        alert.annotations = LabelSet::from_pairs([("summary", "é".repeat(MAX_BODY))]);
        data.alerts = [Arc::new(alert), Arc::clone(&data.alerts[1])].into();
        let text = body(&data, 0);
        assert!(text.len() < 8_000, "{}", text.len());
        assert!(text.contains("host-0"));
        assert!(text.contains("\"truncatedAlerts\":1"));
    }

    #[test]
    fn answers_are_judged_by_their_status() {
        let config = configuration(RECORDED);
        let context = context_of(&config, 0, firing());
        for (status, reason) in [
            (429, Some(FailureReason::RateLimited)),
            (500, Some(FailureReason::ServerError)),
            (401, None),
            (422, None),
        ] {
            let body = r#"{"message":"no"}"#;
            let (_, verdict) = run(&context, [http(status, body)]);
            let words = format!("{verdict:?}");
            assert!(
                words.contains("no") && !words.contains("hunter2"),
                "{words}"
            );
            match (verdict, reason) {
                (Verdict::Retry { reason, .. }, Some(expect)) => assert_eq!(reason, expect),
                (Verdict::Permanent { .. }, None) => {}
                (verdict, _) => panic!("{verdict:?}"),
            }
        }
    }
}
