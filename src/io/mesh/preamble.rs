//! What both sides of a connection say first, at once and in the clear: who they are and how they mean to go on.
//!
//! Nothing in it is secret, and nothing in it is believed before the proof: its bytes go into the keys of the session, so
//! that whoever changes one on the way ends the connection.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{
    foreign::Speaker,
    keys::KeyId,
    refusal::{Failure, Refusal},
};

/// How every connection begins; its second byte is not of the text, so that no line of text begins so.
pub(super) const MAGIC: [u8; 8] = *b"W\xF1MESH\r\n";

/// The versions of the transport that are spoken, oldest and newest.
pub(super) const VERSIONS: (u8, u8) = (1, 1);

/// Bytes of a session's id.
pub(super) const SESSION: usize = 8;

const NONCE: usize = 32;

/// A label's bytes, as in Alertmanager.
pub(super) const MAX_LABEL: usize = 255;

/// Keys that a node may name.
pub(super) const MAX_KEYS: usize = 16;

/// Bytes behind the magic and the length; later versions may append to what is read here.
const MAX_BODY: usize = 4096;

/// How what follows is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Plain,
    Secret,
    Tls,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Plain, Self::Secret, Self::Tls];

    fn byte(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Secret => 1,
            Self::Tls => 2,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Plain => "neither a secret nor TLS",
            Self::Secret => "a secret (--cluster.secret-file)",
            Self::Tls => "TLS (--cluster.tls-config)",
        }
    }
}

/// What one side says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preamble {
    /// Oldest and newest version.
    pub(super) versions: (u8, u8),
    /// `None` is one of a later version.
    pub(super) mode: Option<Mode>,
    pub(super) nonce: [u8; NONCE],
    /// Datagrams for this side carry this.
    pub(super) session: [u8; SESSION],
    pub(super) label: String,
    /// Keys that this side has, the one that it seals with first.
    pub(super) keys: Vec<KeyId>,
}

impl Preamble {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = vec![
            self.versions.0,
            self.versions.1,
            self.mode.map_or(u8::MAX, Mode::byte),
        ];
        body.extend_from_slice(&self.nonce);
        body.extend_from_slice(&self.session);
        let label = &self.label.as_bytes()[..self.label.len().min(MAX_LABEL)];
        body.push(u8::try_from(label.len()).expect("cut just above"));
        body.extend_from_slice(label);
        let keys = &self.keys[..self.keys.len().min(MAX_KEYS)];
        body.push(u8::try_from(keys.len()).expect("cut just above"));
        body.extend(keys.iter().flatten());
        let length = u16::try_from(body.len()).expect("all parts are bounded");
        [&MAGIC[..], &length.to_be_bytes(), &body].concat()
    }

    /// Reads what the other side says; also gives its bytes. `None` if it says nothing and closes.
    pub(super) async fn read(
        from: &mut (impl AsyncRead + Unpin),
    ) -> Result<Option<(Self, Vec<u8>)>, Failure> {
        let broken = |error: std::io::Error| Failure::Broken(error.to_string());
        let mut head = [0; MAGIC.len() + 2];
        let mut have = 0;
        while have < head.len() {
            let read = from.read(&mut head[have..]).await.map_err(broken)?;
            if read == 0 && have == 0 {
                return Ok(None);
            }
            if read == 0 {
                let text = "it closed the connection in the middle of the greeting";
                return Err(Failure::Broken(text.to_owned()));
            }
            have += read;
            if have >= 2 && head[..2] != MAGIC[..2] {
                return Err(stranger([head[0], head[1]]));
            }
        }
        let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
        if head[..8] != MAGIC || length > MAX_BODY {
            return Err(Failure::refused(Refusal::Garbage, "it is no Watchfire"));
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).await.map_err(broken)?;
        let preamble = Self::decode(&body).ok_or_else(|| {
            Failure::refused(
                Refusal::Garbage,
                "what it says of itself cannot be read: it is no Watchfire, or one of a much later version",
            )
        })?;
        Ok(Some((preamble, [&head[..], &body].concat())))
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let (&[oldest, newest, mode], rest) = body.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (&length, rest) = rest.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(length))?;
        let (&count, rest) = rest.split_first()?;
        let count = usize::from(count);
        if count > MAX_KEYS {
            return None;
        }
        let (keys, _) = rest.split_at_checked(count * size_of::<KeyId>())?;
        Some(Self {
            versions: (oldest, newest),
            mode: Mode::ALL.into_iter().find(|known| known.byte() == mode),
            nonce: *nonce,
            session: *session,
            label: String::from_utf8(label.to_vec()).ok()?,
            keys: keys.as_chunks().0.to_vec(),
        })
    }

    /// Whether this node and the other belong together.
    pub(super) fn agree(&self, other: &Self) -> Result<(), Failure> {
        if self.label != other.label {
            let text = format!(
                "its --cluster.label is {:?}, this node's is {:?}",
                other.label, self.label
            );
            return Err(Failure::Refused(Refusal::Label, text));
        }
        if self.versions.0 > other.versions.1 || other.versions.0 > self.versions.1 {
            let text = format!(
                "it speaks the mesh's transport in versions {} to {}, this node in {} to {}: bring the older one up to date",
                other.versions.0, other.versions.1, self.versions.0, self.versions.1
            );
            return Err(Failure::Refused(Refusal::Version, text));
        }
        if self.mode != other.mode {
            let words = |mode: Option<Mode>| mode.map_or("what is not known here", Mode::words);
            let text = format!(
                "it uses {}, this node {}: give all nodes the same",
                words(other.mode),
                words(self.mode)
            );
            return Err(Failure::Refused(Refusal::Mode, text));
        }
        if self.mode == Some(Mode::Secret) && self.sealing_key(other).is_none() {
            let text = "none of the keys in its --cluster.secret-file is in this node's";
            return Err(Failure::refused(Refusal::Key, text));
        }
        Ok(())
    }

    /// The key that this side seals with: its first that the other has too.
    pub(super) fn sealing_key(&self, other: &Self) -> Option<KeyId> {
        let key = self.keys.iter().find(|key| other.keys.contains(key));
        key.copied()
    }
}

