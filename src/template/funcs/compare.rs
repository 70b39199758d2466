//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::{cmp::Ordering, sync::Arc};

use super::{
    super::{go_type::Type, object, printf, value::Value},
    table::Function,
};

pub(super) static COMPARE: [Function; 6] = [
    Function::variadic("eq", &[Type::Reflect, Type::Reflect], |_, args| {
        equal(args).map(Value::Bool)
    }),
    Function::new("ne", &[Type::Reflect, Type::Reflect], |_, args| {
        equal(args).map(|equal| Value::Bool(!equal))
    }),
    Function::new("lt", &[Type::Reflect, Type::Reflect], |_, args| {
        less(args).map(Value::Bool)
    }),
    Function::new("le", &[Type::Reflect, Type::Reflect], |_, args| {
        Ok(Value::Bool(less(args)? || equal(args)?))
    }),
    Function::new("gt", &[Type::Reflect, Type::Reflect], |_, args| {
        Ok(Value::Bool(!(less(args)? || equal(args)?)))
    }),
    Function::new("ge", &[Type::Reflect, Type::Reflect], |_, args| {
        less(args).map(|less| Value::Bool(!less))
    }),
];

/// The kinds of values that can be compared with one another.
enum Basic<'v> {
    Bool(bool),
    Complex(f64, f64),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(&'v str),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(truth) => Basic::Bool(*truth),
        Value::Int(_, number)
        | Value::Duration(number)
        | Value::Month(number)
        | Value::Weekday(number) => Basic::Int(*number),
        Value::Uint(_, number) => Basic::Uint(*number),
        Value::Float(number) => Basic::Float(*number),
        Value::Complex(real, imaginary) => Basic::Complex(*real, *imaginary),
        Value::Str(text) | Value::Safe(_, text) => Basic::Text(text),
        _ => return None,
    })
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )
}

/// Whether the first is equal to one of the others.
fn equal(args: &[Value]) -> Result<bool, String> {
    let Some((first, others)) = args.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err("missing argument for comparison".to_owned());
    };
    for other in others {
        if equal_two(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_nil(value: &Value) -> bool {
    matches!(value, Value::Nil | Value::NilAny)
}

#[expect(clippy::float_cmp, reason = "Go's ==")]
fn equal_two(a: &Value, b: &Value) -> Result<bool, String> {
    match (basic(a), basic(b)) {
        (Some(Basic::Bool(a)), Some(Basic::Bool(b))) => Ok(a == b),
        (Some(Basic::Int(a)), Some(Basic::Int(b))) => Ok(a == b),
        (Some(Basic::Uint(a)), Some(Basic::Uint(b))) => Ok(a == b),
        (Some(Basic::Int(int)), Some(Basic::Uint(uint)))
        | (Some(Basic::Uint(uint)), Some(Basic::Int(int))) => Ok(u64::try_from(int) == Ok(uint)),
        (Some(Basic::Float(a)), Some(Basic::Float(b))) => Ok(a == b),
        (Some(Basic::Complex(a, b)), Some(Basic::Complex(c, d))) => Ok(a == c && b == d),
        (Some(Basic::Text(a)), Some(Basic::Text(b))) => Ok(a == b),
        (None, None) if is_nil(a) || is_nil(b) => Ok(is_nil(a) && is_nil(b)),
        (None, None) => equal_composite(a, b),
        _ if is_nil(a) || is_nil(b) => Ok(false),
        _ => Err(incompatible(a, b)),
    }
}

/// Structs are equal if their fields are; maps and slices cannot be compared.
fn equal_composite(a: &Value, b: &Value) -> Result<bool, String> {
    if kind(a) != kind(b) {
        return Err(format!(
            "non-comparable types {}: {}, {}: {}",
            shown(a),
            a.type_name(),
            b.type_name(),
            shown(b)
        ));
    }
    match (a, b) {
        (Value::Time(a), Value::Time(b)) => Ok(a.at == b.at && a.zone == b.zone),
        (Value::Pair(a), Value::Pair(b)) => Ok(a == b),
        (Value::Zone(a), Value::Zone(b)) => Ok(a == b),
        (Value::Data(a), Value::Data(b)) => Ok(Arc::ptr_eq(a, b)),
        (Value::Object(a), Value::Object(b)) => Ok(Arc::ptr_eq(a, b)),
        (Value::Sample(a), Value::Sample(b)) => Ok(Arc::ptr_eq(a, b)),
        (_, Value::Time(_) | Value::Pair(_) | Value::Zone(_) | Value::Data(_)) => Ok(false),
        _ => Err(format!(
            "non-comparable type {}: {}",
            shown(b),
            b.type_name()
        )),
    }
}

/// Go's kinds of what is not basic.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Kv(_) | Value::StringMap(_) | Value::Map(_) => 1,
        Value::Data(_) | Value::Zone(_) | Value::Sample(_) => 2,
        _ if object::has_fields(value).is_some() || matches!(value, Value::Time(_)) => 3,
        _ => 4,
    }
}

/// The beginning of a value's text, for an error.
fn shown(value: &Value) -> String {
    let mut out = String::new();
    match printf::display(value, &mut out, 1000) {
        Ok(()) => out,
        Err(_) => format!("{out}…"),
    }
}

fn less(args: &[Value]) -> Result<bool, String> {
    const BAD_TYPE: &str = "invalid type for comparison";
    let [first, second] = args else {
        return Err("missing argument for comparison".to_owned());
    };
    let (a, b) = (
        basic(first).ok_or(BAD_TYPE)?,
        basic(second).ok_or(BAD_TYPE)?,
    );
    Ok(match (a, b) {
        (Basic::Int(a), Basic::Int(b)) => a < b,
        (Basic::Uint(a), Basic::Uint(b)) => a < b,
        (Basic::Int(a), Basic::Uint(b)) => i128::from(a) < i128::from(b),
        (Basic::Uint(a), Basic::Int(b)) => i128::from(a) < i128::from(b),
        (Basic::Float(a), Basic::Float(b)) => a < b,
        (Basic::Text(a), Basic::Text(b)) => a.cmp(b) == Ordering::Less,
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => {
            return Err(BAD_TYPE.to_owned());
        }
        _ => return Err(incompatible(first, second)),
    })
}
