//! Go's string and character literals (`strconv.Unquote`).

/// The text of a literal in double quotes or back quotes. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn unquote(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('`') {
        // Go drops carriage returns of raw strings.
        return Some(raw.strip_suffix('`')?.replace('\r', ""));
    }
    let mut rest = literal.strip_prefix('"')?.strip_suffix('"')?;
    if !rest.contains('\\') {
        return (!rest.contains('"')).then(|| rest.to_owned());
    }
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        rest = match unquote_char(rest, '"')? {
            (Unit::Char(c), rest) => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest
            }
            (Unit::Byte(byte), rest) => {
                bytes.push(byte);
                rest
            }
        };
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What one escape stands for.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Char(char),
    Byte(u8),
}

/// The first character of the inside of a literal, and what follows it (`strconv.UnquoteChar`).
pub(super) fn unquote_char(text: &str, quote: char) -> Option<(Unit, &str)> {
    let first = text.chars().next()?;
    let rest = &text[first.len_utf8()..];
    if first == quote {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Char(first), rest));
    }
    let kind = rest.chars().next()?;
    let rest = &rest[kind.len_utf8()..];
    let plain = match kind {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        '\'' | '"' if kind == quote => kind,
        'x' => {
            let byte = u8::try_from(digits(rest, 2, 16)?).ok()?;
            return Some((Unit::Byte(byte), &rest[2..]));
        }
        'u' => {
            return Some((
                Unit::Char(char::from_u32(digits(rest, 4, 16)?)?),
                &rest[4..],
            ));
        }
        'U' => {
            return Some((
                Unit::Char(char::from_u32(digits(rest, 8, 16)?)?),
                &rest[8..],
            ));
        }
        '0'..='7' => {
            let octal = &text[1..];
            let byte = u8::try_from(digits(octal, 3, 8)?).ok()?;
            return Some((Unit::Byte(byte), &octal[3..]));
        }
        _ => return None,
    };
    Some((Unit::Char(plain), rest))
}

/// The number that exactly `count` digits make.
fn digits(text: &str, count: usize, radix: u32) -> Option<u32> {
    let digits = text.get(..count)?;
    let valid = digits.chars().all(|c| c.is_digit(radix));
    valid
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_literals_as_go() {
        for (literal, expect) in [
            ("\"a\\tb\\\"\\u00e9\\x41\\101\"", Some("a\tb\"éAA")),
            ("\"\\xff\"", Some("\u{fffd}")),
            ("`a\\n\r\"`", Some("a\\n\"")),
            ("\"\\'\"", None),
            ("\"\\q\"", None),
            ("\"\\ud800\"", None),
            ("\"\\400\"", None),
        ] {
            assert_eq!(unquote(literal).as_deref(), expect, "{literal}");
        }
    }
}
