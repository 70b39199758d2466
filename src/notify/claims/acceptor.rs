//! What this node promised to whom.
//!
//! A promise that is over stays until its notification is done: it knows whether anything may have been sent.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use prost::Message as _;

use super::{
    LEASE, Quorum,
    message::{PbEarlier, Refusal},
};
use crate::{
    cluster::NodeName,
    nflog::{LogKey, ReceiverKey},
};

/// The longest that a promise without a lease is remembered, by whether something may have been sent.
const FORGET: [Duration; 2] = [Duration::from_mins(10), Duration::from_hours(24)];

/// More of those who may have sent one notification are not told apart.
const MAX_BEFORE: usize = 16;

/// That somebody said `starting` and nothing definite since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Who.
    pub owner: NodeName,
    /// Which run of it.
    pub run: u64,
    /// Its attempt.
    pub attempt: u64,
    /// Names the notification, and what it tells.
    pub idempotency_key: Arc<str>,
    /// Number of the owner's question with which it said so; 0 if it is not known.
    pub round: u64,
}

/// A promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Number of the notification.
    pub seq: u64,
    /// The highest attempt so far.
    pub attempt: u64,
    /// To whom.
    pub owner: NodeName,
    /// To which run of it.
    pub run: u64,
    /// Monotonic time until which it holds.
    pub until: Duration,
    /// Who may be sending it.
    pub started: Option<Earlier>,
    /// Who may have sent it before that.
    pub before: Vec<Earlier>,
    /// Its owner took back that it starts, or gave it up and said that it sent nothing.
    pub clear: bool,
    /// Somebody had it before who did not say so.
    pub unclear_before: bool,
    /// This node's own attempts that it took back, the latest last: its next run says so to who could not hear it.
    pub taken_back: Vec<u64>,
}

/// For so long whoever comes out of a cut is given time to hear what was told on the other side: a repair takes seconds on a
/// bad line.
const MERGED: Duration = Duration::from_secs(15);

/// Then it is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    pub(super) owner: &'a NodeName,
    pub(super) run: u64,
    pub(super) seq: u64,
    pub(super) attempt: u64,
    /// What the log of whoever asks has; `None` if that is not said.
    pub(super) last: Option<u64>,
    /// What the log has.
    pub(super) done: Option<u64>,
    /// Whether both logs end with the same number, but for what two sides of a cut told.
    pub(super) apart: bool,
}

/// What is answered; `changed` says whether the answer must wait for the disk.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) earlier: Vec<Earlier>,
    pub(super) changed: bool,
}

/// All promises of this node.
#[derive(Debug, Default)]
pub(super) struct Acceptor {
    promises: BTreeMap<LogKey, Promise>,
    /// Since when the logs of others are known to differ from this node's.
    apart: BTreeMap<LogKey, Duration>,
}

impl Acceptor {
    pub(super) fn get(&self, key: &LogKey) -> Option<&Promise> {
        self.promises.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.promises.len()
    }

    pub(super) fn claim(
        &mut self,
        key: &LogKey,
        asked: &Asked<'_>,
        quorum: &Quorum,
        now: Duration,
    ) -> Result<Granted, Refusal> {
        if !quorum.may_vote {
            return Err(Refusal::NotVoting);
        }
        // The number alone does not tell: whoever knows of nothing begins at the second of its earliest alert.
        let unknown = |done| asked.last.is_some_and(|last| done > last);
        if asked
            .done
            .is_some_and(|done| done >= asked.seq || unknown(done))
        {
            return Err(Refusal::Done);
        }
        if self.is_apart(key, asked, now) {
            return Err(Refusal::Held {
                owner: Arc::clone(&quorum.me),
                remaining: AGAIN,
            });
        }
        let Some(promise) = self.promises.get_mut(key) else {
            self.promises.insert(key.clone(), Promise::new(asked, now));
            return Ok(Granted {
                earlier: Vec::new(),
                changed: true,
            });
        };
        let same = *promise.owner == **asked.owner && promise.run == asked.run;
        if same && promise.seq == asked.seq && promise.attempt == asked.attempt {
            promise.until = now + LEASE;
            // It may send after this, whatever it said before.
            let changed = std::mem::take(&mut promise.clear);
            let earlier = promise.earlier_than(asked);
            return Ok(Granted { earlier, changed });
        }
        let over = asked.done.is_some_and(|done| done >= promise.seq);
        let live = promise.until > now && !quorum.is_over(&promise.owner, promise.run);
        if live && !same && !over {
            let owner = Arc::clone(&promise.owner);
            return Err(Refusal::Held {
                owner,
                remaining: promise.until - now,
            });
        }
        if promise.seq >= asked.seq && promise.attempt >= asked.attempt {
            return Err(Refusal::Outbid {
                attempt: promise.attempt,
            });
        }
        let mut next = Promise::new(asked, now);
        if promise.seq >= asked.seq {
            next.before = promise.take_starts();
            next.unclear_before = promise.unclear_before || !promise.clear;
            next.taken_back = std::mem::take(&mut promise.taken_back);
        }
        *promise = next;
        Ok(Granted {
            earlier: promise.earlier_than(asked),
            changed: true,
        })
    }

