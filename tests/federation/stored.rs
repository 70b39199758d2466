//! Native histograms, which only samples as they are stored hold: a server that speaks what Prometheus 2.42 answered.

use crate::{
    api::{self, Answer, When},
    fake::{Asked, Fake, Told},
    node::Node,
    over::node_over,
};

/// What `/api/v1/read` answered: a counter `h{job="a"}` and fractions `h{job="f"}`, with external labels.
const STREAM: &[u8] = include_bytes!("../corpus/samples/read-stream/histograms-1.bin");

/// When the third samples were taken; Unix seconds.
const NOW: i64 = 1_795_339_351;

fn answer(asked: &Asked) -> Told {
    match &*asked.path {
        "status/config" => Told::json(
            r#"{"status":"success","data":{"yaml":"global:\n  external_labels:\n    cluster: eu\n    prometheus: a\n"}}"#,
        ),
        "read" => Told::bytes(
            "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse",
            STREAM.to_vec(),
        ),
        // Everything is about native histograms, of which JSON does not hold everything.
        _ => {
            let time = &asked.form["time"];
            let histogram = r#"{"count":"13","sum":"24.5","buckets":[[0,"1","2","13"]]}"#;
            Told::json(&format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"histogram":[{time},{histogram}]}}]}}}}"#
            ))
        }
    }
}

fn elements(answer: &Answer) -> Vec<(&str, f64)> {
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    let elements = answer.elements.iter();
    elements
        .map(|(labels, values)| (labels.as_str(), values[0].1))
        .collect()
}

#[test]
fn native_histograms_are_computed_of_samples() {
    let place = tempfile::tempdir().unwrap();
    let server = Fake::prometheus("3.5.0", answer);
    let start = |remote_read: &str| {
        let text = format!(
            "endpoints:\n- {{name: eu, url: 'http://{}', partition: {{cluster: eu}}, remote_read: {remote_read}}}\n",
            server.address()
        );
        node_over(place.path(), &text, &[])
    };
    let node = start("histograms");
    let ask = |node: &Node, query: &str| api::ask(&node.url("/prometheus"), query, When::At(NOW));
    let counts = ask(&node, "histogram_count(h)").unwrap();
    assert_eq!(
        elements(&counts),
        [
            (r#"{"cluster":"eu","job":"a"}"#, 16.0),
            (r#"{"cluster":"eu","job":"f"}"#, 14.75),
        ]
    );
    let sums = ask(&node, "sum by (cluster) (histogram_sum(h))").unwrap();
    assert_eq!(elements(&sums), [(r#"{"cluster":"eu"}"#, 24.5 + 22.5)]);
    let increases = ask(&node, "histogram_count(increase(h[32s]))").unwrap();
    let increase = increases.elements[r#"{"cluster":"eu","job":"a"}"#][0].1;
    // 10 observations in 30 of 32 seconds.
    assert!((increase - 10.0 * 32.0 / 30.0).abs() < 1e-9, "{increase}");
    drop(node);

    let node = start("never");
    let refused = ask(&node, "histogram_count(h)").unwrap_err();
    assert!(refused.contains("native histograms"), "{refused}");
}
