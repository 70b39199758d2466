//! Which series, label names and label values there are, and what metrics mean: asked of every partition.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};
use url::form_urlencoded::Serializer;

use super::{
    client::{Federation, LEARNING},
    context::Context,
    decode::Metric,
    endpoint::Endpoint,
    endpoints::Replicas,
    query::QueryError,
    question::Failure,
    request::Request,
    stats::QueryKind,
};
use crate::{
    config::{EndpointKind, LabelMode},
    federation::Dialect,
    labels::{LabelSet, Matcher, is_classic_name, path_of_name},
    promql::{Span, ast},
};

/// Answers that are larger are read on a thread that may take its time; bytes.
const LARGE: usize = 64 * 1024;

/// What Prometheus and its like warn of where `limit` left something out.
const TRUNCATED: &str = "results truncated due to limit";

/// Samples do not count here.
const NO_SAMPLES: usize = 0;

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The series that match.
    Series,
    /// The names of their labels.
    LabelNames,
    /// The values of one of their labels.
    LabelValues(String),
    /// What metrics mean, which takes no selectors.
    Metadata,
    /// Their exemplars.
    Exemplars,
}

impl Subject {
    /// What follows `/api/v1/`.
    fn path(&self) -> Cow<'static, str> {
        match self {
            Self::Series => "series".into(),
            Self::LabelNames => "labels".into(),
            Self::LabelValues(name) => format!("label/{}/values", path_of_name(name)).into(),
            Self::Metadata => "metadata".into(),
            Self::Exemplars => "query_exemplars".into(),
        }
    }
}

/// A question about what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupRequest {
    /// What is looked up.
    pub subject: Subject,
    /// Selectors, of which any may match; none for everything.
    pub selectors: Vec<Vec<Matcher>>,
    /// Other parameters.
    pub params: Vec<(&'static str, String)>,
    /// How many series, names or values are wanted; none for all. A partition is asked for one more, which shows that
    /// there are more.
    pub limit: Option<usize>,
}

/// What there is.
#[derive(Clone, Debug, PartialEq)]
pub enum LookedUp {
    /// Label sets.
    Series(Vec<LabelSet>),
    /// Names or values.
    Texts(Vec<String>),
    /// Metadata or exemplars, as the API has them.
    Json(Value),
}

/// What one partition answered.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupAnswer {
    /// The labels of the partition.
    pub partition: LabelSet,
    /// Whether they are to be attached.
    pub attach: bool,
    /// The `data` of the answer, or why there is none.
    pub data: Result<LookedUp, String>,
}

impl Federation {
    /// Asks all partitions that may know, when it is the turn of this, and looks among what the node measures of itself;
    /// replicas that fail are followed by others.
    ///
    /// # Errors
    /// When queries and other lookups have all turns until the time is over.
    pub async fn look_up(
        &self,
        request: &LookupRequest,
        timeout: Duration,
    ) -> Result<Vec<LookupAnswer>, QueryError> {
        let now = Instant::now();
        let (own, rest) = self.own().look_up(request);
        let asked = match &rest {
            Some(rest) => self.look_up_elsewhere(rest, now, timeout).await,
            None => Ok(Vec::new()),
        };
        self.stats.took(QueryKind::Lookup, now.elapsed());
        let mut answers = asked.inspect_err(|error| self.stats.failed(error))?;
        let is_partial = answers.iter().any(|answer| answer.data.is_err());
        self.stats.answered(is_partial, 0);
        answers.extend(own);
        Ok(answers)
    }

