//! One way of asking a query: its questions, their answers, the evaluation.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::time::{Instant, timeout_at};

use super::{
    QueryError,
    context::Context,
    endpoints::{Endpoints, Replicas},
    explain::{Explain, Request},
    gather::{Outcome, gather, is_planned},
    question::{Ask, Cause, Failure, Times, Values},
};
use crate::{
    federation::{
        Answer, Fetched, Guard, Inquiry, Local, Partition, Rates, Recurring, Refusal, Window,
        World, local, plan,
    },
    promql::{
        ast::{Expr, ExprKind},
        engine::{EvalError, Options, Steps, Stop},
    },
};

/// Values at all nodes of an expression up to which it is evaluated at once.
const LIGHT: usize = 5_000;

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

/// The questions of a query, equal ones once.
struct Questions {
    /// How many partitions have endpoints; those after them are here.
    remote: usize,
    locals: Vec<Arc<dyn Local>>,
    further: Arc<str>,
    options: Options,
    asks: Vec<Arc<Ask>>,
    numbers: BTreeMap<Arc<Ask>, usize>,
    /// How often the answer to each is used.
    uses: Vec<usize>,
    /// The fragment for which each is asked first.
    fragments: Vec<Option<usize>>,
    guarded: Vec<Guarded>,
}

/// An answer that may be of no use, by the numbers of the questions.
struct Guarded {
    question: usize,
    beside: usize,
    guard: Guard,
}

/// Where an answer comes from.
enum Source {
    /// From the question of this number.
    Asked(usize),
    /// It is known to be empty.
    Nothing,
    /// It was here already.
    Here(Fetched),
}

/// A query whose questions are known, and not asked yet.
pub(super) struct Asking {
    inquiry: Inquiry,
    world: Arc<World>,
    steps: Steps,
    questions: Questions,
    fragments: Vec<Vec<Source>>,
    windows: Vec<Vec<Source>>,
}

impl Asking {
    /// What endpoints are to be asked.
    pub(super) fn asks(&self) -> &[Arc<Ask>] {
        &self.questions.asks
    }

    /// The numbers of the questions that are to be answered by one look at the data: each with those that tell whether its
    /// answer is of use.
    pub(super) fn looks(&self) -> Vec<Vec<usize>> {
        let mut looks: Vec<Vec<usize>> =
            (0..self.asks().len()).map(|number| vec![number]).collect();
        for guarded in &self.questions.guarded {
            let place = |number| looks.iter().position(|look| look.contains(&number));
            let both = place(guarded.question).zip(place(guarded.beside));
            if let Some((one, other)) = both.filter(|(one, other)| one != other) {
                let more = looks.remove(one.max(other));
                if let Some(look) = looks.get_mut(one.min(other)) {
                    look.extend(more);
                }
            }
        }
        looks
    }

    pub(super) fn steps(&self) -> Steps {
        self.steps
    }

    pub(super) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Why an answer of a partition cannot be used as it is: its windows include something that they do not include here, or
    /// who answered is not who was asked about that.
    pub(super) fn doubt(&self, outcomes: &[Outcome]) -> Option<(usize, String)> {
        self.questions.guarded.iter().find_map(|guarded| {
            let answer = outcomes.get(guarded.question)?;
            let beside = outcomes.get(guarded.beside)?;
            let partition = self.asks().get(guarded.question)?.partition;
            let (Ok(_), found) = (&answer.result, &beside.result) else {
                return None;
            };
            let query = &guarded.guard.query;
            match found {
                Ok(values) if !guarded.guard.fires(&values.series) => {}
                Ok(_) => {
                    let why = format!("windows of Prometheus 2 make a difference: {query}");
                    return Some((partition, why));
                }
                // Samples may be had where this is too much.
                Err(failure) => {
                    let why = format!("{query} was not answered: {}", failure.reason);
                    return Some((partition, why));
                }
            }
            let both = answer.by.as_ref().zip(beside.by.as_ref());
            let planned = self.world.partitions.get(partition)?.rates;
            let fit = both.is_some_and(|(one, other)| {
                let rates = one.identity().map_or(Rates::Never, |one| one.rates());
                Arc::ptr_eq(one, other) && rates != Rates::Never && rates <= planned
            });
            let why = "another replica than the one that was to be asked answered parts of it";
            (!fit).then(|| (partition, why.to_owned()))
        })
    }

