//! Keys and certificates: who has them gets in, who has not is told, and both are changed while streams live.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc::UnboundedReceiver,
};

use super::*;
use crate::io::{http::tests::server::Ca, task};

fn keys(directory: &Path, name: &str, keys: &[u8]) -> PathBuf {
    let path = directory.join(name);
    let lines: Vec<String> = keys.iter().map(|key| STANDARD.encode([*key; 32])).collect();
    fs::write(&path, format!("# keys\n{}\n", lines.join("\n"))).unwrap();
    path
}

/// The TLS file of a node of `ca`, which trusts `trusted`.
fn tls_file(directory: &Path, name: &str, ca: &Ca, trusted: &Ca) -> PathBuf {
    let at = |file: &str| directory.join(format!("{name}.{file}"));
    write_certificate(directory, name, ca);
    fs::write(at("ca"), trusted.pem()).unwrap();
    let config = format!(
        "tls_server_config:\n  cert_file: {name}.crt\n  key_file: {name}.key\n  client_ca_file: {name}.ca\n  \
         client_auth_type: RequireAndVerifyClientCert\ntls_client_config:\n  cert_file: {name}.crt\n  key_file: \
         {name}.key\n  ca_file: {name}.ca\n"
    );
    fs::write(at("yml"), config).unwrap();
    at("yml")
}

fn write_certificate(directory: &Path, name: &str, ca: &Ca) {
    let (cert, key) = ca.sign("127.0.0.1");
    fs::write(directory.join(format!("{name}.crt")), cert).unwrap();
    fs::write(directory.join(format!("{name}.key")), key).unwrap();
}

