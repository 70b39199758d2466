//! The routes of `/prometheus/api/v1`.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::Response,
    routing::get,
};

use super::{
    ApiFailure, ErrorType, Querier,
    exemplars::query_exemplars,
    form::Params,
    params::{bound, instant, limit, lookback, most, range, selectors, timeout},
    querier::{Found, GlobalAnswer, GlobalQuery, Lookup, LookupScope},
    respond::{Remarks, failure, success},
    rules,
    tree::push_tree,
    values::{push_labels, push_result},
};
use crate::{
    api::{query::Query, state::ApiState},
    json::{push_str, push_value},
    labels::{go_quote, name_of_path},
    promql::{
        Severity, Value,
        ast::{Expr, ValueType},
        engine::Steps,
        parse::{ParseErrors, parse},
    },
};

/// Remarks of each kind that an answer has, as in Prometheus.
const REMARKS: usize = 10;

/// Samples of a result that are written where nothing waits for it: the mesh lives on the threads of requests.
const LARGE: usize = 4_000;

pub(super) type Answer = Result<Response<Body>, ApiFailure>;

/// The routes.
pub(in crate::api) fn router() -> Router<ApiState> {
    Router::new()
        .route("/query", get(query).post(query))
        .route("/query_range", get(query_range).post(query_range))
        .route("/query/explain", get(explain).post(explain))
        .route(
            "/query_exemplars",
            get(query_exemplars).post(query_exemplars),
        )
        .route("/format_query", get(format_query).post(format_query))
        .route("/parse_query", get(parse_query).post(parse_query))
        .route("/series", get(series).post(series))
        .route("/labels", get(labels).post(labels))
        .route("/label/{name}/values", get(label_values))
        .route("/metadata", get(metadata))
        .route("/rules", get(rules_shown))
        .route("/alerts", get(alerts_shown))
        .route("/status/buildinfo", get(async || build_info()))
        .fallback(async || {
            failure(&ApiFailure::new(
                ErrorType::NotFound,
                "there is no such path below /prometheus/api/v1",
            ))
        })
}

pub(super) fn respond(answer: Answer) -> Response<Body> {
    answer.unwrap_or_else(|error| failure(&error))
}

pub(super) fn querier(state: &ApiState) -> Result<Arc<dyn Querier>, ApiFailure> {
    state.querier().ok_or_else(|| {
        ApiFailure::new(
            ErrorType::Unavailable,
            "this node has no endpoints to query: start it with --query.config-file",
        )
    })
}

fn expression(state: &ApiState, query: &Query) -> Result<(Expr, String), ApiFailure> {
    let text = query.first("query").unwrap_or_default().to_owned();
    let expr = parse(&text, state.about().language.features).map_err(invalid)?;
    Ok((expr, text))
}

fn invalid(error: ParseErrors) -> ApiFailure {
    ApiFailure::bad_data(format!("invalid parameter \"query\": {error}"))
}

async fn query(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    let steps = instant(&params, state.query_now().wall.unix_millis());
    respond(run(&state, &params, steps).await)
}

async fn query_range(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    respond(run(&state, &params, range(&params)).await)
}

async fn run(state: &ApiState, params: &Query, steps: Result<Steps, ApiFailure>) -> Answer {
    let limit = limit(params)?;
    let (mut answer, text) = ask(state, params, steps?, false).await?;
    let mut remarks = remarks(&answer, &text);
    if truncate(&mut answer.output.value, limit) {
        remarks
            .warnings
            .push("results truncated due to limit".to_owned());
    }
    let stats = params.first("stats");
    remarks.warnings.extend(stats.and_then(stats_warning));
    let with_stats = stats.is_some();
    let is_large = is_large(&answer.output.value);
    let render = move || {
        let write = |out: &mut String| {
            out.push('{');
            push_result(out, &answer.output.value);
            if with_stats {
                out.push_str(",\"stats\":");
                push_value(out, &answer.explanation.to_json());
            }
            out.push('}');
        };
        success(write, &remarks)
    };
    if is_large {
        return rendered(render).await;
    }
    Ok(render())
}

/// Whether writing a result takes longer than waking another thread for it.
fn is_large(value: &Value) -> bool {
    match value {
        Value::Scalar { .. } | Value::String { .. } => false,
        Value::Vector(samples) => samples.len() > LARGE,
        Value::Matrix(series) => {
            let samples = series.iter().map(|one| {
                let histograms = one.histograms.times.len().saturating_mul(LARGE / 100);
                one.floats.times.len() + histograms + 1
            });
            samples.sum::<usize>() > LARGE
        }
    }
}

