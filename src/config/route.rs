//! The routing tree as the file gives it, with inheritance resolved.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::labels::Matcher;

/// A node of the routing tree.
#[derive(Debug, Clone)]
pub struct Route {
    /// The receiver, own or inherited.
    pub receiver: Arc<str>,
    /// What alerts are grouped by, own or inherited.
    pub group_by: GroupBy,
    /// `match`, `match_re` and `matchers` together, sorted by name, value and operator; all must match.
    pub matchers: Vec<Matcher>,
    /// How long a new group waits before its first notification.
    pub group_wait: Duration,
    /// How long a group waits between notifications about changes.
    pub group_interval: Duration,
    /// How long until an unchanged group is notified again.
    pub repeat_interval: Duration,
    /// Names of intervals in which nothing is notified; not inherited.
    pub mute_time_intervals: Vec<Arc<str>>,
    /// Names of intervals outside which nothing is notified; empty means always active; not inherited.
    pub active_time_intervals: Vec<Arc<str>>,
    /// Whether siblings after this route are tried although it matched.
    pub continue_matching: bool,
    /// Route labels, inherited and merged; values are templates.
    pub labels: Arc<BTreeMap<Arc<str>, Arc<str>>>,
    /// Child routes in the order of the file.
    pub routes: Vec<Self>,
}

/// A root with upstream's default intervals that groups everything and names no receiver.
impl Default for Route {
    fn default() -> Self {
        // `DefaultRouteOpts` of dispatch/route.go.
        Self {
            receiver: Arc::from(""),
            group_by: GroupBy::Labels(Arc::from([])),
            matchers: Vec::new(),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat_interval: Duration::from_secs(4 * 60 * 60),
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            continue_matching: false,
            labels: Arc::default(),
            routes: Vec::new(),
        }
    }
}

/// What the alerts of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// `['...']`: every label.
    All,
    /// The labels named, sorted; none puts all alerts of the route into one group.
    Labels(Arc<[Arc<str>]>),
}
