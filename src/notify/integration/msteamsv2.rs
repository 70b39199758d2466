//! `msteamsv2_configs`: an adaptive card through a Power Automate workflow.

use super::{Begun, Context, HttpRequest, msteams, post};
use crate::{
    alert::AlertStatus,
    config::MsTeamsV2Config,
    json,
    notify::{Limit, Renderer, Verdict},
};

/// Of the title, in bytes of JSON, where it would leave no room for the text.
const TITLE: usize = 4096;

/// The files to read for each notification.
pub(super) fn files(config: &MsTeamsV2Config) -> Vec<String> {
    post::files(&config.webhook_url, &config.webhook_url_file)
}

/// Begins an attempt.
pub(super) fn begin(
    config: &MsTeamsV2Config,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    // Addresses of connectors are found here too.
    post::or_shorter(config, context, render, request, msteams::judged)
}

fn request(
    config: &MsTeamsV2Config,
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
    let color = match context.data.status() {
        AlertStatus::Firing => "Attention",
        AlertStatus::Resolved => "Good",
    };
    let room = msteams::PAYLOAD / share - message(&title, "", color).len();
    let text = render.body_within("text", &config.text, Limit::Json(room))?;
    let body = message(&title, &text, color);
    Ok(HttpRequest::json("POST", url, body, &config.http))
}

fn message(title: &str, text: &str, color: &str) -> String {
    json::document(|message| {
        message.text("type", "message");
        message.array("attachments", |attachments| {
            attachments.object(|attachment| {
                attachment
                    .text("contentType", "application/vnd.microsoft.card.adaptive")
                    .null("contentUrl")
                    .object("content", |card| push_card(card, title, text, color));
            });
        });
    })
}

fn push_card(card: &mut json::ObjectWriter<'_>, title: &str, text: &str, color: &str) {
    card.text(
        "$schema",
        "http://adaptivecards.io/schemas/adaptive-card.json",
    )
    .text("type", "AdaptiveCard")
    .text("version", "1.2");
    card.array("body", |body| {
        body.object(|block| {
            block
                .text("type", "TextBlock")
                .text("text", title)
                .text("weight", "Bolder")
                .text("size", "Medium")
                .flag("wrap", true)
                .text("style", "heading")
                .text("color", color);
        });
        body.object(|block| {
            block
                .text("type", "TextBlock")
                .text("text", text)
                .flag("wrap", true);
        });
    });
    card.object("msteams", |msteams| {
        msteams.text("width", "full");
    });
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{assert_as_recorded, context, firing, http, many, resolved, run},
        *,
    };

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        let yaml = "msteamsv2_configs: [{webhook_url: 'http://127.0.0.1:18980/teams2'}]";
        for (name, data) in [
            ("POST_teams2_1.json", firing()),
            ("POST_teams2_2.json", resolved()),
        ] {
            let (course, verdict) = run(&context(yaml, data), [http(202, "")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn judges_answers() {
        let yaml = "msteamsv2_configs: [{webhook_url: 'http://h/hunter2', title: t, text: x}]";
        let context = context(yaml, firing());
        let verdict = |status, body| run(&context, [http(status, body)]).1;
        assert_eq!(verdict(202, ""), Verdict::sent());
        assert_eq!(verdict(200, "{}"), Verdict::sent());
        for status in [429, 500, 502, 503, 504] {
            assert!(
                matches!(verdict(status, ""), Verdict::Retry { .. }),
                "{status}"
            );
        }
        for (status, body) in [
            (400, r#"{"error":{"code":"TriggerInputSchemaMismatch"}}"#),
            (
                401,
                r#"{"error":{"code":"DirectApiAuthorizationRequired"}}"#,
            ),
            (403, ""),
            (404, r#"{"error":{"code":"WorkflowNotFound"}}"#),
        ] {
            let verdict = verdict(status, body);
            assert!(matches!(verdict, Verdict::Permanent { .. }), "{status}");
            assert!(!format!("{verdict:?}").contains("hunter2"));
        }
    }

    #[test]
    fn keeps_the_payload_within_28_kb_and_shortens_if_that_is_too_much() {
        let yaml = "msteamsv2_configs: [{webhook_url: 'http://h/', title: t, \
                    text: '{{ range .Alerts }}<{{ .Labels.instance }}>{{ \"\\n\" }}{{ end }}'}]";
        let context = context(yaml, many(5000));
        let (course, verdict) = run(&context, [http(413, ""), http(202, "")]);
        assert!(verdict.is_sent());
        for (index, limit) in [(0, msteams::PAYLOAD), (1, msteams::PAYLOAD / 2)] {
            let body = course.body(index);
            assert!(
                body.len() <= limit && body.len() > limit - 200,
                "{}",
                body.len()
            );
            assert!(body.contains(" more: "));
        }
    }
}
