//! Whoever was to tell dies: before, while it sends, right after.

use super::score::{KEYED, PLAIN, config_with, millis, names, ready, ready_with, secs};
use crate::mesh::{
    receiver::Answer,
    world::{Setup, World},
};

/// Fires and ends every alert once, so that it is known who tells of which.
fn rehearsed(nodes: usize) -> World {
    let mut world = ready(nodes);
    world.fire_all(&names());
    world.run_for(secs(20));
    world.resolve_all(&names());
    world.run_for(secs(15));
    // Ends that are posted again would keep the groups.
    world.sources[0].alerts.clear();
    world.run_for(secs(45));
    world
}

/// Alerts that a host tells of.
fn of_host(world: &World, host: usize) -> Vec<String> {
    let mut names = names();
    names.retain(|name| world.owner(name) == host);
    assert!(!names.is_empty(), "n{} tells of nothing", host + 1);
    names
}

#[test]
fn a_process_that_dies_just_before_costs_half_a_second() {
    for host in 0..3 {
        let mut world = rehearsed(3);
        let names = of_host(&world, host);
        world.kill(host);
        let since = world.clock;
        world.fire_all(&names);
        world.run_for(secs(60));
        world.assert_once(&names, true, since, millis(1_500));
    }
}

#[test]
fn a_process_that_dies_when_it_was_to_tell_costs_half_a_second() {
    for host in 0..3 {
        let mut world = rehearsed(3);
        let names = of_host(&world, host);
        let since = world.clock;
        world.fire_all(&names);
        world.run_for(millis(950));
        world.kill(host);
        world.run_for(secs(60));
        world.assert_once(&names, true, since, millis(1_500));
    }
}

#[test]
fn a_host_that_dies_just_before_costs_four_seconds() {
    for host in 0..3 {
        let mut world = rehearsed(3);
        let names = of_host(&world, host);
        world.power_off(host);
        let since = world.clock;
        world.fire_all(&names);
        world.run_for(secs(60));
        world.assert_once(&names, true, since, secs(5));
    }
}

#[test]
fn a_process_that_died_long_before_costs_nothing() {
    for host in 0..3 {
        let mut world = rehearsed(3);
        world.kill(host);
        world.run_for(secs(12));
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, millis(1_100));
        world.start(host);
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, millis(1_100));
    }
}

#[test]
fn a_process_that_dies_while_it_sends_repeats_at_most_what_was_in_flight() {
    for host in 0..3 {
        let mut world = rehearsed(3);
        let names = of_host(&world, host);
        world.answer(Answer::Accept(secs(3)));
        let since = world.clock;
        world.fire_all(&names);
        world.run_for(millis(2_500));
        world.kill(host);
        world.run_for(secs(90));
        let plain = world.score(PLAIN, &names, true, since);
        assert!(plain.lost == 0 && plain.twice <= names.len(), "{plain:?}");
        let keyed = world.score(KEYED, &names, true, since);
        assert!(keyed.lost == 0 && keyed.twice == 0, "{keyed:?}");
        world.assert_sound();
    }
}

/// It hangs while its requests wait for answers, and is killed with bytes unread, so that its system resets its streams.
#[test]
fn what_a_process_held_that_left_bytes_unread_is_told_at_once() {
    for host in 0..3 {
        for hangs in [millis(200), secs(2), secs(6)] {
            let mut world = rehearsed(3);
            let names = of_host(&world, host);
            world.answer(Answer::Silent);
            world.fire_all(&names);
            world.run_for(secs(3));
            world.pause(host);
            // What the others hear they tell it.
            world.fire("Unread");
            world.run_for(hangs);
            world.answer(Answer::Accept(millis(5)));
            world.kill(host);
            let since = world.clock;
            world.run_for(secs(60));
            let plain = world.score(PLAIN, &names, true, since);
            assert!(
                plain.twice == 0 && plain.lost == 0 && plain.latest <= millis(500),
                "n{} after {hangs:?}: {plain:?}",
                host + 1
            );
            world.assert_sound();
        }
    }
}

