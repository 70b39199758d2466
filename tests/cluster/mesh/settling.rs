//! Which processes still look for their peers. They are in reach and promise nothing: with too few others that do promise,
//! a node tells alone after the minority delay, though it sees a majority.

use std::time::Duration;

use super::{reach::GRACE, world::World};

/// How long a process looks for its peers at most.
pub(crate) const SETTLE: Duration = Duration::from_secs(60);

impl World {
    /// Takes in which processes were answered or refused when they dialled another host.
    pub(super) fn note_met(&mut self) {
        let mut news = false;
        for (host, life, other) in std::mem::take(&mut self.network.met) {
            let it = &mut self.hosts[host];
            news |= it.life == life && it.met.insert(other);
        }
        if news {
            self.note();
        }
    }

    /// Whoever another process was in reach of for long enough has met it, whether it dialled or not.
    pub(super) fn note_reached(&mut self) {
        let count = self.hosts.len();
        for host in 0..count {
            let reached = |other: &usize| {
                let since = self.reach.since(host, *other);
                since.is_some_and(|since| since + GRACE <= self.clock)
            };
            let reached: Vec<usize> = (0..count).filter(reached).collect();
            self.hosts[host].acquainted |= !reached.is_empty();
            self.hosts[host].met.extend(reached);
        }
    }

    /// Whether the process of a host has met all its peers, or looked for them for long enough.
    pub(super) fn has_settled(&self, host: usize) -> bool {
        let it = &self.hosts[host];
        let mut peers = self.peers_of(host).into_iter();
        let mut met_all = || peers.all(|peer| peer == host || it.met.contains(&peer));
        it.is_up() && (it.now(self.clock).mono >= SETTLE || met_all())
    }
}
