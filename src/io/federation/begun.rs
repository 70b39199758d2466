//! A query that is about to be asked: the endpoints that it asks, how, and until when.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    asking::Asking,
    client::{Federation, LEARNING},
    context::Context,
    endpoints::Endpoints,
    explain::Explain,
    gather::Outcome,
    limits::Budget,
    query::{QueryError, Reply},
    request::further,
    round::Round,
};
use crate::{
    federation::{Answer, Local, Recurring, Refusal, World, local},
    promql::{
        ast::Expr,
        engine::{Options, Steps},
    },
};

/// What is kept of a query's time for its evaluation, if a tenth is not less: endpoints that hang must not use it up.
const EVALUATION: Duration = Duration::from_secs(5);

/// What all parts of a query share.
#[derive(Clone)]
pub(super) struct Begun {
    pub(super) context: Arc<Context>,
    pub(super) world: Arc<World>,
    endpoints: Arc<Endpoints>,
    options: Options,
    answers_until: Instant,
    deadline: Instant,
    locals: Vec<Arc<dyn Local>>,
    further: Arc<str>,
    /// How often there had been another configuration.
    pub(super) reloads: u64,
    recurring: Option<Arc<Recurring>>,
}

impl Federation {
    /// What the requests of one query share.
    pub(super) fn context(&self, max_samples: usize, budget: Budget) -> Arc<Context> {
        Arc::new(Context {
            http: Arc::clone(&self.http),
            clock: self.clock,
            max_samples: max_samples.min(self.limits.max_samples()),
            budget: Arc::new(budget),
        })
    }

    /// Finds out what the endpoints are, if that is due.
    pub(super) async fn begin(&self, options: Options, timeout: Duration, budget: Budget) -> Begun {
        let now = Instant::now();
        let learned = now + timeout.min(LEARNING);
        let mut begun = self.begin_at_once(options, timeout, budget);
        begun.endpoints.learn(&begun.context, learned).await;
        begun.world = begun.endpoints.world();
        begun
    }

    /// The same with what is known of the endpoints.
    pub(super) fn begin_at_once(
        &self,
        options: Options,
        timeout: Duration,
        budget: Budget,
    ) -> Begun {
        let now = Instant::now();
        let deadline = now + timeout;
        let context = self.context(options.max_samples, budget);
        let options = Options {
            max_samples: context.max_samples,
            ..options
        };
        let reloads = self.ranges.reloads();
        let endpoints = self.endpoints();
        Begun {
            world: endpoints.world(),
            context,
            endpoints,
            options,
            answers_until: now + timeout - (timeout / 10).min(EVALUATION),
            deadline,
            locals: Vec::new(),
            further: Arc::default(),
            reloads,
            recurring: None,
        }
    }
}

impl Begun {
    /// The same over what is here already as well: partitions after those of the endpoints.
    pub(super) fn beside(mut self, locals: Vec<Arc<dyn Local>>) -> Self {
        if !locals.is_empty() {
            let here = locals.iter().map(|local| local::partition(&**local));
            Arc::make_mut(&mut self.world).partitions.extend(here);
        }
        self.locals = locals;
        self
    }

    /// The same with these parameters in each request.
    pub(super) fn with(mut self, params: &[(String, String)]) -> Self {
        if !params.is_empty() {
            self.further = further(params);
        }
        self
    }

    /// The same for an expression of which something may be known.
    pub(super) fn recurring(mut self, known: &Arc<Recurring>) -> Self {
        self.recurring = Some(Arc::clone(known));
        self
    }

    /// A way of asking a query.
    pub(super) fn round(&self) -> Round {
        Round {
            context: Arc::clone(&self.context),
            endpoints: Arc::clone(&self.endpoints),
            options: self.options,
            answers_until: self.answers_until,
            deadline: self.deadline,
            explain: Explain::default(),
            locals: self.locals.clone(),
            further: Arc::clone(&self.further),
            unguarded: false,
            recurring: self.recurring.clone(),
        }
    }

    /// Asks for these steps.
    pub(super) async fn ask(self, expr: &Expr, steps: Steps) -> Result<Reply, QueryError> {
        let mut round = self.round();
        let asking = round.plan(expr, steps, self.world);
        let asking = asking.map_err(|error| error.naming(self.context.max_samples))?;
        let outcomes = round.gather(&asking).await;
        round.reply(expr, asking, outcomes).await
    }
}

impl Round {
    /// The answer to a query of which this was fetched; for selectors alone it is asked once more if parts cannot be put
    /// together.
    pub(super) async fn reply(
        mut self,
        expr: &Expr,
        asking: Asking,
        outcomes: Vec<Outcome>,
    ) -> Result<Reply, QueryError> {
        let (asking, outcomes) = self.asked_otherwise(expr, asking, outcomes).await?;
        let (steps, world) = (asking.steps(), Arc::clone(asking.world()));
        let answer = match self.conclude(asking, outcomes).await {
            Err(QueryError::Refused(Refusal::Again(why))) => {
                self.explain.again = Some(why);
                // Boxed, since it is rare: room for it would be moved with every query.
                Box::pin(self.ask_for_selectors(expr, steps, &world)).await
            }
            answer => answer,
        };
        Ok(Reply {
            answer: answer?,
            explain: self.explain,
        })
    }

    async fn ask_for_selectors(
        &mut self,
        expr: &Expr,
        steps: Steps,
        world: &World,
    ) -> Result<Answer, QueryError> {
        let asking = self.plan(expr, steps, Arc::new(world.selectors_only()))?;
        let outcomes = self.gather(&asking).await;
        self.conclude(asking, outcomes).await
    }

    /// What a query comes to be and its answers, if replicas that are asked otherwise are to take over from others, or rates
    /// cannot be used.
    async fn asked_otherwise(
        &mut self,
        expr: &Expr,
        asking: Asking,
        mut outcomes: Vec<Outcome>,
    ) -> Result<(Asking, Vec<Outcome>), QueryError> {
        let steps = asking.steps();
        let asks = asking.asks().iter().zip(&outcomes);
        let failures =
            asks.filter_map(|(ask, outcome)| Some((ask, outcome.result.as_ref().err()?)));
        let next = match self.otherwise(asking.world(), failures) {
            Some((world, why)) => {
                self.explain.again = Some(why);
                self.plan_samples(expr, steps, world)?
            }
            None => {
                let Some((partition, why)) = asking.doubt(&outcomes) else {
                    return Ok((asking, outcomes));
                };
                self.explain.again = Some(why);
                let world = World::clone(asking.world());
                self.plan_unguarded(expr, steps, (world, partition))?
            }
        };
        self.note(&asking, &mut outcomes);
        let known = asking.into_asks().into_iter().zip(outcomes).collect();
        let outcomes = Box::pin(self.gather_rest(&next, known)).await;
        Ok((next, outcomes))
    }
}
