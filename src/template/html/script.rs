//! How text moves the context through JavaScript: strings, template literals, regular expressions, comments, and
//! whether the next `/` divides.

use super::{
    context::{Context, Slash, State},
    error::{EscapeError, quoted, quoted_beginning},
    tag::find,
};

/// How many `${` of template literals may be open within each other.
const MAX_LITERALS: usize = 64;

/// What ECMAScript counts as white space.
const WHITE_SPACE: &[char] = &[
    '\u{9}', '\u{a}', '\u{b}', '\u{c}', '\u{d}', ' ', '\u{a0}', '\u{1680}', '\u{2000}', '\u{2001}',
    '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}',
    '\u{200a}', '\u{2028}', '\u{2029}', '\u{202f}', '\u{205f}', '\u{3000}', '\u{feff}',
];

/// Words after which an expression begins.
const BEFORE_EXPRESSIONS: [&[u8]; 14] = [
    b"return",
    b"typeof",
    b"case",
    b"else",
    b"do",
    b"in",
    b"instanceof",
    b"void",
    b"delete",
    b"throw",
    b"try",
    b"finally",
    b"break",
    b"continue",
];

pub(super) fn code(mut c: Context, s: &[u8]) -> (Context, usize) {
    let Some(at) = s.iter().position(|byte| b"\"'`/{}<-#".contains(byte)) else {
        c.slash = slash_after(s, c.slash);
        return (c, s.len());
    };
    c.slash = slash_after(&s[..at], c.slash);
    let rest = &s[at..];
    let mut used = 1;
    let mut begins = |c: &mut Context, state, length| {
        c.state = state;
        used = length;
    };
    match s[at] {
        quote @ (b'"' | b'\'' | b'`') => {
            c.state = match quote {
                b'"' => State::JsDoubleQuoted,
                b'\'' => State::JsSingleQuoted,
                _ => State::JsTemplateLiteral,
            };
            c.slash = Slash::Regexp;
        }
        b'/' if rest.starts_with(b"//") => begins(&mut c, State::JsLineComment, 2),
        b'/' if rest.starts_with(b"/*") => begins(&mut c, State::JsBlockComment, 2),
        b'/' => match c.slash {
            Slash::Regexp => c.state = State::JsRegexp,
            Slash::Division => c.slash = Slash::Regexp,
            Slash::Unknown => {
                let message = format!(
                    "'/' could start a division or regexp: {}",
                    quoted_beginning(rest)
                );
                return (Context::failed(EscapeError::of_text(message)), s.len());
            }
        },
        // Browsers read `<!--` and `-->` in scripts, and `#!`, as the beginning of line comments.
        b'<' if rest.starts_with(b"<!--") => begins(&mut c, State::JsHtmlOpenComment, 4),
        b'-' if rest.starts_with(b"-->") => begins(&mut c, State::JsHtmlCloseComment, 3),
        b'#' if rest.starts_with(b"#!") => begins(&mut c, State::JsLineComment, 2),
        brace @ (b'{' | b'}') => count_brace(&mut c, brace),
        _ => {}
    }
    (c, at + used)
}

/// Braces count only within template literals, where one of them ends the expression.
fn count_brace(c: &mut Context, brace: u8) {
    if let Some(depth) = c.braces.last_mut() {
        match (brace, depth.checked_sub(1)) {
            (b'{', _) => *depth = depth.saturating_add(1),
            (_, Some(less)) => *depth = less,
            (_, None) => {
                c.braces.pop();
                c.state = State::JsTemplateLiteral;
                return;
            }
        }
    }
    c.slash = Slash::Regexp;
}

pub(super) fn template_literal(mut c: Context, s: &[u8]) -> (Context, usize) {
    let mut at = 0;
    while let Some(byte) = s.get(at) {
        match byte {
            b'\\' if at + 1 == s.len() => return (unfinished_escape(s), s.len()),
            b'\\' => at += 1,
            b'`' => {
                c.state = State::Js;
                return (c, at + 1);
            }
            b'$' if s.get(at + 1) == Some(&b'{') => {
                if c.braces.len() == MAX_LITERALS {
                    let message =
                        format!("more than {MAX_LITERALS} JS template literals within each other");
                    return (Context::failed(EscapeError::of_text(message)), s.len());
                }
                c.braces.push(0);
                c.state = State::Js;
                return (c, at + 2);
            }
            _ => {}
        }
        at += 1;
    }
    (c, s.len())
}

