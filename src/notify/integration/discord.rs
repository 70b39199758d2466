//! `discord_configs`: an embed through a webhook. 429, which upstream gives up on, waits as long as Discord asks.

use serde::Deserialize;

use super::{
    Begun, Context, HttpRequest, HttpResponse, TransportError,
    post::{self, Judged},
    status,
};
use crate::{
    alert::AlertStatus,
    config::DiscordConfig,
    json,
    notify::{Limit, Renderer, Verdict},
};

/// Of an embed (Discord, "Embed Limits"); all of its texts together may have 6000, which these two cannot reach.
const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;

/// Of what stands above the embed.
const CONTENT: usize = 2000;

/// Of the sender's name.
const USERNAME: usize = 80;

/// The files to read for each notification.
pub(super) fn files(config: &DiscordConfig) -> Vec<String> {
    post::files(&config.webhook_url, &config.webhook_url_file)
}

/// Begins an attempt.
pub(super) fn begin(
    config: &DiscordConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    post::or_shorter(config, context, render, request, judged)
}

fn request(
    config: &DiscordConfig,
    context: &Context,
    render: &Renderer<'_>,
    share: usize,
) -> Result<HttpRequest, Verdict> {
    let url = post::address(
        &config.webhook_url,
        &config.webhook_url_file,
        &context.files,
    )?;
    let content = Limit::Chars(CONTENT / share);
    let content = render.body_within("content", &config.content, content)?;
    let title = Limit::Chars(TITLE / share).cut(&render.title("title", &config.title)?);
    let description = Limit::Chars(DESCRIPTION / share);
    let description = render.body_within("message", &config.message, description)?;
    let color = match context.data.status() {
        AlertStatus::Firing => 0x0099_2d22_u32,
        AlertStatus::Resolved => 0x002e_cc71,
    };
    let body = json::document(|object| {
        object.text("content", &content);
        object.array("embeds", |array| {
            array.object(|embed| {
                embed
                    .text("title", &title)
                    .text("description", &description)
                    .number("color", color);
            });
        });
        object.text_if_any("username", &Limit::Chars(USERNAME).cut(&config.username));
        // Discord refuses the whole message for a bad address.
        if is_picture(&config.avatar_url) {
            object.text("avatar_url", &config.avatar_url);
        }
    });
    Ok(HttpRequest::json("POST", url, body, &config.http))
}

fn is_picture(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// The body of 429; its wait is more exact than the header's.
#[derive(Deserialize)]
struct RateLimited {
    retry_after: f64,
}

fn judged(result: Result<HttpResponse, TransportError>) -> Judged {
    if let Ok(response) = &result
        && response.status == 429
    {
        let body = serde_json::from_slice::<RateLimited>(&response.body);
        let told = body.ok().and_then(|body| status::wait(body.retry_after));
        let after = told.or_else(|| status::retry_after(response));
        let error = status::unexpected_status(response);
        return Judged::Is(status::of_code(429, after, error));
    }
    post::judged(result)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::harness::{assert_as_recorded, context, firing, http, many, resolved, run},
        *,
    };
    use crate::notify::FailureReason;

    const LIKE_RECORDED: &str =
        "discord_configs: [{webhook_url: 'http://127.0.0.1:18980/discord'}]";

    const PLAIN: &str =
        "discord_configs: [{webhook_url: 'http://h/hunter2', title: '<t>', message: m}]";

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, data) in [
            ("POST_discord_1.json", firing()),
            ("POST_discord_2.json", resolved()),
        ] {
            let (course, verdict) = run(&context(LIKE_RECORDED, data), [http(204, "")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn names_the_sender_only_with_what_discord_takes() {
        let body = |more: &str| {
            let yaml = format!(
                "discord_configs: [{{webhook_url: 'http://h/', title: '', message: '', {more}}}]"
            );
            run(&context(&yaml, firing()), [http(204, "")]).0.body(0)
        };
        assert_eq!(
            body("username: Bot, avatar_url: 'https://h/a.png'"),
            "{\"content\":\"\",\"embeds\":[{\"title\":\"\",\"description\":\"\",\"color\":10038562}],\
             \"username\":\"Bot\",\"avatar_url\":\"https://h/a.png\"}\n"
        );
        assert!(!body("avatar_url: 'not an address'").contains("avatar_url"));
        assert!(
            body(&format!("username: {}", "n".repeat(99)))
                .contains(&format!("{}…\"", "n".repeat(79)))
        );
    }

    #[test]
    fn judges_answers() {
        let verdict = |status, body: &str| run(&context(PLAIN, firing()), [http(status, body)]).1;
        assert_eq!(verdict(204, ""), Verdict::sent());
        assert_eq!(verdict(200, "{\"id\":\"1\"}"), Verdict::sent());
        for (status, body, expect) in [
            (
                429,
                r#"{"message":"You are being rate limited.","retry_after":0.3,"global":false}"#,
                Some(Duration::from_millis(300)),
            ),
            (
                429,
                r#"{"retry_after":1e300}"#,
                Some(Duration::from_secs(3600)),
            ),
            (429, r#"{"retry_after":-1}"#, None),
            (429, "error code: 1015", None),
        ] {
            let Verdict::Retry { after, reason, .. } = verdict(status, body) else {
                panic!("{body}");
            };
            assert_eq!(after, expect, "{body}");
            assert_eq!(reason, FailureReason::RateLimited);
        }
        assert!(matches!(verdict(502, ""), Verdict::Retry { .. }));
        for (status, body) in [
            (
                400,
                r#"{"code":50006,"message":"Cannot send an empty message"}"#,
            ),
            (401, r#"{"message":"401: Unauthorized"}"#),
            (403, ""),
            (404, r#"{"message":"Unknown Webhook","code":10015}"#),
            (200, "<html>"),
        ] {
            let verdict = verdict(status, body);
            assert!(matches!(verdict, Verdict::Permanent { .. }), "{verdict:?}");
            assert!(!format!("{verdict:?}").contains("hunter2"));
        }
    }

    #[test]
    fn keeps_the_limits_by_cutting_whole_alerts() {
        let yaml = "discord_configs: [{webhook_url: 'http://h/', title: '{{ range .Alerts }}é{{ end }}', \
                    message: '{{ range .Alerts }}{{ .Labels.instance }} is down{{ \"\\n\" }}{{ end }}'}]";
        let context = context(yaml, many(1000));
        let (course, verdict) = run(&context, [http(204, "")]);
        assert_eq!(verdict, Verdict::sent());
        let embed = &course.json(0)["embeds"][0];
        assert_eq!(embed["title"].as_str().unwrap().chars().count(), 256);
        let text = embed["description"].as_str().unwrap();
        assert!(text.chars().count() <= 4096 && text.len() > 3900);
        assert!(text.contains(" more: "), "{text}");

        let refusal = r#"{"code":50035,"errors":{"embeds":{"0":{"description":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH"}]}}}}}"#;
        let (course, verdict) = run(&context, [http(400, refusal), http(204, "")]);
        let Verdict::Sent(receipt) = verdict else {
            panic!();
        };
        assert!(receipt.note.contains("shortened"));
        let text = course.json(1)["embeds"][0]["description"].clone();
        assert!(text.as_str().unwrap().chars().count() <= 2048);
        let (_, verdict) = run(&context, [http(400, refusal), http(400, refusal)]);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
    }
}
