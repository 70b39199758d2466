//! Go's types, as far as functions and errors name them.

use super::value::{Int, Safe, Uint, Value};

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// `interface {}`
    Any,
    /// `reflect.Value`: anything, and no value at all.
    Reflect,
    Int,
    Str,
    Duration,
    Time,
    /// `*time.Location`
    Zone,
    /// `[]string`
    Strings,
    /// `[]interface {}`
    List,
    /// `template.queryResult`
    Samples,
    /// `*template.sample`
    Sample,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Int => "int",
            Self::Str => "string",
            Self::Duration => "time.Duration",
            Self::Time => "time.Time",
            Self::Zone => "*time.Location",
            Self::Strings => "[]string",
            Self::List => "[]interface {}",
            Self::Samples => "template.queryResult",
            Self::Sample => "*template.sample",
        }
    }
}

impl Type {
    /// Whether `nil` can stand for a value of the type (`canBeNil`), and then which value.
    pub(crate) fn nil(self) -> Option<Value> {
        match self {
            Self::Any => Some(Value::NilAny),
            Self::Reflect => Some(Value::Nil),
            Self::Strings => Some(Value::Strings([].into())),
            Self::List => Value::list(Vec::new()).ok(),
            Self::Samples => Some(Value::Samples([].into())),
            Self::Int | Self::Str | Self::Duration | Self::Time | Self::Zone | Self::Sample => None,
        }
    }

    /// The value as one of the type, if it is assignable to it.
    pub(crate) fn assign(self, value: Value) -> Result<Value, String> {
        let fits = match (self, &value) {
            (_, Value::Nil) => {
                return self
                    .nil()
                    .ok_or_else(|| format!("invalid value; expected {}", self.name()));
            }
            (Self::Reflect, Value::NilAny) => return Ok(Value::Nil),
            (Self::Any | Self::Reflect, _)
            | (Self::Int, Value::Int(Int::Int, _))
            | (Self::Str, Value::Str(_))
            | (Self::Duration, Value::Duration(_))
            | (Self::Time, Value::Time(_))
            | (Self::Zone, Value::Zone(_))
            | (Self::Strings, Value::Strings(_) | Value::NamedStrings(_))
            | (Self::List, Value::List(_))
            | (Self::Samples, Value::Samples(_))
            | (Self::Sample, Value::Sample(_)) => true,
            _ => false,
        };
        if fits {
            Ok(value)
        } else {
            Err(format!(
                "wrong type for value; expected {}; got {}",
                self.name(),
                value.type_name()
            ))
        }
    }
}

impl Value {
    /// Its Go type, as `%T` prints it; of no value, as that of an empty interface.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Self::Nil | Self::NilAny => "interface {}",
            Self::Bool(_) => "bool",
            Self::Int(Int::Int, _) => "int",
            Self::Int(Int::Int64, _) => "int64",
            Self::Uint(Uint::Uint8, _) => "uint8",
            Self::Uint(Uint::Uint64, _) => "uint64",
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Str(_) => "string",
            Self::Safe(safe, _) => match safe {
                Safe::Css => "template.CSS",
                Safe::Html => "template.HTML",
                Safe::HtmlAttr => "template.HTMLAttr",
                Safe::Js => "template.JS",
                Safe::JsStr => "template.JSStr",
                Safe::Url => "template.URL",
                Safe::Srcset => "template.Srcset",
            },
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Month(_) => "time.Month",
            Self::Weekday(_) => "time.Weekday",
            Self::Zone(_) => "*time.Location",
            Self::Strings(_) => "[]string",
            Self::NamedStrings(_) => "template.Strings",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::StringMap(_) => "map[string]string",
            Self::Kv(_) => "template.KV",
            Self::Pairs(_) => "template.Pairs",
            Self::Pair(_) => "template.Pair",
            Self::Alerts(_) => "template.Alerts",
            Self::AlertSlice(_) => "[]template.Alert",
            Self::Alert(_) => "template.Alert",
            Self::Data(_) => "*template.Data",
            Self::Samples(_) => "template.queryResult",
            Self::Sample(_) => "*template.sample",
            Self::Object(object) => object.go_type(),
        }
    }
}
