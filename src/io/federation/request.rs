//! Requests of the HTTP API, without their server: a question in the dialect of an endpoint.

use std::{sync::Arc, time::Duration};

use super::question::{Ask, Times};
use crate::config::{EndpointConfig, EndpointKind};

/// Longer queries go as forms: servers and proxies bound the length of a line.
const LONGEST_LINE: usize = 1024;

/// A request without its server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// What follows `/api/v1/`.
    pub(super) path: String,
    pub(super) form: String,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            form: String::new(),
        }
    }

    /// Parameters in the line, or in the body if the line would be long.
    pub(super) fn of_form(path: &str, form: String) -> Self {
        if form.len() <= LONGEST_LINE {
            return Self::get(format!("{path}?{form}"));
        }
        Self {
            method: "POST",
            path: path.to_owned(),
            form,
        }
    }
}

impl Ask {
    /// The request to an endpoint of this kind, which may take `left` for it and is told what its file says, as [`told`] writes
    /// it.
    pub(super) fn request(&self, kind: EndpointKind, left: Duration, told: &str) -> Request {
        // What is asked is most of it, with some characters as three.
        let mut form = String::with_capacity(self.query.len() * 2 + 64);
        form.push_str("query=");
        push_encoded(&mut form, &self.query);
        let path = match self.times {
            Times::At(at) | Times::Window { to: at, .. } => {
                push_time(&mut form, "time", at);
                "query"
            }
            Times::Grid { start, end, step } => {
                push_time(&mut form, "start", start);
                push_time(&mut form, "end", end);
                push_time(&mut form, "step", step);
                "query_range"
            }
        };
        let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        push_time(&mut form, "timeout", left.max(1));
        match kind {
            EndpointKind::VictoriaMetrics => form.push_str("&nocache=1&deny_partial_response=1"),
            EndpointKind::Thanos => {
                push_time(&mut form, "lookback_delta", self.lookback);
                form.push_str("&dedup=true&partial_response=false");
                form.push_str(told);
            }
            EndpointKind::Prometheus | EndpointKind::Auto => {
                push_time(&mut form, "lookback_delta", self.lookback);
            }
            EndpointKind::Cortex | EndpointKind::Mimir => {}
        }
        form.push_str(&self.further);
        Request::of_form(path, form)
    }
}

/// Parameters as they are put at the end of a form.
pub(super) fn further(params: &[(String, String)]) -> Arc<str> {
    let mut form = String::new();
    for (name, value) in params {
        form.push('&');
        push_encoded(&mut form, name);
        form.push('=');
        push_encoded(&mut form, value);
    }
    form.into()
}

/// What a Thanos is told in each request: how coarse its samples may be, and what tells replicas apart.
pub(super) fn told(config: &EndpointConfig) -> String {
    let mut form = String::new();
    let resolution = config.max_source_resolution.as_millis();
    let resolution = i64::try_from(resolution).unwrap_or(i64::MAX);
    push_time(&mut form, "max_source_resolution", resolution);
    for label in &config.replica_labels {
        form.push_str("&replicaLabels%5B%5D=");
        push_encoded(&mut form, label);
    }
    form
}

/// Milliseconds as seconds.
pub(super) fn seconds(millis: i64) -> String {
    let mut text = String::new();
    push_seconds(&mut text, millis);
    text
}

fn push_seconds(text: &mut String, millis: i64) {
    if millis < 0 {
        text.push('-');
    }
    let millis = millis.unsigned_abs();
    push_digits(text, millis / 1000, 1);
    let rest = millis % 1000;
    if rest > 0 {
        text.push('.');
        push_digits(text, rest, 3);
    }
}

/// Appends a number with at least so many digits: without what formatting can do besides, which costs more than the digits.
fn push_digits(text: &mut String, number: u64, least: usize) {
    let mut shown = [b'0'; 20];
    let (mut from, mut left) = (shown.len(), number);
    while left > 0 || shown.len() - from < least {
        from -= 1;
        let digit = u8::try_from(left % 10).unwrap_or_default();
        shown[from] += digit;
        left /= 10;
    }
    text.push_str(std::str::from_utf8(&shown[from..]).unwrap_or_default());
}

