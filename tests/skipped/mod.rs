//! Says what is not tested here, so that a run that passes is not taken for more than it is.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write as _},
};

/// Tells that something is not tested, with the reason: past the output that is swallowed when a test passes, and in the
/// file that `WATCHFIRE_SKIPPED` names, which `./test` ends with.
pub(crate) fn skipped(what: &str) {
    let line = format!("SKIPPED: {what}\n");
    let told = io::stderr().write_all(line.as_bytes());
    let noted = env::var_os("WATCHFIRE_SKIPPED").map(|path| {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
    });
    assert!(
        told.is_ok() && noted.is_none_or(|noted| noted.is_ok()),
        "it cannot be said that something is skipped: {line}"
    );
}
