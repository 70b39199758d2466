//! A random history of rulers: conditions that come and go, nodes, disks, networks and endpoints that fail, then quiet.

use std::{sync::Arc, time::Duration};

use watchfire::config::{Config, IntegrationKind};

use super::{
    super::{
        chance::Chance,
        faults::{Fault, Kind, heal},
        host::BEGINNING,
        network::Link,
        world::{Setup, World},
    },
    ruling::{Mistake, Ruling, rules},
    truth::{Outage, Truth},
};
use crate::sim::{ConfigBuilder, integration, secs};

/// Nothing goes wrong before.
const CALM: Duration = secs(12);

/// How long it takes until everything is as it should be, when nothing is wrong any more.
const QUIET: Duration = secs(80);

/// The faults of nodes and of what is between them that concern rulers.
const KINDS: [Kind; 12] = [
    Kind::Kill,
    Kind::Kill,
    Kind::KillAll,
    Kind::PowerOff,
    Kind::LoseDisk,
    Kind::Stop,
    Kind::RollingRestart,
    Kind::Pause,
    Kind::Partition,
    Kind::Isolate,
    Kind::Asymmetric,
    Kind::Bridge,
];

/// What a story came to.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) violations: Vec<String>,
    pub(super) evaluations: usize,
    pub(super) transitions: usize,
    pub(super) takeovers: u64,
    pub(super) notifications: usize,
    pub(super) hash: u64,
}

pub(super) fn config() -> Arc<Config> {
    let mut webhook = integration(IntegrationKind::Webhook, 0);
    webhook.delivery.idempotent = true;
    ConfigBuilder::new()
        .integrations(vec![webhook])
        .group_by(&["alertname"])
        .paced(secs(1), secs(10))
        .build()
}

/// When a condition holds: on and off, long enough that each can be seen.
fn rows(chance: &mut Chance, interval: u64, end: Duration) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    let mut at = chance.between(Duration::ZERO, secs(20));
    let least = secs(interval * 3);
    while at < end {
        let until = at + chance.between(least, secs(100));
        let millis = |at: Duration| BEGINNING * 1000 + i64::try_from(at.as_millis()).unwrap();
        rows.push((millis(at), millis(until)));
        at = until + chance.between(least, secs(60));
    }
    rows
}

fn plan_outages(chance: &mut Chance, hosts: usize, end: Duration, truth: &mut Truth) {
    for _ in 0..chance.below(4) {
        let from = chance.between(CALM, end);
        let lasts = chance.spread(secs(2), secs(60));
        let host = chance.happens(0.5).then(|| chance.index(hosts));
        let cluster = (!chance.happens(0.2)).then(|| chance.index(2));
        truth.outages.push(Outage {
            cluster,
            host,
            from,
            until: (from + lasts).min(end),
            hangs: cluster.is_some() && chance.happens(0.4),
        });
    }
}

fn plan_faults(chance: &mut Chance, world: &mut World, end: Duration) {
    let nodes = world.hosts.len();
    let alone = nodes == 1;
    let kinds: Vec<Kind> = KINDS
        .into_iter()
        .filter(|kind| !alone || *kind != Kind::LoseDisk)
        .collect();
    let known: Vec<Kind> = (0..1 + chance.index(2))
        .map(|_| chance.pick(&kinds))
        .collect();
    for _ in 0..1 + chance.below(4) {
        let at = chance.between(CALM, end);
        let kind = chance.pick(&known);
        let longest = end.saturating_sub(at).max(secs(1));
        Fault::draw(kind, nodes, longest, chance).plan(world, at, end);
    }
    // Other rules, one node after the other.
    if chance.happens(0.2) {
        let mut at = chance.between(CALM, end);
        for host in 0..nodes {
            world.at(at.min(end), move |world| world.load_rules(host, 1));
            at += chance.between(Duration::ZERO, secs(15));
        }
    }
}

/// Plays a story to its end.
pub(super) fn play(seed: u64, mistake: Option<Mistake>) -> Ending {
    let mut chance = Chance::new(seed, "rules");
    let nodes = chance.pick(&[1, 2, 3, 3, 3, 4, 5]);
    let mut setup = Setup::new(nodes, seed, config());
    let slowest = chance.pick(&[1, 1, 5, 100]);
    setup.link = Link {
        latency: chance.spread(Duration::from_micros(100), Duration::from_millis(slowest)),
        loss: chance.pick(&[0.0, 0.0, 0.01]),
        duplication: 0.0,
        cuts: 0,
        datagram_cuts: 0,
    };
    setup.minority_delay = Some(Duration::ZERO);
    let end = CALM + secs(40 + chance.below(120));
    let groups: Vec<u64> = (0..3 + chance.below(4))
        .map(|_| chance.pick(&[5, 5, 10, 15]))
        .collect();
    let mut truth = Truth::default();
    let over = end + QUIET + secs(60);
    let holds = groups
        .iter()
        .map(|interval| rows(&mut chance, *interval, over));
    truth.holds = holds.collect();
    plan_outages(&mut chance, nodes, end, &mut truth);
    let sets = vec![rules(&groups, "old"), rules(&groups, "new")];
    let mut world = World::new(setup);
    let mut ruling = Ruling::new(nodes, sets, truth);
    ruling.mistake = mistake;
    ruling.slowest = Duration::from_millis(chance.pick(&[5, 300, 2000]));
    world.ruling = Some(ruling);
    for host in 0..nodes {
        let at = chance.between(Duration::ZERO, secs(2));
        world.at(at, move |world| world.start(host));
    }
    plan_faults(&mut chance, &mut world, end);
    world.run_to(end);
    heal(&mut world);
    for host in 0..nodes {
        world.load_rules(host, 0);
    }
    world.run_for(QUIET);
    settle(&mut world);
    judge(&mut world, chance.index(nodes))
}

/// Waits until what changed last of alerts is known everywhere.
fn settle(world: &mut World) {
    for _ in 0..60 {
        let ruling = world.ruling.as_ref();
        let last = ruling.and_then(|ruling| ruling.kept.last());
        if last.is_none_or(|kept| kept.at + secs(2) < world.clock) {
            return;
        }
        world.run_for(Duration::from_millis(500));
    }
}

fn judge(world: &mut World, host: usize) -> Ending {
    let mut violations = Vec::new();
    world.check_agreement(&mut violations);
    world.check_moves(host, &mut violations);
    world.check_notified(&mut violations);
    let (clock, hosts) = (world.clock, world.hosts.len());
    let notifications = world.visible().count();
    let hash = world.trace.hash();
    let ruling = world.ruling.take().unwrap();
    ruling.check_epochs(&mut violations);
    ruling.check_gaps(clock, hosts, &mut violations);
    ruling.check_slots(&mut violations);
    ruling.check_beginnings(&mut violations);
    ruling.check_order(&mut violations);
    ruling.check_ends(&mut violations);
    let takeovers = (0..hosts).filter_map(|host| ruling.ruler(host));
    Ending {
        violations,
        evaluations: ruling.begun.len(),
        transitions: ruling.kept.len(),
        takeovers: takeovers.map(|ruler| ruler.states().takeovers).sum(),
        notifications,
        hash,
    }
}
