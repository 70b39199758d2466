//! `slack_configs`: one message of one attachment, by webhook or by application (`notify/slack/slack.go`).
//!
//! Slack says in the body whether it took a message. With `update_message` the message of the notification before is
//! changed, its place kept under upstream's names in the notification log; a message that cannot be changed any more is
//! posted anew, where upstream fails from then on. A message that is too long is sent again, shorter, once.

use serde_json::Value;

use super::{
    Answer, Begun, Context, Conversation, FileContents, HttpRequest, HttpResponse, Step,
    conversation::out_of_turn, slack_message::Message, status, wire::file,
};
use crate::{
    config::{Secret, SlackConfig},
    nflog::ReceiverValue,
    notify::{FailureReason, Limit, Memory, Receipt, Renderer, Verdict},
};

/// Slack cuts longer texts off itself, in the middle of a word.
const TEXT: Limit = Limit::Chars(40_000);

/// What is left of the texts after Slack called the message too long.
const SHORT_TEXT: Limit = Limit::Chars(3_000);

const UPDATE: &str = "https://slack.com/api/chat.update";

/// Names of upstream's receiver data.
const THREAD: &str = "threadTs";
const CHANNEL: &str = "channelId";

/// The files to read for each notification.
pub(super) fn files(config: &SlackConfig) -> Vec<String> {
    if config.api_url.is_empty() {
        vec![config.api_url_file.clone()]
    } else {
        Vec::new()
    }
}

/// Begins an attempt.
pub(super) fn begin(
    config: &SlackConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let attempt = Attempt {
        url: address(config, &context.files)?,
        channel: render.required("channel", &config.channel)?,
        message: Message::new(config, render, TEXT)?,
        known: updates(config, context)
            .then(|| known(&context.memory))
            .flatten(),
        config: config.clone(),
        context: context.clone(),
        shortened: false,
    };
    Ok((Step::Http(attempt.request()), Box::new(attempt)))
}

/// A digest of several groups is a message of its own.
fn updates(config: &SlackConfig, context: &Context) -> bool {
    config.update_message && context.data.groups <= 1
}

fn address(config: &SlackConfig, files: &FileContents) -> Result<Secret, Verdict> {
    if config.api_url.is_empty() {
        return file(files, "api_url_file", &config.api_url_file).map(Secret::new);
    }
    Ok(config.api_url.clone())
}

/// Where a message is.
#[derive(Debug)]
struct Place {
    channel: String,
    ts: String,
}

fn known(memory: &Memory) -> Option<Place> {
    let text = |key| match memory.get(key) {
        Some(ReceiverValue::Str(text)) if !text.is_empty() => Some(text.clone()),
        Some(ReceiverValue::Str(_) | ReceiverValue::Int(_) | ReceiverValue::Double(_)) | None => {
            None
        }
    };
    Some(Place {
        channel: text(CHANNEL)?,
        ts: text(THREAD)?,
    })
}

/// What Slack said.
#[derive(Debug)]
enum Heard {
    /// It took the message, and said where it is if that is known.
    Taken(Option<Place>),
    /// It did not, for a reason in its own words.
    Refused(String),
    /// It could not be understood or is judged by its status.
    Other(Verdict),
}

fn hear(response: &HttpResponse) -> Heard {
    let body = String::from_utf8_lossy(&response.body);
    let body = body.trim();
    if !(200..=299).contains(&response.status) {
        return if is_too_long(body) {
            Heard::Refused(body.to_owned())
        } else {
            Heard::Other(status::of_response(response))
        };
    }
    let content_type = response.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/json") && !body.starts_with('{') {
        return if body == "ok" {
            Heard::Taken(None)
        } else {
            Heard::Refused(body.to_owned())
        };
    }
    let said: Value = match serde_json::from_str(body) {
        Ok(said) => said,
        Err(error) => return Heard::Other(unreadable(body, &error)),
    };
    let text = |member: &str| said[member].as_str().unwrap_or_default().to_owned();
    if said["ok"] != Value::Bool(true) {
        return Heard::Refused(text("error"));
    }
    let place = Place {
        channel: text("channel"),
        ts: text("ts"),
    };
    let whole = !place.channel.is_empty() && !place.ts.is_empty();
    Heard::Taken(whole.then_some(place))
}

