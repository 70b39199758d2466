//! The `watchfire` binary: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    watchfire::cli::run(std::env::args_os())
}
