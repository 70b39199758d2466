//! `--query.config-file`: reads it, and answers the API's queries over its endpoints.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    runtime,
    time::{Instant, Interval, MissedTickBehavior},
};

use super::{
    config_file::{ConfigError, read_bounded},
    lookups,
};
use crate::{
    api::prometheus::{
        Answering, ApiFailure, ErrorType, Explanation, Found, GlobalAnswer, GlobalQuery, Lookup,
        LookupScope, Querier,
    },
    config::{LoadEnv, QueryConfig, load_query},
    io::{
        Clock, HttpClients,
        federation::{
            Explain, Federation, FederationStatus, LookupAnswer, LookupRequest, Query, QueryError,
            Reply, Subject,
        },
        spawn,
    },
    labels::LabelSet,
    promql::{Language, engine::Options},
};

/// A larger file is no configuration.
const MAX_FILE: u64 = 16 << 20;

/// How long a query may take unless it says otherwise; Prometheus's `--query.timeout`.
const TIMEOUT: Duration = Duration::from_mins(2);

/// What is left at most of the time of a request to put its answer together and send it.
const RESERVE: Duration = Duration::from_secs(1);

/// Prometheus's `--query.lookback-delta`, in milliseconds.
const LOOKBACK: i64 = 300_000;

/// The step of subqueries that name none: Prometheus's default evaluation interval, in milliseconds.
const SUBQUERY_STEP: i64 = 60_000;

/// How often it is looked which endpoints are to be looked for, and which are to be asked whether they are there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The endpoints of the file.
#[derive(Debug)]
pub(super) struct Queries {
    file: PathBuf,
    federation: Arc<Federation>,
    /// The partitions of which the log says that they are missing.
    missing: Mutex<Vec<LabelSet>>,
    /// What the file says.
    config: Mutex<Arc<QueryConfig>>,
    /// The parts of PromQL that are on.
    language: Language,
    /// How long a query may take.
    longest: Duration,
    /// What else is wrong.
    remarks: Mutex<Vec<String>>,
}

impl Queries {
    /// Reads the file. Without a name of one there are no endpoints, and no queries unless there are rules: what the node
    /// measures of itself can be asked for then.
    pub(super) fn open(
        file: &Path,
        has_rules: bool,
        language: Language,
        web_timeout: Duration,
        clock: Clock,
    ) -> Result<Option<Arc<Self>>, ConfigError> {
        let named = !file.as_os_str().is_empty();
        if !named && !has_rules {
            return Ok(None);
        }
        let config = load(file)?;
        if named {
            tracing::info!(
                file = %file.display(),
                endpoints = config.endpoints.len(),
                "queries go to the endpoints of the file"
            );
        }
        let http = Arc::new(HttpClients::new(clock));
        Ok(Some(Arc::new(Self {
            config: Mutex::new(Arc::new(config.clone())),
            remarks: Mutex::default(),
            file: file.to_owned(),
            federation: Arc::new(Federation::new(http, clock, config)),
            missing: Mutex::default(),
            language,
            longest: longest(web_timeout),
        })))
    }

    /// The endpoints, for the rules.
    pub(super) fn federation(&self) -> &Arc<Federation> {
        &self.federation
    }

    /// The parts of PromQL that are on.
    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// Reads the file again, for [`take`](Self::take) once all other files are right as well.
    pub(super) fn read(&self) -> Result<QueryConfig, ConfigError> {
        load(&self.file).inspect_err(|error| {
            tracing::error!(file = %self.file.display(), err = %error, "the endpoints stay as they were");
        })
    }

