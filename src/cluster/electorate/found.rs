//! Founding: when there is no electorate yet, and when the majority of the last one is gone for good.
//!
//! In two phases: the smallest name asks everyone named, each keeps that it agreed, and only when all did is it an
//! electorate. What stands after a founding without a majority is marked: it belongs to the line of the electorate that it
//! replaces, with its epoch plus one, so it replaces that one also at members that come back, unless they went on
//! meanwhile: [`super::charter::Charter::compare`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Electorate,
    charter::{Charter, CharterId},
    wire::Message,
};
use crate::{
    cluster::{NodeName, settings::MAX_NODES},
    time::Now,
};

/// How long a node waits for all that it met to be ready, and each for those with smaller names to propose.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long one asks, and for how long those who agreed agree to nothing else.
const ASK: Duration = Duration::from_secs(2);
const PLEDGED: Duration = Duration::from_secs(3);

/// An electorate that this node wants to found.
#[derive(Debug)]
pub(super) struct Founding {
    charter: Charter,
    agreed: BTreeSet<NodeName>,
    until: Duration,
}

/// This node agreed to found with somebody.
#[derive(Debug)]
pub(super) struct Pledge {
    pub to: NodeName,
    until: Duration,
}

impl Pledge {
    pub(super) fn new(to: NodeName, now: Duration) -> Self {
        Self {
            to,
            until: now.saturating_add(PLEDGED),
        }
    }
}

impl Electorate {
    /// Notes since when no majority of voting members is in reach.
    pub(super) fn watch_majority(&mut self, now: Now) {
        let id = self.id();
        let reached = self.charter.as_ref().is_some_and(|charter| {
            self.is_majority(charter, |name| {
                if name == &*self.name {
                    return self.votes_now(now);
                }
                self.peers
                    .get(name)
                    .and_then(|peer| peer.live())
                    .is_some_and(|tell| tell.voting && tell.id() == id)
            })
        });
        if reached {
            self.stranded_since = None;
        } else {
            self.stranded_since.get_or_insert(now.mono);
        }
    }

    /// Whether there was no majority for as long as it takes to give it up.
    pub(super) fn is_stranded(&self, now: Now) -> bool {
        self.charter.is_some()
            && self
                .stranded_since
                .is_some_and(|since| now.mono >= since.saturating_add(self.evict_after))
    }

    pub(super) fn expire_pledge(&mut self, now: Now) {
        if self
            .pledge
            .as_ref()
            .is_some_and(|pledge| now.mono >= pledge.until)
        {
            self.pledge = None;
        }
    }

    /// Founds an electorate if there is none, or none that can ever decide.
    pub(super) fn found(&mut self, now: Now) {
        self.complete(now);
        if self
            .founding
            .as_ref()
            .is_some_and(|founding| now.mono >= founding.until)
        {
            self.founding = None;
        }
        if self.founding.is_some() || self.pledge.is_some() || self.leaving.is_some() {
            return;
        }
        let others = self.co_founders(now);
        let Some(others) = others else {
            self.able_since = None;
            return;
        };
        if self.charter.is_none()
            && (self.is_shut_out(others.len() + 1)
                || others.is_empty() && self.must_wait_alone(now))
        {
            return;
        }
        // The smallest name proposes; the others one after the other if it does not.
        let since = *self.able_since.get_or_insert(now.mono);
        let rank = others.keys().filter(|name| **name < self.name).count();
        let wait = PATIENCE * u32::try_from(rank).unwrap_or(u32::MAX);
        if now.mono >= since.saturating_add(wait) {
            self.ask_to_found(others, now);
        }
    }

    /// Who founds with this node; `None` while nothing may be founded.
    fn co_founders(&self, now: Now) -> Option<BTreeMap<NodeName, u64>> {
        let settled = self.settled.filter(|_| self.is_ready())?;
        let id = self.id();
        if id.is_some() && !self.is_stranded(now) {
            return None;
        }
        let met = settled.at.max(self.joined_at);
        let patient = now.mono < met.saturating_add(PATIENCE);
        if patient && id.is_some() {
            // Whoever just came may bring a majority with it.
            return None;
        }
        let mut others = BTreeMap::new();
        for (name, peer) in self.peers.connected() {
            let Some(tell) = &peer.tell else {
                // It may have an electorate, or a majority in reach: without its word nothing is founded for good.
                if patient || peer.founded || id.is_some() {
                    return None;
                }
                continue;
            };
            let with = tell.id() == id && (id.is_none() || tell.stranded) && !tell.leaving;
            if with && tell.ready {
                others.insert(name.clone(), tell.ticket);
            } else if tell.charter.is_some() && (tell.ready || tell.voting) && !tell.leaving {
                // It has another electorate or another view: what holds is settled by telling each other.
                return None;
            } else if patient && !tell.leaving {
                return None;
            }
        }
        // Those of an expected size that are missing can found nothing without one of a majority.
        let enough = |size: usize| match patient {
            true => others.len() + 1 >= size,
            false => others.len() + 1 > size / 2,
        };
        self.expected.is_none_or(enough).then_some(others)
    }

