//! How much a node may keep: nothing grows with the time that it runs.

use std::{collections::BTreeMap, time::Duration};

use super::{check::Violation, world::World};

/// How often nodes are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// What all nodes together have to do with.
#[derive(Debug, Clone, Copy)]
struct Load {
    nodes: usize,
    sources: usize,
    alerts: usize,
    /// Alerts, each for each integration.
    words: usize,
}

impl Load {
    /// The most that a node may keep of something.
    fn bound(self, name: &str) -> usize {
        let Self {
            nodes,
            sources,
            alerts,
            words,
        } = self;
        match name {
            // Everything that was asked for is taken within the step.
            "effects" | "tenant effects" | "mesh effects" | "mesh events" | "claim outputs"
            | "claim events" => 0,
            "posts" => alerts + 4 * sources,
            "waiting configurations" => 4,
            "files in flight" => 4,
            "parked" => 2 * words + alerts,
            "waiting for the store" => 8 + 4 * words * nodes,
            "waiting payloads" => 16 + 8 * words * nodes,
            "waiting payload bytes" => 1 << 20,
            "flushes" | "ending flushes" | "unrefreshed alerts" | "refreshes" => alerts,
            "refreshes in order" | "alerts to write" => 4 * alerts,
            "notifications under way"
            | "claims"
            | "promises"
            | "promises of the run before"
            | "claim timers"
            | "claimed"
            | "asked for"
            | "requests out"
            | "attempts of runs before"
            | "held back"
            | "held back timers"
            | "held back for"
            | "unreachable"
            | "told by others" => words,
            // Probes are kept beside them.
            "promises being saved" => words + 1,
            "pending" | "pending timers" | "pending by key" => words,
            "untold changes" => 4 * words,
            "voters listened to" | "mesh peers" | "facts of peers" | "replication peers"
            | "repaired" => nodes,
            "streams" => 8 * nodes,
            "refusals" => 8 * nodes,
            "membership timers" => 64 * nodes,
            "unacknowledged bytes" => nodes << 20,
            "replication queues" => 64 * nodes,
            "replication queue bytes" => nodes << 18,
            "unfinished bytes" => nodes << 18,
            "changes ahead" => 64 * nodes,
            "changes told apart" => 2048,
            "parted nodes" | "nodes gone" => nodes,
            // There are no rules in the worlds that are watched.
            "quarantined" | "rule records to write" | "rule records for the ruler" | "rulers" => 0,
            other => panic!("nobody said how many {other} a node may keep"),
        }
    }
}

impl World {
    fn load(&self) -> Load {
        let alerts = self.sources.iter().map(|source| source.alerts.len()).sum();
        Load {
            nodes: self.hosts.len(),
            sources: self.sources.len(),
            alerts,
            words: alerts * self.receivers.len(),
        }
    }

    /// What nodes keep now that is more than they may.
    pub(crate) fn excesses(&self) -> BTreeMap<&'static str, Violation> {
        let load = self.load();
        let mut excesses = BTreeMap::new();
        for host in self.hosts.iter().filter(|host| !host.paused) {
            let sizes = host.node.iter().flat_map(|node| node.sizes());
            for (name, size) in sizes.filter(|(name, size)| *size > load.bound(name)) {
                let bound = load.bound(name);
                let at = self.clock.as_secs_f64();
                let text = format!(
                    "unbounded: {} keeps {size} {name} at {at:.3}, more than {bound}: {load:?}",
                    host.name
                );
                excesses.entry(name).or_insert(Violation(text));
            }
        }
        excesses
    }

    /// Runs until then, and tells of what was once more than nodes may keep, and of what should have been told by some time.
    pub(crate) fn run_watched(&mut self, until: Duration) -> BTreeMap<&'static str, Violation> {
        let mut excesses = BTreeMap::new();
        while self.clock < until {
            self.run_to((self.clock + EVERY).min(until));
            for (name, violation) in self.excesses().into_iter().chain(self.missing()) {
                excesses.entry(name).or_insert(violation);
            }
        }
        excesses
    }
}
