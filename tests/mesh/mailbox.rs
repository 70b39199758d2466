//! A mail server with one mailbox, for mails without TLS.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::harness::{network::OUTSIDE, web::RUNTIME};

/// The server; it runs until the program ends.
pub(crate) struct Mailbox {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Mailbox {
    pub(crate) fn open() -> Self {
        let listener = RUNTIME
            .block_on(TcpListener::bind((IpAddr::V4(OUTSIDE), 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&mails);
        RUNTIME.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mails = Arc::clone(&kept);
                tokio::spawn(async move { converse(stream, &mails).await });
            }
        });
        Self { address, mails }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// All mails so far, as they came.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn converse(stream: TcpStream, mails: &Mutex<Vec<String>>) -> Option<()> {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    writing.write_all(b"220 mail.test ESMTP\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" | "HELO" => "250 mail.test",
            "DATA" => {
                writing.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = String::new();
                loop {
                    let line = lines.next_line().await.ok()??;
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                mails
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(mail);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _other => "250 ok",
        };
        let answer = format!("{answer}\r\n");
        writing.write_all(answer.as_bytes()).await.ok()?;
        if verb == "QUIT" {
            return None;
        }
    }
    None
}
