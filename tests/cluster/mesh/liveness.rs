//! While a majority is well, everything that it knows is told in time, and it agrees on who votes: not only in the end, when
//! all is well.

use std::{collections::BTreeMap, time::Duration};

use super::{check::Violation, reach::GRACE, receiver::Answer, world::World};
use crate::sim::secs;

/// Nodes that are well for so long have agreed on who votes: the time for which they look for all peers, and a little.
const AGREED_WITHIN: Duration = secs(60 + 20);

/// How long a lease of somebody who is not well any more keeps others from telling.
const LEASE: Duration = secs(15);

/// Receivers that answer more slowly are not well.
const PROMPT: Duration = secs(1);

/// Since when what is well is so; of hosts and receivers by number, of groups of hosts by the bits of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    hosts: BTreeMap<usize, Duration>,
    receivers: BTreeMap<usize, Duration>,
    clocks: Option<Duration>,
    configs: Option<Duration>,
    agreed: BTreeMap<u32, Duration>,
    disagreed: BTreeMap<u32, Duration>,
    /// Words that had to be told by some time.
    pub(crate) judged: u64,
}

fn keep<K: Ord>(since: &mut BTreeMap<K, Duration>, key: K, holds: bool, now: Duration) {
    if holds {
        since.entry(key).or_insert(now);
    } else {
        since.remove(&key);
    }
}

/// A majority of all hosts that has been well, and together, for some time.
#[derive(Debug, Clone)]
struct Core {
    bits: u32,
    since: Duration,
}

impl Core {
    fn has(&self, host: usize) -> bool {
        self.bits & (1 << host) != 0
    }
}

impl World {
    /// Notes what is well now.
    pub(super) fn note_wellness(&mut self) {
        let now = self.clock;
        let mut liveness = std::mem::take(&mut self.liveness);
        for (index, host) in self.hosts.iter().enumerate() {
            keep(
                &mut liveness.hosts,
                index,
                host.is_well() && host.egress && !host.stopping,
                now,
            );
        }
        for (index, receiver) in self.receivers.iter().enumerate() {
            let well = matches!(receiver.answer, Answer::Accept(after) if after <= PROMPT);
            keep(&mut liveness.receivers, index, well, now);
        }
        let holds = |holds: bool, since: Option<Duration>| holds.then(|| since.unwrap_or(now));
        let right = self.hosts.iter().all(|host| host.skew == 0);
        liveness.clocks = holds(right, liveness.clocks);
        let mut configs = self.hosts.iter().map(|host| &host.config);
        let first = configs.next();
        let same = configs.all(|it| first.is_none_or(|first| std::sync::Arc::ptr_eq(first, it)));
        liveness.configs = holds(same, liveness.configs);
        self.liveness = liveness;
    }

    /// All smallest majorities that are well, with the time since when.
    fn cores(&self) -> Vec<Core> {
        let count = self.hosts.len();
        let least = u32::try_from(count / 2 + 1).unwrap();
        let all = (0..1_u32 << count).filter(|bits| bits.count_ones() == least);
        let since = |bits: u32| {
            let members = (0..count).filter(|host| bits & (1 << host) != 0);
            let members: Vec<usize> = members.collect();
            let mut since = Duration::ZERO;
            for one in &members {
                since = since.max(*self.liveness.hosts.get(one)?);
                for other in members.iter().filter(|other| *other != one) {
                    since = since.max(self.reach.since(*one, *other)?);
                }
            }
            Some(Core { bits, since })
        };
        all.filter_map(since).collect()
    }

    /// Whether the members of a core agree on who votes, and are a majority of those.
    fn agrees(&self, core: &Core) -> bool {
        let members = (0..self.hosts.len()).filter(|host| core.has(*host));
        let mut electors = members.map(|host| {
            let node = self.hosts[host].node.as_ref();
            node.and_then(|node| node.electors())
        });
        let in_core = |name: &str| {
            let mut hosts = self.hosts.iter().enumerate();
            hosts.any(|(index, host)| *host.name == *name && core.has(index))
        };
        let Some(Some(first)) = electors.next() else {
            return false;
        };
        first.is_majority(in_core, |_| false) && electors.all(|it| it.as_ref() == Some(&first))
    }

    /// Whether those who vote, as some member of a core knows, are not a majority of it: they alone change who votes.
    fn must_wait(&self, core: &Core) -> bool {
        let members = (0..self.hosts.len()).filter(|host| core.has(*host));
        let mut electors = members.filter_map(|host| self.hosts[host].node.as_ref()?.electors());
        electors.any(|electors| {
            let hosts = self.hosts.iter().enumerate();
            let inside = hosts.filter(|(index, host)| {
                core.has(*index) && electors.names.iter().any(|name| *name == host.name)
            });
            inside.count() * 2 <= electors.names.len()
        })
    }

