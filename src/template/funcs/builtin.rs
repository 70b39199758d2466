//! Go's own functions (`text/template/funcs.go`), but for comparisons.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::sync::Arc;

use super::{
    super::{
        go_type::Type,
        printf,
        value::{Int, Uint, Value},
    },
    escape::{html_escape, js_escape, query_escape},
    table::{Context, Function, Special},
};

pub(super) static BUILTINS: [Function; 12] = [
    Function {
        special: Special::And,
        ..Function::variadic("and", &[Type::Reflect, Type::Reflect], |_, _| {
            Ok(Value::Nil)
        })
    },
    Function {
        special: Special::Or,
        ..Function::variadic("or", &[Type::Reflect, Type::Reflect], |_, _| Ok(Value::Nil))
    },
    Function {
        special: Special::Call,
        ..Function::variadic("call", &[Type::Reflect, Type::Reflect], call)
    },
    Function::variadic("html", &[Type::Any], |context, args| {
        context.text(html_escape(&as_text(context, args)?))
    }),
    Function::variadic("index", &[Type::Reflect, Type::Reflect], |_, args| {
        index(args)
    }),
    Function::variadic("slice", &[Type::Reflect, Type::Reflect], slice),
    Function::variadic("js", &[Type::Any], |context, args| {
        context.text(js_escape(&as_text(context, args)?))
    }),
    Function::new("len", &[Type::Reflect], |_, args| length(&args[0])),
    Function::new("not", &[Type::Reflect], |_, args| {
        Ok(Value::Bool(!args[0].is_true()))
    }),
    Function::variadic("print", &[Type::Any], |context, args| {
        context.text(printf::sprint(args, context.scope.limits.output)?)
    }),
    Function::variadic("println", &[Type::Any], |context, args| {
        context.text(printf::sprintln(args, context.scope.limits.output)?)
    }),
    Function::variadic("urlquery", &[Type::Any], |context, args| {
        context.text(query_escape(&as_text(context, args)?))
    }),
];

pub(super) static PRINTF: [Function; 1] = [Function::variadic(
    "printf",
    &[Type::Str, Type::Any],
    |context, args| {
        let limit = context.scope.limits.output;
        let format = super::args::string(args, 0);
        context.text(printf::sprintf(format, &args[1..], limit)?)
    },
)];

/// What a template would print for the arguments (`evalArgs`).
pub(crate) fn as_text(context: &Context<'_>, args: &[Value]) -> Result<Arc<str>, String> {
    match args {
        [Value::Str(text)] => Ok(Arc::clone(text)),
        _ => {
            let limit = context.scope.limits.output;
            let printable: Vec<Value> = args
                .iter()
                .map(|arg| match arg {
                    Value::Nil | Value::NilAny => Ok(Value::from("<no value>")),
                    Value::Data(_) => {
                        let mut out = String::new();
                        printf::display(arg, &mut out, limit).map(|()| Value::from(out))
                    }
                    arg => Ok(arg.clone()),
                })
                .collect::<Result<_, String>>()?;
            Ok(printf::sprint(&printable, limit)?.into())
        }
    }
}

/// No value of a template is a function, so all that this can do is to tell.
fn call(_: &Context<'_>, args: &[Value]) -> Result<Value, String> {
    let (Some(Value::Str(name)), Some(callee)) = (args.first(), args.get(1)) else {
        return Err("call of nil".to_owned());
    };
    match callee {
        Value::Nil | Value::NilAny => Err("call of nil".to_owned()),
        _ => Err(format!(
            "non-function {name} of type {}",
            callee.type_name()
        )),
    }
}

/// The type behind a pointer.
fn pointee(value: &Value) -> &str {
    value.type_name().trim_start_matches('*')
}

fn length(value: &Value) -> Result<Value, String> {
    Ok(Value::int(match value {
        Value::Nil => {
            return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
        }
        Value::NilAny => return Err("len of nil pointer".to_owned()),
        _ => count(value).ok_or_else(|| format!("len of type {}", pointee(value)))?,
    }))
}

fn count(value: &Value) -> Option<usize> {
    Some(match value {
        Value::Str(text) | Value::Safe(_, text) => text.len(),
        Value::Kv(labels) | Value::StringMap(labels) => labels.len(),
        Value::Map(map) => map.items().len(),
        _ => return elements(value),
    })
}

/// How many elements a slice has.
fn elements(value: &Value) -> Option<usize> {
    Some(match value {
        Value::Strings(items) | Value::NamedStrings(items) => items.len(),
        Value::List(list) => list.items().len(),
        Value::Pairs(pairs) => pairs.len(),
        Value::Alerts(alerts) | Value::AlertSlice(alerts) => alerts.len(),
        Value::Samples(samples) => samples.len(),
        _ => return None,
    })
}

