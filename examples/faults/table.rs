//! Results of all programs, kept in a file, and the table of them.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::harness::{Program, ROWS, Run};

/// Runs by program and row.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results(BTreeMap<String, BTreeMap<String, Vec<Run>>>);

const HEAD: &str = "\
# Faults: what a receiver sees

Written by `cargo run --release --example faults -- --program prometheus-alertmanager --program target/release/watchfire
--out docs/faults.md`, which runs three real processes (or two, or five) with the same flags in network namespaces, 20
groups of one alert each, and a webhook receiver in another namespace. The raw results are in `faults.json`.

Each change at the source is to be told once. *told* counts what the receiver took, firing and then resolved ones where
a row has them; *twice* what it took beyond the first notification of a change; *lost* the changes it never learned of;
*first* the seconds from the change until half of the groups, and all of them, were told; *requests* every attempt.
*visible* is what a receiver that drops known `Idempotency-Key`s would still see twice. `a–b` is the least and the most
of several runs. `group_wait` is 1 s, so that 1.0 is in time. \"The owner\" is the node with the smallest name: all
groups are Alertmanager's position 0; of Watchfire it owns about a third of the groups, and where requests are in flight
it is the node with most of them.
";

impl Results {
    /// What earlier runs left beside the table.
    pub(crate) fn read(out: &Path) -> Result<Self> {
        match fs::read_to_string(out.with_extension("json")) {
            Err(_none_yet) => Ok(Self::default()),
            Ok(text) => serde_json::from_str(&text).context("the results of before"),
        }
    }

    /// Replaces the rows that were run.
    pub(crate) fn replace(&mut self, program: &str, runs: Vec<(&str, Run)>) {
        let rows = self.0.entry(program.to_owned()).or_default();
        for (row, _) in &runs {
            rows.insert((*row).to_owned(), Vec::new());
        }
        for (row, run) in runs {
            rows.entry(row.to_owned()).or_default().push(run);
        }
    }

    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        fs::write(
            out.with_extension("json"),
            serde_json::to_string_pretty(self)? + "\n",
        )?;
        fs::write(out, self.table())?;
        Ok(())
    }

    /// The page.
    pub(crate) fn table(&self) -> String {
        let mut text = HEAD.to_owned();
        text.push_str("\n| |");
        for program in self.0.keys() {
            let _ = write!(
                text,
                " {program}: told | twice | visible | lost | first s | requests |"
            );
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(6 * self.0.len()));
        for row in ROWS.iter().filter(|row| row.name != "figures") {
            let _ = write!(text, "\n| {} |", row.title);
            for rows in self.0.values() {
                let runs = rows.get(row.name).map_or(&[][..], Vec::as_slice);
                text.push_str(&cells(runs));
            }
        }
        text.push_str("\n\n## Figures of a cluster of three\n");
        self.figures(&mut text);
        text.push_str("\n## What counters and conditions add\n\n");
        self.notes(&mut text);
        text
    }

    fn figures(&self, text: &mut String) {
        let names: std::collections::BTreeSet<&String> = self
            .of_row("figures")
            .flat_map(|(_, runs)| runs.iter().flat_map(|run| run.figures.keys()))
            .collect();
        text.push_str("\n| |");
        for program in self.0.keys() {
            let _ = write!(text, " {program} |");
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(self.0.len()));
        for name in names {
            let _ = write!(text, "\n| {name} |");
            for (_, runs) in self.of_row("figures") {
                let values = runs.iter().filter_map(|run| run.figures.get(name));
                let _ = write!(text, " {} |", range(values.copied(), 1));
            }
        }
        text.push('\n');
    }

    fn of_row(&self, row: &str) -> impl Iterator<Item = (&String, &[Run])> {
        self.0
            .iter()
            .map(move |(program, rows)| (program, rows.get(row).map_or(&[][..], Vec::as_slice)))
    }

    fn notes(&self, text: &mut String) {
        for row in ROWS {
            for (program, runs) in self.of_row(row.name) {
                for run in runs {
                    let mut parts: Vec<String> = Vec::new();
                    if row.name != "figures" {
                        let figures = run.figures.iter();
                        parts.extend(figures.map(|(name, value)| format!("{name} {value}")));
                    }
                    parts.extend(run.error.clone());
                    if !parts.is_empty() {
                        let _ = writeln!(text, "* {program}, {}: {}", row.title, parts.join(", "));
                    }
                }
            }
        }
    }
}

/// The cells of one program in one row.
fn cells(runs: &[Run]) -> String {
    let good: Vec<&Run> = runs.iter().filter(|run| run.error.is_none()).collect();
    if good.is_empty() {
        let why = if runs.is_empty() { "–" } else { "no result" };
        return format!(" {why} | | | | | |");
    }
    let count = |of: &dyn Fn(&Run) -> usize| {
        let values = good
            .iter()
            .map(|run| f64::from(u32::try_from(of(run)).unwrap_or(u32::MAX)));
        range(values, 0)
    };
    let both =
        |firing: String, resolved: String| match good.iter().any(|run| run.resolved.wanted > 0) {
            true => format!("{firing} + {resolved}"),
            false => firing,
        };
    format!(
        " {} of {} | {} | {} | {} | {} / {} | {} |",
        both(count(&|r| r.firing.taken), count(&|r| r.resolved.taken)),
        both(count(&|r| r.firing.wanted), count(&|r| r.resolved.wanted)),
        both(count(&|r| r.firing.doubled), count(&|r| r.resolved.doubled)),
        count(&|r| r.visible),
        both(count(&|r| r.firing.lost), count(&|r| r.resolved.lost)),
        range(good.iter().map(|run| run.first_half), 1),
        range(good.iter().map(|run| run.first_last), 1),
        count(&|r| r.attempts),
    )
}

/// The least and the most.
fn range(values: impl Iterator<Item = f64>, digits: usize) -> String {
    let mut texts: Vec<f64> = values.collect();
    texts.sort_by(f64::total_cmp);
    let shown: Vec<String> = texts
        .iter()
        .map(|value| format!("{value:.digits$}"))
        .collect();
    match (shown.first(), shown.last()) {
        (Some(least), Some(most)) if least == most => least.clone(),
        (Some(least), Some(most)) => format!("{least}–{most}"),
        _none => "–".to_owned(),
    }
}

/// One line for who waits.
pub(crate) fn summary(run: &Run) -> String {
    if let Some(error) = &run.error {
        return format!("ERROR {error}");
    }
    let verdict = if run.is_exact() { "exact" } else { "NOT exact" };
    let figures: String = run
        .figures
        .iter()
        .map(|(k, v)| format!("; {k} {v:.1}"))
        .collect();
    format!(
        "{verdict}: firing {:?}, resolved {:?}, visible {}, first {:.2}/{:.2} s, {} requests{figures}",
        run.firing, run.resolved, run.visible, run.first_half, run.first_last, run.attempts
    )
}

/// The name and version of a program.
pub(crate) fn name_of(program: &Program) -> Result<String> {
    let output = Command::new(program.path()).arg("--version").output()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let line = text.lines().next().context("no version")?;
    let mut words = line.split([' ', ',']).filter(|word| !word.is_empty());
    let version = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let name = if program.is_watchfire() {
        "Watchfire"
    } else {
        "Alertmanager"
    };
    let directories = program.path().components();
    let is_debug = directories.rev().any(|part| part.as_os_str() == "debug");
    let build = if is_debug { " (debug build)" } else { "" };
    Ok(format!("{name} {}{build}", version.unwrap_or_default()))
}
