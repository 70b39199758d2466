//! Addresses to dial: those that were given and those that were learned, when each is due, what became of it.
//!
//! A missing node is dialled for ever. While a dial hangs another is started every second, so that a cut that ends is
//! noticed within a second whatever the kernel's timers say.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{CloseReason, GivenPeer, MeshSettings, NodeName, PeerStatus};

const FIRST_DELAY: Duration = Duration::from_millis(100);
/// How long the process of a node may live on after its goodbye.
const AFTER_GOODBYE: Duration = Duration::from_secs(3);

const SECOND: Duration = Duration::from_secs(1);
/// How long a missing node is looked for every second.
const EAGER: Duration = Duration::from_mins(1);
/// The same for a known node that does not answer at all: its host may be behind a cut that ends.
const EAGER_UNREACHABLE: Duration = Duration::from_mins(10);
/// The most addresses that are learned.
const MAX_LEARNED: usize = 64;

/// What was heard from an address last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Outcome {
    /// Nothing yet.
    #[default]
    None,
    /// A Hello.
    Answered,
    /// This very node is there.
    Own,
    /// Nobody listens there.
    Refused,
    /// Somebody is there who does not belong here, or to whom we do not.
    Rejected,
    /// Something that is no Watchfire.
    Foreign,
    /// Nothing, in time.
    Unreachable,
}

impl Outcome {
    /// Whether whoever is there may be one of this mesh.
    fn may_belong(self) -> bool {
        !matches!(self, Self::Rejected | Self::Foreign)
    }
}

/// One address.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    pub(super) given: bool,
    /// Who said Hello there last, or is said to be there.
    pub(super) name: Option<NodeName>,
    pub(super) outcome: Outcome,
    /// Whether anything but silence ever came from there.
    pub(super) met: bool,
    /// When it is dialled next.
    pub(super) next: Duration,
    delay: Duration,
    failing_since: Option<Duration>,
    why: String,
    told: Option<(Outcome, Arc<str>)>,
}

/// All addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    targets: BTreeMap<Arc<str>, Target>,
    peers: Vec<GivenPeer>,
    /// The addresses of each of `peers` as texts.
    given: Vec<Vec<Arc<str>>>,
    resolved_once: bool,
    /// See [`Self::has_unreached`].
    unreached: bool,
}

impl Addresses {
    /// Takes in what the peers of the command line resolve to now.
    pub(super) fn give(&mut self, peers: Vec<GivenPeer>, now: Duration) {
        for target in self.targets.values_mut() {
            target.given = false;
        }
        let text = |address: &std::net::SocketAddr| Arc::from(address.to_string());
        self.given = peers
            .iter()
            .map(|peer| peer.addresses.iter().map(text).collect())
            .collect();
        for address in self.given.iter().flatten() {
            let target = self
                .targets
                .entry(Arc::clone(address))
                .or_insert_with(|| Target::at(now));
            target.given = true;
        }
        self.targets
            .retain(|_, target| target.given || target.name.is_some());
        self.peers = peers;
        self.resolved_once = true;
        self.look_who_is_met();
    }

    /// Learns that a node is said to be at an address.
    pub(super) fn learn(&mut self, name: &NodeName, address: &Arc<str>, now: Duration) {
        let room = self.targets.len() < MAX_LEARNED;
        if let Some(target) = self.targets.get_mut(address) {
            if target.name.is_none() {
                target.name = Some(Arc::clone(name));
            }
        } else if room {
            let mut target = Target::at(now);
            target.name = Some(Arc::clone(name));
            self.targets.insert(Arc::clone(address), target);
        }
    }

    /// A node said in its own Hello where it is: what was believed before is forgotten, given addresses are looked at again.
    pub(super) fn moved(&mut self, name: &NodeName, address: &Arc<str>, now: Duration) {
        self.targets.retain(|key, target| {
            target.given || key == address || target.name.as_ref() != Some(name)
        });
        for (key, target) in &mut self.targets {
            if target.name.as_ref() == Some(name) && key != address {
                target.name = None;
                target.next = now;
            }
        }
        self.learn(name, address, now);
        if let Some(target) = self.targets.get_mut(address) {
            target.name = Some(Arc::clone(name));
        }
    }

    pub(super) fn get(&self, address: &str) -> Option<&Target> {
        self.targets.get(address)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Target)> {
        self.targets.iter()
    }

    /// Notes that a dial begins.
    pub(super) fn dialled(&mut self, address: &str, now: Duration) {
        if let Some(target) = self.targets.get_mut(address) {
            target.next = now + target.delay.max(SECOND);
        }
    }

    /// Notes who is there.
    pub(super) fn answered(&mut self, address: &str, name: Option<&NodeName>) {
        if let Some(target) = self.targets.get_mut(address) {
            target.name = name.map(Arc::clone);
            target.outcome = if name.is_some() {
                Outcome::Answered
            } else {
                Outcome::Own
            };
            target.met = true;
            target.delay = FIRST_DELAY;
            target.failing_since = None;
            target.told = None;
            target.why.clear();
            self.look_who_is_met();
        }
    }

