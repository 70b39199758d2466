//! Mistakes in the protocols, each in a scene that is sound without it and is not with it.

use std::sync::Arc;

use watchfire::{
    config::{Ambiguous, Config, IntegrationKind},
    node::{Reply, Request},
    silence::{Silence, SilenceDraft},
};

use super::score::{PLAIN, config, millis, names, ready_with, secs};
use crate::{
    mesh::{
        source::Targets,
        world::{Setup, World},
    },
    sim::{ConfigBuilder, integration},
};

fn three(mutate: impl FnOnce(&mut Setup)) -> World {
    let mut setup = Setup::new(3, 1, config());
    mutate(&mut setup);
    ready_with(setup)
}

#[test]
fn alerts_without_grace_after_an_outage_are_noticed() {
    for mistaken in [false, true] {
        let mut world = three(|setup| setup.without_grace = mistaken);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(20));
        world.restart_all(secs(300));
        world.run_for(secs(120));
        let resolved = world.score(PLAIN, &names(), false, since).told;
        assert_eq!(resolved > 0, mistaken, "{:#?}", world.told());
    }
}

/// Whoever told does not live to say so later: what others were not told at once they tell again.
#[test]
fn what_is_told_and_not_said_to_others_is_noticed() {
    for mistaken in [false, true] {
        let mut world = three(|setup| setup.mutations.done_untold = mistaken);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(5));
        for host in [0, 1] {
            world.kill(host);
            world.run_for(secs(30));
            world.start(host);
            world.run_for(secs(30));
        }
        let twice = world.score(PLAIN, &names(), true, since).twice;
        assert_eq!(twice > 0, mistaken, "{:#?}", world.told());
    }
}

/// Alerts live no longer than the time between two comparisons of digests, which would hide it.
#[test]
fn refreshes_that_do_not_say_when_they_were_heard_are_noticed() {
    for mistaken in [false, true] {
        let mut world = three(|setup| setup.mutations.refreshes_undated = mistaken);
        world.sources[0].targets = Targets::Some(vec![0]);
        world.sources[0].refresh = secs(10);
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(200));
        let resolved = world.score(PLAIN, &names(), false, since).told;
        assert_eq!(resolved > 0, mistaken, "{:#?}", world.told());
    }
}

/// What ends a silence and makes it longer at the same time, on both sides of a cut.
fn edited_and_ended(mistaken: bool) -> Vec<bool> {
    let mut world = three(|setup| setup.mutations.edits_beat_expiries = mistaken);
    let id = world.silence(0, "G00", secs(3600)).unwrap();
    world.run_for(secs(2));
    world.cut(&[0], &[1, 2]);
    world.run_for(secs(1));
    let ended = world.request(0, Request::ExpireSilence(Arc::clone(&id)));
    assert!(matches!(ended, Some(Reply::SilenceExpired(Ok(())))));
    for longer in [7200, 9000] {
        let silence = Arc::clone(world.view(1).silences.get(&id).unwrap());
        let edit = Request::SetSilence(SilenceDraft {
            id: Some(Arc::clone(&id)),
            matcher_sets: Silence::clone(&silence).matcher_sets,
            starts_at: silence.starts_at,
            ends_at: silence.starts_at.plus(secs(longer)),
            created_by: "test".to_owned(),
            comment: "longer".to_owned(),
            annotations: Default::default(),
        });
        let edited = world.request(1, edit);
        assert!(matches!(edited, Some(Reply::SilenceSet(Ok(same))) if same == id));
    }
    world.run_for(secs(1));
    world.mend(&[0], &[1, 2]);
    world.run_for(secs(90));
    let now = world.wall();
    let over = |host| {
        let view = world.view(host);
        view.silences.get(&id).unwrap().ends_at <= now
    };
    (0..3).map(over).collect()
}

#[test]
fn edits_that_beat_the_end_of_a_silence_are_noticed() {
    assert_eq!(edited_and_ended(false), [true; 3]);
    assert_ne!(edited_and_ended(true), [true; 3]);
}

/// One receiver that takes what is unknown as taken.
fn dropping() -> Arc<Config> {
    let mut webhook = integration(IntegrationKind::Webhook, 0);
    webhook.delivery.ambiguous = Ambiguous::Drop;
    ConfigBuilder::new()
        .integrations(vec![webhook])
        .group_by(&["alertname"])
        .paced(secs(1), secs(60))
        .build()
}

/// Attempts at twenty notifications when a host can be heard no more just after its claims were promised, and dies.
fn attempts_of_five(seed: u64, started_by_one: bool) -> usize {
    let mut setup = Setup::new(5, seed, dropping());
    setup.link.latency = millis(150);
    setup.mutations.started_by_one = started_by_one;
    let mut world = ready_with(setup);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(millis(1_200));
    world.cut_one_way(&[0], &[1, 2, 3, 4]);
    world.run_for(millis(900));
    world.power_off(0);
    world.run_for(secs(120));
    let score = world.score(PLAIN, &names(), true, since);
    assert_eq!(score.lost, 0, "{:#?}", world.told());
    score.attempts
}

#[test]
fn a_start_that_only_one_node_knows_of_is_noticed() {
    let attempts = |started_by_one| (1..=4).map(move |seed| attempts_of_five(seed, started_by_one));
    assert!(attempts(false).all(|attempts| attempts == 20));
    assert!(attempts(true).any(|attempts| attempts > 20));
}

/// New alerts again and again, each told and resolved; what nodes keep too much of in the end.
fn kept(mistaken: bool) -> Vec<&'static str> {
    let mut world = three(|setup| setup.mutations.claims_kept = mistaken);
    for round in 0..8 {
        let names: Vec<String> = names().iter().map(|it| format!("{it}R{round}")).collect();
        world.fire_all(&names);
        world.run_for(secs(4));
        world.resolve_all(&names);
        world.run_for(secs(16));
        if round < 7 {
            world.sources[0].alerts.clear();
        }
    }
    world.excesses().into_keys().collect()
}

#[test]
fn claims_that_stay_are_more_than_a_node_may_keep() {
    assert_eq!(kept(false), Vec::<&str>::new());
    assert_eq!(kept(true), ["claims"]);
}
