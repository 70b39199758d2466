//! `route` as it is written, and how the tree of routes inherits.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    GroupBy, Route,
    matching::{Matchers, Patterns, check_classic_names, together},
    read::{Place, Placed, PromDuration, Reader, Shown},
    section::section,
};
use crate::labels::{Matcher, go_quote, is_valid_label_name};

section! {
    /// `Route` of upstream's config/config.go.
    pub(crate) RawRoute in "config.plain", check check_route {
        receiver: String,
        /// `None` inherits, an empty list does not.
        group_by: Option<Vec<String>>,
        matching ["match"]: BTreeMap<String, String>,
        match_re: BTreeMap<String, String> as Patterns,
        matchers: Vec<Matcher> as Matchers,
        mute_time_intervals: Vec<String>,
        active_time_intervals: Vec<String>,
        continue_matching ["continue"]: bool as Shown<bool>,
        routes: Vec<Option<Placed<RawRoute>>>,
        group_wait: Option<Duration> as Option<PromDuration>,
        group_interval: Option<Duration> as Option<PromDuration>,
        repeat_interval: Option<Duration> as Option<PromDuration>,
        labels: BTreeMap<String, String>,
    }
}

/// `Route.UnmarshalYAML` of upstream.
fn check_route(route: &mut RawRoute, place: &Place, reader: &mut Reader<'_>) {
    check_classic_names(route.matching.keys(), place.of("match"), reader);
    for label in route.labels.keys() {
        if !is_valid_label_name(label, reader.env.matchers) {
            let message = format!("invalid label name {} in route labels", go_quote(label));
            reader.deny(place.of("labels"), message);
        }
    }
    check_group_by(route.group_by.as_deref().unwrap_or_default(), place, reader);
    if route
        .group_interval
        .is_some_and(|interval| interval.is_zero())
    {
        reader.deny(place.of("group_interval"), "group_interval cannot be zero");
    }
    if route
        .repeat_interval
        .is_some_and(|interval| interval.is_zero())
    {
        reader.deny(
            place.of("repeat_interval"),
            "repeat_interval cannot be zero",
        );
    }
    // Upstream dereferences a null route and ends.
    if route.routes.iter().any(Option::is_none) {
        reader.deny_with_hint(
            place.of("routes"),
            "missing route in routes",
            "a dash with nothing behind it",
        );
    }
}

fn check_group_by(group_by: &[String], place: &Place, reader: &mut Reader<'_>) {
    let at = place.of("group_by");
    let mut seen: Vec<&str> = Vec::new();
    let mut duplicate = None;
    for label in group_by.iter().filter(|label| *label != "...") {
        if !is_valid_label_name(label, reader.env.matchers) {
            let message = format!("invalid label name {} in group_by list", go_quote(label));
            reader.deny(at, message);
        } else if seen.contains(&&**label) {
            duplicate = duplicate.or(Some(label));
        }
        seen.push(label);
    }
    if !seen.is_empty() && group_by.iter().any(|label| label == "...") {
        reader.deny(
            at,
            "cannot have wildcard group_by (`...`) and other labels at the same time",
        );
    } else if let Some(label) = duplicate {
        let message = format!("duplicated label {} in group_by", go_quote(label));
        reader.deny(at, message);
    }
}

/// The checks of upstream's `Config.UnmarshalYAML` on the root.
pub(crate) fn check_root(root: &Placed<RawRoute>, reader: &mut Reader<'_>) {
    let (route, place) = (&root.value, &root.place);
    if route.receiver.is_empty() && place.sound {
        reader.deny(place.at, "root route must specify a default receiver");
    }
    let matching = [
        ("match", !route.matching.is_empty()),
        ("match_re", !route.match_re.is_empty()),
        ("matchers", !route.matchers.is_empty()),
    ];
    if let Some((key, _)) = matching.iter().find(|(_, set)| *set) {
        reader.deny(place.of(key), "root route must not have any matchers");
    }
    if !route.mute_time_intervals.is_empty() {
        reader.deny(
            place.of("mute_time_intervals"),
            "root route must not have any mute time intervals",
        );
    }
    if !route.active_time_intervals.is_empty() {
        reader.deny(
            place.of("active_time_intervals"),
            "root route must not have any active time intervals",
        );
    }
}

/// Notes receivers of the tree that are not defined, children before their parent as upstream does.
pub(crate) fn check_receivers(
    route: &Placed<RawRoute>,
    defined: &dyn Fn(&str) -> bool,
    reader: &mut Reader<'_>,
) {
    for child in route.value.routes.iter().flatten() {
        check_receivers(child, defined, reader);
    }
    let name = &route.value.receiver;
    if !name.is_empty() && !defined(name) {
        let message = format!("undefined receiver {} used in route", go_quote(name));
        reader.deny(route.place.of("receiver"), message);
    }
}

/// Notes time intervals of the tree that are not defined, children before their parent as upstream does.
pub(crate) fn check_intervals(
    route: &Placed<RawRoute>,
    defined: &dyn Fn(&str) -> bool,
    reader: &mut Reader<'_>,
) {
    for child in route.value.routes.iter().flatten() {
        check_intervals(child, defined, reader);
    }
    let lists = [
        ("active_time_intervals", &route.value.active_time_intervals),
        ("mute_time_intervals", &route.value.mute_time_intervals),
    ];
    for (key, names) in lists {
        for name in names.iter().filter(|name| !defined(name)) {
            let message = format!("undefined time interval {} used in route", go_quote(name));
            reader.deny(route.place.of(key), message);
        }
    }
}

impl RawRoute {
    /// The tree with inheritance resolved; `parent` is the default route for the root.
    pub(crate) fn resolve(&self, parent: &Route) -> Route {
        let mut matchers = together(&self.matching, &self.match_re, &self.matchers);
        matchers.sort();
        let shared = |names: &[String]| names.iter().map(|name| Arc::from(&**name)).collect();
        let mut route = Route {
            receiver: if self.receiver.is_empty() {
                Arc::clone(&parent.receiver)
            } else {
                Arc::from(&*self.receiver)
            },
            group_by: self
                .group_by
                .as_deref()
                .map_or_else(|| parent.group_by.clone(), group_by),
            matchers,
            group_wait: self.group_wait.unwrap_or(parent.group_wait),
            group_interval: self.group_interval.unwrap_or(parent.group_interval),
            repeat_interval: self.repeat_interval.unwrap_or(parent.repeat_interval),
            mute_time_intervals: shared(&self.mute_time_intervals),
            active_time_intervals: shared(&self.active_time_intervals),
            continue_matching: self.continue_matching,
            labels: self.labels(parent),
            routes: Vec::new(),
        };
        let children = self.routes.iter().flatten();
        route.routes = children.map(|child| child.value.resolve(&route)).collect();
        route
    }

    fn labels(&self, parent: &Route) -> Arc<BTreeMap<Arc<str>, Arc<str>>> {
        if self.labels.is_empty() {
            return Arc::clone(&parent.labels);
        }
        let own = self
            .labels
            .iter()
            .map(|(name, value)| (Arc::from(&**name), Arc::from(&**value)));
        let mut labels = (*parent.labels).clone();
        labels.extend(own);
        Arc::new(labels)
    }
}

fn group_by(names: &[String]) -> GroupBy {
    if names.iter().any(|name| name == "...") {
        return GroupBy::All;
    }
    let mut names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(&**name)).collect();
    names.sort();
    GroupBy::Labels(names.into())
}
