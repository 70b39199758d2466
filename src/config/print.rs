//! The configuration printed again, with defaults filled in and secrets hidden, for `/api/v2/status`.

use super::{file::RawConfig, read::Section};
use crate::yaml::Value;

/// Prints a file as upstream's `Config.String` does: the keys in the order of its structs.
pub(crate) fn print(raw: &RawConfig) -> String {
    let mut keys = Vec::new();
    raw.print_keys(&mut keys);
    serde_yaml::to_string(&Value::Mapping(keys)).unwrap_or_default()
}
