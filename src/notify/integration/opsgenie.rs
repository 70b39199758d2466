//! `opsgenie_configs`: creates, updates and closes alerts of Opsgenie (`notify/opsgenie/opsgenie.go`).
//!
//! An alert is known by the hash of the group key, so that a repeat only counts. Requests are made one after the other;
//! if one fails, all are made again.

use std::{collections::VecDeque, fmt};

use super::{
    Answer, Begun, Context, Conversation, FileContents, HttpRequest, Step,
    conversation::out_of_turn,
    status,
    wire::{file, with_parameter, with_path},
};
use crate::{
    alert::AlertStatus,
    config::{OpsgenieConfig, Secret},
    json,
    notify::{
        Limit, NotificationData, Renderer, Verdict, data::common,
        integration::opsgenie_alert::NewAlert,
    },
};

/// The files to read for each notification.
pub(super) fn files(config: &OpsgenieConfig) -> Vec<String> {
    if config.api_key.is_empty() {
        vec![config.api_key_file.clone()]
    } else {
        Vec::new()
    }
}

/// Begins an attempt.
pub(super) fn begin(
    config: &OpsgenieConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let key = key(config, &context.files, render)?;
    let data = &context.data;
    let mut requests = match data.status() {
        AlertStatus::Resolved => VecDeque::from([close(config, data, render)?]),
        AlertStatus::Firing => create(config, data, render)?,
    };
    for request in &mut requests {
        let value = format!("GenieKey {}", key.reveal());
        request.headers.push(("Authorization", value));
    }
    let first = requests.pop_front().expect("there is one at least");
    let method = first.method;
    let attempt = Attempt {
        method,
        rest: requests,
    };
    Ok((Step::Http(first), Box::new(attempt)))
}

fn key(
    config: &OpsgenieConfig,
    files: &FileContents,
    render: &Renderer<'_>,
) -> Result<Secret, Verdict> {
    let source = if config.api_key.is_empty() {
        file(files, "api_key_file", &config.api_key_file)?
    } else {
        config.api_key.reveal()
    };
    let key = render.secret("api_key", source)?;
    Ok(Secret::new(key.trim()))
}

fn close(
    config: &OpsgenieConfig,
    data: &NotificationData,
    render: &Renderer<'_>,
) -> Result<HttpRequest, Verdict> {
    let source = render.detail("source", &config.source)?;
    let body = json::document(|object| {
        object.text("source", &source);
    });
    Ok(of_alias(config, data, "POST", "close", body))
}

fn create(
    config: &OpsgenieConfig,
    data: &NotificationData,
    render: &Renderer<'_>,
) -> Result<VecDeque<HttpRequest>, Verdict> {
    let labels = common(&data.alerts, |alert| &alert.labels);
    let alert = NewAlert::new(config, &labels, render)?;
    let url = with_path(config.api_url.as_str(), "v2/alerts");
    let body = alert.body(&data.group_hash());
    let mut requests = VecDeque::from([HttpRequest::json(
        "POST",
        Secret::new(url),
        body,
        &config.http,
    )]);
    if config.update_alerts {
        let texts = [
            ("message", &alert.message),
            ("description", &alert.description),
        ];
        for (name, text) in texts {
            let body = json::document(|object| {
                object.text_if_any(name, text);
            });
            requests.push_back(of_alias(config, data, "PUT", name, body));
        }
    }
    Ok(requests)
}

/// A request about the alert of the group.
fn of_alias(
    config: &OpsgenieConfig,
    data: &NotificationData,
    method: &'static str,
    action: &str,
    body: String,
) -> HttpRequest {
    let path = format!("v2/alerts/{}/{action}", data.group_hash());
    let url = with_path(config.api_url.as_str(), &path);
    let url = with_parameter(&url, "identifierType", "alias");
    HttpRequest::json(method, Secret::new(url), body, &config.http)
}

/// Requests on their way.
struct Attempt {
    method: &'static str,
    rest: VecDeque<HttpRequest>,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The headers of the requests hold the key.
        f.debug_struct("Attempt")
            .field("method", &self.method)
            .field("rest", &self.rest.len())
            .finish()
    }
}

impl Conversation for Attempt {
    fn answer(&mut self, answer: Answer) -> Step {
        let verdict = match answer {
            Answer::Http(Ok(response)) => status::of_response(&response),
            Answer::Http(Err(error)) => status::of_transport(self.method, &error, None),
            Answer::Token(_) | Answer::Mail(_) => return out_of_turn(),
        };
        if !verdict.is_sent() {
            return Step::Done(verdict);
        }
        match self.rest.pop_front() {
            Some(next) => {
                self.method = next.method;
                Step::Http(next)
            }
            None => Step::Done(verdict),
        }
    }
}