fn stranger(start: [u8; 2]) -> Failure {
    match Speaker::of_stream(start) {
        Some(speaker) if speaker.is_alertmanager() => {
            Failure::refused(Refusal::Foreign, speaker.to_string())
        }
        Some(speaker) => Failure::refused(Refusal::Garbage, speaker.to_string()),
        None => Failure::refused(Refusal::Garbage, "it is no Watchfire"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::unwrap_in_result, reason = "a runtime can be had")]
    fn read(mut bytes: &[u8]) -> Result<Option<(Preamble, Vec<u8>)>, Failure> {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(Preamble::read(&mut bytes))
    }

    /// A change of a preamble, and how it is refused.
    type Case<'a> = (&'a dyn Fn(&mut Preamble), Refusal, &'a str);

    fn preamble() -> Preamble {
        Preamble {
            versions: VERSIONS,
            mode: Some(Mode::Secret),
            nonce: [1; NONCE],
            session: [2; SESSION],
            label: "prod".to_owned(),
            keys: vec![[3; 8], [4; 8]],
        }
    }

    #[test]
    fn who_differs_is_told_how() {
        let ours = preamble();
        assert_eq!(ours.agree(&ours), Ok(()));
        let cases: [Case<'_>; 5] = [
            (
                &|other| other.label = "test\n".to_owned(),
                Refusal::Label,
                "its --cluster.label is \"test\\n\", this node's is \"prod\"",
            ),
            (
                &|other| other.versions = (2, 3),
                Refusal::Version,
                "in versions 2 to 3, this node in 1 to 1",
            ),
            (
                &|other| other.mode = Some(Mode::Plain),
                Refusal::Mode,
                "it uses neither a secret nor TLS, this node a secret (--cluster.secret-file)",
            ),
            (&|other| other.mode = None, Refusal::Mode, "not known here"),
            (
                &|other| other.keys = vec![[9; 8]],
                Refusal::Key,
                "none of the keys",
            ),
        ];
        for (change, expect, words) in cases {
            let mut other = ours.clone();
            change(&mut other);
            let Err(Failure::Refused(why, text)) = ours.agree(&other) else {
                panic!("{other:?}");
            };
            assert_eq!(why, expect);
            assert!(text.contains(words), "{text}");
        }
        let mut other = ours.clone();
        other.keys.reverse();
        assert_eq!(ours.sealing_key(&other), Some([3; 8]));
        assert_eq!(other.sealing_key(&ours), Some([4; 8]));
    }

    #[test]
    fn later_versions_may_say_more() {
        let mut wire = preamble().encode();
        wire.extend_from_slice(b"more");
        let length = u16::try_from(wire.len() - 10).unwrap();
        wire[8..10].copy_from_slice(&length.to_be_bytes());
        let (read, bytes) = read(&wire).unwrap().unwrap();
        assert_eq!((read, bytes), (preamble(), wire));
    }

    #[test]
    fn strangers_are_named() {
        assert_eq!(read(b""), Ok(None));
        for (bytes, expect) in [
            (&b"\x09\x82\xa4Algo"[..], "it is an Alertmanager"),
            (b"GET / HTTP/1.1\r\n", "it speaks HTTP"),
            (b"W\xF1M", "in the middle"),
            (b"hello", "it is no Watchfire"),
            (b"W\xF1MESH\r\n\xFF\xFF", "it is no Watchfire"),
            (b"W\xF1MESH\r\n\0\x01\0", "cannot be read"),
        ] {
            let failure = read(bytes).unwrap_err();
            assert!(failure.to_string().contains(expect), "{failure}");
        }
    }

    proptest! {
        #[test]
        fn it_comes_back(label in "[a-z]{0,255}", keys in prop::collection::vec(any::<KeyId>(), 0..=16), nonce: [u8; 32], session: [u8; 8]) {
            let said = Preamble { label, keys, nonce, session, ..preamble() };
            prop_assert_eq!(read(&said.encode()).unwrap().unwrap().0, said);
        }

        #[test]
        fn damage_never_panics(at: prop::sample::Index, by: u8, cut: prop::sample::Index) {
            let mut wire = preamble().encode();
            let at = at.index(wire.len());
            wire[at] ^= by;
            let _ = read(&wire);
            let _ = read(&wire[..cut.index(wire.len())]);
        }

        #[test]
        fn garbage_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
            let _ = Preamble::decode(&body);
        }
    }
}
