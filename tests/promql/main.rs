//! PromQL beside Prometheus: its own `.test` files, where they are at hand, and ours in the same notation.
//!
//! `PROMQLTEST_DIR` names another directory, all of whose files must pass; `PROMQLTEST_FILE=functions` runs the files
//! whose names begin so, `PROMQLTEST_LINE=17` only the evaluation of that line; `PROMQLTEST_SHOW` is how many failures
//! are printed. `PROMQLTEST_WORLDS=all` runs each in all federations.
#![expect(clippy::unwrap_used, reason = "test code")]
#![expect(clippy::print_stdout, reason = "the numbers are the outcome")]
#![expect(
    clippy::disallowed_methods,
    reason = "what is run can be chosen by the environment"
)]

mod annotate;
mod chance;
mod classic;
mod compare;
mod corpus;
mod deep;
mod expressions;
mod federated;
mod hostile;
mod language;
mod mistakes;
mod notation;
mod printed;
mod ranges;
mod run;
mod same;
#[path = "../skipped/mod.rs"]
mod skipped;
mod stable;
mod starts;
mod storage;
mod subject;
mod syntax;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use federated::Federated;
use run::Report;
use skipped::skipped;
use subject::{Local, Subject};

/// Prometheus's files, and how many evaluations each has.
const PROMETHEUS: [(&str, usize); 16] = [
    ("aggregators", 160),
    ("at_modifier", 71),
    ("collision", 2),
    ("duration_expression", 59),
    ("functions", 431),
    ("histograms", 185),
    ("limit", 37),
    ("literals", 25),
    ("name_label_dropping", 30),
    ("native_histograms", 522),
    ("range_queries", 18),
    ("selectors", 31),
    ("staleness", 17),
    ("start_timestamps", 26),
    ("trig_functions", 19),
    ("type_and_unit", 58),
];

/// Our own files, of which the same is known.
const OWN: [(&str, usize); 15] = [
    ("classic", 8),
    ("commands", 7),
    ("details", 30),
    ("failures", 8),
    ("functions", 14),
    ("histograms", 7),
    ("names", 4),
    ("numbers", 10),
    ("order", 4),
    ("remarks", 11),
    ("starts", 4),
    ("times", 9),
    ("values", 10),
    ("vectors", 12),
    ("windows", 6),
];

/// Failures that are printed unless more are asked for.
const SHOWN: usize = 30;

#[test]
fn evaluations_of_prometheus_pass() {
    check_prometheus::<Local>();
}

#[test]
fn evaluations_of_prometheus_pass_in_federations() {
    check_prometheus::<Federated>();
}

#[test]
fn our_own_evaluations_pass() {
    check_own::<Local>();
}

#[test]
fn our_own_evaluations_pass_in_federations() {
    check_own::<Federated>();
}

fn check_prometheus<S: Subject + Default>() {
    if let Ok(directory) = env::var("PROMQLTEST_DIR") {
        let files = files_of(Path::new(&directory));
        assert!(!files.is_empty(), "there is no .test file in {directory}");
        check::<S>(&files, None);
        return;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/promqltest");
    let files = files_of(&directory);
    if files.is_empty() {
        skipped(&format!(
            "Prometheus's files are not in {}; PROMQLTEST_DIR names another place",
            directory.display()
        ));
        return;
    }
    check::<S>(&files, Some(&PROMETHEUS));
}

fn check_own<S: Subject + Default>() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql/cases");
    check::<S>(&files_of(&directory), Some(&OWN));
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "test")
        })
        .collect();
    files.sort();
    files
}

/// All evaluations of the files must pass; and there must be as many as the table says.
fn check<S: Subject + Default>(files: &[PathBuf], table: Option<&[(&str, usize)]>) {
    let number = |name: &str| {
        env::var(name)
            .ok()
            .map(|text| text.parse::<usize>().unwrap())
    };
    let (chosen, line) = (env::var("PROMQLTEST_FILE").ok(), number("PROMQLTEST_LINE"));
    let files: Vec<_> = files
        .iter()
        .filter(|file| {
            chosen
                .as_ref()
                .is_none_or(|start| stem(file).starts_with(start))
        })
        .collect();
    let reports = run_all::<S>(&files, line);
    let mut wrong = Vec::new();
    let (mut passed, mut evaluations) = (0, 0);
    for (file, report) in files.iter().zip(&reports) {
        let name = stem(file);
        println!("{name}: {} of {}", report.passed(), report.evaluations);
        passed += report.passed();
        evaluations += report.evaluations;
        wrong.extend(report.failures.iter().map(|failure| {
            format!(
                "{name}.test:{}: {}: {}",
                failure.line, failure.query, failure.why
            )
        }));
    }
    println!("total: {passed} of {evaluations}");
    if let Some(table) = table.filter(|_| chosen.is_none() && line.is_none()) {
        let found = files.iter().zip(&reports);
        let found = found.map(|(file, report)| (stem(file), report.evaluations));
        wrong.extend(differences(table, &found.collect()));
    }
    let shown = number("PROMQLTEST_SHOW").unwrap_or(SHOWN).min(wrong.len());
    assert!(
        wrong.is_empty(),
        "{} of {evaluations} evaluations failed, {} failures, the first of them:\n{}",
        evaluations - passed,
        wrong.len(),
        wrong[..shown].join("\n")
    );
}

/// Files that are not there or have another number of evaluations.
fn differences(table: &[(&str, usize)], found: &BTreeMap<String, usize>) -> Vec<String> {
    let table = table
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    let table: BTreeMap<String, usize> = table.collect();
    let names: BTreeSet<_> = table.keys().chain(found.keys()).collect();
    let count = |of: &BTreeMap<String, usize>, name: &String| of.get(name).copied().unwrap_or(0);
    names
        .into_iter()
        .map(|name| (name, count(&table, name), count(found, name)))
        .filter(|(_, wanted, found)| wanted != found)
        .map(|(name, wanted, found)| format!("{name}: {found} evaluations instead of {wanted}"))
        .collect()
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Runs the files beside each other.
fn run_all<S: Subject + Default>(files: &[&PathBuf], line: Option<usize>) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else {
                return done;
            };
            let text = fs::read_to_string(file).unwrap();
            done.push((index, run::run(&text, &mut S::default(), line)));
        }
    };
    let mut reports: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}
