//! A hundred owners that end without warning: no slot of theirs is lost, and each is evaluated within one interval.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    super::{
        chance::Chance,
        host::BEGINNING,
        world::{Setup, World},
    },
    ruling::{Ruling, rules},
    story::config,
    truth::Truth,
};
use crate::sim::secs;

const KILLS: u64 = 100;
const GROUPS: usize = 6;
const INTERVAL: u64 = 5;

/// Three nodes with rules whose conditions hold for ever, a while after their start.
fn world(seed: u64, chance: &mut Chance) -> World {
    let mut setup = Setup::new(3, seed, config());
    setup.minority_delay = Some(Duration::ZERO);
    let mut world = World::new(setup);
    let begins = BEGINNING * 1000 + 12_000;
    let truth = Truth {
        holds: vec![vec![(begins, i64::MAX)]; GROUPS],
        ..Truth::default()
    };
    let set = rules(&[INTERVAL; GROUPS], "kills");
    world.ruling = Some(Ruling::new(3, vec![set], truth));
    for host in 0..3 {
        world.start(host);
    }
    world.run_to(secs(15) + chance.between(Duration::ZERO, secs(20)));
    world
}

/// The longest time from when a slot was due until it was evaluated, over the groups of a node that ends.
fn latest(seed: u64, ends: fn(&mut World, usize)) -> Duration {
    let mut chance = Chance::new(seed, "takeovers");
    let mut world = world(seed, &mut chance);
    let owners: BTreeSet<usize> = world.owners().into_iter().flatten().collect();
    let owners: Vec<usize> = owners.into_iter().collect();
    let owner = chance.pick(&owners);
    let owns = |(_, of): &(usize, Option<usize>)| *of == Some(owner);
    let groups = world.owners().into_iter().enumerate().filter(owns);
    let groups: BTreeSet<usize> = groups.map(|(group, _)| group).collect();
    let ended = world.clock;
    ends(&mut world, owner);
    world.run_for(secs(40));
    let mut violations = Vec::new();
    world.check_notified(&mut violations);
    let ruling = world.ruling.take().unwrap();
    ruling.check_beginnings(&mut violations);
    ruling.check_epochs(&mut violations);
    assert!(violations.is_empty(), "seed {seed}: {violations:?}");
    let mut longest = Duration::ZERO;
    let mut slots: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for begun in ruling
        .begun
        .iter()
        .filter(|one| groups.contains(&one.group))
    {
        let due = u64::try_from(begun.slot - BEGINNING * 1000).unwrap();
        if begun.at > ended {
            longest = longest.max(begun.at.saturating_sub(Duration::from_millis(due)));
        }
        slots.entry(begun.group).or_default().push(begun.slot);
    }
    for (group, slots) in slots {
        let step = i64::try_from(INTERVAL * 1000).unwrap();
        let gap = slots.windows(2).find(|pair| pair[1] - pair[0] > step);
        assert_eq!(gap, None, "seed {seed}: group {group} missed a slot");
        assert!(slots.len() > 8, "seed {seed}: group {group}: {slots:?}");
    }
    longest
}

fn within_an_interval(ends: fn(&mut World, usize)) -> Duration {
    let late = (0..KILLS).map(|seed| latest(seed, ends));
    let longest = late.max().unwrap_or_default();
    assert!(longest <= secs(INTERVAL), "{longest:?}");
    longest
}

#[test]
fn a_hundred_owners_are_killed_and_no_slot_is_lost() {
    let longest = within_an_interval(World::kill);
    println!("{KILLS} processes: a slot was evaluated {longest:?} after it was due, at most");
}

#[test]
fn a_hundred_hosts_lose_their_power_and_no_slot_is_lost() {
    let longest = within_an_interval(World::power_off);
    println!("{KILLS} hosts: a slot was evaluated {longest:?} after it was due, at most");
}