    async fn look_up_elsewhere(
        &self,
        request: &LookupRequest,
        now: Instant,
        timeout: Duration,
    ) -> Result<Vec<LookupAnswer>, QueryError> {
        let deadline = now + timeout;
        let _turn = self.limits.turn(deadline).await?;
        let context = self.context(NO_SAMPLES, self.limits.budget());
        let endpoints = self.endpoints();
        endpoints
            .learn(&context, deadline.min(now + LEARNING))
            .await;
        let mut asked = JoinSet::new();
        for (at, replicas) in endpoints.partitions.iter().enumerate() {
            if !may_know(request, replicas) {
                continue;
            }
            let (endpoints, context) = (Arc::clone(&endpoints), Arc::clone(&context));
            let request = request.clone();
            asked.spawn(async move {
                let replicas = endpoints.partitions.get(at)?;
                let (data, attach) = ask(replicas, &context, &request, deadline).await;
                let answer = LookupAnswer {
                    partition: replicas.labels.clone(),
                    attach,
                    data: data.map_err(|failure| failure.reason),
                };
                Some((at, answer))
            });
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.extend(answer.ok().flatten());
        }
        answers.sort_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }
}

fn attaches(endpoint: &Arc<Endpoint>) -> bool {
    endpoint.config.label_mode == LabelMode::Attach
}

/// What an endpoint is told of the labels of its partition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing: it does not know them.
    Nothing,
    /// What the selector says of them.
    Selector,
    /// All of them: beside replicas that have the partition alone, it may have others.
    All,
}

fn told(endpoint: &Arc<Endpoint>, replicas: &Replicas) -> Told {
    match attaches(endpoint) {
        true => Told::Nothing,
        false if replicas.endpoints.iter().any(attaches) => Told::All,
        false => Told::Selector,
    }
}

/// Whether replicas may have what any of the selectors matches.
fn may_know(request: &LookupRequest, replicas: &Replicas) -> bool {
    let all = request.selectors.iter();
    let mut selectors = all.map(|selector| {
        let mut told = replicas.endpoints.iter().map(|one| told(one, replicas));
        told.any(|told| selector_for(selector, &replicas.labels, told).is_some())
    });
    request.selectors.is_empty() || selectors.any(|may| may)
}

/// The parameters for an endpoint.
fn form(request: &LookupRequest, replicas: &Replicas, told: Told) -> String {
    let mut form = Serializer::new(String::new());
    for (name, value) in &request.params {
        form.append_pair(name, value);
    }
    if let Some(limit) = request.limit {
        form.append_pair("limit", &limit.saturating_add(1).to_string());
    }
    let any = [Vec::new()];
    let selectors = match request.selectors.as_slice() {
        [] if told == Told::All && request.subject != Subject::Metadata => any.as_slice(),
        selectors => selectors,
    };
    let selectors = selectors.iter();
    let selectors: Vec<String> = selectors
        .filter_map(|selector| selector_for(selector, &replicas.labels, told))
        .collect();
    if selectors.is_empty() {
        return form.finish();
    }
    if request.subject == Subject::Exemplars {
        // An expression, of which the selectors count.
        form.append_pair("query", &selectors.join(" or "));
    } else {
        for selector in &selectors {
            form.append_pair("match[]", selector);
        }
    }
    form.finish()
}

/// A selector without what the partition's labels decide; none if they do not match.
fn selector_for(selector: &[Matcher], partition: &LabelSet, told: Told) -> Option<String> {
    let decided =
        |matcher: &&Matcher| told != Told::Selector && partition.get(matcher.name()).is_some();
    if !selector
        .iter()
        .filter(decided)
        .all(|matcher| matcher.matches(partition))
    {
        return None;
    }
    let mut matchers: Vec<Matcher> = selector
        .iter()
        .filter(|one| !decided(one))
        .cloned()
        .collect();
    if told == Told::All {
        let own = partition.iter();
        matchers.extend(own.filter_map(|(name, value)| equal(name, value)));
    }
    if matchers.iter().all(|matcher| matcher.matches_value("")) {
        let any = Matcher::new(crate::labels::MatchOp::NotEqual, "__name__", "");
        matchers.extend(any);
    }
    let vector = ast::VectorSelector {
        name: String::new(),
        matchers,
        shift: ast::TimeShift::default(),
        extended: ast::Extended::No,
    };
    let expr = ast::Expr {
        kind: ast::ExprKind::Vector(vector),
        span: Span::default(),
    };
    Some(expr.to_string())
}

