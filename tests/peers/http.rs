//! A blocking HTTP client for tests: any method, headers and body; the whole answer.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use reqwest::{Client, Method, redirect};
use tokio::runtime::Runtime;

/// Drives the client and the sinks of all tests.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    // An error says that another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
});

/// A complete HTTP answer; repeated headers are joined with a comma, names are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Panics unless the answer has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

/// Sends one request; an error is a broken connection, never a status.
pub(crate) fn try_request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Result<Answer, reqwest::Error> {
    RUNTIME.block_on(async {
        let mut request = CLIENT.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|all| {
                    all.push(',');
                    all.push_str(&value);
                })
                .or_insert_with(|| value.clone().into_owned());
        }
        let status = response.status().as_u16();
        let body = String::from_utf8_lossy(&response.bytes().await?).into_owned();
        Ok(Answer {
            status,
            headers,
            body,
        })
    })
}

pub(crate) fn get(url: &str) -> Answer {
    try_request("GET", url, &[], None).unwrap_or_else(|error| panic!("GET {url}: {error:?}"))
}

/// Posts a JSON text.
pub(crate) fn post(url: &str, body: &str) -> Answer {
    let json = [("Content-Type", "application/json")];
    try_request("POST", url, &json, Some(body.as_bytes().to_vec()))
        .unwrap_or_else(|error| panic!("POST {url}: {error:?}"))
}
