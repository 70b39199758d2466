//! The state machine: what is told to it, what it keeps, and how a charter is taken over.

use std::{sync::Arc, time::Duration};

use xxhash_rust::xxh64::xxh64;

use super::{
    ElectorateOutput, Electors,
    ballot::{Attempt, Votes},
    charter::{Charter, CharterId, Known},
    found::{Founding, Pledge},
    outputs::Outputs,
    peers::Peers,
    propose::Turn,
    recall::Recalling,
    saved::Saved,
    wire::{Message, Tell},
};
use crate::{
    cluster::{MeshSettings, NodeName},
    rng::Rng,
    time::Now,
};

/// How long a promise to the owner of a notification lasts: a member that lost its store promises nothing for so long.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// After how long all others are told again how this node is, were a message ever lost; twice as long each time, until
/// that many times.
const TELL_AGAIN: Duration = Duration::from_secs(5);
const TOLD_OFTEN: u32 = 2;

/// How often something unfinished is looked at, and how often nothing is.
const BUSY: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_secs(1);

/// The shortest time between two corrections of one peer.
const CORRECT_EVERY: Duration = Duration::from_millis(500);

/// How long a node that leaves asks to be removed.
const LEAVE_PATIENCE: Duration = Duration::from_secs(3);

/// What became of the peers that were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settling {
    /// An address of one could not be reached.
    pub unreached: bool,
    /// So many are nodes that do not belong to the same mesh: another label, key, certificate, version.
    pub shut_out: usize,
}

/// Settling is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    pub at: Duration,
    pub of: Settling,
}

/// The state machine that agrees on the voters.
#[derive(Debug)]
pub struct Electorate {
    pub(super) name: NodeName,
    pub(super) evict_after: Duration,
    pub(super) settle_timeout: Duration,
    pub(super) expected: Option<usize>,
    pub(super) rng: Rng,
    run: u64,
    pub(super) started: Duration,
    pub(super) charter: Option<Charter>,
    known: Known,
    pub(super) votes: Votes,
    /// See [`Saved::whole`].
    pub(super) whole: bool,
    /// See [`Saved::recalled`].
    pub(super) recalled: bool,
    /// Until when nothing is voted because an earlier life may have promised something; see [`Self::lease_is_over`].
    lease_until: Duration,
    pub(super) ticket: u64,
    pub(super) settled: Option<Settled>,
    synchronised: bool,
    pub(super) leaving: Option<Duration>,
    left: bool,
    pub(super) peers: Peers,
    pub(super) attempt: Option<Attempt>,
    pub(super) turn: Turn,
    pub(super) founding: Option<Founding>,
    pub(super) pledge: Option<Pledge>,
    /// Since when this node could found.
    pub(super) able_since: Option<Duration>,
    /// When the last stream opened.
    pub(super) joined_at: Duration,
    pub(super) recalling: Recalling,
    /// Since when no majority is in reach.
    pub(super) stranded_since: Option<Duration>,
    pub(super) outputs: Outputs,
    told: Tell,
    told_at: Duration,
    /// How often the same was told again.
    told_again: u32,
    looked_at: Duration,
    /// When it is looked at next.
    due: Duration,
    pub(super) forced: u64,
    malformed: u64,
    #[cfg(test)]
    pub(super) mutation: Option<super::tests::Mutation>,
}

