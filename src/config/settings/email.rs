//! `email_configs`: mail over SMTP.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::entry::{Inherit, or_global};
use crate::{
    config::{
        Secret, TlsConfig,
        global::Global,
        http::{OAuth2, canonical_header, oauth2_problem},
        read::{Boxed, Codec, Cursor, FilePath, Place, Reader},
        section::section,
    },
    labels::go_quote,
    yaml::Value,
};

section! {
    /// `email_configs[]`
    pub EmailConfig in "config.plain", check check_email {
        /// The addresses, separated by commas.
        to: String,
        /// The sender's address.
        from: String,
        /// The name in `EHLO`.
        hello: String,
        /// The server.
        smarthost: HostPort,
        /// The user for `LOGIN` and `PLAIN`; nobody logs in if it is empty.
        auth_username: String,
        /// The password for `LOGIN` and `PLAIN`.
        auth_password: Secret,
        /// A file with the password.
        auth_password_file: String as FilePath,
        /// The secret for `CRAM-MD5`.
        auth_secret: Secret,
        /// A file with the secret.
        auth_secret_file: String as FilePath,
        /// The identity for `PLAIN`.
        auth_identity: String,
        /// A bearer token for `XOAUTH2`.
        auth_bearer_token: Secret,
        /// A file with the token, read for each mail.
        auth_bearer_token_file: String as FilePath,
        /// Where a token for `XOAUTH2` is fetched.
        auth_oauth2: Option<Box<OAuth2>> as Option<Boxed<OAuth2>>,
        /// Headers by their canonical name, templates.
        headers: BTreeMap<String, String>,
        /// The HTML part; none if empty.
        html: String = r#"{{ template "email.default.html" . }}"#,
        /// The text part; none if empty.
        text: String,
        /// Whether a connection without TLS is refused.
        require_tls: Option<bool>,
        /// TLS to the server.
        tls ["tls_config"]: Option<Arc<TlsConfig>>,
        /// Whether TLS begins at once; `None` does so for port 465.
        force_implicit_tls: Option<bool>,
        /// Whether mails about a group form a thread.
        threading: Threading,
    }

    /// `threading` of mails.
    #[derive(Eq)]
    pub Threading in "config.ThreadingConfig" {
        /// Whether mails about a group refer to each other.
        enabled: bool,
        /// `none`, or `daily` for a thread a day.
        thread_by_date: String,
    }
}

/// A host and a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address; may be empty.
    pub host: String,
    /// A number or the name of a service; empty if there is no address at all.
    pub port: String,
}

impl HostPort {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.host.is_empty() && self.port.is_empty()
    }

    /// Go's `net.SplitHostPort`, with upstream's word about an empty port.
    fn parse(text: &str) -> Result<Self, String> {
        let problem = |what: &str| Err(format!("address {text}: {what}"));
        let Some((host, port)) = text.rsplit_once(':') else {
            return problem("missing port in address");
        };
        let host = match host.strip_prefix('[') {
            Some(inside) => match inside.split_once(']') {
                Some((host, "")) => host,
                Some(_) if inside.ends_with(']') => return problem("unexpected ']' in address"),
                _ => return problem("missing port in address"),
            },
            None if host.contains(':') => return problem("too many colons in address"),
            None => host,
        };
        if host.contains(['[', ']']) {
            return problem("unexpected '[' in address");
        }
        if port.is_empty() {
            return Err(format!("address {}: port cannot be empty", go_quote(text)));
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.to_owned(),
        })
    }
}

/// `host:port`, IPv6 addresses in brackets; nothing if there is none.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            Ok(())
        } else if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Codec for HostPort {
    type Value = Self;

    fn go_type() -> String {
        "config.HostPort".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, "string")?;
        if text.is_empty() {
            return Some(Self::default());
        }
        match Self::parse(&text) {
            Ok(address) => Some(address),
            Err(message) => {
                reader.deny(node.position(), message);
                None
            }
        }
    }

    fn null() -> Self {
        Self::default()
    }

    fn print(address: &Self) -> Value {
        Value::from(&*address.to_string())
    }

    fn is_empty(address: &Self) -> bool {
        address.is_empty()
    }
}

