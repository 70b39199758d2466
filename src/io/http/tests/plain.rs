//! Requests, credentials, redirects, limits.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use http::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::server::{LONG, Server, answer, clients, moved, post, request};
use crate::{
    config::{Authorization, BasicAuth, HttpConfig, HttpHeader, Secret},
    notify::integration::TransportError,
};

#[tokio::test]
async fn sends_what_it_is_given_over_one_connection() {
    let server = Server::start(|_| answer(202, "taken")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let path = file.to_str().unwrap().to_owned();
    let http = HttpConfig {
        basic_auth: Some(BasicAuth {
            username: "user".to_owned(),
            password_file: path.clone(),
            ..BasicAuth::default()
        }),
        headers: BTreeMap::from([(
            "X-Test".to_owned(),
            HttpHeader {
                values: vec!["plain".to_owned()],
                secrets: vec![Secret::new("hidden")],
                files: vec![path],
            },
        )]),
        ..HttpConfig::default()
    };
    let clients = clients();
    let response = post(&clients, &server.url("/hook?a=b"), &Arc::new(http.clone()))
        .await
        .unwrap();
    assert_eq!(
        (response.status, response.body.as_slice()),
        (202, b"taken".as_slice())
    );
    let seen = server.last();
    assert_eq!(
        (seen.method, seen.uri.as_str()),
        (Method::POST, "/hook?a=b")
    );
    assert_eq!(seen.body, "{}");
    for (name, expect) in [
        ("user-agent", "Alertmanager/0.34.0"),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("idempotency-key", "\"K\""),
        ("x-test", "plain|hidden|first"),
        ("authorization", "Basic dXNlcjpmaXJzdA=="),
    ] {
        assert_eq!(
            seen.headers.get(name).map(String::as_str),
            Some(expect),
            "{name}"
        );
    }

    // The file is rotated, and the configuration reloaded without a change: the connection stays.
    std::fs::write(&file, "second").unwrap();
    post(&clients, &server.url("/"), &Arc::new(http))
        .await
        .unwrap();
    assert_eq!(
        server.last().header("authorization"),
        Some("Basic dXNlcjpzZWNvbmQ=")
    );
    assert_eq!(server.connections.load(Relaxed), 1);

    // A user in the address comes before that of the configuration.
    let url = server.url("/").replace("http://", "http://a%40b:c@");
    let http = Arc::new(HttpConfig {
        authorization: Some(Authorization {
            credentials: Secret::new("token"),
            ..Authorization::default()
        }),
        ..HttpConfig::default()
    });
    post(&clients, &url, &http).await.unwrap();
    assert_eq!(
        server.last().header("authorization"),
        Some("Basic YUBiOmM=")
    );
    post(&clients, &server.url("/"), &http).await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("Bearer token"));
}

