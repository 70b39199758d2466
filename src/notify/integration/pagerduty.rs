//! `pagerduty_configs`: events of PagerDuty, version 2 by `routing_key`, version 1 by `service_key`
//! (`notify/pagerduty/pagerduty.go`).
//!
//! Both recognise a repeat by the hash of the group key. The idempotency key is not in the details: it would show in
//! every incident, and a late repeat after the resolve is prevented by the order of the notification log.

use serde::Deserialize;

use super::{
    Begun, Context, FileContents, HttpRequest, HttpResponse, TransportError, conversation::single,
    pagerduty_details::Details, status, wire::file,
};
use crate::{
    alert::AlertStatus,
    config::{PagerDutyConfig, Secret},
    json,
    notify::{FailureReason, Limit, NotificationData, Renderer, Verdict},
};

/// Where events of version 1 go, whatever `url` says.
const VERSION_1: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";

/// Both versions cut longer summaries off.
const SUMMARY: Limit = Limit::Chars(1024);

/// The size of an event, in bytes.
const MAX_EVENT: usize = 512_000;

/// The files to read for each notification.
pub(super) fn files(config: &PagerDutyConfig) -> Vec<String> {
    let (key, path) = if is_version_1(config) {
        (&config.service_key, &config.service_key_file)
    } else {
        (&config.routing_key, &config.routing_key_file)
    };
    if key.is_empty() {
        vec![path.clone()]
    } else {
        Vec::new()
    }
}

/// A file with both keys is of version 1, as upstream's.
fn is_version_1(config: &PagerDutyConfig) -> bool {
    !config.service_key.is_empty() || !config.service_key_file.is_empty()
}

/// Begins an attempt.
pub(super) fn begin(
    config: &PagerDutyConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let version_1 = is_version_1(config);
    let event = Event::new(config, &context.data, render)?;
    let (url, key) = if version_1 {
        (VERSION_1, key_1(config, &context.files, render)?)
    } else {
        (config.url.as_str(), key_2(config, &context.files, render)?)
    };
    let details = Details::new(config, render)?;
    let body = details.fit(MAX_EVENT, |details| {
        if version_1 {
            event.version_1(&key, details)
        } else {
            event.version_2(&key, details)
        }
    });
    let request = HttpRequest::json("POST", Secret::new(url), body, &config.http);
    let (timeout, allowed) = (config.timeout, context.allowed);
    Ok(single(request.within(timeout), move |result| {
        let cause = status::own_timeout("pagerduty", timeout, allowed);
        verdict(result, version_1, cause)
    }))
}

fn key_1(
    config: &PagerDutyConfig,
    files: &FileContents,
    render: &Renderer<'_>,
) -> Result<String, Verdict> {
    let (key, path) = (&config.service_key, &config.service_key_file);
    rendered_key("service_key", key, path, files, render)
}

fn key_2(
    config: &PagerDutyConfig,
    files: &FileContents,
    render: &Renderer<'_>,
) -> Result<String, Verdict> {
    let (key, path) = (&config.routing_key, &config.routing_key_file);
    rendered_key("routing_key", key, path, files, render)
}

fn rendered_key(
    field: &str,
    key: &Secret,
    path: &str,
    files: &FileContents,
    render: &Renderer<'_>,
) -> Result<String, Verdict> {
    let source = if key.is_empty() {
        file(files, &format!("{field}_file"), path)?
    } else {
        key.reveal()
    };
    let key = render.secret(field, source)?;
    if key.is_empty() {
        let field = field.replace('_', " ");
        return Err(Verdict::unsendable(format!("{field} cannot be empty")));
    }
    Ok(key)
}

/// An event without its key and its details.
struct Event {
    action: &'static str,
    group: String,
    summary: String,
    client: String,
    client_url: String,
    source: String,
    severity: String,
    class: String,
    component: String,
    group_of_components: String,
    /// `src`, `alt`, `href`
    images: Vec<[String; 3]>,
    /// `href`, `text`
    links: Vec<[String; 2]>,
}

