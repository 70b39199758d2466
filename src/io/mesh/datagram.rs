//! Datagrams: `WFD`, a version, the receiver's session, a counter, and what is sealed.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::net::UdpSocket;

use super::{
    foreign::Speaker, handshake::DatagramKeys, preamble::SESSION, refusal::Dropped,
    replay::ReplayWindow, seal::TAG,
};

const MAGIC: [u8; 3] = *b"WFD";
const VERSION: u8 = 1;

/// Bytes before the payload.
const HEAD: usize = MAGIC.len() + 1 + SESSION + size_of::<u64>();

/// Bytes of a datagram's payload that are taken, more than the core sends.
const MAX_PAYLOAD: usize = 1400;

/// The largest datagram that is looked at.
pub(super) const MAX_DATAGRAM: usize = HEAD + MAX_PAYLOAD + TAG;

/// A datagram, not opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) session: [u8; SESSION],
    counter: u64,
    head: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Dropped> {
        let wrong = || match Speaker::of_datagram(bytes) {
            Some(_) => Dropped::Foreign,
            None => Dropped::Garbage,
        };
        let (head, sealed) = bytes.split_at_checked(HEAD).ok_or_else(wrong)?;
        let rest = head.strip_prefix(&MAGIC).ok_or_else(wrong)?;
        let (&version, rest) = rest.split_first().ok_or(Dropped::Garbage)?;
        let (session, counter) = rest.split_first_chunk().ok_or(Dropped::Garbage)?;
        let counter = *counter.first_chunk().ok_or(Dropped::Garbage)?;
        if version != VERSION || sealed.len() > MAX_PAYLOAD + TAG {
            return Err(Dropped::Garbage);
        }
        Ok(Self {
            session: *session,
            counter: u64::from_be_bytes(counter),
            head,
            sealed,
        })
    }

    /// The datagram as it came.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head, self.sealed].concat()
    }
}

/// The datagrams beside one stream.
#[derive(Debug)]
pub(super) struct DatagramSession {
    keys: DatagramKeys,
    counter: AtomicU64,
    window: Mutex<ReplayWindow>,
}

impl DatagramSession {
    pub(super) fn new(keys: DatagramKeys) -> Self {
        Self {
            keys,
            counter: AtomicU64::new(0),
            window: Mutex::default(),
        }
    }

    /// What datagrams to this node carry.
    pub(super) fn id(&self) -> [u8; SESSION] {
        self.keys.our_session
    }

    pub(super) fn seal(&self, payload: &[u8]) -> Vec<u8> {
        let counter = self.counter.fetch_add(1, Relaxed);
        let mut bytes = Vec::with_capacity(HEAD + payload.len() + TAG);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.keys.their_session);
        bytes.extend_from_slice(&counter.to_be_bytes());
        let head: [u8; HEAD] = *bytes.first_chunk().expect("it was just written");
        bytes.extend_from_slice(payload);
        if let Some((ours, _)) = &self.keys.keys {
            ours.seal(counter, &head, &mut bytes, HEAD);
        }
        bytes
    }

    pub(super) fn open(&self, envelope: &Envelope<'_>) -> Result<Vec<u8>, Dropped> {
        let payload = match &self.keys.keys {
            None => envelope.sealed.to_vec(),
            Some((_, theirs)) => theirs
                .open(envelope.counter, envelope.head, envelope.sealed.to_vec())
                .ok_or(Dropped::Seal)?,
        };
        // Only what is authentic moves the window.
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !window.take(envelope.counter) {
            return Err(Dropped::Replay);
        }
        Ok(payload)
    }
}

/// The bound socket, and one of the other family if it is needed.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) socket: UdpSocket,
    bound: SocketAddr,
    other: OnceLock<Option<StdUdpSocket>>,
}

impl Datagrams {
    pub(super) fn new(socket: UdpSocket, bound: SocketAddr) -> Self {
        Self {
            socket,
            bound,
            other: OnceLock::new(),
        }
    }

