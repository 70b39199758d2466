//! Asks all questions of a query at once.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    context::Context,
    endpoint::{Answered, Endpoint},
    endpoints::{Endpoints, Replicas},
    joint,
    question::{Ask, Cause, Failure, Times, Values, seconds},
};
use crate::{
    federation::{fill_gaps, has_gaps},
    promql::{
        engine::{Options, Steps, prepare},
        parse::{Features, parse},
    },
};

/// How long another replica is waited for at least to fill gaps, which no answer depends on.
const LEAST: Duration = Duration::from_secs(1);

/// What came of a question.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<Values, Failure>,
    pub(super) attempts: Vec<Attempt>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) endpoint: Arc<Endpoint>,
    /// What it was asked.
    pub(super) query: String,
    /// Whether another query had asked the same already.
    pub(super) joined: bool,
    pub(super) took: Duration,
    pub(super) bytes: usize,
    pub(super) series: usize,
    pub(super) samples: usize,
    pub(super) stored: bool,
    /// How many of its samples fill gaps of another replica; then nothing else of it is used.
    pub(super) filled: usize,
    pub(super) error: Option<String>,
}

/// Asks all questions at once, light ones of a partition in one request. When this future is dropped, so are the requests.
pub(super) async fn gather(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[Ask],
    deadline: Instant,
) -> Vec<Outcome> {
    let running = joint::groups(endpoints, asks)
        .into_iter()
        .map(|numbers| joint::outcomes(context, endpoints, asks, numbers, deadline));
    let mut outcomes: Vec<Option<Outcome>> = asks.iter().map(|_| None).collect();
    for (numbers, answers) in join_all(running).await {
        for (number, outcome) in numbers.into_iter().zip(answers) {
            if let Some(place) = outcomes.get_mut(number) {
                *place = Some(outcome);
            }
        }
    }
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|outcome| outcome.unwrap_or_else(Outcome::lost))
        .collect()
}

/// Asks the partition's first replica, and once another one if that fails.
pub(super) async fn answer(
    context: &Context,
    endpoints: &Endpoints,
    ask: &Ask,
    deadline: Instant,
) -> Outcome {
    let mut outcome = Outcome {
        result: Err(Failure::new("there is no such partition any more")),
        attempts: Vec::new(),
    };
    let Some(replicas) = endpoints.partitions.get(ask.partition) else {
        return outcome;
    };
    let order = match candidates(context, replicas, ask) {
        Ok(order) => order,
        Err(failure) => {
            outcome.result = Err(failure);
            return outcome;
        }
    };
    for (number, endpoint) in order.iter().take(2).enumerate() {
        let now = Instant::now();
        // What is left is for the other replica as well.
        let until = match number {
            0 if order.len() > 1 => now + deadline.saturating_duration_since(now) / 2,
            _ => deadline,
        };
        let (result, joined) = endpoint.ask(context, ask, until).await;
        let attempt = Attempt::new(endpoint, now.elapsed(), &result);
        outcome.attempts.push(Attempt {
            joined,
            query: ask.query.clone(),
            ..attempt
        });
        let failure = result.as_ref().err();
        let over = failure
            .is_none_or(|failure| !matches!(failure.cause, Cause::Endpoint | Cause::Ability));
        // Whatever takes the place of one that failed or is behind stays there.
        if result.is_ok() && (number > 0 || replicas.is_uneven()) {
            replicas.prefer(endpoint);
        }
        let took = now.elapsed();
        outcome.result = result
            .map(|answered| answered.values)
            .map_err(|failure| Failure {
                reason: format!("{}: {}", endpoint.config.name, failure.reason),
                ..failure
            });
        if over {
            let others = order.iter().filter(|other| !Arc::ptr_eq(other, endpoint));
            if let Some(other) = others.clone().find(|other| other.is_well()) {
                let until = deadline.min(Instant::now() + (took * 2).max(LEAST));
                fill(&mut outcome, context, (other, ask), until).await;
            }
            break;
        }
    }
    outcome
}

