//! Who is refused, who leaves, who is met, how much is sent, whose clock counts.

use std::time::Duration;

use super::net::{MS, Net, S};
use crate::cluster::{GivenPeer, Lane, MAX_FRAME, MAX_NODES, MeshEvent, MeshInput};

fn joined(net: &Net, host: usize) -> usize {
    let events = net.events_since(host, Duration::ZERO);
    let joined = events
        .iter()
        .filter(|(_, event)| matches!(event, MeshEvent::Joined { .. }));
    joined.count()
}

#[test]
fn of_two_processes_with_one_name_the_later_stays() {
    let mut net = Net::new(3, 1);
    net.hosts[2].name = "n1".to_owned();
    net.start(0);
    net.start(1);
    net.run_for(2 * S);
    net.start(2);
    net.run_for(5 * S);
    assert_eq!(net.connections()[0], ["n1"]);
    assert_eq!(
        net.with(0, |mesh, _| mesh.run_of("n1")),
        Some(net.hosts[2].run)
    );
    let older = net.with(1, |mesh, now| mesh.status(now));
    assert!(older.stats.name_conflicts > 0);
    assert!(net.connections()[1].is_empty());
    let conflicts = net
        .with(0, |mesh, now| mesh.status(now))
        .stats
        .name_conflicts;
    assert!(conflicts > 0);
}

#[test]
fn a_process_with_an_older_run_is_taken_once_the_later_one_is_gone() {
    let mut net = Net::running(2, 1);
    net.run_for(5 * S);
    net.kill(1);
    net.run_for(10 * S);
    // Its clock went back and its storage is lost.
    net.hosts[1].run = 0;
    net.hosts[1].skew = -1_000_000;
    net.start(1);
    let took = net.run_until(10 * S, |net| super::swim::all_see_all(net));
    assert!(took.is_some());
}

#[test]
fn one_more_than_the_most_is_refused() {
    let mut net = Net::new(MAX_NODES + 1, 1);
    (0..MAX_NODES).for_each(|index| net.start(index));
    net.run_for(5 * S);
    assert!(net.all_connected());
    net.start(MAX_NODES);
    net.run_for(5 * S);
    let last = net.with(MAX_NODES, |mesh, now| mesh.status(now));
    assert!(last.peers.values().all(|peer| !peer.connected));
    assert!(
        last.unreached.values().all(|why| why.contains("16 nodes")),
        "{last:?}"
    );
    assert_eq!(net.connections()[0].len(), MAX_NODES - 1);
    assert!(net.with(0, |mesh, now| mesh.status(now)).stats.rejected["full"] > 0);
}

/// All start at the same moment: which one stays outside is the same for all.
#[test]
fn of_one_more_than_the_most_that_start_at_once_the_last_name_stays_outside() {
    for seed in 0..10 {
        let mut net = Net::new(MAX_NODES + 1, seed);
        let starts_late = usize::try_from(seed).unwrap();
        for index in 0..=MAX_NODES {
            if index != starts_late {
                net.start(index);
            }
        }
        net.run_for(MS * 250 * u32::try_from(seed).unwrap());
        net.start(starts_late);
        net.run_for(30 * S);
        // The last of n0, n1, n10 ... n16, n2 ... n9.
        for (host, connected) in net.connections().into_iter().enumerate() {
            let expected = if host == 9 { 0 } else { MAX_NODES - 1 };
            assert_eq!(connected.len(), expected, "seed {seed}: n{host}");
            assert!(!connected.contains(&"n9".to_owned()), "seed {seed}");
        }
        let outside = net.with(9, |mesh, now| mesh.status(now));
        assert!(outside.stats.rejected["refused"] > 0, "seed {seed}");
        for host in (0..=MAX_NODES).filter(|host| *host != 9) {
            let status = net.with(host, |mesh, now| mesh.status(now));
            let refused = status.stats.rejected.get("refused");
            assert_eq!(
                refused, None,
                "seed {seed}: n{host} was told to stay outside"
            );
        }
    }
}

#[test]
fn an_address_of_its_own_is_not_dialled_again() {
    let mut net = Net::new(1, 1);
    net.hosts[0].given = vec![0];
    net.start(0);
    net.run_for(30 * S);
    assert!(net.mesh(0).has_met_peers());
    assert_eq!(net.mesh(0).dials, 1);
    assert!(
        net.with(0, |mesh, now| mesh.status(now))
            .unreached
            .is_empty()
    );
}

#[test]
fn a_restart_at_another_address_replaces_the_old_entry() {
    let mut net = Net::running(3, 4);
    net.lose(2);
    let address = std::net::SocketAddr::from(([10, 0, 1, 9], 9094));
    net.hosts[2].address = address;
    net.hosts[2].advertise = address.to_string().into();
    net.start(2);
    net.run_for(2 * S);
    assert!(super::swim::all_see_all(&net));
    let status = net.with(0, |mesh, now| mesh.status(now));
    assert_eq!(&*status.peers["n2"].address, "10.0.1.9:9094");
    assert_eq!(status.stats.updated, 1);
}

