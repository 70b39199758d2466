//! One portion of a repair: lists and records turned into frames on a worker, as much as the other side has room for.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    digest::{Index, IndexEntry, IndexRecord, bounds},
    frame::{FRAME_BYTES, Frame, RawRecord, Segment, Step},
    parts::cut,
    tell::schedule_of,
};
use crate::{
    storage::{
        GroupSchedule, ReplicaMap, encode_alert, encode_nflog, encode_rule_copy, encode_schedules,
        encode_silence,
    },
    time::{Now, Timestamp},
};

/// Keys with versions in one frame, at 16 bytes each.
const LISTED: usize = 3500;
/// Keys in one frame, at 8 bytes each.
const NEEDED: usize = 7000;

/// Something that a repair has to send.
#[derive(Debug)]
pub(super) enum Work {
    /// Keys and versions of a bucket.
    List { map: ReplicaMap, bucket: u8 },
    /// The records whose keys are within bounds, both included: the other side has none of them.
    Whole { map: ReplicaMap, from: u64, to: u64 },
    /// The records of these keys; those before `at` are sent.
    Keys {
        map: ReplicaMap,
        keys: Vec<u64>,
        at: usize,
    },
    /// The wish for the records of these keys.
    Need { map: ReplicaMap, keys: Vec<u64> },
}

/// A portion to be made.
#[derive(Debug)]
pub struct PortionInput {
    /// Which repair of this process it is for.
    pub(super) repair: u64,
    /// The repair's number between the two nodes.
    pub(super) session: u64,
    pub(super) index: Arc<Index>,
    pub(super) work: VecDeque<Work>,
    /// Bytes to make, about.
    pub(super) budget: usize,
    /// Messages that travel in parts are named from here on.
    pub(super) first_message: u64,
    pub(super) tenant: Arc<str>,
    pub(super) now: Now,
}

/// A portion that was made.
#[derive(Debug)]
pub struct Portion {
    pub(super) repair: u64,
    pub(super) frames: Vec<Vec<u8>>,
    /// What there was no room for.
    pub(super) rest: VecDeque<Work>,
    /// Records that could not be written.
    pub(super) failed: u64,
}

/// Names messages in parts: so many of one portion at most.
pub(super) const MESSAGES: u64 = 1 << 20;

impl PortionInput {
    /// Which repair it is for.
    pub(in crate::tenant) fn repair(&self) -> u64 {
        self.repair
    }

    /// Makes the portion; pure, on any thread.
    #[must_use]
    pub fn run(self) -> Portion {
        let mut writer = Writer {
            session: self.session,
            tenant: self.tenant,
            now: self.now,
            next_message: self.first_message,
            frames: Vec::new(),
            bytes: 0,
            records: Vec::new(),
            record_bytes: 0,
            segments: Vec::new(),
            listed: 0,
            failed: 0,
        };
        let mut rest = self.work;
        while writer.bytes < self.budget
            && let Some(work) = rest.pop_front()
        {
            if let Some(more) = writer.work(work, &self.index, self.budget) {
                rest.push_front(more);
            }
        }
        writer.flush_records();
        writer.flush_lists();
        Portion {
            repair: self.repair,
            frames: writer.frames,
            rest,
            failed: writer.failed,
        }
    }
}

struct Writer {
    session: u64,
    tenant: Arc<str>,
    now: Now,
    next_message: u64,
    frames: Vec<Vec<u8>>,
    /// Of `frames` and of what waits to become one.
    bytes: usize,
    records: Vec<RawRecord>,
    record_bytes: usize,
    segments: Vec<Segment>,
    listed: usize,
    failed: u64,
}

