//! Asks all questions of a query at once.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{
    context::Context,
    endpoint::{Answered, Endpoint},
    endpoints::Endpoints,
    question::{Ask, Cause, Failure, Times, Values, seconds},
};
use crate::promql::{
    engine::{Options, Steps, prepare},
    parse::{Features, parse},
};

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
    pub(super) took: Duration,
    pub(super) bytes: usize,
    pub(super) series: usize,
    pub(super) samples: usize,
    pub(super) stored: bool,
    pub(super) error: Option<String>,
}

/// Asks all questions at once. When this future is dropped, so are the requests.
pub(super) async fn gather(
    context: &Arc<Context>,
    endpoints: &Arc<Endpoints>,
    asks: &[Ask],
    deadline: Instant,
) -> Vec<Outcome> {
    let mut running = JoinSet::new();
    for (number, ask) in asks.iter().enumerate() {
        let (context, endpoints, ask) = (Arc::clone(context), Arc::clone(endpoints), ask.clone());
        running.spawn(async move { (number, answer(&context, &endpoints, &ask, deadline).await) });
    }
    let mut outcomes: Vec<Option<Outcome>> = asks.iter().map(|_| None).collect();
    while let Some(done) = running.join_next().await {
        if let Ok((number, outcome)) = done
            && let Some(place) = outcomes.get_mut(number)
        {
            *place = Some(outcome);
        }
    }
    let lost = || Outcome {
        result: Err(Failure::new("asking it failed: this is a bug")),
        attempts: Vec::new(),
    };
    outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(lost))
        .collect()
}

/// Asks the partition's first replica, and once another one if that fails.
async fn answer(context: &Context, endpoints: &Endpoints, ask: &Ask, deadline: Instant) -> Outcome {
    let mut outcome = Outcome {
        result: Err(Failure::new("there is no such partition any more")),
        attempts: Vec::new(),
    };
    let Some(replicas) = endpoints.partitions.get(ask.partition) else {
        return outcome;
    };
    let order = match candidates(context, &replicas.order(), ask) {
        Ok(order) => order,
        Err(failure) => {
            outcome.result = Err(failure);
            return outcome;
        }
    };
    for (number, endpoint) in order.iter().enumerate() {
        let now = Instant::now();
        // What is left is for the other replica as well.
        let until = match number {
            0 if order.len() > 1 => now + deadline.saturating_duration_since(now) / 2,
            _ => deadline,
        };
        let result = endpoint.ask(context, ask, until).await;
        outcome
            .attempts
            .push(Attempt::new(endpoint, now.elapsed(), &result));
        let failure = result.as_ref().err();
        let over = failure
            .is_none_or(|failure| !matches!(failure.cause, Cause::Endpoint | Cause::Ability));
        if result.is_ok() && number > 0 {
            replicas.prefer(endpoint);
        }
        outcome.result = result
            .map(|answered| answered.values)
            .map_err(|failure| Failure {
                reason: format!("{}: {}", endpoint.config.name, failure.reason),
                ..failure
            });
        if over {
            break;
        }
    }
    outcome
}

/// The first endpoint and one more of the same dialect, of those that hold the times that the question is about.
fn candidates(
    context: &Context,
    order: &[Arc<Endpoint>],
    ask: &Ask,
) -> Result<Vec<Arc<Endpoint>>, Failure> {
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
    let now = context.clock.now().wall.unix_millis();
    let holds = |endpoint: &&Arc<Endpoint>| {
        let age = endpoint.config.time_range.max_age;
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        age == 0 || oldest >= now.saturating_sub(age)
    };
    let fit: Vec<_> = order
        .iter()
        .filter(speaks)
        .filter(holds)
        .take(2)
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
            took,
            bytes: 0,
            series: 0,
            samples: 0,
            stored: false,
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