#[test]
fn peers_are_met_when_they_answer_or_refuse_or_time_is_up() {
    let met = |net: &Net| {
        let events = &net.hosts[0].events;
        events
            .iter()
            .find(|(_, event)| *event == MeshEvent::MetPeers)
            .map(|(at, _)| *at)
    };
    // One is there, one host refuses.
    let mut net = Net::new(3, 1);
    net.start(1);
    net.start(0);
    net.run_for(2 * S);
    assert!(met(&net).is_some_and(|at| at < 100 * MS), "{:?}", met(&net));
    assert_eq!(joined(&net, 0), 1);
    // One host is silent.
    let mut net = Net::new(3, 1);
    net.hosts[2].lost = true;
    net.start(0);
    net.run_for(59 * S);
    assert_eq!(met(&net), None);
    net.run_for(2 * S);
    assert_eq!(met(&net), Some(60 * S));
    // The same without settling.
    let mut net = Net::new(2, 1);
    net.tune = |settings| settings.settle_timeout = Duration::ZERO;
    net.hosts[1].lost = true;
    net.start(0);
    net.run_for(2 * S);
    assert_eq!(met(&net), Some(S));
    // A name that does not resolve.
    let mut net = Net::new(2, 1);
    net.start(0);
    let peers = vec![GivenPeer {
        given: "nowhere:9094".into(),
        addresses: Vec::new(),
        error: Some("no such host".to_owned()),
    }];
    net.with(0, |mesh, now| mesh.handle(MeshInput::Peers(peers), now));
    net.run_for(S);
    assert_eq!(met(&net), None);
    let unreached = net.with(0, |mesh, now| mesh.status(now)).unreached;
    assert_eq!(unreached["nowhere:9094"], "no such host");
}

#[test]
fn goodbye_is_said() {
    let mut net = Net::running(3, 1);
    let (at, run) = (net.now, net.hosts[1].run);
    net.with(1, |mesh, now| mesh.leave(now));
    let took = net.run_until(2 * S, |net| net.mesh(1).has_left());
    assert!(took.is_some());
    net.run_for(100 * MS);
    for host in [0, 2] {
        let ended = MeshEvent::Ended {
            name: "n1".into(),
            run,
            left: true,
        };
        assert!(
            net.events_since(host, at)
                .iter()
                .any(|(_, event)| **event == ended)
        );
        assert!(net.mesh(host).is_down("n1"));
    }
    assert!(net.mesh(1).poll_timeout().is_none());
}

#[test]
fn bulk_payloads_keep_to_the_room() {
    let mut net = Net::running(2, 1);
    let size = 100_000;
    let room = |net: &mut Net| net.with(0, |mesh, _| mesh.room("n1"));
    assert_eq!(room(&mut net), 1024 * 1024);
    let mut sent = 0;
    for _ in 0..50 {
        while room(&mut net) > 0 {
            net.with(0, |mesh, _| mesh.send("n1", Lane::Bulk, vec![1; size]));
            sent += 1;
        }
        net.run_for(10 * MS);
    }
    assert!(sent > 100, "{sent}");
    let events = net.events_since(1, Duration::ZERO);
    let got = events
        .iter()
        .filter(|(_, event)| matches!(event, MeshEvent::Payload { .. }));
    assert_eq!(got.count(), sent);
    let rooms = net.events_since(0, Duration::ZERO);
    assert!(
        rooms
            .iter()
            .any(|(_, event)| matches!(event, MeshEvent::Room(_)))
    );
    // Too large for a frame.
    net.with(0, |mesh, _| {
        mesh.send("n1", Lane::Urgent, vec![1; MAX_FRAME])
    });
    assert_eq!(net.with(0, |mesh, _| mesh.room("nobody")), 0);
}

#[test]
fn the_majoritys_clock_is_known() {
    let mut net = Net::new(3, 1);
    net.hosts[0].skew = 600_000;
    (0..3).for_each(|index| net.start(index));
    net.with(1, |mesh, _| mesh.set_beat(vec![7]));
    net.run_for(5 * S);
    let ahead = |net: &mut Net, host: usize| net.with(host, |mesh, _| mesh.clock_ahead());
    assert!((ahead(&mut net, 0) + 600_000_000_000).abs() < 5_000_000);
    assert!(ahead(&mut net, 1).abs() < 5_000_000);
    let beat = MeshEvent::Beat {
        from: "n1".into(),
        bytes: vec![7],
    };
    assert!(net.hosts[0].events.iter().any(|(_, event)| *event == beat));
    // Of two the smaller name's.
    net.kill(2);
    net.run_for(S);
    assert_eq!(ahead(&mut net, 0), 0);
    assert!((ahead(&mut net, 1) - 600_000_000_000).abs() < 5_000_000);
    let status = net.with(1, |mesh, now| mesh.status(now));
    assert!(status.peers["n0"].round_trip.unwrap() < 5 * MS);
}