#[tokio::test]
async fn missing_files_fail_before_anything_is_sent() {
    let server = Server::start(|_| answer(200, "")).await;
    let http = Arc::new(HttpConfig {
        authorization: Some(Authorization {
            credentials_file: "/does/not/exist".to_owned(),
            ..Authorization::default()
        }),
        ..HttpConfig::default()
    });
    let error = post(&clients(), &server.url("/"), &http).await.unwrap_err();
    assert!(error.message.contains("/does/not/exist"), "{error:?}");
    assert!(!error.ambiguous && !error.timed_out);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn large_answers_are_cut() {
    let server = Server::start(|_| answer(500, vec![b'x'; 300_000])).await;
    let clients = clients();
    let http = Arc::default();
    for _ in 0..2 {
        let response = post(&clients, &server.url("/"), &http).await.unwrap();
        assert_eq!((response.status, response.body.len()), (500, 64 * 1024));
    }
    assert_eq!(server.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn redirects_are_followed_as_go_follows_them() {
    let other = Server::start(|_| answer(200, "other")).await;
    let other_url = other.url("/there").replace("127.0.0.1", "localhost");
    let server = Server::start(move |seen| match seen.uri.as_str() {
        "/302" => moved(302, "/end"),
        "/307" => moved(307, "/end"),
        "/other" => moved(308, &other_url),
        "/loop" => moved(302, "/loop"),
        _ => answer(200, "end"),
    })
    .await;
    let clients = clients();
    let http = Arc::new(HttpConfig {
        authorization: Some(Authorization {
            credentials: Secret::new("token"),
            ..Authorization::default()
        }),
        ..HttpConfig::default()
    });
    post(&clients, &server.url("/302"), &http).await.unwrap();
    let seen = server.last();
    assert_eq!((&seen.method, seen.body.as_str()), (&Method::GET, ""));
    assert_eq!(seen.header("content-type"), None);
    assert_eq!(seen.header("authorization"), Some("Bearer token"));

    post(&clients, &server.url("/307"), &http).await.unwrap();
    assert_eq!(
        (server.last().method, server.last().body),
        (Method::POST, "{}".to_owned())
    );

    let response = post(&clients, &server.url("/other"), &http).await.unwrap();
    assert_eq!(response.body, b"other");
    assert_eq!(other.last().body, "{}");
    assert_eq!(other.last().header("authorization"), None);

    // An integration's own key wins over the configuration, and goes no further than the server that it is for.
    let mut own = request(&server.url("/307"), &http);
    own.headers.push(("Authorization", "GenieKey K".to_owned()));
    clients.send(&own, LONG).await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("GenieKey K"));
    own.url = Secret::new(server.url("/other"));
    clients.send(&own, LONG).await.unwrap();
    assert_eq!(other.last().header("authorization"), None);

    let error = post(&clients, &server.url("/loop"), &http)
        .await
        .unwrap_err();
    assert_eq!(error.message, "stopped after 10 redirects");

    let stays = Arc::new(HttpConfig {
        follow_redirects: false,
        ..HttpConfig::default()
    });
    let response = post(&clients, &server.url("/302"), &stays).await.unwrap();
    assert_eq!(
        (response.status, response.header("location")),
        (302, Some("/end"))
    );
}

/// Takes connections, reads what comes, answers with `words` and then nothing.
async fn silent(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    let _ = stream.write_all(words).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn tells_whether_the_receiver_may_have_got_it() {
    let clients = clients();
    let http = Arc::default();
    let mut slow = request(&format!("http://{}/hunter2", silent(b"").await), &http);
    slow.timeout = Some(Duration::from_millis(200));
    let error = clients.send(&slow, LONG).await.unwrap_err();
    let expect = TransportError {
        message: "context deadline exceeded".to_owned(),
        timed_out: true,
        ambiguous: true,
    };
    assert_eq!(error, expect);

    // A server that never ends the TLS handshake was not told anything.
    let address = silent(b"").await;
    let tls = request(&format!("https://{address}/hunter2"), &http);
    let error = clients
        .send(&tls, Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(error.timed_out && !error.ambiguous, "{error:?}");

    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hunter2", free.local_addr().unwrap());
    drop(free);
    let error = post(&clients, &url, &http).await.unwrap_err();
    assert!(!error.timed_out && !error.ambiguous, "{error:?}");
    assert!(error.message.contains("Connection refused"), "{error:?}");
    assert!(!error.message.contains("hunter2"), "{error:?}");

    // The connection ends after the request was written.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hunter2", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
    });
    let error = post(&clients, &url, &http).await.unwrap_err();
    assert!(!error.timed_out && error.ambiguous, "{error:?}");
    assert!(!error.message.contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn an_answer_counts_though_its_body_never_comes() {
    let address = silent(b"HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\npart").await;
    let request = request(&format!("http://{address}/"), &Arc::default());
    let response = clients()
        .send(&request, Duration::from_millis(500))
        .await
        .unwrap();
    assert_eq!(
        (response.status, response.body.as_slice()),
        (503, b"part".as_slice())
    );
}