    /// What had to be told by now and was not, and who should have agreed on who votes and has not.
    pub(crate) fn missing(&mut self) -> BTreeMap<&'static str, Violation> {
        self.note_wellness();
        let now = self.clock;
        let mut missing = BTreeMap::new();
        let cores = self.cores();
        let agreed_within = AGREED_WITHIN + self.slack() * 5;
        let mut agreed = std::mem::take(&mut self.liveness.agreed);
        let mut disagreed = std::mem::take(&mut self.liveness.disagreed);
        for known in [&mut agreed, &mut disagreed] {
            known.retain(|bits, _| cores.iter().any(|core| core.bits == *bits));
        }
        let mut best: Option<Core> = None;
        for core in cores {
            let agrees = self.agrees(&core);
            keep(&mut agreed, core.bits, agrees, now);
            let wrong = !agrees && !self.must_wait(&core);
            keep(&mut disagreed, core.bits, wrong, now);
            let since = disagreed
                .get(&core.bits)
                .map(|since| core.since.max(*since));
            if since.is_some_and(|since| since + agreed_within <= now)
                && self.setup.evict_after > agreed_within
            {
                let text = format!(
                    "nobody votes: hosts {:b} are well since {:.3}, and at {:.3} they do not agree on who votes",
                    core.bits,
                    core.since.as_secs_f64(),
                    now.as_secs_f64()
                );
                missing.entry("agreement").or_insert(Violation(text));
            }
            let Some(since) = agreed.get(&core.bits) else {
                continue;
            };
            let since = core.since.max(*since);
            if best.as_ref().is_none_or(|best| since < best.since) {
                let bits = core.bits;
                best = Some(Core { bits, since });
            }
        }
        self.liveness.agreed = agreed;
        self.liveness.disagreed = disagreed;
        if let Some(core) = best {
            self.find_untold(&core, &mut missing);
        }
        missing
    }

    /// How long after a majority knows of something it is told at the latest.
    fn told_within(&self) -> Duration {
        let ranks = secs(3) * u32::try_from(self.hosts.len()).unwrap();
        let route = |config: &watchfire::config::Config| {
            config.route.group_wait + config.route.group_interval
        };
        let timers = route(&self.setup.config).max(route(&self.setup.other));
        timers + LEASE + ranks + secs(15) + GRACE + self.slack() * 2
    }

    fn find_untold(&mut self, core: &Core, missing: &mut BTreeMap<&'static str, Violation>) {
        let now = self.clock;
        let (Some(clocks), Some(configs)) = (self.liveness.clocks, self.liveness.configs) else {
            return;
        };
        let calm = core.since.max(clocks).max(configs);
        let within = self.told_within();
        let mut judged = 0;
        for (integration, receiver) in self.liveness.receivers.clone() {
            let calm = calm.max(receiver);
            if calm + within > now {
                continue;
            }
            let mut last: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
            // What others told of whom the core cannot have heard is no news to it; that is judged in the end.
            let mut told_here: BTreeMap<&str, bool> = BTreeMap::new();
            // Who is not well may have told something else since; that is judged in the end.
            let mut heard: BTreeMap<(&str, bool), Duration> = BTreeMap::new();
            for sent in self.visible().filter(|it| it.integration == integration) {
                for (name, told) in &sent.alerts {
                    // With the disks of all that knew of it goes that it was told, and its end is no news.
                    last.insert(name, (told.0, sent.known.is_empty()));
                    heard.insert((name, told.0), sent.began);
                    if sent.heard.iter().any(|host| core.has(*host)) {
                        told_here.insert(name, told.0);
                    }
                }
            }
            for source in &self.sources {
                for (name, alert) in &source.alerts {
                    let fires = alert.ended.is_none();
                    let (told, forgotten) = match last.get(name.as_str()) {
                        Some((told, forgotten)) => (Some(*told), *forgotten && *told),
                        None => (None, false),
                    };
                    let hushed = self.hushes.iter().any(|hush| hush.name == *name);
                    let no_news = told.is_none() || forgotten;
                    if hushed || !fires && (!source.tells_resolves || no_news) {
                        continue;
                    }
                    let from = alert.since.max(calm);
                    let mut posts = source.posts.iter();
                    let known = posts.find(|(at, host)| *at >= from && core.has(*host));
                    if known.is_none_or(|(at, _)| *at + within > now) {
                        continue;
                    }
                    judged += 1;
                    let dropped = || self.may_be_dropped(integration, name, fires, alert.since);
                    let heard = heard.get(&(name.as_str(), fires));
                    let heard = heard.is_some_and(|at| *at >= alert.since);
                    let is_news = told_here.get(name.as_str()) != Some(&fires);
                    if told != Some(fires) && is_news && !heard && !dropped() {
                        let text = format!(
                            "not told in time: {name} {} since {:.3}, hosts {:b} are well since {:.3}, and [{integration}] \
                             has not heard of it at {:.3}",
                            if fires { "fires" } else { "is resolved" },
                            alert.since.as_secs_f64(),
                            core.bits,
                            calm.as_secs_f64(),
                            now.as_secs_f64()
                        );
                        missing.entry("told").or_insert(Violation(text));
                    }
                }
            }
        }
        self.liveness.judged += judged;
    }
}
