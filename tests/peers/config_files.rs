//! Alertmanager's own test configurations through `watchfire check config`: amtool's verdict, message and exit code.

use std::{fs, path::Path, process::Command};

use crate::{
    node::{Program, subject_is_upstream},
    skipped::skipped,
};

const DIRECTORY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../shared/data/alertmanager-config"
);

/// Files that the amtool which gave the verdicts (0.33.1) refused, and 0.34 takes.
const TAKEN_SINCE: &[(&str, &str)] = &[("route_labels.yml", "routes have had labels since 0.34")];

#[test]
fn upstream_configurations_get_upstream_verdicts() {
    if !Path::new(DIRECTORY).is_dir() {
        skipped("configurations of others: ../shared/data is not here");
        return;
    }
    if subject_is_upstream() {
        skipped("`check config`: Alertmanager itself has no such command");
        return;
    }
    let subject = Program::Subject.path().unwrap();
    let verdicts = fs::read_to_string(Path::new(DIRECTORY).join("verdicts.txt")).unwrap();
    let mut wrong = Vec::new();
    for verdict in verdicts.lines() {
        let mut parts = verdict.splitn(3, '|');
        let (code, file, message) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        );
        let taken = TAKEN_SINCE.iter().any(|(name, _)| *name == file);
        let code = if taken {
            0
        } else {
            code.parse::<i32>().unwrap()
        };
        let output = Command::new(&subject)
            .current_dir(DIRECTORY)
            .args(["check", "config", file])
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        let verdict = if code == 0 { "SUCCESS" } else { "FAILED: " };
        // Every error of a file is told, each with its place: upstream's only one is among them.
        let (_, message) = message.split_once("FAILED: ").unwrap_or_default();
        let fits = output.status.code() == Some(code)
            && printed.contains(&format!("Checking '{file}'  {verdict}"))
            && (taken || printed.contains(message.trim_end_matches(':')));
        if !fits {
            wrong.push(format!(
                "{file}: expected exit {code}, {message:?}; got {}:\n{printed}",
                output.status
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} files:\n{}",
        wrong.len(),
        verdicts.lines().count(),
        wrong.join("\n")
    );
}
