//! What loads as upstream loads it, but most likely is not what its author wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Route,
    file::RawConfig,
    raw_route::RawRoute,
    read::{Placed, Position, Reader},
    settings::warn_robot,
};
use crate::{
    labels::{MatchOp, Matcher},
    time::format_prom_duration,
};

/// Looks at a valid file.
pub(crate) fn warn(raw: &RawConfig, root: &Route, reader: &mut Reader<'_>) {
    let mut used = BTreeSet::new();
    if let Some(route) = &raw.route {
        warn_route(route, root, reader, &mut used);
    }
    for receiver in &raw.receivers {
        let name = &receiver.value.name;
        if !used.contains(&**name) {
            let message = format!("no route uses receiver {name:?}, so it is never notified");
            reader.warn(receiver.place.of("name"), message);
        }
        for entry in receiver.value.integrations() {
            warn_robot(entry, reader);
        }
    }
    for interval in &raw.mute_time_intervals {
        let message = "mute_time_intervals at the top of the file is deprecated; move the entry to time_intervals";
        reader.warn(interval.place.of("name"), message);
    }
    for rule in &raw.inhibit_rules {
        let old = [
            rule.source_match.len(),
            rule.source_match_re.len(),
            rule.target_match.len(),
            rule.target_match_re.len(),
        ];
        if old.iter().any(|count| *count > 0) {
            let message = "source_match, source_match_re, target_match and target_match_re of inhibit_rules are \
                           deprecated; write source_matchers and target_matchers";
            reader.warn(Position::default(), message);
            break;
        }
    }
    let unbuilt = [
        (
            "tracing",
            raw.tracing.as_ref().map(|section| section.place.at),
        ),
        (
            "event_recorder",
            raw.event_recorder.as_ref().map(|section| section.place.at),
        ),
    ];
    for (key, at) in unbuilt {
        if let Some(at) = at {
            reader.warn(
                at,
                format!("{key} is read and has no effect: it is not built"),
            );
        }
    }
}

fn warn_route<'r>(
    raw: &'r Placed<RawRoute>,
    route: &Route,
    reader: &mut Reader<'_>,
    used: &mut BTreeSet<&'r str>,
) {
    if !raw.value.receiver.is_empty() {
        used.insert(&raw.value.receiver);
    }
    warn_timers(raw, route, reader);
    for (key, deprecated) in [
        ("match", !raw.value.matching.is_empty()),
        ("match_re", !raw.value.match_re.is_empty()),
    ] {
        if deprecated {
            reader.warn(
                raw.place.of(key),
                format!("{key} is deprecated; write matchers"),
            );
        }
    }
    let mut earlier = Earlier::default();
    for (child, resolved) in raw.value.routes.iter().flatten().zip(&route.routes) {
        if let Some(first) = earlier.covering(resolved) {
            let message = format!(
                "this route is never reached: an earlier route beside it (receiver {:?}) takes everything that it \
                 matches, and does not continue",
                &*first.receiver
            );
            reader.warn(child.place.at, message);
        }
        if !resolved.continue_matching {
            earlier.add(resolved);
        }
        warn_route(child, resolved, reader, used);
    }
}

/// Routes that keep what they match, by one of their matchers, so that thousands of siblings are looked at quickly.
#[derive(Default)]
struct Earlier<'r> {
    by_matcher: BTreeMap<&'r Matcher, Vec<&'r Route>>,
    catch_all: Option<&'r Route>,
}

impl<'r> Earlier<'r> {
    fn add(&mut self, route: &'r Route) {
        match route.matchers.iter().find(|m| !takes_anything(m)) {
            Some(matcher) => self.by_matcher.entry(matcher).or_default().push(route),
            None => self.catch_all = self.catch_all.or(Some(route)),
        }
    }

    /// A route that whatever passes `later` passes.
    fn covering(&self, later: &Route) -> Option<&'r Route> {
        let candidates = later
            .matchers
            .iter()
            .filter_map(|matcher| self.by_matcher.get(matcher))
            .flatten();
        self.catch_all
            .into_iter()
            .chain(candidates.copied())
            .find(|first| covers(first, later))
    }
}

/// Whether whatever passes `later` passes `first`: each matcher of `first` is among those of `later`, or takes anything.
fn covers(first: &Route, later: &Route) -> bool {
    first
        .matchers
        .iter()
        .all(|matcher| later.matchers.contains(matcher) || takes_anything(matcher))
}

