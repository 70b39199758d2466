//! Whatever fails and comes back: in the end all see all, over one stream for each pair.

use std::time::Duration;

use super::{
    net::{MS, Net, S},
    swim::all_see_all,
};
use crate::{
    cluster::{MeshEvent, NodeName, peer::Phase},
    rng::Rng,
};

fn fail_somewhere(net: &mut Net, rng: &mut Rng) {
    let count = net.hosts.len();
    let mut host = || usize::try_from(rng.next_u64() % u64::try_from(count).unwrap()).unwrap();
    let (one, other) = (host(), host());
    match rng.next_u64() % 8 {
        0 | 1 if one != other => net.cut(one, other),
        2 | 3 => net.cuts.clear(),
        4 if net.hosts[one].mesh.is_some() => net.kill(one),
        5 if net.hosts[one].mesh.is_some() => net.lose(one),
        6 | 7 if net.hosts[one].mesh.is_none() => net.start(one),
        _ => net.loss = 0.1 * rng.unit(),
    }
}

/// Every `Joined` is followed by `Parted` before the next one of that name.
fn joins_and_parts_alternate(net: &Net, host: usize, seed: u64) {
    let mut connected: std::collections::BTreeSet<NodeName> = Default::default();
    let begun = net.hosts[host].begun;
    for (at, event) in net.events_since(host, begun) {
        match event {
            MeshEvent::Joined { name, .. } => {
                assert!(
                    connected.insert(name.clone()),
                    "seed {seed} at {at:?}: {name} twice"
                );
            }
            MeshEvent::Parted(name) => {
                assert!(
                    connected.remove(name),
                    "seed {seed} at {at:?}: {name} was not there"
                );
            }
            MeshEvent::Payload { .. }
            | MeshEvent::Beat { .. }
            | MeshEvent::Room(_)
            | MeshEvent::Ended { .. }
            | MeshEvent::Visible { .. }
            | MeshEvent::ElectorsChanged
            | MeshEvent::MetPeers
            | MeshEvent::Save(_) => {}
        }
    }
}

#[test]
fn in_the_end_all_see_all() {
    for seed in 0..60 {
        let mut rng = Rng::from_seed(seed).child("faults");
        let mut net = Net::new(4, seed);
        (0..4).for_each(|index| net.start(index));
        for _ in 0..30 {
            net.run_for(Duration::from_millis(rng.next_u64() % 5000));
            fail_somewhere(&mut net, &mut rng);
        }
        net.cuts.clear();
        net.loss = 0.0;
        for index in 0..4 {
            if net.hosts[index].mesh.is_none() {
                net.start(index);
            }
        }
        let took = net.run_until(15 * S, |net| all_see_all(net));
        assert!(took.is_some(), "seed {seed}: {:?}", net.connections());
        net.run_for(12 * S);
        assert!(all_see_all(&net), "seed {seed}");
        for host in 0..4 {
            joins_and_parts_alternate(&net, host, seed);
            assert_eq!(net.streams(host, Phase::Open), 3, "seed {seed}");
            let lifelines = net.streams(host, Phase::Lifeline);
            assert!((3..=6).contains(&lifelines), "seed {seed}: {lifelines}");
            let streams = net.mesh(host).streams.len();
            assert_eq!(streams, 3 + lifelines, "seed {seed}");
        }
        // What is sent arrives everywhere.
        let at = net.now;
        for host in 0..4 {
            net.with(host, |mesh, _| {
                mesh.broadcast(crate::cluster::Lane::Urgent, vec![9]);
            });
        }
        net.run_for(20 * MS);
        for host in 0..4 {
            let events = net.events_since(host, at);
            let payloads = events
                .iter()
                .filter(|(_, event)| matches!(event, MeshEvent::Payload { .. }));
            assert_eq!(payloads.count(), 3, "seed {seed}");
        }
    }
}
