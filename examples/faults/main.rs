//! Runs clusters of real processes through every fault of the table, and writes what their receiver saw.
//!
//! `faults --program prometheus-alertmanager --program target/release/watchfire --out docs/faults.md`: each row gets
//! network namespaces of its own (Linux, `unshare`, `ip`, `iptables`), nothing outside of them is ever contacted,
//! and everything ends with the row. Results are kept in a file beside the table, so that programs and rows can be
//! measured one by one. What rows need is in `tests/mesh/harness`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command-line program that runs real processes in real time"
)]

#[path = "../../tests/mesh/harness/mod.rs"]
mod harness;
mod table;

use std::{
    collections::VecDeque,
    env,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use harness::{Program, ROWS, Run, rows::Row};

/// Runs clusters through faults and writes a table.
#[derive(Debug, Parser)]
struct Options {
    /// What to run; repeat it to compare.
    #[arg(long, required = true)]
    program: Vec<String>,
    /// Rows by name, separated by commas; `all`.
    #[arg(long, default_value = "all", value_delimiter = ',')]
    rows: Vec<String>,
    /// How often each row is run.
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Only rows of so many nodes.
    #[arg(long)]
    nodes: Option<usize>,
    /// Rows that run at the same time.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// How long a row looks for what comes late, in seconds; Alertmanager's third node waits for 30 s.
    #[arg(long, default_value_t = 45)]
    patience: u64,
    /// The table; results are kept beside it, with the extension `json`. Nothing is written without.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where configurations, storage and logs are kept; they are deleted at the end without it.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Runs this one row here; for use by the program itself, in namespaces.
    #[arg(long, hide = true)]
    inside: bool,
}

/// No row takes longer.
const ROW_BOUND: Duration = Duration::from_secs(600);

fn main() -> Result<()> {
    let options = Options::parse();
    let rows = selected(&options)?;
    let programs: Vec<Program> = options
        .program
        .iter()
        .map(|name| Program::find(name))
        .collect::<Result<_>>()?;
    if options.inside {
        let directory = options.keep.context("no directory")?;
        let patience = Duration::from_secs(options.patience);
        let run = harness::run_row(rows[0], &programs[0], &directory, patience);
        println!("{}", serde_json::to_string(&run)?);
        return Ok(());
    }
    if let Some(reason) = harness::impossible() {
        bail!("no network namespaces here: {reason}");
    }
    let mut results = match &options.out {
        Some(out) => table::Results::read(out)?,
        None => table::Results::default(),
    };
    for program in &programs {
        let name = table::name_of(program)?;
        let runs = run_all(&options, &rows, program)?;
        results.replace(&name, runs);
        if let Some(out) = &options.out {
            results.write(out)?;
        }
    }
    if options.out.is_none() {
        println!("{}", results.table());
    }
    Ok(())
}

fn selected(options: &Options) -> Result<Vec<&'static Row>> {
    let all = options.rows.iter().any(|name| name == "all");
    for name in options.rows.iter().filter(|name| *name != "all") {
        let known = ROWS.iter().map(|row| row.name).collect::<Vec<_>>();
        ensure!(
            known.contains(&&**name),
            "no row {name}; there are {known:?}"
        );
    }
    let rows = ROWS
        .iter()
        .filter(|row| all || options.rows.iter().any(|name| name == row.name))
        .filter(|row| options.nodes.is_none_or(|nodes| nodes == row.nodes));
    Ok(rows.collect())
}

/// Runs every row as often as wanted, some at the same time.
fn run_all(
    options: &Options,
    rows: &[&'static Row],
    program: &Program,
) -> Result<Vec<(&'static str, Run)>> {
    let scratch = tempfile::tempdir()?;
    let base = match &options.keep {
        Some(keep) => std::path::absolute(keep)?,
        None => scratch.path().to_owned(),
    };
    let queue: Mutex<VecDeque<(usize, &'static Row)>> = Mutex::new(
        (0..options.repeat)
            .flat_map(|turn| rows.iter().map(move |row| (turn, *row)))
            .collect(),
    );
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let next = lock(&queue).pop_front();
                    let Some((turn, row)) = next else { break };
                    let directory = base.join(format!("turn{turn}"));
                    let run = run_enclosed(options, row, program, &directory);
                    let run = run.unwrap_or_else(|error| Run {
                        error: Some(format!("{error:#}")),
                        ..Run::default()
                    });
                    eprintln!("{}: {}", row.name, table::summary(&run));
                    lock(&done).push((row.name, run));
                }
            });
        }
    });
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run_enclosed(
    options: &Options,
    row: &Row,
    program: &Program,
    directory: &std::path::Path,
) -> Result<Run> {
    let mut command = harness::enclosed(&env::current_exe()?);
    command
        .args(["--inside", "--rows", row.name, "--program"])
        .arg(program.path())
        .arg("--keep")
        .arg(directory)
        .arg(format!("--patience={}", options.patience));
    let output = harness::wait_bounded(&mut command, ROW_BOUND)?;
    serde_json::from_str(&output).with_context(|| format!("no result in {output:?}"))
}
