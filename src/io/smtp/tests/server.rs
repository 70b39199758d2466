//! A mail server that does as it is told and writes down what it hears.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::super::clients::{MailClients, lock};
use crate::{
    config::{HostPort, Secret, TlsConfig},
    notify::{
        FailureReason,
        integration::{MailLogin, MailOutcome, MailRequest},
    },
};

pub(super) const LONG: Duration = Duration::from_secs(30);

/// What the server does. Its answers are looked up by the beginning of the line; `DATA.` is the end of a message, and
/// `220` is the greeting. An answer is written as it is; `~` before it closes the connection afterwards, and `!` stands
/// for an answer that never comes.
#[derive(Clone, Default)]
pub(super) struct Script {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) implicit: bool,
    pub(super) extensions: Vec<&'static str>,
    pub(super) answers: Vec<(&'static str, &'static str)>,
    /// How many times the answers count, each; after that the server behaves.
    pub(super) times: Option<usize>,
}

impl Script {
    pub(super) fn answering(answers: &[(&'static str, &'static str)]) -> Self {
        Self {
            answers: answers.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn offering(extensions: &[&'static str]) -> Self {
        Self {
            extensions: extensions.to_vec(),
            ..Self::default()
        }
    }
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) heard: Arc<Mutex<Vec<String>>>,
    pub(super) mails: Arc<Mutex<Vec<String>>>,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) most_open: Arc<AtomicUsize>,
    script: Arc<Script>,
    used: Arc<AtomicUsize>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Server {
    pub(super) async fn start(script: Script) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            mails: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
            most_open: Arc::default(),
            script: Arc::new(script),
            used: Arc::default(),
        });
        let running = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = Arc::clone(&running);
                tokio::spawn(async move {
                    server.connections.fetch_add(1, Relaxed);
                    let open = server.open.fetch_add(1, Relaxed) + 1;
                    server.most_open.fetch_max(open, Relaxed);
                    let _ = server.serve(stream).await;
                    server.open.fetch_sub(1, Relaxed);
                });
            }
        });
        server
    }

    pub(super) fn heard(&self) -> Vec<String> {
        lock(&self.heard).clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream: BufReader<Box<dyn Stream>> = if self.script.implicit {
            let acceptor = TlsAcceptor::from(self.script.tls.clone().unwrap());
            BufReader::new(Box::new(acceptor.accept(stream).await?))
        } else {
            BufReader::new(Box::new(stream))
        };
        if !self
            .answer(&mut stream, "220", "220 test ESMTP\r\n")
            .await?
        {
            return Ok(());
        }
        while let Some(line) = self.line(&mut stream).await? {
            let word = line.split(' ').next().unwrap_or_default();
            let go_on = match word {
                "EHLO" => {
                    let mut answer = "250-test greets you\r\n".to_owned();
                    for extension in &self.script.extensions {
                        answer.push_str(&format!("250-{extension}\r\n"));
                    }
                    answer.push_str("250 HELP\r\n");
                    self.answer(&mut stream, &line, &answer).await?
                }
                "STARTTLS" => {
                    if !self.answer(&mut stream, &line, "220 go\r\n").await? {
                        return Ok(());
                    }
                    let acceptor = TlsAcceptor::from(self.script.tls.clone().unwrap());
                    let plain = stream.into_inner();
                    stream = BufReader::new(Box::new(acceptor.accept(plain).await?));
                    true
                }
                "DATA" => {
                    if !self.answer(&mut stream, &line, "354 go\r\n").await? {
                        return Ok(());
                    }
                    if self.answer_of(&line).is_some_and(|a| !a.starts_with('3')) {
                        continue;
                    }
                    let mut mail = String::new();
                    while let Some(line) = self.raw_line(&mut stream).await? {
                        if line == ".\r\n" {
                            break;
                        }
                        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    }
                    lock(&self.mails).push(mail);
                    self.answer(&mut stream, "DATA.", "250 2.0.0 queued as X1\r\n")
                        .await?
                }
                "AUTH" => self.login(&mut stream, &line).await?,
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    false
                }
                _ => self.answer(&mut stream, &line, "250 ok\r\n").await?,
            };
            if !go_on {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn login(
        &self,
        stream: &mut BufReader<Box<dyn Stream>>,
        line: &str,
    ) -> std::io::Result<bool> {
        let questions: &[&str] = match line.split(' ').nth(1).unwrap() {
            "LOGIN" => &["Username:", "Password:"],
            "CRAM-MD5" => &["<1896.697170952@postoffice.reston.mci.net>"],
            _ => &[],
        };
        if self.answer_of(line).is_none() {
            for question in questions {
                let text = format!("334 {}\r\n", STANDARD.encode(question));
                stream.write_all(text.as_bytes()).await?;
                if self.line(stream).await?.is_none() {
                    return Ok(false);
                }
            }
        }
        self.answer(stream, line, "235 ok\r\n").await
    }

    fn answer_of(&self, line: &str) -> Option<&'static str> {
        let answers = &self.script.answers;
        let known = answers.iter().find(|(start, _)| line.starts_with(start));
        known
            .filter(|_| {
                self.script
                    .times
                    .is_none_or(|n| self.used.load(Relaxed) < n)
            })
            .map(|(_, answer)| *answer)
    }

    /// Whether the connection goes on.
    async fn answer(
        &self,
        stream: &mut BufReader<Box<dyn Stream>>,
        line: &str,
        usual: &str,
    ) -> std::io::Result<bool> {
        let Some(answer) = self.answer_of(line) else {
            stream.write_all(usual.as_bytes()).await?;
            stream.flush().await?;
            return Ok(true);
        };
        self.used.fetch_add(1, Relaxed);
        if answer == "!" {
            std::future::pending::<()>().await;
        }
        let text = answer.strip_prefix('~').unwrap_or(answer);
        stream.write_all(text.as_bytes()).await?;
        if !text.is_empty() {
            stream.write_all(b"\r\n").await?;
        }
        stream.flush().await?;
        Ok(!answer.starts_with('~'))
    }

    async fn raw_line(
        &self,
        stream: &mut BufReader<Box<dyn Stream>>,
    ) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await?;
        Ok((read > 0).then_some(line))
    }

    async fn line(
        &self,
        stream: &mut BufReader<Box<dyn Stream>>,
    ) -> std::io::Result<Option<String>> {
        let line = self.raw_line(stream).await?;
        let line = line.map(|line| line.trim_end_matches(['\r', '\n']).to_owned());
        lock(&self.heard).extend(line.clone());
        Ok(line)
    }

    /// A mail for this server without TLS.
    pub(super) fn mail(&self, key: &str) -> MailRequest {
        MailRequest {
            key: Arc::from(key),
            server: HostPort {
                host: "127.0.0.1".to_owned(),
                port: self.port.to_string(),
            },
            hello: "me.example".to_owned(),
            implicit_tls: false,
            require_tls: false,
            tls: None,
            login: None,
            from: "am@example.org".to_owned(),
            to: vec!["a@example.org".to_owned()],
            message: Arc::from(b"Subject: x\r\n\r\n.\r\n..a\r\nend\r\n".as_slice()),
            short: None,
        }
    }

    /// A mail for this server under the name that certificates bear.
    pub(super) fn secure_mail(&self, tls: TlsConfig) -> MailRequest {
        let mut mail = self.mail("K");
        mail.server.host = "localhost".to_owned();
        mail.require_tls = true;
        mail.tls = Some(Arc::new(tls));
        mail
    }
}

pub(super) fn login() -> MailLogin {
    MailLogin {
        username: "tim".to_owned(),
        password: Ok(Secret::new("pass-word")),
        secret: Ok(Secret::new("tanstaaftanstaaf")),
        identity: "id".to_owned(),
        bearer: Ok(Secret::default()),
        oauth2: None,
    }
}

pub(super) async fn send(mail: &MailRequest) -> MailOutcome {
    MailClients::default().send(mail, LONG).await
}

/// Error, whether it is tried again, and whether it is ambiguous.
pub(super) fn failed(outcome: MailOutcome) -> (String, FailureReason, bool, bool) {
    match outcome {
        MailOutcome::Failed {
            reason,
            error,
            retry,
            after: _,
            ambiguous,
        } => (error, reason, retry, ambiguous),
        taken @ MailOutcome::Taken { .. } => panic!("{taken:?}"),
    }
}

pub(super) fn taken(outcome: MailOutcome) -> [Vec<(String, String)>; 2] {
    match outcome {
        MailOutcome::Taken {
            refused,
            deferred,
            answer: _,
        } => [refused, deferred],
        failed @ MailOutcome::Failed { .. } => panic!("{failed:?}"),
    }
}
