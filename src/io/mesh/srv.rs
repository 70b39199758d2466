//! SRV records: which hosts and ports a service has.

/// The targets of a name, as `host:port`.
pub(super) async fn look_up(name: &str) -> Result<Vec<String>, String> {
    std::future::ready(Err(format!(
        "SRV names such as {name} are not looked up yet"
    )))
    .await
}
