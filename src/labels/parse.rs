//! Parses matchers in Alertmanager's three modes (`matcher/compat` of v0.34): classic, UTF-8, and both with fallback.

use std::fmt;

use super::{Matcher, classic, utf8};

/// Which matcher syntax is taken (`--enable-feature=classic-mode`, `utf8-strict-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatcherMode {
    /// The old syntax and old label names only.
    Classic,
    /// Both; where they disagree the old one wins, with a warning.
    #[default]
    Fallback,
    /// The new syntax only.
    Utf8Strict,
}

/// A text is not a matcher, in the words of Alertmanager's parser for the mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatchersParseError(pub String);

/// A text that was taken but should be written in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchersWarning {
    /// Only the classic parser takes the text.
    Incompatible {
        /// What the UTF-8 parser says.
        error: String,
        /// The same matchers as both parsers take them.
        suggestion: String,
    },
    /// Both parsers take the text with different results; the classic one counts.
    Disagreement {
        /// The matchers that count, as both parsers take them.
        suggestion: String,
    },
}

impl fmt::Display for MatchersWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incompatible { error, suggestion } => write!(
                f,
                "only the classic matchers parser takes this; write {suggestion} (the UTF-8 parser: {error})"
            ),
            Self::Disagreement { suggestion } => write!(
                f,
                "matchers input has disagreement; the classic matchers parser counts, write {suggestion}"
            ),
        }
    }
}

/// Parses one matcher and logs its warning, if any.
///
/// # Errors
/// With the message of Alertmanager's parser.
pub fn parse_matcher(text: &str, mode: MatcherMode) -> Result<Matcher, MatchersParseError> {
    let (matcher, warning) = parse_matcher_warned(text, mode)?;
    log(text, warning.as_ref());
    Ok(matcher)
}

/// Parses a list of matchers, with or without braces, and logs its warning, if any.
///
/// # Errors
/// With the message of Alertmanager's parser.
pub fn parse_matchers(text: &str, mode: MatcherMode) -> Result<Vec<Matcher>, MatchersParseError> {
    let (matchers, warning) = parse_matchers_warned(text, mode)?;
    log(text, warning.as_ref());
    Ok(matchers)
}

/// Parses one matcher and hands its warning to the caller.
///
/// # Errors
/// With the message of Alertmanager's parser.
pub fn parse_matcher_warned(
    text: &str,
    mode: MatcherMode,
) -> Result<(Matcher, Option<MatchersWarning>), MatchersParseError> {
    if mode != MatcherMode::Classic && (text.starts_with('{') || text.ends_with('}')) {
        return Err(MatchersParseError(format!(
            "unexpected open or close brace: {text}"
        )));
    }
    parse_in_mode(
        text,
        mode,
        classic::parse_matcher,
        utf8::parse_matcher,
        ToString::to_string,
    )
}

/// Parses a list of matchers, with or without braces, and hands its warning to the caller.
///
/// # Errors
/// With the message of Alertmanager's parser.
pub fn parse_matchers_warned(
    text: &str,
    mode: MatcherMode,
) -> Result<(Vec<Matcher>, Option<MatchersWarning>), MatchersParseError> {
    parse_in_mode(
        text,
        mode,
        classic::parse_matchers,
        utf8::parse_matchers,
        |matchers| {
            let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            texts.join(",")
        },
    )
}

fn parse_in_mode<T: PartialEq>(
    text: &str,
    mode: MatcherMode,
    classic: fn(&str) -> Result<T, MatchersParseError>,
    utf8: fn(&str) -> Result<T, MatchersParseError>,
    print: fn(&T) -> String,
) -> Result<(T, Option<MatchersWarning>), MatchersParseError> {
    match mode {
        MatcherMode::Classic => Ok((classic(text)?, None)),
        MatcherMode::Utf8Strict => Ok((utf8(text)?, None)),
        MatcherMode::Fallback => match (utf8(text), classic(text)) {
            (Err(_), Err(error)) => Err(error),
            (Err(MatchersParseError(error)), Ok(old)) => {
                let suggestion = print(&old);
                Ok((
                    old,
                    Some(MatchersWarning::Incompatible { error, suggestion }),
                ))
            }
            (Ok(new), Ok(old)) if new != old => {
                let suggestion = print(&old);
                Ok((old, Some(MatchersWarning::Disagreement { suggestion })))
            }
            (Ok(new), _) => Ok((new, None)),
        },
    }
}

