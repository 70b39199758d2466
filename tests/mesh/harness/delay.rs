//! Slow links: packets that a rule puts into queue 0 of a namespace go on after a while (NFQUEUE).
//!
//! Linux hands each packet's number to a socket and waits for the verdict; this gives it late. What is here are the few
//! messages of `nfnetlink_queue` that this takes.

use std::{
    fs::File,
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::{
    net::{
        self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{NETFILTER, SocketAddrNetlink},
    },
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

// Messages of the subsystem.
const PACKET: u8 = 0;
const VERDICT: u8 = 1;
const CONFIG: u8 = 2;
const SUBSYSTEM: u8 = 3;

// Their attributes.
const CONFIG_COMMAND: u16 = 1;
const CONFIG_PARAMETERS: u16 = 2;
const CONFIG_LENGTH: u16 = 3;
const PACKET_HEADER: u16 = 1;
const VERDICT_HEADER: u16 = 2;

/// Lengths of the headers before attributes: netlink's and netfilter's.
const HEADERS: usize = 20;

/// Delays what is queued in the namespace of a node, until the program ends.
pub(crate) fn delay(node: usize, least: Duration, most: Duration) -> Result<()> {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        // Only this thread moves.
        let socket = open(node);
        let answer = socket.as_ref().map(|_| ()).map_err(ToString::to_string);
        if ready.send(answer).is_ok()
            && let Ok(socket) = socket
        {
            hold(&Arc::new(socket), least, most);
        }
    });
    let answer = is_ready.recv().context("the thread panicked")?;
    answer.map_err(anyhow::Error::msg)
}

/// The socket of queue 0 of a namespace.
fn open(node: usize) -> Result<OwnedFd> {
    let namespace = File::open(format!("/run/netns/n{node}"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    let flags = SocketFlags::CLOEXEC;
    let socket = net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        flags,
        Some(NETFILTER),
    )?;
    net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    // Bind; only the heads of packets; room for many.
    for (attribute, value) in [
        (CONFIG_COMMAND, &[1, 0, 0, 0][..]),
        (CONFIG_PARAMETERS, &[0, 0, 0, 0, 1]),
        (CONFIG_LENGTH, &8192_u32.to_be_bytes()),
    ] {
        net::send(
            &socket,
            &message(CONFIG, attribute, value),
            SendFlags::empty(),
        )?;
    }
    Ok(socket)
}

/// Lets every packet go on after its time; order is kept, as within one connection.
fn hold(socket: &Arc<OwnedFd>, least: Duration, most: Duration) {
    let (queue, due) = mpsc::channel::<(Instant, u32)>();
    let answering = Arc::clone(socket);
    thread::spawn(move || {
        for (at, id) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            let accept: Vec<u8> = [1, id].iter().flat_map(|n: &u32| n.to_be_bytes()).collect();
            let verdict = message(VERDICT, VERDICT_HEADER, &accept);
            // A packet that is gone needs no verdict.
            let _ = net::send(&*answering, &verdict, SendFlags::empty());
        }
    });
    let mut buffer = vec![0_u8; 1 << 16];
    loop {
        // An overrun costs packets, as on a real link.
        let Ok((length, _)) = net::recv(&**socket, &mut *buffer, RecvFlags::empty()) else {
            continue;
        };
        for id in packets(&buffer[..length]) {
            let wait = least + (most - least).mul_f64(f64::from(id % 17) / 17.0);
            if queue.send((Instant::now() + wait, id)).is_err() {
                return;
            }
        }
    }
}

/// A request of one attribute for queue 0.
fn message(kind: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let value_length = u16::try_from(value.len()).unwrap_or(0) + 4;
    let padded = value.len().next_multiple_of(4);
    let length = u32::try_from(HEADERS + 4 + padded).unwrap_or(0);
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(u16::from_be_bytes([SUBSYSTEM, kind]).to_ne_bytes());
    bytes.extend(1_u16.to_ne_bytes());
    // Neither number, nor port, nor family, nor version, and queue 0.
    bytes.extend([0; 12]);
    bytes.extend(value_length.to_ne_bytes());
    bytes.extend(attribute.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(HEADERS + 4 + padded, 0);
    bytes
}

/// The numbers of the packets that a datagram tells of.
fn packets(mut bytes: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    while let Some(length) = number(bytes, 0).and_then(|n| usize::try_from(n).ok()) {
        let Some(message) = bytes.get(..length).filter(|_| length >= HEADERS) else {
            break;
        };
        if message[4..6] == u16::from_be_bytes([SUBSYSTEM, PACKET]).to_ne_bytes() {
            found.extend(packet(&message[HEADERS..]));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The packet's number among attributes.
fn packet(mut attributes: &[u8]) -> Option<u32> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if kind == PACKET_HEADER {
            return Some(u32::from_be_bytes(attributes.get(4..8)?.try_into().ok()?));
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
