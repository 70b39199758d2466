//! HTTP to the nodes, blocking and in the background.

use std::{sync::LazyLock, time::Duration};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Drives the receiver, the source and every request.
pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("threads can be started"));

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    // An error says that another was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()
        .expect("the options are valid")
});

/// One request; the body of a 2xx.
pub(crate) async fn request(method: Method, url: &str, body: Option<&Value>) -> Result<String> {
    let mut request = CLIENT.request(method, url);
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(status.is_success(), "{url}: {status}: {text}");
    Ok(text)
}

/// Asks for text.
pub(crate) fn get(url: &str) -> Result<String> {
    RUNTIME.block_on(request(Method::GET, url, None))
}

/// Asks for JSON.
pub(crate) fn get_json(url: &str) -> Result<Value> {
    serde_json::from_str(&get(url)?).context("no JSON")
}

/// Posts JSON, gets JSON.
pub(crate) fn post_json(url: &str, body: &Value) -> Result<Value> {
    let text = RUNTIME.block_on(request(Method::POST, url, Some(body)))?;
    serde_json::from_str(&text).context("no JSON")
}
