//! Random histories on two threads: nothing is lost, and nothing is told twice but for what no protocol can
//! know.

use std::{collections::BTreeMap, ops::Range};

use watchfire::node::Mutations;

use super::{
    check::Exception,
    stories::{self, number},
    story::{self, Ending},
    world::Setup,
};

/// Stories of one run of the suite without optimisation, which makes each ten times as long; `cargo stories` plays as many
/// as `SEEDS` says, with it, and `FIRST` says where to begin.
const STORIES: u64 = 60;

/// What many stories came to.
#[derive(Debug, Default)]
struct All {
    steps: u64,
    notifications: usize,
    judged: u64,
    exceptions: BTreeMap<Exception, u64>,
}

impl All {
    /// Tells what was wrong.
    fn add(&mut self, ending: Ending) -> Vec<String> {
        self.steps += ending.steps;
        self.notifications += ending.notifications;
        self.judged += ending.judged;
        for (exception, count) in ending.exceptions {
            *self.exceptions.entry(exception).or_default() += count;
        }
        let texts = ending.violations.iter().map(ToString::to_string);
        texts.collect()
    }
}

/// Plays a story, with as many nodes as `NODES` says and the mistakes that are named.
fn play_one(seed: u64) -> Ending {
    story::play_with(seed, |setup| {
        if let Some(nodes) = number("NODES") {
            setup.nodes = usize::try_from(nodes).unwrap();
        }
        setup.hasty = number("HASTY").is_some();
        setup.seeking = number("SEEKING").is_some();
    })
}

/// Plays stories until so many failed.
fn play(seeds: Range<u64>, most: usize, story: impl Fn(u64) -> Ending + Sync) -> stories::Sum<All> {
    stories::play(seeds, most, story, All::add)
}

#[test]
fn the_mesh_loses_nothing_and_tells_nothing_twice() {
    let sum = play(stories::seeds(STORIES), 20, play_one);
    let all = &sum.all;
    println!(
        "{} stories, {} steps, {} notifications, {} words due in time, exceptions: {:?}",
        sum.stories, all.steps, all.notifications, all.judged, all.exceptions
    );
    sum.expect_none_failed();
}

/// Beyond those of each run without optimisation.
#[test]
fn histories_that_failed_once_fail_no_more() {
    for seed in [
        7, 119, 187, 219, 351, 364, 409, 657, 921, 961, 1301, 1450, 2048, 2109, 2519, 2624, 2896,
        3106, 3156, 3280, 3541, 3950, 4519, 4585, 5201, 5307, 5417, 5808, 5856, 6100, 6221, 6360,
        6409, 6449, 6628, 6645, 7208, 7245, 7573,
    ] {
        let violations = story::play(seed).violations;
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
    }
}

#[test]
fn a_mesh_seed_gives_one_trace() {
    for seed in 0..4 {
        let [first, second] = [(); 2].map(|()| story::play(seed));
        assert_eq!(
            (first.hash, first.steps),
            (second.hash, second.steps),
            "seed {seed}"
        );
    }
}

/// A mistake in the protocols makes some story fail that does not fail without it.
fn is_noticed(mutate: impl Fn(&mut Setup) + Sync) {
    is_noticed_from(0, mutate);
}

/// As [`is_noticed`], of stories from one on that notices it.
fn is_noticed_from(first: u64, mutate: impl Fn(&mut Setup) + Sync) {
    let noticed = |seed: u64| {
        let mut ending = story::play_with(seed, &mutate);
        if !ending.violations.is_empty() {
            let well = |setup: &mut Setup| {
                mutate(setup);
                setup.mutations = Mutations::default();
                setup.without_grace = false;
                setup.hasty = false;
                setup.seeking = false;
            };
            if !story::play_with(seed, well).violations.is_empty() {
                ending.violations.clear();
            }
        }
        ending
    };
    let first = number("SEED").unwrap_or(first);
    let sum = play(first..first + 200, 1, noticed);
    assert!(!sum.failed.is_empty(), "no story notices");
}

#[test]
fn ignored_claims_are_noticed() {
    is_noticed(|setup| setup.mutations.claims_ignored = true);
}

#[test]
fn claims_that_stay_are_noticed() {
    is_noticed(|setup| setup.mutations.claims_kept = true);
}

#[test]
fn electorates_that_differ_are_noticed() {
    is_noticed(|setup| setup.mutations.electorate_differs = true);
}

#[test]
fn numbers_by_the_clock_are_noticed() {
    is_noticed(|setup| setup.mutations.seq_by_clock = true);
}

/// Whoever may promise nothing yet is an excuse for no longer than it looks for its peers, nor for telling early.
#[test]
fn a_minority_delay_that_is_too_short_is_noticed() {
    is_noticed(|setup| setup.hasty = true);
}

#[test]
fn nodes_that_look_for_a_peer_in_vain_are_noticed() {
    is_noticed_from(37, |setup| setup.seeking = true);
}
