//! Endpoints of the tests: one that evaluates what it is asked over its own series, and ways to fail.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use crate::{
    io::federation::request::seconds,
    json::push_str,
    labels::{LabelSet, Matcher},
    promql::{
        FloatHistogram, Point, Samples, Series, Value,
        ast::Expr,
        engine::{Options, Selection, Steps, prepare},
        parse::{Features, parse},
    },
};

pub(super) const OPTIONS: Options = Options {
    lookback: 300_000,
    subquery_step: 60_000,
    max_samples: 1_000_000,
    delayed_name_removal: false,
    use_start_timestamps: false,
    type_and_unit_labels: false,
};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) head: String,
    pub(super) form: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// Whether it is about the newest samples, which replicas are asked for beside queries.
    pub(super) fn is_about_freshness(&self) -> bool {
        let query = self.form.get("query");
        query.is_some_and(|query| query.contains("max(timestamp(up))"))
    }
}

/// What a server does with a request.
pub(super) enum Reply {
    /// Answers 200 with JSON.
    Json(String),
    /// Writes these bytes and closes.
    Raw(Vec<u8>),
    /// Never answers.
    Hang,
    /// Breaks the connection.
    Reset,
    /// Answers 200 with JSON when it gets a permit.
    Later(Arc<Semaphore>, String),
}

impl Reply {
    /// Another reply in place of JSON.
    pub(super) fn map(self, change: impl FnOnce(String) -> Self) -> Self {
        if let Self::Json(body) = self {
            return change(body);
        }
        self
    }
}

/// A server on this machine.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: watch::Sender<Seen>,
}

/// What a server saw.
#[derive(Default)]
pub(super) struct Seen {
    all: Vec<Asked>,
    /// Connections that stand.
    pub(super) open: usize,
    /// Requests that are under way.
    pub(super) running: usize,
    /// The most requests that were under way at once.
    pub(super) most: usize,
}

impl Seen {
    /// What it was asked below a path.
    pub(super) fn of(&self, path: &'static str) -> impl Iterator<Item = &Asked> {
        let all = self.all.iter();
        all.filter(move |one| one.path.starts_with(path))
    }

    /// What it was asked by queries.
    pub(super) fn queries(&self) -> impl Iterator<Item = &Asked> {
        let of_query = |one: &Asked| {
            one.path.starts_with("/api/v1/query") || one.path.starts_with("/api/v1/read")
        };
        let all = self.all.iter();
        all.filter(move |one| of_query(one) && !one.is_about_freshness())
    }
}

pub(super) type Handler = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

impl Server {
    pub(super) async fn start(handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: watch::Sender::default(),
        };
        let seen = server.seen.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, handler) = (seen.clone(), Arc::clone(&handler));
                seen.send_modify(|seen| seen.open += 1);
                tokio::spawn(async move {
                    serve(stream, &handler, &seen).await;
                    seen.send_modify(|seen| seen.open -= 1);
                });
            }
        });
        server
    }

    /// Waits until it saw what is expected.
    pub(super) async fn until(&self, expected: impl FnMut(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        let waited = tokio::time::timeout(super::LONG, seen.wait_for(expected));
        assert!(waited.await.is_ok(), "what is expected does not come");
    }

    /// What it sees now.
    pub(super) fn seen<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        read(&self.seen.borrow())
    }

    /// A server that answers over these series as a Prometheus 3.
    pub(super) async fn prometheus(series: Vec<Series>) -> Self {
        Self::start(Arc::new(move |asked| evaluate(asked, &series))).await
    }

    /// What it was asked by queries.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.seen(|seen| seen.queries().cloned().collect())
    }

    /// What it was asked below a path.
    pub(super) fn asked_of(&self, path: &str) -> Vec<Asked> {
        let of_path = |one: &&Asked| one.path.starts_with(path);
        self.seen(|seen| seen.all.iter().filter(of_path).cloned().collect())
    }
}

