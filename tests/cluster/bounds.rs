//! What must not grow: memory, the disk, and the work of one step.

use crate::sim::{ConfigBuilder, World};

#[test]
fn an_alert_that_gives_way_to_another_is_forgotten_everywhere() {
    let config = ConfigBuilder::new().build();
    let mut world = World::set(config, |settings| settings.per_alertname_limit = 1);
    for instance in 0..300 {
        let now = world.wall();
        world.post_labels(
            &[("alertname", "A"), ("instance", &instance.to_string())],
            now,
            std::time::Duration::from_secs(1),
        );
        world.run_to(world.seconds() + 2);
    }
    world.run_to(world.seconds() + 200);
    world.kill();
    world.start();
    assert_eq!(world.view().alerts.len(), 1);
}

#[test]
fn a_history_of_none_leaves_nothing_on_the_disk() {
    let config = ConfigBuilder::new().build();
    let mut world = World::set(config, |settings| settings.history_limits.max_entries = 0);
    world.run_to(30);
    let before = world.records();
    for _ in 0..10 {
        world.fire("A");
        world.run_to(world.seconds() + 100);
        world.resolve("A");
        world.run_to(world.seconds() + 100);
    }
    assert!(world.records() < before + 8, "{}", world.records());
}

#[test]
fn a_group_of_many_alerts_ends_in_portions() {
    let mut world = World::new(ConfigBuilder::new().build());
    for instance in 0..1200 {
        let now = world.wall();
        world.post_labels(
            &[("alertname", "A"), ("instance", &instance.to_string())],
            now,
            std::time::Duration::from_secs(60),
        );
    }
    world.run_to(200);
    let told: Vec<_> = world
        .told
        .iter()
        .map(|told| (told.firing.len(), told.resolved.len()))
        .collect();
    assert_eq!(told, [(1200, 0), (0, 1200)]);
    assert!(world.view().groups.is_empty());
}

#[test]
fn many_flushes_that_end_during_a_reload_are_all_taken_in() {
    let apart = || {
        ConfigBuilder::new()
            .group_by(&["alertname", "instance"])
            .build()
    };
    let mut world = World::new(apart());
    for instance in 0..300 {
        let now = world.wall();
        world.post_labels(
            &[("alertname", "A"), ("instance", &instance.to_string())],
            now,
            std::time::Duration::from_secs(3600),
        );
    }
    world.behaviour = crate::sim::Behaviour::Accept(std::time::Duration::from_secs(3));
    world.run_to(12);
    for _ in 0..20 {
        world.reload(apart());
        world.run_to(world.seconds() + 1);
    }
    world.run_to(200);
    assert_eq!(world.told.len(), 300);
    let idle = |group: &std::sync::Arc<watchfire::dispatch::Group>| {
        group.flush == watchfire::dispatch::Flush::Idle
    };
    assert!(world.view().groups.values().all(idle));
}