fn index(args: &[Value]) -> Result<Value, String> {
    let Some((first, indexes)) = args.split_first() else {
        return Ok(Value::Nil);
    };
    if let Value::Nil | Value::NilAny = first {
        return Err("index of untyped nil".to_owned());
    }
    let mut value = first.clone();
    for index in indexes {
        value = index_once(&value, index)?;
    }
    Ok(value)
}

fn index_once(value: &Value, index: &Value) -> Result<Value, String> {
    let at = |length| {
        index_number(index, length).and_then(|at| {
            // Go takes the length itself for an index, and then panics.
            if at < length {
                Ok(at)
            } else {
                Err("reflect: slice index out of range".to_owned())
            }
        })
    };
    Ok(match value {
        Value::Nil | Value::NilAny => return Err("index of nil pointer".to_owned()),
        Value::Str(text) | Value::Safe(_, text) => {
            let at = index_number(index, text.len())?;
            let Some(byte) = text.as_bytes().get(at) else {
                return Err("reflect: string index out of range".to_owned());
            };
            Value::Uint(Uint::Uint8, (*byte).into())
        }
        Value::Strings(items) | Value::NamedStrings(items) => {
            Value::Str(Arc::clone(&items[at(items.len())?]))
        }
        Value::List(list) => list.items()[at(list.items().len())?].clone(),
        Value::Pairs(pairs) => Value::Pair(pairs[at(pairs.len())?].clone()),
        Value::Alerts(alerts) | Value::AlertSlice(alerts) => {
            Value::Alert(Arc::clone(&alerts[at(alerts.len())?]))
        }
        Value::Samples(samples) => Value::Sample(Arc::clone(&samples[at(samples.len())?])),
        Value::Kv(labels) | Value::StringMap(labels) => Value::from(labels.value(key(index)?)),
        Value::Map(map) => map
            .items()
            .get(key(index)?)
            .cloned()
            .unwrap_or(Value::NilAny),
        _ => return Err(format!("can't index item of type {}", pointee(value))),
    })
}

fn key(index: &Value) -> Result<&str, String> {
    match index {
        Value::Str(text) => Ok(text),
        Value::Nil | Value::NilAny => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!(
            "value has type {}; should be string",
            other.type_name()
        )),
    }
}

/// An index as a number, not above the capacity.
fn index_number(index: &Value, capacity: usize) -> Result<usize, String> {
    let number = match index {
        Value::Int(Int::Int | Int::Int64, number)
        | Value::Duration(number)
        | Value::Month(number)
        | Value::Weekday(number) => i128::from(*number),
        Value::Uint(_, number) => i128::from(*number),
        Value::Nil | Value::NilAny => {
            return Err("cannot index slice/array with nil".to_owned());
        }
        other => {
            return Err(format!(
                "cannot index slice/array with type {}",
                other.type_name()
            ));
        }
    };
    usize::try_from(number)
        .ok()
        .filter(|number| *number <= capacity)
        .ok_or_else(|| format!("index out of range: {number}"))
}

fn slice(context: &Context<'_>, args: &[Value]) -> Result<Value, String> {
    let Some((value, indexes)) = args.split_first() else {
        return Ok(Value::Nil);
    };
    if let Value::Nil | Value::NilAny = value {
        return Err("slice of untyped nil".to_owned());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let is_text = matches!(value, Value::Str(_) | Value::Safe(..));
    if is_text && indexes.len() == 3 {
        return Err("cannot 3-index slice a string".to_owned());
    }
    let capacity = match value {
        Value::Str(text) | Value::Safe(_, text) => text.len(),
        _ => {
            elements(value).ok_or_else(|| format!("can't slice item of type {}", pointee(value)))?
        }
    };
    let mut bounds = [0, capacity, capacity];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = index_number(index, capacity)?;
    }
    let [from, to, most] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > most {
        return Err(format!("invalid slice index: {to} > {most}"));
    }
    context.charge(if is_text {
        (to - from) / 8
    } else {
        (to - from) * 4
    })?;
    Ok(match value {
        // Go cuts bytes; what remains of a character that is cut is U+FFFD here.
        Value::Str(text) | Value::Safe(_, text) => {
            let part = String::from_utf8_lossy(&text.as_bytes()[from..to]);
            match value {
                Value::Safe(kind, _) => Value::Safe(*kind, part.into()),
                _ => Value::Str(part.into()),
            }
        }
        Value::Strings(items) => Value::Strings(items[from..to].into()),
        Value::NamedStrings(items) => Value::NamedStrings(items[from..to].into()),
        Value::List(list) => Value::list(list.items()[from..to].to_vec())?,
        Value::Pairs(pairs) => Value::Pairs(pairs[from..to].into()),
        Value::Alerts(alerts) => Value::Alerts(alerts[from..to].into()),
        Value::AlertSlice(alerts) => Value::AlertSlice(alerts[from..to].into()),
        Value::Samples(samples) => Value::Samples(samples[from..to].into()),
        _ => Value::Nil,
    })
}