    /// Whether it had better be asked again once the logs are merged, which whoever comes out of a cut does at once: nobody
    /// knows yet which of two sides told last. What was promised is not taken back.
    fn is_apart(&mut self, key: &LogKey, asked: &Asked<'_>, now: Duration) -> bool {
        if !asked.apart {
            self.apart.remove(key);
            return false;
        }
        let promised = self.promises.get(key).is_some_and(|promise| {
            promise.is_for(asked.owner, asked.run, asked.seq, asked.attempt)
        });
        let since = *self.apart.entry(key.clone()).or_insert(now);
        !promised && now < since + MERGED
    }

    /// Notes that the first byte is about to be sent. `None` if it is not this owner's to send; otherwise whether the
    /// answer must wait for the disk.
    pub(super) fn starting(&mut self, key: &LogKey, started: Earlier, seq: u64) -> Option<bool> {
        let promise = self.promises.get_mut(key)?;
        if !promise.is_for(&started.owner, started.run, seq, started.attempt) {
            return None;
        }
        promise.taken_back.retain(|it| *it != started.attempt);
        let started = Some(started);
        let changed = promise.started != started || promise.clear;
        promise.started = started;
        promise.clear = false;
        Some(changed)
    }

    /// Notes that nothing was taken; tells whether that changes anything.
    pub(super) fn not_taken(&mut self, key: &LogKey, owner: &str, seq: u64, attempt: u64) -> bool {
        let Some(promise) = self.promises.get_mut(key) else {
            return false;
        };
        if promise.seq != seq {
            return false;
        }
        let his = |start: &Earlier| *start.owner == *owner && start.attempt == attempt;
        let before = promise.before.len();
        promise.before.retain(|start| !his(start));
        let all = *promise.owner == *owner && promise.attempt == attempt;
        let cleared = all && !std::mem::replace(&mut promise.clear, true);
        let taken = promise.started.take_if(|start| his(start)).is_some();
        cleared || taken || promise.before.len() < before
    }

    /// Notes that this node took an attempt of its own back; tells whether that changes anything.
    pub(super) fn taken_back(&mut self, key: &LogKey, seq: u64, attempt: u64) -> bool {
        let promise = self.promises.get_mut(key).filter(|it| it.seq == seq);
        let Some(promise) = promise.filter(|it| !it.taken_back.contains(&attempt)) else {
            return false;
        };
        promise.taken_back.push(attempt);
        let too_many = promise.taken_back.len().saturating_sub(MAX_BEFORE);
        promise.taken_back.drain(..too_many);
        true
    }

    /// Whether this node took an attempt of its own back, and nothing was said of it since.
    pub(super) fn is_taken_back(&self, key: &LogKey, seq: u64, attempt: u64) -> bool {
        let promise = self.promises.get(key).filter(|it| it.seq == seq);
        promise.is_some_and(|promise| promise.taken_back.contains(&attempt))
    }

    /// The highest attempt at a notification that is known of; 0 if none is.
    pub(super) fn last_attempt(&self, key: &LogKey, seq: u64) -> u64 {
        let promise = self.promises.get(key).filter(|it| it.seq == seq);
        let own = |promise: &Promise| promise.taken_back.iter().copied().max().unwrap_or_default();
        promise.map_or(0, |promise| promise.attempt.max(own(promise)))
    }

    /// Ends a promise whose owner gives it up.
    pub(super) fn released(&mut self, key: &LogKey, owner: &str, seq: u64, attempt: u64) {
        if let Some(promise) = self.promises.get_mut(key)
            && *promise.owner == *owner
            && promise.seq == seq
            && promise.attempt == attempt
        {
            promise.until = Duration::ZERO;
        }
    }

    /// Forgets what is done; tells whether there was anything.
    pub(super) fn done(&mut self, key: &LogKey, seq: u64) -> bool {
        let over = self.promises.get(key).is_some_and(|p| p.seq <= seq);
        over && self.promises.remove(key).is_some()
    }

    /// Until when a promise to somebody else holds.
    pub(super) fn held_until(
        &self,
        key: &LogKey,
        quorum: &Quorum,
        now: Duration,
    ) -> Option<Duration> {
        let promise = self.promises.get(key)?;
        let live = promise.until > now
            && *promise.owner != *quorum.me
            && !quorum.is_over(&promise.owner, promise.run);
        live.then_some(promise.until)
    }

    /// Takes in what was saved; a promise holds for a whole lease again.
    pub(super) fn restore(&mut self, key: LogKey, mut promise: Promise, now: Duration) {
        promise.until = now + LEASE;
        self.promises.insert(key, promise);
    }

