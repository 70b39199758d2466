//! The port of the mesh: bound for UDP and TCP, with the address under which others reach it.
//!
//! It is bound before the configuration is read, so that a second process ends at once; connections wait in the
//! system's queue until the node is there.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket},
};

use socket2::SockRef;
use tokio::net::{TcpListener, UdpSocket};

use super::{dial::narrow, interfaces, peers};
use crate::{
    io::{
        entropy::random_bytes,
        server::{ListenError, split_host_port},
    },
    time::Timestamp,
};

/// What the flags say about the port.
#[derive(Debug, Clone, Copy)]
pub struct GossipOptions<'a> {
    /// `--cluster.listen-address`
    pub listen: &'a str,
    /// `--cluster.advertise-address`; empty if it is to be found.
    pub advertise: &'a str,
    /// `--cluster.allow-insecure-public-advertise-address-discovery`
    pub allow_public: bool,
}

/// The port cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    /// The address to listen on is none.
    #[error("invalid listen address: {0}")]
    Listen(ListenError),
    /// The address to advertise is none.
    #[error("invalid advertise address: {0}")]
    Advertise(ListenError),
    /// A `--cluster.peer` is none.
    #[error("resolve peers: {0}")]
    Peer(String),
    /// The system refuses.
    #[error("could not set up network transport: failed to listen on {address}: {source}")]
    Bind {
        /// As given.
        address: String,
        /// The system's words.
        source: io::Error,
    },
}

/// The bound port.
#[derive(Debug)]
pub struct GossipPort {
    /// Where it is bound.
    pub bound: SocketAddr,
    /// Where others reach it, `host:port`.
    pub advertised: String,
    /// What an operator should know about the address.
    pub warning: Option<String>,
    pub(super) tcp: TcpListener,
    pub(super) udp: UdpSocket,
}

/// Other ports are tried this often if port 0 gives one that only TCP or UDP has free.
const TRIES: usize = 16;

impl GossipPort {
    /// Whether only this host reaches it, and others are told so.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.bound.ip().is_loopback() && peers::is_loopback(&self.advertised)
    }

    /// Binds UDP and TCP.
    ///
    /// # Errors
    /// If an address is none or the system refuses it.
    pub async fn bind(options: GossipOptions<'_>) -> Result<Self, GossipError> {
        let (host, port) = split_host_port(options.listen).map_err(GossipError::Listen)?;
        let host = if host.is_empty() {
            "0.0.0.0".to_owned()
        } else {
            host
        };
        let advertised = match options.advertise {
            "" => None,
            text => Some(split_host_port(text).map_err(GossipError::Advertise)?),
        };
        let (tcp, udp) = bind_both(&host, port)
            .await
            .map_err(|source| GossipError::Bind {
                address: options.listen.to_owned(),
                source,
            })?;
        let bound = tcp.local_addr().map_err(|source| GossipError::Bind {
            address: options.listen.to_owned(),
            source,
        })?;
        let (advertised, warning) = match advertised {
            // Alertmanager wants an address; a name is as good here, since peers look it up again and again.
            Some((host, port)) if !host.is_empty() => {
                let port = if port == 0 { bound.port() } else { port };
                (joined(&host, port), None)
            }
            Some(_) | None => deduced(bound, options.allow_public),
        };
        Ok(Self {
            bound,
            advertised,
            warning,
            tcp,
            udp,
        })
    }
}

