//! Evaluations of the ruler: over the endpoints, and over what rules wrote.

use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    runtime,
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::drive::Message;
use crate::{
    app::queries::Queries,
    federation::Local,
    io::{
        federation::{Query, QueryError, Reply},
        spawn,
    },
    ruler::{Answered, Evaluation, EvaluationId},
};

/// How long evaluations keep their place. One that takes longer waits for an endpoint, or for a thread, and must not make
/// others wait that need neither.
const KEPT: Duration = Duration::from_millis(250);

/// What an evaluation has at least, however long it waited for its place.
const LEAST: Duration = Duration::from_secs(1);

/// What evaluations need.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) runtime: runtime::Handle,
    pub(super) queries: Arc<Queries>,
    pub(super) sender: Sender<Message>,
    pub(super) places: Arc<Semaphore>,
    /// Which ruler asks: how many ended before.
    pub(super) ended: u64,
}

/// Tells what came of evaluations.
struct Teller {
    sender: Sender<Message>,
    ended: u64,
    left: BTreeSet<EvaluationId>,
}

impl Work {
    /// Begins evaluations, which differ in their expressions alone, when there is a place for them.
    pub(super) fn begin(self, evaluations: Vec<Evaluation>) {
        let runtime = self.runtime.clone();
        let began = Instant::now();
        spawn(&runtime, "rule", async move {
            let places = Arc::clone(&self.places);
            let Ok(place) = places.acquire().await else {
                return;
            };
            // What is due now waits for no range, so these need not give their places to others.
            let about_ranges = evaluations.iter().any(|one| one.range.is_some());
            let evaluated = self.evaluate_all(evaluations, began);
            if about_ranges {
                evaluated.await;
                return;
            }
            tokio::pin!(evaluated);
            if timeout(KEPT, &mut evaluated).await.is_err() {
                drop(place);
                evaluated.await;
            }
        });
    }

    /// Begins an evaluation that needs no endpoint: it waits for nothing.
    pub(super) fn begin_at_once(self, evaluation: Evaluation) {
        let runtime = self.runtime.clone();
        let began = Instant::now();
        spawn(&runtime, "rule", async move {
            self.evaluate_all(vec![evaluation], began).await;
        });
    }

    async fn evaluate_all(&self, mut evaluations: Vec<Evaluation>, began: Instant) {
        for evaluation in &mut evaluations {
            evaluation.within = left(evaluation.within, began.elapsed());
        }
        // One that panics must not be waited for.
        let mut teller = Teller::new(self, &evaluations);
        let evaluated = AssertUnwindSafe(self.evaluate(evaluations, &mut teller));
        // What it did not tell is told below.
        let _ = evaluated.catch_unwind().await;
        teller.tell_rest();
    }

    async fn evaluate(&self, evaluations: Vec<Evaluation>, teller: &mut Teller) {
        let [first, _, ..] = evaluations.as_slice() else {
            for evaluation in evaluations {
                let id = evaluation.id;
                let result = self.evaluate_one(evaluation).await;
                teller.tell(vec![(id, result)]);
            }
            return;
        };
        let federation = self.queries.federation();
        let exprs = evaluations.iter().map(|one| Arc::clone(&one.expr));
        let exprs: Vec<_> = exprs.collect();
        let within = within(first);
        let together = federation.together(&exprs, first.at, first.options, within, &first.params);
        let together = together.await;
        for alone in together.alone() {
            if let Some(evaluation) = evaluations.get(*alone) {
                teller.done(&evaluation.id);
                self.clone().begin(vec![evaluation.clone()]);
            }
        }
        let asked = together.ask(federation, |results| {
            let results = results.into_iter().filter_map(|(number, reply)| {
                let evaluation = evaluations.get(number)?;
                let id = evaluation.id;
                let answered = self.answered(evaluation, reply).map(|answered| Answered {
                    light: true,
                    ..answered
                });
                Some((id, answered))
            });
            teller.tell(results.collect());
        });
        asked.await;
    }

