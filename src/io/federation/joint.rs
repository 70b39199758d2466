//! Light questions to one partition in one request: a request costs an endpoint more than what it computes for them.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    context::Context,
    endpoints::Endpoints,
    gather::{self, Outcome},
    question::{Ask, Cause, Times, Values},
};
use crate::federation::{joined, may_be_joined, parted};

/// Questions in one request.
const MOST: usize = 16;

/// Bytes of the questions in one request.
const LONGEST: usize = 8 * 1024;

/// The numbers of questions that are asked together, most of them alone.
pub(super) fn groups(endpoints: &Endpoints, asks: &[Ask]) -> Vec<Vec<usize>> {
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

/// The one time that a question is about, if it may be asked together with others.
fn light_at(endpoints: &Endpoints, ask: &Ask) -> Option<i64> {
    let Times::At(at) = ask.times else {
        return None;
    };
    let replicas = endpoints.partitions.get(ask.partition)?;
    let endpoint = replicas.order().into_iter().next()?;
    let dialect = endpoint.identity().ok()?.dialect;
    (may_be_joined(dialect) && endpoint.is_light(ask)).then_some(at)
}

/// Asks questions of one partition together; one by one if that does not do.
pub(super) async fn answer(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[&Ask],
    deadline: Instant,
) -> Vec<Outcome> {
    let (first, rest) = match asks {
        [] => return Vec::new(),
        [only] => return vec![gather::answer(context, endpoints, only, deadline).await],
        [first, rest @ ..] => (first, rest.len()),
    };
    let queries: Vec<&str> = asks.iter().map(|ask| &*ask.query).collect();
    let whole = Ask {
        query: joined(&queries),
        selects: false,
        ..Ask::clone(first)
    };
    let mut outcome = gather::answer(context, endpoints, &whole, deadline).await;
    let parts = match outcome.result {
        // Nobody could say whose remarks they are.
        Ok(values) if values.remarks.is_empty() => parted(values.series, asks.len()),
        Ok(_) => None,
        Err(failure) if matches!(failure.cause, Cause::Query | Cause::Histograms) => None,
        Err(failure) => {
            outcome.result = Err(failure.clone());
            let failed = || Outcome {
                result: Err(failure.clone()),
                attempts: Vec::new(),
            };
            let others: Vec<Outcome> = (0..rest).map(|_| failed()).collect();
            return std::iter::once(outcome).chain(others).collect();
        }
    };
    let mut attempts = std::mem::take(&mut outcome.attempts);
    let Some(parts) = parts else {
        if let Some(asked) = attempts.last() {
            asked.endpoint.doubt(asks);
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
    };
    parts.into_iter().map(answered).collect()
}

async fn each(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[&Ask],
    deadline: Instant,
) -> Vec<Outcome> {
    let asked = asks.iter();
    let asked = asked.map(|ask| gather::answer(context, endpoints, ask, deadline));
    join_all(asked).await
}
