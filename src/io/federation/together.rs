//! Light queries about one time, asked together: what many rules ask of an endpoint becomes one request.
//!
//! A query whose answers were not light, or that reads what is here, is none of them. Each ends when its own questions are
//! answered, whatever becomes of the others.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{
    asking::Asking,
    client::Federation,
    gather::Outcome,
    joint,
    query::{QueryError, Reply},
    question::{Ask, Times},
    round::Round,
};
use crate::promql::{
    ast::Expr,
    engine::{Options, Steps},
};

/// Queries that are asked together.
pub struct Together {
    queries: Vec<Light>,
    alone: Vec<usize>,
    began: Instant,
}

/// One of them.
struct Light {
    /// Its place among those that were given.
    number: usize,
    expr: Arc<Expr>,
    round: Round,
    asking: Asking,
}

/// What came of a query, by its place among those that were given.
pub type Numbered = (usize, Result<Reply, QueryError>);

/// What ended.
enum Event {
    /// A request, which answers the questions of these numbers.
    Answered(Vec<usize>, Vec<Outcome>),
    Concluded(Numbered),
}

/// A query that waits for answers.
struct Open {
    query: Option<Light>,
    outcomes: Vec<Option<Outcome>>,
    left: usize,
}

impl std::fmt::Debug for Together {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

impl Federation {
    /// Finds out which of these expressions can be asked together as [`query_beside`](Self::query_beside) asks each of
    /// them.
    pub async fn together(
        &self,
        exprs: &[Arc<Expr>],
        at: i64,
        options: Options,
        timeout: Duration,
        params: &[(String, String)],
    ) -> Together {
        let began = Instant::now();
        let begun = self.begin(options, timeout, self.limits.own_budget());
        let begun = begun.await.with(params);
        let (mut queries, mut alone) = (Vec::new(), Vec::new());
        for (number, expr) in exprs.iter().enumerate() {
            let mut round = begun.round();
            let steps = Steps::instant(at);
            let asking = match self.own_of(expr).is_empty() {
                true => round.plan(expr, steps, Arc::clone(&begun.world)).ok(),
                false => None,
            };
            match asking.and_then(|asking| round.light(expr, asking)) {
                Some(asking) => queries.push(Light {
                    number,
                    expr: Arc::clone(expr),
                    round,
                    asking,
                }),
                None => alone.push(number),
            }
        }
        if let [_] = queries.as_slice() {
            alone.extend(queries.drain(..).map(|query| query.number));
        }
        Together {
            queries,
            alone,
            began,
        }
    }
}

impl Round {
    /// A query all of whose questions may be asked together with those of others. Few samples of a window are fetched by a
    /// request of their own, so that rates over them are asked for with their guards, which costs less together.
    fn light(&mut self, expr: &Expr, asking: Asking) -> Option<Asking> {
        let light = |ask: &Arc<Ask>| joint::light_at(&self.endpoints, ask).is_some();
        let heavy = asking.asks().iter().filter(|ask| !light(ask));
        let heavy: Vec<&Arc<Ask>> = heavy.collect();
        match heavy.as_slice() {
            [] => (!asking.asks().is_empty()).then_some(asking),
            windows => {
                let may = windows.iter().all(|window| self.has_light_rates(window));
                may.then(|| self.plan_light(expr, &asking))?
            }
        }
    }

    fn has_light_rates(&self, window: &Ask) -> bool {
        let is_window = matches!(window.times, Times::Window { .. }) && !window.marks;
        let replicas = self.endpoints.partitions.get(window.partition);
        let is_one = replicas.is_some_and(|replicas| replicas.endpoints.len() == 1);
        let endpoint = joint::joins(&self.endpoints, window).filter(|_| is_one);
        is_window && endpoint.is_some_and(|endpoint| endpoint.has_light_rates(window))
    }

    fn plan_light(&mut self, expr: &Expr, asking: &Asking) -> Option<Asking> {
        let asking = self.plan_rates(expr, asking).ok()?;
        let light = |ask: &Arc<Ask>| {
            let endpoint = joint::joins(&self.endpoints, ask)?;
            let at = matches!(ask.times, Times::At(_));
            (at && endpoint.memory().may_be_light(&ask.query)).then_some(endpoint)
        };
        let asked: Option<Vec<_>> = asking.asks().iter().map(light).collect();
        for (endpoint, ask) in asked?.iter().zip(asking.asks()) {
            endpoint.memory().assume_light(&ask.query);
        }
        Some(asking)
    }
}

impl Together {
    /// Those of the expressions that are to be asked by themselves, by their places.
    #[must_use]
    pub fn alone(&self) -> &[usize] {
        &self.alone
    }

