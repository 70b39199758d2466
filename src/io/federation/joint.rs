//! Questions to one partition in one request: light ones, since a request costs an endpoint more than what it computes for
//! them, and any with those that tell whether its answer is of use, since one query is one look at the data.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt as _, future::join_all};
use tokio::time::{Duration, Instant};

use super::{
    context::Context,
    endpoint::Endpoint,
    endpoints::Endpoints,
    gather::{self, Attempt, Outcome},
    memory::{LIGHT, Memory},
    question::{Ask, Cause, Failure, Times, Values},
};
use crate::{
    federation::{Marks, joined, may_be_joined, parted},
    promql::Series,
};

/// Questions in one request.
const MOST: usize = 16;

/// Time that must be left for questions to be asked one by one after they failed together.
const TO_ASK_AGAIN: Duration = Duration::from_secs(1);

/// Bytes of the questions in one request.
const LONGEST: usize = 8 * 1024;

/// The numbers of questions that are asked in one request; those that are to be answered by one look are together in it.
pub(super) type Group = Vec<Vec<usize>>;

/// A group to which more may be added.
struct Open {
    place: usize,
    questions: usize,
    bytes: usize,
}

/// What questions must have in common to be asked in one request: a partition, a time and a lookback.
type Key = (usize, i64, i64);

/// The questions that are asked together; `looks` are those that are to be answered by one look, most of them of one question.
pub(super) fn groups(
    endpoints: &Endpoints,
    asks: &[Arc<Ask>],
    looks: Vec<Vec<usize>>,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut open: BTreeMap<Key, Open> = BTreeMap::new();
    for look in looks {
        let of = look.iter().filter_map(|number| asks.get(*number));
        let of: Vec<&Arc<Ask>> = of.collect();
        let Some(key) = light_key(endpoints, &of) else {
            groups.push(vec![look]);
            continue;
        };
        let bytes = length(&of);
        if let Some(open) = open.get_mut(&key)
            && open.bytes + bytes <= LONGEST
            && open.questions + look.len() <= MOST
            && let Some(group) = groups.get_mut(open.place)
        {
            open.bytes += bytes;
            open.questions += look.len();
            group.push(look);
            continue;
        }
        let begun = Open {
            place: groups.len(),
            questions: look.len(),
            bytes,
        };
        open.insert(key, begun);
        groups.push(vec![look]);
    }
    groups
}

/// What these questions have in common, if all of them may be asked together with others.
fn light_key(endpoints: &Endpoints, asks: &[&Arc<Ask>]) -> Option<Key> {
    let mut keys = asks
        .iter()
        .map(|ask| Some((ask.partition, light_at(endpoints, ask)?, ask.lookback)));
    let first = keys.next()??;
    keys.all(|key| key == Some(first)).then_some(first)
}

fn length(asks: &[&Arc<Ask>]) -> usize {
    asks.iter().map(|ask| ask.query.len()).sum()
}

