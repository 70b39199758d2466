//! What an operator should look at, in words.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    cluster::{MeshStatus, NodeName, PeerState, PeerStatus},
    io::StoreStats,
    tenant::{Phase, View},
};

/// A clock that is further off is worth a word, in nanoseconds.
const CLOCK_OFF: u64 = 2_000_000_000;

/// What an operator should look at, the worst first.
pub(super) fn problems(view: &View, mesh: &MeshStatus, store: &StoreStats) -> Vec<String> {
    let mut problems = Vec::new();
    match view.phase {
        Phase::Ready => {}
        Phase::Starting => {
            problems.push("this node looks for its peers and does not notify yet".to_owned())
        }
        Phase::Syncing => problems
            .push("this node takes over what its peers know and does not notify yet".to_owned()),
        Phase::Draining => problems.push("this node stops".to_owned()),
    }
    if !view.has_majority {
        problems.push(without_quorum(view, mesh));
    }
    problems.extend(of_disks(view, mesh, store));
    for (name, peer) in &mesh.peers {
        problems.extend(of_peer(view, mesh, name, peer));
    }
    for name in &mesh.electors {
        if *name != mesh.name && !mesh.peers.contains_key(name) {
            problems.push(format!(
                "{name} votes and was not met since this node started"
            ));
        }
    }
    let of_members: BTreeSet<_> = mesh.peers.values().map(|peer| &peer.address).collect();
    for (address, reason) in &mesh.unreached {
        if of_members.contains(address) {
            continue;
        }
        problems.push(format!("no stream to {address}: {reason}"));
    }
    let diverged = view.stats.replication.divergences;
    if diverged > 0 {
        problems.push(format!(
            "{diverged} comparisons with other nodes found differences that should not be; they are repaired, please report it"
        ));
    }
    let set_aside = view.stats.replication.quarantined;
    if set_aside > 0 {
        problems.push(format!(
            "{set_aside} records of other nodes could not be used, see the log; do all nodes run the same version?"
        ));
    }
    problems
}

/// This node's own, and that of a majority.
fn of_disks(view: &View, mesh: &MeshStatus, store: &StoreStats) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(store.problem().or_else(|| idle_disk(view, mesh)));
    let ails = |name: &NodeName| match *name == mesh.name {
        true => !store.troubles().is_empty(),
        false => view.peers.get(name).is_some_and(|facts| facts.disk_ails),
    };
    let ailing = mesh.electors.iter().filter(|name| ails(name));
    let ailing: Vec<&str> = ailing.map(|name| &**name).collect();
    if ailing.len() > 1 && ailing.len() * 2 > mesh.electors.len() {
        problems.push(format!(
            "the disks of most nodes that vote do not take what is saved ({}): notifications go on from memory, the first \
             of them late by up to 20 s if disks hang, and nodes that restart together may tell again what was told",
            ailing.join(", ")
        ));
    }
    problems
}

/// A disk of which nobody knows yet that it fails or hangs.
fn idle_disk(view: &View, mesh: &MeshStatus) -> Option<String> {
    let time = view.unanswered.get(&mesh.name)?;
    Some(format!(
        "the disk of this node has taken nothing for {} s: it leaves it to the other nodes to notify; check the disk \
         under --storage.path",
        time.as_secs()
    ))
}

fn without_quorum(view: &View, mesh: &MeshStatus) -> String {
    if mesh.electors.is_empty() {
        return match view.phase {
            Phase::Starting | Phase::Syncing => "the nodes have not agreed yet on who votes",
            Phase::Ready | Phase::Draining => {
                "the nodes have not agreed on who votes; notifications wait for the minority delay"
            }
        }
        .to_owned();
    }
    let missing: BTreeSet<&str> = mesh
        .electors
        .iter()
        .filter(|name| **name != mesh.name)
        .filter(|name| {
            let connected = mesh.peers.get(*name).is_some_and(|peer| peer.connected);
            !connected
                || view.unanswered.contains_key(*name)
                || view.peers.get(*name).is_some_and(|facts| !facts.votes)
        })
        .map(|name| &**name)
        .collect();
    let missing: Vec<&str> = missing.into_iter().collect();
    let missing = match missing.is_empty() {
        true => String::new(),
        false => format!(" (not {})", missing.join(", ")),
    };
    format!(
        "no majority of those that vote can be asked{}: notifications wait once for the minority delay and may \
         then be sent by each part of the mesh",
        missing
    )
}

fn of_peer(view: &View, mesh: &MeshStatus, name: &Arc<str>, peer: &PeerStatus) -> Vec<String> {
    let mut problems = Vec::new();
    let votes = if mesh.electors.contains(name) {
        " (it still has a vote)"
    } else {
        ""
    };
    let reason = mesh.unreached.get(&peer.address);
    let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    match (peer.state, peer.connected) {
        (PeerState::Down, _) if peer.left => problems.push(format!(
            "{name} at {} left the mesh and is not back{votes}{why}",
            peer.address
        )),
        (PeerState::Down, _) => {
            problems.push(format!("{name} at {} is down{votes}{why}", peer.address))
        }
        (PeerState::Alive | PeerState::Suspect, false) => problems.push(format!(
            "there is no stream to {name} at {}{votes}{why}",
            peer.address
        )),
        (PeerState::Suspect, true) => {
            problems.push(format!("{name} at {} does not answer probes", peer.address));
        }
        (PeerState::Alive, true) => {}
    }
    if let Some(time) = view.unanswered.get(name).filter(|_| peer.connected) {
        problems.push(format!(
            "{name} at {} has acknowledged nothing for {} s although its stream is open, and does not count as in reach: \
             check its disk and its log, and whether large packets pass in both directions (ping -M do -s 1472)",
            peer.address,
            time.as_secs()
        ));
    }
    if peer.udp_blocked && peer.connected {
        problems.push(format!(
            "datagrams to {name} go unanswered: is UDP to {} let through? The mesh works without, over TCP alone",
            peer.address
        ));
    }
    if let Some(ahead) = peer
        .clock_ahead
        .filter(|ahead| ahead.unsigned_abs() > CLOCK_OFF)
    {
        let seconds = ahead.unsigned_abs() / 1_000_000_000;
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        problems.push(format!(
            "the clock of {name} is {seconds} s {side} this node's"
        ));
    }
    if let Some(facts) = view.peers.get(name).filter(|_| peer.connected) {
        if facts.differs {
            problems.push(format!(
                "{name} defines routes or receivers in another way: what differs is told by the nodes that define it the \
                 same way, separately"
            ));
        }
        if !facts.votes && mesh.electors.contains(name) {
            problems.push(format!(
                "{name} does not vote yet: it has lost what it promised, or has not caught up"
            ));
        }
        if facts.disk_ails {
            problems.push(format!(
                "the disk of {name} does not take what it saves, or takes long: a restart of it would forget that"
            ));
        }
        if facts.stuck {
            problems.push(format!(
                "{name} gets nothing acknowledged, by its own disk or by a majority, and leaves it to the others to notify"
            ));
        }
        if !facts.ready {
            problems.push(format!("{name} is not ready and does not notify"));
        }
    }
    problems
}
