//! A server that answers as the Prometheus of a cluster.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, LazyLock, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    routing::{get, post},
};
use tokio::runtime::Runtime;
use watchfire::{
    federation::{Fetched, local},
    promql::{
        Series,
        ast::ExprKind,
        engine::{Options, Steps},
        parse::{Features, parse},
    },
};

use crate::{quoted, series::Fleet};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What was computed, by query: all clusters have the same.
static KNOWN: LazyLock<Mutex<BTreeMap<String, Arc<Known>>>> = LazyLock::new(Mutex::default);

/// An answer whose times are those of the data.
struct Known {
    is_matrix: bool,
    result: Result<Vec<Series>, String>,
}

struct Cluster {
    fleet: Arc<Fleet>,
    /// When the data end; Unix milliseconds.
    now: i64,
}

/// Serves until the program ends; gives the address.
pub(crate) fn serve(fleet: &Arc<Fleet>, now: i64) -> String {
    let cluster = Arc::new(Cluster {
        fleet: Arc::clone(fleet),
        now,
    });
    let router = Router::new()
        .route("/api/v1/status/buildinfo", get(build_info))
        .route("/api/v1/query", get(by_url).post(by_form))
        .route("/api/v1/query_range", post(not_here).get(not_here))
        .with_state(cluster);
    let listener = RUNTIME.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    RUNTIME.spawn(async move { axum::serve(listener, router).await });
    address
}

const BUILD: &str = r#"{"status":"success","data":{"version":"3.5.0","revision":"3f2a","branch":"HEAD","buildUser":"fleet","buildDate":"20260101-00:00:00","goVersion":"go1.24"}}"#;

const NO_RANGES: &str =
    r#"{"status":"error","errorType":"execution","error":"no range queries here"}"#;

const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

async fn build_info() -> Answer {
    (JSON, BUILD.to_owned())
}

async fn not_here() -> (StatusCode, Answer) {
    let answer = (JSON, NO_RANGES.to_owned());
    (StatusCode::UNPROCESSABLE_ENTITY, answer)
}

type Answer = ([(header::HeaderName, &'static str); 1], String);

async fn by_url(State(cluster): State<Arc<Cluster>>, RawQuery(query): RawQuery) -> Answer {
    cluster.answer(&query.unwrap_or_default()).await
}

async fn by_form(State(cluster): State<Arc<Cluster>>, body: Bytes) -> Answer {
    cluster.answer(&String::from_utf8_lossy(&body)).await
}

impl Cluster {
    async fn answer(&self, form: &str) -> Answer {
        let pairs: BTreeMap<String, String> = url::form_urlencoded::parse(form.as_bytes())
            .into_owned()
            .collect();
        let asked = pairs.get("time").and_then(|time| time.parse::<f64>().ok());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "milliseconds of this century"
        )]
        let asked = asked.map_or(self.now, |time| (time * 1000.0).round() as i64);
        let query = pairs.get("query").cloned().unwrap_or_default();
        let known = KNOWN.lock().unwrap().get(&query).map(Arc::clone);
        let known = match known {
            Some(known) => known,
            None => {
                let (fleet, now) = (Arc::clone(&self.fleet), self.now);
                let computed = tokio::task::spawn_blocking(move || {
                    // One at a time, and each only once.
                    static TURN: Mutex<()> = Mutex::new(());
                    let _turn = TURN.lock().unwrap();
                    let known = KNOWN.lock().unwrap().get(&query).map(Arc::clone);
                    known.unwrap_or_else(|| compute(&fleet, now, query))
                });
                computed.await.unwrap()
            }
        };
        (JSON, print(&known, asked, asked - self.now))
    }
}

fn compute(fleet: &Fleet, now: i64, query: String) -> Arc<Known> {
    let options = Options {
        lookback: 300_000,
        subquery_step: 60_000,
        max_samples: 200_000_000,
        delayed_name_removal: false,
        use_start_timestamps: false,
        type_and_unit_labels: false,
    };
    let expr = parse(&query, Features::all());
    let is_matrix = expr.is_ok_and(|expr| matches!(expr.kind, ExprKind::Matrix(_)));
    let result = match local::answer(fleet, &query, Steps::instant(now), options) {
        Fetched::Series(series) | Fetched::Remarked(series, _) => Ok(series),
        Fetched::Refused(why) | Fetched::Missing(why) => Err(why),
    };
    let known = Arc::new(Known { is_matrix, result });
    KNOWN.lock().unwrap().insert(query, Arc::clone(&known));
    known
}

/// The answer, with times of an instant that is so much later than that of the data.
fn print(known: &Known, asked: i64, later: i64) -> String {
    let series = match &known.result {
        Ok(series) => series,
        Err(why) => {
            return format!(
                r#"{{"status":"error","errorType":"execution","error":{}}}"#,
                quoted(why)
            );
        }
    };
    let kind = if known.is_matrix { "matrix" } else { "vector" };
    let mut text = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":["#);
    for (number, one) in series.iter().enumerate() {
        text.push_str(if number > 0 {
            ",{\"metric\":{"
        } else {
            "{\"metric\":{"
        });
        for (at, (name, value)) in one.labels.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(text, "{comma}{}:{}", quoted(name), quoted(value));
        }
        let values = one.floats.times.iter().zip(&one.floats.values);
        if known.is_matrix {
            text.push_str("},\"values\":[");
            for (at, (time, value)) in values.enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let _ = write!(
                    text,
                    "{comma}[{},\"{}\"]",
                    seconds(time + later),
                    number_text(*value)
                );
            }
            text.push_str("]}");
        } else {
            let value = one.floats.values.first().copied().unwrap_or(f64::NAN);
            let _ = write!(
                text,
                "}},\"value\":[{},\"{}\"]}}",
                seconds(asked),
                number_text(value)
            );
        }
    }
    text.push_str("]}}");
    text
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn number_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else {
        value.to_string()
    }
}
