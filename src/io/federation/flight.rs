//! Equal questions to one endpoint at the same time are asked once.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{Shared, WeakShared},
};
use tokio::time::Instant;

use super::{
    exchange::Answered,
    question::{Ask, Failure},
};

/// What came of a question.
type Result = std::result::Result<Answered, Failure>;

/// A question that is under way within the task of whoever waits for it. It ends when nobody waits for it any more.
type Asking = Pin<Box<dyn Future<Output = Arc<Result>> + Send>>;

/// The questions that are under way: few, so that looking through them takes less than to keep them in order.
#[derive(Default)]
pub(super) struct Flights(Mutex<Vec<UnderWay>>);

impl std::fmt::Debug for Flights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

/// A question that somebody may join.
struct UnderWay {
    ask: Arc<Ask>,
    max_samples: usize,
    asking: WeakShared<Asking>,
    /// Until when it may be answered.
    until: Instant,
}

/// A place of somebody who waits.
pub(super) struct Flight(Shared<Asking>);

impl Flights {
    /// Joins a question that is under way for so many samples, or begins it; whether it was joined. One that would end
    /// much before `until` is none.
    pub(super) fn board<A>(
        &self,
        ask: &Arc<Ask>,
        max_samples: usize,
        until: Instant,
        begin: impl FnOnce() -> A,
    ) -> (Flight, bool)
    where
        A: Future<Output = Result> + Send + 'static,
    {
        let slack = until.saturating_duration_since(Instant::now()) / 10;
        // Which partition it is for is the same at one endpoint.
        let fits = |known: &UnderWay| {
            known.max_samples == max_samples && known.until + slack >= until && known.ask == *ask
        };
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = flights.iter().filter(|known| fits(known));
        if let Some(asking) = known.find_map(|known| known.asking.upgrade()) {
            return (Flight(asking), true);
        }
        let asked = AssertUnwindSafe(begin()).catch_unwind();
        let asked: Asking = Box::pin(async {
            let bug = |_panic| Err(Failure::new("asking it failed: this is a bug"));
            Arc::new(asked.await.unwrap_or_else(bug))
        });
        let asking = asked.shared();
        flights.retain(|flight| flight.asking.upgrade().is_some());
        if let Some(weak) = asking.downgrade() {
            flights.push(UnderWay {
                ask: Arc::clone(ask),
                max_samples,
                asking: weak,
                until,
            });
        }
        (Flight(asking), false)
    }
}

impl Flight {
    /// What came of it, to be had by all who wait; without a copy by whoever waits alone.
    pub(super) async fn land(self) -> Result {
        Arc::unwrap_or_clone(self.0.await)
    }
}
