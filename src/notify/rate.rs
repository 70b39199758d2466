//! How often receivers may be told: a sliding window for each address, and the pauses that receivers ask for.
//!
//! The first half of a window's messages may be sent at once; the last of them, and the other half, which is spread over
//! the window, take along whatever else waits. So in a storm everybody is told of everything within a fraction of the
//! window, and the limit, which at some vendors means being shut out for minutes, is never exceeded.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{Integration, RateLimit},
    nflog::ReceiverKey,
};

/// What a limit counts for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::notify) enum Bucket {
    /// One integration.
    Integration(ReceiverKey),
    /// An address at a vendor that counts by address, whichever receivers share it; hashed.
    Address([u8; 32]),
}

impl Bucket {
    /// The bucket of an integration.
    pub(in crate::notify) fn of(key: &ReceiverKey, integration: &Integration) -> Self {
        match integration.settings.counted_address() {
            Some(address) => Self::Address(address),
            None => Self::Integration(key.clone()),
        }
    }
}

/// When each address was told, as far as that still counts.
#[derive(Debug, Default)]
pub(super) struct Rates {
    buckets: BTreeMap<Arc<Bucket>, State>,
}

#[derive(Debug, Default)]
struct State {
    /// Within the last window, the oldest first.
    sent: VecDeque<Duration>,
    /// Until when the receiver asked to be left alone.
    paused: Duration,
    /// When nothing of this matters any more.
    forget: Duration,
}

impl Rates {
    /// When the next message may be sent, at the earliest.
    pub(super) fn ready_at(
        &self,
        bucket: &Bucket,
        limit: Option<RateLimit>,
        now: Duration,
    ) -> Duration {
        let Some(state) = self.buckets.get(bucket) else {
            return now;
        };
        let by_rate = limit.map_or(now, |limit| state.ready_at(limit, now));
        by_rate.max(state.paused).max(now)
    }

    /// Whether the next message should take along whatever else waits.
    pub(super) fn is_pressed(&self, bucket: &Bucket, limit: RateLimit, now: Duration) -> bool {
        let state = self.buckets.get(bucket);
        let counted = state.map_or(0, |state| state.counted(limit, now));
        counted + 1 >= burst(limit)
    }

    /// Counts a message.
    pub(super) fn sent(&mut self, bucket: &Bucket, limit: Option<RateLimit>, now: Duration) {
        let Some(limit) = limit else { return };
        self.buckets.retain(|_, state| state.forget > now);
        let state = self.state(bucket);
        while state.sent.front().is_some_and(|at| *at + limit.per <= now)
            || state.sent.len() > limit.messages as usize
        {
            state.sent.pop_front();
        }
        state.sent.push_back(now);
        state.forget = state.forget.max(now + limit.per);
    }

    /// Takes in that the receiver wants to be left alone until then.
    pub(super) fn pause(&mut self, bucket: &Bucket, until: Duration) {
        let state = self.state(bucket);
        state.paused = state.paused.max(until);
        state.forget = state.forget.max(until);
    }

    /// Takes in that the receiver took a message after all.
    pub(super) fn resume(&mut self, bucket: &Bucket) {
        if let Some(state) = self.buckets.get_mut(bucket) {
            state.paused = Duration::ZERO;
        }
    }

    fn state(&mut self, bucket: &Bucket) -> &mut State {
        if !self.buckets.contains_key(bucket) {
            self.buckets
                .insert(Arc::new(bucket.clone()), State::default());
        }
        self.buckets.get_mut(bucket).expect("it was just put there")
    }
}

impl State {
    fn counted(&self, limit: RateLimit, now: Duration) -> usize {
        let counts = self.sent.iter().rev();
        counts.take_while(|at| **at + limit.per > now).count()
    }

    fn ready_at(&self, limit: RateLimit, now: Duration) -> Duration {
        let messages = limit.messages as usize;
        let counted = self.counted(limit, now);
        if counted < burst(limit) {
            return now;
        }
        let Some(last) = self.sent.back() else {
            return now;
        };
        let spread = match limit.messages - limit.messages.div_ceil(2) {
            0 => limit.per,
            rest => limit.per / rest,
        };
        let paced = *last + spread;
        if counted < messages {
            return paced.min(self.oldest_ends(limit, counted, burst(limit)));
        }
        paced.max(self.oldest_ends(limit, counted, messages))
    }

    /// When fewer than `most` messages count.
    fn oldest_ends(&self, limit: RateLimit, counted: usize, most: usize) -> Duration {
        let oldest = self.sent.len() - counted;
        self.sent
            .get(oldest + counted - most)
            .map_or(Duration::ZERO, |at| *at + limit.per)
    }
}

/// The messages of a window that may be sent at once.
fn burst(limit: RateLimit) -> usize {
    limit.messages.div_ceil(2) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket() -> Bucket {
        Bucket::Address([7; 32])
    }

    fn limit(messages: u32, seconds: u64) -> RateLimit {
        RateLimit {
            messages,
            per: Duration::from_secs(seconds),
        }
    }

    /// Sends as soon as allowed, `count` times; returns when.
    fn storm(limit: RateLimit, count: usize) -> Vec<Duration> {
        let mut rates = Rates::default();
        let mut now = Duration::from_secs(1000);
        let mut sent = Vec::new();
        for _ in 0..count {
            now = rates.ready_at(&bucket(), Some(limit), now);
            rates.sent(&bucket(), Some(limit), now);
            sent.push(now);
        }
        sent
    }

    #[test]
    fn half_goes_at_once_and_the_rest_is_spread() {
        let seconds: Vec<u64> = storm(limit(20, 60), 24)
            .iter()
            .map(|at| at.as_secs() - 1000)
            .collect();
        assert_eq!(
            seconds,
            [
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 66, 72, 78, 84
            ]
        );
        let one: Vec<u64> = storm(limit(1, 10), 3)
            .iter()
            .map(|at| at.as_secs() - 1000)
            .collect();
        assert_eq!(one, [0, 10, 20]);
    }

    #[test]
    fn without_a_limit_only_pauses_hold() {
        let mut rates = Rates::default();
        let now = Duration::from_secs(5);
        rates.sent(&bucket(), None, now);
        assert_eq!(rates.ready_at(&bucket(), None, now), now);
        rates.pause(&bucket(), now * 2);
        assert_eq!(rates.ready_at(&bucket(), None, now), now * 2);
        rates.resume(&bucket());
        assert_eq!(rates.ready_at(&bucket(), None, now), now);
    }

    #[test]
    fn what_counts_no_more_is_forgotten() {
        let mut rates = Rates::default();
        for i in 0..100_u8 {
            let now = Duration::from_secs(u64::from(i) * 100);
            rates.sent(&Bucket::Address([i; 32]), Some(limit(5, 60)), now);
        }
        assert_eq!(rates.buckets.len(), 1);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more(messages in 1_u32..30, seconds in 1_u64..100, count in 1_usize..200) {
            let limit = limit(messages, seconds);
            let sent = storm(limit, count);
            for (i, from) in sent.iter().enumerate() {
                let within = sent[i..].iter().take_while(|at| **at < *from + limit.per).count();
                prop_assert!(within <= messages as usize, "{within} of {messages} in a window");
            }
        }
    }
}
