//! What is known of another node, and of a stream to one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    ConnId, Electors, NodeName, beats::Told, clock::PeerClock, lifelines::Lifelines,
    swim::Datagrams,
};

/// Another node.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Its run; 0 before it was ever spoken to.
    pub(super) run: u64,
    /// The generation under which the membership protocol knows it, as of its Hello.
    pub(super) generation: u64,
    /// Where it says that it is.
    pub(super) address: Arc<str>,
    pub(super) version: Arc<str>,
    /// The stream on which frames are sent to it.
    pub(super) stream: Option<ConnId>,
    /// The number of the last stream that it dialled in this run and adopted.
    pub(super) adopted: u64,
    /// Addresses that were dialled and at which this run said Hello.
    pub(super) verified: BTreeSet<Arc<str>>,
    /// Its process is known to be gone.
    pub(super) gone: bool,
    /// It said goodbye before.
    pub(super) left: bool,
    /// When the last stream ended.
    pub(super) parted: Duration,
    /// Its system closed that in order, and it had not said that it would.
    pub(super) finished: bool,
    pub(super) lifelines: Lifelines,
    /// Beats sent since it joined.
    pub(super) beats: u32,
    /// When the last of them was.
    pub(super) last_beat: Duration,
    pub(super) clock: PeerClock,
    /// Since when the membership protocol holds it for dead.
    pub(super) down_since: Option<Duration>,
    pub(super) datagrams: Datagrams,
}

impl Peer {
    /// A node that is expected.
    pub(super) fn missing_since(since: Duration) -> Self {
        Self {
            parted: since,
            ..Self::default()
        }
    }

    /// Whether anything was ever heard from this node.
    pub(super) fn is_met(&self) -> bool {
        self.run != 0
    }
}

/// How far a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not open yet.
    Dialling,
    /// The other side has not said who it is.
    Greeting,
    /// It has; whether the stream is used is up to it, since it dialled.
    Offered,
    /// Payloads pass.
    Open,
    /// Nothing passes; see [`super::lifelines`].
    Lifeline,
}

impl Phase {
    /// Whether both sides know who is there and what the stream is for.
    pub(super) fn is_settled(self) -> bool {
        match self {
            Self::Dialling | Self::Greeting | Self::Offered => false,
            Self::Open | Self::Lifeline => true,
        }
    }
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// The address that was dialled; `None` if it was accepted.
    pub(super) dialled: Option<Arc<str>>,
    /// Counts the streams that this side dialled.
    pub(super) number: u64,
    pub(super) phase: Phase,
    /// Who is there, once it said so.
    pub(super) name: Option<NodeName>,
    pub(super) run: u64,
    pub(super) generation: u64,
    pub(super) address: Arc<str>,
    pub(super) version: Arc<str>,
    /// Who votes, as it says.
    pub(super) electors: Option<Arc<Electors>>,
    /// Whether the other side knows what lifelines are.
    pub(super) knows_lifelines: bool,
    /// The other side's number of it.
    pub(super) theirs: u64,
    /// Where it comes from or goes to, for logs.
    pub(super) remote: Arc<str>,
    /// The other side said that it ends it on purpose.
    pub(super) parting: bool,
    /// When it began.
    pub(super) since: Duration,
    /// When the last frame came.
    pub(super) heard: Duration,
    /// How often its silence since then was put down to this node.
    pub(super) forgiven: u32,
    /// What beats carried last, in each direction.
    pub(super) told: Told,
    pub(super) known: Vec<u8>,
    /// Bytes of bulk payloads that the other side has not handed on yet.
    pub(super) unacknowledged: usize,
    /// Bytes of bulk payloads handed on here for which no credit was given yet.
    pub(super) owed: usize,
}

impl Stream {
    pub(super) fn new(
        dialled: Option<Arc<str>>,
        remote: Arc<str>,
        number: u64,
        now: Duration,
    ) -> Self {
        Self {
            phase: if dialled.is_some() {
                Phase::Dialling
            } else {
                Phase::Greeting
            },
            dialled,
            number,
            name: None,
            run: 0,
            generation: 0,
            address: Arc::from(""),
            version: Arc::from(""),
            electors: None,
            knows_lifelines: false,
            theirs: 0,
            remote,
            parting: false,
            since: now,
            heard: now,
            forgiven: 0,
            told: Told::default(),
            known: Vec::new(),
            unacknowledged: 0,
            owed: 0,
        }
    }
}