async fn serve(mut stream: TcpStream, handler: &Handler, seen: &watch::Sender<Seen>) {
    while let Some(one) = read(&mut stream).await {
        seen.send_modify(|seen| {
            seen.all.push(one.clone());
            seen.running += 1;
            seen.most = seen.most.max(seen.running);
        });
        let reply = handler(&one);
        let goes_on = write(&mut stream, reply).await;
        seen.send_modify(|seen| seen.running -= 1);
        if !goes_on {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            Ok(_) | Err(_) => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + length {
        let read = stream.read(&mut chunk).await.ok()?;
        bytes.extend_from_slice(&chunk[..read]);
    }
    let line = String::from_utf8_lossy(&bytes[..end])
        .lines()
        .next()?
        .to_owned();
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let form = url::form_urlencoded::parse(query.as_bytes());
    let body = bytes.get(end..).unwrap_or_default().to_vec();
    let form = form
        .chain(url::form_urlencoded::parse(&body))
        .map(|(name, value)| {
            let name: String = name.into_owned();
            (name, value.into_owned())
        });
    Some(Asked {
        method,
        path: path.to_owned(),
        head,
        form: form.collect(),
        body: body.clone(),
    })
}

pub(super) fn response(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Whether the connection stands afterwards.
async fn write(stream: &mut TcpStream, reply: Reply) -> bool {
    let body = match reply {
        Reply::Json(body) => body,
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            return false;
        }
        Reply::Hang => {
            // Until the client goes.
            let _ = stream.read(&mut [0]).await;
            return false;
        }
        Reply::Reset => {
            let socket = socket2::SockRef::from(&*stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
            return false;
        }
        Reply::Later(permits, body) => {
            let Ok(_permit) = permits.acquire().await else {
                return false;
            };
            body
        }
    };
    let bytes = response("200 OK", "application/json", body.as_bytes());
    stream.write_all(&bytes).await.is_ok()
}

/// `labels` as `{a="b"}`, and samples of times in milliseconds.
pub(super) fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
    let mut series = Series {
        labels: LabelSet::from_pairs(labels.iter().copied()),
        ..Series::default()
    };
    for (time, value) in samples {
        series.floats.times.push(*time);
        series.floats.values.push(*value);
    }
    series
}

/// The series of a selection.
pub(super) fn select(series: &[Series], selection: &Selection) -> Vec<Series> {
    let matching = series
        .iter()
        .filter(|one| Matcher::all_match(&selection.matchers, &one.labels));
    let within = |one: &Series| Series {
        labels: one.labels.clone(),
        floats: within(&one.floats, selection),
        histograms: within(&one.histograms, selection),
    };
    matching
        .map(within)
        .filter(|one| !one.floats.times.is_empty() || !one.histograms.times.is_empty())
        .collect()
}

fn within<T: Clone>(samples: &Samples<T>, selection: &Selection) -> Samples<T> {
    let all = samples
        .times
        .iter()
        .copied()
        .zip(samples.values.iter().cloned());
    let (times, values) = all
        .filter(|(time, _)| *time > selection.from && *time <= selection.to)
        .unzip();
    Samples {
        times,
        values,
        starts: Vec::new(),
    }
}

/// The value of a query over series.
pub(super) fn value(query: &str, steps: Steps, series: &[Series]) -> Result<Value, String> {
    let expr = parse(query, Features::all()).map_err(|error| error.to_string())?;
    value_of(&expr, steps, OPTIONS, series)
}

fn value_of(
    expr: &Expr,
    steps: Steps,
    options: Options,
    series: &[Series],
) -> Result<Value, String> {
    let prepared = prepare(expr, steps, options).map_err(|error| error.to_string())?;
    let data = prepared.selections().iter();
    let data: Vec<_> = data.map(|selection| select(series, selection)).collect();
    let output = prepared
        .evaluate(&data)
        .map_err(|error| error.to_string())?;
    Ok(output.value)
}

/// What a Prometheus answers.
pub(super) fn evaluate(asked: &Asked, series: &[Series]) -> Reply {
    if asked.path == "/api/v1/status/buildinfo" {
        return Reply::Json(build_info("3.14.0"));
    }
    answered(value(&asked.form["query"], steps_of(asked), series))
}

/// What a server answers that reads a query so.
pub(super) fn evaluate_expr(asked: &Asked, expr: &Expr, lookback: i64, series: &[Series]) -> Reply {
    let options = Options {
        lookback,
        ..OPTIONS
    };
    answered(value_of(expr, steps_of(asked), options, series))
}

fn steps_of(asked: &Asked) -> Steps {
    let millis = |name: &str| {
        let seconds: f64 = asked.form[name].parse().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "times of tests are small")]
        let millis = (seconds * 1000.0).round() as i64;
        millis
    };
    if asked.path == "/api/v1/query" {
        return Steps::instant(millis("time"));
    }
    Steps {
        start: millis("start"),
        end: millis("end"),
        step: millis("step"),
    }
}

