//! From a TCP connection to a link: both preambles, both verdicts, keys or TLS, and the proof that the other side has them.
//!
//! The proof is a frame with the hash of both preambles. It is sealed with keys that grow from that hash, or sent within
//! TLS, so that neither a replayed connection nor a changed preamble gets through it.

use std::{io, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{
    frame::{FrameError, FrameReader, FrameWriter},
    gate::{Gate, Security},
    keys::Keys,
    mesh_tls::MeshTls,
    preamble::{Mode, Preamble, SESSION},
    refusal::{Failure, Refusal},
    seal::{KEY, SessionKey, derive},
};
use crate::io::entropy::random_bytes;

/// A handshake may take so long.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a connection that is refused is kept so that the other side reads why.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes of the words of a verdict.
const MAX_VERDICT: usize = 200;

/// Who opened the connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side<'a> {
    /// This node, to this host.
    Dialer(&'a str),
    /// The other.
    Acceptor,
}

/// A connection to a node of this mesh.
pub(super) struct Link {
    pub(super) read: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) write: Box<dyn AsyncWrite + Send + Unpin>,
    pub(super) reader: FrameReader,
    pub(super) writer: FrameWriter,
    pub(super) datagrams: DatagramKeys,
}

/// What datagrams beside a link carry.
#[derive(Debug)]
pub(super) struct DatagramKeys {
    /// Those to this node.
    pub(super) our_session: [u8; SESSION],
    /// Those to the other.
    pub(super) their_session: [u8; SESSION],
    /// `None` in the plain mode.
    pub(super) keys: Option<(SessionKey, SessionKey)>,
}

/// The keys of a session in the two directions, ours first.
struct Keyring {
    frames: Option<(SessionKey, SessionKey)>,
    datagrams: Option<(SessionKey, SessionKey)>,
}

/// Both preambles, read by both sides alike.
struct Greeting {
    ours: Preamble,
    theirs: Preamble,
    /// The hash of both, the dialer's first.
    hash: [u8; KEY],
    keys: Option<Arc<Keys>>,
}

/// Runs the handshake within its time.
pub(super) async fn handshake(
    tcp: TcpStream,
    side: Side<'_>,
    gate: &Arc<Gate>,
) -> Result<Link, Failure> {
    let running = async {
        gate.refresh().await;
        run(tcp, side, gate).await
    };
    tokio::time::timeout(HANDSHAKE, running)
        .await
        .unwrap_or_else(|_elapsed| {
            let text = format!(
                "it did not finish the handshake within {} s",
                HANDSHAKE.as_secs()
            );
            Err(Failure::Refused(Refusal::Silent, text))
        })
}

async fn run(mut tcp: TcpStream, side: Side<'_>, gate: &Gate) -> Result<Link, Failure> {
    let greeting = greet(&mut tcp, side, gate).await?;
    match &gate.security {
        Security::Plain => {
            let none = Keyring {
                frames: None,
                datagrams: None,
            };
            prove(tcp, greeting, none, Mode::Plain).await
        }
        Security::Secret(_) => {
            let keys = secret_keys(&greeting, side)?;
            prove(tcp, greeting, keys, Mode::Secret).await
        }
        Security::Tls(tls) => {
            let stream = encrypt(tcp, side, tls).await?;
            let keys = tls_keys(&stream, &greeting, side)?;
            prove(stream, greeting, keys, Mode::Tls).await
        }
    }
}