async fn bind_both(host: &str, port: u16) -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = 0;
    loop {
        let tcp = TcpListener::bind((host, port)).await?;
        narrow(&SockRef::from(&tcp));
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if port != 0 || tries == TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

pub(super) fn joined(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The address others can dial, as upstream deduces it; where there is none, that is no reason not to start.
fn deduced(bound: SocketAddr, allow_public: bool) -> (String, Option<String>) {
    if !bound.ip().is_unspecified() {
        return (bound.to_string(), None);
    }
    let mut found = local_addresses();
    // `0.0.0.0` takes nothing of IPv6; `[::]` takes both.
    found.retain(|ip| ip.is_ipv4() || bound.is_ipv6());
    let chosen = found
        .iter()
        .find(|ip| is_private(**ip))
        .or_else(|| found.first().filter(|_| allow_public));
    if let Some(ip) = chosen {
        return (joined(&ip.to_string(), bound.port()), None);
    }
    let shown = found.first().map_or_else(
        || bound.to_string(),
        |public| joined(&public.to_string(), bound.port()),
    );
    let warning = format!(
        "couldn't deduce an advertise address: no private IP found, explicit advertise addr not provided; {shown} is \
         shown until --cluster.advertise-address says where other nodes reach this one"
    );
    (shown, Some(warning))
}

/// Addresses of this host: first those that packets to the world and to private networks would carry, then those of all
/// interfaces, where no route leads to any of these. Nothing is sent.
fn local_addresses() -> Vec<IpAddr> {
    const TARGETS: [&str; 6] = [
        "192.0.2.1:9",
        "10.0.0.1:9",
        "172.16.0.1:9",
        "192.168.0.1:9",
        "[2001:db8::1]:9",
        "[fd00::1]:9",
    ];
    let towards = |target: &str| -> io::Result<IpAddr> {
        let any = if target.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let socket = StdUdpSocket::bind(any)?;
        socket.connect(target)?;
        Ok(socket.local_addr()?.ip())
    };
    TARGETS
        .into_iter()
        .filter_map(|target| towards(target).ok())
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
        .chain(interfaces::addresses())
        .collect()
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// A name for a node that was given none: a ULID, as upstream draws it.
#[must_use]
pub fn random_peer_name(now: Timestamp) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let millis = u128::try_from(now.unix_millis()).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
    let random = u128::from_be_bytes(random_bytes()) >> 48;
    let value = millis << 80 | random;
    (0..26)
        .rev()
        .map(|place| {
            let digit = usize::try_from(value >> (place * 5) & 31).unwrap_or(0);
            char::from(DIGITS[digit])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options<'a>(listen: &'a str, advertise: &'a str) -> GossipOptions<'a> {
        GossipOptions {
            listen,
            advertise,
            allow_public: false,
        }
    }

    #[tokio::test]
    async fn both_protocols_have_the_port_and_a_second_node_is_refused() {
        let port = GossipPort::bind(options("[127.0.0.1]:0", ""))
            .await
            .unwrap();
        assert_ne!(port.bound.port(), 0);
        assert_eq!(port.advertised, port.bound.to_string());
        tokio::net::TcpStream::connect(port.bound).await.unwrap();
        assert!(UdpSocket::bind(port.bound).await.is_err());
        let taken = port.bound.to_string();
        let error = GossipPort::bind(options(&taken, "")).await.unwrap_err();
        assert!(error.to_string().contains("failed to listen on"), "{error}");
    }

    #[tokio::test]
    async fn what_is_advertised_is_taken_or_found() {
        let port = GossipPort::bind(options("127.0.0.1:0", "[10.0.0.7]:9094"))
            .await
            .unwrap();
        assert_eq!(
            (port.advertised.as_str(), port.warning),
            ("10.0.0.7:9094", None)
        );
        for named in ["node-1:9094", "[fd00::1]:9094"] {
            let port = GossipPort::bind(options("127.0.0.1:0", named))
                .await
                .unwrap();
            assert_eq!((port.advertised.as_str(), port.warning), (named, None));
        }
        // What this host has is not known here: an address or a warning.
        let port = GossipPort::bind(options("0.0.0.0:0", "")).await.unwrap();
        let ip = port.advertised.parse::<SocketAddr>().unwrap().ip();
        assert_eq!(is_private(ip), port.warning.is_none());
        assert!(!port.advertised.starts_with('['), "{}", port.advertised);
        for wrong in ["9094", "127.0.0.1:x"] {
            assert!(GossipPort::bind(options(wrong, "")).await.is_err());
        }
    }

    #[test]
    fn names_are_ulids() {
        let now = Timestamp::from_millis(1_469_918_176_385);
        let name = random_peer_name(now);
        assert_eq!(name.len(), 26);
        assert!(name.starts_with("01ARYZ6S41"), "{name}");
        assert_ne!(name, random_peer_name(now));
    }
}
