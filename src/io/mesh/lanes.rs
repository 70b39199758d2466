//! The two queues of a stream's writer: urgent frames overtake bulk ones, and both are bounded by bytes.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

/// Bytes that may wait for a peer; one that takes less than that is not working.
pub(super) const MAX_WAITING: usize = 64 << 20;

/// Bytes handed to the system at once; what is urgent waits at most for these and what the system holds unsent.
const CHUNK: usize = 64 << 10;

/// Frames that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    state: Mutex<State>,
    wake: Notify,
    /// Frames that wait on all streams.
    queued: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    urgent: VecDeque<Arc<[u8]>>,
    bulk: VecDeque<Arc<[u8]>>,
    bytes: usize,
    closing: bool,
}

/// More waits than may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Lanes {
    /// Lanes whose waiting frames are counted in `queued`.
    pub(super) fn counted_in(queued: &Arc<AtomicU64>) -> Self {
        Self {
            queued: Arc::clone(queued),
            state: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Queues a frame; nothing is queued behind [`Self::close`].
    pub(super) fn push(&self, urgent: bool, frame: Arc<[u8]>) -> Result<(), Overflow> {
        let mut state = self.lock();
        if state.closing {
            return Ok(());
        }
        if state.bytes + frame.len() > MAX_WAITING {
            return Err(Overflow);
        }
        state.bytes += frame.len();
        if urgent {
            state.urgent.push_back(frame);
        } else {
            state.bulk.push_back(frame);
        }
        self.queued.fetch_add(1, Relaxed);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Lets the writer end once everything is written.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits for frames and takes some, in the order in which they are to be written; `None` at the end.
    pub(super) async fn take(&self) -> Option<Vec<Arc<[u8]>>> {
        loop {
            {
                let mut state = self.lock();
                let frames = state.take();
                if !frames.is_empty() {
                    self.queued.fetch_sub(count(frames.len()), Relaxed);
                    return Some(frames);
                }
                if state.closing {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        let state = self.lock();
        let left = count(state.urgent.len() + state.bulk.len());
        self.queued.fetch_sub(left, Relaxed);
    }
}

fn count(frames: usize) -> u64 {
    u64::try_from(frames).unwrap_or(u64::MAX)
}

impl State {
    fn take(&mut self) -> Vec<Arc<[u8]>> {
        let mut frames = Vec::new();
        let mut size = 0;
        while size < CHUNK {
            let Some(frame) = self.urgent.pop_front().or_else(|| self.bulk.pop_front()) else {
                break;
            };
            size += frame.len();
            frames.push(frame);
        }
        self.bytes -= size;
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8, size: usize) -> Arc<[u8]> {
        vec![byte; size].into()
    }

    #[tokio::test]
    async fn urgent_frames_overtake_and_each_lane_keeps_its_order() {
        let lanes = Lanes::default();
        for i in 0..3 {
            lanes.push(false, frame(i, 10)).unwrap();
            lanes.push(true, frame(10 + i, 10)).unwrap();
        }
        let taken = lanes.take().await.unwrap();
        let order: Vec<u8> = taken.iter().map(|frame| frame[0]).collect();
        assert_eq!(order, [10, 11, 12, 0, 1, 2]);
        lanes.push(false, frame(1, 10)).unwrap();
        lanes.close();
        lanes.push(false, frame(2, 10)).unwrap();
        assert_eq!(lanes.take().await.unwrap().len(), 1);
        assert_eq!(lanes.take().await, None);
    }

    #[tokio::test]
    async fn what_waits_is_counted_until_it_is_taken_or_the_stream_ends() {
        let queued = Arc::default();
        let (one, other) = (Lanes::counted_in(&queued), Lanes::counted_in(&queued));
        for _ in 0..3 {
            one.push(true, frame(0, 1)).unwrap();
        }
        other.push(false, frame(0, 1)).unwrap();
        assert_eq!(queued.load(Relaxed), 4);
        one.take().await.unwrap();
        assert_eq!(queued.load(Relaxed), 1);
        drop(other);
        assert_eq!(queued.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_taken_in_portions() {
        let lanes = Lanes::default();
        let large = frame(0, 1 << 20);
        for _ in 0..64 {
            lanes.push(false, Arc::clone(&large)).unwrap();
        }
        assert_eq!(lanes.push(true, frame(0, 1)), Err(Overflow));
        assert_eq!(lanes.take().await.unwrap().len(), 1);
        lanes.push(true, frame(0, 1)).unwrap();
    }
}
