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
