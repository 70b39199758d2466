//! Random histories of rulers, on two threads.

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

use super::{
    ruling::Mistake,
    story::{self, Ending},
};

/// Stories of one run of the suite without optimisation; `cargo rulestories` plays as many as `SEEDS` says, with it, and
/// `FIRST` says where to begin. `SEED` plays one and tells what happens.
const STORIES: u64 = 40;

/// What many stories came to.
#[derive(Debug, Default)]
struct Sum {
    stories: u64,
    evaluations: usize,
    transitions: usize,
    takeovers: u64,
    notifications: usize,
    failed: BTreeMap<u64, Vec<String>>,
}

impl Sum {
    fn add(&mut self, seed: u64, ending: thread::Result<Ending>) {
        self.stories += 1;
        match ending {
            Ok(ending) => {
                self.evaluations += ending.evaluations;
                self.transitions += ending.transitions;
                self.takeovers += ending.takeovers;
                self.notifications += ending.notifications;
                if !ending.violations.is_empty() {
                    self.failed.insert(seed, ending.violations);
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

fn number(name: &str) -> Option<u64> {
    std::env::var_os(name).map(|text| text.to_str().unwrap().parse().unwrap())
}

/// Plays stories until so many failed.
fn play(seeds: Range<u64>, most: usize, mistake: Option<Mistake>) -> Sum {
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
                    let ending = catch_unwind(AssertUnwindSafe(|| story::play(seed, mistake)));
                    sum.lock().unwrap().add(seed, ending);
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

#[test]
fn rules_are_evaluated_once_and_go_on_whoever_is_lost() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("FIRST").unwrap_or(0);
            first..first + number("SEEDS").unwrap_or(STORIES)
        }
    };
    let sum = play(seeds, 20, None);
    println!(
        "{} stories, {} evaluations, {} transitions, {} takeovers, {} notifications",
        sum.stories, sum.evaluations, sum.transitions, sum.takeovers, sum.notifications
    );
    for (seed, texts) in &sum.failed {
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
