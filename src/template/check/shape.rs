//! The types of values, as far as they are known before rendering.

use super::super::{go_type::Type, rule::RULE_DOT};

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Anything, or nothing.
    Unknown,
    Bool,
    Int,
    Int64,
    Byte,
    Float,
    Complex,
    Str,
    Safe,
    Time,
    Duration,
    Month,
    Weekday,
    Zone,
    Strings,
    NamedStrings,
    List,
    Map,
    Kv,
    Pairs,
    Pair,
    Alerts,
    AlertSlice,
    Alert,
    Data,
    /// `map[string]string`
    StringMap,
    /// The dot of a rule's template.
    RuleDot,
    /// What a query in a rule's template gives.
    Samples,
    Sample,
}

impl Shape {
    /// Go's name of the type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Byte => "uint8",
            Self::Float => "float64",
            Self::Complex => "complex128",
            Self::Str => "string",
            Self::Safe => "template.HTML",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
            Self::Zone => "*time.Location",
            Self::Strings => "[]string",
            Self::NamedStrings => "template.Strings",
            Self::List => "[]interface {}",
            Self::Map => "map[string]interface {}",
            Self::Kv => "template.KV",
            Self::Pairs => "template.Pairs",
            Self::Pair => "template.Pair",
            Self::Alerts => "template.Alerts",
            Self::AlertSlice => "[]template.Alert",
            Self::Alert => "template.Alert",
            Self::Data => "*template.Data",
            Self::StringMap => "map[string]string",
            Self::RuleDot => RULE_DOT,
            Self::Samples => "template.queryResult",
            Self::Sample => "*template.sample",
        }
    }

    /// Whether it can be given to a parameter of the type.
    pub(super) fn fits(self, ty: Type) -> bool {
        match ty {
            Type::Any | Type::Reflect => true,
            _ if self == Self::Unknown => true,
            Type::Int => self == Self::Int,
            Type::Str => self == Self::Str,
            Type::Duration => self == Self::Duration,
            Type::Time => self == Self::Time,
            Type::Zone => self == Self::Zone,
            Type::Strings => matches!(self, Self::Strings | Self::NamedStrings),
            Type::List => self == Self::List,
            Type::Samples => self == Self::Samples,
            Type::Sample => self == Self::Sample,
        }
    }

    /// What both are.
    pub(super) fn join(self, other: Self) -> Self {
        if self == other { self } else { Self::Unknown }
    }

    /// The key and the value that `range` gives; `None` if it cannot walk over it.
    pub(super) fn elements(self) -> Option<(Self, Self)> {
        Some(match self {
            Self::Unknown => (Self::Unknown, Self::Unknown),
            Self::Strings | Self::NamedStrings => (Self::Int, Self::Str),
            Self::List => (Self::Int, Self::Unknown),
            Self::Map => (Self::Str, Self::Unknown),
            Self::Kv | Self::StringMap => (Self::Str, Self::Str),
            Self::Samples => (Self::Int, Self::Sample),
            Self::Pairs => (Self::Int, Self::Pair),
            Self::Alerts | Self::AlertSlice => (Self::Int, Self::Alert),
            Self::Int | Self::Int64 | Self::Byte => (Self::Unknown, self),
            Self::Duration => (Self::Unknown, Self::Int64),
            Self::Month | Self::Weekday => (Self::Unknown, Self::Int),
            Self::Bool
            | Self::Float
            | Self::Complex
            | Self::Str
            | Self::Safe
            | Self::Time
            | Self::Zone
            | Self::Pair
            | Self::Alert
            | Self::Data
            | Self::RuleDot
            | Self::Sample => return None,
        })
    }

    /// What `index` gives with one index.
    pub(super) fn indexed(self) -> Self {
        match self {
            Self::Str | Self::Safe => Self::Byte,
            Self::Kv | Self::StringMap | Self::Strings | Self::NamedStrings => Self::Str,
            Self::Samples => Self::Sample,
            Self::Pairs => Self::Pair,
            Self::Alerts | Self::AlertSlice => Self::Alert,
            Self::Unknown
            | Self::Bool
            | Self::Int
            | Self::Int64
            | Self::Byte
            | Self::Float
            | Self::Complex
            | Self::Time
            | Self::Duration
            | Self::Month
            | Self::Weekday
            | Self::Zone
            | Self::List
            | Self::Map
            | Self::Pair
            | Self::Alert
            | Self::Data
            | Self::RuleDot
            | Self::Sample => Self::Unknown,
        }
    }

    /// The field, or the value of the key, of that name; `None` if there is none.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Unknown | Self::Map, _) | (Self::RuleDot | Self::Sample, "Value") => {
                Some(Self::Unknown)
            }
            (Self::RuleDot, "Labels" | "ExternalLabels") | (Self::Sample, "Labels") => {
                Some(Self::StringMap)
            }
            (Self::Kv | Self::StringMap, _)
            | (Self::RuleDot, "ExternalURL")
            | (Self::Data, "Receiver" | "Status" | "NotificationReason" | "ExternalURL")
            | (Self::Alert, "Status" | "GeneratorURL" | "Fingerprint")
            | (Self::Pair, "Name" | "Value") => Some(Self::Str),
            (Self::Data, "Alerts") => Some(Self::Alerts),
            (Self::Data, "GroupLabels" | "CommonLabels" | "CommonAnnotations" | "RouteLabels")
            | (Self::Alert, "Labels" | "Annotations") => Some(Self::Kv),
            (Self::Alert, "StartsAt" | "EndsAt") => Some(Self::Time),
            _ => None,
        }
    }
}
