//! `webhook_configs`: version 4 of Alertmanager's webhook, byte for byte, with two headers of ours.

use std::time::Duration;

use super::{
    Begun, Context, FileContents, HttpRequest, HttpResponse, TransportError, conversation::single,
    payload, status, wire::file,
};
use crate::{
    config::{Secret, WebhookConfig},
    json,
    notify::{NotificationData, Renderer, Verdict},
    yaml::Value,
};

/// The files to read for each notification.
pub(super) fn files(config: &WebhookConfig) -> Vec<String> {
    if config.url.is_empty() {
        vec![config.url_file.clone()]
    } else {
        Vec::new()
    }
}

/// Begins an attempt.
pub(super) fn begin(
    config: &WebhookConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let request = request(config, &context.data, &context.files, render)?;
    let (timeout, allowed) = (config.timeout, context.allowed);
    Ok(single(request, move |result| {
        verdict(timeout, result, allowed)
    }))
}

fn request(
    config: &WebhookConfig,
    data: &NotificationData,
    files: &FileContents,
    render: &Renderer<'_>,
) -> Result<HttpRequest, Verdict> {
    let url = address(config, files, render)?;
    let body = body(config, data, render)?;
    let request = HttpRequest::json("POST", url, body, &config.http)
        .header("Idempotency-Key", format!("\"{}\"", data.idempotency_key))
        .header("X-Notification-Seq", data.seq.to_string());
    Ok(request.within(config.timeout))
}

fn body(
    config: &WebhookConfig,
    data: &NotificationData,
    render: &Renderer<'_>,
) -> Result<String, Verdict> {
    if config.payload == Value::Null {
        return Ok(payload::webhook_body(data, config.max_alerts, "4"));
    }
    let mut body = String::new();
    json::push_value(&mut body, &render.tree("payload", &config.payload)?);
    body.push('\n');
    Ok(body)
}

/// Judges what came back within `allowed`.
fn verdict(
    timeout: Duration,
    result: Result<HttpResponse, TransportError>,
    allowed: Duration,
) -> Verdict {
    match result {
        Ok(response) => status::of_response(&response),
        Err(error) => {
            let cause = status::own_timeout("webhook", timeout, allowed);
            status::of_transport("POST", &error, cause)
        }
    }
}

