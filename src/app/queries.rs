//! `--query.config-file`: reads it, and answers the API's queries over its endpoints.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    runtime,
    time::{Interval, MissedTickBehavior},
};

use super::config_file::{ConfigError, read_bounded};
use crate::{
    api::prometheus::{
        Answering, ApiFailure, ErrorType, Explanation, Found, GlobalAnswer, GlobalQuery, Lookup,
        LookupScope, Querier,
    },
    config::{LoadEnv, QueryConfig, load_query},
    io::{
        Clock, HttpClients,
        federation::{
            Explain, Federation, FederationStatus, LookupAnswer, LookupRequest, QueryError, Reply,
            Subject,
        },
        spawn,
    },
    labels::LabelSet,
    promql::{engine::Options, parse::parse_selector},
};

/// A larger file is no configuration.
const MAX_FILE: u64 = 16 << 20;

/// How long a query may take unless it says otherwise; Prometheus's `--query.timeout`.
const TIMEOUT: Duration = Duration::from_mins(2);

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
    /// What else is wrong.
    remarks: Mutex<Vec<String>>,
}

impl Queries {
    /// Reads the file. Without a name of one there are no endpoints, and no queries unless there are rules: what the node
    /// measures of itself can be asked for then.
    pub(super) fn open(
        file: &Path,
        has_rules: bool,
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
        })))
    }

    /// The endpoints, for the rules.
    pub(super) fn federation(&self) -> &Arc<Federation> {
        &self.federation
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
            ..options()
        };
        let wanted = query.timeout.and_then(|millis| u64::try_from(millis).ok());
        let timeout = wanted.map_or(TIMEOUT, Duration::from_millis).min(TIMEOUT);
        let (federation, expr, steps) = (&self.federation, &query.expr, query.steps);
        let reply = if query.afresh {
            federation.query_afresh(expr, steps, options, timeout).await
        } else {
            federation.query(expr, steps, options, timeout).await
        };
        let reply = reply.map_err(|error| refused(&error))?;
        self.tell_missing(&reply);
        let missing = reply.warnings();
        let explain = reply.explain;
        Ok(GlobalAnswer {
            output: reply.answer.output,
            missing,
            explanation: Explanation::new(move || explained(&explain)),
        })
    }

    async fn find(
        &self,
        lookup: Lookup,
        scope: LookupScope,
    ) -> Result<(Found, Vec<String>), ApiFailure> {
        let subject = match &lookup {
            Lookup::Series => Subject::Series,
            Lookup::LabelNames => Subject::LabelNames,
            Lookup::LabelValues(name) => Subject::LabelValues(name.clone()),
        };
        let request = request(subject, &scope)?;
        let answers = self.federation.look_up(&request, TIMEOUT).await;
        let found = match &lookup {
            Lookup::Series => Found::Series(all_series(&answers)),
            Lookup::LabelNames => Found::Texts(all_names(&answers)),
            Lookup::LabelValues(name) => Found::Texts(all_values(&answers, name)),
        };
        Ok((found, missing(&answers)))
    }

    async fn find_exemplars(&self, scope: LookupScope) -> Result<(Value, Vec<String>), ApiFailure> {
        if scope.selectors.is_empty() {
            return Ok((Value::Array(Vec::new()), Vec::new()));
        }
        let request = request(Subject::Exemplars, &scope)?;
        let answers = self.federation.look_up(&request, TIMEOUT).await;
        Ok((all_exemplars(&answers), missing(&answers)))
    }

    async fn describe(&self, metric: Option<String>) -> Result<(Value, Vec<String>), ApiFailure> {
        let request = LookupRequest {
            subject: Subject::Metadata,
            selectors: Vec::new(),
            params: metric
                .map(|metric| ("metric", metric))
                .into_iter()
                .collect(),
        };
        let answers = self.federation.look_up(&request, TIMEOUT).await;
        Ok((all_metadata(&answers), missing(&answers)))
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

/// The question about what is in a scope.
fn request(subject: Subject, scope: &LookupScope) -> Result<LookupRequest, ApiFailure> {
    let mut selectors = Vec::new();
    for selector in &scope.selectors {
        let parsed = parse_selector(selector);
        let parsed =
            parsed.map_err(|error| ApiFailure::new(ErrorType::BadData, error.to_string()))?;
        selectors.push(parsed);
    }
    let seconds = |millis: i64| (millis as f64 / 1000.0).to_string();
    let start = scope.start.map(|time| ("start", seconds(time)));
    let end = scope.end.map(|time| ("end", seconds(time)));
    Ok(LookupRequest {
        subject,
        selectors,
        params: start.into_iter().chain(end).collect(),
    })
}

/// How expressions are evaluated; how many samples they may hold is the matter of the file of endpoints.
#[must_use]
pub fn options() -> Options {
    Options {
        lookback: LOOKBACK,
        subquery_step: SUBQUERY_STEP,
        max_samples: usize::MAX,
        delayed_name_removal: false,
        use_start_timestamps: false,
        type_and_unit_labels: false,
    }
}

/// Reads a file of endpoints; there are none if it has no name.
pub(super) fn load(file: &Path) -> Result<QueryConfig, ConfigError> {
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
        | QueryError::TooManyBytes { .. }
        | QueryError::Failed => ErrorType::Execution,
    };
    ApiFailure::new(kind, error.to_string())
}

fn explained(explain: &Explain) -> Value {
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
        "local": explain.local,
        "askedAgainBecause": explain.again,
        "steps": explain.steps,
        "knownSteps": explain.known_steps,
        "requests": requests.collect::<Vec<_>>(),
    })
}