async fn greet(tcp: &mut TcpStream, side: Side<'_>, gate: &Gate) -> Result<Greeting, Failure> {
    let keys = match &gate.security {
        Security::Secret(file) => Some(file.current()),
        Security::Plain | Security::Tls(_) => None,
    };
    let ours = Preamble {
        versions: gate.versions,
        mode: Some(gate.security.mode()),
        nonce: random_bytes(),
        session: random_bytes(),
        label: gate.label.clone(),
        keys: keys.as_ref().map(|keys| keys.ids()).unwrap_or_default(),
    };
    let our_bytes = ours.encode();
    tcp.write_all(&our_bytes).await.map_err(broken)?;
    let (theirs, their_bytes) = match (Preamble::read(tcp).await?, side) {
        (Some(read), _) => read,
        (None, Side::Dialer(_)) => return Err(without_a_word()),
        // Whoever looks whether the port is open.
        (None, Side::Acceptor) => {
            return Err(Failure::Broken(
                "it closed the connection without a word".to_owned(),
            ));
        }
    };
    let verdict = ours.agree(&theirs);
    let words = verdict.as_ref().err().map(ToString::to_string);
    tell_verdict(tcp, words.as_deref().unwrap_or_default()).await?;
    if let Err(failure) = verdict {
        linger(tcp).await;
        return Err(failure);
    }
    hear_verdict(tcp).await?;
    let (first, second) = match side {
        Side::Dialer(_) => (&our_bytes, &their_bytes),
        Side::Acceptor => (&their_bytes, &our_bytes),
    };
    let hash = Sha256::new().chain_update(first).chain_update(second);
    Ok(Greeting {
        ours,
        theirs,
        hash: hash.finalize().into(),
        keys,
    })
}

fn without_a_word() -> Failure {
    Failure::refused(
        Refusal::Garbage,
        "it closed the connection without a word: it is no Watchfire (an Alertmanager does that: see docs/ha.md), or it has \
         too many connections",
    )
}

/// One byte of length and so many of text; no text is consent.
async fn tell_verdict(tcp: &mut TcpStream, words: &str) -> Result<(), Failure> {
    let mut end = words.len().min(MAX_VERDICT);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = vec![u8::try_from(end).expect("it was cut")];
    bytes.extend_from_slice(&words.as_bytes()[..end]);
    tcp.write_all(&bytes).await.map_err(broken)
}

async fn hear_verdict(tcp: &mut TcpStream) -> Result<(), Failure> {
    let length = tcp.read_u8().await.map_err(broken)?;
    if length == 0 {
        return Ok(());
    }
    let mut words = vec![0; usize::from(length)];
    tcp.read_exact(&mut words).await.map_err(broken)?;
    // It is not proven who says so, and it goes into the log.
    let words: String = String::from_utf8_lossy(&words)
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    let text = format!("it refuses this node: {words}");
    Err(Failure::Refused(Refusal::Mode, text))
}

fn secret_keys(greeting: &Greeting, side: Side<'_>) -> Result<Keyring, Failure> {
    let find = |from: &Preamble, to: &Preamble| {
        let id = from.sealing_key(to)?;
        greeting.keys.as_ref()?.get(id)
    };
    let (Some(ours), Some(theirs)) = (
        find(&greeting.ours, &greeting.theirs),
        find(&greeting.theirs, &greeting.ours),
    ) else {
        return Err(Failure::refused(
            Refusal::Key,
            "there is no key that both have",
        ));
    };
    let (to, from) = directions(side);
    let pair = |what: &str| {
        let key = |secret: &[u8; KEY], direction: &str| {
            SessionKey::new(&derive(
                &greeting.hash,
                secret,
                &format!("{what} {direction}"),
            ))
        };
        Some((key(ours, to), key(theirs, from)))
    };
    Ok(Keyring {
        frames: pair("frames"),
        datagrams: pair("datagrams"),
    })
}

/// What our direction is called, and theirs.
fn directions(side: Side<'_>) -> (&'static str, &'static str) {
    match side {
        Side::Dialer(_) => ("from dialer", "from acceptor"),
        Side::Acceptor => ("from acceptor", "from dialer"),
    }
}

async fn encrypt(
    tcp: TcpStream,
    side: Side<'_>,
    tls: &MeshTls,
) -> Result<TlsStream<TcpStream>, Failure> {
    let sides = tls.current();
    let done = match side {
        Side::Dialer(host) => {
            let name = ServerName::try_from(host.to_owned()).map_err(|_invalid| {
                Failure::refused(Refusal::Certificate, format!("{host:?} is no name for TLS"))
            })?;
            let connector = TlsConnector::from(Arc::clone(&sides.client));
            let done = connector.connect(name, tcp).into_fallible().await;
            done.map(TlsStream::Client)
        }
        Side::Acceptor => {
            let acceptor = TlsAcceptor::from(Arc::clone(&sides.server));
            let done = acceptor.accept(tcp).into_fallible().await;
            done.map(TlsStream::Server)
        }
    };
    match done {
        Ok(stream) => Ok(stream),
        Err((error, mut tcp)) => {
            linger(&mut tcp).await;
            Err(of_tls(error))
        }
    }
}