    /// Notes that a dial failed; gives whether that is news.
    pub(super) fn failed(
        &mut self,
        address: &str,
        why: &CloseReason,
        settings: &MeshSettings,
        now: Duration,
    ) -> bool {
        let Some(target) = self.targets.get_mut(address) else {
            return false;
        };
        target.outcome = match why {
            CloseReason::Refused(_) => Outcome::Refused,
            CloseReason::Rejected(_) => Outcome::Rejected,
            CloseReason::Foreign(_) => Outcome::Foreign,
            CloseReason::Unreachable(_) | CloseReason::Ended(_) | CloseReason::Finished(_) => {
                Outcome::Unreachable
            }
        };
        target.met |= target.outcome != Outcome::Unreachable;
        target.why = why.text().to_owned();
        let since = *target.failing_since.get_or_insert(now);
        target.next = now + target.delay;
        let cap = target.cap(now.saturating_sub(since), settings.reconnect_interval);
        target.delay = (target.delay * 2).min(cap);
        let belongs = target.outcome.may_belong();
        if !belongs {
            target.delay = cap;
            target.next = now + cap;
        }
        // Only a rejection's words say what to do; those of the others may differ from attempt to attempt.
        let words = if belongs { "" } else { why.text() };
        let is_told = target
            .told
            .as_ref()
            .is_some_and(|(outcome, told)| *outcome == target.outcome && **told == *words);
        target.told = Some((target.outcome, words.into()));
        self.look_who_is_met();
        !is_told
    }

    /// Makes the addresses of a node, or of all nodes, due at once.
    pub(super) fn hurry(&mut self, name: Option<&str>, now: Duration) {
        for target in self.targets.values_mut() {
            if !target.outcome.may_belong() {
                continue;
            }
            if name.is_none() || target.name.as_deref() == name {
                target.next = now;
                target.delay = FIRST_DELAY;
            }
        }
    }

    /// Leaves the addresses of a node that said goodbye alone until its process is gone.
    pub(super) fn rest(&mut self, name: &str, now: Duration) {
        for target in self.targets.values_mut() {
            if target.name.as_deref() == Some(name) {
                target.next = now + AFTER_GOODBYE;
                target.why = "it said goodbye".to_owned();
            }
        }
    }

    /// Forgets learned addresses of nodes that are missing for too long.
    pub(super) fn forget(&mut self, after: Duration, now: Duration) {
        self.targets.retain(|_, target| {
            target.given
                || target
                    .failing_since
                    .is_none_or(|since| now.saturating_sub(since) < after)
        });
    }

    /// Whether every given peer has an address that answered, refused, or is our own.
    pub(super) fn has_met_all(&self) -> bool {
        self.resolved_once && self.given.iter().all(|peer| self.has_met(peer))
    }

    /// Whether a given peer has addresses of which none answered or refused.
    pub(super) fn has_unreached(&self) -> bool {
        self.unreached
    }

    /// How many given peers are nodes that this one does not belong to, or that do not belong here.
    pub(super) fn shut_out(&self) -> usize {
        let outcomes = |peer: &[Arc<str>], outcome: Outcome| {
            let mut targets = peer.iter().filter_map(|address| self.get(address));
            targets.any(|target| target.outcome == outcome)
        };
        let rejecting = self.given.iter().filter(|peer| {
            outcomes(peer, Outcome::Rejected)
                && !outcomes(peer, Outcome::Answered)
                && !outcomes(peer, Outcome::Own)
        });
        rejecting.count()
    }

    fn look_who_is_met(&mut self) {
        let mut given = self.given.iter();
        self.unreached = given.any(|peer| !peer.is_empty() && !self.has_met(peer));
    }

    fn has_met(&self, addresses: &[Arc<str>]) -> bool {
        let target = |address: &Arc<str>| self.get(address).is_some_and(|target| target.met);
        addresses.iter().any(target)
    }

    /// Given addresses without a stream, and why.
    pub(super) fn unreached(
        &self,
        peers: &BTreeMap<NodeName, PeerStatus>,
    ) -> BTreeMap<Arc<str>, String> {
        let is_connected = |target: &Target| {
            let peer = target.name.as_ref().and_then(|name| peers.get(name));
            target.outcome == Outcome::Own || peer.is_some_and(|peer| peer.connected)
        };
        let failed = self
            .targets
            .iter()
            .filter(|(_, target)| target.given && !is_connected(target))
            .map(|(address, target)| (Arc::clone(address), target.reason()));
        let unresolved = self.peers.iter().filter(|peer| peer.addresses.is_empty());
        let unresolved = unresolved.map(|peer| {
            let why = peer.error.as_deref().unwrap_or("resolves to no address");
            (Arc::clone(&peer.given), why.to_owned())
        });
        failed.chain(unresolved).collect()
    }
}

impl Target {
    fn at(now: Duration) -> Self {
        Self {
            next: now,
            delay: FIRST_DELAY,
            ..Self::default()
        }
    }

    /// Why there is no stream.
    fn reason(&self) -> String {
        if !self.why.is_empty() {
            return self.why.clone();
        }
        match (&self.name, self.outcome) {
            (Some(name), Outcome::Answered) => {
                format!("the stream to {name} ended; it is dialled again")
            }
            (None, _)
            | (
                _,
                Outcome::None
                | Outcome::Own
                | Outcome::Refused
                | Outcome::Rejected
                | Outcome::Foreign
                | Outcome::Unreachable,
            ) => "it is being dialled and has not answered yet".to_owned(),
        }
    }

    /// The longest wait between two attempts.
    fn cap(&self, failing_for: Duration, interval: Duration) -> Duration {
        let eager = match self.outcome {
            Outcome::Unreachable if self.name.is_some() => EAGER_UNREACHABLE,
            Outcome::Rejected | Outcome::Foreign => Duration::ZERO,
            Outcome::Unreachable
            | Outcome::None
            | Outcome::Answered
            | Outcome::Own
            | Outcome::Refused => EAGER,
        };
        if failing_for < eager {
            SECOND
        } else {
            interval.max(SECOND)
        }
    }
}
