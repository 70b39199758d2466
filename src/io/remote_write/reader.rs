//! Where the queue is read, and what must be known to understand what is there.

use std::collections::VecDeque;

use super::{
    block::{Block, Stored},
    entry::Entry,
    mark::Position,
    queue::Segment,
};
use crate::labels::LabelSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reader {
    at: Position,
    /// The label sets of the segment with their hashes, of all records before `known`.
    series: Vec<(LabelSet, u64)>,
    /// Where the next record begins whose label sets are not known.
    known: u64,
    /// Samples of the record at `at` that were not handed out, and where the next record begins.
    rest: VecDeque<Stored>,
    next: u64,
}

impl Reader {
    /// Begins at a position.
    pub(super) fn at(at: Position) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    /// Up to where samples were handed out.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    /// Moves a position that is not there any more.
    pub(super) fn clamp(&mut self, segments: &VecDeque<Segment>) {
        let own = segments.iter().find(|one| one.number == self.at.segment);
        if let Some(segment) = own
            && self.at.offset > segment.bytes
        {
            self.at.offset = segment.bytes;
            self.at.skip = 0;
        }
    }

    /// The segment in which the next record is, if there is one. Enters it.
    pub(super) fn segment(&mut self, segments: &VecDeque<Segment>) -> Option<Segment> {
        let here = |one: &&Segment| one.number == self.at.segment && self.at.offset < one.bytes;
        if let Some(segment) = segments.iter().find(here) {
            return Some(*segment);
        }
        let after = |one: &&Segment| one.number > self.at.segment && one.bytes > 0;
        let next = segments.iter().find(after)?;
        *self = Self::at(Position {
            segment: next.number,
            ..Position::default()
        });
        Some(*next)
    }

    /// Where the record begins that is needed next.
    pub(super) fn wants(&self) -> u64 {
        self.known.min(self.at.offset)
    }

    /// Takes the record that was needed, which ends at `next`; `false` if it does not fit to what came before.
    pub(super) fn enter(&mut self, block: Block, next: u64) -> bool {
        let here = self.wants();
        if here == self.known {
            if usize::try_from(block.first).ok() != Some(self.series.len()) {
                return false;
            }
            let hashed = |labels: LabelSet| {
                let hash = labels.log_hash();
                (labels, hash)
            };
            self.series.extend(block.series.into_iter().map(hashed));
            self.known = next;
        }
        if here == self.at.offset {
            let skip = usize::try_from(self.at.skip).unwrap_or(usize::MAX);
            self.rest = block.samples.into();
            self.rest.drain(..skip.min(self.rest.len()));
            self.next = next;
            if self.rest.is_empty() {
                self.step();
            }
        }
        true
    }

    /// The next sample of the record.
    pub(super) fn pop(&mut self) -> Option<Stored> {
        let sample = self.rest.pop_front()?;
        self.at.skip += 1;
        if self.rest.is_empty() {
            self.step();
        }
        Some(sample)
    }

    fn step(&mut self) {
        self.at.offset = self.next;
        self.at.skip = 0;
    }

    /// The sample with its labels; `None` if nobody said what they are.
    pub(super) fn entry(&self, stored: Stored) -> Option<Entry> {
        let place = usize::try_from(stored.series).ok()?;
        let (labels, hash) = self.series.get(place)?;
        Some(Entry {
            labels: labels.clone(),
            hash: *hash,
            time: stored.time,
            point: stored.point,
        })
    }

    /// Passes the rest of a segment.
    pub(super) fn skip_to(&mut self, segment: u64, offset: u64) {
        *self = Self::at(Position {
            segment,
            offset,
            skip: 0,
        });
    }

    /// A segment is removed.
    pub(super) fn leave(&mut self, segment: u64) {
        if self.at.segment == segment {
            self.skip_to(segment, u64::MAX);
        }
    }
}