fn tls_keys(
    stream: &TlsStream<TcpStream>,
    greeting: &Greeting,
    side: Side<'_>,
) -> Result<Keyring, Failure> {
    let export = |direction: &str| {
        let label = format!("EXPORTER-watchfire-mesh datagrams {direction}");
        let context = Some(&greeting.hash[..]);
        let key = match stream {
            TlsStream::Client(client) => {
                let session = client.get_ref().1;
                session.export_keying_material([0; KEY], label.as_bytes(), context)
            }
            TlsStream::Server(server) => {
                let session = server.get_ref().1;
                session.export_keying_material([0; KEY], label.as_bytes(), context)
            }
        };
        key.map(|key| SessionKey::new(&key))
            .map_err(|error| Failure::refused(Refusal::Certificate, error.to_string()))
    };
    let (to, from) = directions(side);
    Ok(Keyring {
        frames: None,
        datagrams: Some((export(to)?, export(from)?)),
    })
}

/// Sends the proof and waits for the other's.
async fn prove<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    greeting: Greeting,
    keys: Keyring,
    mode: Mode,
) -> Result<Link, Failure> {
    let (mut read, mut write) = tokio::io::split(stream);
    let (ours, theirs) = keys.frames.unzip();
    let mut writer = FrameWriter::new(ours);
    let mut reader = FrameReader::new(theirs);
    let mut proof = Vec::new();
    writer.append(&greeting.hash, &mut proof);
    write.write_all(&proof).await.map_err(of_tls)?;
    write.flush().await.map_err(of_tls)?;
    match reader.read(&mut read).await {
        Ok(proof) if proof == greeting.hash => {}
        Ok(_) | Err(FrameError::Seal | FrameError::TooLong(_)) => return Err(unproven(mode)),
        Err(FrameError::End) => {
            let text = "it closed the connection before it proved who it is";
            return Err(Failure::Broken(text.to_owned()));
        }
        Err(FrameError::Io(error)) => return Err(of_tls(error)),
    }
    Ok(Link {
        read: Box::new(read),
        write: Box::new(write),
        reader,
        writer,
        datagrams: DatagramKeys {
            our_session: greeting.ours.session,
            their_session: greeting.theirs.session,
            keys: keys.datagrams,
        },
    })
}

fn unproven(mode: Mode) -> Failure {
    match mode {
        Mode::Secret => Failure::refused(Refusal::Key, "it does not hold the key that it names"),
        Mode::Plain | Mode::Tls => Failure::refused(
            Refusal::Garbage,
            "something between the nodes changed what they said",
        ),
    }
}

/// Says no more and waits a moment until the other side has read why.
async fn linger(tcp: &mut TcpStream) {
    let drain = async {
        tcp.shutdown().await?;
        let mut bytes = [0; 1024];
        let mut read = 0;
        while read < 64 * bytes.len() {
            match tcp.read(&mut bytes).await? {
                0 => break,
                more => read += more,
            }
        }
        io::Result::Ok(())
    };
    // The other side is refused, whatever it does.
    let _ = tokio::time::timeout(LINGER, drain).await;
}

fn broken(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Failure::Broken("it closed the connection during the handshake".to_owned());
    }
    Failure::Broken(error.to_string())
}

/// An error of a connection that may be one of TLS: then certificates are the reason.
fn of_tls(error: io::Error) -> Failure {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => Failure::Refused(
            Refusal::Certificate,
            format!("it refuses this node's certificate or TLS: {alert:?}"),
        ),
        Some(tls) => Failure::Refused(
            Refusal::Certificate,
            format!("its certificate or TLS cannot be accepted: {tls}"),
        ),
        None => broken(error),
    }
}