fn takes_anything(matcher: &Matcher) -> bool {
    matcher.op() == MatchOp::Regex && [".*", "^(?:.*)$"].contains(&matcher.value())
}

fn warn_timers(raw: &Placed<RawRoute>, route: &Route, reader: &mut Reader<'_>) {
    // Children inherit most timers: only what a route sets itself is its own mistake.
    let (interval, repeat) = (route.group_interval, route.repeat_interval);
    let at = if raw.value.repeat_interval.is_some() {
        raw.place.of("repeat_interval")
    } else if raw.value.group_interval.is_some() {
        raw.place.of("group_interval")
    } else {
        return;
    };
    let (shown_interval, shown_repeat) =
        (format_prom_duration(interval), format_prom_duration(repeat));
    if repeat < interval {
        reader.warn(
            at,
            format!(
                "repeat_interval {shown_repeat} is shorter than group_interval {shown_interval}: groups are looked at \
                 every group_interval, so nothing is repeated sooner"
            ),
        );
    } else if repeat.as_nanos().checked_rem(interval.as_nanos()) != Some(0) {
        reader.warn(
            at,
            format!(
                "repeat_interval {shown_repeat} is no multiple of group_interval {shown_interval}: it is reached at \
                 the next multiple, {}",
                format_prom_duration(next_multiple(repeat, interval))
            ),
        );
    }
    if repeat > reader.env.retention {
        let retention = format_prom_duration(reader.env.retention);
        reader.warn(
            at,
            format!(
                "repeat_interval {shown_repeat} is longer than --data.retention {retention}: what was notified is \
                 forgotten before, and repeated then"
            ),
        );
    }
}

fn next_multiple(repeat: Duration, interval: Duration) -> Duration {
    let times = repeat.as_nanos().div_ceil(interval.as_nanos().max(1));
    interval.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::config::{LoadEnv, load};

    fn warnings(text: &str) -> String {
        let config = load(text.as_bytes(), &LoadEnv::default()).unwrap();
        let mut shown = String::new();
        for warning in &config.warnings {
            let message = warning
                .message
                .split_inclusive(' ')
                .take(8)
                .collect::<String>();
            let _ = writeln!(shown, "{}:{} {message}", warning.line, warning.column);
        }
        shown
    }

    #[test]
    fn what_looks_wrong_is_told() {
        let text = "\
route:
  receiver: a
  group_interval: 5m
  repeat_interval: 121h
  routes:
  - {receiver: b, matchers: [x=y]}
  - {receiver: b, matchers: [x=y, z=1]}
  - {receiver: b, matchers: [z=1], repeat_interval: 1m}
  - {receiver: b, matchers: [z=2], group_interval: 7m, continue: true}
  - {receiver: b, matchers: ['z=~\".*\"']}
  - {match: {m: n}}
receivers:
- name: a
  webhook_configs:
  - {url: 'http://a/{{ .GroupLabels.x }}'}
  - {url: 'https://a/', http_config: {tls_config: {max_version: TLS11}}}
  - {url: 'https://a/', http_config: {tls_config: {min_version: TLS10}}}
- name: b
  falcon_configs: [{url: 'http://a'}]
- name: c
mute_time_intervals: [{name: m, time_intervals: []}]
event_recorder: {stdout_outputs: [{}]}
";
        expect_test::expect![[r#"
            4:3 repeat_interval 121h is longer than --data.retention 5d: what 
            7:5 this route is never reached: an earlier route 
            8:36 repeat_interval 1m is shorter than group_interval 5m: groups 
            9:36 repeat_interval 121h is no multiple of group_interval 7m: 
            9:36 repeat_interval 121h is longer than --data.retention 5d: what 
            11:5 this route is never reached: an earlier route 
            11:6 match is deprecated; write matchers
            16:52 TLS 1.0 and 1.1 are not supported: no 
            17:52 TLS 1.0 and 1.1 are not supported: connections 
            20:3 no route uses receiver "c", so it is 
            21:24 mute_time_intervals at the top of the file is 
            22:17 event_recorder is read and has no effect: it 
        "#]]
        .assert_eq(&warnings(text));
    }

    #[test]
    fn a_plain_file_gives_no_warning() {
        assert_eq!(
            warnings("route: {receiver: a}\nreceivers: [{name: a}]\n"),
            ""
        );
    }
}