fn unreadable(body: &str, error: &serde_json::Error) -> Verdict {
    Verdict::Retry {
        after: None,
        reason: FailureReason::ClientError,
        error: format!(
            "could not unmarshal JSON response \"{}\": {error}",
            status::quoted(body)
        ),
        ambiguous: true,
    }
}

fn is_too_long(said: &str) -> bool {
    matches!(
        said,
        "msg_too_long" | "msg_blocks_too_long" | "attachment_payload_limit_exceeded"
    )
}

/// The message is there no more, or nobody may change it.
fn cannot_be_changed(said: &str) -> bool {
    matches!(
        said,
        "message_not_found"
            | "cant_update_message"
            | "edit_window_closed"
            | "channel_not_found"
            | "update_failed"
    )
}

fn refused(said: &str, response: &HttpResponse) -> Verdict {
    let error = format!("error response from Slack: {}", status::quoted(said));
    match said {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => Verdict::Retry {
            after: status::retry_after(response),
            reason: FailureReason::RateLimited,
            error,
            ambiguous: false,
        },
        // Slack's words for its own failures, which may come after it took the message.
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "rollup_error" => Verdict::Retry {
            after: None,
            reason: FailureReason::ServerError,
            error,
            ambiguous: true,
        },
        "team_added_to_org" => Verdict::Retry {
            after: None,
            reason: FailureReason::ServerError,
            error,
            ambiguous: false,
        },
        _ => Verdict::Permanent {
            reason: FailureReason::ClientError,
            error,
        },
    }
}

/// A message on its way.
#[derive(Debug)]
struct Attempt {
    config: SlackConfig,
    context: Context,
    url: Secret,
    channel: String,
    message: Message,
    /// The message that is changed.
    known: Option<Place>,
    shortened: bool,
}

impl Attempt {
    fn request(&self) -> HttpRequest {
        let (url, body) = match &self.known {
            Some(place) => (
                Secret::new(UPDATE),
                self.message.body(&place.channel, &place.ts),
            ),
            None => (self.url.clone(), self.message.body(&self.channel, "")),
        };
        HttpRequest::json("POST", url, body, &self.config.http).within(self.config.timeout)
    }

    fn heard(&mut self, response: &HttpResponse) -> Step {
        match hear(response) {
            Heard::Taken(place) => Step::Done(Verdict::Sent(self.receipt(place))),
            Heard::Refused(said) if self.known.is_some() && cannot_be_changed(&said) => {
                self.known = None;
                Step::Http(self.request())
            }
            Heard::Refused(said) if is_too_long(&said) && !self.shortened => {
                self.shortened = true;
                match self.shorter() {
                    Ok(message) => {
                        self.message = message;
                        Step::Http(self.request())
                    }
                    Err(verdict) => Step::Done(verdict),
                }
            }
            Heard::Refused(said) => self.failed(refused(&said, response)),
            Heard::Other(verdict) => self.failed(verdict),
        }
    }

    fn shorter(&self) -> Result<Message, Verdict> {
        let Context { texts, data, .. } = &self.context;
        let fallback = self.context.integration.fallback_text;
        let render = Renderer::new(texts, data, self.context.at, fallback);
        Message::new(&self.config, &render, SHORT_TEXT)
    }

    fn receipt(&self, place: Option<Place>) -> Receipt {
        let mut receipt = Receipt::default();
        if let Some(place) = place
            && updates(&self.config, &self.context)
        {
            let mut memory = self.context.memory.clone();
            memory.insert(THREAD.to_owned(), ReceiverValue::Str(place.ts));
            memory.insert(CHANNEL.to_owned(), ReceiverValue::Str(place.channel));
            receipt.memory = Some(memory);
        }
        if self.shortened {
            "Slack called the message too long, so it was shortened".clone_into(&mut receipt.note);
        }
        receipt
    }

