//! What servers are trusted, and rotation.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::server::{Ca, Server, answer, clients, lock, post, server_config, with_tls};
use crate::config::{HttpConfig, TlsConfig, TlsVersion};

#[tokio::test]
async fn verifies_servers_as_told() {
    let ca = Ca::new();
    let server = Server::start_tls(Some(ca.server("localhost")), |_| answer(200, "")).await;
    let url = server.tls_url("localhost", "/");
    let clients = clients();
    let good = TlsConfig {
        ca: ca.pem(),
        ..TlsConfig::default()
    };
    post(&clients, &url, &with_tls(good.clone())).await.unwrap();
    assert_eq!(server.last().version, http::Version::HTTP_2);

    let one = HttpConfig {
        enable_http2: false,
        tls: good.clone(),
        ..HttpConfig::default()
    };
    post(&clients, &url, &Arc::new(one)).await.unwrap();
    assert_eq!(server.last().version, http::Version::HTTP_11);

    for (tls, url, expect) in [
        (TlsConfig::default(), &url, "UnknownIssuer"),
        (
            TlsConfig {
                ca: Ca::new().pem(),
                ..TlsConfig::default()
            },
            &url,
            "invalid peer certificate",
        ),
        (
            TlsConfig {
                ca: "no PEM".to_owned(),
                ..TlsConfig::default()
            },
            &url,
            "unable to use specified CA cert",
        ),
        (
            good.clone(),
            &server.tls_url("127.0.0.1", "/"),
            "not valid for name",
        ),
        (
            TlsConfig {
                max_version: Some(TlsVersion::Tls11),
                ..good.clone()
            },
            &url,
            "TLS 1.0 and 1.1 are not supported",
        ),
    ] {
        let error = post(&clients, url, &with_tls(tls)).await.unwrap_err();
        assert!(error.message.contains(expect), "{expect}: {error:?}");
        assert!(!error.ambiguous, "{error:?}");
    }

    let trusting = TlsConfig {
        insecure_skip_verify: true,
        max_version: Some(TlsVersion::Tls12),
        ..TlsConfig::default()
    };
    let url = server.tls_url("127.0.0.1", "/");
    post(&clients, &url, &with_tls(trusting)).await.unwrap();
}

#[tokio::test]
async fn a_server_may_present_the_very_certificate_that_is_trusted() {
    // As `openssl req -x509` makes them: a CA that is its own server.
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let config = server_config(&cert, &key.serialize_pem(), None);
    let server = Server::start_tls(Some(config), |_| answer(200, "")).await;
    let tls = with_tls(TlsConfig {
        ca: cert,
        ..TlsConfig::default()
    });
    let clients = clients();
    post(&clients, &server.tls_url("localhost", "/"), &tls)
        .await
        .unwrap();
    let other_name = server.tls_url("127.0.0.1", "/");
    assert!(post(&clients, &other_name, &tls).await.is_err());
}

#[tokio::test]
async fn server_name_is_asked_for_and_verified() {
    let ca = Ca::new();
    let server = Server::start_tls(Some(ca.server("hooks.example")), |_| answer(200, "")).await;
    let tls = with_tls(TlsConfig {
        ca: ca.pem(),
        server_name: "hooks.example".to_owned(),
        ..TlsConfig::default()
    });
    let clients = clients();
    for host in ["127.0.0.1", "localhost"] {
        post(&clients, &server.tls_url(host, "/x"), &tls)
            .await
            .unwrap();
        let expect = format!("{host}:{}", server.address.port());
        assert_eq!(server.last().header("host"), Some(expect.as_str()));
    }
    let names = lock(&server.names).clone();
    assert_eq!(names, vec![Some("hooks.example".to_owned()); 2]);
    let wrong = with_tls(TlsConfig {
        ca: ca.pem(),
        server_name: "other.example".to_owned(),
        ..TlsConfig::default()
    });
    assert!(
        post(&clients, &server.tls_url("localhost", "/"), &wrong)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn client_certificates_are_rotated_without_a_reload() {
    let (old_ca, new_ca) = (Ca::new(), Ca::new());
    let server_with = |ca: &Ca| {
        let (cert, key) = ca.sign("localhost");
        server_config(&cert, &key, Some(&ca.pem()))
    };
    let old_server = Server::start_tls(Some(server_with(&old_ca)), |_| answer(200, "")).await;
    let new_server = Server::start_tls(Some(server_with(&new_ca)), |_| answer(200, "")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let install = |ca: &Ca| {
        let (cert, key) = ca.sign("client");
        std::fs::write(file("ca"), ca.pem()).unwrap();
        std::fs::write(file("cert"), cert).unwrap();
        std::fs::write(file("key"), key).unwrap();
    };
    let tls = with_tls(TlsConfig {
        ca_file: file("ca"),
        cert_file: file("cert"),
        key_file: file("key"),
        ..TlsConfig::default()
    });
    let clients = clients();
    let (old, new) = (
        old_server.tls_url("localhost", "/"),
        new_server.tls_url("localhost", "/"),
    );
    let missing = post(&clients, &old, &tls).await.unwrap_err();
    assert!(
        missing.message.contains("unable to read CA cert"),
        "{missing:?}"
    );

    install(&old_ca);
    post(&clients, &old, &tls).await.unwrap();
    assert!(post(&clients, &new, &tls).await.is_err());
    install(&new_ca);
    post(&clients, &new, &tls).await.unwrap();
    // Half-written files do not end what works.
    std::fs::write(file("cert"), "half").unwrap();
    post(&clients, &new, &tls).await.unwrap();
    std::fs::remove_file(file("key")).unwrap();
    post(&clients, &new, &tls).await.unwrap();
}