impl Event {
    fn new(
        config: &PagerDutyConfig,
        data: &NotificationData,
        render: &Renderer<'_>,
    ) -> Result<Self, Verdict> {
        let severity = if config.severity.is_empty() {
            "error"
        } else {
            &config.severity
        };
        Ok(Self {
            action: match data.status() {
                AlertStatus::Firing => "trigger",
                AlertStatus::Resolved => "resolve",
            },
            group: data.group_hash(),
            summary: SUMMARY.cut(&render.title("description", &config.description)?),
            client: render.detail("client", &config.client)?,
            client_url: render.detail("client_url", &config.client_url)?,
            source: some(render.detail("source", &config.source)?, "Alertmanager"),
            severity: some(render.detail("severity", severity)?, "error"),
            class: render.detail("class", &config.class)?,
            component: render.detail("component", &config.component)?,
            group_of_components: render.detail("group", &config.group)?,
            images: images(config, render)?,
            links: links(config, render)?,
        })
    }

    fn version_1(&self, key: &str, details: &str) -> String {
        json::document(|event| {
            event
                .text("service_key", key)
                .text("incident_key", &self.group)
                .text("event_type", self.action)
                .text_if_any("description", &self.summary)
                // Members of version 2 that upstream does not leave out.
                .text("event_action", "")
                .null("payload");
            if self.action == "trigger" {
                event
                    .text_if_any("client", &self.client)
                    .text_if_any("client_url", &self.client_url);
            }
            if !details.is_empty() {
                event.raw("details", details);
            }
        })
    }

    fn version_2(&self, key: &str, details: &str) -> String {
        json::document(|event| {
            event
                .text("routing_key", key)
                .text("dedup_key", &self.group)
                .text("event_action", self.action)
                .object("payload", |payload| {
                    payload
                        .text("summary", &self.summary)
                        .text("source", &self.source)
                        .text("severity", &self.severity)
                        .text_if_any("class", &self.class)
                        .text_if_any("component", &self.component)
                        .text_if_any("group", &self.group_of_components);
                    if !details.is_empty() {
                        payload.raw("custom_details", details);
                    }
                })
                .text_if_any("client", &self.client)
                .text_if_any("client_url", &self.client_url);
            if !self.images.is_empty() {
                event.array("images", |list| {
                    for [src, alt, href] in &self.images {
                        list.object(|image| {
                            image.text("src", src).text("alt", alt).text("href", href);
                        });
                    }
                });
            }
            if !self.links.is_empty() {
                event.array("links", |list| {
                    for [href, text] in &self.links {
                        list.object(|link| {
                            link.text("href", href).text("text", text);
                        });
                    }
                });
            }
        })
    }
}