    fn failed(&self, verdict: Verdict) -> Step {
        let channel = match &self.known {
            Some(place) => &place.channel,
            None => &self.channel,
        };
        Step::Done(status::within(&format!("channel {channel:?}"), verdict))
    }
}

impl Conversation for Attempt {
    fn answer(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Http(Ok(response)) => self.heard(&response),
            Answer::Http(Err(error)) => {
                let allowed = self.context.allowed;
                let cause = status::own_timeout("slack", self.config.timeout, allowed);
                Step::Done(status::of_transport("POST", &error, cause))
            }
            Answer::Token(_) | Answer::Mail(_) => out_of_turn(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{
            Course, assert_as_recorded, configuration, context, context_of, firing, http, many,
            resolved, run,
        },
        *,
    };
    use crate::notify::{NotificationData, integration::TransportError};

    const RECORDED: &str = "slack_configs: [{api_url: 'http://127.0.0.1:18980/slackhook', channel: '#a', send_resolved: true},{app_token: 'xoxb-1', app_url: 'http://127.0.0.1:18980/slackapp/chat.postMessage', channel: '#b', send_resolved: true},{api_url: 'https://slack.com/api/chat.postMessage', update_message: true, channel: '#u', send_resolved: true, http_config: {authorization: {type: Bearer, credentials: xoxb-2}}}]";

    const PLAIN: &str = "slack_configs: [{api_url: 'http://hooks/T0/hunter2', channel: '#a', username: u, title: t, title_link: '', text: x, fallback: f, pretext: '', color: '', callback_id: '', footer: '', icon_emoji: '', icon_url: ''";

    const TAKEN: &str = r#"{"ok":true,"channel":"C123","ts":"1503435956.000247"}"#;

    fn plain(more: &str) -> String {
        format!("{PLAIN}{more}}}]")
    }

    fn updating() -> String {
        plain(", update_message: true").replace(
            "http://hooks/T0/hunter2",
            "https://slack.com/api/chat.postMessage",
        )
    }

    fn memory() -> Memory {
        Memory::from([
            (THREAD.to_owned(), ReceiverValue::Str("1.5".into())),
            (CHANNEL.to_owned(), ReceiverValue::Str("C9".into())),
        ])
    }

    #[test]
    fn messages_are_those_that_alertmanager_sent() {
        let config = configuration(RECORDED);
        for (index, data, answer, name) in [
            (0, firing(), "ok", "POST_slackhook_1.json"),
            (0, resolved(), "ok", "POST_slackhook_2.json"),
            (1, firing(), TAKEN, "POST_slackapp_chat.postMessage_1.json"),
            (
                1,
                resolved(),
                TAKEN,
                "POST_slackapp_chat.postMessage_2.json",
            ),
            (2, firing(), TAKEN, "POST_api_chat.postMessage_1.json"),
        ] {
            let (course, verdict) = run(&context_of(&config, index, data), [http(200, answer)]);
            assert!(verdict.is_sent(), "{verdict:?}");
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn the_message_is_changed_as_alertmanager_does() {
        let config = configuration(RECORDED);
        let mut context = context_of(&config, 2, firing());
        let (_, verdict) = run(&context, [http(200, TAKEN)]);
        let Verdict::Sent(receipt) = verdict else {
            panic!("{verdict:?}");
        };
        context = context_of(&config, 2, resolved());
        context.memory = receipt.memory.unwrap();
        let (course, verdict) = run(&context, [http(200, TAKEN)]);
        assert!(verdict.is_sent(), "{verdict:?}");
        assert_eq!(course.requests[0].url.reveal(), UPDATE);
        assert_as_recorded(&course.requests[0], "POST_api_chat.update_1.json");
    }

    #[test]
    fn a_message_that_cannot_be_changed_is_posted_anew() {
        let mut context = context(&updating(), firing());
        context.memory = memory();
        let gone = http(200, r#"{"ok":false,"error":"message_not_found"}"#);
        let (course, verdict) = run(&context, [gone, http(200, TAKEN)]);
        assert_eq!(course.requests[0].url.reveal(), UPDATE);
        assert_eq!(course.json(0)["channel"], "C9");
        assert_eq!(course.json(0)["ts"], "1.5");
        let second = &course.requests[1];
        assert_eq!(
            second.url.reveal(),
            "https://slack.com/api/chat.postMessage"
        );
        assert_eq!(course.json(1)["channel"], "#a");
        assert!(course.json(1)["ts"].is_null());
        let Verdict::Sent(Receipt {
            memory: Some(memory),
            ..
        }) = verdict
        else {
            panic!("{verdict:?}");
        };
        assert_eq!(memory[CHANNEL], ReceiverValue::Str("C123".into()));
        assert_eq!(
            memory[THREAD],
            ReceiverValue::Str("1503435956.000247".into())
        );
    }

    #[test]
    fn a_digest_changes_no_message() {
        let mut data = firing();
        data.groups = 2;
        let mut context = context(&updating(), data);
        context.memory = memory();
        let (course, verdict) = run(&context, [http(200, TAKEN)]);
        assert_ne!(course.requests[0].url.reveal(), UPDATE);
        assert_eq!(verdict, Verdict::sent());
    }

    #[test]
    fn a_message_that_is_too_long_is_shortened_once() {
        let long = plain(", message_text: LONG").replace("LONG", &"x".repeat(30_000));
        let too_long = || http(200, r#"{"ok":false,"error":"msg_too_long"}"#);
        let (course, verdict) = run(&context(&long, firing()), [too_long(), http(200, "ok")]);
        assert!(course.requests[0].body.len() > 30_000);
        assert!(course.requests[1].body.len() < 3_500);
        let Verdict::Sent(receipt) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(receipt.note.contains("too long"));
        let (_, verdict) = run(&context(&long, firing()), [too_long(), too_long()]);
        assert!(matches!(verdict, Verdict::Permanent { .. }), "{verdict:?}");
    }

    fn said(status: u16, body: &str) -> Verdict {
        let (_, verdict) = run(&context(&plain(""), firing()), [http(status, body)]);
        let words = format!("{verdict:?}");
        assert!(!words.contains("hunter2"), "{words}");
        verdict
    }

    #[test]
    fn the_body_says_whether_it_was_taken() {
        use FailureReason::{AuthError, ClientError, RateLimited, ServerError};
        let null = r#"{"ok":true,"error":null,"ts":null}"#;
        for body in ["ok", "ok\n", r#"{"ok":true}"#, null] {
            assert_eq!(said(200, body), Verdict::sent());
        }
        for (status, body, expect) in [
            (
                200,
                r#"{"ok":false,"error":"channel_not_found"}"#,
                ClientError,
            ),
            (200, "no_service", ClientError),
            (200, "", ClientError),
            (404, "channel_not_found", ClientError),
            (403, "invalid_token", AuthError),
        ] {
            let verdict = said(status, body);
            let Verdict::Permanent { reason, error } = &verdict else {
                panic!("{body}: {verdict:?}");
            };
            assert_eq!(*reason, expect, "{body}");
            assert!(error.starts_with("channel \"#a\": "), "{error}");
        }
        for (status, body, expect) in [
            (200, r#"{"ok":false,"error":"ratelimited"}"#, RateLimited),
            (200, r#"{"ok":false,"error":"internal_error"}"#, ServerError),
            (200, "{\"ok\":tr", ClientError),
            (429, "", RateLimited),
            (503, "", ServerError),
        ] {
            let verdict = said(status, body);
            let Verdict::Retry { reason, .. } = &verdict else {
                panic!("{body}: {verdict:?}");
            };
            assert_eq!(*reason, expect, "{body}");
        }
    }

    #[test]
    fn a_lost_answer_is_ambiguous_and_names_its_own_timeout() {
        let error = TransportError {
            message: "context deadline exceeded".to_owned(),
            timed_out: true,
            ambiguous: true,
        };
        let context = context(&plain(", timeout: 2s"), firing());
        let (course, verdict) = run(&context, [Err(error)]);
        assert_eq!(
            course.requests[0].timeout,
            Some(std::time::Duration::from_secs(2))
        );
        let Verdict::Retry {
            error,
            ambiguous: true,
            ..
        } = verdict
        else {
            panic!("{verdict:?}");
        };
        assert!(
            error.contains("configured slack timeout reached (2s)"),
            "{error}"
        );
    }

    fn sent(integrations: &str, data: NotificationData) -> Course {
        let (course, verdict) = run(&context(integrations, data), [http(200, "ok")]);
        assert!(verdict.is_sent(), "{verdict:?}");
        course
    }

    #[test]
    fn fields_and_buttons_are_written_as_upstream() {
        let course = sent(
            &plain(
                ", short_fields: true, link_names: true, message_text: m, mrkdwn_in: [text], \
                 fields: [{title: a, value: b}, {title: c, value: d, short: false}], \
                 actions: [{type: button, text: go, url: 'http://x/?a&b', style: danger}, \
                 {type: button, text: ask, name: n, value: v, confirm: {text: sure, ok_text: y}}]",
            ),
            firing(),
        );
        expect_test::expect![[r##"
            {"channel":"#a","username":"u","link_names":true,"text":"m","attachments":[{"title":"t","text":"x","fallback":"f","callback_id":"","fields":[{"title":"a","value":"b","short":true},{"title":"c","value":"d","short":false}],"actions":[{"type":"button","text":"go","url":"http://x/?a\u0026b","style":"danger"},{"type":"button","text":"ask","name":"n","value":"v","confirm":{"text":"sure","ok_text":"y"}}],"footer":"","mrkdwn_in":["text"]}]}
        "##]]
        .assert_eq(&course.body(0));
    }

    #[test]
    fn texts_stay_within_slacks_limits() {
        let list = plain("")
            .replace(
                "text: x",
                "text: '{{ range .Alerts }}{{ .Labels }}{{ end }}'",
            )
            .replace("title: t", &format!("title: {}", "é".repeat(2000)));
        let course = sent(&list, many(2000));
        let attachment = &course.json(0)["attachments"][0];
        let text = attachment["text"].as_str().unwrap();
        assert!(text.chars().count() <= 40_000);
        let title = attachment["title"].as_str().unwrap();
        assert_eq!(title.chars().count(), 1024);
        assert!(title.ends_with('…'));
    }

    #[test]
    fn a_template_that_fails_leaves_a_plain_message() {
        let broken = plain("").replace("text: x", "text: '{{ .Missing.Thing }}'");
        let (course, verdict) = run(&context(&broken, firing()), [http(200, "ok")]);
        let text = course.json(0)["attachments"][0]["text"].to_string();
        assert!(text.contains("a:9100"), "{text}");
        let Verdict::Sent(receipt) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(
            receipt
                .template_problems
                .contains("template of text failed")
        );
    }

    #[test]
    fn the_address_may_be_in_a_file() {
        let from_file = plain("").replace(
            "api_url: 'http://hooks/T0/hunter2'",
            "api_url_file: /run/slack",
        );
        let mut context = context(&from_file, firing());
        assert_eq!(
            super::super::files(&context.integration),
            ["/run/slack".to_owned()]
        );
        let (_, verdict) = run(&context, []);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
        let url = Ok("http://hooks/x\n".to_owned());
        context.files.insert("/run/slack".to_owned(), url);
        let (course, _) = run(&context, [http(200, "ok")]);
        assert_eq!(course.requests[0].url.reveal(), "http://hooks/x");
    }
}