    /// Puts endpoints into force; queries that run end as they began.
    pub(super) fn take(&self, config: QueryConfig) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
        self.federation.reload(config);
    }

    /// What the file says.
    pub(super) fn config(&self) -> Arc<QueryConfig> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows remarks among the problems of endpoints, in place of those before.
    pub(super) fn remark(&self, remarks: Vec<String>) {
        *self.remarks.lock().unwrap_or_else(PoisonError::into_inner) = remarks;
    }

    /// Looks after the endpoints for as long as this is in use.
    pub(super) fn watch(self: &Arc<Self>, runtime: &runtime::Handle) {
        let this = Arc::downgrade(self);
        spawn(runtime, "discovery", async move {
            let mut ticks = ticks();
            loop {
                ticks.tick().await;
                let Some(this) = this.upgrade() else { return };
                this.federation.discover().await;
            }
        });
        let this = Arc::downgrade(self);
        spawn(runtime, "endpoints", async move {
            let mut ticks = ticks();
            loop {
                ticks.tick().await;
                let Some(this) = this.upgrade() else { return };
                this.federation.probe().await;
            }
        });
    }

    /// Tells the log when a partition begins to be missing and when it answers again, not at each query.
    pub(super) fn tell_missing(&self, reply: &Reply) {
        let mut known = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = reply
            .answer
            .missing
            .iter()
            .zip(&reply.answer.missing_labels);
        for (missing, partition) in missing {
            if !known.contains(partition) {
                tracing::warn!(
                    %partition,
                    reason = missing.reason,
                    "queries and rules are answered without a partition: look at its endpoints"
                );
                known.push(partition.clone());
            }
        }
        let labels = &reply.answer.missing_labels;
        let answered = reply.explain.requests.iter();
        let answered = answered.filter(|request| request.error.is_none());
        for request in answered.filter(|request| !labels.contains(&request.partition)) {
            if known.contains(&request.partition) {
                tracing::info!(partition = %request.partition, "the partition answers queries again");
                known.retain(|partition| *partition != request.partition);
            }
        }
    }

    async fn run(&self, query: GlobalQuery) -> Result<GlobalAnswer, ApiFailure> {
        let options = Options {
            lookback: query.lookback.unwrap_or(LOOKBACK),
            ..options(self.language)
        };
        let timeout = self.within(query.timeout);
        let (federation, expr, steps) = (&self.federation, &query.expr, query.steps);
        let began = Instant::now();
        let asked = Query::recurring(expr, steps, options, timeout);
        let asked = match query.afresh {
            true => asked.afresh(),
            false => asked,
        };
        let reply = federation.query(asked).await;
        let reply = reply.map_err(|error| refused(&error))?;
        self.tell_missing(&reply);
        let missing = reply.warnings();
        let (explain, took) = (reply.explain, began.elapsed());
        Ok(GlobalAnswer {
            output: reply.answer.output,
            missing,
            explanation: Explanation::new(move || explained(&explain, took)),
        })
    }

    async fn find(
        &self,
        lookup: Lookup,
        scope: LookupScope,
    ) -> Result<(Found, Vec<String>), ApiFailure> {
        let subject = match lookup {
            Lookup::Series => Subject::Series,
            Lookup::LabelNames => Subject::LabelNames,
            Lookup::LabelValues(name) => Subject::LabelValues(name),
        };
        let request = lookups::request(subject, &scope)?;
        let answers = self.looked_up(&request, scope.timeout).await?;
        lookups::put_together(move || lookups::found(&request, answers)).await
    }

    async fn find_exemplars(&self, scope: LookupScope) -> Result<(Value, Vec<String>), ApiFailure> {
        if scope.selectors.is_empty() {
            return Ok((Value::Array(Vec::new()), Vec::new()));
        }
        let request = lookups::request(Subject::Exemplars, &scope)?;
        let answers = self.looked_up(&request, scope.timeout).await?;
        lookups::put_together(move || lookups::exemplars(&answers)).await
    }

    async fn describe(&self, metric: Option<String>) -> Result<(Value, Vec<String>), ApiFailure> {
        let request = LookupRequest {
            subject: Subject::Metadata,
            selectors: Vec::new(),
            params: metric
                .map(|metric| ("metric", metric))
                .into_iter()
                .collect(),
            limit: None,
        };
        let answers = self.looked_up(&request, None).await?;
        lookups::put_together(move || lookups::metadata(answers)).await
    }

    /// How long something may take of which a client says how many milliseconds it wants to wait, if it does.
    fn within(&self, wanted: Option<i64>) -> Duration {
        let wanted = wanted.and_then(|millis| u64::try_from(millis).ok());
        wanted.map_or(self.longest, |millis| {
            Duration::from_millis(millis).min(self.longest)
        })
    }

    async fn looked_up(
        &self,
        request: &LookupRequest,
        wanted: Option<i64>,
    ) -> Result<Vec<LookupAnswer>, ApiFailure> {
        let answers = self.federation.look_up(request, self.within(wanted)).await;
        answers.map_err(|error| refused(&error))
    }
}

impl Querier for Queries {
    fn query(&self, query: GlobalQuery) -> Answering<'_, GlobalAnswer> {
        Box::pin(self.run(query))
    }

    fn lookup(&self, lookup: Lookup, scope: LookupScope) -> Answering<'_, (Found, Vec<String>)> {
        Box::pin(self.find(lookup, scope))
    }

    fn metadata(&self, metric: Option<String>) -> Answering<'_, (Value, Vec<String>)> {
        Box::pin(self.describe(metric))
    }

    fn exemplars(&self, scope: LookupScope) -> Answering<'_, (Value, Vec<String>)> {
        Box::pin(self.find_exemplars(scope))
    }

    fn status(&self) -> FederationStatus {
        let remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        FederationStatus {
            remarks: remarks.clone(),
            ..self.federation.status()
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// How long queries may take, if requests may take so long, or without end if that is zero: they end a little earlier, so
/// that what is known by then is answered, and not that the request took too long.
fn longest(web_timeout: Duration) -> Duration {
    if web_timeout.is_zero() {
        return TIMEOUT;
    }
    let reserve = (web_timeout / 10).min(RESERVE);
    TIMEOUT.min(web_timeout.saturating_sub(reserve))
}

/// How expressions are evaluated; how many samples they may hold is the matter of the file of endpoints.
#[must_use]
pub fn options(language: Language) -> Options {
    Options {
        lookback: LOOKBACK,
        subquery_step: SUBQUERY_STEP,
        max_samples: usize::MAX,
        delayed_name_removal: language.delayed_name_removal,
        use_start_timestamps: false,
        type_and_unit_labels: false,
    }
}

/// Reads a file of endpoints; there are none if it has no name.
///
/// # Errors
/// When it cannot be read, or is wrong: all mistakes with line and column.
pub fn load(file: &Path) -> Result<QueryConfig, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(QueryConfig::default());
    }
    let bytes = read_bounded(file, MAX_FILE).map_err(|reason| ConfigError::Read {
        path: file.to_owned(),
        reason,
    })?;
    Ok(load_query(
        &bytes,
        &LoadEnv::for_file(&file.to_string_lossy()),
    )?)
}

