//! The configuration printed again, with defaults filled in and secrets hidden, for `/api/v2/status`.
//!
//! The YAML is what `yaml.v2` writes, but for lines beyond 80 columns, which it folds: texts that would mean something
//! else without quotes get double ones, texts that could not stand without quotes get single ones.

use super::{file::RawConfig, read::Section};
use crate::yaml::{Resolved, Value, resolve};

/// Prints a file as upstream's `Config.String` does: the keys in the order of its structs.
pub(crate) fn print(raw: &RawConfig) -> String {
    let mut keys = Vec::new();
    raw.print_keys(&mut keys);
    let mut out = String::new();
    mapping(&keys, 0, &mut out);
    out
}

/// Keys whose lists upstream marks `flow`.
const FLOW_KEYS: [&str; 4] = ["weekdays", "days_of_month", "months", "years"];

/// Prints a mapping; the cursor stands where its first key goes.
fn mapping(entries: &[(Value, Value)], indent: usize, out: &mut String) {
    for (i, (key, value)) in entries.iter().enumerate() {
        if i > 0 {
            pad(indent, out);
        }
        let key = key.as_str().unwrap_or_default();
        out.push_str(&text(key, indent, false, true));
        out.push(':');
        match value {
            Value::Sequence(items) if FLOW_KEYS.contains(&key) && all_texts(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| text(item.as_str().unwrap_or_default(), indent, true, false))
                    .collect();
                out.push_str(&format!(" [{}]\n", items.join(", ")));
            }
            Value::Sequence(items) if !items.is_empty() => {
                out.push('\n');
                pad(indent, out);
                sequence(items, indent, out);
            }
            Value::Mapping(entries) if !entries.is_empty() => {
                out.push('\n');
                pad(indent + 2, out);
                mapping(entries, indent + 2, out);
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Float(_)
            | Value::String { .. }
            | Value::Sequence(_)
            | Value::Mapping(_) => {
                out.push(' ');
                scalar(value, indent, out);
            }
        }
    }
}

/// Prints a list; the cursor stands where its first dash goes.
fn sequence(items: &[Value], indent: usize, out: &mut String) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            pad(indent, out);
        }
        out.push_str("- ");
        match item {
            Value::Sequence(items) if !items.is_empty() => sequence(items, indent + 2, out),
            Value::Mapping(entries) if !entries.is_empty() => mapping(entries, indent + 2, out),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Float(_)
            | Value::String { .. }
            | Value::Sequence(_)
            | Value::Mapping(_) => scalar(item, indent, out),
        }
    }
}

fn all_texts(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(|item| item.as_str().is_some())
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value, indent: usize, out: &mut String) {
    let printed = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Float(value) => float(*value),
        Value::String { text: string, .. } => text(string, indent, false, false),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) => "{}".to_owned(),
    };
    out.push_str(&printed);
    out.push('\n');
}

fn float(value: f64) -> String {
    if value.is_nan() {
        ".nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { ".inf" } else { "-.inf" }.to_owned()
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        // With its fraction, or it would be read as an integer.
        format!("{value:.1}")
    } else {
        format!("{value:?}")
    }
}

/// A text in the style that `yaml.v2` chooses.
fn text(text: &str, indent: usize, flow: bool, key: bool) -> String {
    let printable = text.chars().all(|c| !c.is_control() || c == '\n');
    let padded = text.starts_with([' ', '\n']) || text.ends_with(' ');
    if !printable || text.contains('\u{feff}') {
        return double_quoted(text);
    }
    if text.contains('\n') {
        let spaced = text.lines().any(|line| line.ends_with(' '));
        if flow || key || padded || spaced {
            return double_quoted(text);
        }
        return literal(text, indent);
    }
    let means_text = matches!(resolve(text, None, true), Ok(Resolved::String));
    if !means_text || is_base_60(text) {
        return double_quoted(text);
    }
    if padded || !is_plain(text, flow) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    text.to_owned()
}

/// libyaml's `yaml_emitter_analyze_scalar`: whether a text can stand without quotes.
fn is_plain(text: &str, flow: bool) -> bool {
    if text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        let at_end = chars.peek().is_none_or(|next| *next == ' ');
        let indicator = if first {
            match c {
                '?' | ':' => flow || at_end,
                '-' => at_end,
                _ => "#,[]{}&*!|>'\"%@`".contains(c),
            }
        } else {
            match c {
                ',' | '?' | '[' | ']' | '{' | '}' => flow,
                ':' => flow || at_end,
                '#' => before == ' ',
                _ => false,
            }
        };
        if indicator {
            return false;
        }
        before = c;
        first = false;
    }
    true
}

/// Numbers in base 60, which YAML 1.1 has and `yaml.v2` only quotes: `12:30`, `1:30:00`.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = text.split(':');
    let digits = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || b == b'_' || b == b'.')
    };
    let first = parts.next().unwrap_or_default();
    let mut rest = parts.peekable();
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && rest.peek().is_some()
        && rest.all(|part| part.starts_with(|c: char| c.is_ascii_digit()) && digits(part))
}

/// `|-` and the lines, one level deeper.
fn literal(text: &str, indent: usize) -> String {
    let chomp = match text.strip_suffix('\n') {
        None => "-",
        Some(body) if body.ends_with('\n') => "+",
        Some(_) => "",
    };
    let mut out = format!("|{chomp}");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(indent + 2, &mut out);
            out.push_str(line);
        }
    }
    out
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        config::{
            LoadEnv,
            read::{Any, Codec, Cursor, Reader},
        },
        yaml::Document,
    };

    #[test]
    fn styles_are_those_of_yaml_v2() {
        for (value, expect) in [
            ("off", "\"off\""),
            ("", "\"\""),
            ("00:00", "\"00:00\""),
            ("123", "\"123\""),
            ("team=\"db\"", "team=\"db\""),
            ("{{ .x }}", "'{{ .x }}'"),
            ("...", "'...'"),
            ("it's", "it's"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            (" a", "' a'"),
            ("a\nb", "|-\n  a\n  b"),
            ("<secret>", "<secret>"),
            ("http://a:1/?b", "http://a:1/?b"),
        ] {
            assert_eq!(text(value, 0, false, false), expect);
        }
        assert_eq!(text("monday:friday", 0, true, false), "'monday:friday'");
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = || "[ -~\n\té:]{0,12}|on|null|1_0|12:30|- a|~";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e9..1e9).prop_map(Value::Float),
            text().prop_map(|text| Value::String { text, plain: false }),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Sequence),
                prop::collection::btree_map(text(), inner, 0..4).prop_map(|map| {
                    let entries = map.into_iter();
                    Value::Mapping(
                        entries
                            .map(|(key, value)| (Value::from(&*key), value))
                            .collect(),
                    )
                }),
            ]
        })
    }

    /// As [`Value`] prints, whether texts were quoted or not.
    fn bare(value: &Value) -> String {
        serde_json::to_string(value).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(value in value()) {
            let mut out = String::new();
            mapping(&[(Value::from("k"), value.clone())], 0, &mut out);
            let document = Document::parse(out.as_bytes()).unwrap();
            let env = LoadEnv::default();
            let mut reader = Reader::new(&env);
            let read = Any::read(Cursor::root(&document).unwrap(), &mut reader);
            prop_assert!(reader.problems.is_empty(), "{out}\n{:?}", reader.problems);
            let expect = Value::Mapping(vec![(Value::from("k"), value)]);
            prop_assert_eq!(bare(&read.unwrap()), bare(&expect), "{}", out);
        }
    }
}
