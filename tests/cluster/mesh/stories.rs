//! Many stories, each given by its seed, on two threads.

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// What stories came to.
#[derive(Debug, Default)]
pub(super) struct Sum<T> {
    pub(super) stories: u64,
    /// Of those that ended.
    pub(super) all: T,
    /// By seed: what was wrong.
    pub(super) failed: BTreeMap<u64, Vec<String>>,
}

/// A number from the environment.
pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var_os(name).map(|text| text.to_str().unwrap().parse().unwrap())
}

/// The seeds of a run: the one that `SEED` names, or as many as `SEEDS` says from `FIRST` on; `stories` if nothing is said.
pub(super) fn seeds(stories: u64) -> Range<u64> {
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("FIRST").unwrap_or(0);
            first..first + number("SEEDS").unwrap_or(stories)
        }
    }
}

/// Plays stories until so many failed; `add` adds up how one ended, and tells what was wrong.
pub(super) fn play<T: Default + Send, E>(
    seeds: impl IntoIterator<Item = u64>,
    most: usize,
    story: impl Fn(u64) -> E + Sync,
    add: impl Fn(&mut T, E) -> Vec<String> + Sync,
) -> Sum<T> {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let next = AtomicUsize::new(0);
    let sum: Mutex<Sum<T>> = Mutex::default();
    let play = || {
        loop {
            let seed = seeds.get(next.fetch_add(1, Relaxed)).copied();
            let more = sum.lock().unwrap().failed.len() < most;
            let Some(seed) = seed.filter(|_| more) else {
                return;
            };
            let ending = catch_unwind(AssertUnwindSafe(|| story(seed)));
            let mut sum = sum.lock().unwrap();
            sum.stories += 1;
            let wrong = match ending {
                Ok(ending) => add(&mut sum.all, ending),
                Err(panic) => vec![format!("panicked: {}", words(&*panic))],
            };
            if !wrong.is_empty() {
                sum.failed.insert(seed, wrong);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(play);
        }
    });
    sum.into_inner().unwrap()
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    text.unwrap_or_default()
}

impl<T> Sum<T> {
    /// No story failed.
    pub(super) fn expect_none_failed(&self) {
        let told = self.failed.iter().take(20);
        let told = told.map(|(seed, texts)| format!("SEED={seed}: {}", texts.join("\n    ")));
        assert!(
            self.failed.is_empty(),
            "{}\n{} of {} seeds failed: {:?}",
            told.collect::<Vec<_>>().join("\n"),
            self.failed.len(),
            self.stories,
            self.failed.keys().collect::<Vec<_>>()
        );
    }
}
