//! Streams are open, small things pass, and what is asked is not answered: paths that swallow large packets, disks that
//! hang.

use super::score::{KEYED, PLAIN, config, names, ready, ready_with, secs};
use crate::mesh::{check::Exception, world::Setup};

/// Beats and packets of the membership protocol pass, claims do not.
const LARGEST: Option<usize> = Some(30);

/// What is swallowed, or hangs, for so long counts as lost; then the minority delay runs.
const LATE: u64 = 6 + 5 + 30 + 4;

#[test]
fn what_nobody_can_acknowledge_is_told_after_the_minority_delay() {
    for nodes in [2, 3, 5] {
        let mut world = ready(nodes);
        let all: Vec<usize> = (0..nodes).collect();
        world.swallow(&all, &all, LARGEST);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(25));
        let plain = world.score(PLAIN, &names(), true, since);
        assert_eq!(plain.told, 0, "{nodes} nodes: nobody has a majority");
        world.run_for(secs(65));
        for integration in [PLAIN, KEYED] {
            let score = world.score(integration, &names(), true, since);
            let late = if integration == KEYED { 15 } else { LATE };
            assert!(
                score.lost == 0 && score.latest <= secs(late) && score.told <= 20 * nodes,
                "{nodes} nodes: [{integration}] {score:?}"
            );
        }
        // The delay counts once.
        let later = world.clock;
        world.resolve_all(&names());
        world.run_for(secs(40));
        let plain = world.score(PLAIN, &names(), false, later);
        assert!(
            plain.lost == 0 && plain.latest <= secs(25),
            "{nodes} nodes: {plain:?}"
        );
        world.swallow(&all, &all, None);
        world.run_for(secs(60));
        let findings = world.judge();
        assert!(findings.violations.is_empty(), "{:#?}", findings.violations);
        let expected = [
            Exception::Minority,
            Exception::ToldApart,
            Exception::NumberedApart,
        ];
        assert!(
            findings.exceptions.keys().all(|why| expected.contains(why)),
            "{:?}",
            findings.exceptions
        );
    }
}

#[test]
fn what_is_swallowed_for_a_moment_is_told_once() {
    let mut world = ready(3);
    let all = [0, 1, 2];
    world.swallow(&all, &all, LARGEST);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(20));
    world.swallow(&all, &all, None);
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, secs(40));
}

/// Others hear what it asks, and would promise it all again and again, but it does not hear them.
#[test]
fn a_node_that_hears_no_answers_leaves_it_to_the_others() {
    for delay in [Some(30), None] {
        for deaf in 0..3 {
            let rest: Vec<usize> = (0..3).filter(|host| *host != deaf).collect();
            let mut setup = Setup::new(3, 1, config());
            setup.minority_delay = delay.map(secs);
            let mut world = ready_with(setup);
            world.swallow(&rest, &[deaf], LARGEST);
            let since = world.clock;
            world.fire_all(&names());
            world.run_for(secs(30));
            world.assert_once(&names(), true, since, secs(16));
            // It is known by now.
            let later = world.clock;
            world.resolve_all(&names());
            world.run_for(secs(20));
            world.assert_once(&names(), false, later, secs(15));
            world.swallow(&rest, &[deaf], None);
            world.run_for(secs(60));
            world.assert_once(&names(), true, since, secs(16));
            world.assert_once(&names(), false, later, secs(15));
        }
    }
}

#[test]
fn a_node_whose_disk_hangs_leaves_it_to_the_others() {
    for host in 0..3 {
        let mut world = ready(3);
        world.hang_disk(host, true);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(30));
        world.assert_once(&names(), true, since, secs(16));
        let later = world.clock;
        world.resolve_all(&names());
        world.run_for(secs(20));
        world.assert_once(&names(), false, later, secs(12));
        world.hang_disk(host, false);
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, secs(16));
        world.assert_once(&names(), false, later, secs(12));
        world.assert_sound();
    }
}

#[test]
fn a_hung_disk_that_the_majority_needs_costs_the_minority_delay() {
    for (down, hangs) in [(0, 1), (0, 2), (1, 0), (2, 1)] {
        let mut world = ready(3);
        world.power_off(down);
        world.run_for(secs(10));
        world.hang_disk(hangs, true);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(90));
        let plain = world.score(PLAIN, &names(), true, since);
        assert!(
            plain.lost == 0 && plain.twice == 0 && plain.latest <= secs(LATE + 6),
            "n{} hangs: {plain:?}",
            hangs + 1
        );
        world.hang_disk(hangs, false);
        world.start(down);
        world.run_for(secs(60));
        assert_eq!(world.score(PLAIN, &names(), true, since).twice, 0);
        world.assert_sound();
    }
}

#[test]
fn disks_that_all_hang_do_not_keep_anybody_from_paging() {
    for nodes in [1, 2, 3] {
        let mut world = ready(nodes);
        (0..nodes).for_each(|host| world.hang_disk(host, true));
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(90));
        for integration in [PLAIN, KEYED] {
            let score = world.score(integration, &names(), true, since);
            assert!(
                score.lost == 0 && score.latest <= secs(LATE + 12),
                "{nodes} nodes: [{integration}] {score:?}"
            );
        }
    }
}

/// Disks that are slow, not hung: late, and never twice.
#[test]
fn a_slow_disk_repeats_nothing() {
    for slowest in [3, 8] {
        let mut world = ready(3);
        world.power_off(0);
        world.run_for(secs(10));
        for host in [1, 2] {
            world.hosts[host].disk.slowest_sync = secs(slowest);
        }
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(200));
        let plain = world.score(PLAIN, &names(), true, since);
        assert!(
            plain.lost == 0 && plain.twice == 0,
            "{slowest} s: {plain:?}"
        );
    }
}