async fn ask(
    state: &ApiState,
    params: &Query,
    steps: Steps,
    afresh: bool,
) -> Result<(GlobalAnswer, String), ApiFailure> {
    let (timeout, lookback) = (timeout(params)?, lookback(params)?);
    let text = params.first("query").unwrap_or_default().to_owned();
    let expr = state.expressions().parse(&text).map_err(invalid)?;
    let value_type = expr.expr().value_type();
    if steps.step > 0 && !matches!(value_type, ValueType::Scalar | ValueType::Vector) {
        let found = value_type.documented();
        return Err(ApiFailure::bad_data(format!(
            "invalid parameter \"query\": invalid expression type \"{found}\" for range query, must be Scalar or instant Vector"
        )));
    }
    let query = GlobalQuery {
        expr,
        steps,
        lookback,
        timeout,
        afresh,
    };
    let answer = querier(state)?.query(query).await?;
    Ok((answer, text))
}

/// How a query is answered: what each endpoint got, and what came of it.
async fn explain(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    let steps = if params.first("start").is_some() {
        range(&params)
    } else {
        instant(&params, state.query_now().wall.unix_millis())
    };
    let answer = async {
        let (answer, text) = ask(&state, &params, steps?, true).await?;
        let remarks = remarks(&answer, &text);
        Ok(success(
            |out| push_value(out, &answer.explanation.to_json()),
            &remarks,
        ))
    };
    respond(answer.await)
}

fn remarks(answer: &GlobalAnswer, query: &str) -> Remarks {
    let mut remarks = Remarks {
        warnings: answer.missing.clone(),
        infos: Vec::new(),
    };
    let all = |severity| {
        let annotations = answer.output.annotations.iter();
        annotations.filter(move |annotation| annotation.severity == severity)
    };
    for (severity, kind, texts) in [
        (Severity::Warning, "warning", &mut remarks.warnings),
        (Severity::Info, "info", &mut remarks.infos),
    ] {
        texts.extend(
            all(severity)
                .take(REMARKS)
                .map(|annotation| annotation.to_text(query)),
        );
        let more = all(severity).count().saturating_sub(REMARKS);
        if more > 0 {
            texts.push(format!("{more} more {kind} annotations omitted"));
        }
    }
    remarks
}

/// Values of `stats` that are no mistake.
const STATS: [&str; 2] = ["true", "all"];

/// What Prometheus says of others, which it still takes.
fn stats_warning(value: &str) -> Option<String> {
    let [basic, all] = STATS;
    let deprecated = !STATS.contains(&value);
    deprecated.then(|| {
        format!(
            "value {} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
             use \"{basic}\" or \"{all}\"",
            go_quote(value)
        )
    })
}

fn truncate(value: &mut Value, limit: Option<usize>) -> bool {
    let Some(limit) = limit else {
        return false;
    };
    match value {
        Value::Vector(samples) if samples.len() > limit => samples.truncate(limit),
        Value::Matrix(series) if series.len() > limit => series.truncate(limit),
        Value::Vector(_) | Value::Matrix(_) | Value::Scalar { .. } | Value::String { .. } => {
            return false;
        }
    }
    true
}

async fn format_query(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    respond(expression(&state, &params).map(|(expr, _)| {
        let text = expr.to_pretty();
        success(|out| push_str(out, &text, true), &Remarks::default())
    }))
}

async fn parse_query(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    respond(
        expression(&state, &params)
            .map(|(expr, _)| success(|out| push_tree(out, &expr), &Remarks::default())),
    )
}

async fn series(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    if params.all("match[]").next().is_none() {
        return failure(&ApiFailure::bad_data("no match[] parameter provided"));
    }
    respond(look_up(&state, &params, Lookup::Series).await)
}

async fn labels(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    respond(look_up(&state, &params, Lookup::LabelNames).await)
}

async fn label_values(
    State(state): State<ApiState>,
    name: Result<Path<String>, PathRejection>,
    Params(params): Params,
) -> Response<Body> {
    let answer = async {
        let name = label_name(name)?;
        look_up(&state, &params, Lookup::LabelValues(name)).await
    };
    respond(answer.await)
}

/// The name of a label in an address, which is any text in UTF-8.
fn label_name(part: Result<Path<String>, PathRejection>) -> Result<String, ApiFailure> {
    let invalid = |name: &str| {
        let name = go_quote(name);
        ApiFailure::bad_data(format!("invalid label name: {name}"))
    };
    let Path(part) = part.map_err(|_not_utf8| invalid("\u{fffd}"))?;
    match name_of_path(&part) {
        name if name.is_empty() => Err(invalid("")),
        name => Ok(name),
    }
}

