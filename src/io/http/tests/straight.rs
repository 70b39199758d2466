//! Requests that go straight to a server, on connections that whoever asks drives.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use super::server::{Server, answer, clients};
use crate::{
    config::{BasicAuth, HttpConfig, ProxyConfig, Secret},
    io::http::{Straight, StraightAnswer},
};

fn straight(url: &str, config: &HttpConfig) -> Option<Arc<Straight>> {
    clients().straight(url, config)
}

async fn send(
    to: &Arc<Straight>,
    path: &str,
    body: &'static str,
) -> Result<StraightAnswer, String> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    to.send(method, &[path], &[("X-Own", "1")], body.as_bytes())
        .await
}

/// The whole of an answer, whose connection is given back.
async fn whole(mut answer: StraightAnswer) -> Result<String, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(chunk);
    }
    answer.finish();
    Ok(String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let server = Server::start(|seen| answer(200, format!("{} {}", seen.uri, seen.body))).await;
    let config = HttpConfig {
        basic_auth: Some(BasicAuth {
            username: "u".to_owned(),
            password: Secret::new("p"),
            ..BasicAuth::default()
        }),
        ..HttpConfig::default()
    };
    let to = straight(&server.url("/below/"), &config).unwrap();
    assert_eq!(to.path(), "/below");
    for number in 0..20 {
        let (path, body) = (
            format!("/a?n={number}"),
            if number % 2 == 0 { "" } else { "b" },
        );
        let got = send(&to, &path, body).await.unwrap();
        assert_eq!(got.status(), 200);
        assert_eq!(whole(got).await, Ok(format!("{path} {body}")));
    }
    assert_eq!(server.connections.load(Relaxed), 1);
    let last = server.last();
    assert_eq!(last.header("host"), Some(&*server.address.to_string()));
    assert_eq!(last.header("authorization"), Some("Basic dTpw"));
    assert_eq!((last.header("x-own"), &*last.body), (Some("1"), "b"));

    // Of two at a time each has its own, and one whose answer was not read is not used again.
    let (first, second) = (send(&to, "/1", "").await, send(&to, "/2", "").await);
    drop(first);
    whole(second.unwrap()).await.unwrap();
    assert_eq!(server.connections.load(Relaxed), 2);
    whole(send(&to, "/3", "").await.unwrap()).await.unwrap();
    assert_eq!(server.connections.load(Relaxed), 2);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_no_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (read, mut was_read) = mpsc::channel::<()>(1);
    let (close, mut was_closed) = mpsc::channel::<()>(1);
    let serving = tokio::spawn(async move {
        // Answers one request per connection, and closes it once the answer was read; the last answer is cut short.
        for body in ["one", "two", "thr"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let length = if body == "thr" { 5 } else { 3 };
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await.unwrap();
            if length == 3 {
                was_read.recv().await.unwrap();
                drop(stream);
                close.send(()).await.unwrap();
            }
        }
    });
    let to = straight(&url, &HttpConfig::default()).unwrap();
    for expected in ["one", "two"] {
        let got = send(&to, "/", "").await.unwrap();
        assert_eq!(whole(got).await, Ok(expected.to_owned()));
        read.send(()).await.unwrap();
        was_closed.recv().await.unwrap();
        // So that this side knows of it.
        tokio::task::yield_now().await;
    }
    let cut = whole(send(&to, "/", "").await.unwrap()).await.unwrap_err();
    assert!(cut.contains("body"), "{cut}");
    serving.await.unwrap();
    let gone = send(&to, "/", "").await.err().unwrap();
    assert!(gone.starts_with("tcp connect error: "), "{gone}");
}

#[test]
fn what_needs_more_does_not_go_straight() {
    let goes = |url: &str, config: &HttpConfig| straight(url, config).is_some();
    let plain = HttpConfig::default();
    assert!(goes("http://127.0.0.1:9090", &plain) && goes("http://[::1]:9090/p", &plain));
    assert!(!goes("https://127.0.0.1:9090", &plain));
    assert!(!goes("http://user:password@127.0.0.1:9090", &plain));
    let file = HttpConfig {
        basic_auth: Some(BasicAuth {
            username: "u".to_owned(),
            password_file: "/nowhere".to_owned(),
            ..BasicAuth::default()
        }),
        ..HttpConfig::default()
    };
    assert!(
        !goes("http://127.0.0.1:9090", &file),
        "it is read each time"
    );
    let proxied = HttpConfig {
        proxy: ProxyConfig {
            url: Secret::new("http://proxy.example"),
            no_proxy: "near.example".to_owned(),
            ..ProxyConfig::default()
        },
        ..HttpConfig::default()
    };
    assert!(!goes("http://far.example", &proxied));
    assert!(goes("http://near.example", &proxied));
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_that_of_the_next_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (read, mut was_read) = mpsc::channel::<()>(1);
    let (more, mut came_more) = mpsc::channel::<()>(1);
    let serving = tokio::spawn(async move {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{body}");
        let mut kept = Vec::new();
        for body in ["one", "two"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer(body).as_bytes()).await.unwrap();
            if body == "one" {
                was_read.recv().await.unwrap();
                stream.write_all(answer("???").as_bytes()).await.unwrap();
                more.send(()).await.unwrap();
            }
            kept.push(stream);
        }
        kept
    });
    let to = straight(&url, &HttpConfig::default()).unwrap();
    let first = send(&to, "/", "").await.unwrap();
    assert_eq!(whole(first).await, Ok("one".to_owned()));
    read.send(()).await.unwrap();
    came_more.recv().await.unwrap();
    let second = send(&to, "/", "").await.unwrap();
    assert_eq!(whole(second).await, Ok("two".to_owned()));
    serving.await.unwrap();
}
