//! TLS at once and after `STARTTLS`, and those who would rather do without.

use std::sync::Arc;

use rustls::ServerConfig;

use super::server::{Script, Server, failed, login, send, taken};
use crate::{
    config::{Secret, TlsConfig, TlsVersion},
    io::http::tests::server::{Ca, server_config},
};

fn trusting(ca: &Ca) -> TlsConfig {
    TlsConfig {
        ca: ca.pem(),
        ..TlsConfig::default()
    }
}

fn without_alpn(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols.clear();
    Arc::new(config)
}

async fn start(ca: &Ca, script: Script) -> Arc<Server> {
    Server::start(Script {
        tls: Some(without_alpn(ca.server("localhost"))),
        ..script
    })
    .await
}

#[tokio::test]
async fn implicit_and_starttls() {
    let ca = Ca::new();
    for implicit in [true, false] {
        let script = Script {
            implicit,
            ..Script::offering(&["STARTTLS", "AUTH PLAIN"])
        };
        let server = start(&ca, script).await;
        let mut mail = server.secure_mail(trusting(&ca));
        mail.implicit_tls = implicit;
        mail.login = Some(login());
        taken(send(&mail).await);
        let heard = server.heard();
        let expect: &[&str] = if implicit {
            &["EHLO", "AUTH", "MAIL", "RCPT", "DATA"]
        } else {
            &["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]
        };
        let words: Vec<_> = heard
            .iter()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(words, expect);
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let ca = Ca::new();
    let server = start(&ca, Script::offering(&["AUTH PLAIN"])).await;
    let mut mail = server.secure_mail(trusting(&ca));
    mail.login = Some(login());
    let (error, _, retry, _) = failed(send(&mail).await);
    assert_eq!(
        error,
        format!(
            "'require_tls' is true (default) but \"localhost:{}\" does not advertise the STARTTLS extension",
            server.port
        )
    );
    assert!(retry);
    assert_eq!(server.heard(), ["EHLO me.example", "QUIT"]);

    let script = Script {
        extensions: vec!["STARTTLS"],
        ..Script::answering(&[("STARTTLS", "454 not now")])
    };
    let server = start(&ca, script).await;
    let (error, _, retry, _) = failed(send(&server.secure_mail(trusting(&ca))).await);
    assert_eq!(error, "send STARTTLS command: 454 not now");
    assert!(retry);
}

#[tokio::test]
async fn what_comes_before_tls_is_not_taken_for_what_came_over_it() {
    let ca = Ca::new();
    let script = Script {
        extensions: vec!["STARTTLS"],
        ..Script::answering(&[("STARTTLS", "220 go\r\n250-fake\r\n250 AUTH PLAIN")])
    };
    let server = start(&ca, script).await;
    let mut mail = server.secure_mail(trusting(&ca));
    mail.login = Some(login());
    let (error, _, retry, _) = failed(send(&mail).await);
    assert!(error.starts_with("send STARTTLS command: "), "{error}");
    assert!(retry);
    assert!(!server.heard().iter().any(|line| line.starts_with("AUTH")));
}

#[tokio::test]
async fn certificates_are_verified() {
    let ca = Ca::new();
    let other = Ca::new();
    let named = |name: &str| TlsConfig {
        server_name: name.to_owned(),
        ..trusting(&ca)
    };
    for implicit in [true, false] {
        for (tls, expect) in [
            (TlsConfig::default(), Some("UnknownIssuer")),
            (trusting(&other), Some("invalid peer certificate")),
            (named("else.example"), Some("not valid for name")),
            (named("localhost"), None),
            (
                TlsConfig {
                    insecure_skip_verify: true,
                    max_version: Some(TlsVersion::Tls12),
                    ..TlsConfig::default()
                },
                None,
            ),
        ] {
            let script = Script {
                implicit,
                ..Script::offering(&["STARTTLS"])
            };
            let server = start(&ca, script).await;
            let mut mail = server.secure_mail(tls);
            mail.implicit_tls = implicit;
            let outcome = send(&mail).await;
            let Some(expect) = expect else {
                taken(outcome);
                continue;
            };
            let (error, _, retry, _) = failed(outcome);
            let step = if implicit {
                "establish TLS connection to server: "
            } else {
                "send STARTTLS command: "
            };
            assert!(error.starts_with(step) && error.contains(expect), "{error}");
            assert!(retry);
        }
    }
}

#[tokio::test]
async fn client_certificates_and_settings_that_make_no_sense() {
    let ca = Ca::new();
    let (cert, key) = ca.sign("localhost");
    let config = server_config(&cert, &key, Some(&ca.pem()));
    let script = Script {
        tls: Some(without_alpn(config)),
        ..Script::offering(&["STARTTLS"])
    };
    let server = Server::start(script).await;
    let (cert, key) = ca.sign("client");
    let with = TlsConfig {
        cert,
        key: Secret::new(key),
        ..trusting(&ca)
    };
    taken(send(&server.secure_mail(with)).await);

    let missing = TlsConfig {
        ca_file: "/no/such/file".to_owned(),
        ..TlsConfig::default()
    };
    let (error, _, retry, _) = failed(send(&server.secure_mail(missing)).await);
    assert!(
        error.starts_with("parse TLS configuration: unable to read CA cert"),
        "{error}"
    );
    assert!(!retry);
}
