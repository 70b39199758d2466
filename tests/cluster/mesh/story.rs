//! A random history: a random cluster, random faults, and then quiet.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use watchfire::config::{Ambiguous, Config, IntegrationKind};

use super::{
    chance::Chance,
    check::{Exception, Violation},
    faults::{Fault, Kind, heal},
    later::Later,
    network::Link,
    receiver::Answer,
    source::{Source, Targets},
    world::{Setup, World},
};
use crate::sim::{ConfigBuilder, integration, secs};

/// Nothing goes wrong before.
const CALM: Duration = secs(12);

/// The longest time for which nodes are cut off from each other.
const LONGEST_CUT: Duration = secs(300);

/// How long it takes until everything that was to be told is told, when nothing is wrong any more.
const QUIET: Duration = secs(150);

/// What a crash adds to the time for which an alert holds that is only refreshed: a refresh may not have been saved.
const UNSAVED: Duration = secs(30);

/// For how long nothing is wrong before a story is judged.
fn quiet(world: &World) -> Duration {
    let only_refreshes = world.sources.iter().any(|source| !source.tells_resolves);
    let crashes = u32::try_from(world.ledger.most_crashes()).unwrap();
    if only_refreshes {
        QUIET + UNSAVED * crashes.saturating_sub(2)
    } else {
        QUIET
    }
}

/// What a story came to.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) notifications: usize,
    pub(crate) exceptions: BTreeMap<Exception, u64>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    /// Words that had to be told by some time while others were unwell.
    pub(crate) judged: u64,
}

/// The parameters of one story.
struct Plot {
    seed: u64,
    chance: Chance,
    setup: Setup,
    group_wait: Duration,
    group_interval: Duration,
    /// When faults end.
    end: Duration,
    /// When a cut begins that is longer than all others, and how long it lasts.
    long_cut: Option<(Duration, Duration)>,
    names: Vec<String>,
}