    async fn evaluate_one(&self, evaluation: Evaluation) -> Result<Answered, String> {
        let federation = self.queries.federation();
        if let Some(since) = evaluation.measured_since
            && !federation.has_measured(&evaluation.expr, since, evaluation.at)
        {
            return Err("what this node measured of itself then is not known".to_owned());
        }
        let own = evaluation.own.as_ref();
        let own = own.map(|own| Arc::new(own.clone()) as Arc<dyn Local>);
        let query = Query::new(
            &evaluation.expr,
            evaluation.steps(),
            evaluation.options,
            within(&evaluation),
        );
        let own = own.into_iter().collect();
        let asked = federation.query_beside(query, own, &evaluation.params);
        self.answered(&evaluation, asked.await)
    }

    fn answered(
        &self,
        evaluation: &Evaluation,
        reply: Result<Reply, QueryError>,
    ) -> Result<Answered, String> {
        let reply = reply.map_err(|error| error.to_string())?;
        self.queries.tell_missing(&reply);
        let missing = reply.warnings();
        let answered = reply.explain.requests.iter();
        let answered = answered.filter(|request| request.error.is_none());
        let endpoints: BTreeSet<&str> = answered.map(|one| &*one.endpoint).collect();
        let endpoints = endpoints.into_iter().map(Arc::from).collect();
        let value = reply.answer.output.value;
        let answered = Answered::of(evaluation, value, reply.answer.certainty, missing)?;
        Ok(Answered {
            endpoints,
            ..answered
        })
    }
}

/// How long an evaluation may take.
fn within(evaluation: &Evaluation) -> Duration {
    Duration::from_millis(u64::try_from(evaluation.within).unwrap_or(0))
}

/// What is left of so many milliseconds after an evaluation waited; milliseconds.
fn left(within: i64, waited: Duration) -> i64 {
    let waited = i64::try_from(waited.as_millis()).unwrap_or(i64::MAX);
    let least = i64::try_from(LEAST.as_millis()).unwrap_or(0);
    within.saturating_sub(waited).max(least.min(within))
}

impl Teller {
    fn new(work: &Work, evaluations: &[Evaluation]) -> Self {
        Self {
            sender: work.sender.clone(),
            ended: work.ended,
            left: evaluations.iter().map(|one| one.id).collect(),
        }
    }

    /// Somebody tells what comes of it.
    fn done(&mut self, id: &EvaluationId) {
        self.left.remove(id);
    }

    fn tell(&mut self, results: Vec<(EvaluationId, Result<Answered, String>)>) {
        for (id, _) in &results {
            self.done(id);
        }
        // The thread may have ended.
        let _ = self.sender.send(Message::Evaluated(self.ended, results));
    }

    /// Tells of those of which nothing was told that it was a bug.
    fn tell_rest(mut self) {
        let failed = || Err("the evaluation failed by a bug".to_owned());
        let left = std::mem::take(&mut self.left).into_iter();
        let left: Vec<_> = left.map(|id| (id, failed())).collect();
        if !left.is_empty() {
            self.tell(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_was_not_told_is_told_as_a_bug() {
        let (sender, messages) = mpsc::channel();
        let mut teller = Teller {
            sender,
            ended: 7,
            left: BTreeSet::from([1, 2, 3].map(EvaluationId)),
        };
        teller.tell(vec![(EvaluationId(2), Err("no".to_owned()))]);
        // It is asked by itself.
        teller.done(&EvaluationId(1));
        teller.tell_rest();
        let mut told = Vec::new();
        for message in messages.try_iter() {
            if let Message::Evaluated(7, results) = message {
                told.extend(results.into_iter().map(|(id, _)| id.0));
            }
        }
        assert_eq!(told, [2, 3]);
    }

    #[test]
    fn whoever_waited_for_a_place_has_less_time_but_some() {
        let waited = Duration::from_secs;
        assert_eq!(left(24_000, waited(4)), 20_000);
        assert_eq!(left(24_000, waited(400)), 1_000);
        assert_eq!(left(500, waited(400)), 500);
    }
}
