//! Renders trees of any shape whose texts are templates: `payload`, `details`, `fields`.
//!
//! A text that reads as anything but a string in YAML becomes what it reads as, so that templates can make numbers,
//! lists and maps (`DeepCopyWithTemplate` of `template/template.go`).

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};

use super::Renderer;
use crate::{
    notify::Verdict,
    yaml::{self, Value},
};

impl Renderer<'_> {
    /// Renders the texts of a tree, keys included; a text whose template fails becomes plain words. Keys that are not
    /// texts are left out with their values.
    ///
    /// # Errors
    /// Only where the fallback is switched off.
    pub fn tree(&self, field: &str, tree: &Value) -> Result<Json, Verdict> {
        Ok(match tree {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Int(number) => Json::from(*number),
            Value::Uint(number) => Json::from(*number),
            Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
            Value::String { text, .. } => self.leaf(field, text)?,
            Value::Sequence(items) => {
                let items = items.iter().map(|item| self.tree(field, item));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Mapping(members) => {
                let mut map = Map::new();
                for (key, value) in members {
                    if let Some(key) = key.as_str() {
                        let name = self.key(field, key)?;
                        map.insert(name, self.tree(field, value)?);
                    }
                }
                Json::Object(map)
            }
        })
    }

    /// Renders a map of trees under keys that are no templates.
    ///
    /// # Errors
    /// As [`Self::tree`].
    pub fn members(
        &self,
        field: &str,
        members: &BTreeMap<String, Value>,
    ) -> Result<Map<String, Json>, Verdict> {
        let members = members.iter().map(|(key, tree)| {
            let tree = self.tree(&format!("{field}.{key}"), tree)?;
            Ok((key.clone(), tree))
        });
        members.collect()
    }

    fn leaf(&self, field: &str, source: &str) -> Result<Json, Verdict> {
        Ok(match self.body_or_plain(field, source)? {
            Ok(text) => read(text),
            Err(plain) => Json::String(plain),
        })
    }

    /// A key whose template fails stays as it is written.
    fn key(&self, field: &str, source: &str) -> Result<String, Verdict> {
        Ok(self
            .body_or_plain(field, source)?
            .unwrap_or_else(|_plain| source.to_owned()))
    }
}

/// What a rendered text stands for.
fn read(text: String) -> Json {
    if text.starts_with(['{', '[']) {
        // The usual case, `toJson`, does not need the detour through YAML.
        if let Ok(json) = serde_json::from_str(&text) {
            return json;
        }
    }
    // Of `[FIRING:1] HighCPU` upstream keeps the list and loses the rest.
    let (first, last) = (
        text.trim_start().chars().next(),
        text.trim_end().chars().last(),
    );
    if matches!((first, last), (Some('['), last) if last != Some(']'))
        || matches!((first, last), (Some('{'), last) if last != Some('}'))
    {
        return Json::String(text);
    }
    let (value, problems) = yaml::from_str::<Value>(&text);
    if !problems.is_empty() {
        return Json::String(text);
    }
    match value {
        // Upstream loses texts that begin with `#`, such as colours, because they are comments in YAML.
        Value::Null if text.trim_start().starts_with('#') => Json::String(text),
        Value::String { .. } => Json::String(text),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Uint(_)
        | Value::Float(_)
        | Value::Sequence(_)
        | Value::Mapping(_) => json(value).unwrap_or(Json::String(text)),
    }
}

/// The value as JSON; `None` if it holds a number that JSON cannot hold, on which upstream fails.
fn json(value: Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(flag),
        Value::Int(number) => Json::from(number),
        Value::Uint(number) => Json::from(number),
        Value::Float(number) => Json::Number(Number::from_f64(number)?),
        Value::String { text, .. } => Json::String(text),
        Value::Sequence(items) => Json::Array(items.into_iter().map(json).collect::<Option<_>>()?),
        Value::Mapping(members) => {
            let mut map = Map::new();
            for (key, value) in members {
                if let Value::String { text, .. } = key {
                    map.insert(text, json(value)?);
                }
            }
            Json::Object(map)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_what_they_read_as() {
        for (text, expect) in [
            ("plain", json!("plain")),
            ("", json!(null)),
            ("~", json!(null)),
            ("1", json!(1)),
            ("[FIRING:1] HighCPU", json!("[FIRING:1] HighCPU")),
            ("[a, b]", json!(["a", "b"])),
            ("{a: b} c", json!("{a: b} c")),
            ("1.5", json!(1.5)),
            ("18446744073709551615", json!(u64::MAX)),
            ("yes", json!(true)),
            ("\"1\"", json!("\"1\"")),
            ("2026-11-21", json!("2026-11-21")),
            ("2026-11-21T18:55:01Z", json!("2026-11-21T18:55:01Z")),
            (".nan", json!(".nan")),
            ("[1, a]", json!([1, "a"])),
            ("[1,\"a: b\"]", json!([1, "a: b"])),
            ("{\"a\":{\"b\":\"c: d\"}}", json!({"a": {"b": "c: d"}})),
            ("{a: 1, 2: b, true: c}", json!({"a": 1})),
            ("disk full: host a", json!({"disk full": "host a"})),
            ("- a\n- b", json!(["a", "b"])),
            ("a: b: c", json!("a: b: c")),
            ("[1", json!("[1")),
            ("#ff0000", json!("#ff0000")),
            ("# Alerts\n", json!("# Alerts\n")),
            ("5 down # see runbook", json!("5 down # see runbook")),
        ] {
            assert_eq!(read(text.to_owned()), expect, "{text:?}");
        }
    }

    #[test]
    fn hostile_texts_stay_texts() {
        let deep = "[".repeat(100_000);
        assert_eq!(read(deep.clone()), Json::String(deep));
        let closed = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(read(closed.clone()), Json::String(closed));
        let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (last, next) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            let uses = vec![format!("*{last}"); 9].join(",");
            laughs.push_str(&format!("{next}: &{next} [{uses}]\n"));
        }
        assert_eq!(read(laughs.clone()), Json::String(laughs));
    }
}
