//! AWS Signature Version 4.

use ring::hmac;
use sha2::{Digest as _, Sha256};

use crate::{
    config::Secret,
    notify::integration::{HttpRequest, form},
    time::Timestamp,
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What requests are signed with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    /// Empty for keys that were not lent.
    pub(super) session_token: Secret,
}

impl Keys {
    /// As one text, for the shell to keep.
    pub(super) fn to_secret(&self) -> Secret {
        let (secret, token) = (self.secret_key.reveal(), self.session_token.reveal());
        Secret::new(format!("{}\n{secret}\n{token}", self.access_key))
    }

    /// Of such a text. What is no such text gives keys that are good for a rehearsal.
    pub(super) fn of_secret(text: &Secret) -> Self {
        let mut lines = text.reveal().splitn(3, '\n');
        let mut line = || lines.next().unwrap_or_default();
        Self {
            access_key: line().to_owned(),
            secret_key: Secret::new(line()),
            session_token: Secret::new(line()),
        }
    }
}

/// Adds the date, the session's token and the signature over all headers of the request and its host.
///
/// The request's address must be one that `url` parses.
pub(super) fn sign(
    request: &mut HttpRequest,
    keys: &Keys,
    region: &str,
    service: &str,
    at: Timestamp,
) {
    let date = at.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/{region}/{service}/aws4_request", &date[..8]);
    request.headers.push(("X-Amz-Date", date.clone()));
    if !keys.session_token.is_empty() {
        let token = keys.session_token.reveal().to_owned();
        request.headers.push(("X-Amz-Security-Token", token));
    }
    let (canonical, names) = canonical(request);
    let hash = hex(&Sha256::digest(canonical));
    let text = format!("{ALGORITHM}\n{date}\n{scope}\n{hash}");
    let mut key = format!("AWS4{}", keys.secret_key.reveal()).into_bytes();
    for part in scope.split('/') {
        key = hmac_sha256(&key, part);
    }
    let signature = hex(&hmac_sha256(&key, &text));
    let access_key = &keys.access_key;
    let value = format!(
        "{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    request.headers.push(("Authorization", value));
}

/// The request in canonical form, and the names of its headers.
fn canonical(request: &HttpRequest) -> (String, String) {
    let url = url::Url::parse(request.url.reveal()).ok();
    let path = url.as_ref().map_or("/", |url| url.path());
    // The path is escaped already; all services but S3 sign it escaped once more.
    let path: Vec<_> = path.split('/').map(form::percent).collect();
    let mut query: Vec<_> = url
        .iter()
        .flat_map(url::Url::query_pairs)
        .map(|(name, value)| format!("{}={}", form::percent(&name), form::percent(&value)))
        .collect();
    query.sort();
    let mut headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    headers.push((
        "host".to_owned(),
        url.as_ref().map_or_else(String::new, host),
    ));
    headers.sort();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        request.method,
        path.join("/"),
        query.join("&"),
        hex(&Sha256::digest(&request.body))
    );
    (canonical, names)
}

/// As the HTTP client writes it: without the scheme's own port.
fn host(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// In hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{config::HttpConfig, notify::integration::harness::recorded};

    fn request(method: &'static str, url: &str, body: &str) -> HttpRequest {
        let http = Arc::new(HttpConfig::default());
        let mut request = HttpRequest::json(method, Secret::new(url), body.to_owned(), &http);
        request.headers.clear();
        request
    }

    fn authorization(request: &HttpRequest) -> &str {
        let found = request
            .headers
            .iter()
            .find(|(name, _)| *name == "Authorization");
        &found.unwrap().1
    }

    /// AWS's own vectors: `get-vanilla`, `post-vanilla`, `post-x-www-form-urlencoded`, `get-vanilla-query-order-key-case`.
    #[test]
    fn signs_as_the_published_vectors() {
        let keys = Keys {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: Secret::default(),
        };
        let at = Timestamp::parse("2015-08-30T12:36:00Z").unwrap();
        for (method, query, form, signature) in [
            (
                "GET",
                "",
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                "",
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "POST",
                "",
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "GET",
                "?Param2=value2&Param1=value1",
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let mut request = request(
                method,
                &format!("https://example.amazonaws.com/{query}"),
                form,
            );
            if !form.is_empty() {
                let kind = "application/x-www-form-urlencoded".to_owned();
                request.headers.push(("Content-Type", kind));
            }
            sign(&mut request, &keys, "us-east-1", "service", at);
            let authorization = authorization(&request);
            assert!(
                authorization.ends_with(signature),
                "{method} {query}: {authorization}"
            );
            assert!(!format!("{keys:?}").contains("wJalr"));
        }
    }

    #[test]
    fn signs_the_recorded_requests_as_amazons_library() {
        let keys = Keys {
            access_key: "AK".to_owned(),
            secret_key: Secret::new("SKSK"),
            session_token: Secret::default(),
        };
        for name in ["POST_sns_1.json", "POST_sns_2.json"] {
            let Some(recorded) = recorded(name) else {
                return;
            };
            let header = |wanted: &str| {
                let found = recorded.headers.iter().find(|(name, _)| name == wanted);
                found.unwrap().1.clone()
            };
            let url = format!("http://{}{}", header("Host"), recorded.path);
            let mut request = request("POST", &url, &recorded.body);
            for name in [
                "Amz-Sdk-Invocation-Id",
                "Amz-Sdk-Request",
                "Content-Length",
                "Content-Type",
            ] {
                request.headers.push((name, header(name)));
            }
            let date = header("X-Amz-Date");
            let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &date).unwrap();
            let at = at.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
            sign(&mut request, &keys, "us-east-2", "sns", at.into());
            assert_eq!(authorization(&request), header("Authorization"), "{name}");
        }
    }

    #[test]
    fn keys_survive_being_kept() {
        let keys = Keys {
            access_key: "a".to_owned(),
            secret_key: Secret::new("b/+="),
            session_token: Secret::new("c\nd"),
        };
        assert_eq!(Keys::of_secret(&keys.to_secret()), keys);
        assert_eq!(Keys::of_secret(&Secret::new("a")).access_key, "a");
    }
}
