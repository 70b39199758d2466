//! Nodes of two versions in one mesh.

use super::score::{config, names, ready_with, secs};
use crate::mesh::{
    later::Later,
    world::{Setup, World},
};

fn with(versions: (u8, u8)) -> Setup {
    let mut setup = Setup::new(3, 1, config());
    setup.later = Some(Later { host: 2, versions });
    setup
}

/// All nodes know the same, and nobody took anything for damaged.
fn assert_understood(world: &mut World) {
    let differences = world.compare_replicas();
    assert!(differences.is_empty(), "{differences:#?}");
    for host in 0..world.hosts.len() {
        let view = world.view(host);
        let mesh = view.mesh.as_ref().unwrap();
        assert_eq!(mesh.stats.malformed, 0, "n{}: frames", host + 1);
        assert_eq!(view.stats.malformed_claims, 0, "n{}: claims", host + 1);
        let quarantined = view.stats.replication.quarantined;
        assert_eq!(quarantined, 0, "n{}: records", host + 1);
        assert_eq!(mesh.electors.len(), 3, "n{}", host + 1);
    }
}

#[test]
fn a_node_of_a_later_version_is_understood() {
    let mut world = ready_with(with((1, 3)));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(30));
    world.assert_once(&names(), true, since, secs(2));
    world.cut(&[2], &[0, 1]);
    world.resolve_all(&names()[..10]);
    world.run_for(secs(25));
    world.mend(&[2], &[0, 1]);
    world.run_for(secs(60));
    world.assert_once(&names()[..10], false, since, secs(60));
    world.assert_sound();
    assert_understood(&mut world);
}

#[test]
fn nodes_may_be_upgraded_and_downgraded_one_by_one() {
    let setup = Setup::new(3, 1, config());
    let mut world = ready_with(setup);
    let since = world.clock;
    world.fire_all(&names()[..10]);
    world.run_for(secs(5));
    for later in [Some((1, 3)), None] {
        world.stop(2);
        world.run_for(secs(6));
        world.setup.later = later.map(|versions| Later { host: 2, versions });
        world.start(2);
        world.run_for(secs(6));
    }
    world.assert_once(&names()[..10], true, since, secs(2));
    let since = world.clock;
    world.fire_all(&names()[10..]);
    world.resolve_all(&names()[..10]);
    world.run_for(secs(60));
    world.assert_once(&names()[10..], true, since, secs(2));
    world.assert_once(&names()[..10], false, since, secs(11));
    world.assert_sound();
    assert_understood(&mut world);
}

#[test]
fn a_node_without_a_common_version_is_refused_and_told_why() {
    let mut world = ready_with(with((3, 3)));
    world.sources[0].targets = crate::mesh::source::Targets::Some(vec![0, 1]);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(30));
    world.assert_once(&names(), true, since, secs(2));
    for (host, reason) in [(0, "version"), (1, "version"), (2, "refused")] {
        let view = world.view(host);
        let mesh = view.mesh.as_ref().unwrap();
        let refused = mesh.stats.rejected.get(reason).copied();
        assert!(refused.is_some_and(|count| count > 0), "n{}", host + 1);
        let joined = mesh.peers.values().filter(|peer| peer.connected).count();
        assert_eq!(joined, usize::from(host < 2), "n{}", host + 1);
    }
}

#[test]
fn a_node_of_the_first_version_has_no_lifeline_and_all_else_works() {
    let mut setup = Setup::new(3, 1, config());
    setup.first = Some(2);
    let mut world = ready_with(setup);
    for (host, lifelines) in [(0, 1), (1, 1), (2, 0)] {
        assert_eq!(world.network.lifelines(host), lifelines, "n{}", host + 1);
    }
    let since = world.clock;
    world.fire_all(&names()[..10]);
    world.run_for(secs(30));
    world.assert_once(&names()[..10], true, since, secs(2));
    assert_understood(&mut world);
    for host in [2, 0] {
        world.kill(host);
        world.run_for(secs(1));
        world.start(host);
        world.run_for(secs(8));
    }
    let since = world.clock;
    world.fire_all(&names()[10..]);
    world.run_for(secs(30));
    world.assert_once(&names()[10..], true, since, secs(2));
    world.assert_sound();
    assert_understood(&mut world);
}
