//! Light questions to one partition in one request: a request costs an endpoint more than what it computes for them.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt as _, future::join_all};
use tokio::time::{Duration, Instant};

use super::{
    context::Context,
    endpoint::Endpoint,
    endpoints::Endpoints,
    gather::{self, Outcome},
    memory::LIGHT,
    question::{Ask, Cause, Times, Values},
};
use crate::federation::{joined, may_be_joined, parted};

/// Questions in one request.
const MOST: usize = 16;

/// Time that must be left for questions to be asked one by one after they failed together.
const TO_ASK_AGAIN: Duration = Duration::from_secs(1);

/// Bytes of the questions in one request.
const LONGEST: usize = 8 * 1024;

/// The numbers of questions that are asked together, most of them alone.
pub(super) fn groups(endpoints: &Endpoints, asks: &[Arc<Ask>]) -> Vec<Vec<usize>> {
    if !has_two_of_a_partition(asks) {
        return (0..asks.len()).map(|number| vec![number]).collect();
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // The group that is open for a partition, a time and a lookback, and the length of its questions.
    let mut open: BTreeMap<(usize, i64, i64), (usize, usize)> = BTreeMap::new();
    for (number, ask) in asks.iter().enumerate() {
        let Some(at) = light_at(endpoints, ask) else {
            groups.push(vec![number]);
            continue;
        };
        let key = (ask.partition, at, ask.lookback);
        let length = ask.query.len();
        if let Some((place, known)) = open.get_mut(&key)
            && *known + length <= LONGEST
            && let Some(group) = groups.get_mut(*place)
            && group.len() < MOST
        {
            *known += length;
            group.push(number);
            continue;
        }
        open.insert(key, (groups.len(), length));
        groups.push(vec![number]);
    }
    groups
}

/// Whether any partition is asked more than once.
fn has_two_of_a_partition(asks: &[Arc<Ask>]) -> bool {
    let mut seen: Vec<usize> = Vec::with_capacity(asks.len());
    asks.iter().any(|ask| {
        let again = seen.contains(&ask.partition);
        seen.push(ask.partition);
        again
    })
}

/// The one time that a question is about, if it may be asked together with others.
pub(super) fn light_at(endpoints: &Endpoints, ask: &Ask) -> Option<i64> {
    let Times::At(at) = ask.times else {
        return None;
    };
    let endpoint = joins(endpoints, ask)?;
    endpoint.is_light(ask).then_some(at)
}

/// The endpoint that is asked a question first, if it takes several in one request.
pub(super) fn joins(endpoints: &Endpoints, ask: &Ask) -> Option<Arc<Endpoint>> {
    let endpoint = endpoints.partitions.get(ask.partition)?.first()?;
    let identity = endpoint.identity().ok()?;
    may_be_joined(identity.dialect, identity.lacks_histograms).then_some(endpoint)
}

/// Asks one question, and remembers of whom it was asked whether the answer was light.
async fn single(
    context: &Context,
    endpoints: &Endpoints,
    ask: &Arc<Ask>,
    deadline: Instant,
) -> Outcome {
    let outcome = gather::answer(context, endpoints, ask, deadline).await;
    if matches!(ask.times, Times::At(_)) {
        let remarks = outcome
            .result
            .as_ref()
            .is_ok_and(|one| !one.remarks.is_empty());
        for attempt in &outcome.attempts {
            let light = attempt.error.is_none() && attempt.bytes <= LIGHT && !attempt.stored;
            let memory = attempt.endpoint.memory();
            memory.weigh(&ask.query, light && !remarks);
        }
    }
    if matches!(ask.times, Times::Window { .. }) {
        let answered = outcome.attempts.iter().filter(|one| one.error.is_none());
        for attempt in answered {
            let memory = attempt.endpoint.memory();
            memory.weigh_window(&attempt.query, attempt.bytes);
        }
    }
    outcome
}

/// What comes of the questions of these numbers, which are asked together; fewer where a bug took some away.
pub(super) async fn outcomes(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[Arc<Ask>],
    numbers: Vec<usize>,
    deadline: Instant,
) -> (Vec<usize>, Vec<Outcome>) {
    let group = numbers.iter().filter_map(|number| asks.get(*number));
    let group: Vec<&Arc<Ask>> = group.collect();
    let answered = answer(context, endpoints, &group, deadline);
    // What a panic takes away is lost, and nothing else.
    let outcomes = AssertUnwindSafe(answered).catch_unwind().await;
    (numbers, outcomes.unwrap_or_default())
}

/// Asks questions of one partition together; one by one if that does not do.
async fn answer(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[&Arc<Ask>],
    deadline: Instant,
) -> Vec<Outcome> {
    let (first, rest) = match asks {
        [] => return Vec::new(),
        [only] => return vec![single(context, endpoints, only, deadline).await],
        [first, rest @ ..] => (first, rest.len()),
    };
    let queries: Vec<&str> = asks.iter().map(|ask| &*ask.query).collect();
    let whole = Arc::new(Ask {
        query: joined(&queries).into(),
        selects: false,
        // Another replica that is asked otherwise is asked one by one.
        others: Vec::new(),
        ..Ask::clone(first)
    });
    let mut outcome = gather::answer(context, endpoints, &whole, deadline).await;
    let parts = match outcome.result {
        // Nobody could say whose remarks they are.
        Ok(values) if values.remarks.is_empty() => parted(values.series, asks.len()),
        Ok(_) => None,
        Err(failure)
            if matches!(
                failure.cause,
                Cause::Query | Cause::Histograms | Cause::Plan(_)
            ) =>
        {
            None
        }
        // One of them may be what it hangs at or is too large, and must not take the others with it for ever.
        Err(_) if Instant::now() + TO_ASK_AGAIN < deadline => None,
        Err(failure) => {
            for attempt in &outcome.attempts {
                attempt.endpoint.memory().doubt(&queries);
            }
            outcome.result = Err(failure.clone());
            let failed = || Outcome {
                result: Err(failure.clone()),
                attempts: Vec::new(),
                by: None,
            };
            let others: Vec<Outcome> = (0..rest).map(|_| failed()).collect();
            return std::iter::once(outcome).chain(others).collect();
        }
    };
    let mut attempts = std::mem::take(&mut outcome.attempts);
    if let Some(asked) = attempts.last()
        && asked.bytes > LIGHT * asks.len()
    {
        let memory = asked.endpoint.memory();
        queries.iter().for_each(|query| memory.weigh(query, false));
    }
    let Some(parts) = parts else {
        if let Some(asked) = attempts.last() {
            asked.endpoint.memory().doubt(&queries);
        }
        let mut outcomes = each(context, endpoints, asks, deadline).await;
        if let Some(first) = outcomes.first_mut() {
            attempts.append(&mut first.attempts);
            first.attempts = attempts;
        }
        return outcomes;
    };
    let answered = |series: Vec<_>| Outcome {
        result: Ok(Values {
            samples: series.len(),
            series,
            remarks: Vec::new(),
        }),
        attempts: std::mem::take(&mut attempts),
        by: outcome.by.clone(),
    };
    parts.into_iter().map(answered).collect()
}

async fn each(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[&Arc<Ask>],
    deadline: Instant,
) -> Vec<Outcome> {
    let asked = asks.iter();
    let asked = asked.map(|ask| single(context, endpoints, ask, deadline));
    join_all(asked).await
}
