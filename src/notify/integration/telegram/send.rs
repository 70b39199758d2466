//! A bot's message. What upstream repeats without end (a bot that was thrown out) fails at once, and
//! what it replaces by an excuse (a message that is too long) loses only whole alerts.

use std::sync::Arc;

use serde::Deserialize;

use super::plain;
use crate::{
    config::{HttpConfig, Secret, TelegramConfig},
    json,
    notify::{
        FailureReason, Limit, Receipt, Renderer, Verdict,
        integration::{
            Begun, Context, HttpRequest, HttpResponse, Step, TransportError,
            conversation::dialogue, post, status, wire::file,
        },
    },
};

/// In characters.
const MESSAGE: usize = 4096;

/// Of a plain message in place of one that Telegram found too long all the same.
const SHORT_MESSAGE: usize = 3000;

/// The files to read for each notification.
pub(crate) fn files(config: &TelegramConfig) -> Vec<String> {
    [&config.bot_token_file, &config.chat_id_file]
        .into_iter()
        .filter(|file| !file.is_empty())
        .cloned()
        .collect()
}

/// Begins an attempt.
pub(crate) fn begin(
    config: &TelegramConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let limit = Limit::Chars(MESSAGE);
    let text = match &*config.parse_mode {
        "HTML" => render.html_within("message", &config.message, limit)?,
        _ => render.body_within("message", &config.message, limit)?,
    };
    let message = Message {
        url: address(config, context)?,
        http: Arc::clone(&config.http),
        chat: chat(config, context)?,
        text,
        parse_mode: config.parse_mode.clone(),
        thread: config.message_thread_id,
        silent: config.disable_notifications,
    };
    let mut attempt = Attempt {
        message,
        notes: Vec::new(),
    };
    Ok(dialogue(attempt.message.request(), move |result| {
        attempt.hear(result)
    }))
}

fn address(config: &TelegramConfig, context: &Context) -> Result<Secret, Verdict> {
    let token = match &*config.bot_token_file {
        "" => config.bot_token.reveal(),
        path => file(&context.files, "bot_token_file", path)?,
    };
    let api = config.api_url.as_str().trim_end_matches('/');
    post::checked(Secret::new(format!("{api}/bot{token}/sendMessage")))
}

fn chat(config: &TelegramConfig, context: &Context) -> Result<i64, Verdict> {
    match &*config.chat_id_file {
        "" => Ok(config.chat_id),
        path => {
            let text = file(&context.files, "chat_id_file", path)?;
            text.parse().map_err(|error| {
                Verdict::unsendable(format!(
                    "could not parse chat_id from {path}: {text:?}: {error}"
                ))
            })
        }
    }
}

#[derive(Debug)]
struct Message {
    url: Secret,
    http: Arc<HttpConfig>,
    chat: i64,
    text: String,
    parse_mode: String,
    thread: i64,
    silent: bool,
}

impl Message {
    /// All values are strings, in the order of the names, as upstream's library writes them.
    fn request(&self) -> HttpRequest {
        let body = json::document(|object| {
            object.text("chat_id", &self.chat.to_string());
            if self.silent {
                object.text("disable_notification", "true");
            }
            object.text("disable_web_page_preview", "true");
            if self.thread != 0 {
                object.text("message_thread_id", &self.thread.to_string());
            }
            object
                .text_if_any("parse_mode", &self.parse_mode)
                .text("text", &self.text);
        });
        HttpRequest::json("POST", self.url.clone(), body, &self.http)
    }
}

#[derive(Deserialize)]
struct Reply {
    ok: bool,
    #[serde(default)]
    error_code: u16,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<f64>,
    migrate_to_chat_id: Option<i64>,
}

/// A message on its way, which is mended where Telegram says how.
#[derive(Debug)]
struct Attempt {
    message: Message,
    /// What was mended, each once.
    notes: Vec<String>,
}

impl Attempt {
    fn hear(&mut self, result: Result<HttpResponse, TransportError>) -> Step {
        let response = match result {
            Ok(response) => response,
            Err(error) => return Step::Done(status::of_transport("POST", &error, None)),
        };
        let Ok(reply) = serde_json::from_slice::<Reply>(&response.body) else {
            return Step::Done(unreadable(&response));
        };
        if reply.ok {
            return Step::Done(Verdict::Sent(Receipt {
                note: self.notes.join("; "),
                ..Receipt::default()
            }));
        }
        if let Some(note) = self.mend(&reply) {
            self.notes.push(note);
            return Step::Http(self.message.request());
        }
        let code = match reply.error_code {
            0 => response.status,
            code => code,
        };
        let after = reply.parameters.retry_after.and_then(status::wait);
        let after = after.or_else(|| status::retry_after(&response));
        let error = format!("telegram: {} ({code})", status::quoted(&reply.description));
        Step::Done(status::of_code(code, after, error))
    }

