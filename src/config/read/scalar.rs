//! Text, truth and numbers.

use super::{Codec, Content, Cursor, Reader};
use crate::yaml::{Resolved, Value};

impl Codec for String {
    type Value = Self;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, "string")?.into_owned();
        reader.note_template(&text, node.position());
        Some(text)
    }

    fn null() -> Self {
        Self::new()
    }

    fn print(text: &Self) -> Value {
        Value::from(&**text)
    }

    fn is_empty(text: &Self) -> bool {
        text.is_empty()
    }
}

impl Codec for bool {
    type Value = Self;

    fn go_type() -> String {
        "bool".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if let Content::Scalar(_, Ok(Resolved::Bool(value))) = node.content() {
            return Some(value);
        }
        reader.mismatch(node, "bool");
        None
    }

    fn null() -> Self {
        false
    }

    fn print(value: &Self) -> Value {
        Value::Bool(*value)
    }

    fn is_empty(value: &Self) -> bool {
        !value
    }
}

/// A number as `yaml.v2` converts it: fractions are cut off.
fn integer(node: Cursor<'_>) -> Option<i128> {
    match node.content() {
        Content::Scalar(_, Ok(Resolved::Int(value))) => Some(value.into()),
        Content::Scalar(_, Ok(Resolved::Uint(value))) => Some(value.into()),
        Content::Scalar(_, Ok(Resolved::Float(value))) if value.is_finite() => {
            format!("{:.0}", value.trunc()).parse().ok()
        }
        Content::Scalar(..) | Content::List(_) | Content::Map(_) | Content::Cycle(_) => None,
    }
}

macro_rules! integers {
    ($($ty:ident $go:literal)*) => {$(
        impl Codec for $ty {
            type Value = Self;

            fn go_type() -> String {
                $go.to_owned()
            }

            fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let value = integer(node).and_then(|value| Self::try_from(value).ok());
                if value.is_none() {
                    reader.mismatch(node, $go);
                }
                value
            }

            fn null() -> Self {
                0
            }

            fn print(value: &Self) -> Value {
                i64::try_from(*value).map_or_else(|_| Value::from(&*value.to_string()), Value::Int)
            }

            fn is_empty(value: &Self) -> bool {
                *value == 0
            }
        }
    )*};
}

integers! { u64 "uint64" i64 "int64" i32 "int" u32 "uint32" }

impl Codec for f64 {
    type Value = Self;

    fn go_type() -> String {
        "float64".to_owned()
    }

    #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match node.content() {
            Content::Scalar(_, Ok(Resolved::Int(value))) => Some(value as Self),
            Content::Scalar(_, Ok(Resolved::Uint(value))) => Some(value as Self),
            Content::Scalar(_, Ok(Resolved::Float(value))) => Some(value),
            Content::Scalar(..) | Content::List(_) | Content::Map(_) | Content::Cycle(_) => {
                reader.mismatch(node, "float64");
                None
            }
        }
    }

    fn null() -> Self {
        0.0
    }

    fn print(value: &Self) -> Value {
        Value::Float(*value)
    }

    fn is_empty(value: &Self) -> bool {
        *value == 0.0
    }
}