fn check_email(email: &mut EmailConfig, place: &Place, reader: &mut Reader<'_>) {
    if email.to.is_empty() {
        reader.deny(place.at, "missing to address in email config");
        return;
    }
    let mut headers = BTreeMap::new();
    for (name, value) in std::mem::take(&mut email.headers) {
        let name = canonical_header(&name);
        if headers.contains_key(&name) {
            let message = format!("duplicate header {} in email config", go_quote(&name));
            reader.deny(place.of("headers"), message);
        }
        headers.insert(name, value);
    }
    email.headers = headers;
    check_bearer(email, place, reader);
    if !email.threading.enabled {
        return;
    }
    for name in ["References", "In-Reply-To"] {
        if email.headers.contains_key(name) {
            let message = format!(
                "conflicting configuration: threading.enabled conflicts with custom {name} header"
            );
            reader.deny(place.of("threading"), message);
            return;
        }
    }
    if !["none", "daily"].contains(&&*email.threading.thread_by_date) {
        reader.deny(
            place.of("threading"),
            "threading.thread_by_date must be either 'none' or 'daily'",
        );
    }
}

fn check_bearer(email: &EmailConfig, place: &Place, reader: &mut Reader<'_>) {
    reader.at_most_one(
        place,
        &[
            ("auth_bearer_token", !email.auth_bearer_token.is_empty()),
            (
                "auth_bearer_token_file",
                !email.auth_bearer_token_file.is_empty(),
            ),
            ("auth_oauth2", email.auth_oauth2.is_some()),
        ],
    );
    if let Some(problem) = email.auth_oauth2.as_deref().and_then(oauth2_problem) {
        reader.deny(place.of("auth_oauth2"), problem);
    }
}

impl Inherit for EmailConfig {
    const SEND_RESOLVED: bool = false;

    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        if self.tls.is_none() {
            self.tls.clone_from(&global.smtp_tls);
        }
        or_global(&mut self.smarthost, &global.smtp_smarthost);
        if self.smarthost.is_empty() {
            reader.deny(place.at, "no global SMTP smarthost set");
            return;
        }
        or_global(&mut self.from, &global.smtp_from);
        if self.from.is_empty() {
            reader.deny(place.at, "no global SMTP from set");
            return;
        }
        or_global(&mut self.hello, &global.smtp_hello);
        or_global(&mut self.auth_username, &global.smtp_auth_username);
        if self.auth_password.is_empty() && self.auth_password_file.is_empty() {
            self.auth_password = global.smtp_auth_password.clone();
            self.auth_password_file
                .clone_from(&global.smtp_auth_password_file);
        }
        if self.auth_secret.is_empty() && self.auth_secret_file.is_empty() {
            self.auth_secret = global.smtp_auth_secret.clone();
            self.auth_secret_file
                .clone_from(&global.smtp_auth_secret_file);
        }
        or_global(&mut self.auth_identity, &global.smtp_auth_identity);
        if self.auth_bearer_token.is_empty()
            && self.auth_bearer_token_file.is_empty()
            && self.auth_oauth2.is_none()
        {
            self.auth_bearer_token = global.smtp_auth_bearer_token.clone();
            self.auth_bearer_token_file
                .clone_from(&global.smtp_auth_bearer_token_file);
            self.auth_oauth2.clone_from(&global.smtp_auth_oauth2);
        }
        if self.require_tls.is_none() {
            self.require_tls = Some(global.smtp_require_tls);
        }
        if self.force_implicit_tls.is_none() {
            self.force_implicit_tls = global.smtp_force_implicit_tls;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expect) in [
            ("localhost:25", Ok("localhost:25")),
            (":25", Ok(":25")),
            ("[::1]:smtp", Ok("[::1]:smtp")),
            ("a", Err("address a: missing port in address")),
            ("a:", Err("address \"a:\": port cannot be empty")),
            ("a:b:c", Err("address a:b:c: too many colons in address")),
            ("[::1]", Err("address [::1]: missing port in address")),
        ] {
            let found = HostPort::parse(text).map(|address| address.to_string());
            assert_eq!(found, expect.map(str::to_owned).map_err(str::to_owned));
        }
    }
}
