//! `msteams_configs`: a message card through an Office 365 connector, which tells many of its errors with status 200.

use super::{
    Begun, Context, HttpRequest, HttpResponse, TransportError,
    post::{self, Judged},
    status,
};
use crate::{
    alert::AlertStatus,
    config::MsTeamsConfig,
    json,
    notify::{Limit, Renderer, Verdict},
};

/// The whole request, in bytes: Teams takes about 28 KB.
pub(super) const PAYLOAD: usize = 28 * 1024;

/// Of titles, in bytes of JSON, where they would leave no room for the text.
const TITLE: usize = 4096;

/// The files to read for each notification.
pub(super) fn files(config: &MsTeamsConfig) -> Vec<String> {
    post::files(&config.webhook_url, &config.webhook_url_file)
}

/// Begins an attempt.
pub(super) fn begin(
    config: &MsTeamsConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    post::or_shorter(config, context, render, request, judged)
}

fn request(
    config: &MsTeamsConfig,
    context: &Context,
    render: &Renderer<'_>,
    share: usize,
) -> Result<HttpRequest, Verdict> {
    let url = post::address(
        &config.webhook_url,
        &config.webhook_url_file,
        &context.files,
    )?;
    let title = Limit::Json(TITLE / share).cut(&render.title("title", &config.title)?);
    let summary = Limit::Json(TITLE / share).cut(&render.title("summary", &config.summary)?);
    let color = match context.data.status() {
        AlertStatus::Firing => "8C1A1A",
        AlertStatus::Resolved => "2DC72D",
    };
    let card = |text: &str| {
        json::document(|object| {
            object
                .text("@context", "http://schema.org/extensions")
                .text("type", "MessageCard")
                .text("title", &title)
                .text("summary", &summary)
                .text("text", text)
                .text("themeColor", color);
        })
    };
    let room = Limit::Json(PAYLOAD / share - card("").len());
    let body = card(&render.body_within("text", &config.text, room)?);
    Ok(HttpRequest::json("POST", url, body, &config.http))
}

/// A connector answers 200 and `1`, or 200 and what Teams behind it said.
pub(super) fn judged(result: Result<HttpResponse, TransportError>) -> Judged {
    if let Ok(response) = &result
        && (200..=299).contains(&response.status)
    {
        let text = String::from_utf8_lossy(&response.body);
        if let Some(code) = code_behind(&text) {
            let error = status::quoted(&text);
            let verdict = status::of_code(code, status::retry_after(response), error);
            return match code {
                413 => Judged::TooLong(verdict),
                _ => Judged::Is(verdict),
            };
        }
    }
    post::judged(result)
}

/// The status in `… Microsoft Teams endpoint returned HTTP error 429 with ContextId …`; 400 where none is told.
fn code_behind(text: &str) -> Option<u16> {
    if !text.contains("Webhook message delivery failed") {
        return None;
    }
    let (_, rest) = text.split_once("HTTP error ").unwrap_or_default();
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some(rest[..digits].parse().unwrap_or(400))
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{assert_as_recorded, context, firing, http, many, resolved, run},
        *,
    };
    use crate::notify::FailureReason;

    const LIKE_RECORDED: &str = "msteams_configs: [{webhook_url: 'http://127.0.0.1:18980/teams1'}]";

    const MANY: &str = "msteams_configs: [{webhook_url: 'http://h/hunter2', title: t, summary: '<s>', \
                        text: '{{ range .Alerts }}<{{ .Labels.instance }}>{{ \"\\n\" }}{{ end }}'}]";

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, data) in [
            ("POST_teams1_1.json", firing()),
            ("POST_teams1_2.json", resolved()),
        ] {
            let (course, verdict) = run(&context(LIKE_RECORDED, data), [http(200, "1")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn reads_what_teams_said_behind_the_connector() {
        let plain =
            "msteams_configs: [{webhook_url: 'http://h/hunter2', title: t, summary: s, text: x}]";
        let context = context(plain, firing());
        let behind = |code: &str| {
            let body = format!(
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {code} with ContextId tcid=0,server=DB,cv=x.."
            );
            run(&context, [http(200, &body)]).1
        };
        let Verdict::Retry { reason, error, .. } = behind("429") else {
            panic!();
        };
        assert_eq!(reason, FailureReason::RateLimited);
        assert!(error.contains("HTTP error 429"));
        assert!(matches!(behind("502"), Verdict::Retry { .. }));
        for code in ["400", "403", "404", "", "99999"] {
            assert!(matches!(behind(code), Verdict::Permanent { .. }), "{code}");
        }
        let verdict = |status, body| run(&context, [http(status, body)]).1;
        assert_eq!(verdict(200, "1"), Verdict::sent());
        assert_eq!(verdict(200, ""), Verdict::sent());
        assert!(matches!(
            verdict(200, "<!doctype html>"),
            Verdict::Permanent { .. }
        ));
        assert!(matches!(verdict(429, ""), Verdict::Retry { .. }));
        assert!(matches!(verdict(500, ""), Verdict::Retry { .. }));
        assert!(matches!(
            verdict(410, "Webhook Bad Request"),
            Verdict::Permanent { .. }
        ));
    }

    #[test]
    fn keeps_the_payload_within_28_kb_and_shortens_if_that_is_too_much() {
        let context = context(MANY, many(5000));
        let behind = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x";
        let (course, verdict) = run(&context, [http(200, behind), http(200, "1")]);
        assert!(verdict.is_sent());
        for (index, limit) in [(0, PAYLOAD), (1, PAYLOAD / 2)] {
            let body = course.body(index);
            assert!(
                body.len() <= limit && body.len() > limit - 200,
                "{}",
                body.len()
            );
            assert!(body.contains(" more: "));
        }
        let long = context_with_title();
        let (course, _) = run(&long, [http(200, "1")]);
        assert!(course.body(0).len() <= PAYLOAD);
        assert!(course.json(0)["text"].as_str().unwrap().contains("host-0"));
    }

    fn context_with_title() -> Context {
        let title = "{{ range .Alerts }}{{ .Labels.instance }}{{ end }}";
        let yaml = MANY.replace("title: t", &format!("title: '{title}'"));
        context(&yaml, many(5000))
    }
}
