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

/// The questions that are under way.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<BTreeMap<(Ask, usize), Weak<Flight>>>);

/// A question that is under way. It ends when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Flight {
    answer: watch::Receiver<Option<Arc<Result>>>,
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
        let (sender, answer) = watch::channel(None);
        let asked = begin();
        let task = tokio::spawn(async move {
            sender.send_replace(Some(Arc::new(asked.await)));
        });
        let flight = Arc::new(Flight {
            answer,
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
        let mut answer = self.answer.clone();
        let landed = answer.wait_for(Option::is_some).await;
        let result = landed
            .ok()
            .and_then(|result| result.as_ref().map(Arc::clone));
        drop(answer);
        drop(self);
        let bug = || Arc::new(Err(Failure::new("asking it failed: this is a bug")));
        Arc::unwrap_or_clone(result.unwrap_or_else(bug))
    }
}
