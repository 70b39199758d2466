//! Thousands of histories: whatever fails, of one founding there is one electorate per epoch, each one name away from
//! the one before, and once everything works again all that live share one.

use std::{fmt::Write as _, time::Duration};

use super::{
    super::machine::LEASE,
    Mutation,
    network::{EVICT, Host, World, ms},
};

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// Whether a host may lose its disk: as long as everything that it forgets is remembered by others, a majority of each
/// electorate survives. Losing more than that is no fault that any protocol can hide.
fn may_be_wiped(world: &World, host: usize) -> bool {
    let Some(charter) = world.charter(host) else {
        return true;
    };
    let name = &world.hosts[host].name;
    let others_remember = (0..world.hosts.len()).all(|other| {
        other == host || !charter.has(&world.hosts[other].name) || world.is_whole(other)
    });
    let decides_alone = charter.names.len() == 1
        || (charter.names.len() == 2 && charter.names.keys().next() == Some(name));
    let known_to_others = (0..world.hosts.len()).any(|other| {
        other != host
            && world
                .charter(other)
                .is_some_and(|theirs| theirs.line == charter.line && theirs.epoch >= charter.epoch)
    });
    others_remember && known_to_others && !decides_alone
}

/// One random fault, join, leave or repair.
fn disturb(world: &mut World) {
    let count = u64::try_from(world.hosts.len()).unwrap();
    let mut pick = || usize::try_from(world.below(count)).unwrap();
    let (host, other) = (pick(), pick());
    match world.below(15) {
        0 | 1 => world.kill(host),
        2 if may_be_wiped(world, host) => {
            world.kill(host);
            world.hosts[host].disk = None;
            world.say(host, || "loses its disk".to_owned());
            world.wiped = true;
        }
        2..=6 => world.start(host),
        7 => world.cut(host, other),
        8 => {
            // One against the rest.
            for other in 0..world.hosts.len() {
                world.cut(host, other);
            }
        }
        9 => {
            // Two sides.
            let side = world.below(1 << count);
            for a in 0..world.hosts.len() {
                for b in 0..world.hosts.len() {
                    if (side >> a) & 1 != (side >> b) & 1 {
                        world.cut(a, b);
                    }
                }
            }
        }
        10 => world.heal_pair(host, other),
        11 => world.heal(),
        12 => {
            world.leave(host);
            world.run(ms(500));
            if world
                .machine(host)
                .is_some_and(super::super::Electorate::has_left)
            {
                world.kill(host);
            }
        }
        13 => world.loss = 0.3 * world.rng.unit(),
        _ => {
            let most = [2, 20, 200, 600][usize::try_from(world.below(4)).unwrap()];
            world.delay = ms(most);
        }
    }
}

/// Lets a seed's network suffer, then heals it for those that are left; tells what was wrong.
fn suffer(seed: u64, mutation: Option<Mutation>) -> (World, Option<String>) {
    let size = usize::try_from(1 + seed % 7).unwrap();
    let mut world = World::new(seed, &NAMES[..size].join(" "));
    world.mutation = mutation;
    world.loud = mutation.is_none() && SEEDS.count() == 1;
    for host in 0..size {
        if world.below(4) > 0 {
            world.start(host);
        }
    }
    let length = 10 + world.below(60);
    // Faults come in bursts and with long pauses between them.
    for _ in 0..length {
        let wait = match world.below(12) {
            0 => world.below(40_000),
            1..4 => world.below(4000),
            _ => world.below(60),
        };
        world.run(ms(wait));
        disturb(&mut world);
    }
    world.heal();
    world.loss = 0.0;
    world.delay = ms(5);
    // Those that leave are stopped, some that are dead stay dead.
    for host in 0..size {
        if world
            .machine(host)
            .is_some_and(|machine| machine.leaving.is_some())
        {
            world.kill(host);
        }
        if world.machine(host).is_none() && (host == 0 || world.below(4) > 0) {
            world.start(host);
        }
    }
    let alive = world.names_alive();
    // Whoever lost its store votes a lease later, and may only then be known to be one too many that did.
    let lease = if world.wiped { LEASE } else { ms(0) };
    let healed = world.run_until(lease + EVICT + ms(5000), |world| {
        !world.wrong.is_empty() || world.shared().as_ref() == Some(&alive)
    });
    let mut problem = None;
    if healed.is_none() {
        problem = Some(format!(
            "{alive} do not share one electorate\n{}",
            world.describe()
        ));
    }
    // And it stays so, but for the end of a change that began before.
    world.run(ms(3000));
    let stays = |world: &World| world.shared().as_ref() == Some(&alive);
    if problem.is_none()
        && world.wrong.is_empty()
        && world.run_until(EVICT + ms(5000), stays).is_none()
    {
        problem = Some(format!(
            "{alive} do not stay together\n{}",
            world.describe()
        ));
    }
    world.check_steps();
    for wrong in &world.wrong {
        let _ = writeln!(problem.get_or_insert_default(), "{wrong}");
    }
    (world, problem)
}

/// Histories that are played; 4,000 were, once. One seed alone is played again by naming it here.
const SEEDS: std::ops::Range<u64> = 0..400;

#[test]
fn whatever_fails_there_is_one_electorate_in_the_end() {
    let mut longest = Duration::ZERO;
    for seed in SEEDS {
        let (world, problem) = suffer(seed, None);
        assert!(problem.is_none(), "seed {seed}: {}", problem.unwrap());
        longest = longest.max(world.now);
    }
    assert!(longest > Duration::from_secs(60));
}

#[test]
fn a_seed_gives_one_trace() {
    for seed in [3, 4, 5, 6] {
        assert_eq!(suffer(seed, None).0.trace, suffer(seed, None).0.trace);
    }
    assert_ne!(suffer(5, None).0.trace, suffer(6, None).0.trace);
}

/// Three vote on two that come, of which not everyone sees both, while messages are slow and voters restart.
fn compete(seed: u64, mutation: Option<Mutation>) -> Vec<String> {
    let mut world = World::formed(seed, "a b c");
    world.mutation = mutation;
    for host in 0..3 {
        world.kill(host);
        world.start(host);
    }
    world.hosts.push(Host::named("d"));
    world.hosts.push(Host::named("e"));
    let (blind, other) = (
        usize::try_from(seed % 3).unwrap(),
        usize::try_from(seed / 3 % 3).unwrap(),
    );
    world.cut(blind, 3);
    world.cut(other, 4);
    world.start(3);
    world.start(4);
    world.run(ms(200));
    world.delay = ms(50 + world.below(300));
    for _ in 0..60 {
        let wait = world.below(200);
        world.run(ms(wait));
        let host = usize::try_from(world.below(3)).unwrap();
        match world.below(4) {
            0 => world.cut(host, (host + 1) % 3),
            1 => world.heal_pair(host, (host + 1) % 3),
            _ => {
                world.kill(host);
                world.start(host);
            }
        }
    }
    world.check_steps();
    world.wrong
}

#[test]
fn competing_changes_and_restarts_never_make_two_electorates() {
    for seed in 0..200 {
        assert_eq!(compete(seed, None), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn the_network_finds_mistakes() {
    for mutation in [Mutation::MajorityOfNew, Mutation::AdoptsLower] {
        let found = (0..1000).any(|seed| suffer(seed, Some(mutation)).1.is_some());
        assert!(found, "{mutation:?} is not found");
    }
}
