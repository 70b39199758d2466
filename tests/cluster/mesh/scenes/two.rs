//! Two nodes, of which the one with the smaller name decides alone.

use super::score::{KEYED, PLAIN, millis, names, ready, secs};

#[test]
fn the_larger_name_of_two_may_die() {
    for power in [false, true] {
        let mut world = ready(2);
        world.down(1, power);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(60));
        let late = if power { secs(5) } else { millis(1_500) };
        world.assert_once(&names(), true, since, late);
        world.start(1);
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, late);
    }
}

#[test]
fn the_smaller_name_of_two_may_die_and_costs_the_minority_delay() {
    for power in [false, true] {
        let mut world = ready(2);
        world.down(0, power);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(90));
        let plain = world.score(PLAIN, &names(), true, since);
        assert!(
            plain.lost == 0 && plain.twice == 0 && plain.latest <= secs(36),
            "{plain:?}"
        );
        let keyed = world.score(KEYED, &names(), true, since);
        assert!(
            keyed.lost == 0 && keyed.twice == 0 && keyed.latest <= secs(6),
            "{keyed:?}"
        );
        world.start(0);
        world.run_for(secs(60));
        assert_eq!(world.score(PLAIN, &names(), true, since).twice, 0);
    }
}

#[test]
fn a_short_partition_of_two_repeats_nothing() {
    let mut world = ready(2);
    world.cut(&[0], &[1]);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(20));
    world.mend(&[0], &[1]);
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, secs(6));
}

#[test]
fn a_rolling_restart_of_two_repeats_nothing() {
    let mut world = ready(2);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(5));
    for host in 0..2 {
        world.stop(host);
        world.run_for(secs(6));
        world.start(host);
        world.run_for(secs(6));
    }
    world.assert_once(&names(), true, since, millis(1_100));
    world.assert_sound();
}
