//! A query on its way: it is planned, maybe more than once, and its questions are asked.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use super::{
    QueryError,
    asking::Asking,
    context::Context,
    endpoints::{Endpoints, Replicas},
    explain::Explain,
    gather::{Outcome, gather, is_planned},
    question::{Ask, Cause, Failure, Times},
};
use crate::{
    federation::{Inquiry, Local, Partition, Rates, Recurring, World, plan},
    promql::{
        ast::Expr,
        engine::{Options, Steps},
    },
};

/// How often a query is planned anew: for what all replicas may be asked, and for selectors.
const REPLANNED: usize = 2;

/// A query on its way.
pub(super) struct Round {
    pub(super) context: Arc<Context>,
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) options: Options,
    /// Until when endpoints may answer.
    pub(super) answers_until: Instant,
    pub(super) deadline: Instant,
    pub(super) explain: Explain,
    /// What is here already: partitions after those of the endpoints.
    pub(super) locals: Vec<Arc<dyn Local>>,
    /// See [`Ask::further`].
    pub(super) further: Arc<str>,
    /// Whether rates are not to be asked for with guards.
    pub(super) unguarded: bool,
    /// The expression with what is known of it, if it is asked again and again.
    pub(super) recurring: Option<Arc<Recurring>>,
}

impl Round {
    /// Finds out what is to be asked, so that the replicas that hold the times can be asked for it.
    pub(super) fn plan(
        &mut self,
        expr: &Expr,
        steps: Steps,
        world: Arc<World>,
    ) -> Result<Asking, QueryError> {
        let mut asking = self.plan_once(expr, steps, world)?;
        if let Some(world) = self.guarded(&asking) {
            asking = self.plan_once(expr, steps, Arc::new(world))?;
        }
        let endpoints = Arc::clone(&self.endpoints);
        let partitions = &endpoints.partitions;
        if !partitions.iter().any(Replicas::is_mixed) {
            return Ok(asking);
        }
        let is_mixed = |ask: &&Arc<Ask>| {
            let replicas = partitions.get(ask.partition);
            replicas.is_some_and(Replicas::is_mixed)
        };
        for _ in 0..REPLANNED {
            let asks = asking.asks().iter().filter(is_mixed);
            let unplanned = asks.filter_map(|ask| {
                let planned = is_planned(&self.context, &self.endpoints, ask);
                Some((ask, planned.err()?))
            });
            let unplanned: Vec<_> = unplanned.collect();
            let failures = unplanned.iter().map(|(ask, failure)| (*ask, failure));
            let Some((world, _)) = self.otherwise(asking.world(), failures) else {
                break;
            };
            asking = self.plan_once(expr, steps, Arc::new(world))?;
        }
        Ok(asking)
    }

    /// The world in which rates are asked for with guards, if the samples of their windows are many.
    fn guarded(&self, asking: &Asking) -> Option<World> {
        let (mut large, mut doubted) = (false, false);
        let alone = |replicas: &Replicas| replicas.endpoints.len() == 1;
        for ask in asking.asks() {
            if self.unguarded || !matches!(ask.times, Times::Window { .. }) || ask.marks {
                continue;
            }
            let replicas = self.endpoints.partitions.get(ask.partition)?;
            if !alone(replicas) {
                continue;
            }
            let weight = replicas.first()?.weight_of(ask);
            large |= weight.is_large;
            doubted |= weight.in_vain > 0;
        }
        if !large || doubted {
            return None;
        }
        Some(self.with_rates(asking.world()))
    }

    fn with_rates(&self, world: &World) -> World {
        let mut world = world.clone();
        for (replicas, partition) in self.endpoints.partitions.iter().zip(&mut world.partitions) {
            // Of a pair windows are fetched: one fills the gaps of the other.
            let only = replicas.first().filter(|_| replicas.endpoints.len() == 1);
            let identity = only.and_then(|only| only.identity().ok());
            partition.rates = identity.map_or(Rates::Never, |identity| identity.rates());
        }
        world
    }