impl Writer {
    /// Does one piece of work; returns what is left of it.
    fn work(&mut self, work: Work, index: &Index, budget: usize) -> Option<Work> {
        match work {
            Work::List { map, bucket } => {
                let (from, to) = bounds(bucket);
                let entries = index.map(map)?.range(from, to);
                self.list(map, entries, from, to);
                None
            }
            Work::Whole { map, from, to } => {
                for entry in index.map(map)?.range(from, to) {
                    if self.bytes >= budget {
                        let from = entry.key;
                        return Some(Work::Whole { map, from, to });
                    }
                    self.record(map, entry);
                }
                None
            }
            Work::Keys { map, keys, at } => {
                let of = index.map(map)?;
                for (place, key) in keys.iter().enumerate().skip(at) {
                    if self.bytes >= budget {
                        let at = place;
                        return Some(Work::Keys { map, keys, at });
                    }
                    if let Some(entry) = of.get(*key) {
                        self.record(map, entry);
                    }
                }
                None
            }
            Work::Need { map, keys } => {
                for keys in keys.chunks(NEEDED) {
                    let step = Step::Need {
                        map: map.number(),
                        keys: keys.to_vec(),
                    };
                    self.bytes += size_of_val(keys);
                    self.frame(step);
                }
                None
            }
        }
    }

    /// Lists entries between two keys, in as many segments as it takes.
    fn list(&mut self, map: ReplicaMap, mut entries: &[IndexEntry], mut from: u64, to: u64) {
        loop {
            let room = (LISTED - self.listed).min(entries.len());
            let (now, later) = entries.split_at(room);
            let last = later.is_empty();
            let end = now.last().map_or(from, |entry| entry.key);
            self.segments.push(Segment {
                map: map.number(),
                from,
                to: if last { to } else { end },
                keys: now.iter().map(|entry| entry.key).collect(),
                versions: now.iter().map(|entry| entry.version).collect(),
            });
            // A segment has bytes of its own, even an empty one.
            self.listed += now.len() + 2;
            self.bytes += (now.len() + 2) * 16;
            if self.listed >= LISTED {
                self.flush_lists();
            }
            if last {
                return;
            }
            (entries, from) = (later, end.saturating_add(1));
        }
    }

    fn record(&mut self, map: ReplicaMap, entry: &IndexEntry) {
        // One record that cannot be written must not keep the others from those who need them.
        let body = catch_unwind(AssertUnwindSafe(|| self.encode(&entry.record)));
        let Ok(body) = body else {
            self.failed += 1;
            return;
        };
        let size = body.len() + 16;
        if self.record_bytes + size > FRAME_BYTES {
            self.flush_records();
        }
        self.bytes += size;
        self.record_bytes += size;
        self.records.push(RawRecord::new(map, body));
    }

    fn encode(&self, record: &IndexRecord) -> Vec<u8> {
        let tenant = &self.tenant;
        match record {
            IndexRecord::Silence(silence) => encode_silence(tenant, silence),
            IndexRecord::Log(entry) => encode_nflog(tenant, entry),
            IndexRecord::Alert(alert, outage) => encode_alert(tenant, alert, *outage),
            IndexRecord::Rule(record) => encode_rule_copy(tenant, record),
            IndexRecord::Group(group) => encode_schedules(&[schedule_of(group, tenant, self.now)]),
            IndexRecord::Aside(name, aside) => encode_schedules(&[GroupSchedule {
                tenant: Arc::clone(tenant),
                route_id: Arc::clone(&name.route_id),
                receiver: Arc::default(),
                group_key: Arc::clone(&name.group_key),
                created_at: Timestamp::ZERO,
                saved_at: self.now.wall,
                next_flush_in: aside.due.saturating_sub(self.now.mono),
                last_flush_at: Timestamp::ZERO,
                gone: false,
                flushes: aside.flushes,
            }]),
        }
    }

    fn flush_records(&mut self) {
        if !self.records.is_empty() {
            self.record_bytes = 0;
            let records = std::mem::take(&mut self.records);
            self.frame(Step::Records(records));
        }
    }

    fn flush_lists(&mut self) {
        if !self.segments.is_empty() {
            self.listed = 0;
            let segments = std::mem::take(&mut self.segments);
            self.frame(Step::Lists {
                segments,
                last: false,
            });
        }
    }

    fn frame(&mut self, step: Step) {
        let session = self.session;
        self.next_message += 1;
        let frames = cut(Frame::Repair { session, step }, self.next_message);
        self.frames.extend(frames);
    }
}
