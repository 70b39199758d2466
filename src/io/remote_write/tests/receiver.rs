//! A server that takes samples as Prometheus does, and fails as it is told.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use prost::Message as _;
use tokio::net::TcpListener;

use super::super::message::{Request, WriteRequest};
use crate::labels::LabelSet;

/// A sample as a server saw it: labels, time, and the bits of its value, or `None` for a histogram.
pub(super) type Got = (String, i64, Option<u64>);

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) samples: Vec<Got>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// The samples are taken; 2.0 hears how many.
    Take,
    /// This status, with these headers and this text; nothing is taken.
    Refuse(u16, &'static [(&'static str, &'static str)], &'static str),
    /// Taken after this time.
    Slow(Duration),
    /// No answer.
    Hang,
}

type Decide = Arc<dyn Fn(&Came) -> Reply + Send + Sync>;

/// See the module.
pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) came: Arc<Mutex<Vec<Came>>>,
    pub(super) taken: Arc<Mutex<Vec<Got>>>,
    pub(super) requests: Arc<AtomicU64>,
    running: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Receiver {
    pub(super) async fn start(decide: impl Fn(&Came) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/write", listener.local_addr().unwrap());
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let taken: Arc<Mutex<Vec<Got>>> = Arc::default();
        let requests: Arc<AtomicU64> = Arc::default();
        let decide: Decide = Arc::new(decide);
        let state = (Arc::clone(&came), Arc::clone(&taken), Arc::clone(&requests));
        let running = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, decide) = (state.clone(), Arc::clone(&decide));
                tokio::spawn(async move {
                    let service = service_fn(|request: http::Request<Incoming>| {
                        let (came, taken, requests) = state.clone();
                        let decide = Arc::clone(&decide);
                        async move {
                            requests.fetch_add(1, SeqCst);
                            let one = read(request).await;
                            came.lock().unwrap().push(one.clone());
                            let response = answer(&one, decide(&one), &taken).await;
                            Ok::<_, Infallible>(response)
                        }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    // The client may go at any time.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            url,
            came,
            taken,
            requests,
            running,
        }
    }

    pub(super) fn taken(&self) -> Vec<Got> {
        self.taken.lock().unwrap().clone()
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(SeqCst)
    }

    /// The times of all samples of a series, in the order in which they were taken.
    pub(super) fn times(&self, labels: &str) -> Vec<i64> {
        let taken = self.taken();
        let own = taken.iter().filter(|(known, ..)| known == labels);
        own.map(|(_, time, _)| *time).collect()
    }
}

async fn answer(
    came: &Came,
    reply: Reply,
    taken: &Mutex<Vec<Got>>,
) -> Response<Full<bytes::Bytes>> {
    let mut response = Response::new(Full::default());
    match reply {
        Reply::Refuse(status, headers, text) => {
            *response.status_mut() = status.try_into().unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            *response.body_mut() = Full::from(text);
            return response;
        }
        Reply::Hang => std::future::pending().await,
        Reply::Slow(time) => tokio::time::sleep(time).await,
        Reply::Take => {}
    }
    let numbers = came
        .samples
        .iter()
        .filter(|(.., bits)| bits.is_some())
        .count();
    let histograms = came.samples.len() - numbers;
    if came.headers["x-prometheus-remote-write-version"].starts_with('2') {
        let headers = response.headers_mut();
        headers.insert("x-prometheus-remote-write-samples-written", numbers.into());
        headers.insert(
            "x-prometheus-remote-write-histograms-written",
            histograms.into(),
        );
    }
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    taken.lock().unwrap().extend(came.samples.iter().cloned());
    response
}

async fn read(request: http::Request<Incoming>) -> Came {
    let headers = texts(request.headers());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let samples = if headers["x-prometheus-remote-write-version"].starts_with('2') {
        second(&Request::decode(plain.as_slice()).unwrap())
    } else {
        first(&WriteRequest::decode(plain.as_slice()).unwrap())
    };
    Came { headers, samples }
}

fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    headers.iter().map(text).collect()
}

fn first(request: &WriteRequest) -> Vec<Got> {
    let mut samples = Vec::new();
    for series in &request.series {
        let pairs = series
            .labels
            .iter()
            .map(|label| (&label.name, &label.value));
        let labels = LabelSet::from_pairs(pairs).to_string();
        samples.extend(
            series
                .samples
                .iter()
                .map(|one| (labels.clone(), one.time, Some(one.value.to_bits()))),
        );
        samples.extend(
            series
                .histograms
                .iter()
                .map(|one| (labels.clone(), one.time, None)),
        );
    }
    samples
}

fn second(request: &Request) -> Vec<Got> {
    let text = |place: u32| &request.symbols[usize::try_from(place).unwrap()];
    let mut samples = Vec::new();
    for series in &request.series {
        let pairs = series
            .labels
            .chunks(2)
            .map(|pair| (text(pair[0]), text(pair[1])));
        let labels = LabelSet::from_pairs(pairs).to_string();
        samples.extend(
            series
                .samples
                .iter()
                .map(|one| (labels.clone(), one.time, Some(one.value.to_bits()))),
        );
        samples.extend(
            series
                .histograms
                .iter()
                .map(|one| (labels.clone(), one.time, None)),
        );
    }
    samples
}
