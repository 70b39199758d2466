//! The values that templates compute with: what Go's `reflect.Value` can hold here.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    data::{AlertData, Data, Pair, QuerySample},
    gotime::{Time, Zone},
};
use crate::labels::LabelSet;

/// A value in a template. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// No value at all (`reflect.Value{}`); prints as `<no value>`.
    #[default]
    Nil,
    /// Nil in an `interface{}`, as an element of a list or map; prints as `<nil>`.
    NilAny,
    /// `bool`
    Bool(bool),
    /// A signed integer of the given type.
    Int(Int, i64),
    /// An unsigned integer of the given type.
    Uint(Uint, u64),
    /// `float64`
    Float(f64),
    /// `complex128`
    Complex(f64, f64),
    /// `string`. Go's strings may hold bytes that are no UTF-8; here each such byte is U+FFFD, as in Go's JSON.
    Str(Arc<str>),
    /// A string that html/template trusts in the given context.
    Safe(Safe, Arc<str>),
    /// `time.Time`
    Time(Time),
    /// `time.Duration`, nanoseconds.
    Duration(i64),
    /// `time.Month`
    Month(i64),
    /// `time.Weekday`
    Weekday(i64),
    /// `*time.Location`
    Zone(Zone),
    /// `[]string`
    Strings(Arc<[Arc<str>]>),
    /// Alertmanager's `template.Strings`
    NamedStrings(Arc<[Arc<str>]>),
    /// `[]interface {}`
    List(Arc<List>),
    /// `map[string]interface {}`
    Map(Arc<Map>),
    /// `map[string]string`
    StringMap(LabelSet),
    /// Alertmanager's `template.KV`
    Kv(LabelSet),
    /// Alertmanager's `template.Pairs`
    Pairs(Arc<[Pair]>),
    /// Alertmanager's `template.Pair`
    Pair(Pair),
    /// Alertmanager's `template.Alerts`
    Alerts(Arc<[Arc<AlertData>]>),
    /// `[]template.Alert`
    AlertSlice(Arc<[Arc<AlertData>]>),
    /// Alertmanager's `template.Alert`
    Alert(Arc<AlertData>),
    /// Alertmanager's `*template.Data`
    Data(Arc<Data>),
    /// Prometheus's `template.queryResult`, `[]*template.sample`
    Samples(Arc<[Arc<QuerySample>]>),
    /// Prometheus's `*template.sample`
    Sample(Arc<QuerySample>),
    /// What a dialect brings along.
    Object(Arc<dyn Object>),
}

/// Go's signed integer types that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Int {
    /// `int`
    Int,
    /// `int64`
    Int64,
}

/// Go's unsigned integer types that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uint {
    /// `uint8`, a byte of a string
    Uint8,
    /// `uint64`
    Uint64,
}

/// html/template's string types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safe {
    /// `template.CSS`
    Css,
    /// `template.HTML`
    Html,
    /// `template.HTMLAttr`
    HtmlAttr,
    /// `template.JS`
    Js,
    /// `template.JSStr`
    JsStr,
    /// `template.URL`
    Url,
    /// `template.Srcset`
    Srcset,
}

/// `[]interface {}`
#[derive(Debug)]
pub struct List {
    items: Box<[Value]>,
    depth: u32,
}

/// `map[string]interface {}`
#[derive(Debug)]
pub struct Map {
    items: BTreeMap<Arc<str>, Value>,
    depth: u32,
}

/// A struct of a dialect, such as a sample of a query.
pub trait Object: fmt::Debug + Send + Sync {
    /// Its Go type, as `%T` prints it.
    fn go_type(&self) -> &str;
    /// Its fields with their names, in order.
    fn fields(&self) -> Vec<(&str, Value)>;
    /// How it prints, if it says so itself (`fmt.Stringer`).
    fn text(&self) -> Option<&str> {
        None
    }
}