fn answered(value: Result<Value, String>) -> Reply {
    match value {
        Ok(value) => Reply::Json(json(&value)),
        Err(error) => {
            let mut body = r#"{"status":"error","errorType":"execution","error":"#.to_owned();
            push_str(&mut body, &error, false);
            body.push('}');
            Reply::Raw(response(
                "422 Unprocessable Entity",
                "application/json",
                body.as_bytes(),
            ))
        }
    }
}

pub(super) fn build_info(version: &str) -> String {
    format!(r#"{{"status":"success","data":{{"version":"{version}","revision":"r"}}}}"#)
}

fn json(value: &Value) -> String {
    let (kind, result) = match value {
        Value::Scalar { time, value } => ("scalar", pair(*time, *value)),
        Value::String { .. } => panic!("no test asks for texts"),
        Value::Vector(samples) => {
            let samples = samples.iter().map(|sample| {
                let labels = labels(&sample.labels);
                let time = sample.time;
                match &sample.point {
                    Point::Float(value) => {
                        format!(r#"{{"metric":{labels},"value":{}}}"#, pair(time, *value))
                    }
                    Point::Histogram(value) => {
                        let value = histogram(time, value);
                        format!(r#"{{"metric":{labels},"histogram":{value}}}"#)
                    }
                }
            });
            (
                "vector",
                format!("[{}]", samples.collect::<Vec<_>>().join(",")),
            )
        }
        Value::Matrix(series) => {
            let series = series.iter().map(|one| {
                let samples = one.floats.times.iter().zip(&one.floats.values);
                let samples: Vec<_> = samples.map(|(time, value)| pair(*time, *value)).collect();
                let histograms = one.histograms.times.iter().zip(&one.histograms.values);
                let histograms: Vec<_> = histograms
                    .map(|(time, value)| histogram(*time, value))
                    .collect();
                let labels = labels(&one.labels);
                format!(
                    r#"{{"metric":{labels},"values":[{}],"histograms":[{}]}}"#,
                    samples.join(","),
                    histograms.join(",")
                )
            });
            (
                "matrix",
                format!("[{}]", series.collect::<Vec<_>>().join(",")),
            )
        }
    };
    format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
}

fn pair(time: i64, value: f64) -> String {
    format!("[{},\"{value}\"]", seconds(time))
}

/// Without the buckets.
fn histogram(time: i64, value: &FloatHistogram) -> String {
    let time = seconds(time);
    let (count, sum) = (value.count, value.sum);
    format!(r#"[{time},{{"count":"{count}","sum":"{sum}"}}]"#)
}

fn labels(labels: &LabelSet) -> String {
    let mut text = String::from("{");
    for (number, (name, value)) in labels.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        push_str(&mut text, name, false);
        text.push(':');
        push_str(&mut text, value, false);
    }
    text.push('}');
    text
}

/// An error of the API with its status.
pub(super) fn refuse(status: &str, kind: &str, error: &str) -> Reply {
    let body = format!(r#"{{"status":"error","errorType":"{kind}","error":"{error}"}}"#);
    Reply::Raw(response(status, "application/json", body.as_bytes()))
}