/// Both say why, and neither core hears anything.
async fn keep_out(a: &mut Node, b: &mut Node, why: &str, words: &str) {
    let before = (a.refused(why), b.refused(why));
    let conn = a.dial(&b.address);
    let closed = a.closed(conn).await;
    assert!(
        matches!(&closed, CloseReason::Rejected(text) if text.contains(words)),
        "{closed:?}"
    );
    until(|| (a.refused(why), b.refused(why)) == (before.0 + 1, before.1 + 1)).await;
    for node in [a, b] {
        while let Ok(told) = node.told.try_recv() {
            assert!(matches!(told.0, MeshInput::Peers(_)), "{:?}", told.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_key_gets_in_and_who_has_not_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let of = |name, which: &[u8]| Given::secret(&keys(directory.path(), name, which));
    let (mut a, from, mut b, to) = joined(of("a", &[1]), of("b", &[1])).await;
    talk(&mut a, from, &mut b, to).await;
    let mut other = Node::start(of("c", &[2])).await;
    let words = "none of the keys in its --cluster.secret-file";
    keep_out(&mut other, &mut a, "key", words).await;
    let mut plain = Node::start(Given::default()).await;
    let words = "it uses a secret (--cluster.secret-file), this node neither";
    keep_out(&mut plain, &mut a, "mode", words).await;
    keep_out(
        &mut a,
        &mut plain,
        "mode",
        "it uses neither a secret nor TLS, this node a secret",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_changed_while_streams_live() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let of = |name, which: &[u8]| Given::secret(&keys(path, name, which));
    let (mut a, from, mut b, to) = joined(of("a", &[1]), of("b", &[1])).await;
    // The new key goes everywhere, then first everywhere, then the old one goes: at each step all can be joined.
    for step in [
        [&[1, 2][..], &[1]],
        [&[1, 2], &[1, 2]],
        [&[2, 1], &[1, 2]],
        [&[2], &[2, 1]],
        [&[2], &[2]],
    ] {
        keys(path, "a", step[0]);
        keys(path, "b", step[1]);
        let (once, more) = connect(&mut a, &mut b).await;
        talk(&mut a, once, &mut b, more).await;
        let (more, once) = connect(&mut b, &mut a).await;
        talk(&mut b, more, &mut a, once).await;
        talk(&mut a, from, &mut b, to).await;
    }
    let mut old = Node::start(of("c", &[1])).await;
    keep_out(&mut old, &mut a, "key", "none of the keys").await;
    talk(&mut a, from, &mut b, to).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_let_in_and_are_changed_while_streams_live() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (ours, theirs) = (Ca::new(), Ca::new());
    let of = |name, ca, trusted| Given::tls(&tls_file(path, name, ca, trusted));
    let (mut a, from, mut b, to) = joined(of("a", &ours, &ours), of("b", &ours, &ours)).await;
    talk(&mut a, from, &mut b, to).await;

    let mut untrusted = Node::start(of("c", &theirs, &ours)).await;
    let words = "it refuses this node's certificate";
    keep_out(&mut untrusted, &mut a, "certificate", words).await;
    let words = "its certificate or TLS cannot be accepted: invalid peer certificate";
    keep_out(&mut a, &mut untrusted, "certificate", words).await;
    let mut plain = Node::start(Given::default()).await;
    keep_out(
        &mut plain,
        &mut a,
        "mode",
        "it uses TLS (--cluster.tls-config)",
    )
    .await;

    // Certificates of the other CA, and trust in it: new streams need them, the old one lives on.
    for name in ["a", "b"] {
        tls_file(path, name, &theirs, &theirs);
    }
    let (once, more) = connect(&mut a, &mut b).await;
    talk(&mut a, once, &mut b, more).await;
    let mut late = Node::start(of("d", &ours, &ours)).await;
    keep_out(&mut late, &mut a, "certificate", "certificate").await;
    // A broken file keeps what was there.
    fs::write(path.join("a.crt"), "no PEM").unwrap();
    let (once, more) = connect(&mut b, &mut a).await;
    talk(&mut b, once, &mut a, more).await;
    talk(&mut a, from, &mut b, to).await;
}

/// Passes bytes on between a dialler and a node, and hands out each portion to be changed.
async fn between(
    address: Arc<str>,
    change: fn(usize, &mut Vec<u8>),
) -> (String, UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let (seen, seeing) = mpsc::unbounded_channel();
    task::spawn(&runtime::Handle::current(), "between", async move {
        let (from, _) = listener.accept().await.unwrap();
        let to = TcpStream::connect(&*address).await.unwrap();
        let (mut from_read, mut from_write) = from.into_split();
        let (mut to_read, mut to_write) = to.into_split();
        let back = async move {
            let _ = tokio::io::copy(&mut to_read, &mut from_write).await;
        };
        task::spawn(&runtime::Handle::current(), "back", back);
        let mut portion = 0;
        let mut bytes = vec![0; 65_536];
        while let Ok(size @ 1..) = from_read.read(&mut bytes).await {
            let mut passed = bytes[..size].to_vec();
            change(portion, &mut passed);
            portion += 1;
            let _ = seen.send(passed.clone());
            if to_write.write_all(&passed).await.is_err() {
                break;
            }
        }
    });
    (own, seeing)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_bytes_on_the_way_ends_the_stream() {
    let directory = tempfile::tempdir().unwrap();
    let file = keys(directory.path(), "keys", &[1]);
    let mut a = Node::start(Given::secret(&file)).await;
    let mut b = Node::start(Given::secret(&file)).await;
    // The nonce: both sides then have other keys.
    let change = |portion, bytes: &mut Vec<u8>| {
        if portion == 0 {
            bytes[20] ^= 1;
        }
    };
    let (address, _seen) = between(Arc::clone(&b.address), change).await;
    let conn = a.dial(&address);
    let why = a.closed(conn).await;
    assert!(!matches!(why, CloseReason::Refused(_)), "{why:?}");
    until(|| b.refused("key") == 1).await;
    // A frame.
    let change = |_, bytes: &mut Vec<u8>| {
        if bytes.len() > 1000 {
            bytes[500] ^= 1;
        }
    };
    let (address, _seen) = between(Arc::clone(&b.address), change).await;
    let conn = a.dial(&address);
    a.dialed(conn).await;
    let to = b.accepted().await;
    a.send(conn, true, *b"good");
    assert_eq!(b.frame(to).await, b"good");
    a.send(conn, true, vec![7; 2000]);
    let why = b.closed(to).await;
    assert!(why.text().contains("did not seal"), "{why:?}");
    assert!(
        !b.passed
            .iter()
            .any(|(input, _)| matches!(input, MeshInput::Frame { .. })),
        "a changed frame reached the core"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_clear_and_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let file = keys(directory.path(), "keys", &[1]);
    let mut a = Node::start(Given::secret(&file)).await;
    let mut b = Node::start(Given::secret(&file)).await;
    let (address, mut seen) = between(Arc::clone(&b.address), |_, _| {}).await;
    let from = a.dial(&address);
    a.dialed(from).await;
    let to = b.accepted().await;
    a.send(from, true, b"a very secret text".to_vec());
    b.frame(to).await;
    let mut wire = Vec::new();
    while let Ok(portion) = seen.try_recv() {
        wire.extend(portion);
    }
    assert!(!wire.windows(6).any(|part| part == b"secret"));

    // The whole of it again opens nothing.
    let mut again = TcpStream::connect(&*b.address).await.unwrap();
    again.write_all(&wire).await.unwrap();
    until(|| b.refused("key") == 1).await;

    // A datagram, as it was, changed, and again.
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let there: Arc<str> = udp.local_addr().unwrap().to_string().into();
    a.send_datagram(from, &there, b"a secret datagram");
    let mut bytes = [0; 1500];
    let size = udp.recv(&mut bytes).await.unwrap();
    let mut wire = bytes[..size].to_vec();
    assert!(!wire.windows(6).any(|part| part == b"secret"));
    wire[size - 1] ^= 1;
    udp.send_to(&wire, &*b.address).await.unwrap();
    until(|| b.dropped("seal") == 1).await;
    wire[size - 1] ^= 1;
    for _ in 0..2 {
        udp.send_to(&wire, &*b.address).await.unwrap();
    }
    assert_eq!(b.datagram(to).await, b"a secret datagram");
    until(|| b.dropped("replay") == 1).await;
    // With the stream ends the session.
    a.sockets.perform(MeshEffect::Close { conn: from });
    b.closed(to).await;
    udp.send_to(&wire, &*b.address).await.unwrap();
    until(|| b.dropped("session") == 1).await;
    while let Ok(told) = b.told.try_recv() {
        b.passed.push_back(told);
    }
    assert!(
        b.passed
            .iter()
            .all(|(input, _)| matches!(input, MeshInput::Peers(_))),
        "{:?}",
        b.passed
    );
}

#[tokio::test]
async fn both_a_secret_and_tls_are_one_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let file = keys(directory.path(), "keys", &[1]);
    let ca = Ca::new();
    let tls = tls_file(directory.path(), "a", &ca, &ca);
    let error = MeshSecurity::open(&file, &tls).unwrap_err().to_string();
    assert!(error.contains("both given"), "{error}");
    let missing = directory.path().join("none");
    let none = Path::new("");
    let error = MeshSecurity::open(&missing, none).unwrap_err().to_string();
    assert!(error.starts_with("--cluster.secret-file: "), "{error}");
    let error = MeshSecurity::open(none, &missing).unwrap_err().to_string();
    assert!(error.contains("gossip mesh: open "), "{error}");
    let plain = MeshSecurity::open(none, none).unwrap();
    assert!(plain.is_plain() && plain.is_open());
    // TLS that asks nobody who they are lets everybody in.
    let ca = Ca::new();
    let whole = tls_file(directory.path(), "asking", &ca, &ca);
    assert!(!MeshSecurity::open(none, &whole).unwrap().is_open());
    let text = fs::read_to_string(&whole).unwrap();
    let open = text
        .lines()
        .filter(|line| !line.contains("client_auth_type") && !line.contains("client_ca_file"));
    fs::write(&whole, open.collect::<Vec<_>>().join("\n")).unwrap();
    assert!(MeshSecurity::open(none, &whole).unwrap().is_open());
}

/// A node whose sockets its system closes, as at the end of its process, has read all that a handshake brings.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_which_nothing_was_said_ends_in_order_with_its_process() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    let secret = |name| Given::secret(&keys(directory.path(), name, &[1]));
    let tls = |name| Given::tls(&tls_file(directory.path(), name, &ca, &ca));
    let pairs = [
        (Given::default(), Given::default()),
        (secret("a"), secret("b")),
        (tls("c"), tls("d")),
    ];
    for (given, other) in pairs {
        for dials in [true, false] {
            let mut a = Node::start(given.clone()).await;
            let process = runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let starting = process.spawn(Node::start(other.clone()));
            let mut b = starting.await.unwrap();
            let conn = if dials {
                connect(&mut a, &mut b).await.0
            } else {
                connect(&mut b, &mut a).await.1
            };
            process.shutdown_background();
            let why = a.closed(conn).await;
            assert!(matches!(why, CloseReason::Finished(_)), "{why:?}");
        }
    }
}
