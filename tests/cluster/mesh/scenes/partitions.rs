//! The network is cut.

use super::score::{KEYED, PLAIN, millis, names, ready, secs};
use crate::mesh::{check::Exception, source::Targets};

#[test]
fn a_short_partition_repeats_nothing() {
    for alone in 0..3 {
        let rest: Vec<usize> = (0..3).filter(|host| *host != alone).collect();
        for before in [0, 10] {
            let mut world = ready(3);
            world.cut(&[alone], &rest);
            world.run_for(secs(before));
            let since = world.clock;
            world.fire_all(&names());
            world.run_for(secs(20 - before));
            world.mend(&[alone], &rest);
            world.run_for(secs(60));
            world.assert_once(&names(), true, since, secs(6));
        }
    }
}

/// Refreshes are told in batches; whoever comes out of a cut hears at once of those that it lacks.
#[test]
fn whoever_comes_out_of_a_cut_takes_nothing_for_over_that_was_refreshed_elsewhere() {
    for alone in 0..3 {
        let rest: Vec<usize> = (0..3).filter(|host| *host != alone).collect();
        let mut world = ready(3);
        world.fire_all(&names());
        let fired = world.clock;
        let life = world.sources[0].life();
        world.sources[0].targets = Targets::Some(Vec::new());
        world.run_for(secs(5));
        world.cut(&[alone], &rest);
        world.run_to(fired + life - secs(20));
        world.sources[0].targets = Targets::Some(vec![alone]);
        world.post(0);
        world.sources[0].targets = Targets::Some(Vec::new());
        world.run_to(fired + life - secs(3));
        world.mend(&[alone], &rest);
        world.run_to(fired + life + secs(60));
        for integration in [PLAIN, KEYED] {
            let score = world.score(integration, &names(), false, fired);
            assert_eq!(score.told, 0, "[{integration}] {score:?}");
        }
    }
}

#[test]
fn a_long_partition_repeats_at_most_once_per_side() {
    let mut world = ready(3);
    world.cut(&[0], &[1, 2]);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(90));
    world.mend(&[0], &[1, 2]);
    world.run_for(secs(60));
    let plain = world.score(PLAIN, &names(), true, since);
    assert!(plain.lost == 0 && plain.told <= 40, "{plain:?}");
    let keyed = world.score(KEYED, &names(), true, since);
    assert!(keyed.lost == 0 && keyed.twice == 0, "{keyed:?}");
    let findings = world.judge();
    assert!(findings.violations.is_empty(), "{:#?}", findings.violations);
    assert!(
        findings
            .exceptions
            .keys()
            .all(|why| *why == Exception::Minority),
        "{:?}",
        findings.exceptions
    );
}

/// The delay counts from when the majority was lost, and ways on which nobody dialled while they were open bring none back.
#[test]
fn a_cut_that_opens_for_a_moment_goes_on() {
    let mut unnoticed = 0;
    for tenth in 150..160 {
        let mut world = ready(3);
        world.cut(&[0], &[1, 2]);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(millis(tenth * 100));
        world.mend(&[0], &[1, 2]);
        world.run_for(millis(20));
        world.cut(&[0], &[1, 2]);
        world.run_for(secs(60));
        world.mend(&[0], &[1, 2]);
        world.run_for(secs(60));
        let alone = world.visible().filter(|sent| {
            sent.integration == PLAIN && sent.host == 0 && sent.began <= since + secs(36)
        });
        unnoticed += usize::from(alone.count() == 20);
        let findings = world.judge();
        assert!(findings.violations.is_empty(), "{:#?}", findings.violations);
    }
    assert!(unnoticed > 0, "somebody dialled each time");
}

#[test]
fn nodes_that_are_all_apart_wait_for_the_delay() {
    let mut world = ready(3);
    for (one, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        world.cut_one_way(&[one], &others);
    }
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(25));
    let plain = world.score(PLAIN, &names(), true, since);
    assert_eq!(plain.told, 0, "nobody has a majority");
    let keyed = world.score(KEYED, &names(), true, since);
    assert!(
        keyed.lost == 0 && keyed.twice == 0 && keyed.latest <= secs(6),
        "{keyed:?}"
    );
    world.run_for(secs(65));
    world.mend_all();
    world.run_for(secs(60));
    let plain = world.score(PLAIN, &names(), true, since);
    assert!(plain.lost == 0 && plain.told <= 60, "{plain:?}");
    assert!(plain.latest <= secs(40), "{plain:?}");
}

#[test]
fn a_short_partition_into_single_nodes_repeats_nothing() {
    let mut world = ready(3);
    for (one, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        world.cut_one_way(&[one], &others);
    }
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(20));
    world.mend_all();
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, secs(30));
}

#[test]
fn a_one_way_cut_repeats_nothing() {
    for (from, to) in [(0, 1), (1, 0), (2, 1)] {
        let mut world = ready(3);
        world.cut_one_way(&[from], &[to]);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(25));
        world.mend_one_way(&[from], &[to]);
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, secs(20));
    }
}

#[test]
fn resolves_cross_a_healed_partition() {
    let mut world = ready(3);
    world.fire_all(&names());
    world.run_for(secs(20));
    world.cut(&[0], &[1, 2]);
    world.run_for(secs(5));
    let since = world.clock;
    world.resolve_all(&names());
    world.run_for(secs(15));
    world.mend(&[0], &[1, 2]);
    world.run_for(secs(60));
    world.assert_once(&names(), false, since, secs(30));
}
