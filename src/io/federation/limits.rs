//! How many queries are answered at a time, and how much of what endpoints answer is held for all of them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::query::QueryError;
use crate::config::LimitsConfig;

/// What is kept to answer with once a query's turn comes: one that waited longer fails.
const LEAST: Duration = Duration::from_millis(100);

/// What queries may take, and what they take.
#[derive(Debug)]
pub(super) struct Limits {
    state: Mutex<State>,
    held: Arc<AtomicUsize>,
    waiting: Arc<AtomicU64>,
    running: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    config: LimitsConfig,
    turns: Arc<Semaphore>,
}

/// What queries take now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Queries that are being answered.
    pub running: u64,
    /// Queries that wait for their turn.
    pub waiting: u64,
    /// Bytes of answers that are held for them.
    pub bytes: u64,
}

/// The turn of a query.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _running: Counted,
}

/// One of those that are counted, until it is dropped.
struct Counted(Arc<AtomicU64>);

impl Counted {
    fn new(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What one query holds of the answers of endpoints.
#[derive(Debug)]
pub(super) struct Budget {
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
    /// Whether only what it holds itself counts.
    alone: bool,
    max: usize,
    exceeded: AtomicBool,
}

impl Limits {
    pub(super) fn new(config: LimitsConfig) -> Self {
        Self {
            state: Mutex::new(State::new(config)),
            held: Arc::default(),
            waiting: Arc::default(),
            running: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes other limits; queries that run or wait do so under the old ones.
    pub(super) fn take(&self, config: LimitsConfig) {
        let mut state = self.state();
        if state.config.max_concurrent_queries == config.max_concurrent_queries {
            state.config = config;
        } else {
            *state = State::new(config);
        }
    }

    /// Samples that a query may hold.
    pub(super) fn max_samples(&self) -> usize {
        usize::try_from(self.state().config.max_samples).unwrap_or(usize::MAX)
    }

    pub(super) fn load(&self) -> Load {
        Load {
            running: self.running.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            bytes: u64::try_from(self.held.load(Relaxed)).unwrap_or(u64::MAX),
        }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self, deadline: Instant) -> Result<Turn, QueryError> {
        let (turns, most) = {
            let state = self.state();
            (
                Arc::clone(&state.turns),
                state.config.max_concurrent_queries,
            )
        };
        let waiting = Counted::new(&self.waiting);
        let until = deadline.checked_sub(LEAST).unwrap_or(deadline);
        let Ok(Ok(permit)) = timeout_at(until, turns.acquire_owned()).await else {
            return Err(QueryError::Queued { most });
        };
        drop(waiting);
        Ok(Turn {
            _permit: permit,
            _running: Counted::new(&self.running),
        })
    }

    /// What a new query may hold, beside what others do.
    pub(super) fn budget(&self) -> Budget {
        self.new_budget(false)
    }

    /// What a rule may hold, whatever others do: whoever looks at dashboards must not keep alerts from firing.
    pub(super) fn own_budget(&self) -> Budget {
        self.new_budget(true)
    }

    fn new_budget(&self, alone: bool) -> Budget {
        Budget {
            all: Arc::clone(&self.held),
            own: AtomicUsize::new(0),
            alone,
            max: self.state().config.max_response_bytes,
            exceeded: AtomicBool::new(false),
        }
    }
}

impl State {
    fn new(config: LimitsConfig) -> Self {
        let turns = usize::try_from(config.max_concurrent_queries).unwrap_or(usize::MAX);
        Self {
            turns: Arc::new(Semaphore::new(turns.min(Semaphore::MAX_PERMITS))),
            config,
        }
    }
}

impl Budget {
    /// Whether so much more may be held.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let own = self.own.fetch_add(bytes, Relaxed);
        let all = self.all.fetch_add(bytes, Relaxed);
        let before = if self.alone { own } else { all };
        let fits = before.saturating_add(bytes) <= self.max;
        if !fits {
            self.exceeded.store(true, Relaxed);
        }
        fits
    }

    /// Whether something did not fit.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Relaxed)
    }

    /// Another one, for what is done beside the query and may outlast it.
    pub(super) fn another(&self) -> Self {
        Self {
            all: Arc::clone(&self.all),
            own: AtomicUsize::new(0),
            alone: true,
            max: self.max,
            exceeded: AtomicBool::new(false),
        }
    }

    /// What may be held; bytes.
    pub(super) fn max(&self) -> usize {
        self.max
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.all.fetch_sub(*self.own.get_mut(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_concurrent_queries: u32, max_response_bytes: usize) -> Limits {
        Limits::new(LimitsConfig {
            max_concurrent_queries,
            max_response_bytes,
            ..LimitsConfig::default()
        })
    }

    #[test]
    fn what_a_query_held_is_free_when_it_ends() {
        let limits = limits(1, 100);
        let (first, second) = (limits.budget(), limits.budget());
        assert!(first.take(60) && second.take(40));
        assert!(!second.take(1));
        assert_eq!((first.is_exceeded(), second.is_exceeded()), (false, true));
        drop(second);
        assert_eq!(limits.load().bytes, 60);
        let third = limits.budget();
        assert!(third.take(40));
        let rule = limits.own_budget();
        assert!(rule.take(100) && !rule.take(1));
    }

    #[tokio::test]
    async fn a_query_waits_for_its_turn_until_its_time_is_over() {
        let limits = limits(1, 100);
        let soon = || Instant::now() + Duration::from_millis(150);
        let first = limits.turn(soon()).await.ok().unwrap();
        let error = limits.turn(soon()).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "query timed out in query queue: max_concurrent_queries is 1"
        );
        assert_eq!(
            limits.load(),
            Load {
                running: 1,
                ..Load::default()
            }
        );
        let far = Instant::now() + Duration::from_mins(1);
        let waits = limits.turn(far);
        tokio::pin!(waits);
        assert!(futures_pending(&mut waits).await);
        assert_eq!(limits.load().waiting, 1);
        drop(first);
        assert!(waits.await.is_ok());
        // Another bound holds for those that come.
        let running = limits.turn(far).await.ok().unwrap();
        drop(running);
        limits.take(LimitsConfig {
            max_concurrent_queries: 2,
            ..LimitsConfig::default()
        });
        let both = (limits.turn(soon()).await, limits.turn(soon()).await);
        assert!(both.0.is_ok() && both.1.is_ok());
    }

    /// Whether a future is not ready when it is looked at.
    async fn futures_pending(future: &mut (impl Future + Unpin)) -> bool {
        let looked = std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        });
        looked.await
    }
}
