//! What webhooks of chats have in common: secret addresses, answers, and a second, shorter message where the first is
//! refused for its length.

use super::{
    Begun, Context, FileContents, HttpRequest, HttpResponse, Step, TransportError,
    conversation::dialogue, status, wire::file,
};
use crate::{
    config::Secret,
    labels::go_quote,
    notify::{FailureReason, Renderer, Verdict},
};

/// How a message is made: from the settings, within its limits divided by the last argument.
pub(super) type Make<C> = fn(&C, &Context, &Renderer<'_>, usize) -> Result<HttpRequest, Verdict>;

/// Sends a message, and once more with half of its length if the receiver says that it is too long.
///
/// # Errors
/// If there is nothing that could be sent.
pub(super) fn or_shorter<C: Clone + Send + 'static>(
    config: &C,
    context: &Context,
    render: &Renderer<'_>,
    make: Make<C>,
    judge: impl Fn(Result<HttpResponse, TransportError>) -> Judged + Send + 'static,
) -> Result<Begun, Verdict> {
    let request = make(config, context, render, 1)?;
    let mut again = Some((config.clone(), context.clone()));
    Ok(dialogue(request, move |result| {
        let verdict = match judge(result) {
            Judged::Is(verdict) => verdict,
            Judged::TooLong(refused) => {
                let Some((config, context)) = again.take() else {
                    return Step::Done(refused);
                };
                return match shorter(&config, &context, make) {
                    Ok(request) => Step::Http(request),
                    Err(verdict) => Step::Done(verdict),
                };
            }
        };
        if again.is_some() {
            return Step::Done(verdict);
        }
        Step::Done(match verdict {
            Verdict::Sent(mut receipt) => {
                receipt
                    .add_note("the receiver refused the message as too long, so it was shortened");
                Verdict::Sent(receipt)
            }
            failed @ (Verdict::Retry { .. } | Verdict::Permanent { .. }) => failed,
        })
    }))
}

fn shorter<C>(config: &C, context: &Context, make: Make<C>) -> Result<HttpRequest, Verdict> {
    let fallback = context.integration.fallback_text;
    let render = Renderer::new(&context.texts, &context.data, context.at, fallback);
    make(config, context, &render, 2)
}

/// What an answer means where messages may be too long.
#[derive(Debug)]
pub(super) enum Judged {
    /// The verdict.
    Is(Verdict),
    /// The message was too long; the verdict if it cannot be shortened.
    TooLong(Verdict),
}

/// The files to read for a webhook's address.
pub(super) fn files(url: &Secret, url_file: &str) -> Vec<String> {
    if url.is_empty() && !url_file.is_empty() {
        vec![url_file.to_owned()]
    } else {
        Vec::new()
    }
}

/// The address of `webhook_url` or `webhook_url_file`.
///
/// # Errors
/// If the file could not be read or holds no address.
pub(super) fn address(
    url: &Secret,
    url_file: &str,
    files: &FileContents,
) -> Result<Secret, Verdict> {
    let url = if url.is_empty() {
        Secret::new(file(files, "webhook_url_file", url_file)?)
    } else {
        url.clone()
    };
    if url.is_empty() {
        return Err(Verdict::unsendable(
            "webhook url missing: webhook_url_file is empty",
        ));
    }
    checked(url)
}

/// The address, if it is one; the parser's own error may quote it.
///
/// # Errors
/// If it is not.
pub(super) fn checked(url: Secret) -> Result<Secret, Verdict> {
    match url::Url::parse(url.reveal()) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err(Verdict::unsendable(
            "unsupported scheme in the URL: it must be http or https",
        )),
        Err(error) => Err(Verdict::unsendable(format!(
            "parse \"{}\": {error}",
            status::REDACTED
        ))),
    }
}

impl Judged {
    /// With the channel before its error, as upstream names it.
    pub(super) fn of_channel(self, channel: &str) -> Self {
        let context = format!("channel {}", go_quote(channel));
        match self {
            Self::Is(verdict) => Self::Is(status::within(&context, verdict)),
            Self::TooLong(verdict) => Self::TooLong(status::within(&context, verdict)),
        }
    }
}

/// Judges the answer of a webhook, or why there is none.
pub(super) fn judged(result: Result<HttpResponse, TransportError>) -> Judged {
    match result {
        Ok(response) if is_too_long(&response) => Judged::TooLong(judge(&response)),
        Ok(response) => Judged::Is(judge(&response)),
        Err(error) => Judged::Is(status::of_transport("POST", &error, None)),
    }
}

/// Judges by the status, but does not take a web page for success: that is a login page or a proxy's, not the vendor.
pub(super) fn judge(response: &HttpResponse) -> Verdict {
    let verdict = status::of_response(response);
    if verdict.is_sent() && is_page(response) {
        return Verdict::Permanent {
            reason: FailureReason::Other,
            error: format!(
                "{} answered with a web page: is that the address of a webhook?",
                status::REDACTED
            ),
        };
    }
    verdict
}

fn is_page(response: &HttpResponse) -> bool {
    let start = response.body.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|page| {
        start
            .get(..page.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(page))
    })
}

