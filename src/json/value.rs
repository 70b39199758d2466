//! Trees of values with Go's escapes and numbers.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::{push_array, push_object, push_str};

/// Appends a value: maps in the order of their keys, numbers as Go's `encoding/json` writes them.
pub fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => push_number(out, number),
        Value::String(text) => push_str(out, text, true),
        Value::Array(items) => push_array(out, |array| {
            for item in items {
                push_value(array.element(), item);
            }
        }),
        Value::Object(members) => push_object(out, |object| {
            for (name, value) in members {
                push_value(object.member(name), value);
            }
        }),
    }
}

fn push_number(out: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) if number.is_f64() => push_float(out, float),
        _ => {
            let _ = write!(out, "{number}");
        }
    }
}

/// Very small and very large numbers have an exponent with its sign; nothing has a point that it does not need.
fn push_float(out: &mut String, float: f64) {
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        let signed = if text.contains("e-") { "e" } else { "e+" };
        out.push_str(&text.replace('e', signed));
    } else {
        let _ = write!(out, "{float}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_as_go() {
        for (value, expect) in [
            (json!(null), "null"),
            (json!(true), "true"),
            (json!(-7), "-7"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(1.0), "1"),
            (json!(1.5), "1.5"),
            (json!(100_000.0), "100000"),
            (json!(1e20), "100000000000000000000"),
            (json!(1e21), "1e+21"),
            (json!(0.000_001), "0.000001"),
            (json!(-1.5e-7), "-1.5e-7"),
            (json!(-0.0), "-0"),
            (
                json!({"b": ["<", {}], "a": []}),
                r#"{"a":[],"b":["\u003c",{}]}"#,
            ),
        ] {
            let mut out = String::new();
            push_value(&mut out, &value);
            assert_eq!(out, expect);
        }
    }
}
