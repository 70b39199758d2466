//! Queries of many times, asked in parts: what is known of them is not asked again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::{
    begun::Begun,
    client::Federation,
    explain::Explain,
    query::{QueryError, Reply},
};
use crate::{
    config::CacheConfig,
    federation::{
        Answer, CacheCounts, Gap, Part, Planned, RangeCache, RangeQuery, World, assemble, cut,
    },
    promql::{
        Value,
        ast::Expr,
        engine::{Options, Output, Steps},
    },
};

/// Parts of one query that are asked at the same time.
const MOST_AT_ONCE: usize = 4;

/// What is known of queries, and how it is kept.
#[derive(Debug)]
pub(super) struct Ranges {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: CacheConfig,
    cache: RangeCache,
    /// The world in which what is known holds.
    world: Arc<World>,
    /// How often there was another configuration.
    reloads: u64,
}

/// A query in parts.
struct Divided {
    query: RangeQuery,
    parts: Vec<Planned>,
    epoch: u64,
    /// Until when samples do not change any more; Unix milliseconds.
    settled: i64,
}

/// What was asked.
struct Asked {
    place: usize,
    gap: Gap,
    reply: Reply,
}

impl Ranges {
    pub(super) fn new(config: CacheConfig) -> Self {
        let state = State {
            cache: RangeCache::new(config.max_bytes),
            config,
            world: Arc::default(),
            reloads: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes another configuration, and forgets everything.
    pub(super) fn reset(&self, config: CacheConfig) {
        let mut state = self.state();
        state.cache.reset(config.max_bytes);
        state.config = config;
        state.reloads += 1;
    }

    /// How often there was another configuration; to be asked for before its endpoints are.
    pub(super) fn reloads(&self) -> u64 {
        self.state().reloads
    }

    pub(super) fn counts(&self) -> CacheCounts {
        self.state().cache.counts()
    }

    /// Cuts a query, if it may be answered in parts. One that asks the endpoints of an earlier configuration neither knows nor
    /// tells anything.
    fn divide(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        begun: &Begun,
    ) -> Option<Divided> {
        if self.state().config.max_bytes == 0 {
            return None;
        }
        let query = RangeQuery::new(expr, steps, options)?;
        let mut state = self.state();
        if state.reloads != begun.reloads {
            return None;
        }
        if state.world != begun.world {
            let max_bytes = state.config.max_bytes;
            state.cache.reset(max_bytes);
            state.world = Arc::clone(&begun.world);
        }
        let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis());
        let split = millis(state.config.split_interval).unwrap_or(i64::MAX);
        let min_age = millis(state.config.min_age).unwrap_or(i64::MAX);
        let now = begun.context.clock.now().wall.unix_millis();
        Some(Divided {
            parts: state.cache.plan(&query, split),
            epoch: state.cache.epoch(),
            query,
            settled: now.saturating_sub(min_age),
        })
    }
}

impl Federation {
    /// Answers a query of many times in parts; none if it must be asked as a whole.
    pub(super) async fn answer_in_parts(
        &self,
        begun: &Begun,
        expr: &Expr,
        steps: Steps,
        options: Options,
    ) -> Option<Result<Reply, QueryError>> {
        let divided = self.ranges.divide(expr, steps, options, begun)?;
        // Boxed, since most queries are of one time.
        Some(Box::pin(self.answer_divided(begun, expr, divided)).await)
    }

    async fn answer_divided(
        &self,
        begun: &Begun,
        expr: &Expr,
        divided: Divided,
    ) -> Result<Reply, QueryError> {
        let asked = ask(begun, expr, &divided).await?;
        let ranges = Arc::clone(&self.ranges);
        let max_samples = begun.context.max_samples;
        let finish = move || finish(&ranges, divided, asked, max_samples);
        match tokio::task::spawn_blocking(finish).await {
            Ok(reply) => reply,
            Err(_panic) => Err(QueryError::Failed),
        }
    }
}

/// Asks for the parts that are not known, a few at a time. When this future is dropped, so are they.
async fn ask(begun: &Begun, expr: &Expr, divided: &Divided) -> Result<Vec<Asked>, QueryError> {
    let parts = divided.parts.iter().enumerate();
    let mut waiting = parts.filter_map(|(place, part)| match part {
        Planned::Asked(gap) => Some((place, *gap)),
        Planned::Kept(..) => None,
    });
    let mut running = JoinSet::new();
    let mut all = Vec::new();
    loop {
        while running.len() < MOST_AT_ONCE
            && let Some((place, gap)) = waiting.next()
        {
            let (begun, expr, steps) = (begun.clone(), expr.clone(), divided.query.steps(gap));
            running.spawn(async move {
                let reply = begun.ask(&expr, steps).await?;
                Ok::<_, QueryError>(Asked { place, gap, reply })
            });
        }
        match running.join_next().await {
            None => return Ok(all),
            Some(Ok(asked)) => all.push(asked?),
            Some(Err(_panic)) => return Err(QueryError::Failed),
        }
    }
}

/// Keeps what does not change any more and puts everything together.
fn finish(
    ranges: &Ranges,
    divided: Divided,
    mut asked: Vec<Asked>,
    max_samples: usize,
) -> Result<Reply, QueryError> {
    asked.sort_by_key(|one| one.place);
    for one in &asked {
        // A partition may be optional for a user, but what was asked without it is not what it will be.
        if one.reply.answer.missing.is_empty() {
            let output = &one.reply.answer.output;
            let blocks = cut(&divided.query, one.gap, output, divided.settled);
            ranges
                .state()
                .cache
                .keep(&divided.query, divided.epoch, blocks);
        }
    }
    let mut explain = Explain {
        steps: divided.query.count(),
        ..Explain::default()
    };
    let mut answers = Vec::new();
    let mut asked = asked.into_iter();
    let mut parts = Vec::new();
    for part in divided.parts {
        match part {
            Planned::Kept(block, gap) => {
                explain.known_steps += gap.count();
                parts.push(Part::Kept(block, gap));
            }
            Planned::Asked(_) => {
                let Some(Asked { mut reply, .. }) = asked.next() else {
                    return Err(QueryError::Failed);
                };
                let output = std::mem::replace(&mut reply.answer.output, nothing());
                parts.push(Part::Asked(output));
                explain.add(reply.explain);
                answers.push(reply.answer);
            }
        }
    }
    let output = assemble(&divided.query, parts);
    if samples(&output) > max_samples {
        return Err(QueryError::TooManySamples { most: max_samples });
    }
    Ok(Reply {
        answer: Answer::of_parts(output, answers),
        explain,
    })
}

fn nothing() -> Output {
    Output {
        value: Value::Matrix(Vec::new()),
        annotations: Default::default(),
    }
}

fn samples(output: &Output) -> usize {
    let Value::Matrix(series) = &output.value else {
        return 0;
    };
    let of = |series: &crate::promql::Series| {
        let histograms = series.histograms.values.iter();
        let histograms: usize = histograms.map(|one| one.size()).sum();
        series.floats.values.len() + histograms
    };
    series.iter().map(of).sum()
}
