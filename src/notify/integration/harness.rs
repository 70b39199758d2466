//! Drives integrations in tests: a receiver from YAML, a notification, answers in; requests and the verdict out.
#![cfg(test)]
#![expect(clippy::unwrap_in_result, reason = "test code")]

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    Answer, Context, FileContents, HttpRequest, HttpResponse, MailOutcome, MailRequest, Step,
    TransportError, begin,
};
use crate::{
    alert::Alert,
    config::{self, Config, LoadEnv, Secret},
    labels::LabelSet,
    notify::{Memory, NotificationData, NotifyReason, Verdict},
    time::Timestamp,
};

/// When the alerts of the recordings began.
pub(super) const STARTS: &str = "2026-11-21T18:55:01Z";

/// The end of an alert that fires.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// An alert like those of the recordings.
pub(super) fn alert(instance: &str, starts_at: &str, ends_at: &str) -> Alert {
    let labels = LabelSet::from_pairs([
        ("alertname", "HighLoad"),
        ("instance", instance),
        ("severity", "critical"),
    ]);
    Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: LabelSet::from_pairs([("summary", "load high")]),
        generator_url: "http://prom/graph?g0".into(),
        starts_at: Timestamp::parse(starts_at).unwrap(),
        ends_at: Timestamp::parse(ends_at).unwrap(),
        updated_at: Timestamp::parse(starts_at).unwrap(),
        timeout: false,
    }
}

/// A notification of these alerts.
pub(super) fn data(reason: NotifyReason, alerts: Vec<Alert>) -> NotificationData {
    NotificationData {
        receiver: "all".into(),
        reason,
        alerts: alerts.into_iter().map(Arc::new).collect(),
        at: Timestamp::parse("2026-11-21T18:56:00Z").unwrap(),
        group_labels: LabelSet::from_pairs([("alertname", "HighLoad")]),
        route_labels: Arc::default(),
        problems: Arc::default(),
        external_url: "http://am.example.org".into(),
        group_key: "{}:{alertname=\"HighLoad\"}".into(),
        idempotency_key: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".into(),
        seq: 1_795_287_301,
        groups: 1,
    }
}

/// The first notification of the recordings (`*_1.json`).
pub(super) fn firing() -> NotificationData {
    data(
        NotifyReason::FirstNotification,
        vec![alert("a:9100", STARTS, NEVER)],
    )
}

/// The second notification of the recordings (`*_2.json`).
pub(super) fn resolved() -> NotificationData {
    data(
        NotifyReason::AllAlertsResolved,
        vec![alert("a:9100", STARTS, "2026-11-21T18:55:09Z")],
    )
}

/// A notification of `count` alerts that fire, for limits.
pub(super) fn many(count: usize) -> NotificationData {
    let alerts = (0..count).map(|i| alert(&format!("host-{i}:9100"), STARTS, NEVER));
    data(NotifyReason::FirstNotification, alerts.collect())
}

/// The configuration whose only receiver, `all`, has these integrations, such as `webhook_configs: [{url: 'http://x'}]`.
pub(super) fn configuration(integrations: &str) -> Config {
    let integrations = integrations.replace('\n', "\n  ");
    let text = format!("route: {{receiver: all}}\nreceivers:\n- name: all\n  {integrations}\n");
    match config::load(text.as_bytes(), &LoadEnv::default()) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}\n{text}"),
    }
}

/// An attempt through the first of these integrations.
pub(super) fn context(integrations: &str, data: NotificationData) -> Context {
    context_of(&configuration(integrations), 0, data)
}

/// An attempt through one of the integrations of the only receiver of a configuration.
pub(super) fn context_of(config: &Config, index: usize, data: NotificationData) -> Context {
    Context {
        integration: Arc::clone(&config.receivers[0].integrations[index]),
        at: data.at,
        data: Arc::new(data),
        texts: Arc::clone(&config.texts),
        files: FileContents::new(),
        memory: Memory::new(),
        allowed: Duration::from_secs(60),
    }
}

/// What was done in the course of an attempt.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The requests, those for tokens among them.
    pub(super) requests: Vec<HttpRequest>,
    /// The mails.
    pub(super) mails: Vec<MailRequest>,
    /// The keys of the tokens.
    pub(super) tokens: Vec<String>,
}

impl Course {
    /// The body of a request, as text.
    pub(super) fn body(&self, index: usize) -> String {
        String::from_utf8(self.requests[index].body.to_vec()).unwrap()
    }

    /// The body of a request, as JSON.
    pub(super) fn json(&self, index: usize) -> serde_json::Value {
        serde_json::from_slice(&self.requests[index].body).unwrap()
    }
}

/// An answer of a server.
pub(super) fn http(status: u16, body: &str) -> Result<HttpResponse, TransportError> {
    Ok(HttpResponse {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        received_at: Timestamp::parse("2026-11-21T18:56:01Z").unwrap(),
    })
}

/// Goes through an attempt; tokens that were not refused are asked for each time, for nothing is kept here.
pub(super) fn run(
    context: &Context,
    answers: impl IntoIterator<Item = Result<HttpResponse, TransportError>>,
) -> (Course, Verdict) {
    let mut answers: VecDeque<_> = answers.into_iter().collect();
    let mut course = Course::default();
    let (mut step, mut conversation) = match begin(context) {
        Ok(begun) => begun,
        Err(verdict) => return (course, verdict),
    };
    loop {
        let answer = match step {
            Step::Done(verdict) => {
                assert!(
                    answers.is_empty(),
                    "not all answers were wanted: {answers:?}"
                );
                return (course, verdict);
            }
            Step::Http(request) => {
                course.requests.push(request);
                Answer::Http(answers.pop_front().expect("one more answer was wanted"))
            }
            Step::Token(wanted) => {
                course.tokens.push(wanted.key);
                course.requests.push(wanted.request);
                let answer = answers.pop_front().expect("one more answer was wanted");
                Answer::Token((wanted.read)(answer).map(|token| Secret::clone(&token.value)))
            }
            Step::Mail(mail) => {
                course.mails.push(mail);
                Answer::Mail(MailOutcome::Taken {
                    refused: Vec::new(),
                    deferred: Vec::new(),
                    answer: "250 ok".to_owned(),
                })
            }
        };
        step = conversation.answer(answer);
    }
}

/// A recorded request of Alertmanager.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// A recording of `../shared/data/wire`; `None`, and a word about it, if that is not here.
pub(super) fn recorded(name: &str) -> Option<Recorded> {
    let path = format!("{}/../shared/data/wire/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: ../shared/data is not here");
        return None;
    };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    let headers = json["h"].as_object().unwrap().iter();
    Some(Recorded {
        method: text("m"),
        path: text("p"),
        headers: headers
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        body: text("b"),
    })
}

/// Compares a request with a recording: method, path with query, content type, and the body byte by byte.
pub(super) fn assert_as_recorded(request: &HttpRequest, name: &str) {
    let Some(recorded) = recorded(name) else {
        return;
    };
    assert_eq!(request.method, recorded.method, "{name}");
    let url = url::Url::parse(request.url.reveal()).unwrap();
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    assert_eq!(path, recorded.path, "{name}");
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    assert_eq!(body, recorded.body, "{name}");
    for wanted in ["Content-Type", "Authorization", "X-Auth-Token", "X-User-Id"] {
        let recorded = recorded.headers.iter().find(|(name, _)| name == wanted);
        let ours = request.headers.iter().find(|(name, _)| *name == wanted);
        if let Some((_, ours)) = ours {
            assert_eq!(
                Some(ours),
                recorded.map(|(_, value)| value),
                "{name}: {wanted}"
            );
        }
    }
}
