//! What `range` walks over.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::sync::Arc;

use super::super::{
    data::{AlertData, Pair, QuerySample},
    object::plain_pairs,
    value::{Int, List, Map, Uint, Value},
};

/// The elements of a value, one after the other.
pub(super) enum Items {
    Strings(Arc<[Arc<str>]>),
    List(Arc<List>),
    Alerts(Arc<[Arc<AlertData>]>),
    Pairs(Arc<[Pair]>),
    Samples(Arc<[Arc<QuerySample>]>),
    /// Labels or annotations, by name.
    Kv(Vec<Pair>),
    Map(Arc<Map>, Vec<Arc<str>>),
    Int(Int, i64),
    Uint(Uint, u64),
}

impl Items {
    /// The elements, or the value back if it has none.
    pub(super) fn of(value: Value) -> Result<Self, Value> {
        Ok(match value {
            Value::Strings(items) | Value::NamedStrings(items) => Self::Strings(items),
            Value::List(list) => Self::List(list),
            Value::Alerts(alerts) | Value::AlertSlice(alerts) => Self::Alerts(alerts),
            Value::Pairs(pairs) => Self::Pairs(pairs),
            Value::Samples(samples) => Self::Samples(samples),
            Value::Kv(labels) | Value::StringMap(labels) => Self::Kv(plain_pairs(&labels)),
            Value::Map(map) => {
                let keys = map.items().keys().cloned().collect();
                Self::Map(map, keys)
            }
            Value::Int(ty, count) => Self::Int(ty, count),
            Value::Duration(count) => Self::Int(Int::Int64, count),
            Value::Month(count) | Value::Weekday(count) => Self::Int(Int::Int, count),
            Value::Uint(ty, count) => Self::Uint(ty, count),
            other => return Err(other),
        })
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int(..) | Self::Uint(..))
    }

    /// The key and the value of an element; `None` past the last.
    pub(super) fn get(&self, at: usize) -> Option<(Value, Value)> {
        let index = || Value::int(at);
        Some(match self {
            Self::Strings(items) => (index(), Value::Str(Arc::clone(items.get(at)?))),
            Self::List(list) => (index(), list.items().get(at)?.clone()),
            Self::Alerts(alerts) => (index(), Value::Alert(Arc::clone(alerts.get(at)?))),
            Self::Pairs(pairs) => (index(), Value::Pair(pairs.get(at)?.clone())),
            Self::Samples(samples) => (index(), Value::Sample(Arc::clone(samples.get(at)?))),
            Self::Kv(pairs) => {
                let Pair { name, value } = pairs.get(at)?.clone();
                (Value::Str(name), Value::Str(value))
            }
            Self::Map(map, keys) => {
                let key = keys.get(at)?;
                let value = map.items().get(key).cloned().unwrap_or(Value::NilAny);
                (Value::Str(Arc::clone(key)), value)
            }
            Self::Int(ty, count) => {
                let at = i64::try_from(at).ok().filter(|at| at < count)?;
                (Value::Nil, Value::Int(*ty, at))
            }
            Self::Uint(ty, count) => {
                let at = u64::try_from(at).ok().filter(|at| at < count)?;
                (Value::Nil, Value::Uint(*ty, at))
            }
        })
    }
}