fn labels(set: &LabelSet) -> Value {
    let pairs = set
        .iter()
        .map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn missing(answers: &[LookupAnswer]) -> Vec<String> {
    let failed = answers.iter().filter_map(|answer| {
        let reason = answer.data.as_ref().err()?;
        Some(format!(
            "partition {} is missing: {reason}",
            answer.partition
        ))
    });
    failed.collect()
}

/// The elements of all answers, each with what it came from.
fn elements(answers: &[LookupAnswer]) -> impl Iterator<Item = (&LookupAnswer, &Value)> {
    answers.iter().flat_map(|answer| {
        let list = answer.data.as_ref().ok().and_then(Value::as_array);
        list.into_iter().flatten().map(move |value| (answer, value))
    })
}

fn all_series(answers: &[LookupAnswer]) -> Vec<LabelSet> {
    let mut all: Vec<LabelSet> = elements(answers)
        .filter_map(|(answer, value)| {
            let pairs = value.as_object()?.iter();
            let pairs = pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
            let attached = answer.partition.iter().filter(|_| answer.attach);
            Some(LabelSet::from_pairs(pairs.chain(attached)))
        })
        .collect();
    all.sort_by(|a, b| a.iter().cmp(b.iter()));
    all.dedup();
    all
}

fn texts<'a>(answers: &'a [LookupAnswer]) -> impl Iterator<Item = String> + 'a {
    let texts = elements(answers).filter_map(|(_, value)| value.as_str());
    texts.map(ToOwned::to_owned)
}

/// The answers of partitions that have anything.
fn present(answers: &[LookupAnswer]) -> impl Iterator<Item = &LookupAnswer> {
    answers.iter().filter(|answer| {
        let list = answer.data.as_ref().ok().and_then(Value::as_array);
        answer.attach && list.is_some()
    })
}

fn all_names(answers: &[LookupAnswer]) -> Vec<String> {
    let mut names: BTreeSet<String> = texts(answers).collect();
    for answer in present(answers) {
        names.extend(answer.partition.iter().map(|(name, _)| name.to_owned()));
    }
    names.into_iter().collect()
}

fn all_values(answers: &[LookupAnswer], name: &str) -> Vec<String> {
    let mut values: BTreeSet<String> = texts(answers).collect();
    for answer in present(answers) {
        values.extend(answer.partition.get(name).map(ToOwned::to_owned));
    }
    values.into_iter().collect()
}

/// The exemplars of each series, with the labels of its partition, sorted.
fn all_exemplars(answers: &[LookupAnswer]) -> Value {
    let mut all: HashMap<LabelSet, Vec<Value>> = HashMap::new();
    for (answer, element) in elements(answers) {
        let labels = element.get("seriesLabels").and_then(Value::as_object);
        let exemplars = element.get("exemplars").and_then(Value::as_array);
        let (Some(labels), Some(exemplars)) = (labels, exemplars) else {
            continue;
        };
        let pairs = labels.iter();
        let pairs = pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let attached = answer.partition.iter().filter(|_| answer.attach);
        let known = all.entry(LabelSet::from_pairs(pairs.chain(attached)));
        known.or_default().extend(exemplars.iter().cloned());
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|(a, _), (b, _)| a.iter().cmp(b.iter()));
    let all = all.into_iter().map(
        |(series, exemplars)| json!({"seriesLabels": labels(&series), "exemplars": exemplars}),
    );
    Value::Array(all.collect())
}

fn all_metadata(answers: &[LookupAnswer]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for answer in answers {
        let Some(metrics) = answer.data.as_ref().ok().and_then(Value::as_object) else {
            continue;
        };
        for (name, entries) in metrics {
            let known = all.entry(name.clone()).or_insert_with(|| json!([]));
            let (Some(known), Some(entries)) = (known.as_array_mut(), entries.as_array()) else {
                continue;
            };
            for entry in entries {
                if !known.contains(entry) {
                    known.push(entry.clone());
                }
            }
        }
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cluster: &str, data: Value) -> LookupAnswer {
        LookupAnswer {
            partition: LabelSet::from_pairs([("cluster", cluster)]),
            attach: true,
            data: Ok(data),
        }
    }

    #[test]
    fn what_partitions_know_is_put_together() {
        let series = [
            answer("eu", json!([{"__name__": "up", "job": "a"}])),
            answer("us", json!([{"__name__": "up", "job": "a"}])),
            LookupAnswer {
                data: Err("it does not answer in time".to_owned()),
                ..answer("ap", Value::Null)
            },
        ];
        let sets: Vec<String> = all_series(&series)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            sets,
            [
                r#"{__name__="up", cluster="eu", job="a"}"#,
                r#"{__name__="up", cluster="us", job="a"}"#
            ]
        );
        assert_eq!(
            missing(&series),
            [r#"partition {cluster="ap"} is missing: it does not answer in time"#]
        );
        let exemplar = json!({"labels": {"trace": "t"}, "value": "6", "timestamp": 1.5});
        let has = |job: &str| json!([{"seriesLabels": {"__name__": "x", "job": job}, "exemplars": [exemplar]}]);
        let found = all_exemplars(&[answer("us", has("b")), answer("eu", has("b"))]);
        assert_eq!(
            found,
            json!([
                {"seriesLabels": {"__name__": "x", "cluster": "eu", "job": "b"}, "exemplars": [exemplar]},
                {"seriesLabels": {"__name__": "x", "cluster": "us", "job": "b"}, "exemplars": [exemplar]},
            ])
        );
        let names = [
            answer("eu", json!(["job"])),
            answer("us", json!(["job", "instance"])),
        ];
        assert_eq!(all_names(&names), ["cluster", "instance", "job"]);
        assert_eq!(all_values(&[answer("eu", json!([]))], "cluster"), ["eu"]);
    }
}
