//! `--version` in the shape of Alertmanager's.

use std::fmt::Write as _;

use crate::api::build;

/// How this program was built.
pub(super) struct Build {
    version: &'static str,
    branch: &'static str,
    revision: &'static str,
    user: &'static str,
    date: &'static str,
    rust: &'static str,
}

/// The build of this binary. Packagers set the variables; a plain `cargo build` needs none.
pub(super) const BUILD: Build = Build {
    version: build::OWN_VERSION,
    branch: build::BRANCH,
    revision: build::REVISION,
    user: build::BUILD_USER,
    date: build::BUILD_DATE,
    rust: match option_env!("WATCHFIRE_RUST_VERSION") {
        Some(version) => version,
        None => env!("CARGO_PKG_RUST_VERSION"),
    },
};

/// `linux/amd64`, with Go's names.
fn platform() -> String {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{}/{arch}", std::env::consts::OS)
}

impl Build {
    /// What `--version` prints.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "watchfire, version {} (branch: {}, revision: {})",
            self.version, self.branch, self.revision
        );
        for (key, value) in [
            ("build user:", self.user),
            ("build date:", self.date),
            ("rust version:", self.rust),
            ("platform:", &platform()),
            ("tags:", "unknown"),
        ] {
            let _ = writeln!(out, "  {key:<17} {value}");
        }
        out
    }

    /// `(version=…, branch=…, revision=…)` for the log.
    pub(super) fn info(&self) -> String {
        format!(
            "(version={}, branch={}, revision={})",
            self.version, self.branch, self.revision
        )
    }

    /// `(rust=…, platform=…, …)` for the log.
    pub(super) fn context(&self) -> String {
        format!(
            "(rust={}, platform={}, user={}, date={}, tags=unknown)",
            self.rust,
            platform(),
            self.user,
            self.date
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_upstreams() {
        let text = BUILD.print();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert!(lines[0].starts_with("watchfire, version 0.") && lines[0].contains(" (branch: "));
        assert!(lines[1].starts_with("  build user:"));
        assert!(
            lines[4].starts_with("  platform:         linux/"),
            "{}",
            lines[4]
        );
    }
}
