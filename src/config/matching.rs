//! How routes, inhibition rules and mentions say what they match: `match`, `match_re` and `matchers`.

use std::collections::BTreeMap;

use super::read::{Codec, Cursor, Reader};
use crate::{
    labels::{MatchOp, Matcher, MatcherMode, go_quote, is_valid_label_name, parse_matchers_warned},
    yaml::Value,
};

/// `matchers`: a list of texts that each hold one matcher or several. Kept sorted, as upstream does.
pub(crate) struct Matchers;

impl Codec for Matchers {
    type Value = Vec<Matcher>;

    fn go_type() -> String {
        Vec::<String>::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Vec<Matcher>> {
        let lines = Vec::<MatcherLine>::read(node, reader)?;
        let mut matchers: Vec<Matcher> = lines.into_iter().flatten().collect();
        matchers.sort();
        Some(matchers)
    }

    fn null() -> Vec<Matcher> {
        Vec::new()
    }

    fn print(matchers: &Vec<Matcher>) -> Value {
        let texts = matchers
            .iter()
            .map(|matcher| Value::from(&*matcher.to_string()));
        Value::Sequence(texts.collect())
    }

    fn is_empty(matchers: &Vec<Matcher>) -> bool {
        matchers.is_empty()
    }
}

/// One text of `matchers`.
struct MatcherLine;

impl Codec for MatcherLine {
    type Value = Vec<Matcher>;

    fn go_type() -> String {
        String::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Vec<Matcher>> {
        let line = reader.text(node, "string")?;
        match parse_matchers_warned(&line, reader.env.matchers) {
            Ok((matchers, warning)) => {
                if let Some(warning) = warning {
                    reader.warn(node.position(), warning.to_string());
                }
                Some(matchers)
            }
            Err(error) => {
                reader.deny(node.position(), error.to_string());
                None
            }
        }
    }

    fn null() -> Vec<Matcher> {
        Vec::new()
    }

    fn print(_matchers: &Vec<Matcher>) -> Value {
        Value::Null
    }

    fn is_empty(matchers: &Vec<Matcher>) -> bool {
        matchers.is_empty()
    }
}

/// `match_re`: patterns by label.
pub(crate) struct Patterns;

impl Codec for Patterns {
    type Value = BTreeMap<String, String>;

    fn go_type() -> String {
        "common.plain".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
        let patterns = BTreeMap::<String, Option<Pattern>>::read(node, reader)?;
        let mut found = BTreeMap::new();
        for (label, pattern) in patterns {
            if !is_valid_label_name(&label, MatcherMode::Classic) {
                let label = go_quote(&label);
                reader.deny(node.position(), format!("invalid label name {label}"));
                continue;
            }
            match pattern {
                Some(pattern) => {
                    found.insert(label, pattern);
                }
                None => {
                    let label = go_quote(&label);
                    reader.deny(node.position(), format!("invalid regexp value for {label}"));
                }
            }
        }
        Some(found)
    }

    fn null() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn print(patterns: &BTreeMap<String, String>) -> Value {
        BTreeMap::<String, String>::print(patterns)
    }

    fn is_empty(patterns: &BTreeMap<String, String>) -> bool {
        patterns.is_empty()
    }
}

/// A pattern that compiles.
struct Pattern;

impl Codec for Pattern {
    type Value = String;

    fn go_type() -> String {
        String::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let pattern = reader.text(node, "string")?.into_owned();
        match Matcher::new(MatchOp::Regex, "", &pattern) {
            Ok(_) => Some(pattern),
            Err(error) => {
                reader.deny(node.position(), error.to_string());
                None
            }
        }
    }

    fn null() -> String {
        String::new()
    }

    fn print(pattern: &String) -> Value {
        Value::from(&**pattern)
    }

    fn is_empty(pattern: &String) -> bool {
        pattern.is_empty()
    }
}

/// The matchers of `match` and `match_re`, then those of `matchers`.
pub(crate) fn together(
    equal: &BTreeMap<String, String>,
    patterns: &BTreeMap<String, String>,
    matchers: &[Matcher],
) -> Vec<Matcher> {
    let equal = equal
        .iter()
        .filter_map(|(label, value)| Matcher::new(MatchOp::Equal, label, value).ok());
    // Upstream anchors these twice, and group keys show it (`lv.String()` in dispatch/route.go).
    let patterns = patterns.iter().filter_map(|(label, pattern)| {
        Matcher::new(MatchOp::Regex, label, &format!("^(?:{pattern})$")).ok()
    });
    equal
        .chain(patterns)
        .chain(matchers.iter().cloned())
        .collect()
}

/// Notes names of labels that upstream's classic syntax does not take.
pub(crate) fn check_classic_names<'l>(
    labels: impl Iterator<Item = &'l String>,
    at: super::read::Position,
    reader: &mut Reader<'_>,
) {
    for label in labels {
        if !is_valid_label_name(label, MatcherMode::Classic) {
            reader.deny(at, format!("invalid label name {}", go_quote(label)));
        }
    }
}
