//! From posts to notifications: timers, reasons, retries.

use std::time::Duration;

use watchfire::config::IntegrationKind;

use crate::sim::{Behaviour, ConfigBuilder, World, integration};

#[test]
fn an_alert_fires_changes_repeats_and_resolves() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(9);
    assert!(world.told.is_empty(), "the group wait is not over");
    world.run_to(40);
    world.fire("B");
    world.run_to(100);
    world.resolve("A");
    world.run_to(690);
    world.fire("B");
    world.run_to(800);
    world.resolve("B");
    world.run_to(2000);
    assert_eq!(
        world.accepted(),
        [
            "10 first notification: firing A",
            "70 new alerts added: firing A B",
            "130 some alerts resolved: firing B resolved A",
            "790 repeat interval elapsed: firing B",
            "850 all alerts resolved: resolved B",
        ]
    );
    assert!(world.view().groups.is_empty(), "nothing is left");
}

#[test]
fn an_alert_that_nobody_refreshes_resolves_by_itself() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.post("A", world.wall(), Duration::from_secs(100));
    world.run_to(200);
    assert_eq!(
        world.accepted(),
        [
            "10 first notification: firing A",
            "130 all alerts resolved: resolved A"
        ]
    );
}

#[test]
fn what_resolves_within_the_group_wait_is_not_told() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(5);
    world.resolve("A");
    world.run_to(500);
    assert!(world.told.is_empty());
}

#[test]
fn a_failing_receiver_is_tried_again_until_it_takes_it_and_only_once_more() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = Behaviour::Fail;
    world.fire("A");
    world.run_to(20);
    let tries = world.told.len();
    assert!((4..20).contains(&tries), "{tries} tries in 10 s");
    world.behaviour = Behaviour::Accept(Duration::from_millis(5));
    world.run_to(60);
    assert_eq!(world.accepted().len(), 1);
    let keys: std::collections::BTreeSet<_> =
        world.told.iter().map(|told| told.key.as_str()).collect();
    assert_eq!(keys.len(), 1, "a retry is the same notification");
}

#[test]
fn a_flush_that_fails_altogether_is_followed_by_the_next() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = Behaviour::Refuse;
    world.fire("A");
    world.run_to(60);
    assert_eq!(world.told.len(), 1, "a refusal is not tried again");
    world.resolve("A");
    world.behaviour = Behaviour::Accept(Duration::ZERO);
    world.run_to(600);
    assert!(
        world.accepted().is_empty(),
        "nobody was told that it fired, so nobody is told that it resolved"
    );
    assert!(world.view().groups.is_empty());
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_it() {
    let mut world = World::new(ConfigBuilder::new().group_by(&["alertname"]).build());
    world.behaviour = Behaviour::Limit(Duration::from_secs(30));
    world.fire("A");
    world.run_to(11);
    assert_eq!(world.told.len(), 1);
    world.behaviour = Behaviour::Accept(Duration::ZERO);
    world.fire("B");
    world.run_to(38);
    assert_eq!(world.told.len(), 1, "not for B's group either");
    world.run_to(45);
    assert_eq!(world.accepted().len(), 2);
}

#[test]
fn one_failing_integration_does_not_keep_the_other_from_being_told_once() {
    let list = vec![
        integration(IntegrationKind::Webhook, 0),
        integration(IntegrationKind::Webhook, 1),
    ];
    let mut world = World::new(ConfigBuilder::new().integrations(list).build());
    world.fire("A");
    world.run_to(500);
    let told: Vec<_> = world
        .told
        .iter()
        .map(|told| told.integration.as_str())
        .collect();
    assert_eq!(told, ["webhook[0]", "webhook[1]"]);
    assert_ne!(
        world.told[0].key, world.told[1].key,
        "each integration has its own notifications"
    );
}

#[test]
fn a_receiver_without_integration_is_recorded_once_per_change() {
    let mut world = World::new(ConfigBuilder::new().integrations(vec![]).build());
    world.fire("A");
    world.run_to(300);
    let view = world.view();
    assert!(world.told.is_empty());
    assert_eq!(view.history.len(), 1);
}

