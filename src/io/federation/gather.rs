//! Asks all questions of a query at once.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    context::Context,
    endpoint::Endpoint,
    endpoints::{Endpoints, Replicas},
    exchange::Answered,
    joint,
    question::{Ask, Cause, Failure, Times, Values},
    request::seconds,
};
use crate::{
    federation::{Dialect, Extent, fill_gaps, has_gaps},
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
    /// Who was asked last.
    pub(super) by: Option<Arc<Endpoint>>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) endpoint: Arc<Endpoint>,
    /// What it was asked.
    pub(super) query: Arc<str>,
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

/// Asks all questions at once, light ones of a partition in one request, and in one each of those that are to be answered by
/// one look (`looks`, by their numbers). When this future is dropped, so are the requests.
pub(super) async fn gather(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[Arc<Ask>],
    looks: Vec<Vec<usize>>,
    deadline: Instant,
) -> Vec<Outcome> {
    if !joint::has_two_of_a_partition(asks) {
        let asks = asks.iter();
        return join_all(asks.map(|ask| joint::alone(context, endpoints, ask, deadline))).await;
    }
    let running = joint::groups(endpoints, asks, looks)
        .into_iter()
        .map(|group| joint::outcomes(context, endpoints, asks, group, deadline));
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
    ask: &Arc<Ask>,
    deadline: Instant,
) -> Outcome {
    let Some(replicas) = endpoints.partitions.get(ask.partition) else {
        return Outcome::failed(Failure::new("there is no such partition any more"));
    };
    let fit = match candidates(context, replicas, ask) {
        Ok(fit) => fit,
        Err(failure) => return Outcome::failed(failure),
    };
    // There is one at least, which takes the place of this.
    let mut outcome = Outcome::failed(Failure::new(String::new()));
    let order = &fit.order;
    for (number, endpoint) in order.iter().take(2).enumerate() {
        let now = Instant::now();
        // What is left is for the other replica as well.
        let until = match number {
            0 if order.len() > 1 => now + deadline.saturating_duration_since(now) / 2,
            _ => deadline,
        };
        let Some(ask) = said(endpoint, ask) else {
            outcome.result = Err(unplanned(endpoint, &outcome));
            // When it is asked otherwise, the one that failed must not take up the time again.
            if number > 0 && endpoint.is_well() {
                replicas.prefer(endpoint);
            }
            break;
        };
        let (result, joined) = endpoint.ask(context, &ask, until).await;
        outcome.by = Some(Arc::clone(endpoint));
        let attempt = Attempt::new(endpoint, now.elapsed(), &result);
        outcome.attempts.push(Attempt {
            joined,
            query: Arc::clone(&ask.query),
            ..attempt
        });
        let failure = result.as_ref().err();
        let over = failure.is_none_or(|failure| !failure.cause.is_of_replica());
        // Whatever takes the place of one that failed or is behind stays there.
        if result.is_ok() && (number > 0 || replicas.is_uneven() && fit.is_all) {
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
                fill(&mut outcome, context, (other, &ask), until).await;
            }
            break;
        }
    }
    outcome
}

/// A question as an endpoint is asked it.
fn said(endpoint: &Endpoint, ask: &Arc<Ask>) -> Option<Arc<Ask>> {
    match ask.speech {
        None => Some(Arc::clone(ask)),
        Some(_) => ask.said(endpoint.speech().ok()?),
    }
}

/// Says that an endpoint would have to be asked otherwise than it was planned.
fn unplanned(endpoint: &Endpoint, outcome: &Outcome) -> Failure {
    let name = &endpoint.config.name;
    let kind = endpoint
        .identity()
        .map_or(endpoint.config.kind, |one| one.kind);
    let reason = format!(
        "{name}: it is a {}, which is asked otherwise",
        kind.as_str()
    );
    let failed = outcome.attempts.last();
    Failure {
        reason: match failed.and_then(|attempt| Some((attempt, attempt.error.as_ref()?))) {
            Some((first, error)) => format!("{}: {error}; {reason}", first.endpoint.config.name),
            None => reason,
        },
        cause: Cause::Plan(Extent::Common),
    }
}

/// Whether a question can be asked as it was planned of the replica that would be asked first.
pub(super) fn is_planned(
    context: &Context,
    endpoints: &Endpoints,
    ask: &Arc<Ask>,
) -> Result<(), Failure> {
    let Some(replicas) = endpoints.partitions.get(ask.partition) else {
        return Ok(());
    };
    let fit = candidates(context, replicas, ask)?;
    match fit.order.first() {
        Some(first) if said(first, ask).is_none() => Err(unplanned(first, &Outcome::lost())),
        _ => Ok(()),
    }
}

