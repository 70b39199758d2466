//! Quoted-printable text as Go's `mime/quotedprintable` writes it (RFC 2045, 6.7): lines of at most 76 characters.

const MAX_LINE: usize = 76;

/// Appends `text`. Each kind of line end becomes CRLF; the last line gets none.
pub(super) fn push(out: &mut String, text: &str) {
    let mut line = Line { out, used: 0 };
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    bytes.next_if_eq(&b'\n');
                }
                line.protect_last();
                line.end();
            }
            b'\t' | b' '..=b'~' if byte != b'=' => line.plain(byte),
            _ => line.encoded(byte),
        }
    }
    line.protect_last();
}

struct Line<'a> {
    out: &'a mut String,
    /// Characters of the line so far.
    used: usize,
}

impl Line<'_> {
    fn plain(&mut self, byte: u8) {
        if self.used == MAX_LINE - 1 {
            self.soft_break();
        }
        self.out.push(char::from(byte));
        self.used += 1;
    }

    fn encoded(&mut self, byte: u8) {
        if MAX_LINE - 1 - self.used < 3 {
            self.soft_break();
        }
        push_hex(self.out, byte);
        self.used += 3;
    }

    fn soft_break(&mut self) {
        self.out.push('=');
        self.end();
    }

    fn end(&mut self) {
        self.out.push_str("\r\n");
        self.used = 0;
    }

    /// White space at the end of a line is lost on the way, unless it is encoded.
    fn protect_last(&mut self) {
        if self.used == 0 {
            return;
        }
        if let Some(last @ (' ' | '\t')) = self.out.chars().next_back() {
            self.out.pop();
            self.used -= 1;
            self.encoded(if last == ' ' { b' ' } else { b'\t' });
        }
    }
}

/// Appends `=` and two digits.
pub(super) fn push_hex(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('=');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(text: &str) -> String {
        let mut out = String::new();
        push(&mut out, text);
        out
    }

    /// Decodes; used by other tests too.
    pub(in super::super) fn decode(text: &str) -> String {
        let mut out = Vec::new();
        for line in text.split("\r\n") {
            let soft = line.strip_suffix('=');
            let mut bytes = soft.unwrap_or(line).bytes();
            while let Some(byte) = bytes.next() {
                if byte == b'=' {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    out.push(u8::from_str_radix(digits, 16).unwrap());
                } else {
                    out.push(byte);
                }
            }
            if soft.is_none() {
                out.extend(b"\r\n");
            }
        }
        out.truncate(out.len() - 2);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn encodes_as_go() {
        for (text, expect) in [
            ("", ""),
            ("foo bar", "foo bar"),
            ("foo bar=", "foo bar=3D"),
            ("foo bar\r", "foo bar\r\n"),
            ("foo bar\r\r", "foo bar\r\n\r\n"),
            ("foo bar\n", "foo bar\r\n"),
            ("foo bar\r\n", "foo bar\r\n"),
            ("foo bar ", "foo bar=20"),
            ("foo bar\t", "foo bar=09"),
            ("foo bar  ", "foo bar =20"),
            ("foo bar \n", "foo bar=20\r\n"),
            ("foo bar \r\n", "foo bar=20\r\n"),
            ("résumé", "r=C3=A9sum=C3=A9"),
            ("\0\x7f", "=00=7F"),
            (".\n..", ".\r\n.."),
        ] {
            assert_eq!(encode(text), expect, "{text:?}");
        }
        assert_eq!(encode(&"a".repeat(75)), "a".repeat(75));
        assert_eq!(encode(&"a".repeat(76)), "a".repeat(75) + "=\r\na");
        // Room for a whole triple, or none of it.
        assert_eq!(encode(&("a".repeat(72) + "=")), "a".repeat(72) + "=3D");
        assert_eq!(encode(&("a".repeat(73) + "=")), "a".repeat(73) + "=\r\n=3D");
        assert_eq!(encode(&("a".repeat(74) + " ")), "a".repeat(74) + "=\r\n=20");
    }

    proptest! {
        #[test]
        fn lines_are_short_and_nothing_is_lost(text in "(?s)[ -~]{0,90}|(\\PC|[ \t\n=.é]){0,300}") {
            let encoded = encode(&text);
            for line in encoded.split("\r\n") {
                prop_assert!(line.len() <= 76);
                prop_assert!(!line.ends_with([' ', '\t']));
                prop_assert!(line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')));
            }
            prop_assert_eq!(decode(&encoded), text.replace('\n', "\r\n"));
        }
    }
}
