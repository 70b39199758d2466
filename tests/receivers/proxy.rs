//! A proxy that tunnels to a server on this machine whatever host it is asked for.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::server::{Ca, Reply, Request, Server};

pub(crate) struct Proxy {
    url: String,
    /// What it was asked to connect to.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) async fn start(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (heard, port) = (Arc::clone(&asked), server.port());
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let heard = Arc::clone(&heard);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(client.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    let target = head.split(' ').nth(1).unwrap();
                    heard.lock().unwrap().push(target.to_owned());
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A vendor under its own name and TLS, reached through a proxy: for receivers whose address is fixed.
pub(crate) struct Vendor {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    ca: Ca,
}

impl Vendor {
    pub(crate) async fn start(
        name: &str,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let ca = Ca::new();
        let server = Server::start_with(Some(ca.server(name)), handler).await;
        let proxy = Proxy::start(&server).await;
        Self { server, proxy, ca }
    }

    /// `http_config` that reaches it.
    pub(crate) fn http_config(&self) -> String {
        let ca = self.ca.pem().replace('\n', "\\n");
        format!(
            "http_config: {{proxy_url: '{}', tls_config: {{ca: \"{ca}\"}}}}",
            self.proxy.url
        )
    }
}