    /// What was asked.
    pub(super) fn into_asks(self) -> Vec<Arc<Ask>> {
        self.questions.asks
    }
}

/// Whether an evaluation over so many values takes a fraction of a millisecond.
fn is_light(expr: &Expr, values: usize) -> bool {
    let mut left = vec![expr];
    let mut work = 0_usize;
    while let Some(expr) = left.pop() {
        work = work.saturating_add(values);
        // Subqueries have steps of their own.
        if work > LIGHT || matches!(expr.kind, ExprKind::Subquery(_)) {
            return false;
        }
        left.extend(expr.children());
    }
    true
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
        let mut questions = Questions {
            remote: self.endpoints.partitions.len(),
            locals: self.locals.clone(),
            further: Arc::clone(&self.further),
            options: self.options,
            asks: Vec::new(),
            numbers: BTreeMap::new(),
            uses: Vec::new(),
            fragments: Vec::new(),
            guarded: Vec::new(),
        };
        let fragments = questions.of_fragments(&inquiry);
        questions.level();
        let windows = inquiry.windows().iter();
        let windows = windows.map(|windows| questions.of_windows(windows));
        let windows: Vec<Vec<Source>> = windows.collect();
        Ok(Asking {
            inquiry,
            world,
            steps,
            questions,
            fragments,
            windows,
        })
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

    /// What comes of the answers to all questions of a query.
    pub(super) async fn conclude(
        &mut self,
        asking: Asking,
        mut outcomes: Vec<Outcome>,
    ) -> Result<Answer, QueryError> {
        self.note(&asking, &mut outcomes);
        let Asking {
            inquiry,
            world,
            steps,
            questions,
            fragments,
            windows,
        } = asking;
        self.refuse(&questions, &mut outcomes)?;
        let missing = missing(&questions, &outcomes);
        let samples = outcomes.iter().filter_map(|one| one.result.as_ref().ok());
        let samples: usize = samples.map(|values| values.samples).sum();
        let values = samples.saturating_add(1).saturating_mul(steps.count());
        let light = is_light(&inquiry.plan().local, values);
        let mut answers = Answers {
            outcomes,
            questions: &questions,
            missing,
        };
        let fragments = answers.all(&fragments);
        let windows = answers.all(&windows);
        if light {
            // Waking another thread would cost more than the work.
            let evaluate = AssertUnwindSafe(|| inquiry.answer(&world, fragments, windows));
            let answer = catch_unwind(evaluate);
            let answer = answer.map_err(|_panic| QueryError::Failed)?;
            return answer.map_err(|refusal| self.refused(refusal));
        }
        Box::pin(self.evaluate(inquiry, world, fragments, windows)).await
    }

    /// Puts the answers together on a thread that may take its time.
    async fn evaluate(
        &self,
        mut inquiry: Inquiry,
        world: Arc<World>,
        fragments: Vec<Vec<Fetched>>,
        windows: Vec<Vec<Fetched>>,
    ) -> Result<Answer, QueryError> {
        // Whoever waits holds this; a query that nobody waits for any more ends as one whose time is over.
        let waiting = Arc::new(());
        let (waits, deadline) = (Arc::downgrade(&waiting), self.deadline);
        inquiry.stop_when(Stop::when(move || {
            waits.strong_count() == 0 || Instant::now() >= deadline
        }));
        let evaluate = move || inquiry.answer(&world, fragments, windows);
        let evaluation = tokio::task::spawn_blocking(evaluate);
        match timeout_at(self.deadline, evaluation).await {
            Ok(Ok(Err(Refusal::Evaluation(EvalError::Stopped)))) => Err(QueryError::TimedOut),
            Ok(Ok(answer)) => answer.map_err(|refusal| self.refused(refusal)),
            Ok(Err(_panic)) => Err(QueryError::Failed),
            Err(_elapsed) => Err(QueryError::TimedOut),
        }
    }

    /// Ends the query where an answer without a partition would hide that it cannot be asked in this way at all.
    fn refuse(&self, questions: &Questions, outcomes: &mut [Outcome]) -> Result<(), QueryError> {
        let mut samples = 0_usize;
        for (ask, outcome) in questions.asks.iter().zip(outcomes) {
            match &mut outcome.result {
                Ok(values) => samples = samples.saturating_add(values.samples),
                Err(failure) if failure.cause == Cause::Limit => {
                    let most = self.context.budget.max();
                    return Err(QueryError::TooManyBytes { most });
                }
                Err(failure) if failure.cause == Cause::Samples => {
                    return Err(self.too_many_samples());
                }
                Err(failure) if failure.cause == Cause::Histograms => {
                    let partition = self.endpoints.partitions.get(ask.partition);
                    return Err(QueryError::Histograms {
                        partition: partition.map(|one| one.labels.clone()).unwrap_or_default(),
                        query: ask.query.to_string(),
                        reason: std::mem::take(&mut failure.reason),
                    });
                }
                Err(_) => {}
            }
        }
        if samples > self.options.max_samples {
            return Err(self.too_many_samples());
        }
        Ok(())
    }

    fn too_many_samples(&self) -> QueryError {
        let most = self.options.max_samples;
        QueryError::TooManySamples { most }
    }

    /// Why there is no answer; with the limit, if that is why.
    fn refused(&self, refusal: Refusal) -> QueryError {
        match refusal {
            Refusal::Evaluation(EvalError::TooManySamples) => self.too_many_samples(),
            other @ (Refusal::Evaluation(_)
            | Refusal::Overlap(_)
            | Refusal::Selector { .. }
            | Refusal::Again(_)) => QueryError::Refused(other),
        }
    }

    /// Takes in how questions were answered.
    pub(super) fn note(&mut self, asking: &Asking, outcomes: &mut [Outcome]) {
        let questions = &asking.questions;
        for ((ask, fragment), outcome) in questions
            .asks
            .iter()
            .zip(&questions.fragments)
            .zip(outcomes)
        {
            let partition = self.endpoints.partitions.get(ask.partition);
            for attempt in std::mem::take(&mut outcome.attempts) {
                self.explain.requests.push(Request {
                    fragment: *fragment,
                    partition: partition.map(|one| one.labels.clone()).unwrap_or_default(),
                    endpoint: Arc::clone(&attempt.endpoint.name),
                    replica: Arc::clone(&attempt.endpoint.replica),
                    query: attempt.query,
                    joined: attempt.joined,
                    took: attempt.took,
                    bytes: attempt.bytes,
                    series: attempt.series,
                    samples: attempt.samples,
                    remote_read: attempt.stored,
                    filled: attempt.filled,
                    error: attempt.error,
                });
            }
        }
    }
}

