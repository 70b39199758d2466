//! What clients may send to the API of queries, and what hangs behind it: what they get, and what others still get.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use serde_json::json;

use crate::{
    fake::{Fake, Gate, Told},
    node::Node,
    over::node_over,
    process::{SOON, wait_for},
};

const API: &str = "/prometheus/api/v1";

/// A node that asks this server, started with these flags.
fn node(place: &Path, server: &Fake, flags: &[&str]) -> Node {
    let text = format!(
        "endpoints:\n- {{name: a, url: 'http://{}'}}\n",
        server.address()
    );
    node_over(place, &text, flags)
}

/// A server that answers `[]` to lookups, and to queries a vector; those with `slow` wait for the gate.
fn server(gate: &Gate) -> Fake {
    let gate = gate.clone();
    Fake::prometheus("3.5.0", move |asked| {
        if asked.query().contains("slow") {
            gate.pass();
        }
        match asked.path.as_str() {
            "query" => Told::vector(asked, &[(r#"{"__name__":"up"}"#, 1.0)]),
            _ => Told::json(r#"{"status":"success","data":[]}"#),
        }
    })
}

/// Sends a request line as it is; what is answered is read by whoever wants it.
fn send(node: &Node, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(node.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn answer(node: &Node, target: &str) -> String {
    let mut answer = String::new();
    send(node, target).read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_name_of_a_label_leads_to_no_other_path_of_an_endpoint() {
    let place = tempfile::tempdir().unwrap();
    let server = server(&Gate::default());
    let node = node(place.path(), &server, &[]);
    for name in [
        "..%2Fadmin%2Ftsdb%2Fdelete_series%3Fmatch%5B%5D%3Dvictim%26x%3D",
        "%2E%2E",
        "a%3Fb",
        "a-b",
        "job",
        "U__http_2e_status",
    ] {
        let answer = answer(&node, &format!("{API}/label/{name}/values"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
    }
    for name in ["%FF", "U__"] {
        let answer = answer(&node, &format!("{API}/label/{name}/values"));
        let refused = answer.starts_with("HTTP/1.1 400") && answer.contains("invalid label name");
        assert!(refused, "{name}: {answer}");
    }
    let paths = server.paths();
    let lookups = paths.iter().filter(|path| path.starts_with("label/"));
    let expected = [
        "label/U___2e__2e__2f_admin_2f_tsdb_2f_delete__series_3f_match_5b__5d__3d_victim_26_x_3d_/values",
        "label/U___2e__2e_/values",
        "label/a%3Fb/values",
        "label/a-b/values",
        "label/job/values",
        "label/http.status/values",
    ];
    assert_eq!(lookups.collect::<Vec<_>>(), expected);
}

#[test]
fn queries_that_hang_leave_everything_else_to_be_read() {
    let place = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let server = server(&gate);
    let node = node(place.path(), &server, &["--web.get-concurrency=2"]);
    let hanging = [
        "query?query=slow1",
        "query?query=slow2",
        "query?query=slow3",
    ];
    let hanging = hanging.map(|query| send(&node, &format!("{API}/{query}")));
    wait_for("queries that hang", SOON, || {
        (server.count("slow") >= 2).then_some(())
    });
    node.get("/api/v2/alerts").expect(200);
    node.get("/metrics").expect(200);
    node.get(&format!("{API}/rules")).expect(200);
    gate.open();
    for mut stream in hanging {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn what_is_experimental_is_on_for_queries_and_rules_and_asked_of_no_endpoint() {
    let place = tempfile::tempdir().unwrap();
    let server = server(&Gate::default());
    let rule = "{record: r, expr: 'mad_over_time(up[1m+1m])'}";
    let rules = format!("groups: [{{name: g, interval: 1s, rules: [{rule}]}}]\n");
    fs::write(place.path().join("rules.yml"), rules).unwrap();
    fs::write(place.path().join("ruler.yml"), "rule_files: [rules.yml]\n").unwrap();
    let on = "--enable-feature=promql-experimental-functions,promql-duration-expr,promql-delayed-name-removal";
    let flags = [on, "--ruler.config-file=ruler.yml"];
    let node = node(place.path(), &server, &flags);
    let ask = |query: &str| node.get(&format!("{API}/query?query={query}&time=1"));
    let found = ask("limitk(1,up)").expect(200).json();
    let result = found["data"]["result"].as_array().unwrap();
    assert_eq!(result.len(), 1, "{found}");
    // Names are dropped at the end.
    let named = r#"label_replace(-up,"n","$1","__name__","(.%2B)")"#;
    let found = ask(named).expect(200).json();
    assert_eq!(found["data"]["result"][0]["metric"], json!({"n": "up"}));
    wait_for("the samples of the rule", SOON, || {
        (server.count("[2m]") > 0).then_some(())
    });
    for unknown in ["limitk", "mad_over_time", "1m+1m"] {
        assert_eq!(server.count(unknown), 0, "{unknown}");
    }
    // What was not turned on is off.
    let refused = ask("up+%2B+fill(0)+up").expect(400).body;
    assert!(refused.contains("not enabled"), "{refused}");
}

#[test]
fn an_address_may_have_characters_that_should_be_escaped() {
    let place = tempfile::tempdir().unwrap();
    let server = server(&Gate::default());
    let node = node(place.path(), &server, &[]);
    for query in [r#"up{job="db"}"#, "count(up)>3", "1<`2`", "up{job=\"ö\"}"] {
        let answer = answer(&node, &format!("{API}/format_query?query={query}"));
        let json = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        let status = json.is_some_and(|body| body.contains("\"status\":"));
        assert!(status, "{query}: {answer}");
    }
}

#[test]
fn a_query_ends_before_the_time_of_its_request_does() {
    let place = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let server = server(&gate);
    let node = node(place.path(), &server, &["--web.timeout=5s"]);
    let found = node
        .get(&format!("{API}/query?query=slow&time=1"))
        .expect(200)
        .json();
    gate.open();
    assert_eq!(found["status"], "success");
    assert_eq!(found["data"]["result"], json!([]));
    let warning = found["warnings"][0].as_str().unwrap();
    assert!(warning.contains("it does not answer in time"), "{warning}");
}

#[test]
fn a_range_has_a_start_and_an_end() {
    let place = tempfile::tempdir().unwrap();
    let server = server(&Gate::default());
    let node = node(place.path(), &server, &[]);
    let refused = node.get(&format!("{API}/query_range?query=up&step=1"));
    assert_eq!(
        refused.expect(400).json(),
        json!({
            "status": "error",
            "errorType": "bad_data",
            "error": r#"invalid parameter "start": cannot parse "" to a valid timestamp"#,
        })
    );
}
