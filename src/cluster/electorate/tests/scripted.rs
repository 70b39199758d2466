//! One story each.

use super::{
    super::{Electorate, ElectorateOutput, ballot::Ballot, wire::Message},
    Mutation,
    network::{EVICT, Host, SETTLE, World, ms},
};
use crate::{cluster::MeshSettings, rng::Rng};

fn names(world: &World, host: &str) -> String {
    let electors = world.machine(world.host(host)).unwrap().electors();
    electors.map_or_else(String::new, |electors| {
        let names: Vec<&str> = electors.names.iter().map(AsRef::as_ref).collect();
        names.join(" ")
    })
}

fn assert_becomes(world: &mut World, most: std::time::Duration, expected: &str) {
    let took = world.run_until(most, |world| world.shared().as_deref() == Some(expected));
    assert!(took.is_some(), "not {expected}: {}", world.describe());
    world.check_steps();
    assert_eq!(world.wrong, Vec::<String>::new());
}

#[test]
fn a_node_that_met_nobody_is_an_electorate_of_its_own_at_once() {
    let mut world = World::new(1, "a");
    world.start(0);
    assert_becomes(&mut world, ms(200), "a");
}

#[test]
fn a_node_that_cannot_reach_its_peers_waits_for_the_settle_timeout() {
    let mut world = World::new(1, "a b");
    world.cut(0, 1);
    world.start(0);
    world.run(SETTLE - ms(100));
    assert_eq!(names(&world, "a"), "");
    assert_becomes(&mut world, ms(300), "a");
}

#[test]
fn three_that_start_together_form_one_within_300_ms() {
    for seed in 0..50 {
        let mut world = World::new(seed, "a b c");
        for host in 0..3 {
            world.start(host);
        }
        world.run_until(ms(1000), |world| {
            world
                .living()
                .iter()
                .all(|host| world.hosts[*host].live.as_ref().unwrap().settled)
        });
        assert_becomes(&mut world, ms(300), "a b c");
        assert_eq!(world.history.len(), 1);
    }
}

#[test]
fn nodes_join_one_by_one_and_come_back_with_their_store() {
    let mut world = World::new(2, "b c a");
    world.start(0);
    assert_becomes(&mut world, ms(300), "b");
    world.start(1);
    assert_becomes(&mut world, ms(1000), "b c");
    world.start(2);
    assert_becomes(&mut world, ms(1000), "a b c");
    for host in 0..3 {
        world.kill(host);
    }
    world.run(ms(1000));
    for host in 0..3 {
        world.start(host);
    }
    assert_becomes(&mut world, ms(1000), "a b c");
    assert_eq!(world.history.len(), 3);
}

#[test]
fn whoever_leaves_is_removed_before_it_goes() {
    for (leaver, rest) in [(0, "b c"), (1, "a c"), (2, "a b")] {
        let mut world = World::formed(3, "a b c");
        world.leave(leaver);
        let left = world.run_until(ms(500), |world| world.machine(leaver).unwrap().has_left());
        assert!(left.is_some(), "{}", world.describe());
        world.kill(leaver);
        assert_becomes(&mut world, ms(100), rest);
        // It comes back and is added.
        world.start(leaver);
        assert_becomes(&mut world, ms(1500), "a b c");
    }
}

#[test]
fn all_leave_at_once_and_the_last_keeps_the_electorate() {
    let mut world = World::formed(4, "a b c");
    for host in 0..3 {
        world.leave(host);
    }
    for host in 0..3 {
        let left = world.run_until(ms(3500), |world| world.machine(host).unwrap().has_left());
        assert!(left.is_some(), "{}", world.describe());
    }
    assert_becomes(&mut world, ms(100), "a");
    for host in 0..3 {
        world.kill(host);
    }
    world.run(ms(500));
    for host in 0..3 {
        world.start(host);
    }
    assert_becomes(&mut world, ms(2000), "a b c");
    assert_eq!(world.history.len(), 5);
}

#[test]
fn two_members_shrink_to_one_and_grow() {
    for leaver in 0..2 {
        let mut world = World::formed(5, "a b");
        world.leave(leaver);
        world
            .run_until(ms(1000), |world| world.machine(leaver).unwrap().has_left())
            .unwrap();
        world.kill(leaver);
        assert_becomes(&mut world, ms(100), if leaver == 0 { "b" } else { "a" });
        world.start(leaver);
        assert_becomes(&mut world, ms(1500), "a b");
    }
}