/// Appends a parameter that is a time or a duration in seconds.
fn push_time(form: &mut String, name: &str, millis: i64) {
    form.push('&');
    form.push_str(name);
    form.push('=');
    push_seconds(form, millis);
}

/// Bytes that forms have as they are (`application/x-www-form-urlencoded`).
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        let mark = matches!(byte, b'*' | b'-' | b'.' | b'_');
        plain[byte as usize] = mark || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

/// Appends a value as forms have it: as `url` does, at a tenth of the cost.
fn push_encoded(form: &mut String, value: &str) {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
    for run in value
        .as_bytes()
        .split_inclusive(|byte| !PLAIN[usize::from(*byte)])
    {
        let (last, plain) = match run.split_last() {
            Some((last, plain)) if !PLAIN[usize::from(*last)] => (Some(*last), plain),
            _ => (None, run),
        };
        form.push_str(std::str::from_utf8(plain).unwrap_or_default());
        match last {
            None => {}
            Some(b' ') => form.push('+'),
            Some(other) => {
                form.push('%');
                form.push(digit(other >> 4).to_ascii_uppercase());
                form.push(digit(other & 15).to_ascii_uppercase());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(times: Times) -> Ask {
        Ask {
            query: "up{a=\"b c\"}".into(),
            times,
            ..Ask::nothing(0, 300_000)
        }
    }

    #[test]
    fn requests_by_dialect() {
        let left = Duration::from_millis(1500);
        let at = ask(Times::At(1_500)).request(EndpointKind::Prometheus, left, "");
        assert_eq!(
            (at.method, &*at.path),
            (
                "GET",
                "query?query=up%7Ba%3D%22b+c%22%7D&time=1.500&timeout=1.500&lookback_delta=300"
            )
        );
        let grid = Times::Grid {
            start: -1,
            end: 14,
            step: 15,
        };
        let grid = ask(grid).request(EndpointKind::VictoriaMetrics, left, "");
        assert_eq!(
            grid.path,
            "query_range?query=up%7Ba%3D%22b+c%22%7D&start=-0.001&end=0.014&step=0.015&timeout=1.500\
             &nocache=1&deny_partial_response=1"
        );
        let mut config = EndpointConfig::default();
        let thanos = |config: &EndpointConfig| {
            ask(Times::At(0)).request(EndpointKind::Thanos, left, &told(config))
        };
        let plain = thanos(&config).path;
        let wanted =
            "&lookback_delta=300&dedup=true&partial_response=false&max_source_resolution=0";
        assert!(plain.ends_with(wanted), "{plain}");
        config.max_source_resolution = Duration::from_millis(300_500);
        config.replica_labels = vec!["a".to_owned(), "b c".to_owned()];
        let full = thanos(&config).path;
        let wanted = "&max_source_resolution=300.500&replicaLabels%5B%5D=a&replicaLabels%5B%5D=b+c";
        assert!(full.ends_with(wanted), "{full}");
        let params = [("nocache", "1"), ("extra_label", "a=b c")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let more = Ask {
            further: further(&params),
            ..ask(Times::At(0))
        };
        let more = more.request(EndpointKind::Mimir, left, "");
        assert!(
            more.path.ends_with("&nocache=1&extra_label=a%3Db+c"),
            "{}",
            more.path
        );
        let long = Ask {
            query: "a".repeat(2000).into(),
            ..ask(Times::At(0))
        };
        let long = long.request(EndpointKind::Mimir, left, "");
        assert_eq!((long.method, &*long.path), ("POST", "query"));
        assert!(long.form.starts_with("query=aaa"));
    }

    #[test]
    fn values_are_encoded_as_in_forms() {
        let all: String = (0..0x180_u32).filter_map(char::from_u32).collect();
        let mut form = String::new();
        push_encoded(&mut form, &all);
        let expect: String = url::form_urlencoded::byte_serialize(all.as_bytes()).collect();
        assert_eq!(form, expect);
    }
}