/// PagerDuty refuses events without these, so a template that fails must not leave them empty.
fn some(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

fn images(config: &PagerDutyConfig, render: &Renderer<'_>) -> Result<Vec<[String; 3]>, Verdict> {
    let mut images = Vec::new();
    for image in &config.images {
        let src = render.detail("images.src", &image.src)?;
        let alt = render.detail("images.alt", &image.alt)?;
        let href = render.detail("images.href", &image.href)?;
        if !src.is_empty() {
            images.push([src, alt, href]);
        }
    }
    Ok(images)
}

fn links(config: &PagerDutyConfig, render: &Renderer<'_>) -> Result<Vec<[String; 2]>, Verdict> {
    let mut links = Vec::new();
    for link in &config.links {
        let href = render.detail("links.href", &link.href)?;
        let text = render.detail("links.text", &link.text)?;
        if !href.is_empty() {
            links.push([href, text]);
        }
    }
    Ok(links)
}

/// Judges what came back. Version 1 says 403 where it limits the rate.
fn verdict(
    result: Result<HttpResponse, TransportError>,
    version_1: bool,
    cause: Option<String>,
) -> Verdict {
    let response = match result {
        Ok(response) => response,
        Err(error) => return status::of_transport("POST", &error, cause),
    };
    let verdict = match said(&response) {
        Some(said) => status::within(
            &format!("unexpected status code {}", response.status),
            Verdict::Permanent {
                reason: status::failure_reason(response.status),
                error: said,
            },
        ),
        None => status::of_response(&response),
    };
    match verdict {
        Verdict::Permanent { error, .. } if version_1 && response.status == 403 => Verdict::Retry {
            after: status::retry_after(&response),
            reason: FailureReason::RateLimited,
            error,
            ambiguous: false,
        },
        other @ (Verdict::Sent(_) | Verdict::Retry { .. } | Verdict::Permanent { .. }) => other,
    }
}

/// What PagerDuty finds wrong with an event.
fn said(response: &HttpResponse) -> Option<String> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Said {
        message: String,
        errors: Vec<String>,
    }

    if response.status != 400 {
        return None;
    }
    let said: Said = serde_json::from_slice(&response.body).ok()?;
    let text = format!("{}: {}", said.message, said.errors.join(","));
    Some(status::quoted(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{
        super::harness::{
            Course, assert_as_recorded, configuration, context, context_of, firing, http, many,
            resolved, run,
        },
        *,
    };

    const RECORDED: &str = "pagerduty_configs: [{routing_key: RK, url: 'http://127.0.0.1:18980/pd2'},{service_key: SK}]";

    const PLAIN: &str = "routing_key: hunter2, url: 'http://pd/', client: c, client_url: u, description: d, details: {firing: '[]', resolved: '[]', num_firing: '1', num_resolved: '0'";

    fn plain(details: &str, more: &str) -> String {
        format!("pagerduty_configs: [{{{PLAIN}{details}}}{more}}}]")
    }

    fn sent(integrations: &str, data: NotificationData) -> Course {
        let (course, verdict) = run(&context(integrations, data), [http(202, "{}")]);
        assert!(verdict.is_sent(), "{verdict:?}");
        course
    }

    #[test]
    fn events_are_those_that_alertmanager_sent() {
        let config = configuration(RECORDED);
        for (index, data, name) in [
            (0, firing(), "POST_pd2_1.json"),
            (0, resolved(), "POST_pd2_2.json"),
            (
                1,
                firing(),
                "POST_generic_2010-04-15_create_event.json_1.json",
            ),
            (
                1,
                resolved(),
                "POST_generic_2010-04-15_create_event.json_2.json",
            ),
        ] {
            let (course, verdict) = run(&context_of(&config, index, data), [http(202, "{}")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn everything_is_written_in_upstreams_order() {
        let more = ", severity: info, class: c1, component: c2, group: g, source: s, \
                    images: [{src: i, alt: a}, {alt: gone}], links: [{href: h, text: '<t>'}, {text: gone}]";
        let course = sent(
            &plain(", nested: {list: [1, 'true', {a: b}]}", more),
            firing(),
        );
        expect_test::expect![[r#"
            {"routing_key":"hunter2","dedup_key":"196cd8f79681ecfe82cc3e2d31612835c7d1ce897fd702ce61839eace2d49e26","event_action":"trigger","payload":{"summary":"d","source":"s","severity":"info","class":"c1","component":"c2","group":"g","custom_details":{"firing":[],"nested":{"list":[1,true,{"a":"b"}]},"num_firing":1,"num_resolved":0,"resolved":[]}},"client":"c","client_url":"u","images":[{"src":"i","alt":"a","href":""}],"links":[{"href":"h","text":"\u003ct\u003e"}]}
        "#]]
        .assert_eq(&course.body(0));
    }

    #[test]
    fn whole_alerts_are_cut_from_large_events() {
        let list: Vec<_> = (0..10_000)
            .map(|i| format!("{{id: {i}, text: {}}}", "x".repeat(100)))
            .collect();
        let yaml = plain("", "").replace("firing: '[]'", &format!("firing: [{}]", list.join(",")));
        let course = sent(&yaml, firing());
        assert!(course.requests[0].body.len() <= MAX_EVENT);
        assert!(course.requests[0].body.len() > MAX_EVENT - 1_000);
        let details = &course.json(0)["payload"]["custom_details"];
        let shown = details["firing"].as_array().unwrap();
        assert_eq!(details["num_firing"], 1);
        let left_out = details["truncated"].as_str().unwrap();
        let expect = format!("{} more", 10_000 - shown.len());
        assert!(left_out.contains(&expect), "{left_out}");
    }

    #[test]
    fn the_default_details_keep_their_counts_when_alerts_are_cut() {
        let course = sent(RECORDED, many(5_000));
        assert!(course.requests[0].body.len() <= MAX_EVENT);
        let details = &course.json(0)["payload"]["custom_details"];
        assert_eq!(details["num_firing"], 5_000);
        assert!(details["firing"].as_array().unwrap().len() > 1_000);
    }

    #[test]
    fn long_texts_in_details_are_cut() {
        let long = "é".repeat(600_000);
        let course = sent(&plain(&format!(", a: {long}, b: short"), ""), firing());
        assert!(course.requests[0].body.len() <= MAX_EVENT);
        let details = &course.json(0)["payload"]["custom_details"];
        assert_eq!(details["b"], "short");
        assert!(details["a"].as_str().unwrap().ends_with('…'));
    }

    #[test]
    fn details_that_cannot_be_cut_are_replaced_as_upstream_does() {
        let deep = format!("{{x: {{y: {}}}}}", "é".repeat(600_000));
        let course = sent(&plain(&format!(", a: {deep}"), ""), firing());
        let details = &course.json(0)["payload"]["custom_details"];
        let error = details["error"].as_str().unwrap();
        assert!(error.starts_with("Custom details have been removed"));
        assert_eq!(details["truncated"], Value::Null);
    }

    #[test]
    fn long_summaries_are_cut() {
        let yaml = plain("", "").replace(
            "description: d",
            &format!("description: {}", "é".repeat(2000)),
        );
        let course = sent(&yaml, firing());
        let json = course.json(0);
        let summary = json["payload"]["summary"].as_str().unwrap();
        assert_eq!(summary.chars().count(), 1024);
    }

    fn said_of(yaml: &str, status: u16, body: &str) -> Verdict {
        let (_, verdict) = run(&context(yaml, firing()), [http(status, body)]);
        let words = format!("{verdict:?}");
        assert!(!words.contains("hunter2"), "{words}");
        verdict
    }

    #[test]
    fn answers_are_judged_as_upstream() {
        let v2 = plain("", "");
        let v1 = v2.replace("routing_key", "service_key");
        assert_eq!(said_of(&v2, 202, "{}"), Verdict::sent());
        for (yaml, status, retried) in [
            (&v2, 400, false),
            (&v2, 403, false),
            (&v2, 429, true),
            (&v2, 500, true),
            (&v1, 403, true),
            (&v1, 404, false),
            (&v1, 503, true),
        ] {
            let verdict = said_of(yaml, status, "no");
            let is_retry = matches!(verdict, Verdict::Retry { .. });
            assert_eq!(is_retry, retried, "{status}: {verdict:?}");
        }
        let body = r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is invalid","b"]}"#;
        let expect = Verdict::Permanent {
            reason: FailureReason::ClientError,
            error: "unexpected status code 400: Event object is invalid: 'payload.severity' is invalid,b"
                .to_owned(),
        };
        assert_eq!(said_of(&v2, 400, body), expect);
    }

    #[test]
    fn keys_may_be_in_files_and_must_not_be_empty() {
        let from_file = plain("", "").replace("routing_key: hunter2", "routing_key_file: /run/pd");
        let mut context = context(&from_file, firing());
        assert_eq!(super::super::files(&context.integration), ["/run/pd"]);
        for (content, sent) in [("hunter2\n", true), (" \n", false)] {
            let content = Ok(content.to_owned());
            context.files.insert("/run/pd".to_owned(), content);
            if sent {
                let (course, _) = run(&context, [http(202, "")]);
                assert_eq!(course.json(0)["routing_key"], "hunter2");
            } else {
                let (_, verdict) = run(&context, []);
                let expect = Verdict::unsendable("routing key cannot be empty");
                assert_eq!(verdict, expect);
            }
        }
    }
}