#[test]
fn of_two_the_smaller_evicts_the_larger_and_the_larger_goes_on_without_a_majority() {
    for (dead, alive, forced) in [(1, "a", 0), (0, "b", 1)] {
        let mut world = World::formed(6, "a b");
        world.kill(dead);
        world.run(EVICT - ms(1000));
        assert_eq!(names(&world, alive), "a b");
        assert_becomes(&mut world, ms(6000), alive);
        let host = world.host(alive);
        assert_eq!(world.machine(host).unwrap().unsafe_electorates(), forced);
        world.start(dead);
        assert_becomes(&mut world, ms(2000), "a b");
        // What was forced holds, and it was forced once.
        assert_eq!(world.machine(dead).unwrap().unsafe_electorates(), 0);
    }
}

#[test]
fn two_hosts_that_found_apart_become_one() {
    let mut world = World::new(7, "a b c");
    for host in 1..3 {
        world.cut(0, host);
    }
    for host in 0..3 {
        world.start(host);
    }
    world.run(SETTLE + ms(4000));
    assert_eq!(
        (names(&world, "a").as_str(), names(&world, "b").as_str()),
        ("a", "b c")
    );
    world.heal();
    assert_becomes(&mut world, ms(2000), "a b c");
}

#[test]
fn a_dead_member_is_removed_by_the_rest_and_added_when_it_comes_back() {
    let mut world = World::formed(8, "a b c d");
    world.kill(0);
    world.run(EVICT - ms(500));
    assert_eq!(names(&world, "b"), "a b c d");
    assert_becomes(&mut world, ms(5000), "b c d");
    world.start(0);
    assert_becomes(&mut world, ms(1000), "a b c d");
}

#[test]
fn the_side_with_the_majority_holds_after_a_long_cut() {
    let mut world = World::formed(9, "a b c d e");
    for a in 0..2 {
        for b in 2..5 {
            world.cut(a, b);
        }
    }
    world.run(EVICT + ms(10_000));
    assert_eq!(names(&world, "a"), "a b");
    assert_eq!(names(&world, "c"), "c d e");
    let safe = world.machine(2).unwrap().electors().unwrap().founding;
    world.heal();
    assert_becomes(&mut world, ms(3000), "a b c d e");
    assert_eq!(world.machine(0).unwrap().electors().unwrap().founding, safe);
}

#[test]
fn survivors_go_on_when_the_majority_is_gone_and_the_others_join_them() {
    let mut world = World::formed(10, "a b c d e");
    for dead in 0..3 {
        world.kill(dead);
    }
    world.run(EVICT - ms(1000));
    assert_eq!(names(&world, "d"), "a b c d e");
    assert_becomes(&mut world, ms(6000), "d e");
    assert_eq!(world.machine(3).unwrap().unsafe_electorates(), 1);
    assert_eq!(world.machine(4).unwrap().unsafe_electorates(), 1);
    for dead in 0..3 {
        world.start(dead);
    }
    assert_becomes(&mut world, ms(2000), "a b c d e");
}

#[test]
fn the_smallest_that_does_not_propose_is_overtaken() {
    let mut world = World::formed(11, "a b c");
    // d reaches b and c only: a never wants it.
    world.hosts.push(Host::named("d"));
    world.cut(0, 3);
    world.start(3);
    assert_becomes(&mut world, SETTLE + ms(4000), "a b c d");
}

#[test]
fn whoever_lost_its_store_votes_after_a_lease_and_after_it_asked_all_others() {
    let mut world = World::formed(12, "a b c");
    world.kill(2);
    world.hosts[2].disk = None;
    world.start(2);
    world.run(ms(14_000));
    assert_becomes(&mut world, ms(100), "a b c");
    let now = |world: &World| crate::time::Now {
        mono: world.now,
        wall: crate::time::Timestamp::ZERO,
    };
    let machine = world.machine(2).unwrap();
    assert!(!machine.may_vote(now(&world)));
    assert!(!machine.votes_now(now(&world)));
    assert!(machine.whole);
    world.run(ms(1000));
    let machine = world.machine(2).unwrap();
    assert!(machine.may_vote(now(&world)));
    assert!(machine.votes_now(now(&world)));
    // One that comes back with its store votes at once.
    world.kill(1);
    world.start(1);
    world.run(ms(300));
    assert!(world.machine(1).unwrap().may_vote(now(&world)));
    // One that is new votes at once, too.
    world.hosts.push(Host::named("d"));
    world.start(3);
    assert_becomes(&mut world, ms(1000), "a b c d");
    assert!(world.machine(3).unwrap().may_vote(now(&world)));
}

