//! Some rows at the same time, each in namespaces of its own.

use std::{env, path::Path, thread, time::Duration};

use crate::{
    harness::{self, Program, ROWS, Run},
    skipped::skipped,
};

/// The row that the test binary runs as its own child, with the directory.
const INSIDE: &str = "WATCHFIRE_MESH_ROW";

/// What comes late or twice with us comes within this; Alertmanager takes 45 s.
const PATIENCE: Duration = Duration::from_secs(15);

const BOUND: Duration = Duration::from_secs(120);

/// Fails where no namespaces can be made, unless it was asked to go without; then it is false, and told.
pub(crate) fn possible() -> bool {
    let Some(reason) = harness::impossible() else {
        return true;
    };
    let reason = format!("no network namespaces can be made: {reason}");
    assert!(
        env::var_os("WATCHFIRE_NO_NAMESPACES").is_some(),
        "{reason}\nThe mesh of real processes cannot be tested here; WATCHFIRE_NO_NAMESPACES=1 goes without"
    );
    skipped(&format!(
        "the mesh of real processes is not tested, since {reason}"
    ));
    false
}

/// The program under test, or the one that `WATCHFIRE_PEERS_SUBJECT` names.
pub(crate) fn subject() -> Program {
    let named = env::var("WATCHFIRE_PEERS_SUBJECT");
    let path = named.unwrap_or_else(|_| env!("CARGO_BIN_EXE_watchfire").to_owned());
    Program::find(&path).unwrap()
}

/// Runs a test of this binary, which is ignored otherwise, in an enclosure.
pub(crate) fn run_enclosed(test: &str, value: &str, bound: Duration) -> anyhow::Result<String> {
    let mut command = harness::enclosed(&env::current_exe()?);
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, value);
    harness::wait_bounded(&mut command, bound)
}

/// What [`run_enclosed`] gave; `None` when somebody runs ignored tests.
pub(crate) fn given() -> Option<String> {
    env::var(INSIDE).ok()
}

fn run(row: &str, directory: &Path) -> Run {
    let value = format!("{row} {}", directory.display());
    let output = run_enclosed("faults::inside", &value, BOUND).unwrap();
    let line = output.lines().find_map(|line| line.strip_prefix("RUN "));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no result: {output}"))).unwrap()
}

#[test]
#[ignore = "runs in an enclosure that another test makes"]
fn inside() {
    let Some(value) = given() else { return };
    let (name, directory) = value.split_once(' ').unwrap();
    let row = ROWS.iter().find(|row| row.name == name).unwrap();
    let run = harness::run_row(row, &subject(), Path::new(directory), PATIENCE);
    println!("\nRUN {}", serde_json::to_string(&run).unwrap());
}

#[test]
fn every_alert_is_told_once_whatever_happens() {
    if !possible() {
        return;
    }
    let rows = [
        "owner-killed",
        "killed-unread",
        "refused-in-flight",
        "split",
        "udp-blocked",
        "slow",
        "all-killed",
    ];
    let directory = tempfile::tempdir().unwrap();
    let runs = rows.map(|row| {
        let directory = directory.path().to_owned();
        thread::spawn(move || (row, run(row, &directory)))
    });
    let mut wrong = Vec::new();
    for run in runs {
        let (row, run) = run.join().unwrap();
        println!("{row}: {run:?}");
        // Without lifelines what a dead node held waits for its lease, for 14 s.
        let held = run.figures.get("held told after s");
        if !run.is_exact() || held.is_some_and(|seconds| *seconds > 5.0) {
            let title = ROWS.iter().find(|known| known.name == row).unwrap().title;
            wrong.push((title, run));
        }
    }
    if !wrong.is_empty() {
        let kept = directory.keep();
        panic!("{wrong:#?}\nlogs are in {}", kept.display());
    }
}
