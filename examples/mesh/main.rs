//! Measures a mesh of real processes on loopback: what a claim adds to a notification, and how fast a fresh node has
//! everything.
//!
//! `mesh claims --program target/release/watchfire` and `mesh sync --program target/release/watchfire`; `--storage`
//! says on which disk the nodes write, and how long its fsync takes is measured and printed. Nothing but 127.0.0.1 is
//! contacted, and the nodes end with the program.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command-line program that measures real time"
)]

mod claims;
mod disk;
mod nodes;
mod sink;
mod sync;
#[path = "../../tests/mesh/harness/web.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod web;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures a mesh of real processes on loopback.
#[derive(Debug, Parser)]
struct Options {
    /// What the nodes run.
    #[arg(long, global = true, default_value = "target/release/watchfire")]
    program: PathBuf,
    /// Where the nodes write; a directory in it is made, and deleted at the end.
    #[arg(long, global = true)]
    storage: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Groups that fire, at one node alone and at three: how much later the webhook is called.
    Claims {
        /// Groups that fire one after another.
        #[arg(long, default_value_t = 1000)]
        singles: usize,
        /// Groups that are due at the same moment.
        #[arg(long, default_value_t = 200)]
        burst: usize,
    },
    /// A fresh node that joins one that knows much.
    Sync {
        /// Entries of the notification log.
        #[arg(long, default_value_t = 100_000)]
        entries: u64,
        /// Silences.
        #[arg(long, default_value_t = 10_000)]
        silences: u64,
        /// How often it is measured.
        #[arg(long, default_value_t = 3)]
        repeat: usize,
    },
}

fn main() -> Result<()> {
    let options = Options::parse();
    let storage = options.storage.unwrap_or_else(std::env::temp_dir);
    let program = options.program.canonicalize()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!("load of the machine before: {}", load.trim());
    println!("{}", disk::fsync(&storage)?);
    match options.what {
        What::Claims { singles, burst } => claims::measure(&program, &storage, singles, burst),
        What::Sync {
            entries,
            silences,
            repeat,
        } => {
            for _ in 0..repeat {
                sync::measure(&program, &storage, entries, silences)?;
            }
            Ok(())
        }
    }
}