    /// As many nodes or more that were given do not belong together with those here: there is a mesh already, and this
    /// one is not to tell everything a second time without saying so.
    fn is_shut_out(&self, here: usize) -> bool {
        self.settled
            .is_some_and(|settled| settled.of.shut_out >= here)
    }

    /// A node that met nobody waits if somebody may be there.
    fn must_wait_alone(&self, now: Now) -> bool {
        let unreached = self.settled.is_some_and(|settled| settled.of.unreached);
        let lost = self
            .peers
            .all()
            .any(|(_, peer)| !peer.left && peer.down_since.is_none());
        (unreached || lost) && now.mono < self.started.saturating_add(self.settle_timeout)
    }

    fn ask_to_found(&mut self, mut names: BTreeMap<NodeName, u64>, now: Now) {
        let largest = self.expected.map_or(MAX_NODES, |size| size.min(MAX_NODES));
        while names.len() + 1 > largest {
            names.pop_last();
        }
        names.insert(self.name.clone(), self.ticket);
        let drawn = self.rng.next_u64();
        let founding = self.unique(drawn);
        let base = self.id();
        let charter = Charter {
            founding,
            epoch: base.map_or(1, |base| base.epoch.saturating_add(1)),
            line: self
                .charter
                .as_ref()
                .map_or(founding, |charter| charter.line),
            forced: base.is_some(),
            names,
        };
        if base.is_some() {
            tracing::warn!(
                electors = %charter.names.keys().map(AsRef::as_ref).collect::<Vec<_>>().join(" "),
                "A majority of the voters is gone for longer than --cluster.evict-after; those in reach go on without \
                 it. If the others live on behind a cut, notifications may be sent twice"
            );
        }
        let message = Message::Found {
            base,
            charter: charter.clone(),
        };
        for name in charter.names.keys() {
            if *name != self.name {
                self.outputs.send(name, message.encode());
            }
        }
        self.founding = Some(Founding {
            charter,
            agreed: BTreeSet::from([self.name.clone()]),
            until: now.mono.saturating_add(ASK),
        });
        self.complete(now);
    }

    /// Takes over what everyone named agreed to.
    fn complete(&mut self, now: Now) {
        if let Some(founding) = &self.founding
            && founding.charter.names.keys().eq(&founding.agreed)
        {
            let charter = founding.charter.clone();
            self.adopt(charter, now);
        }
    }

    /// Whether this charter is the one that this node is founding or agreed to found.
    pub(super) fn founds_now(&self, charter: &Charter) -> bool {
        let own = self
            .founding
            .as_ref()
            .is_some_and(|founding| founding.charter.founding == charter.founding);
        own || self.pledge.is_some()
    }

    /// Somebody asks this node to found with it.
    pub(super) fn asked_to_found(
        &mut self,
        from: &NodeName,
        base: Option<CharterId>,
        charter: &Charter,
        now: Now,
    ) {
        let fits = base == self.id()
            && charter.has(from)
            && charter.names.get(&self.name) == Some(&self.ticket)
            && charter.forced == base.is_some()
            && (base.is_none() || self.stranded_since.is_some())
            && self.is_ready()
            && self.leaving.is_none();
        let free = self.pledge.as_ref().is_none_or(|pledge| pledge.to == *from)
            && (self.founding.is_none() || *from < self.name);
        if !fits || !free {
            return;
        }
        self.founding = None;
        self.pledge = Some(Pledge::new(from.clone(), now.mono));
        self.save();
        self.send(
            from,
            &Message::Founding {
                founding: charter.founding,
            },
        );
    }

    /// Somebody agreed to found with this node.
    pub(super) fn will_found(&mut self, from: &NodeName, founding: u64) {
        if let Some(own) = &mut self.founding
            && own.charter.founding == founding
            && own.charter.has(from)
        {
            own.agreed.insert(from.clone());
        }
    }
}
