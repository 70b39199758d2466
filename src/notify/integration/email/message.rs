//! The bytes of a mail: header fields, then its parts as alternatives.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use super::{header, quoted_printable};
use crate::time::Timestamp;

/// Fields that say how the body is written; ours is written so.
const OWN_FIELDS: [&str; 3] = ["Content-Type", "Content-Transfer-Encoding", "Mime-Version"];

/// What a mail is made of.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// Rendered, by canonical name.
    pub(super) headers: &'a BTreeMap<String, String>,
    /// Names the notification; 32 letters and digits.
    pub(super) key: &'a str,
    /// The domain of the sender.
    pub(super) domain: &'a str,
    /// The mail that stands for the thread.
    pub(super) thread: Option<&'a str>,
    /// When it is sent.
    pub(super) at: Timestamp,
    /// Plain text; none if `None`.
    pub(super) text: Option<&'a str>,
    /// HTML; none if `None`.
    pub(super) html: Option<&'a str>,
}

impl Message<'_> {
    /// The mail, its lines ending in CRLF.
    pub(super) fn write(&self) -> String {
        let text = self.text.map_or(0, str::len);
        let html = self.html.map_or(0, str::len);
        let mut out = String::with_capacity(2048 + (text + html) * 9 / 8);
        let boundary = boundary(self.key);
        self.push_headers(&mut out, &boundary);
        if let Some(text) = self.text {
            push_part(&mut out, &boundary, "text/plain", text);
        }
        // The last alternative is preferred (RFC 2046, 5.1.4).
        if let Some(html) = self.html {
            push_part(&mut out, &boundary, "text/html", html);
        }
        if self.text.is_none() && self.html.is_none() {
            push_part(&mut out, &boundary, "text/plain", "");
        }
        let _ = write!(out, "--{boundary}--\r\n");
        out
    }

    fn push_headers(&self, out: &mut String, boundary: &str) {
        for (name, value) in self.headers {
            if header::is_name(name) && !OWN_FIELDS.contains(&&**name) {
                header::push(out, name, value);
            }
        }
        if !self.headers.contains_key("Message-Id") {
            header::push(
                out,
                "Message-Id",
                &format!("<{}@{}>", self.key, self.domain),
            );
        }
        if let Some(thread) = self.thread {
            header::push(out, "References", thread);
            header::push(out, "In-Reply-To", thread);
        }
        if !self.headers.contains_key("Date") {
            header::push(out, "Date", &date(self.at));
        }
        let _ = write!(
            out,
            "Content-Type: multipart/alternative;  boundary={boundary}\r\nMIME-Version: 1.0\r\n\r\n"
        );
    }
}

/// Not to be guessed by who makes alerts, and the same for each attempt.
fn boundary(key: &str) -> String {
    let mut out = String::with_capacity(60);
    for byte in Sha256::digest(format!("boundary {key}")).iter().take(30) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Go's `RFC1123Z`.
fn date(at: Timestamp) -> String {
    at.to_jiff()
        .strftime("%a, %d %b %Y %H:%M:%S +0000")
        .to_string()
}

fn push_part(out: &mut String, boundary: &str, kind: &str, text: &str) {
    let _ = write!(
        out,
        "--{boundary}\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\
         Content-Type: {kind}; charset=UTF-8\r\n\r\n"
    );
    quoted_printable::push(out, text);
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn message(headers: &[(&str, &str)], text: Option<&str>, html: Option<&str>) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Message {
            headers: &headers,
            key: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
            domain: "example.org",
            thread: None,
            at: Timestamp::parse("2026-11-21T18:55:02.9Z").unwrap(),
            text,
            html,
        }
        .write()
    }

    #[test]
    fn whole_mails() {
        let mail = message(
            &[
                ("From", "a@example.org"),
                ("Mime-Version", "7"),
                ("X:Y", "no"),
            ],
            Some("text é\n"),
            Some("<p>\n.\n</p>"),
        );
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']));
        expect![[r#"
            From: a@example.org
            Message-Id: <ABCDEFGHIJKLMNOPQRSTUVWXYZ234567@example.org>
            Date: Sat, 21 Nov 2026 18:55:02 +0000
            Content-Type: multipart/alternative;  boundary=edec0c019db348e84939b05c43da798ba3b39555252ed31e667bc87781f7
            MIME-Version: 1.0

            --edec0c019db348e84939b05c43da798ba3b39555252ed31e667bc87781f7
            Content-Transfer-Encoding: quoted-printable
            Content-Type: text/plain; charset=UTF-8

            text =C3=A9

            --edec0c019db348e84939b05c43da798ba3b39555252ed31e667bc87781f7
            Content-Transfer-Encoding: quoted-printable
            Content-Type: text/html; charset=UTF-8

            <p>
            .
            </p>
            --edec0c019db348e84939b05c43da798ba3b39555252ed31e667bc87781f7--
        "#]].assert_eq(&mail.replace("\r\n", "\n"));
    }

    #[test]
    fn users_headers_win_but_for_those_of_the_body() {
        let mail = message(
            &[
                ("Message-Id", "<x@y>"),
                ("Date", "today"),
                ("Content-Type", "text/html"),
            ],
            None,
            None,
        );
        let head = mail.split("\r\n\r\n").next().unwrap();
        assert!(head.starts_with("Date: today\r\nMessage-Id: <x@y>\r\nContent-Type: multipart/"));
        assert_eq!(head.matches("Date:").count(), 1);
        // Without any part a mail would be malformed.
        assert_eq!(mail.matches("Content-Type: text/plain").count(), 1);
    }
}
