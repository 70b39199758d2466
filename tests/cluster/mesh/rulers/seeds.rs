//! Random histories of rulers, on two threads.

use super::{
    super::stories,
    ruling::Mistake,
    story::{self, Ending},
};

/// Stories of one run of the suite without optimisation; `cargo rulestories` plays as many as `SEEDS` says, with it, and
/// `FIRST` says where to begin. `SEED` plays one and tells what happens.
const STORIES: u64 = 40;

/// Those that were red once, of which each says something else: owners that were paused, that saw no endpoint, that ended in a
/// cut; disks that were lost one after the other; answers that came after another owner had seen the end.
const ONCE_RED: [u64; 10] = [137, 308, 815, 1294, 1633, 2436, 3680, 3838, 3966, 4498];

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
fn play(
    seeds: impl IntoIterator<Item = u64>,
    most: usize,
    mistake: Option<Mistake>,
) -> stories::Sum<All> {
    stories::play(seeds, most, |seed| story::play(seed, mistake), All::add)
}

#[test]
fn rules_are_evaluated_once_and_go_on_whoever_is_lost() {
    let once_red = ONCE_RED.into_iter();
    let once_red = once_red.filter(|_| stories::number("SEED").is_none());
    let sum = play(once_red.chain(stories::seeds(STORIES)), 20, None);
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
        (Mistake::EpochIgnored, "nodes know different things"),
        (Mistake::RestoreDropped, "G2"),
        (Mistake::HoldingDropped, "G3"),
        (Mistake::MembersIgnored, "G1"),
        (Mistake::OwnersIgnored, "G1"),
        (Mistake::PlacesKept, "G8"),
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
