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
    http::header,
    routing::get,
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
        .route("/api/v1/query_range", get(range_by_url).post(range_by_form))
        .with_state(cluster);
    let listener = RUNTIME.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    RUNTIME.spawn(async move { axum::serve(listener, router).await });
    address
}

const BUILD: &str = r#"{"status":"success","data":{"version":"3.5.0","revision":"3f2a","branch":"HEAD","buildUser":"fleet","buildDate":"20260101-00:00:00","goVersion":"go1.24"}}"#;

const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

async fn build_info() -> Answer {
    (JSON, BUILD.to_owned())
}

type Answer = ([(header::HeaderName, &'static str); 1], String);

async fn by_url(State(cluster): State<Arc<Cluster>>, RawQuery(query): RawQuery) -> Answer {
    cluster
        .instant(&form(query.unwrap_or_default().as_bytes()))
        .await
}

async fn by_form(State(cluster): State<Arc<Cluster>>, body: Bytes) -> Answer {
    cluster.instant(&form(&body)).await
}

async fn range_by_url(State(cluster): State<Arc<Cluster>>, RawQuery(query): RawQuery) -> Answer {
    cluster
        .range(&form(query.unwrap_or_default().as_bytes()))
        .await
}

async fn range_by_form(State(cluster): State<Arc<Cluster>>, body: Bytes) -> Answer {
    cluster.range(&form(&body)).await
}

type Form = BTreeMap<String, String>;

fn form(bytes: &[u8]) -> Form {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

/// A parameter in seconds as milliseconds.
fn millis(form: &Form, name: &str) -> Option<i64> {
    let seconds = form.get(name)?.parse::<f64>().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds of this century"
    )]
    Some((seconds * 1000.0).round() as i64)
}

impl Cluster {
    async fn instant(&self, form: &Form) -> Answer {
        let asked = millis(form, "time").unwrap_or(self.now);
        let known = self.known(form).await;
        (JSON, known.print_instant(asked, asked - self.now))
    }

    /// What is asked for now, as if it had been so at all times.
    async fn range(&self, form: &Form) -> Answer {
        let [start, end, step] = ["start", "end", "step"].map(|name| millis(form, name));
        let (start, end, step) = (start.unwrap(), end.unwrap(), step.unwrap().max(1));
        let times: Vec<i64> = (0..=(end - start) / step)
            .map(|n| start + n * step)
            .collect();
        (JSON, self.known(form).await.print_range(&times))
    }

    async fn known(&self, form: &Form) -> Arc<Known> {
        let query = form.get("query").cloned().unwrap_or_default();
        let known = KNOWN.lock().unwrap().get(&query).map(Arc::clone);
        if let Some(known) = known {
            return known;
        }
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

impl Known {
    /// The answer, with times of an instant that is so much later than that of the data.
    fn print_instant(&self, asked: i64, later: i64) -> String {
        let kind = if self.is_matrix { "matrix" } else { "vector" };
        self.print(kind, |one, text| {
            if self.is_matrix {
                let times = one.floats.times.iter().map(|time| time + later);
                print_values(times.zip(one.floats.values.iter().copied()), text);
            } else {
                let _ = write!(
                    text,
                    "\"value\":[{},\"{}\"]",
                    seconds(asked),
                    number_text(first(one))
                );
            }
        })
    }

    fn print_range(&self, times: &[i64]) -> String {
        self.print("matrix", |one, text| {
            print_values(times.iter().map(|time| (*time, first(one))), text);
        })
    }

    fn print(&self, kind: &str, values: impl Fn(&Series, &mut String)) -> String {
        let series = match &self.result {
            Ok(series) => series,
            Err(why) => {
                let why = quoted(why);
                return format!(r#"{{"status":"error","errorType":"execution","error":{why}}}"#);
            }
        };
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
            text.push_str("},");
            values(one, &mut text);
            text.push('}');
        }
        text.push_str("]}}");
        text
    }
}

fn first(series: &Series) -> f64 {
    series.floats.values.first().copied().unwrap_or(f64::NAN)
}

fn print_values(values: impl Iterator<Item = (i64, f64)>, text: &mut String) {
    text.push_str("\"values\":[");
    for (at, (time, value)) in values.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(
            text,
            "{comma}[{},\"{}\"]",
            seconds(time),
            number_text(value)
        );
    }
    text.push(']');
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
