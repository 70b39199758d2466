//! The URL under which a node is reached from outside, and the prefix of its routes.

use std::net::SocketAddr;

/// The external URL cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme than http and https.
    #[error("{url:?}: invalid {scheme:?} scheme, only 'http' and 'https' are supported")]
    Scheme {
        /// As given.
        url: String,
        /// What it has.
        scheme: String,
    },
    /// No URL.
    #[error("parse {url:?}: {reason}")]
    Invalid {
        /// As given.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// A URL without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExternalUrl {
    pub(crate) text: String,
    pub(crate) path: String,
}

impl ExternalUrl {
    /// Reads `--web.external-url`; if it is empty, host name and bound port make one.
    ///
    /// # Errors
    /// If it is no URL of the web.
    pub(crate) fn new(
        given: &str,
        host: &str,
        bound: SocketAddr,
        tls: bool,
    ) -> Result<Self, UrlError> {
        if given.is_empty() {
            let scheme = if tls { "https" } else { "http" };
            return Ok(Self {
                text: format!("{scheme}://{host}:{}", bound.port()),
                path: String::new(),
            });
        }
        let scheme = match given.split_once(':') {
            Some((scheme, _)) if is_scheme(scheme) => scheme.to_ascii_lowercase(),
            Some(_) | None => String::new(),
        };
        if scheme != "http" && scheme != "https" {
            return Err(UrlError::Scheme {
                url: given.to_owned(),
                scheme,
            });
        }
        let parsed = url::Url::parse(given).map_err(|error| UrlError::Invalid {
            url: given.to_owned(),
            reason: error.to_string(),
        })?;
        let plain = given.split(['?', '#']).next().unwrap_or(given);
        Ok(Self {
            text: plain.trim_end_matches('/').to_owned(),
            path: parsed.path().trim_end_matches('/').to_owned(),
        })
    }

    /// `--web.route-prefix`, or the path of the URL.
    pub(crate) fn route_prefix(&self, given: &str) -> String {
        let prefix = if given.is_empty() { &self.path } else { given };
        format!("/{}", prefix.trim_matches('/'))
    }
}

fn is_scheme(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_upstream() {
        let bound: SocketAddr = "[::]:9093".parse().unwrap();
        for (given, expect) in [
            ("", Ok(("http://host:9093", "", "/"))),
            ("http://a.b/am/", Ok(("http://a.b/am", "/am", "/am"))),
            (
                "https://a.b:1/x/y//",
                Ok(("https://a.b:1/x/y", "/x/y", "/x/y")),
            ),
            ("http://a", Ok(("http://a", "", "/"))),
            (
                "a.b/am",
                Err("\"a.b/am\": invalid \"\" scheme, only 'http' and 'https' are supported"),
            ),
            (
                "ftp://a",
                Err("\"ftp://a\": invalid \"ftp\" scheme, only 'http' and 'https' are supported"),
            ),
            ("http://", Err("parse \"http://\": empty host")),
        ] {
            let got = ExternalUrl::new(given, "host", bound, false);
            let got = got
                .as_ref()
                .map(|url| (url.text.as_str(), url.path.as_str(), url.route_prefix("")))
                .map_err(ToString::to_string);
            let expect = expect
                .map(|(text, path, prefix)| (text, path, prefix.to_owned()))
                .map_err(str::to_owned);
            assert_eq!(got, expect, "{given}");
        }
        let url = ExternalUrl::new("http://a/am", "host", bound, false).unwrap();
        assert_eq!(url.route_prefix("/"), "/");
        assert_eq!(url.route_prefix("x/"), "/x");
        assert_eq!(
            ExternalUrl::new("", "h", bound, true).unwrap().text,
            "https://h:9093"
        );
    }
}