/// The length of a message; Opsgenie refuses longer ones.
pub(super) const MESSAGE: Limit = Limit::Chars(130);

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{
            Course, assert_as_recorded, configuration, context, context_of, firing, http, many,
            resolved, run,
        },
        *,
    };

    const RECORDED: &str =
        "opsgenie_configs: [{api_key: K, api_url: 'http://127.0.0.1:18980/og/'}]";

    const PLAIN: &str =
        "api_key: hunter2, api_url: 'http://og', message: m, description: d, source: s";

    fn plain(more: &str) -> String {
        format!("opsgenie_configs: [{{{PLAIN}{more}}}]")
    }

    fn sent(integrations: &str, data: NotificationData) -> Course {
        let (course, verdict) = run(&context(integrations, data), [http(202, "{}")]);
        assert_eq!(verdict, Verdict::sent());
        course
    }

    #[test]
    fn alerts_are_those_that_alertmanager_sent() {
        let config = configuration(RECORDED);
        let (course, verdict) = run(&context_of(&config, 0, firing()), [http(202, "{}")]);
        assert_eq!(verdict, Verdict::sent());
        assert_as_recorded(&course.requests[0], "POST_og_v2_alerts_1.json");
    }

    #[test]
    fn closes_are_those_that_alertmanager_sent() {
        let config = configuration(RECORDED);
        let (course, verdict) = run(&context_of(&config, 0, resolved()), [http(202, "{}")]);
        assert_eq!(verdict, Verdict::sent());
        assert_as_recorded(&course.requests[0], "POST_og_v2_alerts_ALIAS_close_1.json");
    }

    #[test]
    fn everything_is_written_in_upstreams_order() {
        let course = sent(
            &plain(
                ", details: {instance: b, x: <y>}, entity: e, note: n, priority: P1, \
                 tags: ' a,,b ', actions: 'c, d', responders: [{name: 'x,y,', type: teams}, \
                 {id: i, type: user}, {username: u, type: USER}]",
            ),
            firing(),
        );
        assert_eq!(course.requests[0].url.reveal(), "http://og/v2/alerts");
        expect_test::expect![[r#"
            {"alias":"196cd8f79681ecfe82cc3e2d31612835c7d1ce897fd702ce61839eace2d49e26","message":"m","description":"d","details":{"alertname":"HighLoad","instance":"b","severity":"critical","x":"\u003cy\u003e"},"source":"s","responders":[{"name":"x","type":"team"},{"name":"y","type":"team"},{"id":"i","type":"user"},{"username":"u","type":"user"}],"tags":["a","b"],"note":"n","priority":"P1","entity":"e","actions":["c"," d"]}
        "#]]
        .assert_eq(&course.body(0));
    }

    #[test]
    fn responders_may_come_from_templates_and_vanish() {
        let course = sent(
            &plain(
                ", responders: [{name: '{{ .CommonLabels.team }}', type: '{{ .CommonLabels.kind }}'}, \
                 {name: '{{ .CommonLabels.severity }}', type: '{{ .CommonLabels.missing }}team'}]",
            ),
            firing(),
        );
        let responders = course.json(0)["responders"].to_string();
        assert_eq!(responders, r#"[{"name":"critical","type":"team"}]"#);
    }

    #[test]
    fn updates_are_three_requests() {
        let context = context(&plain(", update_alerts: true"), firing());
        let taken = || http(202, "{}");
        let (course, verdict) = run(&context, [taken(), taken(), taken()]);
        assert_eq!(verdict, Verdict::sent());
        let alias = firing().group_hash();
        let seen: Vec<_> = course
            .requests
            .iter()
            .map(|request| (request.method, request.url.reveal().replace(&alias, "A")))
            .collect();
        let expect = [
            ("POST", "http://og/v2/alerts"),
            ("PUT", "http://og/v2/alerts/A/message?identifierType=alias"),
            (
                "PUT",
                "http://og/v2/alerts/A/description?identifierType=alias",
            ),
        ];
        assert_eq!(seen, expect.map(|(method, url)| (method, url.to_owned())));
        assert_eq!(course.body(1), "{\"message\":\"m\"}\n");
        assert_eq!(course.body(2), "{\"description\":\"d\"}\n");
        for request in &course.requests {
            let key = ("Authorization", "GenieKey hunter2".to_owned());
            assert!(request.headers.contains(&key));
        }
        let (course, verdict) = run(&context, [taken(), http(429, "")]);
        assert_eq!(course.requests.len(), 2);
        assert!(matches!(verdict, Verdict::Retry { .. }));
    }

    #[test]
    fn texts_keep_opsgenies_limits() {
        let long = plain(", details: {a: LONG, b: LONG}")
            .replace("message: m", &format!("message: {}", "é".repeat(300)))
            .replace(
                "description: d",
                &format!("description: {}", "d".repeat(20_000)),
            )
            .replace("LONG", &"x".repeat(9_000));
        let course = sent(&long, many(3));
        let json = course.json(0);
        let chars = |text: &serde_json::Value| text.as_str().unwrap().chars().count();
        assert_eq!(chars(&json["message"]), 130);
        assert!(chars(&json["description"]) <= 15_000);
        let details = json["details"].as_object().unwrap();
        let all: usize = details
            .iter()
            .map(|(name, value)| name.len() + chars(value))
            .sum();
        assert!(all <= 8_000, "{all}");
        assert_eq!(details["severity"], "critical");
    }

    #[test]
    fn answers_are_judged_by_their_status() {
        let context = context(&plain(""), firing());
        for (status, retried) in [
            (401, false),
            (403, false),
            (404, false),
            (422, false),
            (429, true),
            (503, true),
        ] {
            let body = r#"{"message":"no","took":0.1}"#;
            let (_, verdict) = run(&context, [http(status, body)]);
            let words = format!("{verdict:?}");
            assert!(
                words.contains("no") && !words.contains("hunter2"),
                "{words}"
            );
            assert_eq!(matches!(verdict, Verdict::Retry { .. }), retried, "{words}");
        }
    }

    #[test]
    fn the_key_may_be_in_a_file() {
        let from_file = plain("").replace("api_key: hunter2", "api_key_file: /run/og");
        let mut context = context(&from_file, firing());
        assert_eq!(super::super::files(&context.integration), ["/run/og"]);
        let key = Ok("K\n".to_owned());
        context.files.insert("/run/og".to_owned(), key);
        let (course, _) = run(&context, [http(202, "")]);
        let expect = ("Authorization", "GenieKey K".to_owned());
        assert!(course.requests[0].headers.contains(&expect));
        context.files.clear();
        let (_, verdict) = run(&context, []);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
    }
}