#[test]
fn a_slow_receiver_delays_no_other_group() {
    let mut world = World::new(ConfigBuilder::new().group_by(&["alertname"]).build());
    world.behaviour = Behaviour::Accept(Duration::from_secs(50));
    world.fire("A");
    world.run_to(11);
    world.behaviour = Behaviour::Accept(Duration::ZERO);
    world.fire("B");
    world.run_to(22);
    assert_eq!(world.told.len(), 2);
    world.run_to(600);
    assert_eq!(world.told.len(), 2, "and neither is told twice");
}

#[test]
fn why_an_alert_was_told_or_not_is_explained() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(75);
    let view = world.view();
    let fingerprint = *view.alerts.keys().next().unwrap();
    let explained = view.explain(fingerprint).unwrap();
    let group = &explained.groups[0];
    assert!(!group.decisions[0].notify);
    assert!(
        group.decisions[0].reason.contains("nothing changed"),
        "{}",
        group.decisions[0].reason
    );
    assert!(group.told[0].1, "told as firing");
    assert_eq!(group.notifications.len(), 1);
    assert!(group.next_flush > group.last_flush);
}

#[test]
fn a_pause_holds_for_what_waits_for_a_retry_too() {
    let mut world = World::new(ConfigBuilder::new().group_by(&["alertname"]).build());
    world.behaviour = Behaviour::Fail;
    for name in ["A", "B", "C", "D"] {
        world.fire(name);
    }
    world.run_to(12);
    let tries = world.told.len();
    world.behaviour = Behaviour::Limit(Duration::from_secs(30));
    world.run_to(35);
    assert_eq!(world.told.len(), tries + 1);
}

#[test]
fn an_attempt_that_is_lost_does_not_end_the_group() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = Behaviour::Vanish;
    world.fire("A");
    world.run_to(20);
    world.behaviour = Behaviour::Accept(Duration::ZERO);
    world.run_to(300);
    assert_eq!(world.accepted().len(), 1, "the next flush tells it");
}

#[test]
fn a_flush_that_cannot_be_decided_does_not_end_the_group() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.panicking = true;
    world.fire("A");
    world.run_to(20);
    world.panicking = false;
    world.run_to(300);
    assert_eq!(world.accepted(), ["70 first notification: firing A"]);
}

#[test]
fn a_template_that_failed_is_counted_and_shown() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = Behaviour::InPlainWords;
    world.fire("A");
    world.run_until_told(1);
    world.run_to(11);
    let view = world.view();
    let stats = view.stats.notifications.values().next().unwrap();
    assert_eq!(stats.template_failures, 1);
    assert!(stats.template_problems.contains("no such thing"));
    let recorded = &view.history.query(&Default::default()).entries[0];
    assert!(recorded.error.contains("no such thing"), "{recorded:?}");
    world.behaviour = Behaviour::Accept(Duration::from_millis(5));
    world.fire("B");
    world.run_to(80);
    let view = world.view();
    let stats = view.stats.notifications.values().next().unwrap();
    assert_eq!(stats.template_failures, 1);
    assert_eq!(stats.template_problems, "", "the next one was well");
}

#[test]
fn what_was_perhaps_told_is_told_to_be_over() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = Behaviour::Unknown;
    world.fire("A");
    world.run_to(40);
    world.resolve("A");
    world.run_to(75);
    let attempts = world.told.len();
    assert!(attempts > 0);
    world.behaviour = Behaviour::Accept(Duration::ZERO);
    world.run_to(200);
    let accepted = world.accepted();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert!(accepted[0].ends_with("resolved A"), "{accepted:?}");
}

#[test]
fn what_was_perhaps_told_is_told_again_under_its_name() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = Behaviour::Unknown;
    world.fire("A");
    world.run_to(75);
    world.behaviour = Behaviour::Accept(Duration::ZERO);
    world.run_to(200);
    let names: std::collections::BTreeSet<_> = world.told.iter().map(|told| &told.key).collect();
    assert_eq!(names.len(), 1, "{:?}", world.told);
    assert!(world.told.iter().filter(|told| told.accepted).count() == 1);
}
