//! Who is alive: crashes, cuts, losses, and what each remedy is for.

use std::time::Duration;

use super::net::{MS, Net, S};
use crate::cluster::{Mesh, MeshEvent, PeerState, membership::Remedies};

pub(super) fn all_see_all(net: &Net) -> bool {
    let names: Vec<String> = net.hosts.iter().map(|host| host.name.clone()).collect();
    net.hosts
        .iter()
        .filter_map(|host| host.mesh.as_ref().map(|mesh| (host, mesh)))
        .all(|(host, mesh)| {
            names.iter().filter(|name| **name != host.name).all(|name| {
                mesh.membership.sees(name) && mesh.stream_to(name).is_some() && !mesh.is_down(name)
            })
        })
}

fn went_down(net: &Net, host: usize, since: Duration) -> Option<Duration> {
    net.events_since(host, since)
        .iter()
        .find(|(_, event)| matches!(event, MeshEvent::Visible { seen: false, .. }))
        .map(|(at, _)| *at)
}

fn rejoins(net: &Net) -> u64 {
    let meshes = net.hosts.iter().filter_map(|host| host.mesh.as_ref());
    meshes.map(|mesh| mesh.out.stats.rejoins).sum()
}

#[test]
fn all_see_all_within_a_second() {
    for seed in 0..20 {
        let mut net = Net::new(5, seed);
        (0..5).for_each(|index| net.start(index));
        let took = net.run_until(2 * S, |net| all_see_all(net));
        assert!(took.is_some_and(|took| took <= S), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_lost_host_is_down_within_three_and_a_half_seconds() {
    let mut times = Vec::new();
    for seed in 0..100 {
        let mut net = Net::running(3, seed);
        net.run_for(Duration::from_millis(seed * 7));
        let at = net.now;
        net.lose(2);
        net.run_for(6 * S);
        for host in 0..2 {
            times.push(went_down(&net, host, at).unwrap() - at);
            assert!(net.mesh(host).is_down("n2"));
            assert!(
                net.events_since(host, at)
                    .iter()
                    .all(|(_, event)| !matches!(event, MeshEvent::Ended { .. }))
            );
        }
    }
    times.sort();
    let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("a lost host is down after {median:?} (median), {late:?} (99 of 100)");
    assert!(late <= 3500 * MS, "{late:?}");
}

#[test]
fn a_partition_heals_within_two_seconds() {
    for (cut, seeds) in [(1, 10), (3, 10), (7, 10), (30, 20), (300, 5)] {
        let mut worst = Duration::ZERO;
        for seed in 0..seeds {
            let mut net = Net::running(3, seed);
            net.cut(0, 2);
            net.cut(1, 2);
            net.run_for(S * cut + Duration::from_millis(seed * 97));
            net.cuts.clear();
            let took = net.run_until(20 * S, |net| all_see_all(net));
            worst = worst.max(took.unwrap_or(20 * S));
            net.run_for(20 * S);
            assert!(all_see_all(&net), "seed {seed}");
        }
        println!("a cut of {cut} s heals within {worst:?}");
        assert!(worst <= 2 * S, "{cut} s: {worst:?}");
    }
}

#[test]
fn without_calling_again_a_partition_does_not_heal() {
    let mut net = Net::new(2, 1);
    net.prepare = |mesh| without(mesh, |remedies| remedies.announces_again = false);
    (0..2).for_each(|index| net.start(index));
    net.run_for(3 * S);
    assert!(all_see_all(&net));
    net.cut(0, 1);
    net.run_for(30 * S);
    net.cuts.clear();
    net.run_for(5 * S);
    assert!(!all_see_all(&net));
}

fn without(mesh: &mut Mesh, turn_off: impl FnOnce(&mut Remedies)) {
    let mut remedies = Remedies {
        repeats_on_stream: false,
        ..Remedies::default()
    };
    turn_off(&mut remedies);
    mesh.membership.set_remedies(remedies);
}

/// Three nodes with lossy datagrams only, for so long; how often one had to come back from the dead.
fn rejoins_with(loss: f64, prepare: fn(&mut Mesh)) -> u64 {
    let mut net = Net::new(3, 5);
    net.prepare = prepare;
    (0..3).for_each(|index| net.start(index));
    net.run_for(5 * S);
    net.loss = loss;
    net.run_for(900 * S);
    rejoins(&net)
}

#[test]
fn a_refuted_suspicion_ends_in_a_rejoin_unless_stale_timers_are_dropped() {
    let with = rejoins_with(0.1, |mesh| without(mesh, |_| {}));
    let less = rejoins_with(0.1, |mesh| {
        without(mesh, |remedies| remedies.drops_stale_suspicions = false);
    });
    println!("rejoins in 45 node-minutes with 10 % loss: {with}, with stale timers {less}");
    assert_eq!(with, 0);
    assert!(less > 0);
}

#[test]
fn suspicions_do_not_reach_everybody_with_few_transmissions() {
    let with = rejoins_with(0.2, |mesh| without(mesh, |_| {}));
    let less = rejoins_with(0.2, |mesh| {
        without(mesh, |remedies| remedies.transmits_often = false);
    });
    println!("rejoins in 45 node-minutes with 20 % loss: {with}, with two transmissions {less}");
    assert_eq!(with, 0);
    assert!(less > 0);
}

fn stays_up(hours: u32) {
    let mut net = Net::running(3, 11);
    let at = net.now;
    net.loss = 0.05;
    net.run_for(3600 * S * hours);
    for host in 0..3 {
        assert_eq!(went_down(&net, host, at), None);
        let parted = |event: &MeshEvent| matches!(event, MeshEvent::Parted(_));
        assert!(
            !net.events_since(host, at)
                .iter()
                .any(|(_, event)| parted(event))
        );
    }
    assert_eq!(rejoins(&net), 0);
}

#[test]
fn nobody_is_held_for_dead_for_an_hour_with_5_percent_loss() {
    stays_up(1);
}

#[test]
#[ignore = "takes a minute"]
fn nobody_is_held_for_dead_in_24_node_hours_with_5_percent_loss() {
    stays_up(8);
}

#[test]
fn without_udp_nobody_is_held_for_dead_and_it_is_shown() {
    let mut net = Net::new(3, 2);
    net.udp_blocked = true;
    (0..3).for_each(|index| net.start(index));
    assert!(net.run_until(2 * S, |net| all_see_all(net)).is_some());
    let at = net.now;
    net.run_for(60 * S);
    for host in 0..3 {
        assert_eq!(went_down(&net, host, at), None);
        let status = net.with(host, |mesh, now| mesh.status(now));
        assert!(
            status
                .peers
                .values()
                .all(|peer| peer.udp_blocked && peer.state == PeerState::Alive)
        );
    }
    // It is still found out that a host is lost.
    let at = net.now;
    net.lose(2);
    net.run_for(6 * S);
    assert!(went_down(&net, 0, at).is_some());
    net.udp_blocked = false;
    net.run_for(30 * S);
    let status = net.with(0, |mesh, now| mesh.status(now));
    assert!(!status.peers["n1"].udp_blocked);
}

#[test]
fn an_idle_mesh_says_little() {
    let mut net = Net::running(3, 3);
    // What three nodes know of each other's changes takes so many bytes.
    for host in 0..3 {
        net.with(host, |mesh, _| mesh.set_beat(vec![7; 123]));
    }
    net.run_for(60 * S);
    let before: u64 = net.hosts.iter().map(|host| host.bytes).sum();
    let packets: u64 = net.hosts.iter().map(|host| host.packets).sum();
    net.run_for(600 * S);
    let bytes = net.hosts.iter().map(|host| host.bytes).sum::<u64>() - before;
    let packets = net.hosts.iter().map(|host| host.packets).sum::<u64>() - packets;
    // What one sends another receives.
    let rate = 2 * bytes / 3 / 600;
    println!(
        "{rate} B/s per node sent and received, {} packets/s sent",
        packets / 3 / 600
    );
    assert!(rate <= 1000, "{rate}");
}
