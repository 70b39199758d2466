//! One stream: two ends, two lanes to each of them, each lane in its order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use watchfire::cluster::ConnId;

/// What travels on a stream.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// A frame and its place in its lane.
    Frame {
        lane: usize,
        place: u64,
        /// Urgent frames before it; it overtakes none of them.
        after: u64,
        bytes: Arc<[u8]>,
    },
    /// Nothing more comes after so many frames on each lane.
    End([u64; 2]),
    /// The other side knows nothing of this stream.
    Reset,
}

/// Kinds of frames with payloads, their last byte.
const PAYLOADS: [u8; 2] = [5, 6];

/// The kind of frame that makes a stream a lifeline.
pub(crate) const LIFELINE: u8 = 14;

impl Item {
    /// How many bytes of a payload it carries: claims of real groups are larger than whatever else nodes say to each other
    /// to stay connected.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Frame { bytes, .. } if bytes.last().is_some_and(|it| PAYLOADS.contains(it)) => {
                bytes.len()
            }
            Self::Frame { .. } | Self::End(_) | Self::Reset => 0,
        }
    }
}

/// One end: what is on the way to it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) conn: ConnId,
    /// The process uses it.
    pub(crate) open: bool,
    /// The system there knows nothing of it any more.
    pub(crate) gone: bool,
    /// When it breaks, because what was sent from here goes unanswered.
    pub(crate) breaks_at: Option<Duration>,
    /// What waits for a cut to end.
    pub(crate) held: Vec<Item>,
    /// The other side's system closes it, and that is on the way here.
    pub(crate) ending: bool,
    /// Something on the way here was too large, and all that comes after it waits.
    pub(crate) clogged: bool,
    /// Something came that the process has not read.
    pub(crate) unread: bool,
    /// Frames sent to this end, by lane.
    pub(crate) sent: [u64; 2],
    taken: [u64; 2],
    /// What came too early, by place, with what must come before it.
    early: [Early; 2],
    ends_after: Option<[u64; 2]>,
}

/// Frames by place, each with what must come before it.
type Early = BTreeMap<u64, (u64, Arc<[u8]>)>;

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) since: Duration,
    /// Nothing is said on it.
    pub(crate) lifeline: bool,
    pub(crate) ends: [End; 2],
}

impl End {
    pub(crate) fn new(host: usize, life: u64, conn: ConnId) -> Self {
        Self {
            host,
            life,
            conn,
            open: true,
            gone: false,
            breaks_at: None,
            held: Vec::new(),
            ending: false,
            clogged: false,
            unread: false,
            sent: [0; 2],
            taken: [0; 2],
            early: Default::default(),
            ends_after: None,
        }
    }

    /// Gives a frame for this end its place.
    pub(crate) fn number(&mut self, urgent: bool, bytes: &Arc<[u8]>) -> Item {
        let lane = usize::from(!urgent);
        let (place, after) = (self.sent[lane], self.sent[0]);
        self.sent[lane] += 1;
        Item::Frame {
            lane,
            place,
            after,
            bytes: Arc::clone(bytes),
        }
    }

    pub(crate) fn take(&mut self, item: Item) {
        match item {
            Item::Frame {
                lane,
                place,
                after,
                bytes,
            } => {
                self.early[lane].insert(place, (after, bytes));
            }
            Item::End(after) => self.ends_after = Some(after),
            Item::Reset => {}
        }
    }

    /// The frames whose turn it is.
    pub(crate) fn ready(&mut self) -> Vec<Arc<[u8]>> {
        let mut ready = Vec::new();
        for lane in 0..2 {
            while let Some(first) = self.early[lane].first_entry() {
                let is_next = *first.key() == self.taken[lane];
                if !is_next || (lane == 1 && first.get().0 > self.taken[0]) {
                    break;
                }
                ready.push(first.remove().1);
                self.taken[lane] += 1;
            }
        }
        ready
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ends_after == Some(self.taken)
    }
}
