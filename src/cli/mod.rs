//! The command line: `watchfire [serve] FLAGS` and the other commands.

mod args;
mod check;
mod flags;
mod help;
mod receiver;
mod routes;
mod run;
mod serve;
mod template;
mod version;

pub use run::run;
