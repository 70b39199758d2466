//! Which replicas of a partition are behind the others: they scrape no more, or are just being started.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use super::{
    context::Context,
    endpoint::Endpoint,
    exchange::Answered,
    question::{Ask, Times},
};
use crate::{
    federation::{Dialect, Marks, joined, parted},
    promql::Series,
};

/// How long what is known is believed.
const PAUSE: Duration = Duration::from_secs(15);

/// How long an answer is waited for. No query waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The distance of samples where it is not known; milliseconds.
const INTERVAL: f64 = 60_000.0;

/// The time of the newest sample of any target, in seconds.
const NEWEST: &str = "max(timestamp(up))";

/// The distance of the samples of most targets, in seconds.
const DISTANCE: &str = "300 / quantile(0.5, count_over_time(up[5m]))";

/// What is known of the replicas of a partition, in their order.
#[derive(Debug, Default)]
pub(super) struct Freshness(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    asked: Option<Instant>,
    /// The newest sample of those that are behind; Unix milliseconds.
    behind: Vec<Option<i64>>,
}

/// What a replica says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    /// It did not answer, so that nothing new is known.
    Unknown,
    /// It has no samples of the last minutes.
    Nothing,
    /// Its newest sample and the distance of its samples; milliseconds.
    Newest { time: f64, interval: f64 },
}

impl Freshness {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest sample of a replica that is behind the others.
    pub(super) fn newest_if_behind(&self, replica: usize) -> Option<i64> {
        self.state().behind.get(replica).copied().flatten()
    }

    /// Whether it is to be asked again; then nobody else asks.
    fn claims_to_ask(&self, now: Instant) -> bool {
        let mut state = self.state();
        let due = state
            .asked
            .is_none_or(|asked| now.duration_since(asked) >= PAUSE);
        if due {
            state.asked = Some(now);
        }
        due
    }

    /// Takes what all replicas say.
    fn judge(&self, seen: &[Seen]) {
        let mut state = self.state();
        state.behind = judged(&state.behind, seen);
    }
}

/// Which replicas are behind: by more than two intervals, or still by more than one.
fn judged(before: &[Option<i64>], seen: &[Seen]) -> Vec<Option<i64>> {
    let times = seen.iter().filter_map(|seen| match seen {
        Seen::Newest { time, interval } => Some((*time, *interval)),
        Seen::Unknown | Seen::Nothing => None,
    });
    let freshest = times.max_by(|(a, _), (b, _)| a.total_cmp(b));
    let Some((freshest, interval)) = freshest else {
        return before.to_vec();
    };
    let of = |(place, seen): (usize, &Seen)| {
        let before = before.get(place).copied().flatten();
        match seen {
            Seen::Unknown => before,
            Seen::Nothing => Some(before.unwrap_or(i64::MIN)),
            Seen::Newest { time, .. } => {
                let allowed = if before.is_some() { 1.0 } else { 2.0 };
                let late = freshest - time > allowed * interval;
                late.then(|| millis(*time))
            }
        }
    };
    seen.iter().enumerate().map(of).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "times beyond the range saturate"
)]
fn millis(time: f64) -> i64 {
    time as i64
}

/// Asks the replicas of a partition for their newest samples, if that is due; nobody waits for it.
pub(super) fn freshen(freshness: &Arc<Freshness>, replicas: &[Arc<Endpoint>], context: &Context) {
    if replicas.len() < 2 || !freshness.claims_to_ask(Instant::now()) {
        return;
    }
    let (freshness, replicas) = (Arc::clone(freshness), replicas.to_vec());
    let context = Context {
        max_samples: 10,
        budget: Arc::new(context.budget.another()),
        ..context.clone()
    };
    tokio::spawn(async move {
        let now = context.clock.now().wall.unix_millis();
        let mut running = JoinSet::new();
        for (place, endpoint) in replicas.iter().enumerate() {
            let (endpoint, context) = (Arc::clone(endpoint), context.clone());
            running.spawn(async move { (place, look(&endpoint, &context, now).await) });
        }
        let mut seen = vec![Seen::Unknown; replicas.len()];
        while let Some(done) = running.join_next().await {
            if let Ok((place, newest)) = done
                && let Some(known) = seen.get_mut(place)
            {
                *known = newest;
            }
        }
        freshness.judge(&seen);
    });
}

async fn look(endpoint: &Arc<Endpoint>, context: &Context, now: i64) -> Seen {
    let Ok(identity) = endpoint.identity() else {
        return Seen::Unknown;
    };
    let together = identity.dialect != Dialect::VictoriaMetrics;
    let ask = Arc::new(Ask {
        partition: 0,
        query: if together {
            joined(&[NEWEST, DISTANCE], Marks::All).into()
        } else {
            NEWEST.into()
        },
        times: Times::At(now),
        lookback: endpoint.lookback(),
        selects: false,
        marks: false,
        further: Arc::default(),
        speech: None,
        others: Vec::new(),
    });
    let deadline = Instant::now() + PATIENCE;
    match endpoint.ask(context, &ask, deadline).await {
        (Ok(answered), _) => seen(answered, together),
        (Err(_), _) => Seen::Unknown,
    }
}

fn seen(answered: Answered, together: bool) -> Seen {
    let value = |series: &[Series]| series.first()?.floats.values.first().copied();
    let series = answered.values.series;
    let (newest, distance) = if together {
        let parts = parted(series, 2, Marks::All).unwrap_or_default();
        let of = |part: usize| parts.get(part).and_then(|part| value(part));
        (of(0), of(1))
    } else {
        (value(&series), None)
    };
    let Some(newest) = newest else {
        return Seen::Nothing;
    };
    let distance = distance.map_or(INTERVAL, |distance| distance * 1000.0);
    Seen::Newest {
        time: newest * 1000.0,
        interval: if distance.is_finite() {
            distance
        } else {
            INTERVAL
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: f64) -> Seen {
        Seen::Newest {
            time,
            interval: 15_000.0,
        }
    }

    #[test]
    fn whoever_is_two_intervals_behind_is_behind_until_it_has_caught_up() {
        let of = |before: &[Option<i64>], seen: &[Seen]| judged(before, seen);
        let none = of(&[], &[at(100_000.0), at(70_000.0)]);
        assert_eq!(none, [None, None]);
        let second = of(&none, &[at(100_000.0), at(69_999.0)]);
        assert_eq!(second, [None, Some(69_999)]);
        let still = of(&second, &[at(100_000.0), at(84_000.0)]);
        assert_eq!(still, [None, Some(84_000)]);
        assert_eq!(of(&still, &[at(100_000.0), at(85_000.0)]), none);
        assert_eq!(of(&still, &[at(100_000.0), Seen::Unknown]), still);
        let empty = of(&none, &[Seen::Nothing, at(100_000.0)]);
        assert_eq!(empty, [Some(i64::MIN), None]);
        // Where none has samples, or none answers, nothing new is known.
        assert_eq!(of(&still, &[Seen::Nothing, Seen::Unknown]), still);
        assert_eq!(of(&[], &[Seen::Nothing, Seen::Nothing]), []);
    }
}
