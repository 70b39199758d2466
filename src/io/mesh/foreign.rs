//! Who speaks to the mesh's port without being a Watchfire, told by the first bytes.

use std::fmt;

/// Another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// memberlist, which Alertmanager speaks.
    Memberlist,
    /// TLS from the first byte: Alertmanager with `--cluster.tls-config`.
    Tls,
    /// HTTP.
    Http,
}

/// memberlist's types of messages that begin a stream or a datagram.
const PING: u8 = 0;
const COMPOUND: u8 = 7;
const USER: u8 = 8;
const COMPRESS: u8 = 9;
const ENCRYPT: u8 = 10;
const HAS_CRC: u8 = 12;
const ERROR: u8 = 13;
const HAS_LABEL: u8 = 244;

impl Speaker {
    /// Tells who begins a stream with these two bytes.
    pub(super) fn of_stream(start: [u8; 2]) -> Option<Self> {
        match start {
            // Types that are followed by a map of msgpack.
            [PING..=COMPOUND | USER | COMPRESS | ERROR, 0x80..=0x8F] => Some(Self::Memberlist),
            [ENCRYPT, 0] | [HAS_LABEL, 1..=u8::MAX] => Some(Self::Memberlist),
            [0x16, 0x03] => Some(Self::Tls),
            [b'G', b'E'] | [b'P', b'O' | b'U' | b'R'] | [b'H', b'E'] | [b'O', b'P'] => {
                Some(Self::Http)
            }
            [_, _] => None,
        }
    }

    /// Whether memberlist sent this datagram.
    pub(super) fn of_datagram(bytes: &[u8]) -> Option<Self> {
        let is = match *bytes {
            [HAS_CRC, _, _, _, _, kind, ..] => kind <= ERROR,
            [HAS_LABEL, length, ref rest @ ..] => length > 0 && rest.len() > usize::from(length),
            [COMPOUND, parts, ..] => parts > 0,
            [PING..=COMPOUND | COMPRESS, 0x80..=0x8F, ..] => true,
            _ => false,
        };
        is.then_some(Self::Memberlist)
    }

    /// Whether it is taken for an Alertmanager.
    pub(super) fn is_alertmanager(self) -> bool {
        match self {
            Self::Memberlist | Self::Tls => true,
            Self::Http => false,
        }
    }
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memberlist => "it is an Alertmanager; it cannot join: see docs/ha.md",
            Self::Tls => {
                "it speaks TLS without a word before, as an Alertmanager with --cluster.tls-config does; an Alertmanager \
                 cannot join: see docs/ha.md"
            }
            Self::Http => "it speaks HTTP: this is the port of the mesh, --web.listen-address has the API",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_bytes_name_the_speaker() {
        for (start, expect) in [
            // A push/pull of 0.25 and later: compressed, or bare.
            ([9, 0x82], Some(Speaker::Memberlist)),
            ([6, 0x83], Some(Speaker::Memberlist)),
            ([0, 0x82], Some(Speaker::Memberlist)),
            ([8, 0x81], Some(Speaker::Memberlist)),
            ([244, 5], Some(Speaker::Memberlist)),
            ([0x16, 3], Some(Speaker::Tls)),
            (*b"GE", Some(Speaker::Http)),
            (*b"WA", None),
            ([0, 0], None),
            ([255, 255], None),
        ] {
            assert_eq!(Speaker::of_stream(start), expect, "{start:?}");
        }
        for (datagram, expect) in [
            (&[12, 1, 2, 3, 4, 9, 0x82][..], true),
            (&[244, 2, b'a', b'b', 12], true),
            (&[0, 0x86, 1], true),
            (&[7, 2, 0, 20], true),
            (&[244, 200, b'a'], false),
            (&[], false),
            (&[12], false),
            (b"WFD", false),
        ] {
            assert_eq!(
                Speaker::of_datagram(datagram).is_some(),
                expect,
                "{datagram:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = Speaker::of_datagram(&bytes);
            if let [first, second, ..] = bytes[..] {
                let _ = Speaker::of_stream([first, second]);
            }
        }
    }
}
