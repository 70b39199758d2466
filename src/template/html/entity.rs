//! Character references of HTML, decoded as Go's `html.UnescapeString` decodes them.

/// Every name of the HTML standard with its characters in hexadecimal, sorted by the bytes of the names.
const NAMED: &str = include_str!("entities.txt");

/// The longest name that HTML knows without a semicolon.
const LONGEST_BARE: usize = 6;

/// What the numbers from 0x80 to 0x9f mean: Windows-1252.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '\u{2dc}', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The text with its character references replaced.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'&') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let used = reference(rest, &mut out);
        if used == 0 {
            out.push(b'&');
            rest = &rest[1..];
        } else {
            rest = &rest[used..];
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Appends what the reference at the beginning of `text` stands for; how long the reference is, 0 if it is none.
fn reference(text: &[u8], out: &mut Vec<u8>) -> usize {
    match text {
        [b'&', b'#', ..] => numeric(text, out),
        _ => named(text, out),
    }
}

fn numeric(text: &[u8], out: &mut Vec<u8>) -> usize {
    if text.len() <= 3 {
        return 0;
    }
    let (radix, first) = match text[2] {
        b'x' | b'X' => (16, 3),
        _ => (10, 2),
    };
    let digits = text[first..]
        .iter()
        .take_while(|byte| char::from(**byte).is_digit(radix))
        .count();
    let mut end = first + digits;
    if text.get(end) == Some(&b';') {
        end += 1;
    }
    // As in Go, a single digit without a semicolon is text, and `&#x;` is the number 0.
    if end <= 3 {
        return 0;
    }
    let code = text[first..first + digits].iter().fold(0u32, |code, byte| {
        code.saturating_mul(radix)
            .saturating_add(char::from(*byte).to_digit(radix).unwrap_or(0))
    });
    let c = match code {
        0x80..=0x9f => WINDOWS_1252[(code - 0x80) as usize],
        0 => char::REPLACEMENT_CHARACTER,
        _ => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    push(c, out);
    end
}

fn named(text: &[u8], out: &mut Vec<u8>) -> usize {
    let letters = text[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let mut end = 1 + letters;
    if text.get(end) == Some(&b';') {
        end += 1;
    }
    let whole = &text[1..end];
    let shorter = whole.len().saturating_sub(1).min(LONGEST_BARE);
    std::iter::once(whole.len())
        .chain((2..=shorter).rev())
        .find_map(|length| find(&whole[..length]).map(|characters| (length, characters)))
        .map_or(0, |(length, characters)| {
            for code in characters.split_ascii_whitespace() {
                let c = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                push(c.expect("the table holds characters"), out);
            }
            1 + length
        })
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The characters of a name, in hexadecimal.
fn find(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return None;
    }
    let table = NAMED.as_bytes();
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = table[..middle]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let line = NAMED[start..].lines().next()?;
        let (known, characters) = line.split_once(' ')?;
        match known.as_bytes().cmp(name) {
            std::cmp::Ordering::Equal => return Some(characters),
            std::cmp::Ordering::Less => low = start + line.len() + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_name() {
        for line in NAMED.lines() {
            let (name, characters) = line.split_once(' ').unwrap();
            assert_eq!(find(name.as_bytes()), Some(characters), "{name}");
        }
        assert_eq!(NAMED.lines().count(), 2231);
        for unknown in ["", "A", "zzz;", "AElig;;", "quo", "quot;x"] {
            assert_eq!(find(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    fn decodes_as_go() {
        for (text, decoded) in [
            ("", ""),
            ("plain", "plain"),
            ("&quot;a&quot;", "\"a\""),
            ("&quotient;", "\"ient;"),
            ("&amp;amp;", "&amp;"),
            ("&#34;&#x22;&#X27;", "\"\"'"),
            ("&#128;&#x99;", "€™"),
            (
                "&#0;&#xd800;&#1114112;&#99999999999999;",
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("&#;&#x;&#1 &#xg&#", "&#;\u{fffd}&#1 &#xg&#"),
            ("&", "&"),
            ("& &;&unknown;", "& &;&unknown;"),
            ("&lt&gt", "<>"),
            ("&notit;", "¬it;"),
            ("&notin;", "∉"),
            ("&fjlig;", "fj"),
            ("&lpar;&colon;&sol;", "(:/"),
        ] {
            assert_eq!(
                String::from_utf8(unescape(text.as_bytes())).unwrap(),
                decoded,
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_decoded(text in "[&#x;0-9a-zA-Z é]{0,40}") {
            unescape(text.as_bytes());
        }
    }
}