    /// Asks the others, and tells what comes of them; at once what comes at once.
    pub async fn ask(self, federation: &Federation, mut told: impl FnMut(Vec<Numbered>)) {
        let Some(first) = self.queries.first().map(|query| &query.round) else {
            return;
        };
        let context = Arc::clone(&first.context);
        let endpoints = Arc::clone(&first.endpoints);
        let until = first.answers_until;
        let (mut asks, mut owners, mut looks) = (Vec::new(), Vec::new(), Vec::new());
        let mut open = Vec::with_capacity(self.queries.len());
        for (number, query) in self.queries.into_iter().enumerate() {
            let own = query.asking.asks();
            owners.extend((0..own.len()).map(|place| (number, place)));
            for mut look in query.asking.looks() {
                look.iter_mut().for_each(|number| *number += asks.len());
                looks.push(look);
            }
            asks.extend_from_slice(own);
            open.push(Open::new(query));
        }
        let mut running: FuturesUnordered<BoxFuture<'_, Event>> = FuturesUnordered::new();
        for group in joint::groups(&endpoints, &asks, looks) {
            let answered = joint::outcomes(&context, &endpoints, &asks, group, until);
            let event = answered.map(|(numbers, outcomes)| Event::Answered(numbers, outcomes));
            running.push(event.boxed());
        }
        let steps = Steps::instant(0);
        while let Some(event) = running.next().await {
            let mut results = Vec::new();
            let mut next = Some(event);
            while let Some(event) = next {
                match event {
                    Event::Concluded(result) => results.push(result),
                    Event::Answered(numbers, outcomes) => {
                        let concluding = take_in(&mut open, &owners, &numbers, outcomes);
                        for mut concluded in concluding {
                            match concluded.as_mut().now_or_never() {
                                Some(result) => results.push(result),
                                None => running.push(concluded.map(Event::Concluded).boxed()),
                            }
                        }
                    }
                }
                next = running.next().now_or_never().flatten();
            }
            for (_, result) in &results {
                federation.count(steps, self.began, result);
            }
            if !results.is_empty() {
                told(results);
            }
        }
    }
}

/// A query on its last way.
type Concluding = Pin<Box<dyn Future<Output = Numbered> + Send>>;

/// Gives answers to the queries that asked; those that wait for none any more are to be concluded.
fn take_in(
    open: &mut [Open],
    owners: &[(usize, usize)],
    numbers: &[usize],
    outcomes: Vec<Outcome>,
) -> Vec<Concluding> {
    let mut concluding = Vec::new();
    let lost = std::iter::repeat_with(Outcome::lost);
    for (number, outcome) in numbers.iter().zip(outcomes.into_iter().chain(lost)) {
        let owner = owners.get(*number).copied();
        let of = owner.and_then(|(query, place)| Some((open.get_mut(query)?, place)));
        if let Some((query, place)) = of {
            concluding.extend(query.take_in(place, outcome));
        }
    }
    concluding
}

impl Open {
    fn new(query: Light) -> Self {
        let asks = query.asking.asks().len();
        Self {
            query: Some(query),
            outcomes: (0..asks).map(|_| None).collect(),
            left: asks,
        }
    }

    /// Takes an answer; with the last one the query is to be concluded.
    fn take_in(&mut self, place: usize, outcome: Outcome) -> Option<Concluding> {
        *self.outcomes.get_mut(place)? = Some(outcome);
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return None;
        }
        let query = self.query.take()?;
        let outcomes = std::mem::take(&mut self.outcomes).into_iter();
        let outcomes = outcomes.map(|one| one.unwrap_or_else(Outcome::lost));
        Some(Box::pin(query.conclude(outcomes.collect())))
    }
}

impl Light {
    async fn conclude(self, outcomes: Vec<Outcome>) -> Numbered {
        let reply = self.round.reply(&self.expr, self.asking, outcomes);
        (self.number, reply.await)
    }
}
