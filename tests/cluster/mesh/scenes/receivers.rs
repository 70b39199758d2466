//! Receivers that are slow, that fail, that do not answer.

use super::score::{KEYED, PLAIN, config_with, names, ready_with, secs};
use crate::mesh::{receiver::Answer, world::Setup};

#[test]
fn a_slow_receiver_is_told_once() {
    let mut world = ready_with(Setup::new(3, 1, config_with(1, 60)));
    world.answer(Answer::Accept(secs(20)));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(120));
    world.assert_once(&names(), true, since, secs(2));
    let score = world.score(PLAIN, &names(), true, since);
    assert_eq!(score.attempts, 20);
}

#[test]
fn a_receiver_that_fails_for_a_while_is_told_once_soon_after() {
    let mut world = ready_with(Setup::new(3, 1, config_with(1, 60)));
    world.answer(Answer::Fail);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(41));
    world.answer(Answer::Accept(secs(0)));
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, secs(49));
    let score = world.score(PLAIN, &names(), true, since);
    assert!(score.attempts <= 240, "{score:?}");
}

#[test]
fn another_node_tells_where_the_first_cannot_reach_the_receiver() {
    for host in 0..3 {
        let mut world = ready_with(Setup::new(3, 1, config_with(1, 60)));
        world.hosts[host].egress = false;
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(60));
        world.assert_once(&names(), true, since, secs(8));
    }
}

#[test]
fn an_answer_that_never_comes_repeats_only_where_keys_are_not_known() {
    for answer in [Answer::ResetAfterAccept, Answer::SilentAfterAccept] {
        let mut world = ready_with(Setup::new(3, 1, config_with(1, 20)));
        world.answer(answer);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(10));
        world.answer(Answer::Accept(secs(0)));
        world.run_for(secs(90));
        let plain = world.score(PLAIN, &names(), true, since);
        assert!(plain.lost == 0, "{plain:?}");
        let keyed = world.score(KEYED, &names(), true, since);
        assert!(keyed.lost == 0 && keyed.twice == 0, "{keyed:?}");
        world.assert_sound();
    }
}

#[test]
fn what_was_perhaps_told_is_told_before_its_end() {
    let mut world = ready_with(Setup::new(3, 1, config_with(1, 20)));
    world.answer(Answer::SilentAfterAccept);
    world.fire_all(&names());
    world.run_for(secs(6));
    world.resolve_all(&names());
    world.run_for(secs(6));
    world.answer(Answer::Accept(secs(0)));
    world.run_for(secs(120));
    world.assert_sound();
}

#[test]
fn a_slow_receiver_does_not_delay_another() {
    let mut world = ready_with(Setup::new(3, 1, config_with(1, 60)));
    world.receivers[PLAIN].answer = Answer::Accept(secs(20));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(60));
    let keyed = world.score(KEYED, &names(), true, since);
    assert!(
        keyed.lost == 0 && keyed.latest <= super::score::millis(1_100),
        "{keyed:?}"
    );
}

#[test]
fn a_lease_that_is_not_renewed_while_a_receiver_is_slow_is_noticed() {
    let mut setup = Setup::new(3, 1, config_with(1, 60));
    setup.mutations.lease_not_renewed = true;
    let mut world = ready_with(setup);
    world.answer(Answer::Accept(secs(20)));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(120));
    assert!(world.score(PLAIN, &names(), true, since).twice > 0);
}