/// Lists and maps within one another; deeper ones are refused when they are built, so that no walk is deeper.
pub(crate) const MAX_DEPTH: u32 = 64;

/// A list or map would be nested too deep.
pub(crate) const TOO_DEEP: &str = "lists and maps are nested too deep";

impl List {
    /// Makes a list.
    ///
    /// # Errors
    /// When it would be nested too deep.
    pub fn new(items: Vec<Value>) -> Result<Self, String> {
        let depth = depth_of(items.iter())?;
        Ok(Self {
            items: items.into(),
            depth,
        })
    }

    /// Its elements.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Map {
    /// Makes a map.
    ///
    /// # Errors
    /// When it would be nested too deep.
    pub fn new(items: BTreeMap<Arc<str>, Value>) -> Result<Self, String> {
        let depth = depth_of(items.values())?;
        Ok(Self { items, depth })
    }

    /// Its entries.
    #[must_use]
    pub fn items(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.items
    }
}

fn depth_of<'a>(items: impl Iterator<Item = &'a Value>) -> Result<u32, String> {
    let depth = 1 + items.map(Value::depth).max().unwrap_or_default();
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP.to_owned());
    }
    Ok(depth)
}

impl Value {
    /// Makes a `string`.
    #[must_use]
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// Makes an `int`; what does not fit is held to the range.
    #[must_use]
    pub fn int(value: usize) -> Self {
        Self::Int(Int::Int, i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Makes a `[]interface {}`.
    ///
    /// # Errors
    /// When it would be nested too deep.
    pub fn list(items: Vec<Self>) -> Result<Self, String> {
        Ok(Self::List(Arc::new(List::new(items)?)))
    }

    /// Makes a `map[string]interface {}`.
    ///
    /// # Errors
    /// When it would be nested too deep.
    pub fn map(items: BTreeMap<Arc<str>, Self>) -> Result<Self, String> {
        Ok(Self::Map(Arc::new(Map::new(items)?)))
    }

    fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Nil
            | Self::NilAny
            | Self::Bool(_)
            | Self::Int(..)
            | Self::Uint(..)
            | Self::Float(_)
            | Self::Complex(..)
            | Self::Str(_)
            | Self::Safe(..)
            | Self::Time(_)
            | Self::Duration(_)
            | Self::Month(_)
            | Self::Weekday(_)
            | Self::Zone(_)
            | Self::Strings(_)
            | Self::NamedStrings(_)
            | Self::StringMap(_)
            | Self::Kv(_)
            | Self::Pairs(_)
            | Self::Pair(_)
            | Self::Alerts(_)
            | Self::AlertSlice(_)
            | Self::Alert(_)
            | Self::Data(_)
            | Self::Samples(_)
            | Self::Sample(_)
            | Self::Object(_) => 0,
        }
    }

    /// Whether `if` takes it for true: it is not the zero or empty value of its type.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil | Self::NilAny => false,
            Self::Bool(value) => *value,
            Self::Int(_, value)
            | Self::Duration(value)
            | Self::Month(value)
            | Self::Weekday(value) => *value != 0,
            Self::Uint(_, value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Str(text) | Self::Safe(_, text) => !text.is_empty(),
            Self::Strings(items) | Self::NamedStrings(items) => !items.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.items.is_empty(),
            Self::Kv(labels) | Self::StringMap(labels) => !labels.is_empty(),
            Self::Pairs(pairs) => !pairs.is_empty(),
            Self::Alerts(alerts) | Self::AlertSlice(alerts) => !alerts.is_empty(),
            Self::Samples(samples) => !samples.is_empty(),
            Self::Time(_)
            | Self::Zone(_)
            | Self::Pair(_)
            | Self::Alert(_)
            | Self::Data(_)
            | Self::Sample(_)
            | Self::Object(_) => true,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Self::Data(Arc::new(data))
    }
}

impl From<Arc<Data>> for Value {
    fn from(data: Arc<Data>) -> Self {
        Self::Data(data)
    }
}
