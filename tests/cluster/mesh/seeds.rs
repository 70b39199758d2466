//! Random histories on two threads: nothing is lost, and nothing is told twice but for what no protocol can
//! know.

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use watchfire::node::Mutations;

use super::{
    check::Exception,
    story::{self, Ending},
    world::Setup,
};

/// Stories of one run of the suite without optimisation, which makes each ten times as long; `cargo stories` plays as many
/// as `SEEDS` says, with it, and `FIRST` says where to begin.
const STORIES: u64 = 60;

/// What many stories came to.
#[derive(Debug, Default)]
struct Sum {
    stories: u64,
    steps: u64,
    notifications: usize,
    judged: u64,
    exceptions: BTreeMap<Exception, u64>,
    failed: BTreeMap<u64, Vec<String>>,
}

impl Sum {
    fn add(&mut self, seed: u64, ending: thread::Result<Ending>) {
        self.stories += 1;
        match ending {
            Ok(ending) => {
                self.steps += ending.steps;
                self.notifications += ending.notifications;
                self.judged += ending.judged;
                for (exception, count) in ending.exceptions {
                    *self.exceptions.entry(exception).or_default() += count;
                }
                if !ending.violations.is_empty() {
                    let texts = ending.violations.iter().map(ToString::to_string);
                    self.failed.insert(seed, texts.collect());
                }
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                let text = format!("panicked: {}", text.unwrap_or_default());
                self.failed.insert(seed, vec![text]);
            }
        }
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var_os(name).map(|text| text.to_str().unwrap().parse().unwrap())
}

/// Plays a story, with as many nodes as `NODES` says.
fn play_one(seed: u64) -> Ending {
    story::play_with(seed, |setup| {
        if let Some(nodes) = number("NODES") {
            setup.nodes = usize::try_from(nodes).unwrap();
        }
    })
}

/// Plays stories until twenty failed.
fn play_all(seeds: Range<u64>) -> Sum {
    play_until(seeds, 20, &play_one)
}

/// Plays stories on two threads until so many failed.
fn play_until(seeds: Range<u64>, most: usize, play: &(dyn Fn(u64) -> Ending + Sync)) -> Sum {
    let next = AtomicU64::new(seeds.start);
    let sum: Mutex<Sum> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    let enough = sum.lock().unwrap().failed.len() >= most;
                    if seed >= seeds.end || enough {
                        return;
                    }
                    let ending = catch_unwind(AssertUnwindSafe(|| play(seed)));
                    sum.lock().unwrap().add(seed, ending);
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

#[test]
fn the_mesh_loses_nothing_and_tells_nothing_twice() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("FIRST").unwrap_or(0);
            first..first + number("SEEDS").unwrap_or(STORIES)
        }
    };
    let sum = play_all(seeds);
    println!(
        "{} stories, {} steps, {} notifications, {} words due in time, exceptions: {:?}",
        sum.stories, sum.steps, sum.notifications, sum.judged, sum.exceptions
    );
    for (seed, texts) in sum.failed.iter().take(20) {
        println!("SEED={seed}: {}", texts.join("\n    "));
    }
    assert!(
        sum.failed.is_empty(),
        "{} of {} seeds failed: {:?}",
        sum.failed.len(),
        sum.stories,
        sum.failed.keys().collect::<Vec<_>>()
    );
}

/// Beyond those of each run without optimisation.
#[test]
fn histories_that_failed_once_fail_no_more() {
    for seed in [
        7, 119, 187, 219, 351, 364, 409, 657, 921, 961, 1301, 1450, 2048, 2109, 2519, 2624, 2896,
        3106, 3156, 3541, 3950,
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
    let play = |seed: u64| {
        let mut ending = story::play_with(seed, &mutate);
        if !ending.violations.is_empty() {
            let well = |setup: &mut Setup| {
                mutate(setup);
                setup.mutations = Mutations::default();
                setup.without_grace = false;
            };
            if !story::play_with(seed, well).violations.is_empty() {
                ending.violations.clear();
            }
        }
        ending
    };
    let first = number("SEED").unwrap_or(0);
    let sum = play_until(first..first + 200, 1, &play);
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
