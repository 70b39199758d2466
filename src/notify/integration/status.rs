//! What HTTP answers and transport errors mean to every HTTP integration (`notify/util.go`).
//!
//! 2xx is success, 5xx is retried, and so is 429, after the wait that it asks for; upstream gives up on the latter.

use std::time::Duration;

use super::{HttpResponse, TransportError};
use crate::{
    notify::{FailureReason, Verdict},
    time::{Timestamp, format_go_duration},
};

/// No receiver makes us wait longer than this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// An answer's body is quoted up to here.
const MAX_QUOTED_BODY: usize = 512;

/// A server that says it is overloaded is believed for so long.
const LONGEST_PAUSE_OF_503: Duration = Duration::from_secs(60);

/// Stands for addresses, which often hold secrets.
pub(super) const REDACTED: &str = "<redacted>";

/// Judges an answer by its status.
#[must_use]
pub(super) fn of_response(response: &HttpResponse) -> Verdict {
    match response.status {
        200..=299 => Verdict::sent(),
        status => of_code(status, retry_after(response), unexpected_status(response)),
    }
}

/// What a code that is no success means, be it the answer's status or one that its body tells.
#[must_use]
pub(super) fn of_code(code: u16, retry_after: Option<Duration>, error: String) -> Verdict {
    let reason = failure_reason(code);
    match code {
        429 | 500..=599 => Verdict::Retry {
            after: match code {
                429 => retry_after,
                // Whoever is overloaded is left alone for a while, but pages are not held back on its word for long.
                503 => retry_after.map(|wait| wait.min(LONGEST_PAUSE_OF_503)),
                _ => None,
            },
            reason,
            error,
            ambiguous: false,
        },
        _ => Verdict::Permanent { reason, error },
    }
}

/// A wait that a receiver tells in seconds, within bounds; `None` for what is no time.
#[must_use]
pub(super) fn wait(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())))
}

/// Judges a request that has no answer; `cause` says which limit ran out if it was not the attempt's.
#[must_use]
pub(super) fn of_transport(method: &str, error: &TransportError, cause: Option<String>) -> Verdict {
    let verb = match method {
        "GET" => "Get",
        "PUT" => "Put",
        _ => "Post",
    };
    let mut text = format!("{verb} \"{REDACTED}\": {}", error.message);
    let mut reason = FailureReason::Other;
    if error.timed_out {
        reason = FailureReason::ContextDeadlineExceeded;
        if let Some(cause) = cause {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    Verdict::Retry {
        after: None,
        reason,
        error: text,
        ambiguous: error.ambiguous,
    }
}

/// Names an integration's own `timeout` as what ran out, if it is shorter than what the attempt was allowed.
#[must_use]
pub(super) fn own_timeout(kind: &str, timeout: Duration, allowed: Duration) -> Option<String> {
    (!timeout.is_zero() && timeout < allowed).then(|| {
        let limit = format_go_duration(timeout);
        format!("configured {kind} timeout reached ({limit})")
    })
}

/// The class of a status.
#[must_use]
pub(super) fn failure_reason(status: u16) -> FailureReason {
    match status {
        401 | 403 => FailureReason::AuthError,
        429 => FailureReason::RateLimited,
        400..=499 => FailureReason::ClientError,
        500..=599 => FailureReason::ServerError,
        _ => FailureReason::Other,
    }
}

pub(super) fn unexpected_status(response: &HttpResponse) -> String {
    let mut text = format!("unexpected status code {}: {REDACTED}", response.status);
    let body = quoted(&String::from_utf8_lossy(&response.body));
    if !body.is_empty() {
        text.push_str(": ");
        text.push_str(&body);
    }
    text
}

/// What a receiver said, for an error: on one line and not too long.
#[must_use]
pub(super) fn quoted(text: &str) -> String {
    let text = text.trim();
    let cut = text.floor_char_boundary(MAX_QUOTED_BODY);
    let shown = text[..cut].chars();
    let mut out: String = shown
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if cut < text.len() {
        out.push('…');
    }
    out
}

/// The verdict with `context` before its error, which names what was tried.
#[must_use]
pub(super) fn within(context: &str, verdict: Verdict) -> Verdict {
    let prefixed = |error: String| format!("{context}: {error}");
    match verdict {
        Verdict::Sent(receipt) => Verdict::Sent(receipt),
        Verdict::Retry {
            after,
            reason,
            error,
            ambiguous,
        } => Verdict::Retry {
            after,
            reason,
            error: prefixed(error),
            ambiguous,
        },
        Verdict::Permanent { reason, error } => Verdict::Permanent {
            reason,
            error: prefixed(error),
        },
    }
}

/// What time it is by the receiver's clock, or by ours if it does not say.
#[must_use]
pub(super) fn time_there(response: &HttpResponse) -> Timestamp {
    let date = response.header("date").and_then(http_date);
    date.unwrap_or(response.received_at)
}

/// Reads `Retry-After`, seconds or an HTTP date; a date counts from the receiver's own `Date`, so that skew is harmless.
#[must_use]
pub fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that overflow are a wait beyond any bound.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let until = http_date(value)?;
        until.since(time_there(response))
    };
    (!value.is_empty()).then(|| wait.min(MAX_RETRY_AFTER))
}

pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    parser
        .parse_timestamp(text.trim())
        .ok()
        .map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        HttpResponse {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
            received_at: Timestamp::from_unix(1_795_286_611, 0),
        }
    }

    #[test]
    fn sorts_status_codes_as_upstream_and_retries_429() {
        use FailureReason::{AuthError, ClientError, Other, RateLimited, ServerError};
        for (status, retried, expect) in [
            (500, true, ServerError),
            (503, true, ServerError),
            (429, true, RateLimited),
            (400, false, ClientError),
            (401, false, AuthError),
            (403, false, AuthError),
            (404, false, ClientError),
            (302, false, Other),
            (100, false, Other),
        ] {
            let error = format!("unexpected status code {status}: <redacted>");
            let reason = expect;
            let expect = if retried {
                Verdict::Retry {
                    after: None,
                    reason,
                    error,
                    ambiguous: false,
                }
            } else {
                Verdict::Permanent { reason, error }
            };
            assert_eq!(of_response(&response(status, &[], "")), expect);
        }
        for status in [200, 202, 204, 299] {
            assert_eq!(of_response(&response(status, &[], "no")), Verdict::sent());
        }
    }

    #[test]
    fn honours_retry_after() {
        let after = |headers: &[(&str, &str)]| retry_after(&response(429, headers, ""));
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[("retry-after", "7")]), seconds(7));
        assert_eq!(after(&[("retry-after", " 0 ")]), seconds(0));
        assert_eq!(after(&[("retry-after", "86400")]), seconds(3600));
        assert_eq!(
            after(&[("retry-after", "99999999999999999999999")]),
            seconds(3600)
        );
        assert_eq!(after(&[("retry-after", "")]), None);
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[("retry-after", "-5")]), None);
        let date = "Sat, 21 Nov 2026 18:43:41 GMT";
        assert_eq!(after(&[("retry-after", date)]), seconds(10));
        let skewed = ("date", "Sat, 21 Nov 2026 18:43:38 GMT");
        assert_eq!(after(&[skewed, ("retry-after", date)]), seconds(3));
        assert_eq!(
            after(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]),
            seconds(0)
        );
    }

    #[test]
    fn an_overloaded_server_is_left_alone_for_a_while() {
        let after = |status, seconds| {
            let verdict = of_response(&response(status, &[("retry-after", seconds)], ""));
            let Verdict::Retry { after, .. } = verdict else {
                panic!("{verdict:?}");
            };
            after
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(after(503, "7"), seconds(7));
        assert_eq!(after(503, "3600"), seconds(60));
        assert_eq!(after(429, "3600"), seconds(3600));
        assert_eq!(after(500, "7"), None);
    }

    #[test]
    fn quotes_bodies_on_one_line_and_cuts_them() {
        let long = format!("no\nway{}", "é".repeat(400));
        let Verdict::Permanent { error, .. } = of_response(&response(400, &[], &long)) else {
            panic!();
        };
        assert!(error.starts_with("unexpected status code 400: <redacted>: no wayé"));
        assert!(error.ends_with("é…"), "{error}");
        assert!(error.len() < 600);
    }
}
