//! What is known of queries of many times, within a bound on memory.

use std::sync::Arc;

use lru::LruCache;

use super::{
    block::{Block, block_of},
    query::{Gap, Planned, RangeKey, RangeQuery},
};

/// Parts of one query that are asked at most for what is not known; more requests cost more than values that are known.
const MOST_GAPS: usize = 4;

/// What a block takes beside what is in it, about.
const OVERHEAD: usize = 128;

/// The values of queries at steps whose values no longer change. What was not used for longest goes first.
#[derive(Debug)]
pub struct RangeCache {
    blocks: LruCache<Place, Arc<Block>>,
    bytes: usize,
    max_bytes: usize,
    /// Changes whenever what is known no longer holds.
    epoch: u64,
    counts: CacheCounts,
}

/// Blocks of this number of queries of this kind.
type Place = (Arc<RangeKey>, i64);

/// What a cache did, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Steps of queries that were known.
    pub known: u64,
    /// Steps of queries that were asked.
    pub asked: u64,
    /// Blocks that went because there was no room.
    pub evicted: u64,
    /// Blocks that are there.
    pub blocks: u64,
    /// What they take, about; bytes.
    pub bytes: u64,
}

impl RangeCache {
    /// Makes an empty cache of at most so many bytes; 0 keeps nothing.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            blocks: LruCache::unbounded(),
            bytes: 0,
            max_bytes,
            epoch: 0,
            counts: CacheCounts::default(),
        }
    }

    /// What it did and holds.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        CacheCounts {
            blocks: number(self.blocks.len()),
            bytes: number(self.bytes),
            ..self.counts
        }
    }

    /// To be handed to [`keep`](Self::keep) with what was asked from now on.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Forgets everything, also what is being asked, and takes another bound.
    pub fn reset(&mut self, max_bytes: usize) {
        self.epoch += 1;
        self.blocks.clear();
        self.bytes = 0;
        self.max_bytes = max_bytes;
    }

    /// The parts of a query in the order of time: what is known, and what is to be asked, which is cut at multiples of
    /// `split` milliseconds, or nowhere if that is 0.
    pub fn plan(&mut self, query: &RangeQuery, split: i64) -> Vec<Planned> {
        let pieces = few(self.pieces(query), query);
        let mut parts = Vec::new();
        let mut next = query.first;
        let mut known = 0;
        for (block, gap) in pieces {
            if next < gap.first {
                let before = Gap {
                    first: next,
                    last: gap.first - 1,
                };
                query.split(before, split, &mut parts);
            }
            known += gap.count();
            next = gap.last + 1;
            parts.push(Planned::Kept(block, gap));
        }
        if next <= query.last {
            let rest = Gap {
                first: next,
                last: query.last,
            };
            query.split(rest, split, &mut parts);
        }
        self.counts.known += known;
        self.counts.asked += query.count() - known;
        parts
    }

    /// What is known of a query, in the order of time.
    fn pieces(&mut self, query: &RangeQuery) -> Vec<(Arc<Block>, Gap)> {
        let mut pieces = Vec::new();
        for number in block_of(query.first)..=block_of(query.last) {
            let Some(block) = self.blocks.get(&(Arc::clone(&query.key), number)) else {
                continue;
            };
            let gap = Gap {
                first: block.first.max(query.first),
                last: block.last.min(query.last),
            };
            if gap.first <= gap.last {
                pieces.push((Arc::clone(block), gap));
            }
        }
        pieces
    }

    /// Keeps what was [cut](super::cut) of an answer that was asked in `epoch`, unless it would leave little room for
    /// others.
    pub fn keep(&mut self, query: &RangeQuery, epoch: u64, blocks: Vec<Block>) {
        let size = |block: &Block| OVERHEAD + query.key.expr.len() + block.bytes();
        let all: usize = blocks.iter().map(size).sum();
        if epoch != self.epoch || all > self.max_bytes / 2 {
            return;
        }
        for block in blocks {
            let place = (Arc::clone(&query.key), block_of(block.first));
            let block = match self.blocks.peek(&place) {
                Some(known) => known.joined(&block).unwrap_or(block),
                None => block,
            };
            self.bytes += size(&block);
            if let Some((_, old)) = self.blocks.push(place, Arc::new(block)) {
                self.bytes = self.bytes.saturating_sub(size(&old));
            }
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.bytes > self.max_bytes {
            let Some(((key, _), block)) = self.blocks.pop_lru() else {
                self.bytes = 0;
                return;
            };
            let size = OVERHEAD + key.expr.len() + block.bytes();
            self.bytes = self.bytes.saturating_sub(size);
            self.counts.evicted += 1;
        }
    }
}

/// Without pieces between which so little is missing that asking for them is cheaper than one more request.
fn few(mut pieces: Vec<(Arc<Block>, Gap)>, query: &RangeQuery) -> Vec<(Arc<Block>, Gap)> {
    loop {
        let mut gaps = 0;
        let mut next = query.first;
        // Those that are preceded by a gap, which a request without them would close.
        let mut smallest: Option<(u64, usize)> = None;
        for (at, (_, gap)) in pieces.iter().enumerate() {
            if next < gap.first {
                gaps += 1;
            }
            if smallest.is_none_or(|(count, _)| gap.count() < count) {
                smallest = Some((gap.count(), at));
            }
            next = gap.last + 1;
        }
        gaps += usize::from(next <= query.last);
        match smallest {
            Some((_, at)) if gaps > MOST_GAPS => pieces.remove(at),
            Some(_) | None => return pieces,
        };
    }
}