fn equal(name: &str, value: &str) -> Option<Matcher> {
    Matcher::new(crate::labels::MatchOp::Equal, name, value).ok()
}

/// Asks a partition; what it answers, and whether that lacks the labels of the partition.
async fn ask(
    replicas: &Replicas,
    context: &Context,
    request: &LookupRequest,
    deadline: Instant,
) -> (Result<LookedUp, Failure>, bool) {
    let mut last = Failure::new("it has no endpoint");
    let order = replicas.order();
    for (number, endpoint) in order.iter().take(2).enumerate() {
        let now = Instant::now();
        // What is left is for the other replica as well.
        let until = match number {
            0 if order.len() > 1 => now + deadline.saturating_duration_since(now) / 2,
            _ => deadline,
        };
        let read = match attached(endpoint, replicas, &request.subject) {
            Some(value) => {
                let any = fetch(endpoint, replicas, context, &any_name(request), until).await;
                any.map(|any| value_if(value, &any))
            }
            None => fetch(endpoint, replicas, context, request, until).await,
        };
        match read {
            Ok(data) => {
                if number > 0 {
                    replicas.prefer(endpoint);
                }
                return (Ok(data), attaches(endpoint));
            }
            Err(failure) => {
                let failure = endpoint.hidden(context, failure).await;
                last = Failure {
                    reason: format!("{}: {}", endpoint.config.name, failure.reason),
                    ..failure
                }
            }
        }
        if !last.cause.is_of_replica() {
            break;
        }
    }
    (Err(last), true)
}

/// The value of a label of which the values are looked up, if all series of an endpoint get the same here.
fn attached<'r>(
    endpoint: &Arc<Endpoint>,
    replicas: &'r Replicas,
    subject: &Subject,
) -> Option<&'r str> {
    let Subject::LabelValues(name) = subject else {
        return None;
    };
    let value = replicas.labels.get(name);
    value.filter(|_| attaches(endpoint))
}

/// Whether there is anything in the scope of a request.
fn any_name(request: &LookupRequest) -> LookupRequest {
    LookupRequest {
        subject: Subject::LabelNames,
        limit: Some(0),
        ..request.clone()
    }
}

/// A value that all series have, if there are any.
fn value_if(value: &str, any: &LookedUp) -> LookedUp {
    let is_none = matches!(any, LookedUp::Texts(names) if names.is_empty());
    let value = (!is_none).then(|| value.to_owned());
    LookedUp::Texts(value.into_iter().collect())
}

/// Asks an endpoint.
async fn fetch(
    endpoint: &Arc<Endpoint>,
    replicas: &Replicas,
    context: &Context,
    request: &LookupRequest,
    until: Instant,
) -> Result<LookedUp, Failure> {
    if cannot_have(endpoint, &request.subject) {
        return Ok(LookedUp::Texts(Vec::new()));
    }
    let form = form(request, replicas, told(endpoint, replicas));
    let asked = endpoint.fetch(context, to(endpoint, &request.subject, &form), until);
    read(request, asked.await?).await
}

/// Whether an endpoint is of a version that has no labels of such names, and refuses to be asked for them.
fn cannot_have(endpoint: &Endpoint, subject: &Subject) -> bool {
    let old = |dialect: Dialect| dialect == Dialect::Prometheus2;
    let old = endpoint.identity().is_ok_and(|one| old(one.dialect));
    old && matches!(subject, Subject::LabelValues(name) if !is_classic_name(name))
}

