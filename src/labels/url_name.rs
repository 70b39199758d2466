//! Names of labels in the path of an address, where a slash cannot stand: `U__http_2e_status` is `http.status`
//! (`ValueEncodingEscaping` of `prometheus/common`).

use std::fmt::Write as _;

use super::{MatcherMode, is_valid_label_name};

/// What says that a name is escaped.
const PREFIX: &str = "U__";

/// Digits of a character at most, as in Go.
const MOST_DIGITS: usize = 5;

/// The name that part of a path stands for; what is not escaped as it should be stands for itself.
#[must_use]
pub fn name_of_path(part: &str) -> String {
    let escaped = part.strip_prefix(PREFIX);
    let name = escaped.and_then(unescaped);
    name.unwrap_or_else(|| part.to_owned())
}

fn unescaped(mut rest: &str) -> Option<String> {
    let mut name = String::with_capacity(rest.len());
    while let Some((plain, after)) = rest.split_once('_') {
        name.push_str(plain);
        let (digits, after) = after.split_once('_')?;
        match digits {
            "" => name.push('_'),
            digits if digits.len() > MOST_DIGITS || digits.starts_with('+') => return None,
            digits => name.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?),
        }
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

/// A name as part of a path that leads nowhere else: a plain one as it is, others with their bytes escaped, and those
/// that would still not be one part of a path as Prometheus escapes them.
#[must_use]
pub fn path_of_name(name: &str) -> String {
    let dots = name.chars().all(|c| c == '.');
    if dots || name.contains(['/', '\\']) || name.starts_with(PREFIX) {
        return escaped(name);
    }
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':') {
            part.push(char::from(byte));
        } else {
            let _ = write!(part, "%{byte:02X}");
        }
    }
    part
}

fn escaped(name: &str) -> String {
    let mut part = PREFIX.to_owned();
    for (at, c) in name.chars().enumerate() {
        let digit = c.is_ascii_digit() && at > 0;
        if c == '_' {
            part.push_str("__");
        } else if c.is_ascii_alphabetic() || c == ':' || digit {
            part.push(c);
        } else {
            let _ = write!(part, "_{:x}_", u32::from(c));
        }
    }
    part
}

/// Whether a server that knows only the names of before UTF-8 can have such a label.
#[must_use]
pub fn is_classic_name(name: &str) -> bool {
    is_valid_label_name(name, MatcherMode::Classic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_unescaped_as_prometheus_does() {
        for (part, name) in [
            ("job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__http_2E_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U__", ""),
            ("U___1f600_", "\u{1f600}"),
            // What is not escaped as it should be.
            ("U__a_", "U__a_"),
            ("U__a_2e", "U__a_2e"),
            ("U__a_xy_", "U__a_xy_"),
            ("U__a_+2e_", "U__a_+2e_"),
            ("U__a_d800_", "U__a_d800_"),
            ("U__a_00002e_", "U__a_00002e_"),
        ] {
            assert_eq!(name_of_path(part), name, "{part}");
        }
    }

    #[test]
    fn plain_names_stay_and_others_are_escaped() {
        for (name, part) in [
            ("job", "job"),
            ("http.status", "http.status"),
            ("a?b", "a%3Fb"),
            ("ö%", "%C3%B6%25"),
            ("..", "U___2e__2e_"),
            ("a/../b_1", "U__a_2f__2e__2e__2f_b__1"),
            ("U__x", "U__U____x"),
            ("1/", "U___31__2f_"),
        ] {
            assert_eq!(path_of_name(name), part, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_part_of_a_path_and_comes_back(name in "[a-c1_./\\\\?#%é😀U]{1,8}") {
            let part = path_of_name(&name);
            let one = !part.contains(['/', '?', '#', '\\']) && !part.chars().all(|c| c == '.');
            prop_assert!(one && part.is_ascii(), "{part}");
            let decoded = percent_encoding::percent_decode_str(&part).decode_utf8().unwrap();
            prop_assert_eq!(name_of_path(&decoded), name);
        }
    }
}