    /// The same query with its rates asked for, whatever the samples of their windows are.
    pub(super) fn plan_rates(
        &mut self,
        expr: &Expr,
        asking: &Asking,
    ) -> Result<Asking, QueryError> {
        let world = Arc::new(self.with_rates(asking.world()));
        self.plan_once(expr, asking.steps(), world)
    }

    /// Has the samples of windows asked for, and remembers that rates over those of a partition were of no use.
    pub(super) fn plan_unguarded(
        &mut self,
        expr: &Expr,
        steps: Steps,
        (world, partition): (World, usize),
    ) -> Result<Asking, QueryError> {
        let next = self.plan_samples(expr, steps, world)?;
        let replicas = self.endpoints.partitions.get(partition);
        if let Some(first) = replicas.and_then(Replicas::first) {
            let asks = next.asks().iter().filter(|ask| ask.partition == partition);
            asks.for_each(|ask| first.memory().doubt_window(&ask.query));
        }
        Ok(next)
    }

    /// Has the samples of windows asked for.
    pub(super) fn plan_samples(
        &mut self,
        expr: &Expr,
        steps: Steps,
        mut world: World,
    ) -> Result<Asking, QueryError> {
        self.unguarded = true;
        for partition in &mut world.partitions {
            partition.rates = Rates::Never;
        }
        self.plan(expr, steps, Arc::new(world))
    }

    /// The world in which what these questions failed for can be asked, and why; none if none of them failed for the plan,
    /// or there is no other.
    pub(super) fn otherwise<'a>(
        &self,
        world: &World,
        failures: impl Iterator<Item = (&'a Arc<Ask>, &'a Failure)>,
    ) -> Option<(World, String)> {
        let mut changed: Option<(World, String)> = None;
        for (ask, failure) in failures {
            let Cause::Plan(extent) = failure.cause else {
                continue;
            };
            let before = world.partitions.get(ask.partition)?.extent;
            // What others are known to be now may not have been known.
            let replicas = self.endpoints.partitions.get(ask.partition)?;
            let now = replicas.partition()?;
            let (changed, _) =
                changed.get_or_insert_with(|| (world.clone(), failure.reason.clone()));
            let partition = changed.partitions.get_mut(ask.partition)?;
            *partition = Partition {
                extent: extent.max(before).max(partition.extent),
                ..now
            };
        }
        changed.filter(|(changed, _)| changed != world)
    }

    fn plan_once(
        &mut self,
        expr: &Expr,
        steps: Steps,
        world: Arc<World>,
    ) -> Result<Asking, QueryError> {
        let plan = match &self.recurring {
            Some(known) => known.plan(steps, self.options, &world)?,
            None => Arc::new(plan(expr, steps, self.options, &world)?),
        };
        self.explain.plan = Some(Arc::clone(&plan));
        let inquiry = Inquiry::of_plan(plan, steps, self.options, &world)?;
        Ok(Asking::new(self, inquiry, world, steps))
    }

    /// Asks the questions of a query for which another plan was made, but for those of which the answers are known.
    pub(super) async fn gather_rest(
        &self,
        asking: &Asking,
        known: Vec<(Arc<Ask>, Outcome)>,
    ) -> Vec<Outcome> {
        let known = known
            .into_iter()
            .filter(|(_, outcome)| outcome.result.is_ok());
        let mut known: BTreeMap<Arc<Ask>, Outcome> = known.collect();
        let asks = asking.asks().iter();
        let rest = asks.filter(|ask| !known.contains_key(*ask)).cloned();
        let rest: Vec<Arc<Ask>> = rest.collect();
        let until = self.answers_until;
        let looks = (0..rest.len()).map(|number| vec![number]).collect();
        let answers = gather(&self.context, &self.endpoints, &rest, looks, until).await;
        known.extend(rest.into_iter().zip(answers));
        let asks = asking.asks().iter();
        asks.map(|ask| known.remove(ask).unwrap_or_else(Outcome::lost))
            .collect()
    }

    /// Asks the questions of a query.
    pub(super) async fn gather(&self, asking: &Asking) -> Vec<Outcome> {
        gather(
            &self.context,
            &self.endpoints,
            asking.asks(),
            asking.looks(),
            self.answers_until,
        )
        .await
    }
}
