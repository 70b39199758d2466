//! Receivers that may be told only so often: bursts, spreading, digests.

use std::{collections::BTreeSet, time::Duration};

use watchfire::config::{
    Ambiguous, Config, Integration, IntegrationKind, RateLimit, Settings, SlackConfig,
};

use crate::sim::{Behaviour, ConfigBuilder, Told, World, integration};

fn limited(kind: IntegrationKind, messages: u32) -> Integration {
    Integration {
        rate_limit: Some(RateLimit {
            messages,
            per: Duration::from_secs(20),
        }),
        ..integration(kind, 0)
    }
}

/// A world in which each alert is a group of its own.
fn world(integration: Integration) -> World {
    let config = ConfigBuilder::new().integrations(vec![integration]);
    World::new(config.group_by(&["alertname"]).build())
}

fn fire(world: &mut World, count: usize) {
    for i in 0..count {
        world.fire(&format!("A{i:02}"));
    }
}

/// No window of 20 s holds more than `most`.
fn assert_within(told: &[Told], most: usize) {
    for (i, first) in told.iter().enumerate() {
        let within = told[i..]
            .iter()
            .take_while(|told| told.at < first.at + 20)
            .count();
        assert!(within <= most, "{within} messages from {}", first.at);
    }
}

#[test]
fn a_storm_becomes_a_few_messages_and_each_alert_is_told_once() {
    let mut world = world(limited(IntegrationKind::Slack, 4));
    fire(&mut world, 30);
    world.run_to(69);
    let counts: Vec<(u64, usize)> = world
        .told
        .iter()
        .map(|told| (told.at, told.firing.len()))
        .collect();
    assert_eq!(counts, [(10, 1), (10, 1), (20, 28)]);
    world.run_to(600);
    assert_eq!(world.told.len(), 3, "nothing is told again");
    let names: BTreeSet<&String> = world.told.iter().flat_map(|told| &told.firing).collect();
    assert_eq!(names.len(), 30);
}

#[test]
fn a_digest_that_fails_is_tried_again_as_one() {
    let mut world = world(limited(IntegrationKind::Slack, 4));
    fire(&mut world, 12);
    world.run_to(15);
    world.behaviour = Behaviour::Fail;
    world.run_to(50);
    world.behaviour = Behaviour::Accept(Duration::from_millis(5));
    world.run_to(120);
    let accepted: Vec<usize> = world
        .told
        .iter()
        .filter(|told| told.accepted)
        .map(|told| told.firing.len())
        .collect();
    assert_eq!(accepted, [1, 1, 10]);
    assert_within(&world.told, 4);
}

#[test]
fn a_digest_that_is_refused_is_not_the_fault_of_all() {
    let mut world = world(limited(IntegrationKind::Slack, 10));
    fire(&mut world, 8);
    world.run_to(11);
    world.behaviour = Behaviour::Refuse;
    world.run_to(13);
    world.behaviour = Behaviour::Accept(Duration::from_millis(5));
    world.run_to(200);
    let names: BTreeSet<&String> = world
        .told
        .iter()
        .filter(|told| told.accepted)
        .flat_map(|told| &told.firing)
        .collect();
    assert_eq!(names.len(), 8, "everything is told in the end");
}

#[test]
fn incidents_wait_but_are_never_merged() {
    let mut world = world(limited(IntegrationKind::PagerDuty, 4));
    fire(&mut world, 12);
    world.run_to(600);
    let accepted = world.told.iter().filter(|told| told.accepted);
    assert!(accepted.clone().all(|told| told.firing.len() == 1));
    assert_eq!(accepted.count(), 12);
    assert_within(&world.told, 4);
}

#[test]
fn receivers_that_share_an_address_share_its_limit() {
    let text = "
route: {receiver: a, group_by: [alertname], group_wait: 10s, group_interval: 1m,
  routes: [{receiver: a, continue: true}, {receiver: b}]}
receivers:
- name: a
  wecom_robot_configs: [{key: K, rate_limit: {messages: 4, per: 20s}}]
- name: b
  wecom_robot_configs: [{key: K, rate_limit: {messages: 4, per: 20s}}]
";
    let config: Config =
        watchfire::config::load(text.as_bytes(), &watchfire::config::LoadEnv::default()).unwrap();
    let mut world = World::new(config.into());
    fire(&mut world, 6);
    world.run_to(600);
    assert_within(&world.told, 4);
    let told = world.told.iter().map(|told| told.firing.len());
    assert_eq!(
        told.sum::<usize>(),
        12,
        "each receiver is told of each alert"
    );
}

#[test]
fn an_outcome_that_is_unknown_counts_as_told_where_the_file_says_so() {
    for (ambiguous, times) in [(Ambiguous::Drop, 1), (Ambiguous::Retry, 2)] {
        let mut uncertain = integration(IntegrationKind::Webhook, 0);
        uncertain.delivery.ambiguous = ambiguous;
        let mut world = world(uncertain);
        world.behaviour = Behaviour::Unknown;
        world.fire("A");
        world.run_until_told(1);
        world.behaviour = Behaviour::Accept(Duration::from_millis(5));
        world.run_to(120);
        assert_eq!(world.told.len(), times);
    }
}

#[test]
fn what_one_group_did_wrong_is_no_other_groups_fault() {
    let mut world = world(limited(IntegrationKind::Slack, 4));
    fire(&mut world, 6);
    world.run_to(15);
    // The digest that comes next is refused, and everything after it is taken.
    world.behaviour = Behaviour::Refuse;
    world.run_until_told(3);
    world.behaviour = Behaviour::Accept(Duration::from_millis(5));
    world.run_to(69);
    let names: BTreeSet<&String> = world
        .told
        .iter()
        .filter(|told| told.accepted)
        .flat_map(|told| &told.firing)
        .collect();
    assert_eq!(names.len(), 6, "without waiting for the next flush");
}

#[test]
fn groups_whose_labels_name_the_channel_are_not_merged() {
    let slack = SlackConfig {
        channel: "#{{ .GroupLabels.alertname }}".to_owned(),
        ..SlackConfig::default()
    };
    let mut world = world(Integration {
        settings: Settings::Slack(slack),
        ..limited(IntegrationKind::Slack, 4)
    });
    fire(&mut world, 8);
    world.run_to(600);
    let accepted = world.told.iter().filter(|told| told.accepted);
    assert!(accepted.clone().all(|told| told.firing.len() == 1));
    assert_eq!(accepted.count(), 8);
}

#[test]
fn whoever_waits_longer_for_a_digest_than_its_own_deadline_is_not_told_twice() {
    let config = ConfigBuilder::new()
        .integrations(vec![limited(IntegrationKind::Slack, 2)])
        .group_by(&["alertname"])
        .route("A02")
        .edit(|config| {
            config.route.group_interval = Duration::from_secs(300);
            config.route.routes[0].group_interval = Duration::from_secs(40);
        });
    let mut world = World::new(config.build());
    fire(&mut world, 3);
    world.run_until_told(1);
    world.behaviour = Behaviour::Accept(Duration::from_secs(60));
    world.run_to(250);
    let told: Vec<_> = world.told.iter().map(|told| told.firing.clone()).collect();
    assert_eq!(told, [vec!["A00"], vec!["A01", "A02"]]);
}
