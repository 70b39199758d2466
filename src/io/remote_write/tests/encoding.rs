//! What is in a request.

use std::collections::BTreeMap;

use prost::Message as _;

use super::{
    super::{
        edit::Edit,
        encode::{body, headers},
        entry::Entry,
        message::{Request, WriteRequest},
        name,
    },
    blocks::histogram,
};
use crate::{
    config::{RemoteWriteConfig, RemoteWriteMessage},
    labels::{LabelSet, Relabel, RelabelAction, RelabelRegex},
    promql::{Point, STALE, STALE_BITS},
};

fn entry(pairs: &[(&str, &str)], time: i64, point: Point) -> Entry {
    let labels = LabelSet::from_pairs(pairs.iter().copied());
    Entry {
        hash: labels.log_hash(),
        labels,
        time,
        point,
    }
}

fn entries() -> Vec<Entry> {
    let up = &[("__name__", "up"), ("job", "node")];
    let lag = &[("job", "node"), ("__name__", "lag"), ("A", "")];
    vec![
        entry(up, 2000, Point::Float(1.0)),
        entry(lag, 2000, Point::Histogram(histogram(9.0).into())),
        entry(up, 1000, Point::Float(0.0)),
        entry(lag, 3000, Point::Float(STALE)),
    ]
}

fn plain(version: RemoteWriteMessage, entries: &[Entry]) -> Vec<u8> {
    let body = body(version, entries).unwrap();
    snap::raw::Decoder::new().decompress_vec(&body).unwrap()
}

#[test]
fn the_first_version_has_sorted_labels_and_samples_by_time() {
    let plain = plain(RemoteWriteMessage::V1, &entries());
    let request = WriteRequest::decode(plain.as_slice()).unwrap();
    let names = |place: usize| -> Vec<_> {
        let labels = &request.series[place].labels;
        labels
            .iter()
            .map(|label| (label.name.as_str(), label.value.as_str()))
            .collect()
    };
    assert_eq!(request.series.len(), 3);
    assert_eq!(names(0), [("__name__", "up"), ("job", "node")]);
    assert_eq!(names(1), [("A", ""), ("__name__", "lag"), ("job", "node")]);
    let times = |place: usize| -> Vec<_> {
        let samples = &request.series[place].samples;
        samples
            .iter()
            .map(|sample| (sample.time, sample.value))
            .collect()
    };
    assert_eq!(times(0), [(1000, 0.0), (2000, 1.0)]);
    let sent = request.series[1].histograms[0].clone();
    assert_eq!(sent.time, 2000);
    assert_eq!(sent.into_histogram(), histogram(9.0));
    // The mark of an ended series keeps its bits.
    let stale = &request.series[2].samples[0];
    assert_eq!((stale.time, stale.value.to_bits()), (3000, STALE_BITS));
}

#[test]
fn the_second_version_has_each_text_once_and_never_both_kinds() {
    let plain = plain(RemoteWriteMessage::V2, &entries());
    let request = Request::decode(plain.as_slice()).unwrap();
    assert_eq!(
        request.symbols,
        ["", "__name__", "up", "job", "node", "A", "lag"]
    );
    let labels: Vec<_> = request
        .series
        .iter()
        .map(|series| series.labels.clone())
        .collect();
    assert_eq!(
        labels,
        [
            vec![1, 2, 3, 4],
            vec![5, 0, 1, 6, 3, 4],
            vec![5, 0, 1, 6, 3, 4]
        ]
    );
    for series in &request.series {
        assert_ne!(series.samples.is_empty(), series.histograms.is_empty());
    }
    assert_eq!(request.series[2].samples[0].value.to_bits(), STALE_BITS);
    assert_eq!(
        request.series[1].histograms[0].clone().into_histogram(),
        histogram(9.0)
    );
}

/// The bytes of one request, worked out by hand from the numbers of the fields.
#[test]
fn a_request_is_these_bytes() {
    let one = [entry(&[("a", "b")], 5, Point::Float(1.0))];
    let sample = [0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x10, 5];
    let mut first = vec![0x0A, 21, 0x0A, 6, 0x0A, 1, b'a', 0x12, 1, b'b', 0x12, 11];
    first.extend(sample);
    assert_eq!(plain(RemoteWriteMessage::V1, &one), first);
    let mut second = vec![
        0x22, 0, 0x22, 1, b'a', 0x22, 1, b'b', 0x2A, 17, 0x0A, 2, 1, 2, 0x12, 11,
    ];
    second.extend(sample);
    assert_eq!(plain(RemoteWriteMessage::V2, &one), second);
}

#[test]
fn headers_name_the_version() {
    let of = |version, attempt| {
        headers(version, attempt)
            .into_iter()
            .collect::<BTreeMap<_, _>>()
    };
    let first = of(RemoteWriteMessage::V1, 0);
    assert_eq!(first["content-encoding"], "snappy");
    assert_eq!(first["content-type"], "application/x-protobuf");
    assert_eq!(first["x-prometheus-remote-write-version"], "0.1.0");
    assert!(first["user-agent"].starts_with("Watchfire/"));
    assert!(!first.contains_key("retry-attempt"));
    let second = of(RemoteWriteMessage::V2, 3);
    assert_eq!(
        second["content-type"],
        "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    );
    assert_eq!(second["x-prometheus-remote-write-version"], "2.0.0");
    assert_eq!(second["retry-attempt"], "3");
}

#[test]
fn external_labels_are_added_where_missing_and_relabelled() {
    let external = BTreeMap::from([
        ("region".to_owned(), "eu".to_owned()),
        ("job".to_owned(), "ruler".to_owned()),
        ("none".to_owned(), String::new()),
    ]);
    let drop = Relabel {
        source_labels: vec!["region".to_owned(), "__name__".to_owned()],
        regex: RelabelRegex::new("eu;gone").unwrap(),
        action: RelabelAction::Drop,
        ..Relabel::default()
    };
    let edit = Edit::new(&external, &[drop]);
    let apply = |pairs: &[(&str, &str)]| edit.apply(&LabelSet::from_pairs(pairs.iter().copied()));
    let kept = apply(&[("__name__", "up"), ("job", "node"), ("empty", "")]).unwrap();
    assert_eq!(
        kept.to_string(),
        r#"{__name__="up", job="node", region="eu"}"#
    );
    let filled = apply(&[("__name__", "up"), ("job", "")]).unwrap();
    assert_eq!(
        filled.to_string(),
        r#"{__name__="up", job="ruler", region="eu"}"#
    );
    assert_eq!(apply(&[("__name__", "gone")]), None);
    assert_eq!(Edit::default().apply(&LabelSet::empty()), None);
}

#[test]
fn names_of_directories_are_fit_and_differ() {
    let named = |name: &str, url: &str| {
        name::directory(&RemoteWriteConfig {
            name: name.to_owned(),
            url: url.into(),
            ..RemoteWriteConfig::default()
        })
    };
    assert_eq!(named("mimir", "http://a/"), "mimir");
    let mut all: Vec<_> = ["../../etc", "..", "a/b", "a:b", "ä", &"x".repeat(300)]
        .iter()
        .map(|name| named(name, ""))
        .collect();
    all.push(named("", "http://user:secret@host:9090/api/v1/write"));
    all.push(named("", "http://user:other@host:9090/api/v1/write"));
    for name in &all {
        assert!(
            !name.contains(['/', ':']) && !name.starts_with('.') && name.len() < 80,
            "{name}"
        );
        assert!(!name.contains("secret"), "{name}");
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}
