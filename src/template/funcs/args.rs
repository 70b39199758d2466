//! Arguments as what the parameters' types say they are.

use std::sync::Arc;

use super::super::{
    gotime::Time,
    value::{List, Value},
};

/// A `string`.
pub(super) fn string(args: &[Value], at: usize) -> &Arc<str> {
    match args.get(at) {
        Some(Value::Str(text)) => text,
        _ => unreachable!("the parameter is a string"),
    }
}

/// A `[]string`.
pub(super) fn strings(args: &[Value], at: usize) -> &[Arc<str>] {
    match args.get(at) {
        Some(Value::Strings(strings) | Value::NamedStrings(strings)) => strings,
        _ => &[],
    }
}

/// A `[]interface {}`.
pub(super) fn list(args: &[Value], at: usize) -> &[Value] {
    match args.get(at) {
        Some(Value::List(list)) => List::items(list),
        _ => &[],
    }
}

/// A `time.Time`.
pub(super) fn time(args: &[Value], at: usize) -> &Time {
    match args.get(at) {
        Some(Value::Time(time)) => time,
        _ => unreachable!("the parameter is a time"),
    }
}