/// Fills gaps of a window with the samples of another replica, if that answers soon.
async fn fill(
    outcome: &mut Outcome,
    context: &Context,
    (other, ask): (&Arc<Endpoint>, &Arc<Ask>),
    until: Instant,
) {
    let Ok(values) = &mut outcome.result else {
        return;
    };
    if !matches!(ask.times, Times::Window { .. }) || !has_gaps(&values.series) {
        return;
    }
    let Some(ask) = said(other, ask) else {
        return;
    };
    let now = Instant::now();
    let (result, joined) = other.ask(context, &ask, until).await;
    let mut attempt = Attempt {
        joined,
        query: Arc::clone(&ask.query),
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
        Self::failed(Failure::new("asking it failed: this is a bug"))
    }

    /// Nobody was asked.
    pub(super) fn failed(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            attempts: Vec::new(),
            by: None,
        }
    }
}

/// Replicas that may be asked a question, in the order in which they are asked.
struct Fit {
    order: Vec<Arc<Endpoint>>,
    /// Whether it is all of them, and none is left out for the times that it does not hold.
    is_all: bool,
}

/// Those of which it is known how they are spoken to, and that hold the times that the question is about.
fn candidates(context: &Context, replicas: &Replicas, ask: &Ask) -> Result<Fit, Failure> {
    let mut order = replicas.order();
    let Some(first) = order.first().map(Arc::clone) else {
        return Err(Failure::new("it has no endpoint"));
    };
    if let Err(reason) = first.identity() {
        return Err(Failure::new(format!("{}: {reason}", first.config.name)));
    }
    order.retain(|endpoint| endpoint.identity().is_ok());
    let age = |endpoint: &Arc<Endpoint>| endpoint.config.time_range.max_age;
    let bounded = order.iter().any(|one| !age(one).is_zero());
    if !bounded && !replicas.is_uneven() {
        let is_all = true;
        return Ok(Fit { order, is_all });
    }
    let (oldest, newest) = reach(ask);
    let now = context.clock.now().wall.unix_millis();
    let holds = |endpoint: &Arc<Endpoint>| {
        let age = i64::try_from(age(endpoint).as_millis()).unwrap_or(i64::MAX);
        age == 0 || oldest >= now.saturating_sub(age)
    };
    let all = order.len();
    let (holding, young): (Vec<_>, Vec<_>) = order.into_iter().partition(holds);
    let is_all = holding.len() == all;
    let Some(oldest_known) = holding.first().map(Arc::clone) else {
        let name = &first.config.name;
        let since = seconds(oldest);
        let reason = format!(
            "{name}: the query needs samples since {since}, which are older than its max_age"
        );
        return Err(Failure {
            reason,
            cause: Cause::Times,
        });
    };
    let reaches = |endpoint: &Arc<Endpoint>| replicas.reaches(endpoint, newest);
    if !holding.iter().any(&reaches)
        && let Some(young) = young.iter().find(|one| reaches(one))
    {
        return Err(spread(&oldest_known, young, ask));
    }
    let fit = holding.into_iter().enumerate();
    let fit = fit.filter(|(number, endpoint)| *number == 0 || reaches(endpoint));
    Ok(Fit {
        order: fit.map(|(_, endpoint)| endpoint).collect(),
        is_all,
    })
}

/// Says that one replica has only the older part of what a question is about, and another one only the younger part.
fn spread(old: &Endpoint, young: &Endpoint, ask: &Ask) -> Failure {
    let (old, young) = (&old.config.name, &young.config.name);
    let reason = format!("{old} is behind, and {young} does not hold samples that are as old");
    let single = ask.selects || matches!(ask.times, Times::Window { .. });
    Failure {
        reason,
        cause: match single {
            true => Cause::Times,
            false => Cause::Plan(Extent::Selectors),
        },
    }
}

/// The times between which the samples are that a question is about: after the first, up to the second.
fn reach(ask: &Ask) -> (i64, i64) {
    let steps = match ask.times {
        Times::Window { from, to } => return (from, to),
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
    let unknown = (i64::MIN, ask.times.last());
    let metrics_ql = ask
        .speech
        .is_some_and(|speech| speech.dialect == Dialect::VictoriaMetrics);
    let expr = match metrics_ql {
        // As it is asked for selectors, in words that are known here.
        true => {
            let text = ask.query.replace("default_rollup(", "last_over_time(");
            parse(
                &text.replace("timestamp(", "last_over_time("),
                Features::all(),
            )
        }
        false => parse(&ask.query, Features::all()),
    };
    let prepared = expr
        .ok()
        .and_then(|expr| prepare(&expr, steps, options).ok());
    let Some(prepared) = prepared else {
        return unknown;
    };
    let selections = prepared.selections();
    let oldest = selections.iter().map(|selection| selection.from).min();
    let newest = selections.iter().map(|selection| selection.to).max();
    (oldest.unwrap_or(i64::MAX), newest.unwrap_or(i64::MIN))
}

impl Attempt {
    fn new(endpoint: &Arc<Endpoint>, took: Duration, result: &Result<Answered, Failure>) -> Self {
        let attempt = Self {
            endpoint: Arc::clone(endpoint),
            query: Arc::default(),
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
