//! `falcon_configs`: points of a metric for an agent of Open-Falcon, or a form for one of the gateways that its alarms
//! are sent through (`tos`, `subject`, `content`).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use url::form_urlencoded::Serializer;

use super::{
    Begun, Context, HttpRequest, HttpResponse, conversation::single, status, vendor::PATIENCE,
    wire::http_url,
};
use crate::{
    config::{FalconConfig, FalconMode, Secret},
    json,
    notify::{FailureReason, NotificationData, Receipt, Renderer, Verdict},
};

/// More points than an agent should be given at once.
const MOST: usize = 10_000;

/// Begins an attempt.
pub(super) fn begin(
    config: &FalconConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let mut url = http_url("url", config.url.reveal())?;
    if config.mode == FalconMode::Form {
        let request = form(config, url, render)?;
        return Ok(single(request, |result| match result {
            Ok(response) => status::of_response(&response),
            Err(error) => status::of_transport("POST", &error, None),
        }));
    }
    if url.path() == "/" {
        url.set_path("/v1/push");
    }
    let points = points(config, context, render)?;
    let left_out = points.len().saturating_sub(MOST);
    let body = body(config.step, context.at.unix_seconds(), points);
    let request = HttpRequest::json("POST", Secret::new(url.as_str()), body, &config.http);
    Ok(single(
        request.within(PATIENCE),
        move |result| match result {
            Ok(response) => pushed(&response, left_out),
            Err(error) => status::of_transport("POST", &error, None),
        },
    ))
}

/// What a series of points is named by: endpoint, metric, tags.
type Series = (String, String, String);

