//! Who tells what was another one's to tell is counted, by why.

use std::collections::BTreeMap;

use watchfire::tenant::Takeover;

use super::score::{names, ready, secs};
use crate::mesh::{receiver::Answer, world::World};

/// Takeovers of all nodes that are up.
fn takeovers(world: &mut World) -> BTreeMap<Takeover, u64> {
    let mut all = BTreeMap::new();
    let up = (0..world.hosts.len()).filter(|host| world.hosts[*host].is_up());
    for host in up.collect::<Vec<_>>() {
        for (reason, count) in &world.view(host).stats.claims.takeovers {
            *all.entry(*reason).or_default() += count;
        }
    }
    all
}

/// Fires all alerts, to receivers that answer so, and lets something happen while they are told.
fn counted(answer: Answer, happens: fn(&mut World)) -> BTreeMap<Takeover, u64> {
    let mut world = ready(3);
    world.answer(answer);
    assert_eq!(takeovers(&mut world), [].into());
    world.fire_all(&names());
    // The alerts are told a second after they came.
    world.run_for(secs(2));
    happens(&mut world);
    world.run_for(secs(2));
    world.answer(Answer::Accept(secs(0)));
    world.run_for(secs(30));
    takeovers(&mut world)
}

#[test]
fn what_is_taken_over_is_counted_by_why() {
    let slow = Answer::Accept(secs(3));
    for (answer, happens, expect) in [
        (slow, (|_| {}) as fn(&mut World), None),
        (slow, |world| world.kill(1), Some(Takeover::Process)),
        (slow, |world| world.power_off(1), Some(Takeover::Suspect)),
        // A node that stops tries no more.
        (Answer::Fail, |world| world.stop(1), Some(Takeover::Leave)),
    ] {
        let counted = counted(answer, happens);
        let reasons: Vec<_> = counted.keys().copied().collect();
        assert_eq!(reasons, Vec::from_iter(expect), "{counted:?}");
    }
}

#[test]
fn what_a_node_cannot_tell_its_receiver_is_taken_over_from_it() {
    let mut world = ready(3);
    world.hosts[1].egress = false;
    world.fire_all(&names());
    world.run_for(secs(30));
    let counted = takeovers(&mut world);
    let reasons: Vec<_> = counted.keys().copied().collect();
    assert_eq!(reasons, [Takeover::Receiver], "{counted:?}");
}
