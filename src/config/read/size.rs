//! Sizes in bytes.

use super::{Codec, Cursor, Reader};
use crate::{labels::go_quote, yaml::Value};

/// A size in bytes: a whole number, or one with a unit, `64MiB`, `1GB`.
pub(crate) struct ByteSize;

impl Codec for ByteSize {
    type Value = usize;

    fn go_type() -> String {
        "units.Base2Bytes".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<usize> {
        let text = reader.text(node, "string")?;
        let bytes = bytes(&text);
        if bytes.is_none() {
            let message = format!("not a valid size in bytes: {}", go_quote(&text));
            reader.deny(node.position(), message);
        }
        bytes
    }

    fn null() -> usize {
        0
    }

    fn print(bytes: &usize) -> Value {
        let unit = UNITS
            .iter()
            .find(|(_, size)| *bytes > 0 && bytes.is_multiple_of(*size));
        match unit {
            Some((unit, size)) => Value::from(&*format!("{}{unit}", bytes / size)),
            None => Value::from(&*bytes.to_string()),
        }
    }

    fn is_empty(bytes: &usize) -> bool {
        *bytes == 0
    }
}

/// As in Prometheus all of them count by 1024; the largest first.
const UNITS: [(&str, usize); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1 << 40),
    ("GiB", 1 << 30),
    ("GB", 1 << 30),
    ("MiB", 1 << 20),
    ("MB", 1 << 20),
    ("KiB", 1 << 10),
    ("KB", 1 << 10),
];

fn bytes(text: &str) -> Option<usize> {
    let unit = UNITS.iter().find_map(|(unit, size)| {
        let number = text.strip_suffix(unit)?;
        Some((number, *size))
    });
    let (number, size) = unit.unwrap_or_else(|| (text.strip_suffix('B').unwrap_or(text), 1));
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: usize = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, expect) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("17B", Some(17)),
            ("64MiB", Some(64 << 20)),
            ("64MB", Some(64 << 20)),
            ("2GiB", Some(2 << 30)),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("+1", None),
            ("1.5GiB", None),
            ("1 GiB", None),
            ("99999999TiB", None),
        ] {
            assert_eq!(bytes(text), expect, "{text}");
        }
        let printed = |bytes: usize| ByteSize::print(&bytes);
        assert_eq!(printed(64 << 20), Value::from("64MiB"));
        assert_eq!(printed(1536), Value::from("1536"));
    }
}