impl Electorate {
    /// Makes it from what was saved. A save that cannot be read counts as none.
    #[must_use]
    pub fn new(settings: &MeshSettings, saved: Option<&[u8]>, mut rng: Rng, now: Now) -> Self {
        let read = saved.and_then(|bytes| match Saved::decode(bytes) {
            Ok(saved) => Some(saved),
            Err(error) => {
                tracing::error!(
                    err = %error,
                    "The saved list of voters of the mesh cannot be read; this node asks the others, and votes 15 s later"
                );
                None
            }
        });
        let had_save = read.is_some();
        let saved = read.unwrap_or_default();
        let drawn = rng.next_u64();
        let mut electorate = Self {
            name: settings.name.clone(),
            evict_after: settings.evict_after,
            settle_timeout: settings.settle_timeout,
            expected: settings.expected_size,
            rng,
            run: settings.run,
            started: now.mono,
            known: Known::new(saved.known, saved.charter.as_ref()),
            charter: saved.charter,
            votes: saved.votes,
            whole: saved.whole,
            recalled: saved.recalled,
            lease_until: if had_save { now.mono } else { now.mono + LEASE },
            ticket: 0,
            settled: None,
            synchronised: false,
            leaving: None,
            left: false,
            peers: Peers::default(),
            attempt: None,
            turn: Turn::default(),
            founding: None,
            pledge: saved.pledged_to.map(|to| Pledge::new(to, now.mono)),
            able_since: None,
            joined_at: now.mono,
            recalling: Recalling::default(),
            stranded_since: Some(now.mono),
            outputs: Outputs::default(),
            told: Tell::default(),
            told_at: now.mono,
            told_again: 0,
            looked_at: now.mono,
            due: now.mono,
            forced: 0,
            malformed: 0,
            #[cfg(test)]
            mutation: None,
        };
        electorate.ticket = electorate.unique(drawn);
        electorate.outputs.electors = electorate.public_electors();
        electorate.set_due();
        electorate
    }

    /// A number that no other node, run or call draws: for foundings and tickets.
    pub(super) fn unique(&self, drawn: u64) -> u64 {
        let mut bytes = self.name.as_bytes().to_vec();
        bytes.extend_from_slice(&self.run.to_le_bytes());
        xxh64(&bytes, drawn)
    }

