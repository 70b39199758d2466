//! URLs, judged as Go's `url.Parse` judges them and kept as they are typed.

use std::{fmt, sync::Arc};

use super::{Codec, Cursor, Reader, secret::TOKEN};
use crate::{config::Secret, labels::go_quote, template, yaml::Value};

/// An HTTP or HTTPS URL; empty if none is set. A password in it is not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpUrl(Arc<str>);

impl HttpUrl {
    /// The URL with everything in it, for the wire only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With a slash at the end of its path, as upstream completes some of its URLs.
    pub(crate) fn with_slash(&self) -> Self {
        let end = self.0.find(['?', '#']).unwrap_or(self.0.len());
        let (path, rest) = self.0.split_at(end);
        if path.is_empty() || path.ends_with('/') {
            return self.clone();
        }
        Self(format!("{path}/{rest}").into())
    }
}

impl From<&str> for HttpUrl {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

/// The URL with `xxxxx` for its password, as Go's `URL.Redacted` prints it.
pub(crate) fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let user_and_password = authority
        .rsplit_once('@')
        .and_then(|(info, host)| Some((info.split_once(':')?.0, host)));
    match user_and_password {
        Some((user, host)) => format!("{scheme}://{user}:xxxxx@{host}{path}"),
        None => url.to_owned(),
    }
}

impl Codec for HttpUrl {
    type Value = Self;

    fn go_type() -> String {
        "common.URL".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, "string")?;
        match check_http(&text, false) {
            Ok(()) => Some(Self(text.into())),
            Err(message) => {
                reader.deny(node.position(), message);
                None
            }
        }
    }

    fn null() -> Self {
        Self::default()
    }

    fn print(url: &Self) -> Value {
        if url.is_empty() {
            Value::Null
        } else {
            Value::from(&*url.to_string())
        }
    }

    fn is_empty(url: &Self) -> bool {
        url.0.is_empty()
    }
}

/// A URL that is a secret as a whole; the token `<secret>` is taken, so that what is printed can be read again.
pub(crate) struct HiddenUrl;

impl Codec for HiddenUrl {
    type Value = Secret;

    fn go_type() -> String {
        "common.SecretURL".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Secret> {
        let text = reader.text(node, "string")?;
        if &*text != TOKEN
            && let Err(message) = check_http(&text, true)
        {
            reader.deny(node.position(), message);
            return None;
        }
        Some(Secret::new(text))
    }

    fn null() -> Secret {
        Secret::default()
    }

    fn print(url: &Secret) -> Value {
        Secret::print(url)
    }

    fn is_empty(url: &Secret) -> bool {
        url.is_empty()
    }

    fn secrets(url: &Secret, out: &mut Vec<Secret>) {
        out.push(url.clone());
    }
}

/// As [`HiddenUrl`], or a template that gives a URL.
pub(crate) struct TemplateUrl;

impl Codec for TemplateUrl {
    type Value = Secret;

    fn go_type() -> String {
        "config.plain".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Secret> {
        let text = reader.text(node, "config.plain")?;
        let checked = if text.is_empty() || &*text == TOKEN {
            Ok(())
        } else if text.contains("{{") {
            reader.note_secret_template(&text, node.position());
            template::check_syntax(&text)
                .map_err(|error| format!("invalid template syntax: {error}"))
        } else {
            check_http(&text, true).map_err(|error| format!("invalid URL: {error}"))
        };
        match checked {
            Ok(()) => Some(Secret::new(text)),
            Err(message) => {
                reader.deny(node.position(), message);
                None
            }
        }
    }

    fn null() -> Secret {
        Secret::default()
    }

    fn print(url: &Secret) -> Value {
        Secret::print(url)
    }

    fn is_empty(url: &Secret) -> bool {
        url.is_empty()
    }

    fn secrets(url: &Secret, out: &mut Vec<Secret>) {
        out.push(url.clone());
    }
}

/// The URL of a proxy, of any scheme; its password is hidden.
pub(crate) struct ProxyUrl;

impl Codec for ProxyUrl {
    type Value = Secret;

    fn go_type() -> String {
        "config.URL".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Secret> {
        let text = reader.text(node, "string")?;
        match Parts::parse(&text) {
            Ok(_) => Some(Secret::new(text)),
            Err(error) => {
                reader.deny(node.position(), error.message(&text, true));
                None
            }
        }
    }

    fn null() -> Secret {
        Secret::default()
    }

    fn print(url: &Secret) -> Value {
        Value::from(&*redact(url.reveal()))
    }

    fn is_empty(url: &Secret) -> bool {
        url.is_empty()
    }

    fn secrets(url: &Secret, out: &mut Vec<Secret>) {
        out.push(url.clone());
    }
}

/// Upstream's `ParseURL`. With `hidden`, nothing of the URL is in the message.
fn check_http(url: &str, hidden: bool) -> Result<(), String> {
    let parts = Parts::parse(url).map_err(|error| error.message(url, hidden))?;
    let scheme = parts.scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        let shown = if hidden && scheme.len() > 8 {
            "[REDACTED]"
        } else {
            &scheme
        };
        return Err(format!("unsupported scheme {} for URL", go_quote(shown)));
    }
    if parts.host.is_empty() {
        return Err("missing host for URL".to_owned());
    }
    Ok(())
}

struct Parts<'u> {
    scheme: &'u str,
    host: &'u str,
}

/// What Go says of a URL: a sentence, and a part of the URL that it quotes.
struct GoUrlError<'u> {
    before: &'static str,
    quoted: Option<&'u str>,
    after: &'static str,
}

