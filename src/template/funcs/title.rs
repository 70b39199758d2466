//! Title case as `golang.org/x/text/cases` has it for American English.

/// Each word begins with a capital, and the rest of it is small.
pub(super) fn title(text: &str) -> String {
    capitalized(text, true)
}

/// Each word begins with a capital, and the rest of it stays (`cases.NoLower`).
pub(super) fn title_keeping(text: &str) -> String {
    capitalized(text, false)
}

fn capitalized(text: &str, lower: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    let mut before_was_mid = false;
    for c in text.chars() {
        if is_mid(c) {
            // Within a word it binds, but not two of them.
            in_word = in_word && !before_was_mid;
            before_was_mid = true;
            out.push(c);
            continue;
        }
        before_was_mid = false;
        if c.is_alphabetic() && is_cased(c) {
            if in_word && lower {
                out.extend(c.to_lowercase());
            } else if in_word {
                out.push(c);
            } else {
                push_title(&mut out, c);
            }
            in_word = true;
            continue;
        }
        let binds = c.is_alphanumeric() || c == '_' || is_mark(c);
        in_word = in_word && binds;
        out.push(c);
    }
    out
}

fn is_cased(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase()
}

/// Combining marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200d}' | '\u{ad}')
}

/// What may stand between the letters of one word (Unicode's MidLetter and MidNumLet).
fn is_mid(c: char) -> bool {
    matches!(
        c,
        '\'' | '.' | ':' | '\u{b7}' | '\u{2018}' | '\u{2019}' | '\u{2024}' | '\u{2027}'
    )
}

fn push_title(out: &mut String, c: char) {
    match c {
        'ß' => out.push_str("Ss"),
        'ǆ' | 'ǅ' | 'Ǆ' => out.push('ǅ'),
        'ǉ' | 'ǈ' | 'Ǉ' => out.push('ǈ'),
        'ǌ' | 'ǋ' | 'Ǌ' => out.push('ǋ'),
        c => out.extend(c.to_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_with_a_capital() {
        for (text, expect) in [
            ("hello world", "Hello World"),
            ("HELLO wORLD", "Hello World"),
            ("foo_bar foo-bar foo.bar", "Foo_bar Foo-Bar Foo.bar"),
            ("it's 3com a..b", "It's 3Com A..B"),
            ("éa ß", "Éa Ss"),
            ("", ""),
        ] {
            assert_eq!(title(text), expect, "{text}");
        }
    }
}
