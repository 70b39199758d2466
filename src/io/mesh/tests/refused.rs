//! Who does not get in, and what both sides say of it.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream, UdpSocket},
};

use super::*;
use crate::io::mesh::{
    frame::FrameWriter,
    gate::Gate,
    handshake::{Link, Side, handshake},
    newcomers::MAX_PER_ADDRESS,
};

/// Connects from an address of this host.
async fn connect_from(source: [u8; 4], to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(to.parse().unwrap()).await.unwrap()
}

/// Dials a node that refuses, or is refused; gives the dialler's words.
async fn refused(a: Given, b: Given, why: &str) -> String {
    let mut a = Node::start(a).await;
    let b = Node::start(b).await;
    for _ in 0..2 {
        let conn = a.dial(&b.address);
        let closed = a.closed(conn).await;
        let CloseReason::Rejected(text) = closed else {
            panic!("{closed:?}");
        };
        assert!(
            a.passed
                .iter()
                .all(|(input, _)| matches!(input, MeshInput::Peers(_))),
            "{text}"
        );
    }
    until(|| b.refused(why) == 2).await;
    assert_eq!(a.refused(why), 2);
    let conn = a.dial(&b.address);
    a.closed(conn).await.text().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_label_or_version_is_refused_by_both_with_its_reason() {
    let other = Given {
        label: "other".to_owned(),
        ..Given::default()
    };
    let text = refused(Given::default(), other, "label").await;
    assert!(
        text.contains("its --cluster.label is \"other\", this node's is \"test\""),
        "{text}"
    );
    let later = Given {
        versions: (2, 3),
        ..Given::default()
    };
    let text = refused(later, Given::default(), "version").await;
    assert!(
        text.contains("in versions 1 to 1, this node in 2 to 3"),
        "{text}"
    );
    // A later version that still speaks this one is let in.
    let both = Given {
        versions: (1, 2),
        ..Given::default()
    };
    let (mut a, from, mut b, to) = joined(both, Given::default()).await;
    talk(&mut a, from, &mut b, to).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_something_else_is_named() {
    let a = Node::start(Given::default()).await;
    for (bytes, why) in [
        (&b"\x09\x82\xa4Algo\0\xa3Buf"[..], "foreign"),
        (b"\xf4\x04test\x09\x82", "foreign"),
        (b"\x16\x03\x01\x02\0", "foreign"),
        (b"GET / HTTP/1.1\r\n\r\n", "garbage"),
        (&[0xFF; 200], "garbage"),
    ] {
        let before = a.refused(why);
        let mut tcp = TcpStream::connect(&*a.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        until(|| a.refused(why) == before + 1).await;
        // The connection is closed, be it with a reset.
        let mut rest = Vec::new();
        let _ = tcp.read_to_end(&mut rest).await;
    }
    assert_eq!(a.stats.foreign(), 3);
    assert!(a.told.len() <= 1, "only the peers are told");
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_of_strangers_are_dropped_and_named() {
    let a = Node::start(Given::default()).await;
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let unknown = [&b"WFD\x01"[..], &[9; 16], b"hello"].concat();
    for (bytes, why) in [
        (&b"\x0c\x01\x02\x03\x04\x09\x82"[..], "foreign"),
        (b"\xf4\x04test\x0c\x01\x02\x03\x04\x09\x82", "foreign"),
        (b"hello", "garbage"),
        (b"", "garbage"),
        (&[0; 9000], "garbage"),
        (&unknown, "session"),
    ] {
        let before = a.dropped(why);
        udp.send_to(bytes, &*a.address).await.unwrap();
        until(|| a.dropped(why) == before + 1).await;
    }
    assert!(a.told.len() <= 1, "only the peers are told");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_are_bounded() {
    let mut a = Node::start(Given::default()).await;
    let mut silent = Vec::new();
    for number in 0..64 {
        let source = [127, 0, 1, 1 + number / 16];
        silent.push(connect_from(source, &a.address).await);
    }
    // The 65th is let go at once.
    let mut late = TcpStream::connect(&*a.address).await.unwrap();
    let mut rest = Vec::new();
    let end = late.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    assert!(end.is_ok_and(|size| size == 0) || a.refused("crowded") == 1);
    until(|| a.refused("crowded") == 1).await;
    silent.clear();
    // There is room again.
    let mut b = Node::start(Given::default()).await;
    loop {
        let conn = b.dial(&a.address);
        let opened = b
            .expect(|input| match input {
                MeshInput::Dialed { .. } => Some(true),
                MeshInput::Closed { .. } => Some(false),
                _ => None,
            })
            .await;
        if opened {
            let to = a.accepted().await;
            talk(&mut b, conn, &mut a, to).await;
            break;
        }
    }
}

/// A connection that shows what it must, and then says nothing.
async fn shown(source: [u8; 4], node: &Node) -> Link {
    let gate = Arc::new(Gate {
        label: Given::default().label,
        security: MeshSecurity::open(Path::new(""), Path::new("")).unwrap().0,
        stats: Arc::default(),
        timeout: SOON,
        versions: VERSIONS,
    });
    let tcp = connect_from(source, &node.address).await;
    let shaken = handshake(tcp, Side::Dialer("127.0.0.1"), &gate).await;
    shaken.unwrap_or_else(|failure| panic!("{failure}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_says_nothing_takes_no_place_of_another() {
    let mut a = Node::start(Given::default()).await;
    let flood = [127, 0, 2, 1];
    let mut links = Vec::new();
    for _ in 0..MAX_PER_ADDRESS {
        links.push(shown(flood, &a).await);
        a.accepted().await;
    }
    for more in 1..=20 {
        let mut tcp = connect_from(flood, &a.address).await;
        until(|| a.refused("address") == more).await;
        // The connection is closed, be it with a reset.
        let _ = tcp.read(&mut [0]).await;
    }
    let closed = |input: &MeshInput| matches!(input, MeshInput::Closed { .. }).then_some(());
    let other = shown([127, 0, 2, 2], &a).await;
    a.accepted().await;
    drop(other);
    a.expect(closed).await;

    // Whoever says something is no newcomer, and makes room; so does whoever goes.
    let mut speaks = links.pop().unwrap();
    let mut frame = Vec::new();
    FrameWriter::new(None).append(b"hello", &mut frame);
    speaks.write.write_all(&frame).await.unwrap();
    a.expect(|input| matches!(input, MeshInput::Frame { .. }).then_some(()))
        .await;
    links.push(shown(flood, &a).await);
    a.accepted().await;
    links.remove(0);
    a.expect(closed).await;
    assert_eq!(a.refused("address"), 20);
    shown(flood, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_that_is_dialled_is_guessed() {
    // It reads what it does not know and closes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::task::spawn(async move {
        let (mut tcp, _) = listener.accept().await?;
        let mut bytes = [0; 4096];
        let _ = tcp.read(&mut bytes).await?;
        io::Result::Ok(())
    });
    let mut a = Node::start(Given::default()).await;
    let conn = a.dial(&address);
    let why = a.closed(conn).await;
    assert!(
        matches!(&why, CloseReason::Foreign(text) if text.contains("an Alertmanager does that")),
        "{why:?}"
    );
    serving.await.unwrap().unwrap();
}