    /// Forgets what nobody will ask for any more; returns the keys.
    pub(super) fn collect(&mut self, now: Duration) -> Vec<LogKey> {
        self.apart.retain(|_, since| now < *since + MERGED * 4);
        let old = self.promises.iter().filter(|(_, promise)| {
            let keep = FORGET[usize::from(promise.starts().next().is_some())];
            promise.until + keep < now
        });
        let old: Vec<_> = old.map(|(key, _)| key.clone()).collect();
        for key in &old {
            self.promises.remove(key);
        }
        old
    }
}

impl Promise {
    fn new(asked: &Asked<'_>, now: Duration) -> Self {
        Self {
            seq: asked.seq,
            attempt: asked.attempt,
            owner: Arc::clone(asked.owner),
            run: asked.run,
            until: now + LEASE,
            started: None,
            before: Vec::new(),
            clear: false,
            unclear_before: false,
            taken_back: Vec::new(),
        }
    }

    /// Whether it was made to this run of a node for this attempt.
    pub(super) fn is_for(&self, owner: &str, run: u64, seq: u64, attempt: u64) -> bool {
        *self.owner == *owner && (self.run, self.seq, self.attempt) == (run, seq, attempt)
    }

    /// All who may have sent it.
    pub(super) fn starts(&self) -> impl Iterator<Item = &Earlier> {
        self.before.iter().chain(&self.started)
    }

    /// All who may have sent it, the latest last. Of several attempts of one run to tell the same, the first stands for
    /// all: that a later one was not taken says nothing of it.
    fn take_starts(&mut self) -> Vec<Earlier> {
        let mut starts = std::mem::take(&mut self.before);
        if let Some(started) = self.started.take() {
            let same = |start: &&mut Earlier| {
                (&start.owner, start.run) == (&started.owner, started.run)
                    && start.idempotency_key == started.idempotency_key
            };
            match starts.iter_mut().find(same) {
                Some(start) => start.round = started.round,
                None => starts.push(started),
            }
        }
        let too_many = starts.len().saturating_sub(MAX_BEFORE);
        starts.drain(..too_many);
        starts
    }

    fn earlier_than(&self, asked: &Asked<'_>) -> Vec<Earlier> {
        let own = |earlier: &&Earlier| {
            earlier.owner == *asked.owner
                && earlier.run == asked.run
                && earlier.attempt == asked.attempt
        };
        let earlier = self.starts().filter(|earlier| !own(earlier));
        earlier.cloned().collect()
    }

    /// What is saved of it.
    #[must_use]
    pub fn encode(&self, key: &LogKey) -> Vec<u8> {
        PbPromise {
            group_key: (*key.group_key).to_owned(),
            receiver: (*key.receiver.group_name).to_owned(),
            integration: (*key.receiver.integration).to_owned(),
            index: key.receiver.index,
            seq: self.seq,
            attempt: self.attempt,
            owner: (*self.owner).to_owned(),
            run: self.run,
            started: self.started.as_ref().map(PbEarlier::from),
            before: self.before.iter().map(PbEarlier::from).collect(),
            clear: self.clear,
            unclear_before: self.unclear_before,
            taken_back: self.taken_back.clone(),
        }
        .encode_to_vec()
    }

    /// Reads what was saved; `None` if it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(LogKey, Self)> {
        let pb = PbPromise::decode(bytes).ok()?;
        let key = LogKey {
            group_key: pb.group_key.into(),
            receiver: ReceiverKey {
                group_name: pb.receiver.into(),
                integration: pb.integration.into(),
                index: pb.index,
            },
        };
        let promise = Self {
            seq: pb.seq,
            attempt: pb.attempt,
            owner: pb.owner.into(),
            run: pb.run,
            until: Duration::ZERO,
            started: pb.started.map(Earlier::from),
            before: pb.before.into_iter().map(Earlier::from).collect(),
            clear: pb.clear,
            unclear_before: pb.unclear_before,
            taken_back: pb.taken_back.into_iter().take(MAX_BEFORE).collect(),
        };
        Some((key, promise))
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct PbPromise {
    #[prost(string, tag = "1")]
    group_key: String,
    #[prost(string, tag = "2")]
    receiver: String,
    #[prost(string, tag = "3")]
    integration: String,
    #[prost(uint32, tag = "4")]
    index: u32,
    #[prost(uint64, tag = "5")]
    seq: u64,
    #[prost(uint64, tag = "6")]
    attempt: u64,
    #[prost(string, tag = "7")]
    owner: String,
    #[prost(uint64, tag = "8")]
    run: u64,
    #[prost(message, optional, tag = "9")]
    started: Option<PbEarlier>,
    #[prost(message, repeated, tag = "10")]
    before: Vec<PbEarlier>,
    #[prost(bool, tag = "11")]
    clear: bool,
    #[prost(bool, tag = "12")]
    unclear_before: bool,
    #[prost(uint64, repeated, tag = "13")]
    taken_back: Vec<u64>,
}
