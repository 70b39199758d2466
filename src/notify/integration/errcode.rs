//! Answers that carry a code of the vendor's own, with whatever HTTP status: only the code says what happened.
//!
//! Codes are judged, never the words beside them, which vendors change.

use std::time::Duration;

use serde_json::Value;

use super::{HttpResponse, status};
use crate::notify::{FailureReason, Verdict};

/// For a gateway that says 429 and not how long.
const PAUSE: Duration = Duration::from_secs(10);

/// An answer with its code.
#[derive(Debug)]
pub(super) struct Coded {
    /// Numbers as text, for some vendors answer either; `0` is success.
    pub(super) code: String,
    /// The whole answer.
    pub(super) json: Value,
    /// What the vendor says about it.
    words: String,
    asked_to_wait: Option<Duration>,
}

/// Where a vendor puts its code and its words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// The first that is there is the code.
    pub(super) code: &'static [&'static str],
    /// The words.
    pub(super) words: &'static str,
}

/// DingTalk's robots and WeCom.
pub(super) const ERRCODE: Keys = Keys {
    code: &["errcode"],
    words: "errmsg",
};

/// Feishu, which had other keys first.
pub(super) const CODE: Keys = Keys {
    code: &["code", "StatusCode"],
    words: "msg",
};

impl Coded {
    /// Reads an answer.
    ///
    /// # Errors
    /// The verdict, if there is no code in it, or one that says success with a status that does not.
    pub(super) fn read(response: &HttpResponse, keys: Keys) -> Result<Self, Verdict> {
        let asked_to_wait = status::retry_after(response).or_else(|| feishus_wait(response));
        let success = (200..=299).contains(&response.status);
        let json = serde_json::from_slice(&response.body).unwrap_or_default();
        let code = keys.code.iter().find_map(|key| text(&json, key));
        match code {
            _ if response.status == 429 => Err(Verdict::Retry {
                after: Some(asked_to_wait.unwrap_or(PAUSE)),
                reason: FailureReason::RateLimited,
                error: "too many messages: status code 429".to_owned(),
                ambiguous: false,
            }),
            Some(code) if success || code != "0" => Ok(Self {
                code,
                words: text(&json, keys.words).unwrap_or_default(),
                json,
                asked_to_wait,
            }),
            None if success => Err(Verdict::Retry {
                after: None,
                reason: FailureReason::Other,
                error: format!(
                    "the answer has status {} and no {}, so that nobody knows whether the message was taken: {}",
                    response.status,
                    keys.code.join(" or "),
                    status::quoted(&String::from_utf8_lossy(&response.body))
                ),
                ambiguous: true,
            }),
            Some(_) | None => Err(status::of_response(response)),
        }
    }

    /// A member of the answer, as text; empty if it is not there.
    pub(super) fn text(&self, key: &str) -> String {
        text(&self.json, key).unwrap_or_default()
    }

    /// Whether the words hold one of these, in whatever case. For codes with several meanings, only.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        let said = self.words.to_lowercase();
        words.iter().any(|word| said.contains(word))
    }

    /// Another try would end the same way; `advice` tells the operator what to do.
    pub(super) fn permanent(&self, reason: FailureReason, advice: &str) -> Verdict {
        Verdict::Permanent {
            reason,
            error: self.error(advice),
        }
    }

    /// Worth another try after the usual backoff.
    pub(super) fn retry(&self, reason: FailureReason) -> Verdict {
        Verdict::Retry {
            after: self.asked_to_wait,
            reason,
            error: self.error(""),
            ambiguous: false,
        }
    }

    /// To be left alone for that time, or longer where the answer asks for it.
    pub(super) fn limited(&self, pause: Duration) -> Verdict {
        Verdict::Retry {
            after: Some(self.asked_to_wait.unwrap_or_default().max(pause)),
            reason: FailureReason::RateLimited,
            error: self.error("too many messages"),
            ambiguous: false,
        }
    }

    fn error(&self, advice: &str) -> String {
        let mut error = format!("refused with code {}", status::quoted(&self.code));
        for part in [&*status::quoted(&self.words), advice] {
            if !part.is_empty() {
                error.push_str(": ");
                error.push_str(part);
            }
        }
        error
    }
}

/// Feishu's own `Retry-After`, in seconds.
fn feishus_wait(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.header("x-ogw-ratelimit-reset")?.trim().parse();
    seconds
        .ok()
        .map(|seconds: u16| Duration::from_secs(seconds.into()))
}

fn text(json: &Value, key: &str) -> Option<String> {
    match json.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::harness::http, *};

    fn read(status: u16, body: &str) -> Result<String, Verdict> {
        let Ok(response) = http(status, body) else {
            panic!("http always answers")
        };
        Coded::read(&response, ERRCODE).map(|coded| coded.code)
    }

    #[test]
    fn the_code_decides_whatever_the_status() {
        assert_eq!(read(200, r#"{"errcode":0}"#).unwrap(), "0");
        assert_eq!(read(200, r#"{"errcode":"0"}"#).unwrap(), "0");
        assert_eq!(read(400, r#"{"errcode":130101}"#).unwrap(), "130101");
        for (status, body, retried) in [
            (500, r#"{"errcode":0}"#, true),
            (503, "<html>", true),
            (404, "no", false),
            (429, r#"{"errcode":1}"#, true),
            (200, "", true),
            (200, "<html>please log in</html>", true),
            (200, r#"{"errcode":null}"#, true),
            (200, "[0]", true),
        ] {
            let verdict = read(status, body).unwrap_err();
            let is_retried = matches!(verdict, Verdict::Retry { .. });
            assert_eq!(is_retried, retried, "{status} {body}: {verdict:?}");
        }
    }

    #[test]
    fn gateways_that_are_asked_too_much_are_left_alone() {
        let after = |headers: &[(&str, &str)]| {
            let Ok(mut response) = http(429, r#"{"errcode":130101}"#) else {
                panic!("http always answers")
            };
            let headers = headers.iter().map(|(name, value)| (*name, *value));
            response.headers = headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            match Coded::read(&response, ERRCODE) {
                Err(Verdict::Retry { after, reason, .. }) => {
                    assert_eq!(reason, FailureReason::RateLimited);
                    after.map(|after| after.as_secs())
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(after(&[]), Some(10));
        assert_eq!(after(&[("retry-after", "7")]), Some(7));
        assert_eq!(after(&[("x-ogw-ratelimit-reset", "42")]), Some(42));
        assert_eq!(after(&[("x-ogw-ratelimit-reset", "soon")]), Some(10));
    }

    #[test]
    fn a_success_that_cannot_be_read_is_uncertain() {
        let Verdict::Retry {
            ambiguous, error, ..
        } = read(200, "<html>\nlog in").unwrap_err()
        else {
            panic!();
        };
        assert!(ambiguous);
        assert!(error.ends_with("taken: <html> log in"), "{error}");
    }
}