async fn look_up(state: &ApiState, params: &Query, lookup: Lookup) -> Answer {
    // In the order in which Prometheus looks at them.
    let scope = LookupScope {
        limit: limit(params)?,
        start: bound(params, "start")?,
        end: bound(params, "end")?,
        selectors: params.all("match[]").map(ToOwned::to_owned).collect(),
        timeout: timeout(params)?,
    };
    selectors(params).map_err(|why| match lookup {
        Lookup::Series => ApiFailure::bad_data(format!("invalid parameter \"match[]\": {why}")),
        Lookup::LabelNames | Lookup::LabelValues(_) => ApiFailure::bad_data(why),
    })?;
    let (found, warnings) = querier(state)?.lookup(lookup, scope).await?;
    let remarks = Remarks {
        warnings,
        infos: Vec::new(),
    };
    rendered(move || success(|out| push_found(out, &found), &remarks)).await
}

fn push_found(out: &mut String, found: &Found) {
    out.push('[');
    match found {
        Found::Series(sets) => {
            for (at, labels) in sets.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_labels(out, labels);
            }
        }
        Found::Texts(texts) => {
            for (at, text) in texts.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_str(out, text, true);
            }
        }
    }
    out.push(']');
}

async fn metadata(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    let answer = async {
        let metric = params.first("metric").map(ToOwned::to_owned);
        let (limit, each) = (most(&params, "limit")?, most(&params, "limit_per_metric")?);
        let (mut metadata, warnings) = querier(&state)?.metadata(metric).await?;
        shorten(&mut metadata, limit, each.filter(|each| *each > 0));
        let remarks = Remarks {
            warnings,
            infos: Vec::new(),
        };
        rendered(move || success(|out| push_value(out, &metadata), &remarks)).await
    };
    respond(answer.await)
}

/// Leaves the first metrics, and of each the first descriptions.
fn shorten(metadata: &mut serde_json::Value, limit: Option<usize>, each: Option<usize>) {
    let Some(metrics) = metadata.as_object_mut() else {
        return;
    };
    let all = std::mem::take(metrics).into_iter();
    metrics.extend(all.take(limit.unwrap_or(usize::MAX)));
    for descriptions in metrics
        .values_mut()
        .filter_map(|value| value.as_array_mut())
    {
        descriptions.truncate(each.unwrap_or(usize::MAX));
    }
}

async fn rules_shown(State(state): State<ApiState>, Params(params): Params) -> Response<Body> {
    let answer = async {
        let wanted = rules::Wanted::of(&params)?;
        let data = match state.rule_reader() {
            Some(reader) => {
                let (set, states) = reader.show().await.ok_or_else(no_ruler)?;
                rendered(move || rules::rules(&set, &states, &wanted)).await??
            }
            None => serde_json::json!({"groups": []}),
        };
        Ok(success(|out| push_value(out, &data), &Remarks::default()))
    };
    respond(answer.await)
}

async fn alerts_shown(State(state): State<ApiState>) -> Response<Body> {
    let answer = async {
        let data = match state.rule_reader() {
            Some(reader) => {
                let (_, states) = reader.show().await.ok_or_else(no_ruler)?;
                rendered(move || rules::alerts(&states)).await?
            }
            None => serde_json::json!({"alerts": []}),
        };
        Ok(success(|out| push_value(out, &data), &Remarks::default()))
    };
    respond(answer.await)
}

/// Makes what may be large where nothing waits for it.
async fn rendered<T: Send + 'static>(
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiFailure> {
    let made = tokio::task::spawn_blocking(make).await;
    made.map_err(|error| ApiFailure::new(ErrorType::Internal, error.to_string()))
}

fn no_ruler() -> ApiFailure {
    ApiFailure::new(
        ErrorType::Unavailable,
        "the ruler of this node does not answer",
    )
}

/// Clients such as Grafana choose features by it: this is a Prometheus of the version whose language it speaks.
fn build_info() -> Response<Body> {
    let info = serde_json::json!({
        "version": "3.14.0",
        "revision": concat!("watchfire-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    });
    success(|out| push_value(out, &info), &Remarks::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_cut_by_metric_and_by_description() {
        let all = serde_json::json!({"a": [1, 2], "b": [3, 4], "c": []});
        let cut = |limit, each| {
            let mut cut = all.clone();
            shorten(&mut cut, limit, each);
            cut.to_string()
        };
        assert_eq!(cut(None, None), all.to_string());
        assert_eq!(cut(Some(2), Some(1)), r#"{"a":[1],"b":[3]}"#);
        assert_eq!(cut(Some(0), None), "{}");
    }
}
