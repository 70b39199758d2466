//! Opening connections: every address of a name in turn, and what a failure means.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

use super::{
    gate::Gate,
    handshake::{Link, Side, handshake},
    refusal::{Failure, Refusal},
};
use crate::{cluster::CloseReason, io::server::split_host_port};

/// An address of several is given at least this much time.
const LEAST: Duration = Duration::from_secs(1);

/// A connection without traffic is looked at this often, so that firewalls do not forget a lifeline and its loss is noticed;
/// all others are watched by the core.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// 1,280 bytes less the headers of IPv6 and TCP.
const SEGMENT: u32 = 1_220;

/// A look that is not answered is repeated after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Bytes that the system may hold unsent, so that what is urgent does not wait behind megabytes.
const UNSENT: u32 = 128 << 10;

/// Looks a `host:port` up.
pub(in crate::io) async fn look_up(to: &str) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = split_host_port(to).map_err(|error| error.to_string())?;
    // Zones of IPv6 addresses are the resolver's business.
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), port))
        .await
        .map_err(|error| format!("cannot resolve {host:?}: {error}"))?
        .collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Err(format!("cannot resolve {host:?}: it has no address"));
    }
    Ok(found)
}

/// Opens a connection and shakes hands.
pub(super) async fn dial(to: &str, gate: &Arc<Gate>) -> Result<(Link, SocketAddr), CloseReason> {
    let found = tokio::time::timeout(gate.timeout, look_up(to)).await;
    let addresses = found
        .unwrap_or_else(|_elapsed| Err(format!("cannot resolve {to}: no answer in time")))
        .map_err(CloseReason::Unreachable)?;
    let host = split_host_port(to).map_or_else(|_| to.to_owned(), |(host, _)| host);
    let share = gate.timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut failures = Failures::default();
    for address in addresses {
        let within = share.max(LEAST).min(gate.timeout);
        let tcp = match tokio::time::timeout(within, connect(address, gate.timeout)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => {
                failures.connect(address, &error);
                continue;
            }
            Err(_elapsed) => {
                failures.unreachable(format!("{address} did not answer within {within:?}"));
                continue;
            }
        };
        match handshake(tcp, Side::Dialer(&host), gate).await {
            Ok(link) => return Ok((link, address)),
            Err(failure) => {
                gate.report(address, Some(to), &failure);
                failures.handshake(address, failure);
            }
        }
    }
    Err(failures.sum_up())
}

async fn connect(address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    narrow(&SockRef::from(&socket));
    let tcp = socket.connect(address).await?;
    // A dial to a port of one's own ephemeral range may meet itself.
    if tcp.local_addr()? == tcp.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    prepare(&tcp, timeout);
    Ok(tcp)
}

/// Has segments fit into 1,280 bytes, which every path carries that carries IPv6: tunnels that are narrower than their ends
/// believe swallow larger ones without a word. To be called before there is a connection.
pub(super) fn narrow(socket: &SockRef<'_>) {
    if let Err(error) = socket.set_tcp_mss(SEGMENT) {
        tracing::debug!(component = "cluster", %error, "the size of segments cannot be set");
    }
}

/// Sets what every connection of the mesh has; a system that lacks one of these works as well.
pub(super) fn prepare(tcp: &TcpStream, timeout: Duration) {
    let socket = SockRef::from(tcp);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(LOOK_AGAIN)
        .with_retries(3);
    for result in [
        tcp.set_nodelay(true),
        socket.set_tcp_keepalive(&keepalive),
        socket.set_tcp_user_timeout(Some(timeout)),
        socket.set_tcp_notsent_lowat(UNSENT),
        socket.set_tcp_thin_linear_timeouts(true),
    ] {
        if let Err(error) = result {
            tracing::debug!(component = "cluster", %error, "an option of a socket cannot be set");
        }
    }
}

/// Why each address failed.
#[derive(Debug, Default)]
struct Failures {
    refused: Vec<String>,
    unreachable: Vec<String>,
    /// The family is not there at all, which says nothing about the host.
    unroutable: Vec<String>,
    rejected: Vec<String>,
    foreign: Vec<String>,
    ended: Vec<String>,
}

impl Failures {
    fn connect(&mut self, address: SocketAddr, error: &io::Error) {
        let text = format!("{address}: {error}");
        let no_way = [
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::AddrNotAvailable,
        ];
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.refused.push(text);
        } else if no_way.contains(&error.kind()) {
            self.unroutable.push(text);
        } else {
            self.unreachable.push(text);
        }
    }

    fn unreachable(&mut self, text: String) {
        self.unreachable.push(text);
    }

    fn handshake(&mut self, address: SocketAddr, failure: Failure) {
        let text = format!("{address}: {failure}");
        match failure {
            Failure::Refused(Refusal::Silent, _) => self.unreachable.push(text),
            Failure::Refused(Refusal::Foreign | Refusal::Garbage, _) => self.foreign.push(text),
            Failure::Refused(..) => self.rejected.push(text),
            Failure::Broken(_) => self.ended.push(text),
        }
    }

    /// What is said of the whole: that a process is gone only if every address that has a way says so.
    fn sum_up(self) -> CloseReason {
        let Self {
            refused,
            unreachable,
            unroutable,
            rejected,
            foreign,
            ended,
        } = self;
        let all_refuse = !refused.is_empty()
            && [&unreachable, &rejected, &foreign, &ended]
                .iter()
                .all(|of| of.is_empty());
        let first = [
            &rejected,
            &foreign,
            &ended,
            &unreachable,
            &refused,
            &unroutable,
        ]
        .into_iter()
        .find(|of| !of.is_empty())
        .map(|of| of.join("; "))
        .unwrap_or_default();
        if all_refuse {
            CloseReason::Refused(first)
        } else if !rejected.is_empty() {
            CloseReason::Rejected(first)
        } else if !foreign.is_empty() {
            CloseReason::Foreign(first)
        } else if !ended.is_empty() {
            CloseReason::Ended(first)
        } else {
            CloseReason::Unreachable(first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_only_if_all_that_is_there_says_so() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let no_route = || io::Error::from(io::ErrorKind::NetworkUnreachable);
        let host_down = || io::Error::from(io::ErrorKind::HostUnreachable);
        let sum = |errors: &[io::Error]| {
            let mut failures = Failures::default();
            for error in errors {
                failures.connect(address, error);
            }
            failures.sum_up()
        };
        assert!(matches!(sum(&[refused()]), CloseReason::Refused(_)));
        assert!(matches!(
            sum(&[no_route(), refused()]),
            CloseReason::Refused(_)
        ));
        assert!(matches!(
            sum(&[host_down(), refused()]),
            CloseReason::Unreachable(_)
        ));
        assert!(matches!(sum(&[no_route()]), CloseReason::Unreachable(_)));
        let mut failures = Failures::default();
        failures.connect(address, &refused());
        failures.handshake(
            address,
            Failure::refused(Refusal::Label, "its label is another"),
        );
        let CloseReason::Rejected(text) = failures.sum_up() else {
            panic!();
        };
        assert!(text.contains("its label is another"), "{text}");
    }
}
