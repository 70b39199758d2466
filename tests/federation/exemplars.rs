//! Exemplars of all endpoints together.

use serde_json::json;

use crate::{
    fake::{Fake, Told},
    over::node_over,
};

fn server(trace: &'static str) -> Fake {
    Fake::prometheus("3.5.0", move |asked| {
        if asked.path != "query_exemplars" {
            return Told::vector(asked, &[]);
        }
        assert_eq!(asked.query(), r#"{__name__="x_bucket",job="a"}"#);
        assert_eq!(asked.form["start"], "1700000000");
        Told::json(&format!(
            r#"{{"status":"success","data":[{{"seriesLabels":{{"__name__":"x_bucket","job":"a"}},
                "exemplars":[{{"labels":{{"trace_id":"{trace}"}},"value":"0.5","timestamp":1700000001.234}}]}}]}}"#
        ))
    })
}

#[test]
fn exemplars_of_all_partitions_have_their_labels() {
    let place = tempfile::tempdir().unwrap();
    let (eu, us) = (server("e"), server("u"));
    let text = format!(
        "endpoints:\n- {{name: us, url: 'http://{}', partition: {{cluster: us}}}}\n\
         - {{name: eu, url: 'http://{}', partition: {{cluster: eu}}}}\n",
        us.address(),
        eu.address()
    );
    let node = node_over(place.path(), &text, &[]);
    let ask = |query: &str| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query);
        form.append_pair("start", "1700000000");
        let path = format!("/prometheus/api/v1/query_exemplars?{}", form.finish());
        node.get(&path)
    };
    let found = ask(r#"histogram_quantile(0.9, rate(x_bucket{job="a"}[5m]))"#);
    let of = |cluster: &str, trace: &str| {
        json!({
            "seriesLabels": {"__name__": "x_bucket", "cluster": cluster, "job": "a"},
            "exemplars": [{"labels": {"trace_id": trace}, "value": "0.5", "timestamp": 1_700_000_001.234}],
        })
    };
    assert_eq!(
        found.expect(200).json(),
        json!({"status": "success", "data": [of("eu", "e"), of("us", "u")]})
    );
    // Only the partition that has it is asked.
    let one = ask(r#"x_bucket{job="a",cluster="us"}"#).expect(200).json();
    assert_eq!(one["data"], json!([of("us", "u")]));
    assert_eq!(ask("1 + 1").expect(200).json()["data"], json!([]));
    assert_eq!(ask("sum(").expect(400).json()["errorType"], "bad_data");
}