/// The request as an endpoint takes it.
fn to(endpoint: &Endpoint, subject: &Subject, form: &str) -> Request {
    let known = endpoint.identity();
    let kind = known.map_or(endpoint.config.kind, |identity| identity.kind);
    let whole = match kind {
        EndpointKind::VictoriaMetrics => "deny_partial_response=1",
        EndpointKind::Thanos => "partial_response=false",
        EndpointKind::Auto
        | EndpointKind::Prometheus
        | EndpointKind::Cortex
        | EndpointKind::Mimir => "",
    };
    let parts = [form, whole].into_iter().filter(|part| !part.is_empty());
    let form = parts.collect::<Vec<_>>().join("&");
    // Prometheus takes no form for the values of a label.
    let takes_form = matches!(
        subject,
        Subject::Series | Subject::LabelNames | Subject::Exemplars
    );
    let path = subject.path();
    match (takes_form, &*form) {
        (_, "") => Request::get(path),
        (true, _) => Request::of_form(&path, form),
        (false, _) => Request::get(format!("{path}?{form}")),
    }
}

/// Reads an answer; a large one where it may take its time, since the mesh lives on the threads of this one.
async fn read(request: &LookupRequest, body: Vec<u8>) -> Result<LookedUp, Failure> {
    let cut = request.limit.is_some();
    if body.len() <= LARGE {
        return data(&request.subject, &body, cut);
    }
    let subject = request.subject.clone();
    let read = tokio::task::spawn_blocking(move || data(&subject, &body, cut)).await;
    read.unwrap_or_else(|_panic| Err(Failure::new("reading its answer failed: this is a bug")))
}

/// An answer.
#[derive(Deserialize)]
struct Body<T> {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(rename = "isPartial", default)]
    is_partial: bool,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    data: Option<T>,
}

impl<T: DeserializeOwned> Body<T> {
    /// Its data, if all of it is there; nothing if it says that there is none. `cut` if it may say that there is more.
    fn read(body: &[u8], cut: bool) -> Result<Option<T>, Failure> {
        let answer: Self = serde_json::from_slice(body)
            .map_err(|error| Failure::new(format!("its answer cannot be read: {error}")))?;
        if answer.status != "success" {
            let error = answer.error.as_deref().unwrap_or("an error");
            return Err(Failure::new(format!("it answers: {error}")));
        }
        if answer.is_partial {
            return Err(Failure::new("its answer is partial"));
        }
        let mut warnings = answer.warnings.iter().flatten();
        match warnings.find(|warning| !cut || *warning != TRUNCATED) {
            Some(warning) => Err(Failure::new(format!("its answer is partial: {warning}"))),
            None => Ok(answer.data),
        }
    }
}

fn data(subject: &Subject, body: &[u8], cut: bool) -> Result<LookedUp, Failure> {
    match subject {
        Subject::Series => {
            let sets: Vec<Metric> = Body::read(body, cut)?.unwrap_or_default();
            let sets = sets.into_iter().map(|Metric(labels)| labels);
            Ok(LookedUp::Series(sets.collect()))
        }
        Subject::LabelNames | Subject::LabelValues(_) => {
            Ok(LookedUp::Texts(Body::read(body, cut)?.unwrap_or_default()))
        }
        Subject::Metadata | Subject::Exemplars => {
            Ok(LookedUp::Json(Body::read(body, cut)?.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse::parse_selector;

    #[test]
    fn selectors_lose_what_the_partition_decides() {
        let eu = LabelSet::from_pairs([("cluster", "eu")]);
        let of = |text: &str, told| selector_for(&parse_selector(text).unwrap(), &eu, told);
        let cut = |text: &str| of(text, Told::Nothing);
        assert_eq!(
            cut(r#"up{cluster="eu",job="a"}"#).as_deref(),
            Some(r#"{__name__="up",job="a"}"#)
        );
        assert_eq!(cut(r#"up{cluster="us"}"#), None);
        assert_eq!(
            cut(r#"{cluster=~"e."}"#).as_deref(),
            Some(r#"{__name__!=""}"#)
        );
        let kept = of(r#"up{cluster="us"}"#, Told::Selector);
        assert_eq!(kept.as_deref(), Some(r#"{__name__="up",cluster="us"}"#));
        let pinned = of(r#"up{cluster!="us"}"#, Told::All);
        assert_eq!(pinned.as_deref(), Some(r#"{__name__="up",cluster="eu"}"#));
        assert_eq!(of(r#"up{cluster="us"}"#, Told::All), None);
    }
}
