//! Secrets in what servers say: some repeat what they were sent.

use http::{HeaderValue, header::AUTHORIZATION};
use url::{Url, form_urlencoded::byte_serialize};

use super::{auth, exchange::without_user};
use crate::config::HttpConfig;

/// What stands in place of a secret.
const HIDDEN: &str = "<secret>";

/// What is shorter cannot be hidden without making a text unreadable; bytes.
const SHORTEST: usize = 3;

/// A text of a server at `url` without the secrets of a configuration, and without `more`. May read files.
pub(super) fn without_secrets(
    text: String,
    url: &str,
    config: &HttpConfig,
    more: Option<String>,
) -> String {
    let mut all = secrets(url, config);
    all.extend(more);
    // The name of a tenant, say, is none, and may be a part of any word.
    all.retain(|secret| secret.len() >= SHORTEST);
    // One may be a part of another.
    all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    all.iter().fold(text, |text, secret| {
        let in_form: String = byte_serialize(secret.as_bytes()).collect();
        text.replace(secret, HIDDEN).replace(&in_form, HIDDEN)
    })
}

/// What a server gets to see of secrets, as it is and as headers hold it.
fn secrets(url: &str, config: &HttpConfig) -> Vec<String> {
    let mut all = Vec::new();
    for header in config.headers.values() {
        let inline = header.secrets.iter();
        all.extend(inline.map(|secret| secret.reveal().to_owned()));
        let files = header.files.iter();
        all.extend(files.filter_map(|file| auth::read_trimmed(file).ok()));
    }
    if let Some(basic) = &config.basic_auth {
        all.extend(auth::secret(&basic.password, &basic.password_file));
    }
    if let Some(oauth2) = &config.oauth2 {
        all.extend(auth::secret(
            &oauth2.client_secret,
            &oauth2.client_secret_file,
        ));
    }
    let headers = auth::static_headers(config).unwrap_or_default();
    let of_user = headers
        .into_iter()
        .filter(|(name, _)| name == AUTHORIZATION);
    let mut values: Vec<HeaderValue> = of_user.map(|(_, value)| value).collect();
    for url in [url, config.proxy.url.reveal()] {
        let Ok(url) = Url::parse(url) else { continue };
        all.extend(url.password().map(ToOwned::to_owned));
        values.extend(without_user(&url).ok().and_then(|(_, value)| value));
    }
    let values = values.iter().filter_map(|value| value.to_str().ok());
    all.extend(
        values
            .filter_map(|value| value.split_once(' '))
            .map(|(_, one)| one.to_owned()),
    );
    all
}
