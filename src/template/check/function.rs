//! What functions and methods give.

use super::{
    super::{
        funcs::{Function, is_of_rules},
        object::methods_of,
        value::{Int, Value},
    },
    shape::Shape,
};

/// The method of that name.
pub(super) fn method(shape: Shape, name: &str) -> Option<&'static Function> {
    let table = methods_of(&example(shape)?)?;
    table.iter().find(|function| function.name == name)
}

/// Some value of the shape, if it has methods.
fn example(shape: Shape) -> Option<Value> {
    use super::super::gotime::{Time, Zone};
    Some(match shape {
        Shape::Kv => Value::Kv(crate::labels::LabelSet::empty()),
        Shape::Pairs => Value::Pairs([].into()),
        Shape::NamedStrings => Value::NamedStrings([].into()),
        Shape::Alerts => Value::Alerts([].into()),
        Shape::Time => Value::Time(Time::zero()),
        Shape::Duration => Value::Duration(0),
        Shape::Month => Value::Month(1),
        Shape::Weekday => Value::Weekday(0),
        Shape::Zone => Value::Zone(Zone::Utc),
        Shape::Unknown
        | Shape::Bool
        | Shape::Int
        | Shape::Int64
        | Shape::Byte
        | Shape::Float
        | Shape::Complex
        | Shape::Str
        | Shape::Safe
        | Shape::Strings
        | Shape::List
        | Shape::Map
        | Shape::Pair
        | Shape::AlertSlice
        | Shape::Alert
        | Shape::Data
        | Shape::StringMap
        | Shape::RuleDot
        | Shape::Samples
        | Shape::Sample => return None,
    })
}

/// What a method gives.
pub(super) fn method_result(receiver: Shape, name: &str) -> Shape {
    match (receiver, name) {
        (_, "String" | "GoString" | "Format" | "Join") => Shape::Str,
        (Shape::Kv, "SortedPairs") => Shape::Pairs,
        (Shape::Kv, "Remove") => Shape::Kv,
        (Shape::Kv | Shape::Pairs, "Names" | "Values") => Shape::NamedStrings,
        (Shape::Alerts, "Firing" | "Resolved") => Shape::AlertSlice,
        (Shape::Time, "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano")
        | (Shape::Duration, "Milliseconds" | "Microseconds" | "Nanoseconds") => Shape::Int64,
        (Shape::Time, "Local" | "UTC" | "In" | "Add" | "AddDate" | "Truncate" | "Round") => {
            Shape::Time
        }
        (Shape::Time, "Location") => Shape::Zone,
        (Shape::Time, "Sub") | (Shape::Duration, "Abs" | "Round" | "Truncate") => Shape::Duration,
        (Shape::Time, "Before" | "After" | "Equal" | "IsZero" | "IsDST") => Shape::Bool,
        (Shape::Time, "Month") => Shape::Month,
        (Shape::Time, "Weekday") => Shape::Weekday,
        (Shape::Time, _) => Shape::Int,
        (Shape::Duration, "Hours" | "Minutes" | "Seconds") => Shape::Float,
        _ => Shape::Unknown,
    }
}

/// What a function gives for arguments.
pub(super) fn function_result(function: &'static Function, args: &[Shape]) -> Shape {
    if is_of_rules(function) {
        return rule_result(function.name);
    }
    match function.name {
        "and" | "or" => args
            .iter()
            .copied()
            .reduce(Shape::join)
            .unwrap_or(Shape::Unknown),
        "index" => match args.split_first() {
            Some((first, indexes)) => indexes.iter().fold(*first, |shape, _| shape.indexed()),
            None => Shape::Unknown,
        },
        "slice" => args.first().copied().unwrap_or(Shape::Unknown),
        "len" => Shape::Int,
        "not" | "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "match" => Shape::Bool,
        "html" | "js" | "urlquery" | "print" | "printf" | "println" | "toUpper" | "toLower"
        | "title" | "trimSpace" | "join" | "urlUnescape" | "reReplaceAll" | "routeLabels"
        | "date" | "humanizeDuration" | "toJson" | "base64encode" | "base64decode"
        | "localTime" => Shape::Str,
        "safeHtml" | "safeUrl" => Shape::Safe,
        "stringSlice" => Shape::Strings,
        "list" | "append" => Shape::List,
        "dict" => Shape::Map,
        "tz" | "now" | "toDate" | "mustToDate" => Shape::Time,
        "since" => Shape::Duration,
        _ => Shape::Unknown,
    }
}

/// What a function that only rules have gives.
fn rule_result(name: &str) -> Shape {
    match name {
        "query" | "sortByLabel" => Shape::Samples,
        "first" => Shape::Sample,
        "args" => Shape::Map,
        "toTime" => Shape::Time,
        "toDuration" => Shape::Duration,
        "now" | "parseDuration" => Shape::Float,
        "value" => Shape::Unknown,
        _ => Shape::Str,
    }
}

/// What a number is without a type to be of.
pub(super) fn number(number: &super::super::ast::Number) -> Shape {
    match number.untyped() {
        Some(Value::Int(Int::Int | Int::Int64, _)) => Shape::Int,
        Some(Value::Float(_)) => Shape::Float,
        Some(Value::Complex(..)) => Shape::Complex,
        _ => Shape::Unknown,
    }
}
