//! Programs that a test cannot do without.

use std::path::PathBuf;

use crate::{process::installed, skipped::skipped};

/// Finds a program or says that its test is skipped.
pub(crate) fn installed_or_skip(program: &str) -> Option<PathBuf> {
    let found = installed(program);
    if found.is_none() {
        skipped(&format!("{program} is not installed"));
    }
    found
}
