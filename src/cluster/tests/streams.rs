//! Streams: who joins, who parts, which stream stays, who is refused.

use std::time::Duration;

use super::net::{MS, Net, S};
use crate::cluster::{Lane, MeshEvent, peer::Phase};

fn joins(net: &Net, host: usize, since: Duration) -> Vec<MeshEvent> {
    let events = net.events_since(host, since);
    let stream_events = events.into_iter().filter(|(_, event)| {
        matches!(
            event,
            MeshEvent::Joined { .. } | MeshEvent::Parted(_) | MeshEvent::Ended { .. }
        )
    });
    stream_events.map(|(_, event)| event.clone()).collect()
}

#[test]
fn all_join_all_once() {
    for seed in 0..50 {
        let mut net = Net::new(5, seed);
        (0..5).for_each(|index| net.start(index));
        net.run_for(2 * S);
        assert!(net.all_connected(), "seed {seed}: {:?}", net.connections());
        for host in 0..5 {
            let joins = joins(&net, host, Duration::ZERO);
            assert_eq!(joins.len(), 4, "seed {seed}: {joins:?}");
            assert!(net.mesh(host).has_met_peers());
            assert_eq!(net.mesh(host).open_streams().len(), 4);
        }
    }
}

#[test]
fn one_stream_stays_of_two_dialled_at_the_same_time() {
    for seed in 0..200 {
        let mut net = Net::new(2, seed);
        net.start(0);
        net.start(1);
        net.run_for(S);
        for host in 0..2 {
            assert_eq!(joins(&net, host, Duration::ZERO).len(), 1, "seed {seed}");
            assert_eq!(net.streams(host, Phase::Open), 1, "seed {seed}");
        }
        net.run_for(20 * S);
        assert_eq!(joins(&net, 0, Duration::ZERO).len(), 1);
        net.with(0, |mesh, _| mesh.send("n1", Lane::Urgent, vec![1, 2, 3]));
        net.run_for(5 * MS);
        let got = net.events_since(1, net.now - 5 * MS);
        assert!(
            matches!(got.as_slice(), [(_, MeshEvent::Payload { bytes, .. })] if bytes == &[1, 2, 3])
        );
    }
}

#[test]
fn those_that_know_only_the_first_find_each_other() {
    let mut net = Net::new(4, 1);
    net.hosts[0].given.clear();
    for host in &mut net.hosts[1..] {
        host.given = vec![0];
    }
    (0..4).for_each(|index| net.start(index));
    net.run_for(S);
    assert!(net.all_connected(), "{:?}", net.connections());
    assert_eq!(
        net.events_since(0, Duration::ZERO)[0].1,
        &MeshEvent::MetPeers
    );
}

#[test]
fn a_killed_process_is_known_to_be_gone_within_300_ms() {
    for seed in 0..50 {
        let mut net = Net::running(3, seed);
        let run = net.hosts[2].run;
        let at = net.now;
        net.kill(2);
        net.run_for(300 * MS);
        for host in 0..2 {
            let name: crate::cluster::NodeName = "n2".into();
            let expected = [
                MeshEvent::Parted(name.clone()),
                MeshEvent::Ended {
                    name,
                    run,
                    left: false,
                },
            ];
            assert_eq!(joins(&net, host, at), expected, "seed {seed}");
            assert!(net.mesh(host).is_down("n2"));
        }
        let at = net.now;
        net.run_for(30 * S);
        net.start(2);
        net.run_for(2 * S);
        assert!(net.all_connected());
        assert!(matches!(joins(&net, 0, at)[..], [MeshEvent::Joined { .. }]));
    }
}

#[test]
fn what_beats_carry_is_soon_said_twice_and_known_for_good() {
    let mut net = Net::running(2, 5);
    net.with(0, |mesh, _| mesh.set_beat(vec![7; 100]));
    net.run_for(20 * S);
    let heard = |net: &Net, since: Duration| -> Vec<Vec<u8>> {
        let events = net.hosts[1].events.iter().filter(|(at, _)| *at >= since);
        let beats = events.filter_map(|(_, event)| {
            if let MeshEvent::Beat { bytes, .. } = event {
                Some(bytes.clone())
            } else {
                None
            }
        });
        beats.collect()
    };
    let (at, before) = (net.now, net.hosts[0].bytes);
    net.run_for(60 * S);
    let quiet = heard(&net, at);
    assert!((15..=18).contains(&quiet.len()), "{}", quiet.len());
    assert!(quiet.iter().all(|bytes| *bytes == [7; 100]));
    // It is not said again.
    let rate = (net.hosts[0].bytes - before) / 60;
    assert!(rate < 400, "{rate}");
    let at = net.now;
    net.with(0, |mesh, _| mesh.set_beat(vec![8]));
    net.run_for(2100 * MS);
    assert!(heard(&net, at).contains(&vec![8]));
    net.run_for(2 * S);
    let news = heard(&net, at);
    assert!(
        news.iter().filter(|bytes| **bytes == [8]).count() >= 2,
        "{news:?}"
    );
    // Another stream begins with all of it.
    let at = net.now;
    net.cut(0, 1);
    net.run_for(12 * S);
    net.cuts.clear();
    net.run_for(5 * S);
    assert_eq!(heard(&net, at).last(), Some(&vec![8]));
}

#[test]
fn a_node_that_is_always_late_gives_up_whoever_is_gone_all_the_same() {
    let mut net = Net::running(2, 1);
    net.lose(1);
    for _ in 0..6 {
        let due = net.mesh(0).poll_timeout().map(|(due, _)| due);
        net.now = net.now.max(due.unwrap_or_default()) + 10 * S;
        net.with(0, |mesh, now| mesh.handle_timeout(now));
    }
    assert_eq!(net.streams(0, Phase::Open), 0);
}