    /// Changes the message so that it may be taken; `None` if there is nothing to change, or nothing more.
    fn mend(&mut self, reply: &Reply) -> Option<String> {
        let description = reply.description.to_lowercase();
        if let Some(chat) = reply.parameters.migrate_to_chat_id {
            if self.message.chat == chat {
                return None;
            }
            self.message.chat = chat;
            return Some(format!(
                "the chat became a supergroup: set chat_id to {chat}"
            ));
        }
        let too_long = description.contains("message is too long");
        let unparsed = description.contains("can't parse entities");
        let is_plain = self.message.parse_mode.is_empty();
        if !too_long && (is_plain || !unparsed) {
            return None;
        }
        let text = plain::text(&self.message.text, &self.message.parse_mode);
        let limit = if too_long { SHORT_MESSAGE } else { MESSAGE };
        let text = Limit::Chars(limit).cut(&text);
        if is_plain && text == self.message.text {
            return None;
        }
        self.message.text = text;
        self.message.parse_mode.clear();
        Some(format!(
            "sent as plain text, for Telegram said: {}",
            status::quoted(&reply.description)
        ))
    }
}

/// The answer is not Telegram's own.
fn unreadable(response: &HttpResponse) -> Verdict {
    match response.status {
        200..=299 => Verdict::Retry {
            after: None,
            reason: FailureReason::Other,
            error: "could not read the answer of Telegram as JSON".to_owned(),
            // The status says that it was taken.
            ambiguous: true,
        },
        _ => status::of_response(response),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::notify::integration::{
        files,
        harness::{assert_as_recorded, context, firing, http, many, resolved, run},
    };

    const OK: &str = r#"{"ok":true,"result":{"message_id":7,"date":1,"chat":{"id":1,"type":"private"},"text":"x"}}"#;

    fn yaml(more: &str) -> String {
        format!(
            "telegram_configs: [{{api_url: 'http://127.0.0.1:18980', bot_token: '1:hunter2', chat_id: -100123{more}}}]"
        )
    }

    fn refusal(
        code: u16,
        description: &str,
        parameters: &str,
    ) -> Result<HttpResponse, TransportError> {
        http(
            code,
            &format!(
                r#"{{"ok":false,"error_code":{code},"description":"{description}","parameters":{{{parameters}}}}}"#
            ),
        )
    }

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, data) in [
            ("POST_bot1T_sendMessage_1.json", firing()),
            ("POST_bot1T_sendMessage_2.json", resolved()),
        ] {
            let yaml = yaml("").replace("1:hunter2", "1:T");
            let (course, verdict) = run(&context(&yaml, data), [http(200, OK)]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn writes_strings_in_upstreams_order() {
        let more = ", message: '<b>x</b>', message_thread_id: 9, disable_notifications: true";
        let (course, _) = run(&context(&yaml(more), firing()), [http(200, OK)]);
        assert_eq!(
            course.body(0),
            "{\"chat_id\":\"-100123\",\"disable_notification\":\"true\",\"disable_web_page_preview\":\"true\",\
             \"message_thread_id\":\"9\",\"parse_mode\":\"HTML\",\"text\":\"\\u003cb\\u003ex\\u003c/b\\u003e\"}\n"
        );
        let more = ", message: x, parse_mode: ''";
        let (course, _) = run(&context(&yaml(more), firing()), [http(200, OK)]);
        assert!(!course.body(0).contains("parse_mode"));
    }

    #[test]
    fn token_and_chat_come_from_files() {
        let yaml = "telegram_configs: [{bot_token_file: /t, chat_id_file: /c, message: m}]";
        let mut context = context(yaml, firing());
        assert_eq!(files(&context.integration), ["/t", "/c"]);
        let mut with = |token: &str, chat: &str| {
            context.files = [("/t", token), ("/c", chat)]
                .map(|(path, text)| (path.to_owned(), Ok(text.to_owned())))
                .into();
            run(
                &context,
                [http(200, OK)].into_iter().take(usize::from(chat != "x")),
            )
        };
        let (course, verdict) = with("1:hunter2\n", " -5\n");
        assert!(verdict.is_sent());
        assert_eq!(course.json(0)["chat_id"], "-5");
        assert_eq!(
            course.requests[0].url.reveal(),
            "https://api.telegram.org/bot1:hunter2/sendMessage"
        );
        let (_, verdict) = with("1:hunter2", "x");
        let Verdict::Permanent { error, .. } = verdict else {
            panic!();
        };
        assert!(error.contains("could not parse chat_id from /c") && !error.contains("hunter2"));
    }

    #[test]
    fn judges_answers() {
        let context = context(&yaml(", message: m"), firing());
        let verdict = |answer| run(&context, [answer]).1;
        for (code, description) in [
            (400, "Bad Request: chat not found"),
            (401, "Unauthorized"),
            (403, "Forbidden: bot was kicked from the group chat"),
            (404, "Not Found"),
        ] {
            let verdict = verdict(refusal(code, description, ""));
            assert!(matches!(verdict, Verdict::Permanent { .. }), "{verdict:?}");
            let text = format!("{verdict:?}");
            assert!(text.contains(description) && !text.contains("hunter2"));
        }
        let Verdict::Retry { after, reason, .. } = verdict(refusal(
            429,
            "Too Many Requests: retry after 5",
            r#""retry_after":5"#,
        )) else {
            panic!();
        };
        assert_eq!(after, Some(Duration::from_secs(5)));
        assert_eq!(reason, FailureReason::RateLimited);
        for answer in [
            refusal(500, "Internal", ""),
            http(502, "<html>"),
            http(200, "<html>"),
        ] {
            assert!(matches!(verdict(answer), Verdict::Retry { .. }));
        }
        assert!(matches!(
            verdict(http(404, "<html>")),
            Verdict::Permanent { .. }
        ));
    }

    #[test]
    fn follows_a_chat_that_moved_once() {
        let context = context(&yaml(", message: m"), firing());
        let moved = || {
            refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                r#""migrate_to_chat_id":-1009"#,
            )
        };
        let (course, verdict) = run(&context, [moved(), http(200, OK)]);
        assert_eq!(course.json(1)["chat_id"], "-1009");
        let Verdict::Sent(receipt) = verdict else {
            panic!();
        };
        assert!(receipt.note.contains("set chat_id to -1009"));
        let (_, verdict) = run(&context, [moved(), moved()]);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
    }

    #[test]
    fn sends_plain_text_where_the_markup_is_refused() {
        let message = ", message: '<b>x</b> <a href=\"http://l/?a=1&amp;b=2\">l</a> &lt;'";
        let context = context(&yaml(message), firing());
        let unparsed = || {
            refusal(
                400,
                "Bad Request: can't parse entities: Unsupported start tag",
                "",
            )
        };
        let (course, verdict) = run(&context, [unparsed(), http(200, OK)]);
        assert!(verdict.is_sent());
        let json = course.json(1);
        assert_eq!(json["text"], "x l (http://l/?a=1&b=2) <");
        assert!(json.get("parse_mode").is_none());
        let (_, verdict) = run(&context, [unparsed(), unparsed()]);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
    }

    #[test]
    fn shortens_what_is_too_long_once() {
        let message = format!(", message: '{}', parse_mode: Markdown", "é".repeat(4000));
        let context = context(&yaml(&message), firing());
        let too_long = || refusal(400, "Bad Request: message is too long", "");
        let (course, verdict) = run(&context, [too_long(), http(200, OK)]);
        assert!(verdict.is_sent());
        let text = course.json(1)["text"].as_str().unwrap().to_owned();
        assert_eq!(text.chars().count(), SHORT_MESSAGE);
        let (_, verdict) = run(&context, [too_long(), too_long()]);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
    }

    #[test]
    fn keeps_the_limit_by_cutting_whole_alerts_and_no_tags() {
        let message =
            ", message: '{{ range .Alerts }}<b>{{ .Labels.instance }}</b>{{ \"\\n\" }}{{ end }}'";
        let (course, verdict) = run(&context(&yaml(message), many(1000)), [http(200, OK)]);
        assert!(verdict.is_sent());
        let text = course.json(0)["text"].as_str().unwrap().to_owned();
        assert!(text.chars().count() <= MESSAGE && text.chars().count() > MESSAGE - 120);
        assert_eq!(text.matches("<b>").count(), text.matches("</b>").count());
        assert!(
            text.contains(" more: <a href=\"http://am.example.org/#/alerts\">"),
            "{text}"
        );
    }
}
