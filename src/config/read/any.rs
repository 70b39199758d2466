//! Values of any shape, for keys whose content is passed on.

use super::{Codec, Content, Cursor, Reader, reader::pairs};
use crate::yaml::{Resolved, Value};

/// Any YAML; texts may be templates.
pub(crate) struct Any;

impl Codec for Any {
    type Value = Value;

    fn go_type() -> String {
        "interface {}".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Value> {
        if !reader.spend(node) {
            return None;
        }
        match node.content() {
            Content::Scalar(text, Ok(resolved)) => Some(scalar(node, text, resolved, reader)),
            Content::Scalar(_, Err(_)) | Content::Cycle(_) => {
                reader.mismatch(node, "interface {}");
                None
            }
            Content::List(items) => {
                let mut list = Vec::new();
                reader.nested(node, |reader| {
                    list.extend(
                        items
                            .iter()
                            .filter_map(|&item| Self::read(node.at(item), reader)),
                    );
                });
                Some(Value::Sequence(list))
            }
            Content::Map(_) => {
                let mut map = Vec::new();
                read_map(node, reader, &mut map);
                Some(Value::Mapping(map))
            }
        }
    }

    fn null() -> Value {
        Value::Null
    }

    fn print(value: &Value) -> Value {
        value.clone()
    }

    fn is_empty(value: &Value) -> bool {
        *value == Value::Null
    }
}

fn scalar(node: Cursor<'_>, text: &str, resolved: Resolved, reader: &mut Reader<'_>) -> Value {
    match resolved {
        Resolved::Null => Value::Null,
        Resolved::Bool(value) => Value::Bool(value),
        Resolved::Int(value) => Value::Int(value),
        Resolved::Uint(value) => Value::Uint(value),
        Resolved::Float(value) => Value::Float(value),
        Resolved::Binary(text) => Value::String { text, plain: false },
        Resolved::Timestamp | Resolved::String | Resolved::Tagged => {
            reader.note_template(text, node.position());
            Value::String {
                text: text.to_owned(),
                plain: node.is_plain(),
            }
        }
    }
}

fn read_map(node: Cursor<'_>, reader: &mut Reader<'_>, map: &mut Vec<(Value, Value)>) {
    let Content::Map(entries) = node.content() else {
        reader.bad_merge(node);
        return;
    };
    reader.nested(node, |reader| {
        let mut done: Vec<Value> = Vec::new();
        for (key, value) in pairs(node, entries) {
            if key.is_merge() {
                merge(value, reader, map);
                continue;
            }
            let at = key.position();
            // Go keeps `y:` as a key `true`, which fails when the notification is built; here it is the text.
            let Some(name) = reader.text(key, "string") else {
                continue;
            };
            let key = Value::from(&*name);
            if done.contains(&key) {
                let message = format!("key {} already set in map", crate::labels::go_quote(&name));
                reader.type_error(at, message);
                continue;
            }
            let Some(value) = Any::read(value, reader) else {
                continue;
            };
            done.push(key.clone());
            match map.iter_mut().find(|(set, _)| *set == key) {
                Some(entry) => entry.1 = value,
                None => map.push((key, value)),
            }
        }
    });
}

fn merge(node: Cursor<'_>, reader: &mut Reader<'_>, map: &mut Vec<(Value, Value)>) {
    match node.content() {
        Content::List(items) => {
            for &item in items.iter().rev() {
                read_map(node.at(item), reader, map);
            }
        }
        Content::Map(_) | Content::Scalar(..) | Content::Cycle(_) => read_map(node, reader, map),
    }
}

/// Any YAML that is kept as JSON.
pub(crate) struct AnyJson;

impl Codec for AnyJson {
    type Value = serde_json::Value;

    fn go_type() -> String {
        Any::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<serde_json::Value> {
        Any::read(node, reader).and_then(|value| serde_json::to_value(value).ok())
    }

    fn null() -> serde_json::Value {
        serde_json::Value::Null
    }

    fn print(value: &serde_json::Value) -> Value {
        from_json(value)
    }

    fn is_empty(value: &serde_json::Value) -> bool {
        value.is_null()
    }
}

fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::Uint(value),
            (None, None) => number.as_f64().map_or(Value::Null, Value::Float),
        },
        serde_json::Value::String(text) => Value::from(&**text),
        serde_json::Value::Array(items) => Value::Sequence(items.iter().map(from_json).collect()),
        serde_json::Value::Object(map) => Value::Mapping(
            map.iter()
                .map(|(key, value)| (Value::from(&**key), from_json(value)))
                .collect(),
        ),
    }
}
