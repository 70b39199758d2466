//! From samples to the body of a request.

use std::collections::HashMap;

use prost::Message as _;

use super::{
    entry::Entry,
    message::{
        Label, NamedSeries, NativeHistogram, Number, ReferringSeries, Request, WriteRequest,
    },
};
use crate::{config::RemoteWriteMessage, labels::LabelSet, promql::Point};

/// The compressed body of a request with these samples, in their order. `None` if it is too large to be compressed.
pub(super) fn body(version: RemoteWriteMessage, entries: &[Entry]) -> Option<Vec<u8>> {
    let plain = match version {
        RemoteWriteMessage::V1 => first(entries).encode_to_vec(),
        RemoteWriteMessage::V2 => second(entries).encode_to_vec(),
    };
    snap::raw::Encoder::new().compress_vec(&plain).ok()
}

/// The headers of a request, but for those of the configuration.
pub(super) fn headers(version: RemoteWriteMessage, attempt: u32) -> Vec<(&'static str, String)> {
    let (content, number) = match version {
        RemoteWriteMessage::V1 => ("application/x-protobuf", "0.1.0"),
        RemoteWriteMessage::V2 => (
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "2.0.0",
        ),
    };
    let agent = concat!("Watchfire/", env!("CARGO_PKG_VERSION"));
    let mut headers = vec![
        ("content-encoding", "snappy".to_owned()),
        ("content-type", content.to_owned()),
        ("user-agent", agent.to_owned()),
        ("x-prometheus-remote-write-version", number.to_owned()),
    ];
    if attempt > 0 {
        headers.push(("retry-attempt", attempt.to_string()));
    }
    headers
}

/// Samples of one kind of one series, by time.
struct Run<'e> {
    labels: &'e LabelSet,
    numbers: Vec<Number>,
    histograms: Vec<NativeHistogram>,
}

/// What a series has in a request. Where numbers and histograms alternate there are several runs, in their order.
fn runs(entries: &[Entry]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::with_capacity(entries.len());
    let mut last: HashMap<&LabelSet, usize> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let run = last.get(&entry.labels).and_then(|at| runs.get_mut(*at));
        let fits = |run: &&mut Run<'_>| match entry.point {
            Point::Float(_) => run.histograms.is_empty(),
            Point::Histogram(_) => run.numbers.is_empty(),
        };
        if let Some(run) = run.filter(fits) {
            run.push(entry);
            continue;
        }
        last.insert(&entry.labels, runs.len());
        let mut run = Run {
            labels: &entry.labels,
            numbers: Vec::new(),
            histograms: Vec::new(),
        };
        run.push(entry);
        runs.push(run);
    }
    for run in &mut runs {
        run.numbers.sort_by_key(|number| number.time);
        run.histograms.sort_by_key(|histogram| histogram.time);
    }
    runs
}

impl Run<'_> {
    fn push(&mut self, entry: &Entry) {
        let time = entry.time;
        match &entry.point {
            Point::Float(value) => self.numbers.push(Number {
                value: *value,
                time,
            }),
            Point::Histogram(histogram) => {
                self.histograms.push(NativeHistogram::new(histogram, time));
            }
        }
    }
}

fn first(entries: &[Entry]) -> WriteRequest {
    let named = |run: Run<'_>| NamedSeries {
        labels: run
            .labels
            .iter()
            .map(|(name, value)| Label {
                name: name.to_owned(),
                value: value.to_owned(),
            })
            .collect(),
        samples: run.numbers,
        histograms: run.histograms,
    };
    WriteRequest {
        series: runs(entries).into_iter().map(named).collect(),
    }
}

fn second(entries: &[Entry]) -> Request {
    let mut symbols = Symbols::new();
    let referring = |run: Run<'_>| ReferringSeries {
        labels: run
            .labels
            .iter()
            .flat_map(|(name, value)| [symbols.place(name), symbols.place(value)])
            .collect(),
        samples: run.numbers,
        histograms: run.histograms,
    };
    let series = runs(entries).into_iter().map(referring).collect();
    Request {
        symbols: symbols.texts,
        series,
    }
}

/// Texts that are named by their place.
struct Symbols {
    texts: Vec<String>,
    places: HashMap<String, u32>,
}

impl Symbols {
    fn new() -> Self {
        Self {
            texts: vec![String::new()],
            places: HashMap::from([(String::new(), 0)]),
        }
    }

    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        // A request has at most some thousand samples.
        let place = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}