fn address(
    config: &WebhookConfig,
    files: &FileContents,
    render: &Renderer<'_>,
) -> Result<Secret, Verdict> {
    let source = if config.url.is_empty() {
        Secret::new(file(files, "url_file", &config.url_file)?)
    } else {
        config.url.clone()
    };
    let url = Secret::new(render.secret("url", source.reveal())?);
    if url.is_empty() {
        return Err(Verdict::unsendable("webhook URL is empty after templating"));
    }
    // The parser's own error may quote the address.
    match url::Url::parse(url.reveal()) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err(Verdict::unsendable(
            "unsupported scheme in the webhook URL: it must be http or https",
        )),
        Err(error) => Err(Verdict::unsendable(format!(
            "parse \"{}\": {error}",
            status::REDACTED
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::{
        super::harness::{
            NEVER, STARTS, alert, context, data, firing, http, recorded, resolved, run,
        },
        *,
    };
    use crate::{
        config::Texts,
        labels::LabelSet,
        notify::{FailureReason, NotifyReason},
    };

    fn config(url: &str) -> WebhookConfig {
        WebhookConfig {
            url: Secret::new(url),
            ..WebhookConfig::default()
        }
    }

    fn made(
        config: &WebhookConfig,
        data: &NotificationData,
        files: &FileContents,
    ) -> Result<HttpRequest, Verdict> {
        let texts = Texts::default();
        request(
            config,
            data,
            files,
            &Renderer::new(&texts, data, data.at, true),
        )
    }

    fn body(config: &WebhookConfig, data: &NotificationData) -> String {
        let request = made(config, data, &FileContents::new()).unwrap();
        String::from_utf8(request.body.to_vec()).unwrap()
    }

    #[test]
    fn bodies_are_those_that_alertmanager_sent() {
        for (name, data) in [
            ("POST_webhook_1.json", firing()),
            ("POST_webhook_2.json", resolved()),
        ] {
            let Some(recorded) = recorded(name) else {
                return;
            };
            // The recording is of 0.33, which lacks the labels of the route.
            let expect = recorded
                .body
                .replace(",\"externalURL\"", ",\"routeLabels\":{},\"externalURL\"");
            assert_eq!(body(&config("http://x/"), &data), expect);
        }
    }

    #[test]
    fn writes_everything_in_upstreams_order() {
        let mut first = alert("<a>&\"", "2026-11-21T18:55:01.120Z", "2026-11-21T18:59:00Z");
        first.annotations = LabelSet::from_pairs([("runbook", "x"), ("summary", "a")]);
        let second = alert(
            "b",
            "2026-11-21T18:55:01.000000001Z",
            "2026-11-21T18:55:09Z",
        );
        let mut data = data(NotifyReason::SomeAlertsResolved, vec![first, second]);
        data.receiver = "team.a".into();
        data.route_labels = Arc::new(BTreeMap::from([("team".into(), "a".into())]));
        expect_test::expect![[r#"
            {"receiver":"team\\.a","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"HighLoad","instance":"\u003ca\u003e\u0026\"","severity":"critical"},"annotations":{"runbook":"x","summary":"a"},"startsAt":"2026-11-21T18:55:01.12Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom/graph?g0","fingerprint":"beaa34ea785c47a2"},{"status":"resolved","labels":{"alertname":"HighLoad","instance":"b","severity":"critical"},"annotations":{"summary":"load high"},"startsAt":"2026-11-21T18:55:01.000000001Z","endsAt":"2026-11-21T18:55:09Z","generatorURL":"http://prom/graph?g0","fingerprint":"3743c476c5cf56a1"}],"notification_reason":"some alerts resolved","groupLabels":{"alertname":"HighLoad"},"commonLabels":{"alertname":"HighLoad","severity":"critical"},"commonAnnotations":{},"routeLabels":{"team":"a"},"externalURL":"http://am.example.org","version":"4","groupKey":"{}:{alertname=\"HighLoad\"}","truncatedAlerts":0}
        "#]]
        .assert_eq(&body(&config("http://x/"), &data));
    }

    #[test]
    fn cuts_alerts_and_never_calls_a_group_resolved_that_fires() {
        let starts = STARTS;
        let alerts = vec![
            alert("a", starts, "2026-11-21T18:55:09Z"),
            alert("b", starts, NEVER),
            alert("c", starts, NEVER),
        ];
        let data = data(NotifyReason::SomeAlertsResolved, alerts);
        let mut config = config("http://x/");
        config.max_alerts = 1;
        let json: serde_json::Value = serde_json::from_str(&body(&config, &data)).unwrap();
        assert_eq!(json["alerts"].as_array().unwrap().len(), 1);
        assert_eq!(json["truncatedAlerts"], 2);
        assert_eq!(json["status"], "firing");
        assert_eq!(json["commonLabels"]["instance"], "a");
    }

    #[test]
    fn a_payload_replaces_the_body() {
        for (payload, expect) in [
            (
                "{z: text, n: '1', list: [a, 2, '[b]'], y: kept, empty: ''}",
                r#"{"empty":null,"list":["a",2,["b"]],"n":1,"y":"kept","z":"text"}"#,
            ),
            ("[<a>]", "[\"\\u003ca\\u003e\"]"),
            ("text", "\"text\""),
            (
                "{'{{ .Status }}': '{{ .CommonLabels | toJson }}', n: '{{ len .Alerts }}'}",
                r#"{"firing":{"alertname":"HighLoad","instance":"a:9100","severity":"critical"},"n":1}"#,
            ),
        ] {
            let yaml = format!("webhook_configs: [{{url: 'http://x', payload: {payload}}}]");
            let (course, verdict) = run(&context(&yaml, firing()), [http(200, "")]);
            assert_eq!(verdict, Verdict::sent());
            assert_eq!(course.body(0), format!("{expect}\n"), "{payload}");
        }
    }

    #[test]
    fn a_payload_whose_template_fails_keeps_its_shape() {
        let yaml =
            "webhook_configs: [{url: 'http://x', payload: {text: '{{ .Nope.Nope }}', to: a}}]";
        let (course, verdict) = run(&context(yaml, firing()), [http(200, "")]);
        assert!(matches!(verdict, Verdict::Sent(receipt) if !receipt.template_problems.is_empty()));
        assert_eq!(course.json(0)["to"], "a");
        let text = course.json(0)["text"].to_string();
        assert!(text.contains("a:9100"), "{text}");
        let strict = yaml.replace("url:", "fallback_text: false, url:");
        let (course, verdict) = run(&context(&strict, firing()), []);
        assert!(course.requests.is_empty());
        assert!(matches!(verdict, Verdict::Permanent { .. }), "{verdict:?}");
    }

    #[test]
    fn names_each_notification_in_its_headers() {
        let data = data(NotifyReason::FirstNotification, Vec::new());
        let request = made(&config("http://x/"), &data, &FileContents::new()).unwrap();
        expect_test::expect![[r#"
            [
                (
                    "Content-Type",
                    "application/json",
                ),
                (
                    "Idempotency-Key",
                    "\"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567\"",
                ),
                (
                    "X-Notification-Seq",
                    "1795287301",
                ),
            ]
        "#]]
        .assert_debug_eq(&request.headers);
    }

    #[test]
    fn addresses_that_cannot_be_used_fail_with_a_reason_and_no_secret() {
        let data = data(NotifyReason::FirstNotification, Vec::new());
        let check = |config: &WebhookConfig, files: &FileContents, expect: &str| {
            let Err(Verdict::Permanent { error, .. }) = made(config, &data, files) else {
                panic!("{expect}");
            };
            assert!(error.contains(expect), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        };
        let none = FileContents::new();
        check(
            &config("http://x/{{ .hunter2 }}"),
            &none,
            "template of url failed",
        );
        check(&config("http://[hunter2"), &none, "parse \"<redacted>\"");
        check(&config("ftp://hunter2/"), &none, "unsupported scheme");
        let mut from_file = config("");
        from_file.url_file = "/run/url".to_owned();
        assert_eq!(files(&from_file), ["/run/url"]);
        check(&from_file, &none, "read url_file: /run/url was not read");
        let denied = Err("permission denied".to_owned());
        let denied = FileContents::from([("/run/url".to_owned(), denied)]);
        check(&from_file, &denied, "read url_file: permission denied");
        let blank = FileContents::from([("/run/url".to_owned(), Ok(" \n".to_owned()))]);
        check(&from_file, &blank, "empty");
        let good = FileContents::from([("/run/url".to_owned(), Ok("http://y/z\n".to_owned()))]);
        let request = made(&from_file, &data, &good).unwrap();
        assert_eq!(request.url.reveal(), "http://y/z");
    }

    #[test]
    fn a_timeout_is_retried_with_upstreams_words() {
        let error = TransportError {
            message: "context deadline exceeded".to_owned(),
            timed_out: true,
            ambiguous: true,
        };
        let second = Duration::from_secs(1);
        let verdict = verdict(second, Err(error.clone()), Duration::from_secs(60));
        let expect = Verdict::Retry {
            after: None,
            reason: FailureReason::ContextDeadlineExceeded,
            error: "Post \"<redacted>\": context deadline exceeded: \
                    configured webhook timeout reached (1s)"
                .to_owned(),
            ambiguous: true,
        };
        assert_eq!(verdict, expect);
        let Verdict::Retry { error, .. } =
            super::verdict(second, Err(error), Duration::from_millis(500))
        else {
            panic!();
        };
        assert_eq!(error, "Post \"<redacted>\": context deadline exceeded");
    }
}
