//! Through a proxy.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::server::{Ca, Server, answer, clients, lock, post};
use crate::config::{HttpConfig, ProxyConfig, Secret, TlsConfig};

/// A proxy that keeps the heads of what it is asked, and tunnels.
async fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&heads);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap().to_owned();
                let tunnels = head.starts_with("CONNECT ");
                lock(&kept).push(head);
                if tunnels {
                    let port = target.rsplit(':').next().unwrap();
                    let to = format!("127.0.0.1:{port}");
                    let mut server = TcpStream::connect(to).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                } else {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy";
                    stream.write_all(answer).await.unwrap();
                    let _ = stream.read(&mut [0; 4096]).await;
                }
            });
        }
    });
    (address, heads)
}

#[tokio::test]
async fn goes_through_the_proxy() {
    let (address, heads) = proxy().await;
    let ca = Ca::new();
    let server = Server::start_tls(Some(ca.server("hooks.example")), |_| answer(200, "")).await;
    let http = Arc::new(HttpConfig {
        proxy: ProxyConfig {
            url: Secret::new(format!("http://pu:pw@{address}")),
            no_proxy: "straight.example".to_owned(),
            connect_header: BTreeMap::from([(
                "X-Proxy".to_owned(),
                vec![Secret::new("a"), Secret::new("b")],
            )]),
            ..ProxyConfig::default()
        },
        tls: TlsConfig {
            ca: ca.pem(),
            ..TlsConfig::default()
        },
        ..HttpConfig::default()
    });
    let clients = clients();
    let response = post(&clients, "http://hooks.example/plain", &http)
        .await
        .unwrap();
    assert_eq!(response.body, b"proxy");
    let head = lock(&heads).pop().unwrap().to_lowercase();
    assert!(
        head.starts_with("post http://hooks.example/plain http/1.1"),
        "{head}"
    );
    assert!(
        head.contains("proxy-authorization: basic chu6chc="),
        "{head}"
    );

    let url = server.tls_url("hooks.example", "/secret");
    post(&clients, &url, &http).await.unwrap();
    assert_eq!(server.last().body, "{}");
    let head = lock(&heads).pop().unwrap().to_lowercase();
    assert!(head.starts_with("connect hooks.example:"), "{head}");
    assert!(
        head.contains("proxy-authorization: basic chu6chc="),
        "{head}"
    );
    assert!(
        head.contains("x-proxy: a\r\n") && head.contains("x-proxy: b\r\n"),
        "{head}"
    );
    assert!(!head.contains("secret"), "{head}");

    // This name leads nowhere, but the proxy is not asked for it.
    let error = post(&clients, "http://straight.example.invalid./", &http).await;
    assert!(error.is_ok());
    let straight = "http://straight.example:1/";
    assert!(post(&clients, straight, &http).await.is_err());
    assert!(!lock(&heads).last().unwrap().contains("straight.example:1"));
}
