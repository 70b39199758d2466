//! What a rendering is given: the data, the time, time zones, limits.

use std::fmt;

use jiff::tz::TimeZone;

use super::value::Value;
use crate::time::Timestamp;

/// Everything that a template can see.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// The dot.
    pub data: Value,
    /// What `now` and `since` take for the current time.
    pub now: Timestamp,
    /// The zone of `localTime`.
    pub zone: TimeZone,
    /// Go's `time.Local`: the zone of the machine.
    pub local: TimeZone,
    /// How much a rendering may do.
    pub limits: Limits,
    /// What the functions of a dialect ask for more than that.
    pub host: Option<&'a dyn Host>,
    /// Route labels that are templates themselves; without it those of the data are taken as they are.
    pub(crate) routes: Option<&'a dyn RouteLabels>,
}

/// What `routeLabels` asks.
pub(crate) trait RouteLabels: fmt::Debug {
    /// The rendered value of a label of the route.
    fn resolve(&self, name: &str) -> Result<Option<std::sync::Arc<str>>, String>;
}

/// Bounds of one rendering.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of output, and of each string on the way there.
    pub output: usize,
    /// Parts of the template that are evaluated; big values count as more than one.
    pub steps: u64,
    /// Templates that call templates.
    pub depth: usize,
}

/// What stands behind functions of a dialect that reach outside, such as the ruler's `query`.
pub trait Host: fmt::Debug {
    /// Calls the function of that name.
    ///
    /// # Errors
    /// What Go's function would return as its error.
    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String>;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output: 16 << 20,
            steps: 20_000_000,
            // As Go's `maxExecDepth`.
            depth: 100_000,
        }
    }
}

impl Scope<'_> {
    /// Makes a scope with UTC for all zones and the default limits.
    #[must_use]
    pub fn new(data: impl Into<Value>, now: Timestamp) -> Self {
        Self {
            data: data.into(),
            now,
            zone: TimeZone::UTC,
            local: TimeZone::UTC,
            limits: Limits::default(),
            host: None,
            routes: None,
        }
    }
}
