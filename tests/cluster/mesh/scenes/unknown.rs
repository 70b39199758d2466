//! What may have been told and what nobody knows to have been told: changes that come before that is settled.

use std::sync::Arc;

use watchfire::config::{Ambiguous, Config, IntegrationKind};

use super::score::{KEYED, PLAIN, config_with, millis, names, ready_with, secs};
use crate::{
    mesh::{receiver::Answer, world::Setup},
    sim::{ConfigBuilder, integration},
};

/// Ends that the receiver took without saying so, and alerts that fire anew before they were told again.
fn fired_anew(loses_a_host: bool) {
    let mut world = ready_with(Setup::new(3, 1, config_with(1, 20)));
    world.fire_all(&names());
    world.run_for(secs(5));
    world.answer(Answer::SilentAfterAccept);
    world.resolve_all(&names());
    let before = world.sent.len();
    world.run_until(secs(30), |world| world.sent.len() > before);
    world.run_for(millis(200));
    if loses_a_host {
        world.power_off(0);
    }
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(2));
    world.answer(Answer::Accept(secs(0)));
    world.run_for(secs(120));
    world.start(0);
    world.run_for(secs(30));
    for receiver in [PLAIN, KEYED] {
        let score = world.score(receiver, &names(), true, since);
        assert_eq!(score.lost, 0, "{:#?}", world.told());
    }
    world.assert_sound();
}

#[test]
fn what_fires_anew_after_an_end_that_was_perhaps_told_is_told() {
    fired_anew(false);
}

#[test]
fn what_fires_anew_after_an_end_that_a_host_took_with_it_is_told() {
    fired_anew(true);
}

/// One group of all alerts, and one receiver for whom what is unknown counts as taken.
fn dropping() -> Arc<Config> {
    let mut webhook = integration(IntegrationKind::Webhook, 0);
    webhook.delivery.ambiguous = Ambiguous::Drop;
    ConfigBuilder::new()
        .integrations(vec![webhook])
        .group_by(&["job"])
        .paced(secs(1), secs(30))
        .build()
}

#[test]
fn what_counts_as_taken_is_what_was_sent_and_not_what_changed_since() {
    let mut world = ready_with(Setup::new(3, 1, dropping()));
    world.fire_all(&["A", "B"].map(str::to_owned));
    world.run_for(secs(5));
    world.answer(Answer::SilentAfterAccept);
    world.resolve("B");
    let before = world.sent.len();
    world.run_until(secs(40), |world| world.sent.len() > before);
    let sender = world.sent[before].host;
    world.run_for(millis(100));
    world.power_off(sender);
    world.resolve("A");
    world.answer(Answer::Accept(secs(0)));
    world.run_for(secs(120));
    let told = world.told();
    let last = told.last().unwrap();
    assert!(last.contains("resolved A"), "{told:#?}");
    world.start(sender);
    world.run_for(secs(30));
    world.assert_sound();
    assert_eq!(world.told().len(), told.len(), "{:#?}", world.told());
}