impl<'u> GoUrlError<'u> {
    fn plain(before: &'static str) -> Self {
        Self {
            before,
            quoted: None,
            after: "",
        }
    }

    fn message(&self, url: &str, hidden: bool) -> String {
        let show = |text: &str| go_quote(if hidden { "[REDACTED]" } else { text });
        let quoted = self.quoted.map(show).unwrap_or_default();
        format!("parse {}: {}{quoted}{}", show(url), self.before, self.after)
    }
}

impl<'u> Parts<'u> {
    /// Go's `url.Parse` as far as it can fail, or decides on scheme and host.
    fn parse(url: &'u str) -> Result<Self, GoUrlError<'u>> {
        if url.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err(GoUrlError::plain(
                "net/url: invalid control character in URL",
            ));
        }
        let (without_fragment, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (scheme, rest) = split_scheme(without_fragment)?;
        let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
        let mut parts = Self { scheme, host: "" };
        let mut path = rest;
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                return Ok(parts);
            }
            if rest.split('/').next().is_some_and(|s| s.contains(':')) {
                return Err(GoUrlError::plain(
                    "first path segment in URL cannot contain colon",
                ));
            }
        } else if let Some(after) = rest.strip_prefix("//")
            && (!scheme.is_empty() || !after.starts_with('/'))
        {
            let end = after.find('/').unwrap_or(after.len());
            path = &after[end..];
            parts.host = host(&after[..end])?;
        }
        check_escapes(path)?;
        check_escapes(fragment)?;
        Ok(parts)
    }
}

fn split_scheme(url: &str) -> Result<(&str, &str), GoUrlError<'_>> {
    for (at, c) in url.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err(GoUrlError::plain("missing protocol scheme")),
            ':' => return Ok((&url[..at], &url[at + 1..])),
            _ => break,
        }
    }
    Ok(("", url))
}

fn host(authority: &str) -> Result<&str, GoUrlError<'_>> {
    let (info, host) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(info, host)| (Some(info), host));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if info.is_some_and(|info| !info.chars().all(allowed)) {
        return Err(GoUrlError::plain("net/url: invalid userinfo"));
    }
    check_escapes(info.unwrap_or_default())?;
    let port = if host.starts_with('[') {
        let Some(end) = host.rfind(']') else {
            return Err(GoUrlError::plain("missing ']' in host"));
        };
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if (!port.is_empty() && !port.starts_with(':')) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(GoUrlError {
            before: "invalid port ",
            quoted: Some(port),
            after: " after host",
        });
    }
    let strange = host.char_indices().find(|(_, c)| {
        c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.~!$&'()*+,;=:[]<>\"%".contains(*c)
    });
    match strange {
        Some((at, c)) => Err(GoUrlError {
            before: "invalid character ",
            quoted: Some(&host[at..at + c.len_utf8()]),
            after: " in host name",
        }),
        None => Ok(host),
    }
}

fn check_escapes(text: &str) -> Result<(), GoUrlError<'_>> {
    for (at, _) in text.match_indices('%') {
        let escape = text.get(at..(at + 3).min(text.len()));
        let hex =
            escape.is_some_and(|e| e.len() == 3 && e[1..].bytes().all(|b| b.is_ascii_hexdigit()));
        if !hex {
            return Err(GoUrlError {
                before: "invalid URL escape ",
                quoted: Some(escape.unwrap_or("%")),
                after: "",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_judged_as_go_does() {
        for (url, expect) in [
            ("http://a.b/c?d#e", Ok(())),
            ("HTTPS://a:8080", Ok(())),
            ("http://[::1]:80/x", Ok(())),
            ("http://u:p@a/", Ok(())),
            ("http://ex\u{e4}mple/", Ok(())),
            ("", Err("unsupported scheme \"\" for URL")),
            ("a.b/c", Err("unsupported scheme \"\" for URL")),
            ("ftp://a", Err("unsupported scheme \"ftp\" for URL")),
            ("http://", Err("missing host for URL")),
            ("http:a", Err("missing host for URL")),
            ("://a", Err("parse \"://a\": missing protocol scheme")),
            (
                "127.0.0.1:80",
                Err("parse \"127.0.0.1:80\": first path segment in URL cannot contain colon"),
            ),
            (
                "http://a:b/",
                Err("parse \"http://a:b/\": invalid port \":b\" after host"),
            ),
            (
                "http://a b/",
                Err("parse \"http://a b/\": invalid character \" \" in host name"),
            ),
            (
                "http://a/%zz",
                Err("parse \"http://a/%zz\": invalid URL escape \"%zz\""),
            ),
            (
                "http://[::1",
                Err("parse \"http://[::1\": missing ']' in host"),
            ),
        ] {
            assert_eq!(
                check_http(url, false),
                expect.map_err(str::to_owned),
                "{url}"
            );
        }
    }

    #[test]
    fn hidden_urls_stay_hidden() {
        for url in [
            "http://a:hunter2/",
            "http://hunter2 x/",
            "http://a/%hunter2",
            "hunter2hunter2:x",
            "http://user:hunter2@a:x/",
        ] {
            let message = check_http(url, true).expect_err(url);
            assert!(
                !message.contains("hunter2") && !message.contains("%hu"),
                "{message}"
            );
        }
        let url = HttpUrl::from("http://user:hunter2@a/b");
        assert_eq!(format!("{url:?}"), "http://user:xxxxx@a/b");
    }

    #[test]
    fn slashes() {
        for (url, expect) in [
            ("http://a", "http://a/"),
            ("http://a/b/", "http://a/b/"),
            ("http://a/b?c", "http://a/b/?c"),
        ] {
            assert_eq!(HttpUrl::from(url).with_slash().as_str(), expect);
        }
    }
}
