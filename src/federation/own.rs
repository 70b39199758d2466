//! What the node measures of itself, as series of the last minutes: rules about the mesh and about partitions need no
//! endpoint that scrapes it.
//!
//! The same names may come from endpoints that scrape nodes. So a selector says that it means what is here, by
//! `watchfire="self"`, and then no endpoint is asked. The metric that tells which partitions answer is always meant as it is
//! here: where it would have to be asked for, it could not be read when it matters.

use std::collections::{BTreeSet, VecDeque};

use super::{Claim, Local, recent::Recent};
use crate::{
    labels::{LabelSet, Matcher},
    promql::{Point, STALE, Series},
};

/// How long samples are kept; milliseconds.
const KEPT: i64 = 15 * 60 * 1000;

/// A node that measured nothing for longer did not run; milliseconds. It measures every 15 s.
const LONGEST_PAUSE: i64 = 35_000;

/// The label by which selectors mean what is here, and its value.
const SELF: (&str, &str) = ("watchfire", "self");

/// The metric that tells which partitions answer.
const UP: &str = "watchfire_partition_up";

/// The series of a node about itself. Clones are cheap and do not change.
#[derive(Clone, Debug, Default)]
pub struct OwnMetrics {
    recent: Recent,
    alive: BTreeSet<LabelSet>,
    /// When it was measured; Unix milliseconds.
    times: VecDeque<i64>,
}

/// Of these series, those that tell which partitions answer, with the labels of each partition and no other.
#[derive(Clone, Debug)]
pub struct PartitionsUp {
    recent: Recent,
    times: VecDeque<i64>,
}

impl OwnMetrics {
    /// Takes what was measured at a time in Unix milliseconds; a series that is not there any more ends.
    pub fn take(&mut self, measured: Vec<(LabelSet, f64)>, time: i64) {
        let from = time.saturating_sub(KEPT);
        // The clock may have been set back.
        self.times.retain(|one| from < *one && *one < time);
        self.times.push_back(time);
        let mut alive = BTreeSet::new();
        for (labels, value) in measured {
            self.recent.push(&labels, time, &Point::Float(value), from);
            alive.insert(labels);
        }
        for labels in self.alive.difference(&alive) {
            self.recent.push(labels, time, &Point::Float(STALE), from);
        }
        self.alive = alive;
        let names: Vec<String> = self.recent.names().map(str::to_owned).collect();
        for name in names {
            self.recent.forget(&name, from);
        }
    }
}

impl Local for OwnMetrics {
    fn labels(&self) -> LabelSet {
        LabelSet::from_pairs([SELF])
    }

    fn claim(&self) -> Option<Claim> {
        let (label, value) = SELF;
        Some(Claim { label, value })
    }

    fn knows(&self, from: i64, to: i64) -> bool {
        without_pause(&self.times, from, to)
    }

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        self.recent.select(matchers, from, to)
    }
}

/// Whether it was measured all the time.
fn without_pause(times: &VecDeque<i64>, from: i64, to: i64) -> bool {
    let before = times.iter().rev().find(|time| **time <= from);
    let within = times.iter().filter(|time| from < **time && **time <= to);
    let Some(mut last) = before.copied() else {
        return false;
    };
    for time in within.copied().chain([to]) {
        if time.saturating_sub(last) > LONGEST_PAUSE {
            return false;
        }
        last = time;
    }
    true
}

impl PartitionsUp {
    /// Those of all series.
    #[must_use]
    pub fn of(own: &OwnMetrics) -> Self {
        let mut recent = own.recent.clone();
        recent.retain(|name| name == UP);
        Self {
            recent,
            times: own.times.clone(),
        }
    }
}

impl Local for PartitionsUp {
    fn claim(&self) -> Option<Claim> {
        Some(Claim {
            label: "__name__",
            value: UP,
        })
    }

    fn knows(&self, from: i64, to: i64) -> bool {
        without_pause(&self.times, from, to)
    }

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        self.recent.select(matchers, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        federation::local::is_claimed,
        labels::MatchOp,
        promql::{
            is_stale,
            parse::{Features, parse},
        },
    };

    fn up(cluster: &str, value: f64) -> (LabelSet, f64) {
        let labels = [("__name__", UP), ("cluster", cluster)];
        (LabelSet::from_pairs(labels), value)
    }

    fn count_at(own: &OwnMetrics, time: i64) -> usize {
        let named = [Matcher::new(MatchOp::Equal, "__name__", UP).unwrap()];
        let all = PartitionsUp::of(own).select(&named, time - 60_000, time);
        let goes_on = |series: &&Series| {
            let last = series.floats.values.last().copied();
            last.is_some_and(|last| !is_stale(last))
        };
        all.iter().filter(goes_on).count()
    }

    #[test]
    fn series_end_with_what_they_measure_and_go_after_a_quarter_of_an_hour() {
        let mut own = OwnMetrics::default();
        own.take(vec![up("eu", 1.0), up("us", 0.0)], 15_000);
        let before = own.clone();
        own.take(vec![up("eu", 1.0)], 30_000);
        assert_eq!(count_at(&before, 30_000), 2);
        assert_eq!(count_at(&own, 30_000), 1);
        own.take(Vec::new(), 45_000);
        assert_eq!(count_at(&own, 45_000), 0);
        own.take(Vec::new(), 45_001 + KEPT);
        assert_eq!(own.recent.names().count(), 0);
    }

    #[test]
    fn what_was_measured_is_known_while_the_node_ran() {
        let mut own = OwnMetrics::default();
        for second in [15, 30, 45, 300, 315] {
            own.take(vec![up("eu", 1.0)], second * 1000);
        }
        let up = PartitionsUp::of(&own);
        for (from, to, known) in [
            (20, 45, true),
            (45, 60, true),
            (60, 60, true),
            (14, 14, false),
            (5, 30, false),
            (45, 90, false),
            (90, 90, false),
            (30, 310, false),
            (310, 330, true),
        ] {
            assert_eq!(own.knows(from * 1000, to * 1000), known, "{from} {to}");
            assert_eq!(up.knows(from * 1000, to * 1000), known, "{from} {to}");
        }
        own.take(vec![], 310_000);
        assert!(!own.knows(315_000, 360_000), "the clock was set back");
        own.take(vec![], 310_000 + KEPT);
        assert!(!own.knows(310_000, 310_000));
    }

    #[test]
    fn selectors_say_that_they_mean_what_is_here() {
        let own = OwnMetrics::default();
        let claims = [
            own.claim().unwrap(),
            PartitionsUp::of(&own).claim().unwrap(),
        ];
        let claimed = |text: &str| {
            let expr = parse(text, Features::all()).unwrap();
            claims.map(|claim| is_claimed(claim, &expr))
        };
        let cases = [
            (
                "count(up == 0 or watchfire_partition_up == 0)",
                [false, true],
            ),
            (
                r#"rate(process_cpu_seconds_total{watchfire="self"}[1m])"#,
                [true, false],
            ),
            ("watchfire_cluster_quorum == 0", [false, false]),
            (r#"{__name__=~"watchfire_.+"}"#, [false, false]),
            ("vector(1)", [false, false]),
        ];
        for (text, expected) in cases {
            assert_eq!(claimed(text), expected, "{text}");
        }
    }
}