/// Fills gaps of a window with the samples of another replica, if that answers soon.
async fn fill(
    outcome: &mut Outcome,
    context: &Context,
    (other, ask): (&Arc<Endpoint>, &Ask),
    until: Instant,
) {
    let Ok(values) = &mut outcome.result else {
        return;
    };
    if !matches!(ask.times, Times::Window { .. }) || !has_gaps(&values.series) {
        return;
    }
    let now = Instant::now();
    let (result, joined) = other.ask(context, ask, until).await;
    let mut attempt = Attempt {
        joined,
        query: ask.query.clone(),
        ..Attempt::new(other, now.elapsed(), &result)
    };
    if let Ok(answered) = result {
        let filled = fill_gaps(&mut values.series, &answered.values.series);
        values.samples = values.samples.saturating_add(filled);
        attempt.filled = filled;
    }
    outcome.attempts.push(attempt);
}

impl Outcome {
    pub(super) fn lost() -> Self {
        Self {
            result: Err(Failure::new("asking it failed: this is a bug")),
            attempts: Vec::new(),
        }
    }
}

/// The first endpoint and more of the same dialect, of those that hold the times that the question is about.
fn candidates(
    context: &Context,
    replicas: &Replicas,
    ask: &Ask,
) -> Result<Vec<Arc<Endpoint>>, Failure> {
    let order = replicas.order();
    let Some(first) = order.first() else {
        return Err(Failure::new("it has no endpoint"));
    };
    let dialect = first
        .identity()
        .map_err(|reason| Failure::new(format!("{}: {reason}", first.config.name)))?
        .dialect;
    let speaks = |endpoint: &&Arc<Endpoint>| {
        endpoint
            .identity()
            .is_ok_and(|identity| identity.dialect == dialect)
    };
    let bounded = order
        .iter()
        .any(|one| !one.config.time_range.max_age.is_zero());
    let oldest = if bounded { oldest(ask) } else { i64::MAX };
    let now = || context.clock.now().wall.unix_millis();
    let holds = |endpoint: &&Arc<Endpoint>| {
        let age = endpoint.config.time_range.max_age;
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        age == 0 || oldest >= now().saturating_sub(age)
    };
    let newest = ask.times.last();
    let fit: Vec<_> = order
        .iter()
        .filter(speaks)
        .filter(holds)
        .enumerate()
        .filter(|(number, endpoint)| *number == 0 || replicas.reaches(endpoint, newest))
        .map(|(_, endpoint)| endpoint)
        .map(Arc::clone)
        .collect();
    if fit.is_empty() {
        let reason = format!(
            "{}: the query needs samples since {}, which are older than its max_age",
            first.config.name,
            seconds(oldest)
        );
        return Err(Failure {
            reason,
            cause: Cause::Times,
        });
    }
    Ok(fit)
}

/// The time after which the samples are that a question is about.
fn oldest(ask: &Ask) -> i64 {
    let steps = match ask.times {
        Times::Window { from, .. } => return from,
        Times::At(at) => Steps::instant(at),
        Times::Grid { start, end, step } => Steps { start, end, step },
    };
    let options = Options {
        lookback: ask.lookback,
        subquery_step: 60_000,
        max_samples: usize::MAX,
        delayed_name_removal: false,
        use_start_timestamps: false,
        type_and_unit_labels: false,
    };
    let parsed = parse(&ask.query, Features::all()).ok();
    let prepared = parsed.and_then(|expr| prepare(&expr, steps, options).ok());
    let Some(prepared) = prepared else {
        return i64::MIN;
    };
    let selections = prepared.selections().iter();
    selections
        .map(|selection| selection.from)
        .min()
        .unwrap_or(i64::MAX)
}

impl Attempt {
    fn new(endpoint: &Arc<Endpoint>, took: Duration, result: &Result<Answered, Failure>) -> Self {
        let attempt = Self {
            endpoint: Arc::clone(endpoint),
            query: String::new(),
            joined: false,
            took,
            bytes: 0,
            series: 0,
            samples: 0,
            stored: false,
            filled: 0,
            error: None,
        };
        match result {
            Ok(answered) => Self {
                bytes: answered.bytes,
                series: answered.values.series.len(),
                samples: answered.values.samples,
                stored: answered.stored,
                ..attempt
            },
            Err(failure) => Self {
                error: Some(failure.reason.clone()),
                ..attempt
            },
        }
    }
}
