//! From an address to a session: TCP, TLS at once or after `STARTTLS`, the greeting, the login.

use std::{sync::Arc, time::Duration};

use lettre::transport::smtp::{client::AsyncSmtpConnection, extension::ClientId};
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    failure::{Cause, Failure},
    link::Link,
    login,
    session::Session,
};
use crate::{
    config::{HostPort, TlsConfig},
    io::http::tls::{self, Material},
    notify::integration::MailRequest,
};

/// To each address of the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses of a server that are tried.
const MAX_ADDRESSES: usize = 8;

const TLS_TIMEOUT: Duration = Duration::from_secs(30);

/// For the greeting and the answer to `EHLO`; some servers make strangers wait.
const GREETING_TIMEOUT: Duration = Duration::from_secs(60);

/// Connects, up to where mail can be sent.
pub(super) async fn connect(mail: &MailRequest, deadline: Instant) -> Result<Session, Failure> {
    let stream = dial(&mail.server, deadline).await?;
    let mut session = if mail.implicit_tls {
        const STEP: &str = "establish TLS connection to server";
        let stream = begin_tls(STEP, stream, mail, deadline).await?;
        greet(Link::tls(stream), mail, true, deadline).await?
    } else {
        let local = matches!(&*mail.server.host, "localhost" | "127.0.0.1" | "::1");
        greet(Link::plain(stream), mail, local, deadline).await?
    };
    if mail.require_tls && !mail.implicit_tls {
        session = start_tls(session, mail, deadline).await?;
    }
    if let Some(login) = &mail.login {
        login::log_in(&mut session, login).await?;
    }
    Ok(session)
}

async fn dial(server: &HostPort, deadline: Instant) -> Result<TcpStream, Failure> {
    const STEP: &str = "establish connection to server";
    let failed = |text: String| Failure::new(STEP, Cause::Connection, text);
    let port = port(&server.port).map_err(|text| Failure::new(STEP, Cause::Setting, text))?;
    let host = match &*server.host {
        "" => "localhost",
        host => host,
    };
    let until = deadline.min(Instant::now() + CONNECT_TIMEOUT);
    let addresses = timeout_at(until, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_elapsed| Failure::new(STEP, Cause::TimedOut, format!("lookup {host}: timeout")))?
        .map_err(|error| failed(format!("lookup {host}: {error}")))?;
    let mut last = failed(format!("lookup {host}: no address"));
    for address in addresses.take(MAX_ADDRESSES) {
        let until = deadline.min(Instant::now() + CONNECT_TIMEOUT);
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Commands are short and each waits for its answer.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = failed(format!("dial tcp {address}: {error}")),
            Err(_elapsed) => {
                last = Failure::new(
                    STEP,
                    Cause::TimedOut,
                    format!("dial tcp {address}: timeout"),
                );
            }
        }
    }
    Err(last)
}

fn port(text: &str) -> Result<u16, String> {
    match text {
        "smtp" => Ok(25),
        "submission" => Ok(587),
        "smtps" | "submissions" => Ok(465),
        _ => text
            .parse()
            .ok()
            .ok_or_else(|| format!("unknown port {text:?}")),
    }
}

async fn greet(
    link: Link,
    mail: &MailRequest,
    private: bool,
    deadline: Instant,
) -> Result<Session, Failure> {
    let hello: String = mail.hello.chars().filter(char::is_ascii_graphic).collect();
    let hello = ClientId::Domain(if hello.is_empty() {
        "localhost".to_owned()
    } else {
        hello
    });
    let until = deadline.min(Instant::now() + GREETING_TIMEOUT);
    let stream = Box::new(link.clone());
    let greeting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
    match timeout_at(until, greeting).await {
        Err(_elapsed) => Err(Failure::timed_out("send EHLO command")),
        Ok(Err(error)) => Err(Failure::of("send EHLO command", &error, &link.heard())),
        Ok(Ok(connection)) => Ok(Session::new(connection, link, private, deadline)),
    }
}

async fn start_tls(
    mut session: Session,
    mail: &MailRequest,
    deadline: Instant,
) -> Result<Session, Failure> {
    const STEP: &str = "send STARTTLS command";
    if session.extension("STARTTLS").is_none() {
        session.quit().await;
        return Err(Failure {
            step: "",
            cause: Cause::Connection,
            text: format!(
                "'require_tls' is true (default) but \"{}\" does not advertise the STARTTLS extension",
                mail.server
            ),
            ambiguous: false,
        });
    }
    session.command(STEP, "STARTTLS").await?;
    let stream = session.into_link().take_plain();
    let stream = stream.map_err(|text| Failure::new(STEP, Cause::Connection, text))?;
    let stream = begin_tls(STEP, stream, mail, deadline).await?;
    greet(Link::upgraded(stream), mail, true, deadline).await
}

async fn begin_tls(
    step: &'static str,
    stream: TcpStream,
    mail: &MailRequest,
    deadline: Instant,
) -> Result<TlsStream<TcpStream>, Failure> {
    let config = mail.tls.clone().unwrap_or_default();
    let name = if config.server_name.is_empty() {
        &mail.server.host
    } else {
        &config.server_name
    };
    let name = ServerName::try_from(name.clone()).map_err(|_invalid| {
        Failure::new(step, Cause::Setting, format!("{name:?} is no server name"))
    })?;
    let connector = connector(config).await?;
    let until = deadline.min(Instant::now() + TLS_TIMEOUT);
    match timeout_at(until, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Failure::new(step, Cause::Connection, error.to_string())),
        Err(_elapsed) => Err(Failure::timed_out(step)),
    }
}

/// Files are read for each connection, so that rotated certificates are used.
async fn connector(config: Arc<TlsConfig>) -> Result<TlsConnector, Failure> {
    const STEP: &str = "parse TLS configuration";
    let built = tokio::task::spawn_blocking(move || {
        let material = Material::read(&config)?;
        tls::client_config(&config, &material, None, false)
    });
    match built.await {
        Ok(Ok(config)) => Ok(TlsConnector::from(Arc::new(config))),
        Ok(Err(error)) => Err(Failure::new(STEP, Cause::Setting, error)),
        Err(_panic) => Err(Failure::new(STEP, Cause::Setting, "this is a bug")),
    }
}
