//! `webex_configs`: Markdown into a room. The authorization is `http_config`'s.

use super::{
    Begun, Context, HttpRequest, HttpResponse, TransportError,
    post::{self, Judged},
    status,
};
use crate::{
    config::{Secret, WebexConfig},
    json,
    notify::{Limit, Renderer, Verdict},
};

/// In bytes, of which Webex takes 7439 at most.
const MESSAGE: usize = 7439;

/// Begins an attempt.
pub(super) fn begin(
    config: &WebexConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    post::or_shorter(config, context, render, request, judged)
}

fn request(
    config: &WebexConfig,
    _context: &Context,
    render: &Renderer<'_>,
    share: usize,
) -> Result<HttpRequest, Verdict> {
    let room = render.required("room_id", &config.room_id)?;
    let message = render.body_within("message", &config.message, Limit::Bytes(MESSAGE / share))?;
    let body = json::document(|object| {
        object
            .text("markdown", &message)
            .text_if_any("roomId", &room);
    });
    let url = Secret::new(config.api_url.as_str());
    Ok(HttpRequest::json("POST", url, body, &config.http))
}

/// 423 is a room that is busy for a moment.
fn judged(result: Result<HttpResponse, TransportError>) -> Judged {
    if let Ok(response) = &result
        && response.status == 423
    {
        return Judged::Is(Verdict::Retry {
            after: status::retry_after(response),
            reason: status::failure_reason(423),
            error: status::unexpected_status(response),
            ambiguous: false,
        });
    }
    post::judged(result)
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{assert_as_recorded, context, firing, http, many, resolved, run},
        *,
    };

    const AUTHORIZATION: &str = "http_config: {authorization: {type: Bearer, credentials: X}}";

    fn yaml(more: &str) -> String {
        format!(
            "webex_configs: [{{api_url: 'http://127.0.0.1:18980/webex', room_id: R, {AUTHORIZATION}{more}}}]"
        )
    }

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, data) in [
            ("POST_webex_1.json", firing()),
            ("POST_webex_2.json", resolved()),
        ] {
            let (course, verdict) = run(&context(&yaml(""), data), [http(200, "{\"id\":\"1\"}")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn judges_answers() {
        let context = context(&yaml(", message: m"), firing());
        let verdict = |status| run(&context, [http(status, "{\"message\":\"no\"}")]).1;
        assert_eq!(verdict(200), Verdict::sent());
        for status in [423, 429, 500, 503] {
            assert!(matches!(verdict(status), Verdict::Retry { .. }), "{status}");
        }
        for status in [400, 401, 403, 404, 410] {
            assert!(
                matches!(verdict(status), Verdict::Permanent { .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn keeps_the_limit_in_bytes_by_cutting_whole_alerts() {
        let message =
            ", message: '{{ range .Alerts }}é {{ .Labels.instance }}{{ \"\\n\" }}{{ end }}'";
        let context = context(&yaml(message), many(2000));
        let refusal =
            r#"{"message":"Unable to post message to room: \"The request payload is too large\""}"#;
        let (course, verdict) = run(&context, [http(400, refusal), http(200, "{}")]);
        assert!(verdict.is_sent());
        for (index, limit) in [(0, MESSAGE), (1, MESSAGE / 2)] {
            let text = course.json(index)["markdown"].as_str().unwrap().to_owned();
            assert!(
                text.len() <= limit && text.len() > limit - 100,
                "{}",
                text.len()
            );
            assert!(text.contains(" more: "), "{text}");
        }
    }

    #[test]
    fn a_room_that_cannot_be_rendered_fails_and_a_message_falls_back() {
        let broken = yaml("").replace("room_id: R", "room_id: '{{ .Nope }}'");
        let (course, verdict) = run(&context(&broken, firing()), []);
        assert!(course.requests.is_empty());
        assert!(matches!(verdict, Verdict::Permanent { .. }));
        let context = context(&yaml(", message: '{{ .Nope }}'"), firing());
        let (course, verdict) = run(&context, [http(200, "")]);
        assert!(course.body(0).contains("instance=a:9100"));
        let Verdict::Sent(receipt) = verdict else {
            panic!();
        };
        assert!(
            receipt
                .template_problems
                .contains("template of message failed")
        );
    }
}