    /// Takes in a message of another node. One that cannot be read is counted and dropped.
    pub fn handle(&mut self, from: &NodeName, bytes: &[u8], now: Now) {
        let message = match Message::decode(bytes) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => {
                if self.malformed == 0 {
                    tracing::warn!(peer = %from, err = %error, "A message about voters cannot be read; it is ignored");
                }
                self.malformed += 1;
                return;
            }
        };
        if *from == self.name {
            return;
        }
        match message {
            Message::Tell(tell) => self.told_by(from, tell, now),
            Message::Known { charter } => self.consider(charter, now),
            Message::Prepare { charter, ballot } => self.prepare(from, charter, &ballot, now),
            Message::Promise {
                base,
                ballot,
                accepted,
            } => self.promised(from, base, &ballot, accepted),
            Message::Refuse {
                base,
                ballot,
                promised,
            } => self.refused(base, &ballot, &promised, now),
            Message::Accept {
                base,
                ballot,
                value,
            } => self.accept(from, base, &ballot, &value, now),
            Message::Accepted { base, ballot } => self.accepted(from, base, &ballot),
            Message::Found { base, charter } => self.asked_to_found(from, base, &charter, now),
            Message::Founding { founding } => self.will_found(from, founding),
            Message::Recall { base } => self.asked_to_recall(from, base),
            Message::Recalled { base, votes } => self.recalled_by(from, base, votes),
        }
        self.drive(now);
    }

    /// A stream to a node is open and both said who they are; `hello` is who votes as it said.
    pub fn peer_joined(&mut self, name: &NodeName, hello: Option<Arc<Electors>>, now: Now) {
        if *name == self.name {
            return;
        }
        let charter = self.charter.as_ref();
        let peer = self.peers.entry(name, |name| {
            charter.is_some_and(|charter| charter.has(name))
        });
        peer.connected = true;
        peer.down_since = None;
        peer.left = false;
        peer.founded = hello.is_some();
        peer.tell = None;
        peer.corrected_at = None;
        self.joined_at = now.mono;
        self.tell(&name.clone(), now);
        self.drive(now);
    }

    /// The stream to a node ended; it may live on.
    pub fn peer_parted(&mut self, name: &str, now: Now) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.connected = false;
            peer.tell = None;
        }
        self.drive(now);
    }

    /// A node said goodbye: it does not vote from now on.
    pub fn peer_left(&mut self, name: &str, now: Now) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.left = true;
        }
        self.drive(now);
    }

    /// A node is held for dead, or its process is known to be gone.
    pub fn peer_down(&mut self, name: &NodeName, now: Now) {
        if *name == self.name {
            return;
        }
        let charter = self.charter.as_ref();
        let peer = self.peers.entry(name, |name| {
            charter.is_some_and(|charter| charter.has(name))
        });
        peer.down_since.get_or_insert(now.mono);
        self.drive(now);
    }

    /// A node is seen by the membership protocol.
    pub fn peer_seen(&mut self, name: &NodeName, now: Now) {
        if *name == self.name {
            return;
        }
        let charter = self.charter.as_ref();
        let peer = self.peers.entry(name, |name| {
            charter.is_some_and(|charter| charter.has(name))
        });
        peer.down_since = None;
        self.drive(now);
    }

    /// Every given peer answered or time is up. May be told again when what became of them changes.
    pub fn settled(&mut self, of: Settling, now: Now) {
        let at = self.settled.map_or(now.mono, |settled| settled.at);
        self.settled = Some(Settled { at, of });
        self.drive(now);
    }

    /// This node's state covers that of the nodes that it met: it may vote and be added from now on.
    pub fn synchronised(&mut self, now: Now) {
        self.synchronised = true;
        self.drive(now);
    }

    /// Asks the others to remove this node.
    pub fn leave(&mut self, now: Now) {
        self.leaving.get_or_insert(now.mono);
        self.drive(now);
    }

    /// Whether this node was removed after [`Self::leave`], or there is nobody to do it, and everything was handed out.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left && self.outputs.is_empty()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.due <= now.mono {
            self.drive(now);
        }
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        Some(self.due)
    }

    fn set_due(&mut self) {
        let wait = if self.is_busy() { BUSY } else { IDLE };
        self.due = self.looked_at.saturating_add(wait);
    }

    /// The next thing to do; none while a save is under way.
    pub fn poll(&mut self) -> Option<ElectorateOutput> {
        self.outputs.poll()
    }

    /// What [`ElectorateOutput::Save`] asked for is durable.
    pub fn saved(&mut self, _now: Now) {
        self.outputs.saved();
    }

    /// Who votes; `None` before there is an electorate. It changes with [`ElectorateOutput::Changed`].
    #[must_use]
    pub fn electors(&self) -> Option<&Arc<Electors>> {
        self.outputs.electors.as_ref()
    }

    /// Whether this node may acknowledge claims: it is an elector, knows what the nodes that it met know, and has no
    /// forgotten promises that could still count.
    #[must_use]
    pub fn may_vote(&self, now: Now) -> bool {
        let elector = self
            .electors()
            .is_some_and(|electors| electors.names.contains(&self.name));
        elector && self.is_ready() && self.lease_is_over(now)
    }

    /// How often this node founded an electorate because the majority of the last one was gone.
    #[must_use]
    pub fn unsafe_electorates(&self) -> u64 {
        self.forced
    }

    /// Messages that could not be read.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    pub(super) fn id(&self) -> Option<CharterId> {
        self.charter.as_ref().map(Charter::id)
    }

    pub(super) fn is_member(&self) -> bool {
        self.charter
            .as_ref()
            .is_some_and(|charter| charter.has(&self.name))
    }

    /// Whether this node knows what the nodes that it met know, or met none.
    pub(super) fn is_ready(&self) -> bool {
        self.synchronised || (self.settled.is_some() && self.peers.connected().next().is_none())
    }

    /// A member that comes back without its store may have made promises that it does not remember. One that asked to be
    /// added in this run has made none.
    fn lease_is_over(&self, now: Now) -> bool {
        let ticket = self
            .charter
            .as_ref()
            .and_then(|charter| charter.names.get(&self.name));
        now.mono >= self.lease_until || ticket == Some(&self.ticket)
    }

    /// Whether this node votes on the next charter.
    pub(super) fn votes_now(&self, now: Now) -> bool {
        self.is_member()
            && (self.whole || self.recalled)
            && self.is_ready()
            && self.lease_is_over(now)
    }

    /// Since when a node is gone: held for dead, or not met since this node started and settled.
    pub(super) fn gone_since(&self, name: &str) -> Option<Duration> {
        match self.peers.get(name) {
            Some(peer) if peer.connected => None,
            Some(peer) => peer.down_since,
            None => self.settled.map(|_| self.started),
        }
    }

    /// Whether these members are a majority of the current charter.
    pub(super) fn is_majority(&self, charter: &Charter, yes: impl Fn(&str) -> bool) -> bool {
        charter
            .electors(self.expected.unwrap_or(0))
            .is_majority(yes, |name| self.gone_since(name).is_some())
    }

    fn public_electors(&self) -> Option<Arc<Electors>> {
        let charter = self.charter.as_ref()?;
        Some(Arc::new(charter.electors(self.expected.unwrap_or(0))))
    }

    pub(super) fn send(&mut self, to: &NodeName, message: &Message) {
        self.outputs.send(to, message.encode());
    }

    pub(super) fn save(&mut self) {
        let saved = Saved {
            charter: self.charter.clone(),
            votes: self.kept_votes(),
            whole: self.whole,
            recalled: self.recalled,
            known: self.known.all().cloned().collect(),
            pledged_to: self.pledge.as_ref().map(|pledge| pledge.to.clone()),
        };
        self.outputs.save(saved.encode());
    }

    fn kept_votes(&self) -> Votes {
        #[cfg(test)]
        if self.mutation == Some(super::tests::Mutation::VotesNotPersisted) {
            return Votes::default();
        }
        self.votes.clone()
    }

    fn current_tell(&self, now: Now) -> Tell {
        Tell {
            charter: self.charter.clone(),
            ticket: self.ticket,
            ready: self.is_ready(),
            voting: self.votes_now(now),
            stranded: self.stranded_since.is_some(),
            leaving: self.leaving.is_some(),
        }
    }

    fn tell(&mut self, to: &NodeName, now: Now) {
        let message = Message::Tell(self.current_tell(now));
        self.send(to, &message);
    }

    fn tell_all(&mut self, tell: Tell, now: Now) {
        self.told_at = now.mono;
        self.told_again = 0;
        self.told = tell.clone();
        let bytes = Message::Tell(tell).encode();
        for (name, _) in self.peers.connected() {
            self.outputs.send(name, bytes.clone());
        }
    }

    /// A node told how it is.
    fn told_by(&mut self, from: &NodeName, tell: Tell, now: Now) {
        let theirs = tell.charter.clone();
        let Some(peer) = self.peers.get_mut(from) else {
            return;
        };
        peer.tell = Some(tell);
        if let Some(theirs) = theirs {
            self.consider(theirs, now);
        }
    }

    /// Takes over a charter if it holds against the own one. One of which a later of its line is known is outdated,
    /// whatever it is compared with: without that, three charters of two lines could each beat the next.
    pub(super) fn consider(&mut self, theirs: Charter, now: Now) {
        #[cfg(test)]
        if self.mutation == Some(super::tests::Mutation::AdoptsLower) {
            if self.charter.as_ref() != Some(&theirs) {
                self.adopt(theirs, now);
            }
            return;
        }
        let current = self.known.learn(&theirs, self.charter.as_ref());
        let holds = self.charter.as_ref().is_none_or(|own| theirs.beats(own));
        if current && holds {
            self.adopt(theirs, now);
        }
    }

    /// Tells those that hold another charter of the own one, and of one that shows theirs to be outdated.
    fn correct_all(&mut self, now: Now) {
        let Some(own) = &self.charter else { return };
        let mut due = Vec::new();
        for (name, peer) in self.peers.all_mut() {
            let Some(tell) = peer.live() else { continue };
            let waited = peer
                .corrected_at
                .is_none_or(|at| now.mono >= at.saturating_add(CORRECT_EVERY));
            if waited && tell.charter.as_ref() != Some(own) {
                let theirs = tell.charter.as_ref();
                let later = theirs.and_then(|theirs| self.known.later(theirs)).cloned();
                due.push((name.clone(), later));
                peer.corrected_at = Some(now.mono);
            }
        }
        for (name, later) in due {
            if let Some(charter) = later {
                self.send(&name, &Message::Known { charter });
            }
            self.tell(&name, now);
        }
    }

    fn disagrees(&self) -> bool {
        self.charter.is_some()
            && self
                .peers
                .connected()
                .filter_map(|(_, peer)| peer.tell.as_ref())
                .any(|tell| tell.charter != self.charter)
    }

    /// Takes over a charter: it is saved, told to everyone, and the votes on the one after the old are forgotten.
    pub(super) fn adopt(&mut self, charter: Charter, now: Now) {
        let kin = self
            .charter
            .as_ref()
            .is_some_and(|own| own.line == charter.line);
        if charter.names.get(&self.name) == Some(&self.ticket) {
            self.whole = true;
        } else if !kin {
            self.whole = false;
            let drawn = self.rng.next_u64();
            self.ticket = self.unique(drawn);
        }
        self.log_change(&charter);
        let forced = charter.forced
            && charter.has(&self.name)
            && self
                .charter
                .as_ref()
                .is_some_and(|own| own.founding != charter.founding && own.line == charter.line);
        self.forced += u64::from(forced && self.founds_now(&charter));
        self.known.learn(&charter, None);
        self.charter = Some(charter);
        self.votes = Votes::default();
        self.recalled = false;
        self.recalling = Recalling::default();
        self.attempt = None;
        self.turn = Turn::default();
        self.founding = None;
        self.pledge = None;
        self.able_since = None;
        self.stranded_since = None;
        if let Some(electors) = self.public_electors() {
            self.save();
            self.outputs.changed(electors);
        }
        let tell = self.current_tell(now);
        self.tell_all(tell, now);
    }

    fn log_change(&self, charter: &Charter) {
        let names: Vec<&str> = charter.names.keys().map(AsRef::as_ref).collect();
        let names = names.join(" ");
        let was_member = self.is_member();
        if was_member && !charter.has(&self.name) && self.leaving.is_none() {
            tracing::warn!(
                electors = names,
                epoch = charter.epoch,
                "This node does not vote any more; it asks to be added again"
            );
        } else {
            tracing::info!(
                electors = names,
                epoch = charter.epoch,
                "The voters of the mesh changed"
            );
        }
    }

    /// Looks at everything that may be due.
    pub(super) fn drive(&mut self, now: Now) {
        self.looked_at = now.mono;
        self.watch_majority(now);
        self.expire_pledge(now);
        // Each change may make the next one possible; a mesh is small, so the rounds are few.
        for _ in 0..4 {
            let before = self.id();
            self.found(now);
            self.recall(now);
            self.propose(now);
            if self.id() == before {
                break;
            }
            self.watch_majority(now);
        }
        self.watch_leaving(now);
        self.correct_all(now);
        let tell = self.current_tell(now);
        let wait = TELL_AGAIN * (1 << self.told_again.min(TOLD_OFTEN));
        if tell != self.told {
            self.tell_all(tell, now);
        } else if now.mono >= self.told_at.saturating_add(wait) {
            let again = self.told_again.saturating_add(1);
            self.tell_all(tell, now);
            self.told_again = again;
        }
        self.set_due();
    }

    fn watch_leaving(&mut self, now: Now) {
        let Some(since) = self.leaving else { return };
        if !self.is_member()
            || self.wish(now).is_none()
            || self.peers.connected().next().is_none()
            || now.mono >= since.saturating_add(LEAVE_PATIENCE)
        {
            self.left = true;
        }
    }

    fn is_busy(&self) -> bool {
        self.charter.is_none()
            || self.attempt.is_some()
            || self.founding.is_some()
            || self.pledge.is_some()
            || self.turn.is_pending()
            || self.leaving.is_some()
            || self.disagrees()
            || (self.is_member() && !self.whole && !self.recalled)
    }
}
