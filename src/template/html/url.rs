//! Escapers for URLs: which schemes may pass, percent-encoding, and sets of images.

use std::borrow::Cow;

use super::{
    FAILSAFE,
    replace::{Table, push_hex},
};

/// What stands for a URL with a scheme that may do harm.
const UNSAFE: &str = "#ZgotmplZ";

/// All but what is unreserved.
static ESCAPED: Table = encoding(b"");

/// All but what is unreserved or delimits the parts of a URL; quotes and parentheses are encoded as well, so that the
/// URL can stand in a quoted string or in `url(…)`.
static NORMALIZED: Table = encoding(b"!#$&*+,/:;=?@[]%");

const fn encoding(kept: &[u8]) -> Table {
    let mut suspects = [0; 256];
    let mut byte = 0;
    let mut count = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "less than 256")]
        let value = byte as u8;
        let unreserved =
            value.is_ascii_alphanumeric() || matches!(value, b'-' | b'.' | b'_' | b'~');
        if !unreserved && (!contains(kept, value) || value == b'%') {
            suspects[count] = value;
            count += 1;
        }
        byte += 1;
    }
    let write: fn(&[u8], &mut String) -> usize = match kept.is_empty() {
        true => |rest, out| encode(rest, out),
        false => |rest, out| match rest {
            // What is encoded already stays.
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => 0,
            _ => encode(rest, out),
        },
    };
    Table::new(suspects.split_at(count).0, write)
}

const fn contains(bytes: &[u8], wanted: u8) -> bool {
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == wanted {
            return true;
        }
        i += 1;
    }
    false
}

/// Encodes the first character, all of its bytes.
fn encode(rest: &[u8], out: &mut String) -> usize {
    let length = 1 + rest[1..]
        .iter()
        .take_while(|byte| rest[0] >= 0xc0 && (**byte & 0xc0) == 0x80)
        .count();
    for byte in &rest[..length] {
        out.push('%');
        push_hex(*byte, out);
    }
    length
}

/// Encodes for a query or fragment.
pub(super) fn escape(text: Cow<'_, str>) -> Cow<'_, str> {
    ESCAPED.apply(text)
}

/// Encodes what may not stand in a URL.
pub(super) fn normalize(text: Cow<'_, str>) -> Cow<'_, str> {
    NORMALIZED.apply(text)
}

/// The URL, if following it cannot do more than to show another page or to begin an e-mail.
pub(super) fn filter(text: Cow<'_, str>) -> Cow<'_, str> {
    match is_safe(&text) {
        true => text,
        false => Cow::Borrowed(UNSAFE),
    }
}

fn is_safe(url: &str) -> bool {
    match url.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => ["http", "https", "mailto"]
            .iter()
            .any(|safe| fold_eq(scheme, safe)),
        _ => true,
    }
}

/// Equality as Go's `strings.EqualFold` sees it, for which the long s is an `s`.
fn fold_eq(text: &str, ascii: &str) -> bool {
    text.eq_ignore_ascii_case(ascii) || text.replace('ſ', "s").eq_ignore_ascii_case(ascii)
}

/// URLs of images with their widths or densities, separated by commas; each that is unsafe is replaced.
pub(super) fn image_set(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (i, image) in text.split(',').enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_image(image, &mut out);
    }
    out
}

fn push_image(image: &str, out: &mut String) {
    let is_space = |byte: u8| matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ');
    let bytes = image.as_bytes();
    let start = bytes
        .iter()
        .position(|byte| !is_space(*byte))
        .unwrap_or(bytes.len());
    let end = bytes[start..]
        .iter()
        .position(|byte| is_space(*byte))
        .map_or(bytes.len(), |at| start + at);
    let (url, size) = (&image[start..end], &image[end..]);
    let harmless = size
        .bytes()
        .all(|byte| is_space(byte) || byte.is_ascii_alphanumeric());
    if !harmless || !is_safe(url) {
        out.push('#');
        out.push_str(FAILSAFE);
        return;
    }
    out.push_str(&image[..start]);
    NORMALIZED.push(url, out);
    out.push_str(size);
}

/// One URL as a set of images.
pub(super) fn single_image(url: &str) -> String {
    normalize(Cow::Borrowed(url)).replace(',', "%2c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_encoded_as_go() {
        for (text, normalized, escaped) in [
            ("", "", ""),
            (
                "http://example.com:80/foo/bar?q=foo%20&bar=x+y#frag",
                "http://example.com:80/foo/bar?q=foo%20&bar=x+y#frag",
                "http%3a%2f%2fexample.com%3a80%2ffoo%2fbar%3fq%3dfoo%2520%26bar%3dx%2by%23frag",
            ),
            (
                " '()\"<>\\^`{|}",
                "%20%27%28%29%22%3c%3e%5c%5e%60%7b%7c%7d",
                "%20%27%28%29%22%3c%3e%5c%5e%60%7b%7c%7d",
            ),
            ("%zz%2%", "%25zz%252%25", "%25zz%252%25"),
            (
                "é日\0\u{7f}",
                "%c3%a9%e6%97%a5%00%7f",
                "%c3%a9%e6%97%a5%00%7f",
            ),
            (
                "!#$&*+,/:;=?@[]-._~aZ9",
                "!#$&*+,/:;=?@[]-._~aZ9",
                "%21%23%24%26%2a%2b%2c%2f%3a%3b%3d%3f%40%5b%5d-._~aZ9",
            ),
        ] {
            assert_eq!(normalize(Cow::Borrowed(text)), normalized, "{text}");
            assert_eq!(escape(Cow::Borrowed(text)), escaped, "{text}");
        }
    }

    #[test]
    fn schemes_are_filtered() {
        for safe in [
            "",
            "/x:y",
            "http://x",
            "HTTPS:x",
            "mailto:a",
            "MailTo:a",
            "x/javascript:1",
            "?a",
            "#",
            "//h",
            "httpſ:x",
        ] {
            assert_eq!(filter(Cow::Borrowed(safe)), safe);
        }
        for unsafe_ in [
            "javascript:1",
            "JavaScript:1",
            "x:",
            ":",
            "tel:1",
            "data:x",
            " http:x",
            "ftp:x",
            "http :x",
        ] {
            assert_eq!(filter(Cow::Borrowed(unsafe_)), UNSAFE, "{unsafe_}");
        }
    }

    #[test]
    fn sets_of_images_are_filtered_each() {
        for (text, written) in [
            ("", ""),
            ("a.png", "a.png"),
            (" a.png 2x , b c.png 100w,", " a.png 2x ,#ZgotmplZ,"),
            ("javascript:1 2x, /ok 3x", "#ZgotmplZ, /ok 3x"),
            ("a\"b 1x", "a%22b 1x"),
            ("a 1.5x", "#ZgotmplZ"),
            (",,", ",,"),
            ("\ta\n", "\ta\n"),
        ] {
            assert_eq!(image_set(text), written, "{text}");
        }
        assert_eq!(single_image("/a,b c"), "/a%2cb%20c");
    }
}
