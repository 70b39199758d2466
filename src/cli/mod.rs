//! The command line: `watchfire [serve] FLAGS` and the other commands.

mod args;
mod check;
mod check_rules;
mod flags;
mod help;
mod past;
mod past_text;
mod receiver;
mod routes;
mod run;
mod serve;
mod template;
mod test_report;
mod test_rules;
mod version;

pub use run::run;