impl Plot {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "plot");
        let nodes = chance.pick(&[1, 2, 2, 3, 3, 3, 3, 3, 5, 5, 7]);
        let group_wait = secs(1 + chance.below(4));
        let group_interval = secs(chance.pick(&[10, 10, 15, 30]));
        let config = config(group_wait, group_interval);
        let mut setup = Setup::new(nodes, seed, config);
        setup.other = self::config(group_wait, group_interval + secs(5));
        let slowest = chance.pick(&[1, 1, 1, 5, 50, 500]);
        let latency = chance.spread(Duration::from_micros(100), Duration::from_millis(slowest));
        setup.link = Link {
            latency,
            loss: chance.pick(&[0.0, 0.0, 0.01, 0.05, 0.3]),
            duplication: chance.pick(&[0.0, 0.0, 0.05]),
            cuts: 0,
            datagram_cuts: 0,
        };
        setup.minority_delay = chance
            .pick(&[Some(30), Some(30), Some(30), Some(0), None])
            .map(secs);
        setup.job_time = Duration::from_millis(chance.pick(&[1, 1, 20, 300]));
        let mut evictions = Chance::new(seed, "evictions");
        if evictions.happens(0.15) {
            setup.evict_after = evictions.between(secs(15), secs(60));
        }
        let mut versions = Chance::new(seed, "versions");
        if nodes > 1 && versions.happens(0.15) {
            let host = versions.index(nodes);
            let versions = (1, 2);
            setup.later = Some(Later { host, versions });
        }
        let mut sizes = Chance::new(seed, "sizes");
        if nodes > 1 && sizes.happens(0.25) {
            setup.expected_size = Some(sizes.pick(&[nodes, nodes, nodes.max(3)]));
        }
        let mut length = secs(40 + chance.below(100));
        let mut lengths = Chance::new(seed, "lengths");
        let long_cut = lengths.happens(0.04).then(|| {
            let at = CALM + lengths.between(Duration::ZERO, length);
            length += LONGEST_CUT;
            (at, lengths.between(LONGEST_CUT / 2, LONGEST_CUT))
        });
        Self {
            seed,
            long_cut: long_cut.filter(|_| nodes > 1),
            chance,
            setup,
            group_wait,
            group_interval,
            end: CALM + length,
            names: Vec::new(),
        }
    }

    /// Makes the world and plans everything that happens in it.
    fn stage(&mut self) -> World {
        let mut world = World::new(self.setup.clone());
        let nodes = self.setup.nodes;
        let mut growth = Chance::new(self.seed, "growth");
        let mut births = Chance::new(self.seed, "births");
        let stormy = births.happens(0.15);
        let grows = nodes == 5 && growth.happens(0.2);
        for host in 0..nodes {
            let slowest = self.chance.pick(&[1, 1, 2, 10, 500]);
            world.hosts[host].disk.slowest_sync = self
                .chance
                .spread(Duration::from_micros(300), Duration::from_millis(slowest));
            if self.chance.happens(0.2) {
                world.hosts[host].rate = i64::try_from(self.chance.below(20_001)).unwrap() - 10_000;
            }
            let mut at = self.chance.between(Duration::ZERO, secs(2));
            if stormy {
                at = births.between(Duration::ZERO, CALM);
            }
            if grows && host > 0 {
                at = growth.between(CALM / 2, self.end / 2);
            }
            world.at(at, move |world| world.start(host));
            if grows && host > 1 {
                let at = growth.between(self.end / 2, self.end);
                world.at(at, move |world| world.stop(host));
            }
        }
        self.plan_sources(&mut world);
        self.plan_faults(&mut world);
        self.plan_ailments(&mut world);
        if stormy {
            self.plan_birth(&mut world, &mut births);
        }
        world
    }

    /// Firewalls that refuse, paths that swallow, disks that hang: from a stream of their own, so that stories without them
    /// stay as they were.
    fn plan_ailments(&self, world: &mut World) {
        let mut chance = Chance::new(self.seed, "ailments");
        if !chance.happens(0.25) {
            return;
        }
        for _ in 0..1 + chance.below(2) {
            let at = chance.between(CALM, self.end);
            let longest = self.end.saturating_sub(at).max(secs(1));
            let kind = chance.pick(&Fault::AILMENTS);
            let fault = Fault::draw(kind, self.setup.nodes, longest, &mut chance);
            fault.plan(world, at, self.end);
        }
    }

    /// Nodes start for the first time one after the other, while something is wrong.
    fn plan_birth(&self, world: &mut World, chance: &mut Chance) {
        let until = if self.setup.expected_size.is_some() && chance.happens(0.5) {
            self.end
        } else {
            CALM * 3
        };
        for _ in 0..1 + chance.below(3) {
            let at = chance.between(Duration::ZERO, CALM);
            let kind = chance.pick(&Fault::OF_BIRTHS);
            let longest = until.saturating_sub(at);
            let fault = Fault::draw(kind, self.setup.nodes, longest, chance);
            fault.plan(world, at, until);
        }
        world
            .trace
            .say(Duration::ZERO, || "a stormy birth".to_owned());
    }

    fn plan_sources(&mut self, world: &mut World) {
        let sources = 1 + self.chance.index(3);
        for index in 0..sources {
            let nodes = self.setup.nodes;
            let targets = match self.chance.below(4) {
                0 => Targets::Balanced,
                1 => Targets::Some(vec![self.chance.index(nodes), self.chance.index(nodes)]),
                _ => Targets::All,
            };
            let mut source = Source::new(targets, secs(15 + self.chance.below(16)));
            if self.chance.happens(0.2) {
                source.tells_resolves = false;
                source.refresh = secs(15);
            }
            world.add_source(source);
            for number in 0..1 + self.chance.below(3) {
                let name = format!("S{index}A{number}");
                self.plan_alert(world, index, &name);
                self.names.push(name);
            }
        }
    }

    /// An alert fires and resolves a few times.
    fn plan_alert(&mut self, world: &mut World, source: usize, name: &str) {
        let mut at = CALM + self.chance.between(Duration::ZERO, secs(30));
        while at < self.end {
            let owned = name.to_owned();
            world.at(at, move |world| world.toggle(source, &owned));
            at += self.chance.between(secs(5), secs(120));
        }
    }

    fn plan_faults(&mut self, world: &mut World) {
        // A swarm: each story knows only some faults, so that rare ones meet.
        // A disk that nobody has a copy of takes everything with it.
        let alone = self.setup.nodes == 1;
        let kinds = Fault::KINDS.iter().copied();
        let kinds: Vec<_> = kinds
            .filter(|kind| !alone || *kind != Kind::LoseDisk)
            .collect();
        let known: Vec<_> = (0..1 + self.chance.index(3))
            .map(|_| kinds[self.chance.index(kinds.len())])
            .collect();
        for _ in 0..1 + self.chance.below(6) {
            let at = self.chance.between(CALM, self.end);
            let kind = self.chance.pick(&known);
            let longest = self.end.saturating_sub(at).max(secs(1));
            let fault = Fault::draw(kind, self.setup.nodes, longest, &mut self.chance);
            fault.plan(world, at, self.end);
        }
        if let Some((at, lasts)) = self.long_cut {
            let mut fault = Fault::draw(
                Kind::Partition,
                self.setup.nodes,
                self.end,
                &mut self.chance,
            );
            fault.lasts = lasts;
            fault.plan(world, at, self.end);
        }
        let kinds = known;
        world.at(Duration::ZERO, move |world| {
            world
                .trace
                .say(Duration::ZERO, || format!("knows {kinds:?}"));
        });
    }
}

