//! What is run without anything experimental: names are dropped at once.

use watchfire::promql::{Value, engine::Steps};

use crate::{
    federated::STABLE,
    language, storage,
    subject::{Local, Subject as _},
};

/// The labels of the elements of an instant vector.
fn labels(subject: &Local, query: &str) -> Vec<String> {
    let expr = language::expression(query).unwrap();
    let output = subject
        .evaluate_with(&expr, Steps::instant(0), STABLE)
        .unwrap();
    match output.value {
        Value::Vector(samples) => samples
            .iter()
            .map(|sample| sample.labels.to_string())
            .collect(),
        Value::Scalar { .. } | Value::String { .. } | Value::Matrix(_) => {
            panic!("{query}: no vector")
        }
    }
}

#[test]
fn types_and_units_go_with_names_but_for_statistics() {
    let mut subject = Local::default();
    for (name, value) in [
        ("x", "1"),
        ("h", "{{schema:0 sum:3 count:2 buckets:[1 1]}}"),
    ] {
        let line = format!("{name}{{__type__=\"counter\", __unit__=\"s\", a=\"b\"}} {value}");
        let (labels, items) = language::series(&line).unwrap();
        subject
            .append(&labels, storage::samples(0, 60_000, &items, &[]))
            .unwrap();
    }
    let all = "{__type__=\"counter\", __unit__=\"s\", a=\"b\"}";
    for (query, expected) in [
        ("abs(x)", "{a=\"b\"}"),
        ("x + 1", "{a=\"b\"}"),
        ("-h", "{a=\"b\"}"),
        ("histogram_quantile(0.5, h)", "{a=\"b\"}"),
        ("histogram_count(h)", all),
        ("histogram_stddev(h)", all),
    ] {
        assert_eq!(labels(&subject, query), [expected], "{query}");
    }
}