/// One series for each alert, whether it fires; the templates see the alert alone. Alerts of the same name are one that
/// fires if any does.
fn points(
    config: &FalconConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<BTreeMap<Series, bool>, Verdict> {
    // What is wrong with the templates is told once.
    series(config, &context.data, render)?;
    let fallback = context.integration.fallback_text;
    let mut points = BTreeMap::new();
    for alert in &*context.data.alerts {
        let data = NotificationData {
            alerts: Arc::from([Arc::clone(alert)]),
            ..NotificationData::clone(&context.data)
        };
        let render = Renderer::new(&context.texts, &data, context.at, fallback);
        let fires = points.entry(series(config, &data, &render)?).or_default();
        *fires |= !alert.is_resolved_at(context.data.at);
    }
    Ok(points)
}

fn series(
    config: &FalconConfig,
    data: &NotificationData,
    render: &Renderer<'_>,
) -> Result<Series, Verdict> {
    let or = |text: String, default: &str| {
        if text.trim().is_empty() {
            default.to_owned()
        } else {
            text.trim().to_owned()
        }
    };
    let host = url::Url::parse(&data.external_url);
    let host = host.as_ref().ok().and_then(url::Url::host_str);
    Ok((
        or(
            render.detail("endpoint", &config.endpoint)?,
            host.unwrap_or("watchfire"),
        ),
        or(render.detail("metric", &config.metric)?, "alert"),
        or(render.detail("tags", &config.tags)?, ""),
    ))
}

fn body(step: Duration, at: i64, points: BTreeMap<Series, bool>) -> String {
    let mut out = String::new();
    json::push_array(&mut out, |array| {
        for ((endpoint, metric, tags), fires) in points.into_iter().take(MOST) {
            array.object(|point| {
                point
                    .text("endpoint", &endpoint)
                    .text("metric", &metric)
                    .number("timestamp", at)
                    .number("step", step.as_secs().max(1))
                    .number("value", u8::from(fires))
                    .text("counterType", "GAUGE")
                    .text("tags", &tags);
            });
        }
    });
    out.push('\n');
    out
}

/// An agent says `success`; what says anything else is no agent.
fn pushed(response: &HttpResponse, left_out: usize) -> Verdict {
    let verdict = status::of_response(response);
    if !verdict.is_sent() {
        return verdict;
    }
    let said = status::quoted(&String::from_utf8_lossy(&response.body));
    let success = said.to_ascii_lowercase();
    if !(success.is_empty() || success == "ok" || success.contains("succ")) {
        return Verdict::Permanent {
            reason: FailureReason::Other,
            error: format!("the answer is not that of an agent, which says success: {said}"),
        };
    }
    let mut receipt = Receipt::default();
    if left_out > 0 {
        receipt.add_note(&format!("{left_out} points were left out"));
    }
    Verdict::Sent(receipt)
}

fn form(
    config: &FalconConfig,
    url: url::Url,
    render: &Renderer<'_>,
) -> Result<HttpRequest, Verdict> {
    let tos = render.required("tos", &config.tos)?;
    if tos.trim().is_empty() {
        return Err(Verdict::unsendable(
            "tos names nobody for this notification",
        ));
    }
    let mut form = Serializer::new(String::new());
    form.append_pair("tos", tos.trim());
    if !config.subject.is_empty() {
        form.append_pair("subject", &render.title("subject", &config.subject)?);
    }
    form.append_pair("content", &render.body("content", &config.content)?);
    let kind = "application/x-www-form-urlencoded";
    Ok(HttpRequest {
        method: "POST",
        url: Secret::new(url.as_str()),
        headers: vec![("Content-Type", kind.to_owned())],
        body: Arc::from(form.finish().into_bytes()),
        timeout: Some(PATIENCE),
        http: Arc::clone(&config.http),
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{NEVER, STARTS, alert, context, data, firing, http, many, run},
        *,
    };
    use crate::notify::NotifyReason;

    #[test]
    fn points_are_those_of_the_agent() {
        let alerts = vec![
            alert("a", STARTS, NEVER),
            alert("b", STARTS, "2026-11-21T18:55:09Z"),
        ];
        let data = data(NotifyReason::SomeAlertsResolved, alerts);
        let yaml = "falcon_configs: [{url: 'http://agent:1988', endpoint: e, metric: m, tags: 'k=v', step: 30s}]";
        let (course, verdict) = run(&context(yaml, data.clone()), [http(200, "success")]);
        assert_eq!(verdict, Verdict::sent());
        assert_eq!(course.requests[0].url.reveal(), "http://agent:1988/v1/push");
        assert_eq!(
            course.body(0),
            "[{\"endpoint\":\"e\",\"metric\":\"m\",\"timestamp\":1795287360,\"step\":30,\"value\":1,\
             \"counterType\":\"GAUGE\",\"tags\":\"k=v\"}]\n"
        );
        let yaml = "falcon_configs: [{url: 'http://agent:1988/api/push', endpoint: '', metric: '', tags: ''}]";
        let (course, _) = run(&context(yaml, data), [http(200, "success")]);
        assert_eq!(
            course.requests[0].url.reveal(),
            "http://agent:1988/api/push"
        );
        let json = course.json(0);
        assert_eq!(json[0]["endpoint"], "am.example.org");
        assert_eq!(json[0]["metric"], "alert");
        assert_eq!(json[0]["step"], 60);
    }

    #[test]
    fn each_alert_has_its_own_series() {
        let yaml = "falcon_configs: [{url: 'http://agent:1988'}]";
        let (course, verdict) = run(&context(yaml, many(3)), [http(200, "success")]);
        if verdict != Verdict::sent() {
            return;
        }
        let json = course.json(0);
        assert_eq!(json.as_array().unwrap().len(), 3);
        assert_eq!(json[0]["endpoint"], "host-0:9100");
        assert_eq!(json[0]["metric"], "alert.HighLoad");
        assert_eq!(json[0]["tags"], "severity=critical");
    }

    #[test]
    fn forms_are_those_of_the_gateways() {
        let gateway = "http://gate/mail";
        for (more, expect) in [
            ("", "tos=a%2Cb&content=load+%3Chigh%3E%26"),
            (
                ", subject: S",
                "tos=a%2Cb&subject=S&content=load+%3Chigh%3E%26",
            ),
        ] {
            let yaml = format!(
                "falcon_configs: [{{url: '{gateway}', mode: form, tos: 'a,b', content: 'load <high>&'{more}}}]"
            );
            let (course, verdict) = run(&context(&yaml, firing()), [http(200, "whatever")]);
            assert_eq!(verdict, Verdict::sent());
            assert_eq!(course.body(0), expect);
            let kind = (
                "Content-Type",
                "application/x-www-form-urlencoded".to_owned(),
            );
            assert_eq!(course.requests[0].headers, [kind]);
        }
    }

    #[test]
    fn what_answers_mean() {
        for (status, body, sent, retried) in [
            (200, "success", true, false),
            (200, "", true, false),
            (200, r#"{"msg":"success"}"#, true, false),
            (200, "<html>log in", false, false),
            (400, "connot decode body", false, false),
            (429, "", false, true),
            (500, "", false, true),
        ] {
            let yaml =
                "falcon_configs: [{url: 'http://agent:1988', endpoint: e, metric: m, tags: ''}]";
            let (_, verdict) = run(&context(yaml, firing()), [http(status, body)]);
            let is_retried = matches!(verdict, Verdict::Retry { .. });
            assert_eq!(
                (verdict.is_sent(), is_retried),
                (sent, retried),
                "{status} {body}"
            );
        }
    }
}