fn config(group_wait: Duration, group_interval: Duration) -> Arc<Config> {
    let classes = [
        (false, Ambiguous::Retry),
        (true, Ambiguous::Retry),
        (false, Ambiguous::Drop),
    ];
    let list = classes.into_iter().zip(0..);
    let list = list.map(|((idempotent, ambiguous), index)| {
        let mut webhook = integration(IntegrationKind::Webhook, index);
        webhook.delivery.idempotent = idempotent;
        webhook.delivery.ambiguous = ambiguous;
        webhook
    });
    ConfigBuilder::new()
        .integrations(list.collect())
        .group_by(&["alertname"])
        .paced(group_wait, group_interval)
        .build()
}

/// Plays a story to its end.
pub(crate) fn play(seed: u64) -> Ending {
    play_with(seed, |_| {})
}

/// As [`play`], with another setup.
pub(crate) fn play_with(seed: u64, change: impl FnOnce(&mut Setup)) -> Ending {
    let mut plot = Plot::new(seed);
    change(&mut plot.setup);
    let nodes = plot.setup.nodes;
    plot.setup.later = plot.setup.later.filter(|later| later.host < nodes);
    let mut world = plot.stage();
    let (setup, wait, interval) = (&plot.setup, plot.group_wait, plot.group_interval);
    world.trace.say(Duration::ZERO, || {
        format!(
            "{} nodes, latency {:?}, loss {}, minority delay {:?}, group wait {wait:?}, interval {interval:?}, evicts after {:?}, expects {:?}, {:?}",
            setup.nodes, setup.link.latency, setup.link.loss, setup.minority_delay, setup.evict_after, setup.expected_size, setup.later
        )
    });
    let mut excesses = world.run_watched(plot.end);
    heal(&mut world);
    excesses.extend(world.run_watched(world.clock + quiet(&world)));
    let findings = world.judge();
    let mut violations = findings.violations;
    violations.extend(excesses.into_values());
    violations.extend(world.compare_replicas());
    if violations.is_empty() {
        violations = plot.live_on(&mut world);
    }
    Ending {
        notifications: findings.notifications,
        exceptions: findings.exceptions,
        violations,
        hash: world.trace.hash(),
        steps: world.steps,
        judged: world.liveness.judged,
    }
}

impl Plot {
    /// With everything well, an alert is told when it is due, and so is its end.
    fn live_on(&self, world: &mut World) -> Vec<Violation> {
        world.answer(Answer::Accept(Duration::from_millis(5)));
        // The bound is one of networks that are well, and loss is a fault: a third lost, each at 0.2 s and more, is not
        // well. That everything is told all the same, in longer time, was judged before.
        world.network.lose_at_most(0.05);
        let slack = secs(5) + self.setup.link.latency * 20;
        let source = world.sources.len();
        world.add_source(Source::new(Targets::All, secs(30)));
        let before = world.sent.len();
        let told = |world: &World, fires: bool| {
            let late = world.sent[before..]
                .iter()
                .filter(|sent| sent.taken.is_some());
            let late = late.filter(|sent| sent.alerts.get("Late").is_some_and(|it| it.0 == fires));
            late.count()
        };
        let mut violations = Vec::new();
        for (fires, due) in [(true, self.group_wait), (false, self.group_interval)] {
            world.toggle(source, "Late");
            world.run_until(due + slack, |world| {
                told(world, fires) >= world.receivers.len()
            });
            let count = told(world, fires);
            if count < world.receivers.len() {
                let text = format!(
                    "late: firing {fires} is told {count} times {slack:?} after it was due"
                );
                violations.push(Violation(text));
            }
            world.run_for(secs(10));
            let count = told(world, fires);
            if count > world.receivers.len() {
                violations.push(Violation(format!(
                    "late: firing {fires} is told {count} times"
                )));
            }
        }
        violations
    }
}