/// A quoted string or a regular expression, and what ends it.
pub(super) fn delimited(mut c: Context, s: &[u8], end: u8) -> (Context, usize) {
    let regexp = c.state == State::JsRegexp;
    let mut in_set = false;
    let mut at = 0;
    while let Some(&byte) = s.get(at) {
        match byte {
            b'\\' if at + 1 == s.len() => return (unfinished_escape(s), s.len()),
            b'\\' => at += 1,
            b'[' if regexp => in_set = true,
            b']' if regexp => in_set = false,
            // The text pass writes it as `\x3C/script`, which does not end the expression.
            b'/' if regexp && within_script_tag(s, at) => at += 1,
            _ if byte == end && !in_set => {
                c.state = State::Js;
                c.slash = Slash::Division;
                return (c, at + 1);
            }
            _ => {}
        }
        at += 1;
    }
    if in_set {
        let message = format!("unfinished JS regexp charset: {}", quoted(s));
        return (Context::failed(EscapeError::of_text(message)), s.len());
    }
    (c, s.len())
}

/// Whether the slash is that of `</script`.
fn within_script_tag(s: &[u8], slash: usize) -> bool {
    slash > 0
        && s.get(slash - 1..slash + 7)
            .is_some_and(|tag| tag.eq_ignore_ascii_case(b"</script"))
}

fn unfinished_escape(s: &[u8]) -> Context {
    Context::failed(EscapeError::of_text(format!(
        "unfinished escape sequence in JS string: {}",
        quoted(s)
    )))
}

/// A block comment, and what it stands in.
pub(super) fn block_comment(mut c: Context, s: &[u8], code: State) -> (Context, usize) {
    match find(s, b"*/") {
        Some(at) => {
            c.state = code;
            (c, at + 2)
        }
        None => (c, s.len()),
    }
}

/// A line comment, which the end of the line is not part of.
pub(super) fn line_comment(mut c: Context, s: &[u8]) -> (Context, usize) {
    match line_end(s) {
        Some(at) => {
            c.state = State::Js;
            (c, at)
        }
        None => (c, s.len()),
    }
}

/// Where the first line of a script ends.
pub(super) fn line_end(s: &[u8]) -> Option<usize> {
    s.iter().enumerate().position(|(at, byte)| match byte {
        b'\n' | b'\r' => true,
        0xe2 => matches!(s.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])),
        _ => false,
    })
}

/// What a `/` after these tokens begins; they hold no string, comment, regular expression or division.
///
/// One token is enough to tell, but for a few programs that nobody writes, such as `x = ++/foo/i`, and for `)` and `}`,
/// after which html/template takes the likelier meaning.
pub(super) fn slash_after(s: &[u8], before: Slash) -> Slash {
    let text = String::from_utf8_lossy(s);
    let s = text.trim_end_matches(WHITE_SPACE).as_bytes();
    let Some((&last, head)) = s.split_last() else {
        return before;
    };
    let begins_expression = match last {
        // `x++ /` divides, `x + /` does not, and `---` is `-- -`.
        b'+' | b'-' => s.iter().rev().take_while(|byte| **byte == last).count() % 2 == 1,
        // `42. /` divides.
        b'.' => !head.last().is_some_and(u8::is_ascii_digit),
        b',' | b'<' | b'>' | b'=' | b'*' | b'%' | b'&' | b'|' | b'^' | b'?' | b'!' | b'~'
        | b'(' | b'[' | b':' | b';' | b'{' | b'}' => true,
        _ => {
            let word = s.iter().rev().take_while(|byte| is_word(**byte)).count();
            BEFORE_EXPRESSIONS.contains(&&s[s.len() - word..])
        }
    };
    match begins_expression {
        true => Slash::Regexp,
        false => Slash::Division,
    }
}

/// Whether the byte may stand in a keyword or a number.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