#[test]
fn a_process_that_dies_after_the_last_answer_repeats_nothing() {
    for host in 0..3 {
        let mut world = rehearsed(3);
        let names = of_host(&world, host);
        let since = world.clock;
        world.fire_all(&names);
        let count = names.len();
        let all = names.clone();
        world.run_until(secs(5), move |world| {
            let told = world.sent.iter().filter(|sent| {
                sent.began >= since
                    && sent.answered.is_some()
                    && sent.alerts.keys().any(|name| all.contains(name))
            });
            told.count() == 2 * count
        });
        world.run_for(millis(10));
        world.kill(host);
        world.run_for(secs(60));
        world.assert_once(&names, true, since, millis(1_100));
        world.start(host);
        world.run_for(secs(60));
        world.assert_once(&names, true, since, millis(1_100));
    }
}

#[test]
fn two_of_three_may_die() {
    let mut world = rehearsed(3);
    world.power_off(0);
    world.kill(1);
    world.run_for(secs(60));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(60));
    // The delay ran out before.
    world.assert_once(&names(), true, since, millis(1_100));
    world.start(0);
    world.start(1);
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, millis(1_100));
}

#[test]
fn two_of_three_that_die_together_cost_the_minority_delay_once() {
    let mut world = rehearsed(3);
    world.power_off(0);
    world.power_off(1);
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
}

#[test]
fn a_pause_of_whoever_tells_repeats_nothing() {
    for host in 0..3 {
        let mut world = ready_with(Setup::new(3, 1, config_with(1, 60)));
        world.answer(Answer::Accept(millis(300)));
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(millis(1_200));
        world.pause(host);
        world.run_for(secs(8));
        world.resume(host);
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, secs(10));
    }
}

/// What ended by the clock of whoever goes on, since nobody could tell it that it goes on, ends for nobody.
#[test]
fn a_long_pause_ends_nothing_and_repeats_nothing() {
    for host in 0..3 {
        let mut world = ready(3);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(60));
        let told = world.visible().count();
        world.pause(host);
        world.run_for(secs(900));
        world.resume(host);
        world.run_for(secs(120));
        world.assert_once(&names(), true, since, secs(10));
        assert_eq!(world.visible().count(), told, "n{}", host + 1);
    }
}

/// A machine that has no time for anybody may pause again as soon as it goes on.
#[test]
fn a_second_pause_right_after_a_long_one_ends_nothing_either() {
    let mut world = ready(3);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(60));
    let told = world.visible().count();
    for after in [1, 50, 500] {
        world.pause(1);
        world.run_for(secs(900));
        world.resume(1);
        world.run_for(millis(after));
    }
    world.pause(1);
    world.run_for(secs(900));
    world.resume(1);
    world.run_for(secs(120));
    world.assert_once(&names(), true, since, secs(10));
    assert_eq!(world.visible().count(), told);
}

/// Whoever goes on after a pause hears first what was answered meanwhile, whether its timers come before or not: nobody was
/// silent but the node itself, and nothing is told without a majority.
#[test]
fn a_pause_with_open_questions_takes_nobody_for_silent() {
    for (host, pause) in [(0, 6), (1, 6), (2, 6), (0, 9), (0, 12)] {
        let mut setup = Setup::new(3, 1, config_with(1, 60));
        setup.link.latency = millis(100);
        let mut world = ready_with(setup);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(millis(1_050));
        world.pause(host);
        world.run_for(secs(pause));
        world.resume(host);
        world.run_for(millis(100));
        let view = world.view(host);
        let claims = &view.stats.claims;
        assert!(
            claims.held > 0 && claims.minority == 0,
            "n{} after {pause} s: {claims:?}",
            host + 1
        );
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, secs(pause + 10));
        world.assert_sound();
    }
}

#[test]
fn a_second_incident_is_told_as_soon_as_the_first() {
    for nodes in [1, 3] {
        let mut world = rehearsed(nodes);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, millis(1_100));
    }
}