impl Questions {
    fn of_fragments(&mut self, inquiry: &Inquiry) -> Vec<Vec<Source>> {
        let fragments = inquiry.fragments().enumerate();
        fragments
            .map(|(number, (fragment, steps))| {
                let questions = fragment.questions.iter();
                questions
                    .map(|question| {
                        if steps.count() == 0 {
                            return Source::Nothing;
                        }
                        if let Some(local) = self.local(question.partition) {
                            let options = Options {
                                lookback: question.lookback,
                                ..self.options
                            };
                            let query = &question.query;
                            return Source::Here(local::answer(&*local, query, steps, options));
                        }
                        let ask = Ask {
                            partition: question.partition,
                            query: Arc::clone(&question.query),
                            times: Times::of(steps),
                            lookback: question.lookback,
                            selects: fragment.selects,
                            marks: false,
                            further: Arc::clone(&self.further),
                            speech: Some(question.speech),
                            others: question.others.clone(),
                        };
                        let guards = question.guards.iter();
                        let guards = guards.map(|guard| (guard.clone(), beside(&ask, guard)));
                        let guards: Vec<_> = guards.collect();
                        let source = self.ask(ask, Some(number));
                        self.guard(&source, guards, number);
                        source
                    })
                    .collect()
            })
            .collect()
    }

    /// Has guards look back as far as what they stand beside, which makes no difference to them: so they can be asked in one
    /// request.
    fn level(&mut self) {
        for guarded in &self.guarded {
            let lookback = self.asks.get(guarded.question).map(|ask| ask.lookback);
            if let (Some(lookback), Some(ask)) = (lookback, self.asks.get_mut(guarded.beside)) {
                Arc::make_mut(ask).lookback = lookback;
            }
        }
    }

