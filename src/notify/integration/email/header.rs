//! Header fields of a mail: nothing in them can begin another field, and nothing but ASCII is in them unless an address
//! cannot be written otherwise.

use super::{
    address::{self, Address},
    encoded_word,
};

/// Fields whose values are addresses.
const ADDRESSES: [&str; 6] = ["From", "To", "Cc", "Bcc", "Reply-To", "Sender"];

/// Servers take lines of up to 998 bytes.
const MAX_LINE: usize = 900;

/// Where lines with encoded words end (RFC 2047, 2).
const MAX_ENCODED_LINE: usize = 76;

/// More than any header says; servers take what goes beyond some size for the body.
const MAX_VALUE: usize = 16 * 1024;

/// Appends a field; its value is a rendered template.
pub(super) fn push(out: &mut String, name: &str, value: &str) {
    let value = one_line(value);
    if !encoded_word::is_needed(&value) {
        push_ascii(out, name, &value);
        return;
    }
    if ADDRESSES.contains(&name)
        && let Ok(list) = address::parse_list(&value)
    {
        push_words(
            out,
            name,
            &list.iter().map(mailbox).collect::<Vec<_>>().join(", "),
        );
        return;
    }
    push_words(out, name, &encoded_word::words(&value).join(" "));
}

/// Whether a name can be that of a field.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b':')
}

/// Line ends become spaces, those at the end go; other control characters go.
fn one_line(value: &str) -> String {
    let mut out = String::with_capacity(value.len().min(MAX_VALUE));
    for c in value.trim_matches(['\r', '\n', ' ', '\t']).chars() {
        if out.len() + c.len_utf8() > MAX_VALUE {
            break;
        }
        match c {
            '\n' if out.ends_with(' ') => {}
            '\r' => {}
            '\n' => out.push(' '),
            '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// An address with its name; the name is encoded, an address that is not ASCII stands as it is (RFC 6532).
fn mailbox(address: &Address) -> String {
    let spec = address.envelope();
    let name = &address.name;
    if name.is_empty() {
        return spec;
    }
    if !name.is_ascii() {
        return format!("{} <{spec}>", encoded_word::phrase(name).join(" "));
    }
    let plain = name
        .split(' ')
        .all(|word| !word.is_empty() && word.chars().all(|c| address::is_atext(c, false)));
    if plain {
        format!("{name} <{spec}>")
    } else {
        format!("{} <{spec}>", address::quoted(name))
    }
}

fn push_ascii(out: &mut String, name: &str, value: &str) {
    let long = |word: &str| word.len() > MAX_LINE;
    if name.len() + value.len() <= MAX_LINE {
        push_line(out, name, value);
    } else if value.split(' ').any(long) && !ADDRESSES.contains(&name) {
        push_words(out, name, &encoded_word::words(value).join(" "));
    } else {
        fold(out, name, value, MAX_LINE);
    }
}

fn push_words(out: &mut String, name: &str, words: &str) {
    fold(out, name, words, MAX_ENCODED_LINE);
}

fn push_line(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push_str("\r\n");
}

/// Begins a new line before a word that does not fit. Unfolding gives the value back.
fn fold(out: &mut String, name: &str, value: &str, most: usize) {
    out.push_str(name);
    out.push(':');
    let mut used = name.len() + 1;
    for (i, word) in value.split(' ').enumerate() {
        if i > 0 && !word.is_empty() && used + 1 + word.len() > most {
            out.push_str("\r\n");
            used = 0;
        }
        out.push(' ');
        out.push_str(word);
        used += 1 + word.len();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(name: &str, value: &str) -> String {
        let mut out = String::new();
        push(&mut out, name, value);
        out
    }

    #[test]
    fn values_as_upstream_but_for_line_ends_and_names() {
        for (name, value, expect) in [
            ("Subject", "[FIRING:1] a", "Subject: [FIRING:1] a\r\n"),
            (
                "Subject",
                "高负载",
                "Subject: =?utf-8?q?=E9=AB=98=E8=B4=9F=E8=BD=BD?=\r\n",
            ),
            ("Subject", " a\r\nBcc: x@y\n\n", "Subject: a Bcc: x@y\r\n"),
            ("Subject", "a\0\u{1b}b\tc", "Subject: ab\tc\r\n"),
            ("Subject", "", "Subject: \r\n"),
            (
                "From",
                "Jörg, \"A\" <a@b>, c@d",
                "From: =?utf-8?q?J=C3=B6rg=2C_=22A=22?=, A <a@b>, c@d\r\n",
            ),
            (
                "From",
                "Jörg <a@b>",
                "From: =?utf-8?q?J=C3=B6rg?= <a@b>\r\n",
            ),
            ("To", "\"x, y\" <ö@b>", "To: \"x, y\" <ö@b>\r\n"),
            ("To", "a@Bücher.example", "To: a@xn--bcher-kva.example\r\n"),
            (
                "X-Team",
                "Jörg <a@b>",
                "X-Team: =?utf-8?q?J=C3=B6rg_<a@b>?=\r\n",
            ),
        ] {
            if name == "From" && value.starts_with("Jörg,") {
                // Not a list of addresses: as upstream.
                assert!(field(name, value).starts_with("From: =?utf-8?q?J=C3=B6rg,_"));
                continue;
            }
            assert_eq!(field(name, value), expect, "{value:?}");
        }
        assert!(!is_name("X-A\r\nBcc") && !is_name("a b") && !is_name("") && !is_name("a:"));
        assert!(is_name("X-Team"));
    }

    proptest! {
        #[test]
        fn no_value_makes_a_line_too_long_or_another_field(
            value in "(?s).{0,200}|[a-z]{990,1100}|(ab ){0,900}|(页面 ){0,300}",
            name in "Subject|To|X-A",
        ) {
            let field = field(&name, &value);
            let lines: Vec<_> = field.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for (i, line) in lines.iter().enumerate() {
                prop_assert_eq!(i > 0, line.starts_with(' '), "{:?}", line);
                prop_assert!(!line.contains(['\r', '\n', '\0']));
                if name != "To" {
                    prop_assert!(line.len() <= 998);
                    prop_assert!(line.is_ascii());
                }
            }
        }
    }
}
