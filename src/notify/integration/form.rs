//! Form values as Go's `url.Values.Encode` writes them: sorted by name, spaces as `+`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What Go's `url.QueryEscape` escapes, but for the space.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Writes the pairs as a query or as the body of a form.
pub(super) fn encode<K: AsRef<str>, V: AsRef<str>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> String {
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
    let mut out = String::new();
    for (name, value) in &pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&escape(name.as_ref()));
        out.push('=');
        out.push_str(&escape(value.as_ref()));
    }
    out
}

/// Escapes one name or value.
fn escape(text: &str) -> String {
    // A percent sign of the text itself is `%25` by then.
    percent(text).replace("%20", "+")
}

/// Likewise, spaces too as `%20`.
pub(super) fn percent(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_go() {
        let pairs = [
            ("message", "a b\n\"é\"~-_.*+%20/?:@&=;,$!'()"),
            ("device", ""),
            ("title", "[FIRING:1]"),
        ];
        assert_eq!(
            encode(pairs),
            "device=&message=a+b%0A%22%C3%A9%22~-_.%2A%2B%2520%2F%3F%3A%40%26%3D%3B%2C%24%21%27%28%29\
             &title=%5BFIRING%3A1%5D"
        );
    }
}