    /// Asks what tells whether an answer is of use.
    fn guard(&mut self, source: &Source, guards: Vec<(Guard, Ask)>, fragment: usize) {
        let Source::Asked(question) = source else {
            return;
        };
        for (guard, ask) in guards {
            if let Source::Asked(beside) = self.ask(ask, Some(fragment)) {
                self.guarded.push(Guarded {
                    question: *question,
                    beside,
                    guard,
                });
            }
        }
    }

    fn of_windows(&mut self, windows: &[Window]) -> Vec<Source> {
        let window = |window: &Window| {
            if window.to <= window.from {
                return Source::Nothing;
            }
            if let Some(local) = self.local(window.partition) {
                let series = local.select(&window.matchers, window.from, window.to);
                return Source::Here(Fetched::Series(series));
            }
            let ask = Ask {
                partition: window.partition,
                query: (&*window.query).into(),
                times: Times::Window {
                    from: window.from,
                    to: window.to,
                },
                lookback: self.options.lookback,
                selects: true,
                marks: window.markers,
                further: Arc::clone(&self.further),
                speech: Some(window.speech),
                others: window.others.clone(),
            };
            self.ask(ask, None)
        };
        windows.iter().map(window).collect()
    }

    fn local(&self, partition: usize) -> Option<Arc<dyn Local>> {
        self.locals
            .get(partition.checked_sub(self.remote)?)
            .cloned()
    }

    fn ask(&mut self, ask: Ask, fragment: Option<usize>) -> Source {
        let ask = Arc::new(ask);
        let number = match self.numbers.get(&ask) {
            Some(number) => *number,
            None => {
                let number = self.asks.len();
                self.numbers.insert(Arc::clone(&ask), number);
                self.asks.push(ask);
                self.uses.push(0);
                self.fragments.push(fragment);
                number
            }
        };
        if let Some(uses) = self.uses.get_mut(number) {
            *uses += 1;
        }
        Source::Asked(number)
    }
}

/// The question that a guard is, beside another one.
fn beside(ask: &Ask, guard: &Guard) -> Ask {
    Ask {
        query: Arc::clone(&guard.query),
        lookback: guard.lookback,
        selects: false,
        others: Vec::new(),
        ..ask.clone()
    }
}

/// The partitions that did not answer everything, with the first reason. What they did answer is left out, so that the
/// parts of a query are about the same part of the world.
fn missing(questions: &Questions, outcomes: &[Outcome]) -> BTreeMap<usize, String> {
    let mut missing = BTreeMap::new();
    for (ask, outcome) in questions.asks.iter().zip(outcomes) {
        if let Err(failure) = &outcome.result
            && failure.cause != Cause::Query
        {
            missing
                .entry(ask.partition)
                .or_insert_with(|| failure.reason.clone());
        }
    }
    missing
}

struct Answers<'a> {
    outcomes: Vec<Outcome>,
    questions: &'a Questions,
    missing: BTreeMap<usize, String>,
}

impl Answers<'_> {
    fn all(&mut self, sources: &[Vec<Source>]) -> Vec<Vec<Fetched>> {
        let one = |sources: &Vec<Source>| sources.iter().map(|source| self.one(source)).collect();
        sources.iter().map(one).collect()
    }

    fn one(&mut self, source: &Source) -> Fetched {
        let number = match source {
            Source::Nothing => return Fetched::Series(Vec::new()),
            Source::Here(known) => return known.clone(),
            Source::Asked(number) => *number,
        };
        let partition = self.questions.asks.get(number).map(|ask| ask.partition);
        if let Some(reason) = partition.and_then(|partition| self.missing.get(&partition)) {
            return Fetched::Missing(reason.clone());
        }
        let once = self.questions.uses.get(number) == Some(&1);
        let outcome = self.outcomes.get_mut(number);
        let values = match outcome.map(|outcome| &mut outcome.result) {
            Some(Ok(values)) => values,
            Some(Err(failure)) => return Fetched::Refused(failure.reason.clone()),
            None => return Fetched::Missing("it was not asked: this is a bug".to_owned()),
        };
        let Values {
            series, remarks, ..
        } = if once {
            std::mem::take(values)
        } else {
            values.clone()
        };
        Fetched::Remarked(series, remarks)
    }
}