/// Whether any partition is asked more than once.
pub(super) fn has_two_of_a_partition(asks: &[Arc<Ask>]) -> bool {
    let mut before = asks.iter().enumerate();
    before.any(|(number, ask)| {
        let mut before = asks.iter().take(number);
        before.any(|other| other.partition == ask.partition)
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

/// What comes of a question that nothing is asked together with.
pub(super) async fn alone(
    context: &Context,
    endpoints: &Endpoints,
    ask: &Arc<Ask>,
    deadline: Instant,
) -> Outcome {
    // What a panic takes away is lost, and nothing else.
    let answered = AssertUnwindSafe(single(context, endpoints, ask, deadline));
    let answered = answered.catch_unwind().await;
    answered.unwrap_or_else(|_panic| Outcome::lost())
}

/// What comes of the questions of these numbers, which are asked together; fewer where a bug took some away.
pub(super) async fn outcomes(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[Arc<Ask>],
    group: Group,
    deadline: Instant,
) -> (Vec<usize>, Vec<Outcome>) {
    let of = |look: &Vec<usize>| look.iter().filter_map(|number| asks.get(*number)).collect();
    let looks: Vec<Vec<&Arc<Ask>>> = group.iter().map(of).collect();
    let answered = answer(context, endpoints, &looks, deadline);
    // What a panic takes away is lost, and nothing else.
    let outcomes = AssertUnwindSafe(answered).catch_unwind().await;
    (group.concat(), outcomes.unwrap_or_default())
}

/// Asks light questions of one partition together; look by look if that does not do.
async fn answer(
    context: &Context,
    endpoints: &Endpoints,
    looks: &[Vec<&Arc<Ask>>],
    deadline: Instant,
) -> Vec<Outcome> {
    let look = async |asks: &Vec<&Arc<Ask>>| look(context, endpoints, asks, deadline).await;
    if let [only] = looks {
        return look(only).await;
    }
    let asks = looks.concat();
    let Some(whole) = Whole::of(&asks, Marks::All) else {
        return Vec::new();
    };
    let apart = match whole.ask(context, endpoints, &asks, deadline).await {
        Ok(outcomes) => return outcomes,
        Err(apart) => apart,
    };
    let outcomes = match &apart.failure {
        Some(failure) => failed(failure, asks.len()),
        None => {
            let outcomes = join_all(looks.iter().map(look)).await;
            outcomes.into_iter().flatten().collect()
        }
    };
    let queries: Vec<&str> = asks.iter().map(|ask| &*ask.query).collect();
    apart.settle(outcomes, |memory| memory.doubt(&queries))
}

/// Asks a question together with those that tell whether its answer is of use, so that all are about the same samples; one by
/// one where that does not do.
async fn look(
    context: &Context,
    endpoints: &Endpoints,
    asks: &[&Arc<Ask>],
    deadline: Instant,
) -> Vec<Outcome> {
    if let [only] = asks {
        return vec![single(context, endpoints, only, deadline).await];
    }
    let one_by_one = || {
        let asks = asks.iter();
        join_all(asks.map(|ask| single(context, endpoints, ask, deadline)))
    };
    let Some(whole) = in_one_look(endpoints, asks) else {
        return one_by_one().await;
    };
    let apart = match whole.ask(context, endpoints, asks, deadline).await {
        Ok(outcomes) => return outcomes,
        Err(apart) => apart,
    };
    let outcomes = match &apart.failure {
        Some(failure) => failed(failure, asks.len()),
        None => one_by_one().await,
    };
    let query = &whole.ask.query;
    apart.settle(outcomes, |memory| memory.doubt(&[query]))
}

/// The question that these are together, unless the endpoint does not take it or did not answer it.
fn in_one_look(endpoints: &Endpoints, asks: &[&Arc<Ask>]) -> Option<Whole> {
    let whole = Whole::of(asks, Marks::ButFirst)?;
    let first = &whole.ask;
    let alike = |ask: &&Arc<Ask>| {
        let times = ask.times == first.times && !matches!(ask.times, Times::Window { .. });
        times && (ask.partition, ask.lookback) == (first.partition, first.lookback)
    };
    let fit = asks.iter().all(alike) && asks.len() <= MOST && length(asks) <= LONGEST;
    let endpoint = joins(endpoints, first).filter(|_| fit)?;
    (!endpoint.memory().is_doubted(&first.query)).then_some(whole)
}

/// Several questions as one.
struct Whole {
    ask: Arc<Ask>,
    marks: Marks,
}

/// Why questions that were asked together are not answered so.
struct Apart {
    /// The requests that were made.
    attempts: Vec<Attempt>,
    /// What failed, if there is no time to ask them otherwise.
    failure: Option<Failure>,
}

impl Whole {
    fn of(asks: &[&Arc<Ask>], marks: Marks) -> Option<Self> {
        let queries: Vec<&str> = asks.iter().map(|ask| &*ask.query).collect();
        let ask = Arc::new(Ask {
            query: joined(&queries, marks).into(),
            selects: false,
            // Another replica that is asked otherwise is asked one by one.
            others: Vec::new(),
            ..Ask::clone(asks.first()?)
        });
        Some(Self { ask, marks })
    }

    /// What each of the questions is answered.
    async fn ask(
        &self,
        context: &Context,
        endpoints: &Endpoints,
        asks: &[&Arc<Ask>],
        deadline: Instant,
    ) -> Result<Vec<Outcome>, Apart> {
        let outcome = gather::answer(context, endpoints, &self.ask, deadline).await;
        let mut attempts = outcome.attempts;
        if let Some(asked) = attempts.last() {
            self.weigh(asked, asks);
        }
        let values = match outcome.result {
            Ok(values) => values,
            Err(failure) => {
                let is_of_query = matches!(
                    failure.cause,
                    Cause::Query | Cause::Histograms | Cause::Plan(_)
                );
                // One of them may be what it hangs at or is too large, and must not take the others with it for ever.
                let again = is_of_query || Instant::now() + TO_ASK_AGAIN < deadline;
                let failure = (!again).then_some(failure);
                return Err(Apart { attempts, failure });
            }
        };
        let mut remarks = values.remarks;
        // Of light ones nobody could say whose remarks they are.
        let parts = match (self.marks, remarks.is_empty()) {
            (Marks::All, false) => None,
            (Marks::All, true) | (Marks::ButFirst, _) => {
                parted(values.series, asks.len(), self.marks)
            }
        };
        let Some(parts) = parts else {
            let failure = None;
            return Err(Apart { attempts, failure });
        };
        let answered = |series: Vec<Series>| Outcome {
            result: Ok(Values {
                samples: series.iter().map(|one| one.floats.times.len()).sum(),
                series,
                remarks: std::mem::take(&mut remarks),
            }),
            attempts: std::mem::take(&mut attempts),
            by: outcome.by.clone(),
        };
        Ok(parts.into_iter().map(answered).collect())
    }

    /// Remembers of whom they were asked whether the answers were light.
    fn weigh(&self, asked: &Attempt, asks: &[&Arc<Ask>]) {
        let memory = asked.endpoint.memory();
        let light = match self.marks {
            Marks::All if asked.bytes > LIGHT * asks.len() => false,
            Marks::ButFirst if matches!(self.ask.times, Times::At(_)) => {
                asked.error.is_none() && asked.bytes <= LIGHT
            }
            // It is known, or nothing is known by this.
            Marks::All | Marks::ButFirst => return,
        };
        asks.iter().for_each(|ask| memory.weigh(&ask.query, light));
    }
}

impl Apart {
    /// What came of the questions otherwise, with the requests that were made before; if anything came, they are not asked
    /// together for a while.
    fn settle(self, mut outcomes: Vec<Outcome>, doubt: impl Fn(&Memory)) -> Vec<Outcome> {
        let helped = outcomes.iter().any(|one| one.result.is_ok());
        if (helped || self.failure.is_some())
            && let Some(asked) = self.attempts.last()
        {
            doubt(asked.endpoint.memory());
        }
        let mut attempts = self.attempts;
        if let Some(first) = outcomes.first_mut() {
            attempts.append(&mut first.attempts);
            first.attempts = attempts;
        }
        outcomes
    }
}

/// The same failure for all of them.
fn failed(failure: &Failure, many: usize) -> Vec<Outcome> {
    let one = || Outcome::failed(failure.clone());
    std::iter::repeat_with(one).take(many).collect()
}
