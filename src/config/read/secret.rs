//! Secrets.

use super::{Codec, Cursor, Reader};
use crate::{config::Secret, yaml::Value};

/// What stands for a secret where it is printed; upstream's `SecretToken`.
pub(crate) const TOKEN: &str = "<secret>";

impl Codec for Secret {
    type Value = Self;

    fn go_type() -> String {
        "config.plain".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, "config.plain")?;
        reader.note_secret_template(&text, node.position());
        Some(Self::new(text))
    }

    fn null() -> Self {
        Self::default()
    }

    fn print(secret: &Self) -> Value {
        if secret.is_empty() {
            Value::Null
        } else {
            Value::from(TOKEN)
        }
    }

    fn is_empty(secret: &Self) -> bool {
        secret.is_empty()
    }

    fn secrets(secret: &Self, out: &mut Vec<Self>) {
        out.push(secret.clone());
    }
}
