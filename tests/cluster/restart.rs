//! What a restart keeps, and what an outage must not invent.

use std::time::Duration;

use crate::sim::{ConfigBuilder, World};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn nothing_is_told_twice_after_a_kill() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(20);
    world.kill();
    world.run_to(25);
    world.start();
    world.run_to(500);
    assert_eq!(world.accepted(), ["10 first notification: firing A"]);
    assert_eq!(world.view().history.len(), 1, "history survives");
}

#[test]
fn a_group_keeps_its_time_over_a_kill() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(30);
    world.fire("B");
    world.run_to(40);
    world.kill();
    world.start();
    world.run_to(100);
    assert_eq!(world.accepted()[1..], ["70 new alerts added: firing A B"]);
}

#[test]
fn an_acknowledged_silence_survives_a_kill_at_once() {
    let mut world = World::new(ConfigBuilder::new().build());
    let id = world.silence("A", Duration::from_secs(3000));
    world.kill();
    world.start();
    assert!(world.view().silences.get(&id).is_some());
    world.fire("A");
    world.run_to(100);
    assert!(world.told.is_empty());
}

#[test]
fn an_outage_invents_no_resolve_but_ends_what_nobody_refreshes() {
    let mut world = World::new(
        ConfigBuilder::new()
            .edit(|config| config.route.repeat_interval = 4 * HOUR)
            .build(),
    );
    world.post("A", world.wall(), Duration::from_secs(240));
    world.run_to(100);
    world.kill();
    world.run_to(500);
    world.start();
    world.run_to(620);
    assert_eq!(world.told.len(), 1, "its source had no chance to be heard");
    world.run_to(800);
    assert_eq!(
        world.accepted()[1..],
        ["680 all alerts resolved: resolved A"]
    );
}

#[test]
fn what_is_posted_after_outages_ends_when_its_source_says() {
    for (killed, told) in [(false, 130), (true, 190)] {
        let mut world = World::new(ConfigBuilder::new().build());
        let began = world.wall();
        let life = Duration::from_secs(60);
        world.post("A", began, life);
        for restart in 1..=6 {
            world.run_to(5 + restart * 10);
            world.kill();
            world.start();
            world.post("A", began, life);
        }
        // Its source is silent from 65 on, and a kill may hide one refresh.
        world.run_to(70);
        if killed {
            world.kill();
            world.start();
        }
        world.run_to(600);
        let expected = format!("{told} all alerts resolved: resolved A");
        assert_eq!(world.accepted()[1..], [expected]);
    }
}

#[test]
fn a_new_incident_hidden_by_an_outage_is_told() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.post("A", world.wall(), Duration::from_secs(240));
    world.run_to(100);
    world.kill();
    world.run_to(500);
    world.start();
    let began = world.wall().minus(Duration::from_secs(200));
    world.run_to(510);
    world.post("A", began, Duration::from_secs(240));
    world.run_to(600);
    assert_eq!(world.accepted()[1..], ["560 first notification: firing A"]);
}

#[test]
fn the_same_incident_is_not_told_again() {
    let mut world = World::new(ConfigBuilder::new().build());
    let began = world.wall();
    world.post("A", began, Duration::from_secs(240));
    world.run_to(100);
    world.kill();
    world.run_to(300);
    world.start();
    world.post("A", began, Duration::from_secs(240));
    world.run_to(400);
    assert_eq!(world.told.len(), 1);
}

#[test]
fn a_resolve_that_waits_to_be_told_survives_a_stop() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(20);
    world.resolve("A");
    world.run_to(25);
    world.stop();
    world.run_to(30);
    world.start();
    world.run_to(200);
    assert_eq!(
        world.accepted()[1..],
        ["70 all alerts resolved: resolved A"]
    );
}

#[test]
fn a_stop_gives_what_is_in_flight_its_time() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = crate::sim::Behaviour::Accept(Duration::from_secs(3));
    world.fire("A");
    world.run_to(11);
    world.stop();
    assert_eq!(world.seconds(), 13);
    world.start();
    world.run_to(200);
    assert_eq!(world.told.len(), 1);
}

#[test]
fn what_a_kill_interrupts_is_told_right_after_the_restart() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = crate::sim::Behaviour::Fail;
    world.fire("A");
    world.run_to(30);
    world.kill();
    world.behaviour = crate::sim::Behaviour::Accept(Duration::ZERO);
    world.run_to(35);
    world.start();
    world.run_to(200);
    assert_eq!(world.accepted(), ["35 first notification: firing A"]);
}

#[test]
fn and_so_is_what_a_stop_interrupts() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = crate::sim::Behaviour::Fail;
    world.fire("A");
    world.run_to(30);
    world.stop();
    world.behaviour = crate::sim::Behaviour::Accept(Duration::ZERO);
    world.run_to(35);
    world.start();
    world.run_to(200);
    assert_eq!(world.accepted(), ["35 first notification: firing A"]);
}

#[test]
fn a_second_restart_invents_no_resolve_either() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.post("A", world.wall(), Duration::from_secs(240));
    world.run_to(100);
    world.kill();
    world.run_to(500);
    world.start();
    world.run_to(510);
    world.kill();
    world.run_to(515);
    world.start();
    world.run_to(600);
    assert_eq!(world.told.len(), 1, "{:?}", world.accepted());
}

#[test]
fn a_source_whose_clock_is_ahead_is_not_taken_for_a_new_incident() {
    let mut world = World::new(ConfigBuilder::new().build());
    let began = world.wall().plus(Duration::from_secs(60));
    world.post("A", began, Duration::from_secs(240));
    world.run_to(20);
    world.kill();
    world.run_to(22);
    world.start();
    world.post("A", began, Duration::from_secs(240));
    world.run_to(200);
    assert_eq!(world.told.len(), 1, "{:?}", world.accepted());
}

fn quick() -> World {
    let quick = Duration::from_secs(10);
    let config = ConfigBuilder::new().edit(|config| config.route.group_interval = quick);
    World::new(config.build())
}

#[test]
fn what_fired_last_is_not_told_as_ended_because_the_power_took_it() {
    let mut world = quick();
    world.fire("A");
    world.run_to(20);
    world.resolve("A");
    world.run_to(60);
    let behind = world.written_behind();
    let began = world.wall();
    world.fire("A");
    world.run_to(75);
    assert_eq!(world.told.len(), 3, "{:?}", world.accepted());
    world.power_off(behind);
    world.run_to(80);
    world.start();
    world.run_to(100);
    world.post("A", began, Duration::from_secs(240));
    world.run_to(200);
    assert_eq!(world.told.len(), 3, "{:?}", world.accepted());
    world.run_to(2000);
    assert_eq!(world.told.len(), 4, "its end is: {:?}", world.accepted());
}

#[test]
fn what_ended_last_is_not_told_as_firing_because_the_power_took_it() {
    let mut world = quick();
    world.fire("A");
    world.run_to(20);
    let behind = world.written_behind();
    world.resolve("A");
    world.run_to(35);
    assert_eq!(world.told.len(), 2, "{:?}", world.accepted());
    world.power_off(behind);
    world.run_to(37);
    world.start();
    world.run_to(2000);
    assert_eq!(world.told.len(), 2, "{:?}", world.accepted());
}
