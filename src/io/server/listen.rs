//! Binding of listen addresses as Go's `net.Listen` reads them, and of sockets passed by systemd.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// A listener that is bound.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub(super) listener: TcpListener,
    /// Where it is bound, with the port that was found for port 0.
    pub address: SocketAddr,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Not `host:port`.
    #[error("address {address}: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// vsock is not built.
    #[error(
        "listen {0:?}: vsock addresses are not supported, listen on a TCP address such as 127.0.0.1:9093"
    )]
    Vsock(String),
    /// The system refused.
    #[error("listen tcp {address}: {}", plain(.source))]
    Bind {
        /// As given.
        address: String,
        /// Its reason.
        source: io::Error,
    },
    /// `--web.systemd-socket` without sockets.
    #[error(
        "no socket activation file descriptors found: start with a systemd socket unit, or without --web.systemd-socket"
    )]
    NoSockets,
}

/// An error as Go words it: without the number.
fn plain(error: &io::Error) -> String {
    let words = [
        (io::ErrorKind::AddrInUse, "bind: address already in use"),
        (io::ErrorKind::PermissionDenied, "bind: permission denied"),
        (
            io::ErrorKind::AddrNotAvailable,
            "bind: cannot assign requested address",
        ),
    ];
    words
        .into_iter()
        .find(|(kind, _)| *kind == error.kind())
        .map_or_else(|| error.to_string(), |(_, text)| text.to_owned())
}

/// Splits `host:port`; brackets are taken off any host (prometheus-operator writes `[10.0.0.7]:9094`).
///
/// # Errors
/// With Go's words.
pub fn split_host_port(address: &str) -> Result<(String, u16), ListenError> {
    let wrong = |reason: &str| ListenError::Address {
        address: address.to_owned(),
        reason: reason.to_owned(),
    };
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| wrong("missing port in address"))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner
            .strip_suffix(']')
            .ok_or_else(|| wrong("missing ']' in address"))?,
        None if host.contains(':') => return Err(wrong("too many colons in address")),
        None => host,
    };
    let port = match port {
        "" => 0,
        "http" => 80,
        "https" => 443,
        digits => digits
            .parse()
            .ok()
            .ok_or_else(|| wrong(&format!("invalid port {port:?}")))?,
    };
    Ok((host.to_owned(), port))
}

/// Binds a TCP listener; an empty host is every address of both families.
///
/// # Errors
/// If the address is none or the system refuses it.
pub async fn bind(address: &str) -> Result<Bound, ListenError> {
    if address.starts_with("vsock://") {
        return Err(ListenError::Vsock(address.to_owned()));
    }
    let (host, port) = split_host_port(address)?;
    let failed = |source| ListenError::Bind {
        address: address.to_owned(),
        source,
    };
    let socket = if host.is_empty() {
        let both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        listening(both, true).or_else(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                return Err(error);
            }
            // A host without IPv6.
            let v4_only = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
            listening(v4_only, false)
        })
    } else {
        let host = host.split('%').next().unwrap_or_default().to_owned();
        let resolved = tokio::net::lookup_host((host, port))
            .await
            .map_err(failed)?
            .next();
        let address = resolved.ok_or_else(|| failed(io::Error::other("no such host")))?;
        listening(address, false)
    };
    let socket = socket.map_err(failed)?;
    finish(socket.into()).map_err(failed)
}

/// The sockets that systemd passes.
///
/// # Errors
/// If there are none, or one is no TCP listener.
pub fn bind_systemd() -> Result<Vec<Bound>, ListenError> {
    let failed = |source| ListenError::Bind {
        address: "of systemd".to_owned(),
        source,
    };
    let mut passed = listenfd::ListenFd::from_env();
    let mut out = Vec::new();
    for index in 0..passed.len() {
        if let Some(listener) = passed.take_tcp_listener(index).map_err(failed)? {
            out.push(finish(listener).map_err(failed)?);
        }
    }
    if out.is_empty() {
        return Err(ListenError::NoSockets);
    }
    Ok(out)
}

fn listening(address: SocketAddr, both_families: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if both_families {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket)
}

fn finish(listener: std::net::TcpListener) -> io::Result<Bound> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

/// Lets the process open as many files as the system allows it, as Go programs do, and says how many that is.
#[must_use]
pub fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    now.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_go() {
        for (text, expect) in [
            (":9093", Some(("", 9093))),
            ("127.0.0.1:0", Some(("127.0.0.1", 0))),
            ("[::1]:9093", Some(("::1", 9093))),
            ("[10.0.0.7]:9094", Some(("10.0.0.7", 9094))),
            ("localhost:9093", Some(("localhost", 9093))),
            ("9093", None),
            ("::1:9093", None),
            ("[::1:9093", None),
            ("x:70000", None),
        ] {
            let got = split_host_port(text).ok();
            assert_eq!(
                got.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expect,
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_port_is_found_and_a_taken_one_refused() {
        let bound = bind("127.0.0.1:0").await.unwrap();
        assert_ne!(bound.address.port(), 0);
        let error = bind(&bound.address.to_string()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("listen tcp {}: bind: address already in use", bound.address)
        );
        assert!(
            bind("vsock://:9093")
                .await
                .unwrap_err()
                .to_string()
                .contains("vsock")
        );
    }

    #[tokio::test]
    async fn no_host_means_both_families() {
        let bound = bind(":0").await.unwrap();
        let port = bound.address.port();
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .unwrap();
    }
}