/// Whether a `<script>` of that type holds a script, or JSON, which is escaped like one.
pub(super) fn is_script_type(mime_type: &[u8]) -> bool {
    let text = String::from_utf8_lossy(mime_type).to_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if matches!(
        essence,
        "" | "module"
            | "application/json"
            | "application/ld+json"
            | "text/jscript"
            | "text/livescript"
    ) {
        return true;
    }
    let language = ["application/", "text/"]
        .iter()
        .find_map(|kind| essence.strip_prefix(kind))
        .map(|language| language.strip_prefix("x-").unwrap_or(language));
    match language {
        Some("javascript" | "ecmascript") => true,
        Some(other) => {
            essence.starts_with("text/javascript1.")
                && matches!(other.as_bytes(), [.., b'1', b'.', b'0'..=b'5'])
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::html::text::transition;

    #[test]
    fn slashes_after_tokens() {
        let regexp = "; } { ( [ , : = == != ! ~ < > >= << * % & && | || ^ ? + - --- +++ += return typeof in do \
                      instanceof else x=- .";
        for tokens in regexp.split_ascii_whitespace() {
            for text in [
                tokens.to_owned(),
                format!("{tokens} \t\n"),
                format!("x {tokens}\u{2028}"),
            ] {
                assert_eq!(
                    slash_after(text.as_bytes(), Slash::Division),
                    Slash::Regexp,
                    "{text}"
                );
            }
        }
        let division = ") ] x 0 42 42. 1e3 $ _ foo xreturn return1 $in ++ -- x++ x-- é \" %x";
        for tokens in division.split_ascii_whitespace() {
            for text in [tokens.to_owned(), format!("{tokens} \u{a0}\u{feff}")] {
                assert_eq!(
                    slash_after(text.as_bytes(), Slash::Regexp),
                    Slash::Division,
                    "{text}"
                );
            }
        }
        for before in [Slash::Regexp, Slash::Division, Slash::Unknown] {
            assert_eq!(slash_after(b"", before), before);
            assert_eq!(
                slash_after(" \r\u{2029}\u{3000}".as_bytes(), before),
                before
            );
        }
    }

    #[test]
    fn types_of_scripts() {
        for script in [
            "",
            " ",
            "\t",
            "text/javascript",
            "TEXT/JavaScript; charset=utf-8",
            " application/x-ecmascript ",
            "application/json",
            "application/ld+json;x",
            "module",
            "text/javascript1.5",
            "text/x-javascript",
            "text/livescript",
        ] {
            assert!(is_script_type(script.as_bytes()), "{script}");
        }
        for other in [
            "text/html",
            "text/template",
            "application/javascript1.1",
            "text/javascript1.6",
            "text/ecmascript1.1",
            "text/x-javascript1.1",
            "application/jsonx",
            "importmap",
            "x-javascript",
            "golang/javascript",
        ] {
            assert!(!is_script_type(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn literals_end() {
        let after = |state, text: &str| {
            let (c, used) = transition(Context::of(state), text.as_bytes());
            (c.state, used)
        };
        for (state, text, expected) in [
            (State::JsDoubleQuoted, "a'b\\\"c\"d", (State::Js, 7)),
            (State::JsSingleQuoted, "a\"b]/[", (State::JsSingleQuoted, 6)),
            (State::JsSingleQuoted, "\\", (State::Error, 1)),
            (State::JsRegexp, "[/]\\/a/b", (State::Js, 7)),
            (State::JsRegexp, "[a", (State::Error, 2)),
            (State::JsRegexp, "a</script/", (State::Js, 10)),
            (State::JsTemplateLiteral, "a$`b", (State::Js, 3)),
            (State::JsTemplateLiteral, "\\`${x", (State::Js, 4)),
            (State::Js, "a <!-- b", (State::JsHtmlOpenComment, 6)),
            (State::Js, "a--> b", (State::JsHtmlCloseComment, 4)),
            (State::Js, "#!x", (State::JsLineComment, 2)),
            (State::Js, "a < b", (State::Js, 3)),
            (State::Js, "x/2", (State::Js, 2)),
            (State::Js, "=/2", (State::JsRegexp, 2)),
        ] {
            assert_eq!(after(state, text), expected, "{text}");
        }
    }
}
