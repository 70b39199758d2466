//! The command line: `watchfire [serve] FLAGS` and the other commands.

mod args;
mod flags;
mod help;
mod run;
mod serve;
mod version;

pub use run::run;