fn log(input: &str, warning: Option<&MatchersWarning>) {
    match warning {
        None => {}
        Some(MatchersWarning::Incompatible { error, suggestion }) => tracing::warn!(
            input,
            err = error,
            suggestion,
            "matchers are taken by the classic parser only, quote all values and escape backslashes"
        ),
        Some(MatchersWarning::Disagreement { suggestion }) => {
            tracing::warn!(input, suggestion, "Matchers input has disagreement");
        }
    }
}

/// Whether `name` may name a label in this mode (classic names, or any UTF-8 text that is not empty).
#[must_use]
pub fn is_valid_label_name(name: &str, mode: MatcherMode) -> bool {
    match mode {
        MatcherMode::Classic => {
            let mut chars = name.chars();
            chars
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        }
        MatcherMode::Fallback | MatcherMode::Utf8Strict => !name.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::labels::MatchOp;

    fn shown(text: &str, mode: MatcherMode) -> String {
        match parse_matchers(text, mode) {
            Ok(matchers) => {
                let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
                texts.join(",")
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn classic_lists() {
        for (text, expect) in [
            ("", ""),
            ("{}", ""),
            (
                "{foo = \"bar\", dings != \"bums\", }",
                r#"foo="bar",dings!="bums""#,
            ),
            ("foo=bar,dings!~bums", r#"foo="bar",dings!~"bums""#),
            (r#"q="a, \"b\"""#, r#"q="a, \"b\"""#),
            (r"a=b\c\", r#"a="b\\c\\""#),
            (r#"a="x\ny\\""#, r#"a="x\ny\\""#),
            ("a:b=c", r#"a:b="c""#),
            ("foo==bar", r#"foo="=bar""#),
            ("foo=", r#"foo="""#),
            ("foo= \t x y \n", r#"foo="x y""#),
            (",", "error: bad matcher format: "),
            ("a=1,,b=2", "error: bad matcher format: "),
            ("foo", "error: bad matcher format: foo"),
            ("1a=b", "error: bad matcher format: 1a=b"),
            (" {a=b}", "error: bad matcher format: {a=b"),
            (
                "a=\"b",
                "error: matcher value contains unescaped double quote: \"b",
            ),
            (
                "a=b\"c",
                "error: matcher value contains unescaped double quote: b\"c",
            ),
            (
                "a=\"b\"c",
                "error: matcher value contains unescaped double quote: \"b\"c",
            ),
            (
                r#"a="b\""#,
                r#"error: matcher value contains unescaped double quote: "b\""#,
            ),
            (
                "a=~(",
                "error: error parsing regexp: missing closing ): `^(?:()$`",
            ),
        ] {
            assert_eq!(shown(text, MatcherMode::Classic), expect, "{text}");
        }
    }

    #[test]
    fn utf8_lists() {
        for (text, expect) in [
            ("", ""),
            ("{}", ""),
            ("{foo=bar}", r#"foo="bar""#),
            (" { foo != bar , } ", r#"foo!="bar""#),
            ("foo=bar,", r#"foo="bar""#),
            (r#"{"foo bar"=~"a\u00e9\x41"}"#, r#""foo bar"=~"aéA""#),
            ("🙂=🙂", "🙂=\"🙂\""),
            ("a:b=c:d", r#"a:b="c:d""#),
            (r#"foo="""#, r#"foo="""#),
            (",", "error: 0:1: unexpected ,: expected label name"),
            ("{,}", "error: 1:2: unexpected ,: expected label name"),
            ("{", "error: 0:1: end of input: expected close brace"),
            ("}", "error: 0:1: }: expected opening brace"),
            ("foo=bar}", "error: 0:8: }: expected opening brace"),
            ("{foo=bar", "error: 0:8: end of input: expected close brace"),
            (
                "{foo=bar,",
                "error: 0:9: end of input: expected close brace",
            ),
            (
                "{foo=:\"bar\"}",
                "error: 6:11: unexpected \"bar\": expected a comma or close brace",
            ),
            ("{foo=\"bar\\w\"}", "error: 5:12: \"bar\\w\": invalid input"),
            (
                "{foo=bar\\n}",
                "error: 8:9: \\: invalid input: expected a comma or close brace",
            ),
            (
                r#"{"foo"="\xf0\x9f"}"#,
                r#"error: 7:17: "\xf0\x9f": invalid input"#,
            ),
            (
                "foo",
                "error: end of input: expected an operator such as '=', '!=', '=~' or '!~'",
            ),
            ("foo=", "error: end of input: expected label value"),
            (
                "foo=bar,,",
                "error: 8:9: unexpected ,: expected a matcher or close brace after comma",
            ),
            ("{foo=bar} baz", "error: 10:13: baz: expected end of input"),
            (
                "foo!bar",
                "error: 3:4: !: expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'",
            ),
            (
                "foo!",
                "error: 3:4: unexpected end of input, expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'",
            ),
            (
                "foo=\"bar",
                "error: 4:8: \"bar: missing end \": expected label value",
            ),
            ("'foo'=bar", "error: 0:1: ': invalid input"),
            (
                "é=~(",
                "error: failed to create matcher: error parsing regexp: missing closing ): `^(?:()$`",
            ),
        ] {
            assert_eq!(shown(text, MatcherMode::Utf8Strict), expect, "{text}");
        }
    }

    #[test]
    fn one_matcher() {
        let shown = |text: &str, mode| match parse_matcher(text, mode) {
            Ok(matcher) => matcher.to_string(),
            Err(error) => format!("error: {error}"),
        };
        for (text, classic, strict) in [
            ("foo=bar", r#"foo="bar""#, r#"foo="bar""#),
            ("", "error: bad matcher format: ", "error: no matchers"),
            (
                "a=b,c=d",
                r#"a="b,c=d""#,
                "error: expected 1 matcher, found 2",
            ),
            (
                "{a=b}",
                "error: bad matcher format: {a=b}",
                "error: unexpected open or close brace: {a=b}",
            ),
        ] {
            assert_eq!(shown(text, MatcherMode::Classic), classic, "{text}");
            assert_eq!(shown(text, MatcherMode::Utf8Strict), strict, "{text}");
        }
    }

    #[test]
    fn fallback_takes_both_and_warns() {
        let warned = |text: &str| parse_matchers_warned(text, MatcherMode::Fallback);
        for text in [
            "foo=bar",
            "{foo=\"bar\"}",
            "\"foo bar\"=1",
            "🙂=a",
            "a!~\"x|y\"",
        ] {
            assert_eq!(warned(text).unwrap().1, None, "{text}");
        }
        let (matchers, warning) = warned(r#"foo=~"a\d",b=c d"#).unwrap();
        assert_eq!((matchers.len(), matchers[0].value()), (2, r"a\d"));
        let Some(MatchersWarning::Incompatible { error, suggestion }) = warning else {
            panic!("{warning:?}")
        };
        assert_eq!(error, r#"5:10: "a\d": invalid input"#);
        assert_eq!(suggestion, r#"foo=~"a\\d",b="c d""#);
        assert_eq!(warned(&suggestion).unwrap(), (matchers, None));

        let (matchers, warning) = warned(r#"foo="\x41""#).unwrap();
        assert_eq!(matchers[0].value(), r"\x41");
        let suggestion = r#"foo="\\x41""#.to_owned();
        assert_eq!(warning, Some(MatchersWarning::Disagreement { suggestion }));

        assert_eq!(
            warned("{foo").unwrap_err().to_string(),
            "bad matcher format: foo"
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(
            name in "[a-z \"{}=é'\\\\\n\u{1}\u{200b}]{1,5}",
            value in "[a-z \"{},=é'\\\\\n\t\u{1}\u{200b}|*]{0,8}",
            op in 0..4usize,
        ) {
            let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex][op];
            if let Ok(matcher) = Matcher::new(op, &name, &value) {
                let text = matcher.to_string();
                for mode in [MatcherMode::Fallback, MatcherMode::Utf8Strict] {
                    let (parsed, warning) = parse_matchers_warned(&text, mode).unwrap();
                    prop_assert_eq!(warning, None);
                    prop_assert_eq!(&parsed, std::slice::from_ref(&matcher), "{}", text);
                }
            }
        }

        #[test]
        fn classic_names_are_read_classically(name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,5}", value in "\\PC{0,8}") {
            let matcher = Matcher::new(MatchOp::Equal, &name, &value).unwrap();
            for text in [matcher.to_string(), format!("{{ {matcher} , }}")] {
                prop_assert_eq!(parse_matchers(&text, MatcherMode::Classic), Ok(vec![matcher.clone()]));
            }
        }

        #[test]
        fn no_text_panics(text in "[a-c{}=!~,\"'\\\\ \n\té(|*]{0,12}") {
            for mode in [MatcherMode::Classic, MatcherMode::Fallback, MatcherMode::Utf8Strict] {
                let _ = parse_matchers_warned(&text, mode);
                let _ = parse_matcher_warned(&text, mode);
            }
        }
    }
}
