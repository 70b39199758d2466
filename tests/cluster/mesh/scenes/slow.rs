//! Disks that are slow, not hung: a page is late by the syncs that it needs, and told once.

use std::time::Duration;

use super::score::{KEYED, PLAIN, config_with, millis, names, ready_with, secs};
use crate::mesh::world::{Setup, World};

/// Three nodes, with disks of which some take this long for each sync.
fn slow(hosts: &[usize], sync: Duration) -> World {
    let mut world = ready_with(Setup::new(3, 1, config_with(1, 60)));
    for host in hosts {
        world.hosts[*host].disk.slow_sync = Some(sync);
    }
    world
}

/// How late the last of these alerts is told to each receiver.
fn latest(world: &World, names: &[String], since: Duration) -> [Duration; 2] {
    [PLAIN, KEYED].map(|integration| {
        let score = world.score(integration, names, true, since);
        assert!(
            score.lost == 0 && score.twice == 0,
            "[{integration}] {score:?}: {:#?}",
            world.told()
        );
        score.latest
    })
}

/// The claim, the start and what is under way when they come take a sync each; who is slow is found out once.
#[test]
fn a_page_is_late_by_the_syncs_that_it_needs() {
    for (hosts, sync, first, later) in [
        (&[0][..], millis(3_000), 8, 8),
        (&[1, 2], millis(1_500), 8, 8),
        (&[1, 2], millis(3_000), 30, 14),
        (&[0, 1, 2], millis(1_500), 8, 8),
        (&[0, 1, 2], millis(3_000), 30, 14),
    ] {
        let mut world = slow(hosts, sync);
        let since = world.clock;
        world.fire_all(&names()[..8]);
        world.run_for(secs(100));
        let late = latest(&world, &names()[..8], since);
        assert!(
            late.iter().all(|late| *late <= secs(first)),
            "{sync:?} of {hosts:?}: {late:?}"
        );
        for name in &names()[8..] {
            let since = world.clock;
            world.fire(name);
            world.run_for(millis(40_700));
            let late = latest(&world, std::slice::from_ref(name), since);
            assert!(
                late.iter().all(|late| *late <= secs(later)),
                "{sync:?} of {hosts:?}: {late:?}"
            );
        }
        for host in 0..3 {
            let claims = &world.view(host).stats.claims;
            assert_eq!(claims.minority, 0, "{sync:?} of {hosts:?}: {claims:?}");
        }
        world.assert_sound();
    }
}

/// Whoever takes longer than anybody waits gets nothing acknowledged; still they hear of each other what is told.
#[test]
fn what_takes_too_long_everywhere_is_told_once_by_those_that_hear_each_other() {
    for hangs in [false, true] {
        let mut world = slow(&[0, 1, 2], secs(6));
        (0..3).for_each(|host| world.hang_disk(host, hangs));
        world.fire_all(&names()[..8]);
        world.run_for(secs(100));
        for name in &names()[8..] {
            let since = world.clock;
            world.fire(name);
            world.run_for(millis(60_700));
            let plain = world.score(PLAIN, std::slice::from_ref(name), true, since);
            assert!(
                plain.lost == 0 && plain.twice == 0 && plain.latest <= secs(45),
                "hangs: {hangs}: {plain:?}"
            );
        }
    }
}