#[test]
fn of_two_the_larger_may_lose_its_store_and_the_smaller_is_given_up() {
    for (wiped, wait, forced) in [(1, ms(15_500), 0), (0, EVICT, 1)] {
        let mut world = World::formed(13, "a b");
        world.kill(wiped);
        world.hosts[wiped].disk = None;
        world.start(wiped);
        world.run(wait);
        world.hosts.push(Host::named("c"));
        world.start(2);
        assert_becomes(&mut world, ms(4500), "a b c");
        assert_eq!(world.machine(0).unwrap().unsafe_electorates(), forced);
    }
}

#[test]
fn a_majority_of_an_expected_size_is_waited_for_and_the_size_not_exceeded() {
    let mut world = World::new(14, "a b c d");
    world.expected = Some(3);
    world.start(0);
    world.run(ms(20_000));
    assert_eq!(names(&world, "a"), "");
    // The third may never come: two of three can agree on everything.
    world.start(1);
    assert_becomes(&mut world, ms(9000), "a b");
    world.start(2);
    assert_becomes(&mut world, ms(1000), "a b c");
    world.start(3);
    world.run(ms(3000));
    assert_becomes(&mut world, ms(100), "a b c");
    assert!(
        !world
            .machine(3)
            .unwrap()
            .electors()
            .unwrap()
            .names
            .contains("d")
    );
    // One leaves: there is room.
    world.leave(0);
    world.run(ms(500));
    world.kill(0);
    assert_becomes(&mut world, ms(1000), "b c d");
    // Two dead of three: nobody goes on without a majority of three.
    world.kill(1);
    world.kill(2);
    world.run(EVICT + ms(10_000));
    assert_eq!(names(&world, "d"), "b c d");
}

#[test]
fn whoever_is_refused_by_as_many_founds_nothing() {
    let mut world = World::new(17, "a b c");
    // Another key, say: a is refused by two, b and c by one.
    world.shut_out = vec![2, 1, 1];
    for host in 0..3 {
        world.start(host);
    }
    world.cut(0, 1);
    world.cut(0, 2);
    world.run(ms(60_000));
    assert_eq!(names(&world, "a"), "");
    assert_eq!(names(&world, "b"), "b c");
}

#[test]
fn nobody_leaves_for_ever_if_the_others_are_gone() {
    let mut world = World::formed(15, "a b c");
    world.kill(0);
    world.kill(1);
    world.run(ms(100));
    world.leave(2);
    assert!(
        world
            .run_until(ms(3500), |world| world.machine(2).unwrap().has_left())
            .is_some()
    );
}

/// Whether a member that voted and restarted tells the next proposer what it voted for.
fn a_vote_survives(mutation: Option<Mutation>) -> bool {
    let mut world = World::formed(16, "a b c");
    let now = world.at();
    let mut machine = world.hosts[0].live.take().unwrap().machine;
    machine.mutation = mutation;
    let charter = machine.charter.clone().unwrap();
    let value = charter.with(&"d".into(), 7);
    let ballot = |round, name: &str| Ballot {
        round,
        name: name.into(),
    };
    let vote = Message::Accept {
        base: charter.id(),
        ballot: ballot(50, "b"),
        value: value.clone(),
    };
    machine.handle(&"b".into(), &vote.encode(), now);
    let mut disk = None;
    let mut answered = false;
    while let Some(output) = machine.poll() {
        match output {
            ElectorateOutput::Save(bytes) => {
                assert_eq!(machine.poll(), None, "nothing is said before it is durable");
                disk = Some(bytes);
                machine.saved(now);
            }
            ElectorateOutput::Send { bytes, .. } => {
                let message = Message::decode(&bytes).unwrap().unwrap();
                if matches!(message, Message::Accepted { .. }) {
                    assert!(disk.is_some(), "answered before it is durable");
                    answered = true;
                }
            }
            ElectorateOutput::Changed => {}
        }
    }
    assert!(answered);
    let settings = MeshSettings {
        name: "a".into(),
        run: 2,
        ..world.settings.clone()
    };
    let mut machine = Electorate::new(&settings, disk.as_deref(), Rng::from_seed(1), now);
    machine.peer_joined(&"c".into(), None, now);
    machine.synchronised(now);
    let prepare = Message::Prepare {
        charter,
        ballot: ballot(60, "c"),
    };
    machine.handle(&"c".into(), &prepare.encode(), now);
    while let Some(output) = machine.poll() {
        machine.saved(now);
        if let ElectorateOutput::Send { bytes, .. } = output
            && let Some(Message::Promise { accepted, .. }) = Message::decode(&bytes).unwrap()
        {
            return accepted == Some((ballot(50, "b"), value));
        }
    }
    panic!("no answer");
}

#[test]
fn a_vote_is_durable_before_it_is_told_and_known_after_a_restart() {
    assert!(a_vote_survives(None));
    assert!(!a_vote_survives(Some(Mutation::VotesNotPersisted)));
}
