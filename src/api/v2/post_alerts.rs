//! `POST /api/v2/alerts`.

use std::{fmt::Write as _, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::Response,
};

use super::dispatch::read_body;
use crate::{
    alert::{Alert, AlertStatus, InvalidAlert},
    api::{
        body::{BodyError, ValidationError, go_json, parse_alerts},
        error::ApiError,
        state::{ApiState, unexpected},
    },
    labels::MatcherMode,
    node::{Reply, Request},
    time::Timestamp,
};

/// Some 160,000 alerts; Prometheus sends 256 at a time.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Larger bodies are read on a worker, so that they do not hold up other connections.
const INLINE: usize = 64 * 1024;
/// A refusal names so many alerts and counts the rest.
const MAX_COMPLAINTS: usize = 100;

pub(super) async fn post(state: &ApiState, body: Body) -> Result<Response<Body>, ApiError> {
    let bytes = read_body(body, MAX_BODY, "alerts").await?;
    if bytes.is_empty() {
        let missing = BodyError::Invalid(ValidationError::required("alerts"));
        return Err(ApiError::body("alerts", missing));
    }
    let view = state.view().await?;
    let terms = Terms {
        now: view.at.wall,
        resolve_timeout: view.config.resolve_timeout,
        mode: state.about().matcher_mode,
    };
    drop(view);
    let intake = if bytes.len() <= INLINE {
        take_in(&bytes, terms)
    } else {
        tokio::task::spawn_blocking(move || take_in(&bytes, terms))
            .await
            .map_err(|error| ApiError::internal(error.to_string()))?
    };
    let intake = intake.map_err(|error| ApiError::body("alerts", error))?;

    let http = state.http_stats();
    http.count_alerts(intake.firing, intake.resolved, intake.invalid);
    if !intake.alerts.is_empty() || intake.invalid > 0 {
        let request = Request::PostAlerts {
            alerts: intake.alerts,
            invalid: intake.invalid,
        };
        let reply = state.request(request).await;
        let Reply::AlertsStored = reply else {
            return Err(unexpected(&reply));
        };
    }
    if intake.invalid > 0 {
        return Err(ApiError::bad_request(intake.complaints));
    }
    Ok(Response::new(Body::empty()))
}

#[derive(Clone, Copy)]
struct Terms {
    now: Timestamp,
    resolve_timeout: Duration,
    mode: MatcherMode,
}

/// A body, sorted out.
#[derive(Debug, Default)]
struct Intake {
    alerts: Vec<Alert>,
    firing: u64,
    resolved: u64,
    invalid: u64,
    /// What is wrong with the invalid ones, a line each.
    complaints: String,
}

impl Intake {
    fn complain(&mut self, error: &InvalidAlert) {
        self.invalid += 1;
        if self.invalid <= MAX_COMPLAINTS as u64 {
            let separator = if self.invalid > 1 { "\n" } else { "" };
            let _ = write!(self.complaints, "{separator}{error}");
        }
    }

    fn close(&mut self) {
        let unnamed = self.invalid.saturating_sub(MAX_COMPLAINTS as u64);
        if unnamed > 0 {
            let _ = write!(self.complaints, "\nand {unnamed} more");
        }
    }
}

fn take_in(bytes: &Bytes, terms: Terms) -> Result<Intake, BodyError> {
    let posted = parse_alerts(&go_json::text(bytes))?;
    let mut intake = Intake {
        alerts: Vec::with_capacity(posted.len()),
        ..Intake::default()
    };
    for alert in posted {
        match alert.status_at(terms.now, terms.resolve_timeout) {
            AlertStatus::Firing => intake.firing += 1,
            AlertStatus::Resolved => intake.resolved += 1,
        }
        match alert.into_alert(terms.now, terms.resolve_timeout, terms.mode) {
            Ok(alert) => intake.alerts.push(alert),
            Err(error) => intake.complain(&error),
        }
    }
    intake.close();
    Ok(intake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_alerts_are_taken_and_the_rest_is_named() {
        let terms = Terms {
            now: Timestamp::from_unix(1000, 0),
            resolve_timeout: Duration::from_secs(300),
            mode: MatcherMode::Classic,
        };
        let body = br#"[{"labels":{"a b":"c"}},{"labels":{"a":"v"}},{"labels":{}}]"#;
        let intake = take_in(&Bytes::from_static(body), terms).unwrap();
        assert_eq!(
            (intake.alerts.len(), intake.firing, intake.invalid),
            (1, 3, 2)
        );
        assert_eq!(
            intake.complaints,
            "invalid label set: invalid name \"a b\"\nat least one label pair required"
        );
        let many = format!("[{}{{\"labels\":{{}}}}]", "{\"labels\":{}},".repeat(149));
        let intake = take_in(&Bytes::from(many), terms).unwrap();
        assert!(intake.complaints.ends_with("\nand 50 more"));
        let odd = take_in(
            &Bytes::from_static(b"[{\"labels\":{\"a\":\"\xff\"}}]"),
            terms,
        )
        .unwrap();
        assert_eq!(odd.alerts[0].labels.get("a"), Some("\u{FFFD}"));
    }
}
