//! Random histories of rulers, on two threads.

use std::ops::Range;

use super::{
    super::stories,
    ruling::Mistake,
    story::{self, Ending},
};

/// Stories of one run of the suite without optimisation; `cargo rulestories` plays as many as `SEEDS` says, with it, and
/// `FIRST` says where to begin. `SEED` plays one and tells what happens.
const STORIES: u64 = 40;

/// What many stories came to.
#[derive(Debug, Default)]
struct All {
    evaluations: usize,
    transitions: usize,
    takeovers: u64,
    notifications: usize,
}

impl All {
    /// Tells what was wrong.
    fn add(&mut self, ending: Ending) -> Vec<String> {
        self.evaluations += ending.evaluations;
        self.transitions += ending.transitions;
        self.takeovers += ending.takeovers;
        self.notifications += ending.notifications;
        ending.violations
    }
}

/// Plays stories until so many failed.
fn play(seeds: Range<u64>, most: usize, mistake: Option<Mistake>) -> stories::Sum<All> {
    stories::play(seeds, most, |seed| story::play(seed, mistake), All::add)
}

#[test]
fn rules_are_evaluated_once_and_go_on_whoever_is_lost() {
    let sum = play(stories::seeds(STORIES), 20, None);
    let all = &sum.all;
    println!(
        "{} stories, {} evaluations, {} transitions, {} takeovers, {} notifications",
        sum.stories, all.evaluations, all.transitions, all.takeovers, all.notifications
    );
    sum.expect_none_failed();
}

#[test]
fn a_seed_of_rulers_gives_one_trace() {
    for seed in 0..3 {
        let hash = || story::play(seed, None).hash;
        assert_eq!(hash(), hash(), "seed {seed}");
    }
}

#[test]
fn mistakes_of_rulers_are_noticed() {
    for (mistake, word) in [
        (Mistake::EpochIgnored, "G1"),
        (Mistake::RestoreDropped, "G2"),
        (Mistake::HoldingDropped, "G3"),
        (Mistake::MembersIgnored, "G1"),
        (Mistake::OwnersIgnored, "G1"),
    ] {
        let sum = play(0..200, 1, Some(mistake));
        let violations: Vec<&String> = sum.failed.values().flatten().collect();
        assert!(
            violations
                .iter()
                .any(|violation| violation.starts_with(word)),
            "{mistake:?}: {violations:?}"
        );
    }
}
