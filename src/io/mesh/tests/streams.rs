//! Streams and datagrams that work, and how they end.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::io::mesh::preamble::{Mode, Preamble};

#[tokio::test(flavor = "multi_thread")]
async fn frames_and_datagrams_pass_between_three_nodes() {
    let (mut a, ab, mut b, ba) = joined(Given::default(), Given::default()).await;
    let mut c = Node::start(Given::default()).await;
    let (bc, cb) = connect(&mut b, &mut c).await;
    let (ca, ac) = connect(&mut c, &mut a).await;
    talk(&mut a, ab, &mut b, ba).await;
    talk(&mut b, bc, &mut c, cb).await;
    talk(&mut c, ca, &mut a, ac).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_frames_of_both_lanes_keep_their_order() {
    let (a, from, mut b, to) = joined(Given::default(), Given::default()).await;
    let mut sent = [0_u32, 0];
    for i in 0..1000_u32 {
        let urgent = i % 3 == 0;
        let lane = usize::from(urgent);
        let mut frame = vec![u8::from(urgent)];
        frame.extend_from_slice(&sent[lane].to_be_bytes());
        frame.resize(5 + usize::try_from(i * 97 % 30_000).unwrap(), 7);
        sent[lane] += 1;
        a.send(from, urgent, frame);
    }
    let mut came = [0_u32, 0];
    while came != sent {
        let frame = b.frame(to).await;
        let lane = usize::from(frame[0]);
        let number = u32::from_be_bytes(frame[1..5].try_into().unwrap());
        assert_eq!(number, came[lane]);
        came[lane] += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_before_a_close_arrives() {
    let (mut a, from, mut b, to) = joined(Given::default(), Given::default()).await;
    for _ in 0..50 {
        a.send(from, false, vec![1; 100_000]);
    }
    a.send(from, true, *b"goodbye");
    a.sockets.perform(MeshEffect::Close { conn: from });
    a.send(from, true, *b"too late");
    for _ in 0..51 {
        let frame = b.frame(to).await;
        assert!(frame.len() == 100_000 || frame == b"goodbye");
    }
    assert!(matches!(b.closed(to).await, CloseReason::Finished(_)));
    let why = a.closed(from).await;
    let ended = matches!(why, CloseReason::Ended(_) | CloseReason::Finished(_));
    assert!(ended, "{why:?}");
    assert!(a.passed.is_empty() || a.passed.len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_gone_is_told_from_one_that_does_not_answer() {
    let mut a = Node::start(Given::default()).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let conn = a.dial(&address);
    let why = a.closed(conn).await;
    assert!(matches!(why, CloseReason::Refused(_)), "{why:?}");
    let conn = a.dial("does-not-exist.invalid:9094");
    let why = a.closed(conn).await;
    assert!(matches!(why, CloseReason::Unreachable(_)), "{why:?}");
    assert!(why.text().contains("cannot resolve"), "{why:?}");
    let conn = a.dial("nonsense");
    assert!(matches!(a.closed(conn).await, CloseReason::Unreachable(_)));
    // A dial that is taken back ends, once.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let conn = a.dial(&silent.local_addr().unwrap().to_string());
    a.sockets.perform(MeshEffect::Close { conn });
    assert!(matches!(a.closed(conn).await, CloseReason::Ended(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_dialled_and_datagrams_follow_them() {
    let mut a = Node::start(Given::default()).await;
    let mut b = Node::start(Given::default()).await;
    let port = b.address.rsplit_once(':').unwrap().1.to_owned();
    let named: Arc<str> = format!("localhost:{port}").into();
    let from = a.dial(&named);
    a.dialed(from).await;
    let to = b.accepted().await;
    a.send_datagram(from, &named, b"by name");
    assert_eq!(b.datagram(to).await, b"by name");
    // The one that was dialled answers to a name, too, whatever it resolves to.
    let port = a.address.rsplit_once(':').unwrap().1.to_owned();
    let named: Arc<str> = format!("does-not-exist.invalid:{port}").into();
    b.send_datagram(to, &named, b"by the stream");
    assert_eq!(a.datagram(from).await, b"by the stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_families_work() {
    let v6 = |listen: &str| Given {
        listen: listen.to_owned(),
        ..Given::default()
    };
    if TcpListener::bind("[::1]:0").await.is_err() {
        println!("skipped: no IPv6 here");
        return;
    }
    let (mut a, from, mut b, to) = joined(v6("[::1]:0"), v6("[::1]:0")).await;
    talk(&mut a, from, &mut b, to).await;
    // One socket of both families, and one of IPv4 that sends to IPv6.
    let mut both = Node::start(v6("[::]:0")).await;
    let port = both.address.rsplit_once(':').unwrap().1.to_owned();
    both.address = format!("127.0.0.1:{port}").into();
    let mut v4 = Node::start(Given::default()).await;
    let (from, to) = connect(&mut v4, &mut both).await;
    talk(&mut v4, from, &mut both, to).await;
    let from = v4.dial(&b.address);
    v4.dialed(from).await;
    let to = b.accepted().await;
    v4.send_datagram(from, &b.address, b"across");
    assert_eq!(b.datagram(to).await, b"across");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_told_at_the_start() {
    let peers = ["127.0.0.1:1", "does-not-exist.invalid:1"];
    let given = Given {
        peers: peers.map(|peer| PeerSpec::parse(peer).unwrap()).to_vec(),
        ..Given::default()
    };
    let mut a = Node::start(given).await;
    let told = a
        .expect(|input| match input {
            MeshInput::Peers(peers) if !peers[0].addresses.is_empty() => Some(peers.clone()),
            _ => None,
        })
        .await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].addresses.len(), 1);
    assert!(told[1].error.is_some());
}

/// A peer that speaks the plain handshake by hand.
async fn by_hand(address: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let ours = Preamble {
        versions: VERSIONS,
        mode: Some(Mode::Plain),
        nonce: [1; 32],
        session: [2; 8],
        label: "test".to_owned(),
        keys: Vec::new(),
    }
    .encode();
    tcp.write_all(&ours).await.unwrap();
    let (_, theirs) = Preamble::read(&mut tcp).await.unwrap().unwrap();
    tcp.write_all(&[0]).await.unwrap();
    assert_eq!(tcp.read_u8().await.unwrap(), 0);
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest([ours, theirs].concat());
    tcp.write_all(&[&32_u32.to_be_bytes()[..], &hash].concat())
        .await
        .unwrap();
    let mut proof = [0; 36];
    tcp.read_exact(&mut proof).await.unwrap();
    assert_eq!(proof[4..], *hash);
    tcp
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_reads_is_let_go() {
    let given = Given {
        timeout: Duration::from_millis(300),
        ..Given::default()
    };
    let mut a = Node::start(given).await;
    let stuck = by_hand(&a.address).await;
    let conn = a.accepted().await;
    let frame: Arc<[u8]> = vec![0; 100_000].into();
    for _ in 0..200 {
        a.send(conn, false, Arc::clone(&frame));
    }
    let why = a.closed(conn).await;
    assert!(why.text().contains("took nothing"), "{why:?}");
    drop(stuck);

    let mut a = Node::start(Given::default()).await;
    let stuck = by_hand(&a.address).await;
    let conn = a.accepted().await;
    for _ in 0..1000 {
        a.send(conn, false, Arc::clone(&frame));
    }
    let why = a.closed(conn).await;
    assert!(why.text().contains("64 MiB behind"), "{why:?}");
    assert_eq!(a.stats.overflowed(), 1);
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_is_slow_slows_the_stream_and_loses_nothing() {
    let (a, from, mut b, to) = joined(Given::default(), Given::default()).await;
    for i in 0..100_u8 {
        a.send(from, false, vec![i; 100_000]);
    }
    // The permits of what waits are held, so the rest stays with the sender.
    until(|| b.told.len() >= 41).await;
    assert_eq!(b.told.len(), 41);
    for i in 0..100 {
        assert_eq!(b.frame(to).await[0], i);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_end_the_stream() {
    let mut a = Node::start(Given::default()).await;
    for garbage in [&[0xFF; 4][..], &[0, 0, 0, 9, 1]] {
        let mut tcp = by_hand(&a.address).await;
        let conn = a.accepted().await;
        tcp.write_all(garbage).await.unwrap();
        drop(tcp);
        let why = a.closed(conn).await;
        let ended = matches!(why, CloseReason::Ended(_) | CloseReason::Finished(_));
        assert!(ended, "{why:?}");
        assert!(
            a.passed
                .iter()
                .all(|(input, _)| !matches!(input, MeshInput::Frame { .. }))
        );
    }
}

#[test]
fn the_end_waits_for_farewells() {
    let runtime = runtime::Runtime::new().unwrap();
    let (a, from, mut b, to) = runtime.block_on(joined(Given::default(), Given::default()));
    a.send(from, true, *b"goodbye");
    a.sockets.finish();
    drop(a);
    runtime.block_on(async {
        assert_eq!(b.frame(to).await, b"goodbye");
        assert!(matches!(b.closed(to).await, CloseReason::Finished(_)));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_a_process_did_not_read_have_its_stream_reset_and_others_end_in_order() {
    let mut a = Node::start(Given::default()).await;
    let talks = by_hand(&a.address).await;
    let used = a.accepted().await;
    let silent = by_hand(&a.address).await;
    let lifeline = a.accepted().await;
    a.send(used, true, *b"unread");
    assert_eq!(talks.peek(&mut [0; 1]).await.unwrap(), 1);
    drop((talks, silent));
    let why = a.closed(used).await;
    assert!(matches!(why, CloseReason::Ended(_)), "{why:?}");
    let why = a.closed(lifeline).await;
    assert!(matches!(why, CloseReason::Finished(_)), "{why:?}");
}
