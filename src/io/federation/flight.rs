//! Equal questions to one endpoint at the same time are asked once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{sync::watch, task::AbortHandle, time::Instant};

use super::{
    endpoint::Answered,
    question::{Ask, Failure},
};

/// What came of a question, for all who asked it.
type Result = std::result::Result<Answered, Failure>;

/// Where it is put down for all of them.
type Answer = Arc<Mutex<Option<Arc<Result>>>>;

/// The questions that are under way.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<BTreeMap<(Ask, usize), Weak<Flight>>>);

/// A question that is under way. It ends when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Flight {
    answer: Answer,
    landed: watch::Receiver<bool>,
    task: AbortHandle,
    /// Until when it may be answered.
    until: Instant,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Flights {
    /// Joins a question that is under way for so many samples, or begins it; whether it was joined. One that would end
    /// much before `until` is none.
    pub(super) fn board<A>(
        &self,
        ask: &Ask,
        max_samples: usize,
        until: Instant,
        begin: impl FnOnce() -> A,
    ) -> (Arc<Flight>, bool)
    where
        A: Future<Output = Result> + Send + 'static,
    {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Which partition it is for is the same at one endpoint.
        let key = (ask.clone(), max_samples);
        let slack = until.saturating_duration_since(Instant::now()) / 10;
        let under_way = flights.get(&key).and_then(Weak::upgrade);
        let under_way = under_way.filter(|flight| flight.until + slack >= until);
        if let Some(flight) = under_way {
            return (flight, true);
        }
        let (sender, landed) = watch::channel(false);
        let (answer, asked) = (Answer::default(), begin());
        let place = Arc::clone(&answer);
        let task = tokio::spawn(async move {
            let result = asked.await;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(result));
            // Before anybody knows: whoever waits alone is to have it alone.
            drop(place);
            sender.send_replace(true);
        });
        let flight = Arc::new(Flight {
            answer,
            landed,
            task: task.abort_handle(),
            until,
        });
        flights.retain(|_, flight| flight.strong_count() > 0);
        flights.insert(key, Arc::downgrade(&flight));
        (flight, false)
    }
}

impl Flight {
    /// What came of it, to be had by all who wait.
    pub(super) async fn land(self: Arc<Self>) -> Result {
        let mut landed = self.landed.clone();
        // An error means that the task ended without an answer; then there is none.
        let _ = landed.wait_for(|landed| *landed).await;
        let answer = self.answer.lock();
        let result = answer.unwrap_or_else(PoisonError::into_inner).clone();
        drop(self);
        let bug = || Arc::new(Err(Failure::new("asking it failed: this is a bug")));
        Arc::unwrap_or_clone(result.unwrap_or_else(bug))
    }
}
