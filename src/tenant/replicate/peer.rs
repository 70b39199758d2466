//! What replication knows of another node that is there.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    digest::Index,
    frame::{Root, Segment},
    parts::Assembler,
    portion::Work,
    vector::Vector,
};
use crate::{cluster::NodeName, storage::ReplicaMap};

/// All nodes to which a stream is open.
pub(super) type Peers = BTreeMap<NodeName, Peer>;

/// A node to which a stream is open.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its run.
    pub(super) run: u64,
    /// Bytes that the mesh takes for it now.
    pub(super) room: usize,
    pub(super) assembler: Assembler,
    /// Frames of repairs that wait for room.
    pub(super) out: VecDeque<Vec<u8>>,
    pub(super) out_bytes: usize,
    pub(super) repair: Option<Repair>,
    /// Whether another repair is to follow.
    pub(super) wanted: bool,
    /// Whether a repair was completed on this stream.
    pub(super) repaired: bool,
    /// Changes that it knows and this node does not, as of its last beat.
    pub(super) behind: u64,
    /// Beats in a row that said so.
    pub(super) behind_beats: u32,
    /// What it lacked of this node's changes when it last said what it knows; `None` before.
    pub(super) lag: Option<Lag>,
}

/// What a node lacked of this node's changes.
#[derive(Debug, Clone)]
pub(super) struct Lag {
    /// Up to which of them it knew all.
    pub(super) known: u64,
    /// Records of the others.
    pub(super) lacks: BTreeMap<ReplicaMap, u64>,
}

/// A repair under way.
#[derive(Debug)]
pub(super) struct Repair {
    /// Names it in this process.
    pub(super) id: u64,
    /// Names it between the two nodes.
    pub(super) session: u64,
    /// Whether this node began it.
    pub(super) begins: bool,
    /// What this node has; `None` until a worker made it.
    pub(super) index: Option<Arc<Index>>,
    /// What the other knew when it made its index.
    pub(super) theirs: Vector,
    /// The other's maps, until they are compared.
    pub(super) roots: Vec<Root>,
    pub(super) work: VecDeque<Work>,
    /// Whether a worker makes a portion.
    pub(super) runs: bool,
    /// Whether the beginner knows what to list; whether the other has all lists.
    pub(super) listing: bool,
    /// Whether the beginner said that no more lists follow.
    pub(super) listed: bool,
    /// Whether the other has sent everything.
    pub(super) ended_in: bool,
    /// Whether this node has.
    pub(super) ended_out: bool,
    /// Records that changed something here.
    pub(super) changed: u64,
    /// Those of them that must not differ if vectors do not.
    pub(super) diverged: u64,
    /// Records told on to others.
    pub(super) relayed: usize,
    /// Whether more changed than is told on.
    pub(super) untold: bool,
    /// When it last went on.
    pub(super) touched: Duration,
}

impl Peer {
    /// A node that came just now.
    pub(super) fn new(run: u64) -> Self {
        Self {
            run,
            room: 0,
            assembler: Assembler::default(),
            out: VecDeque::new(),
            out_bytes: 0,
            repair: None,
            wanted: false,
            repaired: false,
            behind: 0,
            behind_beats: 0,
            lag: None,
        }
    }

    /// Has frames sent once there is room.
    pub(super) fn queue(&mut self, frames: Vec<Vec<u8>>) {
        self.out_bytes += frames.iter().map(Vec::len).sum::<usize>();
        self.out.extend(frames);
    }

    /// The next frame that there is room for.
    pub(super) fn next_frame(&mut self) -> Option<Vec<u8>> {
        let room = self.room;
        let frame = self.out.pop_front_if(|frame| frame.len() <= room)?;
        self.room -= frame.len();
        self.out_bytes -= frame.len();
        Some(frame)
    }

    /// The repair of that number.
    pub(super) fn repair(&mut self, session: u64) -> Option<&mut Repair> {
        self.repair
            .as_mut()
            .filter(|repair| repair.session == session)
    }
}

impl Repair {
    pub(super) fn new(id: u64, session: u64, begins: bool, now: Duration) -> Self {
        Self {
            id,
            session,
            begins,
            index: None,
            theirs: Vector::default(),
            roots: Vec::new(),
            work: VecDeque::new(),
            runs: false,
            listing: false,
            listed: false,
            ended_in: false,
            ended_out: false,
            changed: 0,
            diverged: 0,
            relayed: 0,
            untold: false,
            touched: now,
        }
    }

    /// Compares a row of the other's keys and versions with the own: what it lacks is sent, what lacks here is wanted.
    /// A row that makes no sense is passed over.
    pub(super) fn compare(&mut self, segment: &Segment) {
        let Some(map) = ReplicaMap::from_number(segment.map) else {
            return;
        };
        let of = self.index.as_ref().and_then(|index| index.map(map));
        let Some(of) = of else { return };
        let sorted = segment.keys.is_sorted_by(|a, b| a < b);
        if !sorted || segment.keys.len() != segment.versions.len() || segment.from > segment.to {
            return;
        }
        let (mut keys, mut need) = (Vec::new(), Vec::new());
        let mut own = of.range(segment.from, segment.to).iter().peekable();
        for (key, version) in segment.keys.iter().zip(&segment.versions) {
            while let Some(entry) = own.next_if(|entry| entry.key < *key) {
                keys.push(entry.key);
            }
            match own.next_if(|entry| entry.key == *key) {
                Some(entry) if entry.version == *version => {}
                Some(_) => {
                    keys.push(*key);
                    need.push(*key);
                }
                None => need.push(*key),
            }
        }
        keys.extend(own.map(|entry| entry.key));
        if !need.is_empty() {
            self.work.push_front(Work::Need { map, keys: need });
        }
        if !keys.is_empty() {
            let at = 0;
            self.work.push_back(Work::Keys { map, keys, at });
        }
    }
}
