//! What the program says about itself. Clients compare versions with Alertmanager's, so both are told.

/// The Alertmanager whose behaviour is matched; `amtool` and karma read it.
pub const COMPATIBLE_VERSION: &str = "0.34.0";
/// This program's own version.
pub const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that was built, if the build knew it (`WATCHFIRE_REVISION`).
pub const REVISION: &str = or_unknown(option_env!("WATCHFIRE_REVISION"));
/// The branch that was built, if the build knew it (`WATCHFIRE_BRANCH`).
pub const BRANCH: &str = or_unknown(option_env!("WATCHFIRE_BRANCH"));
/// Who built it, if the build knew it (`WATCHFIRE_BUILD_USER`).
pub const BUILD_USER: &str = or_unknown(option_env!("WATCHFIRE_BUILD_USER"));
/// When it was built, if the build knew it (`WATCHFIRE_BUILD_DATE`).
pub const BUILD_DATE: &str = or_unknown(option_env!("WATCHFIRE_BUILD_DATE"));
/// Stands where Alertmanager tells its Go version.
pub const GO_VERSION: &str = "none";

const fn or_unknown(value: Option<&'static str>) -> &'static str {
    match value {
        Some(value) => value,
        None => "unknown",
    }
}