/// Whether a refusal says that the message is too long, in the words of several vendors.
pub(super) fn is_too_long(response: &HttpResponse) -> bool {
    if response.status == 413 {
        return true;
    }
    let body = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
    response.status == 400
        && [
            "too long",
            "too large",
            "max_length",
            "max_embed_size",
            "size exceeded",
            "exceeds the maximum",
            "length limited",
            "longer than the maximum",
            "unable to split",
        ]
        .iter()
        .any(|words| body.contains(words))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::harness::{context, firing, http, run},
        *,
    };

    #[test]
    fn addresses_are_checked_and_stay_secret() {
        let none = FileContents::new();
        let given = Secret::new("https://h/hunter2");
        assert_eq!(address(&given, "", &none).unwrap(), given);
        assert!(files(&given, "").is_empty());
        let empty = Secret::default();
        assert_eq!(files(&empty, "/f"), ["/f"]);
        for (content, expect) in [
            (Ok("https://h/hunter2\n"), ""),
            (Ok(" \n"), "webhook url missing"),
            (Ok("hunter2"), "parse \"<redacted>\""),
            (Ok("file:///hunter2"), "unsupported scheme"),
            (
                Err("permission denied"),
                "read webhook_url_file: permission denied",
            ),
        ] {
            let content = content.map(str::to_owned).map_err(str::to_owned);
            let files = FileContents::from([("/f".to_owned(), content)]);
            match address(&empty, "/f", &files) {
                Ok(url) => assert_eq!(url.reveal(), "https://h/hunter2"),
                Err(verdict) => {
                    let text = format!("{verdict:?}");
                    assert!(text.contains(&expect.replace('"', "\\\"")), "{text}");
                    assert!(!text.contains("hunter2"), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_web_page_is_no_success() {
        for (status, body, sent) in [
            (200, "ok", true),
            (204, "", true),
            (200, " \n<!DOCTYPE html><title>Log in", false),
            (200, "<HTML>", false),
            (404, "no", false),
        ] {
            let verdict = judge(&http(status, body).unwrap());
            assert_eq!(verdict.is_sent(), sent, "{status} {body}");
        }
        assert!(is_too_long(&http(413, "").unwrap()));
        assert!(is_too_long(&http(400, "BASE_TYPE_MAX_LENGTH").unwrap()));
        assert!(!is_too_long(&http(400, "no").unwrap()));
        assert!(!is_too_long(&http(200, "too long").unwrap()));
    }

    /// Every kind of this family, with a secret in its address or its settings.
    const KINDS: [&str; 9] = [
        "discord_configs: [{webhook_url: 'http://h/hunter2', title: t, message: m}]",
        "webex_configs: [{room_id: R, message: m, http_config: {authorization: {credentials: hunter2}}}]",
        "msteams_configs: [{webhook_url: 'http://h/hunter2', title: t, summary: s, text: x}]",
        "msteamsv2_configs: [{webhook_url: 'http://h/hunter2', title: t, text: x}]",
        "mattermost_configs: [{webhook_url: 'http://h/hunter2', text: x}]",
        "rocketchat_configs: [{token: hunter2, token_id: hunter2, text: x}]",
        "pushover_configs: [{token: hunter2, user_key: hunter2, message: m}]",
        "telegram_configs: [{bot_token: '1:hunter2', chat_id: 5, message: m}]",
        "sns_configs: [{topic_arn: t, message: m, sigv4: {region: r, access_key: a, secret_key: hunter2}}]",
    ];

    #[test]
    fn all_kinds_agree_on_what_is_worth_another_try() {
        let broken = TransportError {
            message: "connection reset by peer".to_owned(),
            timed_out: false,
            ambiguous: true,
        };
        let mut slow = http(429, "").unwrap();
        slow.headers
            .push(("retry-after".to_owned(), "7".to_owned()));
        let seven = Some(Duration::from_secs(7));
        for yaml in KINDS {
            let context = context(yaml, firing());
            let judged = |answer| {
                let (course, verdict) = run(&context, [answer]);
                let shown = format!("{:?} {verdict:?}", course.requests);
                assert!(!shown.contains("hunter2"), "{shown}");
                verdict
            };
            let verdict = judged(Err(broken.clone()));
            assert!(
                matches!(
                    verdict,
                    Verdict::Retry {
                        ambiguous: true,
                        after: None,
                        ..
                    }
                ),
                "{yaml}"
            );
            let verdict = judged(Ok(slow.clone()));
            let Verdict::Retry {
                after,
                reason,
                ambiguous: false,
                ..
            } = verdict
            else {
                panic!("{yaml}: {verdict:?}");
            };
            assert_eq!(
                (after, reason),
                (seven, FailureReason::RateLimited),
                "{yaml}"
            );
            for status in [500, 502, 503] {
                let verdict = judged(http(status, "oops"));
                assert!(
                    matches!(
                        verdict,
                        Verdict::Retry {
                            ambiguous: false,
                            reason: FailureReason::ServerError,
                            ..
                        }
                    ),
                    "{yaml}"
                );
            }
            for (status, expect) in [
                (400, FailureReason::ClientError),
                (401, FailureReason::AuthError),
                (403, FailureReason::AuthError),
                (404, FailureReason::ClientError),
            ] {
                let Verdict::Permanent { reason, error } = judged(http(status, "no")) else {
                    panic!("{yaml}: {status}");
                };
                assert_eq!(reason, expect, "{yaml}");
                assert!(error.contains("no"), "{error}");
            }
        }
    }

    #[test]
    fn a_template_that_fails_leaves_a_plain_message() {
        for yaml in KINDS {
            let broken = yaml.replacen(": m", ": '{{ .Nope.nope }}'", 1).replacen(
                "text: x",
                "text: '{{ .Nope.nope }}'",
                1,
            );
            let context = context(&broken, firing());
            let (course, _) = run(&context, [http(500, "")]);
            let request = &course.requests[0];
            let sent = format!(
                "{}{}",
                request.url.reveal(),
                String::from_utf8_lossy(&request.body)
            );
            assert!(
                sent.contains("a:9100") || sent.contains("a%3A9100"),
                "{broken}: {sent}"
            );
        }
    }
}
