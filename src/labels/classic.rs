//! The classic matcher syntax (`pkg/labels/parse.go` of Alertmanager v0.34), tolerant of missing quotes and braces.

use super::{MatchOp, Matcher, MatchersParseError};

/// Parses `name op value`; the value may be in double quotes.
pub(super) fn parse_matcher(text: &str) -> Result<Matcher, MatchersParseError> {
    let bad_format = || MatchersParseError(format!("bad matcher format: {text}"));
    let trimmed = text.trim_matches(is_space);
    let name_end = trimmed
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(trimmed.len());
    let (name, rest) = trimmed.split_at(name_end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad_format());
    }
    let rest = rest.trim_start_matches(is_space);
    let (op, raw) = [
        MatchOp::Regex,
        MatchOp::Equal,
        MatchOp::NotEqual,
        MatchOp::NotRegex,
    ]
    .into_iter()
    .find_map(|op| Some((op, rest.strip_prefix(op.as_str())?)))
    .ok_or_else(bad_format)?;
    let value = unescape(raw.trim_matches(is_space))?;
    Matcher::new(op, name, &value).map_err(|error| MatchersParseError(error.to_string()))
}

/// Parses matchers between commas, with or without a brace on either side.
pub(super) fn parse_matchers(text: &str) -> Result<Vec<Matcher>, MatchersParseError> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts.into_iter().map(parse_matcher).collect()
}

/// White space as Go's `\s` has it.
fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ')
}

/// Takes off the quotes and reads `\"`, `\n` and `\\`; other backslashes stand for themselves.
fn unescape(raw: &str) -> Result<String, MatchersParseError> {
    let unescaped_quote = || {
        MatchersParseError(format!(
            "matcher value contains unescaped double quote: {raw}"
        ))
    };
    let (inner, mut open) = match raw.strip_prefix('"') {
        Some(inner) => (inner, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            '"' if open && chars.as_str().is_empty() => open = false,
            '"' => return Err(unescaped_quote()),
            c => value.push(c),
        }
    }
    if open {
        return Err(unescaped_quote());
    }
    Ok(value)
}