    /// Sends, or not if the system does not take it at once.
    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let is_dual = self.bound.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let sent = match (self.bound, to) {
            (SocketAddr::V6(_), SocketAddr::V4(v4)) if is_dual => {
                let mapped = SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port());
                self.socket.try_send_to(bytes, mapped)
            }
            (SocketAddr::V4(_), SocketAddr::V6(_)) | (SocketAddr::V6(_), SocketAddr::V4(_)) => {
                match self.other.get_or_init(|| unbound(to).ok()) {
                    Some(other) => other.send_to(bytes, to),
                    None => Err(io::ErrorKind::AddrNotAvailable.into()),
                }
            }
            (SocketAddr::V4(_), SocketAddr::V4(_)) | (SocketAddr::V6(_), SocketAddr::V6(_)) => {
                self.socket.try_send_to(bytes, to)
            }
        };
        sent.map(|_| ())
    }
}

/// A socket to send to the family of `to`; nobody answers to it, since nodes send to what others advertise.
fn unbound(to: SocketAddr) -> io::Result<StdUdpSocket> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = StdUdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::mesh::seal::SessionKey;

    fn pair(sealed: bool) -> (DatagramSession, DatagramSession) {
        let key = |byte| SessionKey::new(&[byte; 32]);
        let keys = |ours, theirs, swapped: (u8, u8)| DatagramKeys {
            our_session: [ours; 8],
            their_session: [theirs; 8],
            keys: sealed.then(|| (key(swapped.0), key(swapped.1))),
        };
        (
            DatagramSession::new(keys(1, 2, (7, 8))),
            DatagramSession::new(keys(2, 1, (8, 7))),
        )
    }

    #[test]
    fn each_datagram_is_opened_once() {
        for sealed in [false, true] {
            let (a, b) = pair(sealed);
            let wires: Vec<_> = (0..3).map(|i| a.seal(&[i; 5])).collect();
            for i in [2, 0, 1] {
                let envelope = Envelope::decode(&wires[i]).unwrap();
                assert_eq!(envelope.session, b.id());
                assert_eq!(b.open(&envelope).unwrap(), [u8::try_from(i).unwrap(); 5]);
                assert_eq!(b.open(&envelope), Err(Dropped::Replay));
            }
            if sealed {
                // One's own do not come back.
                assert_eq!(
                    a.open(&Envelope::decode(&wires[0]).unwrap()),
                    Err(Dropped::Seal)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_changed_datagram_is_dropped(payload in prop::collection::vec(any::<u8>(), 0..100), at: prop::sample::Index, by in 1_u8..) {
            let (a, b) = pair(true);
            let mut wire = a.seal(&payload);
            let at = at.index(wire.len());
            wire[at] ^= by;
            if let Ok(envelope) = Envelope::decode(&wire) {
                prop_assert!(b.open(&envelope).is_err() || envelope.session != b.id());
                let in_session = (4..12).contains(&at);
                prop_assert!(in_session || b.open(&envelope).is_err());
            }
        }

        #[test]
        fn garbage_is_dropped(bytes in prop::collection::vec(any::<u8>(), 0..200), has_magic: bool) {
            let bytes = if has_magic { [&b"WFD\x01"[..], &bytes].concat() } else { bytes };
            let (_, b) = pair(true);
            if let Ok(envelope) = Envelope::decode(&bytes) {
                prop_assert!(b.open(&envelope).is_err());
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        assert_eq!(Envelope::decode(b"hello"), Err(Dropped::Garbage));
        assert_eq!(
            Envelope::decode(&[12, 1, 2, 3, 4, 9, 0x82, 0]),
            Err(Dropped::Foreign)
        );
        let long = [&b"WFD\x01"[..], &[0; 2000]].concat();
        assert_eq!(Envelope::decode(&long), Err(Dropped::Garbage));
    }
}