fn refused(error: &QueryError) -> ApiFailure {
    let kind = match error {
        QueryError::TimedOut | QueryError::Queued { .. } => ErrorType::Timeout,
        QueryError::Refused(_)
        | QueryError::Histograms { .. }
        | QueryError::TooManySamples { .. }
        | QueryError::TooManyPlaces { .. }
        | QueryError::TooManyBytes { .. } => ErrorType::Execution,
        QueryError::Failed => ErrorType::Internal,
    };
    ApiFailure::new(kind, error.to_string())
}

/// How a query was answered, with what Prometheus tells in `stats` (`util/stats/query_stats.go`): `took` from its arrival to
/// its answer, of which it waited for its turn, and then for endpoints.
fn explained(explain: &Explain, took: Duration) -> Value {
    let waited = explain.requests.iter().map(|request| request.took);
    let queued = explain.queued.min(took);
    let evaluated = took - queued;
    let waited = waited.max().unwrap_or_default().min(evaluated);
    let samples: usize = explain.requests.iter().map(|one| one.samples).sum();
    let requests = explain.requests.iter().map(|request| {
        json!({
            "fragment": request.fragment,
            "partition": labels(&request.partition),
            "endpoint": request.endpoint,
            "replica": request.replica,
            "query": request.query,
            "milliseconds": request.took.as_secs_f64() * 1000.0,
            "bytes": request.bytes,
            "series": request.series,
            "samples": request.samples,
            "remoteRead": request.remote_read,
            "joined": request.joined,
            "filled": request.filled,
            "error": request.error,
        })
    });
    json!({
        "timings": {
            "evalTotalTime": evaluated.as_secs_f64(),
            "resultSortTime": 0,
            "queryPreparationTime": waited.as_secs_f64(),
            "innerEvalTime": (evaluated - waited).as_secs_f64(),
            "execQueueTime": queued.as_secs_f64(),
            "execTotalTime": took.as_secs_f64(),
        },
        "samples": {
            "totalQueryableSamples": samples,
            "samplesRead": samples,
            "peakSamples": samples,
        },
        "local": explain.local(),
        "askedAgainBecause": explain.again,
        "steps": explain.steps,
        "knownSteps": explain.known_steps,
        "requests": requests.collect::<Vec<_>>(),
    })
}

pub(super) fn labels(set: &LabelSet) -> Value {
    let pairs = set
        .iter()
        .map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::federation::Request;

    #[test]
    fn times_are_told_as_prometheus_tells_them() {
        let timings = |queued, endpoint, took| {
            let request = Request {
                fragment: None,
                partition: LabelSet::empty(),
                endpoint: Arc::default(),
                replica: Arc::default(),
                query: Arc::default(),
                joined: false,
                took: Duration::from_secs(endpoint),
                bytes: 0,
                series: 0,
                samples: 0,
                remote_read: false,
                filled: 0,
                error: None,
            };
            let explain = Explain {
                queued: Duration::from_secs(queued),
                requests: vec![request],
                ..Explain::default()
            };
            let shown = explained(&explain, Duration::from_secs(took));
            let names = [
                "execTotalTime",
                "execQueueTime",
                "evalTotalTime",
                "queryPreparationTime",
                "innerEvalTime",
            ];
            names.map(|name| shown["timings"][name].as_f64().unwrap())
        };
        assert_eq!(timings(2, 3, 9), [9.0, 2.0, 7.0, 3.0, 4.0]);
        assert_eq!(timings(0, 3, 9), [9.0, 0.0, 9.0, 3.0, 6.0]);
        // Clocks of parts may differ by a little.
        assert_eq!(timings(2, 3, 4), [4.0, 2.0, 2.0, 2.0, 0.0]);
        assert_eq!(timings(5, 3, 4), [4.0, 4.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn queries_end_before_their_requests_do() {
        let seconds = Duration::from_secs_f64;
        for (web, query) in [
            (0.0, 120.0),
            (600.0, 120.0),
            (60.0, 59.0),
            (5.0, 4.5),
            (0.1, 0.09),
        ] {
            assert_eq!(longest(seconds(web)), seconds(query), "{web}");
        }
    }
}
