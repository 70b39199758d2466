//! Lifelines: each pair has one, it tells a dead process from a firewall, and it costs next to nothing.

use std::time::Duration;

use super::net::{MS, Net, S};
use crate::cluster::{MeshEvent, MeshInput, NodeName, frame::Frame, peer::Phase};

const fn is_open(phase: Phase) -> bool {
    matches!(phase, Phase::Open)
}

const fn is_settled(phase: Phase) -> bool {
    matches!(phase, Phase::Open | Phase::Lifeline)
}

const fn is_lifeline(phase: Phase) -> bool {
    matches!(phase, Phase::Lifeline)
}

/// Whether a node knows that the process of another one ended, without goodbye.
fn knows_the_end(net: &Net, host: usize, of: &str, since: Duration) -> bool {
    let name: NodeName = of.into();
    let ended = |event: &MeshEvent| matches!(event, MeshEvent::Ended { name: it, left: false, .. } if *it == name);
    let events = net.events_since(host, since);
    events.iter().any(|(_, event)| ended(event))
}

#[test]
fn each_pair_has_one_and_dials_no_more() {
    for seed in 0..50 {
        let mut net = Net::new(5, seed);
        (0..5).for_each(|index| net.start(index));
        net.run_for(6 * S);
        let dials = |net: &mut Net| (0..5).map(|host| net.mesh(host).dials).sum::<u64>();
        let before = dials(&mut net);
        net.run_for(600 * S);
        assert_eq!(dials(&mut net), before, "seed {seed}");
        for host in 0..5 {
            assert_eq!(net.streams(host, Phase::Open), 4, "seed {seed}");
            assert_eq!(net.streams(host, Phase::Lifeline), 4, "seed {seed}");
            assert_eq!(net.mesh(host).streams.len(), 8, "seed {seed}");
        }
    }
}

#[test]
fn a_process_that_left_bytes_unread_is_known_to_be_gone_within_300_ms() {
    for seed in 0..50 {
        let mut net = Net::running(3, seed);
        net.run_for(3 * S);
        let at = net.now;
        net.kill_unread(2);
        net.run_for(300 * MS);
        for host in 0..2 {
            assert!(knows_the_end(&net, host, "n2", at), "seed {seed}");
            assert_eq!(net.streams(host, Phase::Lifeline), 1, "seed {seed}");
        }
        net.start(2);
        net.run_for(6 * S);
        assert!(net.all_connected(), "seed {seed}");
        assert_eq!(net.streams(2, Phase::Lifeline), 2, "seed {seed}");
    }
}

/// It was silent for so long that the others gave its streams up, and ends later.
#[test]
fn the_end_of_a_process_that_hung_before_is_known_as_well() {
    for seed in 0..20 {
        let mut net = Net::running(3, seed);
        net.run_for(3 * S);
        // Nothing of it comes, and nothing that is said to it is read.
        net.cut(0, 2);
        net.cut(1, 2);
        net.run_for(10 * S);
        assert!(net.connections()[0].len() < 2, "seed {seed}");
        let at = net.now;
        net.cuts.clear();
        net.kill_unread(2);
        net.run_for(S);
        let known = (0..2).filter(|host| knows_the_end(&net, *host, "n2", at));
        assert_eq!(known.count(), 2, "seed {seed}");
    }
}

#[test]
fn a_firewall_that_refuses_is_no_end() {
    for which in [is_open, is_lifeline, is_settled] {
        for seed in 0..20 {
            let mut net = Net::running(3, seed);
            net.run_for(3 * S);
            let at = net.now;
            (0..3).for_each(|host| net.hosts[host].refuses = true);
            net.reset(2, which);
            net.run_for(20 * S);
            for (host, of) in [(0, "n2"), (1, "n2"), (2, "n0"), (2, "n1")] {
                assert!(!knows_the_end(&net, host, of, at), "seed {seed}");
            }
            (0..3).for_each(|host| net.hosts[host].refuses = false);
            net.run_for(40 * S);
            assert!(net.all_connected(), "seed {seed}");
            for host in 0..3 {
                let lifelines = net.streams(host, Phase::Lifeline);
                assert!((2..=4).contains(&lifelines), "seed {seed}: {lifelines}");
            }
        }
    }
}

#[test]
fn one_that_breaks_again_and_again_is_replaced_ever_more_rarely() {
    let mut net = Net::running(2, 1);
    net.run_for(3 * S);
    let dials = |net: &mut Net| net.mesh(0).dials + net.mesh(1).dials;
    let before = dials(&mut net);
    let mut broke = 0;
    for _ in 0..3600 {
        broke += net.streams(0, Phase::Lifeline);
        net.reset(0, is_lifeline);
        net.run_for(S);
    }
    let dialled = dials(&mut net) - before;
    assert!((10..=40).contains(&dialled), "{dialled}");
    assert!((10..=40).contains(&broke), "{broke}");
    assert!(net.all_connected());
    // It is there again once it holds.
    net.run_for(301 * S);
    assert_eq!(net.streams(0, Phase::Lifeline), 1);
}

#[test]
fn a_goodbye_is_none_though_lifelines_end_first() {
    for seed in 0..20 {
        let mut net = Net::running(3, seed);
        net.run_for(3 * S);
        let at = net.now;
        net.with(1, |mesh, now| mesh.leave(now));
        net.run_until(2 * S, |net| net.mesh(1).has_left());
        assert_eq!(net.mesh(1).streams.len(), 0);
        net.run_for(100 * MS);
        net.kill(1);
        net.run_for(5 * S);
        for host in [0, 2] {
            assert!(!knows_the_end(&net, host, "n1", at), "seed {seed}");
            assert_eq!(net.streams(host, Phase::Lifeline), 1, "seed {seed}");
        }
    }
}

#[test]
fn whoever_asks_for_many_has_two() {
    let mut net = Net::running(2, 1);
    net.run_for(3 * S);
    for _ in 0..10 {
        // It forgets that it has one.
        net.with(1, |mesh, _| mesh.close_lifelines("n0"));
        net.run_for(10 * S);
        assert!(net.streams(0, Phase::Lifeline) <= 2);
    }
    assert!(net.all_connected());
    // Nothing is said on them; what is said nevertheless does no harm.
    let conns = net.mesh(0).streams.iter();
    let lifeline = conns.filter(|(_, stream)| stream.phase == Phase::Lifeline);
    let conn = *lifeline.map(|(conn, _)| conn).next().unwrap();
    for frame in [Frame::Goodbye, Frame::Urgent(vec![1]), Frame::Lifeline] {
        let bytes = frame.encode();
        net.with(0, |mesh, now| {
            mesh.handle(MeshInput::Frame { conn, bytes }, now);
        });
    }
    assert!(net.all_connected());
    assert_eq!(net.mesh(0).out.stats.malformed, 3);
}
