//! How the directory of a target is called.

use xxhash_rust::xxh64::xxh64;

use crate::config::RemoteWriteConfig;

/// What is kept of a name.
const KEPT: usize = 48;

/// The name of a target in metrics and logs.
pub(super) fn shown(target: &RemoteWriteConfig) -> String {
    if target.name.is_empty() {
        target.url.to_string()
    } else {
        target.name.clone()
    }
}

/// The directory of a target below that of all queues. A name that is fit for a file is used as it is; of others what is
/// fit, and a hash of the whole, so that different targets never share a directory.
pub(super) fn directory(target: &RemoteWriteConfig) -> String {
    let name = shown(target);
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_fit = name.chars().all(fit) && name.len() <= KEPT && !name.starts_with('.');
    if is_fit && !target.name.is_empty() {
        return name;
    }
    let start = name
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let kept = start.chars().map(|c| if fit(c) { c } else { '_' });
    let kept: String = kept.take(KEPT).collect();
    // The whole URL, since two may differ in what is not shown.
    let whole = if target.name.is_empty() {
        target.url.as_str()
    } else {
        &target.name
    };
    let kept = kept.trim_start_matches('.');
    format!("{kept}~{:016x}", xxh64(whole.as_bytes(), 0))
}
