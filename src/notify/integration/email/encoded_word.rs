//! Encoded words of headers (RFC 2047), as Go's `mime.QEncoding` makes them.

use super::quoted_printable::push_hex;

/// 75, less `=?utf-8?q?` and `?=`.
const MAX_CONTENT: usize = 63;

/// Whether a text cannot stand in a header as it is.
pub(super) fn is_needed(text: &str) -> bool {
    text.chars().any(|c| !matches!(c, ' '..='~') && c != '\t')
}

/// The words that stand for `text`, to be separated by white space that does not count.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let length = match c {
            '=' | '?' | '_' => 3,
            ' '..='~' => 1,
            _ => 3 * c.len_utf8(),
        };
        if word.len() + length > MAX_CONTENT {
            words.push(finish(&word));
            word.clear();
        }
        push(&mut word, c);
    }
    words.push(finish(&word));
    words
}

fn push(word: &mut String, c: char) {
    match c {
        ' ' => word.push('_'),
        '=' | '?' | '_' => push_bytes(word, c),
        '!'..='~' => word.push(c),
        _ => push_bytes(word, c),
    }
}

fn push_bytes(word: &mut String, c: char) {
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        push_hex(word, byte);
    }
}

fn finish(word: &str) -> String {
    format!("=?utf-8?q?{word}?=")
}

/// Words for a display name, where only letters, digits and `!*+-/` may stand as they are (RFC 2047, 5).
pub(super) fn phrase(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let before = word.len();
        match c {
            ' ' => word.push('_'),
            '0'..='9' | 'A'..='Z' | 'a'..='z' | '!' | '*' | '+' | '-' | '/' => word.push(c),
            _ => push_bytes(&mut word, c),
        }
        if word.len() > MAX_CONTENT {
            let last = word.split_off(before);
            words.push(finish(&word));
            word = last;
        }
    }
    words.push(finish(&word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_go() {
        for (text, expect) in [
            (
                "François-Jérôme",
                "=?utf-8?q?Fran=C3=A7ois-J=C3=A9r=C3=B4me?=",
            ),
            ("é =?_", "=?utf-8?q?=C3=A9_=3D=3F=5F?="),
            ("\u{7f}", "=?utf-8?q?=7F?="),
        ] {
            assert!(is_needed(text));
            assert_eq!(words(text).join(" "), expect);
        }
        assert!(!is_needed("[FIRING:1] a=b?_\t~"));
        // Characters are not split: 10 of 6 each, then 3 bytes do not fit into 3 places.
        assert_eq!(
            words(&"é".repeat(11)).join(" "),
            format!("=?utf-8?q?{}?= =?utf-8?q?=C3=A9?=", "=C3=A9".repeat(10))
        );
        for word in words(&"页面 a".repeat(50))
            .iter()
            .chain(&phrase(&"页,".repeat(50)))
        {
            assert!(word.len() <= 75, "{word}");
        }
        assert_eq!(
            phrase("Jörg, (x)").join(" "),
            "=?utf-8?q?J=C3=B6rg=2C_=28x=29?="
        );
    }
}
