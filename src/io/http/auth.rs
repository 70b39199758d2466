//! The headers that `http_config` adds to a request. Files are read for each request, so that they may be rotated.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};

use super::oauth2::TokenSource;
use crate::config::{Authorization, BasicAuth, HttpConfig, Secret};

/// Credentials are short.
const MAX_FILE: u64 = 1 << 20;

/// The headers of one request.
pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;

/// `http_headers` and the credentials. Blocks on files only if the configuration names some.
pub(super) async fn headers(
    config: &HttpConfig,
    tokens: Option<&TokenSource>,
) -> Result<Headers, String> {
    let mut headers = if names_files(config) {
        let config = config.clone();
        tokio::task::spawn_blocking(move || static_headers(&config))
            .await
            .map_err(|_panic| "the credentials could not be read".to_owned())??
    } else {
        static_headers(config)?
    };
    if let Some(tokens) = tokens {
        let token = tokens.token().await?;
        headers.push((AUTHORIZATION, secret_value(&token)?));
    }
    Ok(headers)
}

pub(super) fn names_files(config: &HttpConfig) -> bool {
    let basic = config
        .basic_auth
        .as_ref()
        .is_some_and(|basic| !basic.username_file.is_empty() || !basic.password_file.is_empty());
    let authorization = config
        .authorization
        .as_ref()
        .is_some_and(|authorization| !authorization.credentials_file.is_empty());
    let headers = config
        .headers
        .values()
        .any(|header| !header.files.is_empty());
    basic || authorization || headers
}

pub(super) fn static_headers(config: &HttpConfig) -> Result<Headers, String> {
    let mut headers = Headers::new();
    for (name, header) in &config.headers {
        let name = HeaderName::try_from(name.as_str())
            .map_err(|_invalid| format!("http_headers: {name:?} is no header name"))?;
        for value in &header.values {
            headers.push((name.clone(), secret_value(value)?));
        }
        for secret in &header.secrets {
            headers.push((name.clone(), secret_value(secret.reveal())?));
        }
        for file in &header.files {
            let value = read_trimmed(file)
                .map_err(|error| format!("unable to read headers file {file}: {error}"))?;
            headers.push((name.clone(), secret_value(&value)?));
        }
    }
    if let Some(basic) = &config.basic_auth {
        headers.push((AUTHORIZATION, basic_value(basic)?));
    }
    if let Some(authorization) = &config.authorization {
        headers.push((AUTHORIZATION, authorization_value(authorization)?));
    }
    Ok(headers)
}

fn basic_value(basic: &BasicAuth) -> Result<HeaderValue, String> {
    let username = if basic.username_file.is_empty() {
        basic.username.clone()
    } else {
        read_trimmed(&basic.username_file)
            .map_err(|error| format!("unable to read basic auth username: {error}"))?
    };
    let password = secret(&basic.password, &basic.password_file)
        .map_err(|error| format!("unable to read basic auth password: {error}"))?;
    basic_header(&username, &password)
}

/// `Basic …`
pub(super) fn basic_header(username: &str, password: &str) -> Result<HeaderValue, String> {
    let pair = STANDARD.encode(format!("{username}:{password}"));
    secret_value(&format!("Basic {pair}"))
}

fn authorization_value(authorization: &Authorization) -> Result<HeaderValue, String> {
    let credentials = secret(&authorization.credentials, &authorization.credentials_file)
        .map_err(|error| format!("unable to read authorization credentials: {error}"))?;
    secret_value(&format!("{} {credentials}", authorization.kind))
}

/// A secret that stands in the configuration or in a file.
pub(super) fn secret(inline: &Secret, file: &str) -> Result<String, String> {
    if file.is_empty() {
        Ok(inline.reveal().to_owned())
    } else {
        read_trimmed(file)
    }
}

/// The text of a small file without the white space around it.
pub(super) fn read_trimmed(path: &str) -> Result<String, String> {
    let explain = |error: std::io::Error| format!("{path}: {error}");
    if fs::metadata(path).map_err(explain)?.len() > MAX_FILE {
        return Err(format!("{path}: larger than 1 MiB"));
    }
    let text = fs::read_to_string(path).map_err(explain)?;
    Ok(text.trim().to_owned())
}

/// A value that logs of libraries do not print; its text is never part of the error.
pub(super) fn secret_value(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_invalid| "a header's value holds characters that headers cannot".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
