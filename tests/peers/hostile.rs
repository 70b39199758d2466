//! Hostile input: a clear error each time, bounded memory, and the next client is served.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    http::{self, Answer},
    node::{Node, Program, in_seconds, subject_is_upstream},
    process::SOON,
    sink::Sink,
    skipped::skipped,
};

/// What a node may have in memory after everything here; Alertmanager itself stays below it.
const MEMORY: u64 = 400 << 20;

const DEEP: usize = 100_000;

fn start(directory: &Path) -> Option<Node> {
    let subject = Program::Subject.path()?;
    Some(Node::start(&subject, directory, &good_config("first"), &[]))
}

fn good_config(receiver: &str) -> String {
    format!("route: {{receiver: {receiver}}}\nreceivers: [{{name: {receiver}}}]\n")
}

/// The node serves a client at once and keeps its memory bounded.
#[track_caller]
fn still_serves(node: &mut Node, after: &str) {
    assert!(node.process.is_running(), "ended after {after}");
    let started = Instant::now();
    node.post_alerts(&json!([{"labels": {"alertname": "StillThere"}, "endsAt": in_seconds(600)}]));
    node.get("/api/v2/alerts?filter=alertname%3DStillThere")
        .expect(200);
    node.get("/-/healthy").expect(200);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "slow after {after}: {:?}",
        started.elapsed()
    );
    let resident = node.process.resident_bytes();
    assert!(
        resident < MEMORY,
        "{} MiB in memory after {after}",
        resident >> 20
    );
}

fn post(node: &Node, path: &str, body: Vec<u8>) -> Option<Answer> {
    http::try_request(
        "POST",
        &node.url(path),
        &[("Content-Type", "application/json")],
        Some(body),
    )
    .ok()
}

#[test]
fn huge_and_deep_bodies_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut node) = start(directory.path()) else {
        return;
    };
    let ten_megabytes = 10 << 20;
    let nested = |open: &str, close: &str| {
        format!("{}1{}", open.repeat(DEEP), close.repeat(DEEP)).into_bytes()
    };
    let alert = |value: &str| {
        format!(r#"[{{"labels":{{"alertname":"Huge"}},"annotations":{{"a":{value}}}}}]"#)
            .into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("10 MB of zeros", vec![0; ten_megabytes]),
        ("10 MB of spaces", vec![b' '; ten_megabytes]),
        ("10 MB of open brackets", vec![b'['; ten_megabytes]),
        (
            "10 MB of bytes that are no UTF-8",
            vec![0xff; ten_megabytes],
        ),
        ("10 MB of a number", vec![b'9'; ten_megabytes]),
        ("lists 100,000 deep", nested("[", "]")),
        ("objects 100,000 deep", nested("{\"a\":", "}")),
        (
            "an alert with an unknown member 100,000 deep",
            format!(
                r#"[{{"labels":{{"alertname":"Deep"}},"x":{}}}]"#,
                String::from_utf8(nested("[", "]")).unwrap()
            )
            .into_bytes(),
        ),
        (
            "an annotation as a list 100,000 deep",
            alert(&String::from_utf8(nested("[", "]")).unwrap()),
        ),
        (
            "an open string of 10 MB",
            alert(&format!("\"{}", "a".repeat(ten_megabytes))),
        ),
        (
            "half a UTF-8 sequence",
            alert("\"\u{e9}\"")
                .into_iter()
                .filter(|byte| *byte != 0xa9)
                .collect(),
        ),
    ];
    for (what, body) in cases {
        for path in ["/api/v2/alerts", "/api/v2/silences"] {
            // Refusing without reading it all breaks the connection for a client that still writes: as good.
            if let Some(answer) = post(&node, path, body.clone()) {
                // Bytes that are no UTF-8 are replaced; unknown members are skipped, however deep.
                assert!(answer.status < 500, "{what} to {path}: {answer:?}");
                assert!(
                    answer.body.len() < 2000,
                    "{what} to {path}: {} bytes of error",
                    answer.body.len()
                );
                let harmless = what.contains("UTF-8") || what.contains("unknown member");
                assert!(
                    harmless || answer.status >= 400,
                    "{what} to {path}: accepted"
                );
            }
            still_serves(&mut node, what);
        }
    }
    // Valid but huge: taken or refused, never fatal.
    let many_labels = (0..100_000).fold(String::new(), |mut all, i| {
        write!(all, ",\"l{i}\":\"v\"").unwrap();
        all
    });
    for (what, body) in [
        (
            "an annotation of 10 MB",
            alert(&format!("\"{}\"", "a".repeat(ten_megabytes))),
        ),
        (
            "100,000 labels",
            format!(r#"[{{"labels":{{"alertname":"Many"{many_labels}}}}}]"#).into_bytes(),
        ),
    ] {
        if let Some(answer) = post(&node, "/api/v2/alerts", body) {
            assert!(answer.status < 500, "{what}: {answer:?}");
        }
        still_serves(&mut node, what);
    }
}

#[test]
fn hostile_queries_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut node) = start(directory.path()) else {
        return;
    };
    node.post_alerts(
        &json!([{"labels": {"alertname": "A".repeat(100)}, "endsAt": in_seconds(600)}]),
    );
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let cases = [
        (
            "nested groups",
            format!("a=~\"{}x{}\"", "(".repeat(3000), ")".repeat(3000)),
        ),
        (
            "a huge repetition",
            "a=~\"(((x{1000}){1000}){1000})\"".to_owned(),
        ),
        (
            "repeated repetitions",
            format!("a=~\"{}\"", "(x+)*".repeat(1000)),
        ),
        (
            "a backtracker's nightmare",
            "alertname=~\"(A*)*(A*)*(A*)*B\"".to_owned(),
        ),
        (
            "many alternatives",
            format!("a=~\"{}\"", "x|".repeat(10_000)),
        ),
        ("a long class", format!("a=~\"[{}]\"", "a-z".repeat(5_000))),
        ("open braces", "{".repeat(20_000)),
        ("quotes", "\"".repeat(20_001)),
        ("commas", ",".repeat(20_000)),
    ];
    for (what, filter) in cases {
        for path in [
            "/api/v2/alerts",
            "/api/v2/silences",
            "/api/v2/alerts/groups",
        ] {
            let started = Instant::now();
            let url = node.url(&format!("{path}?filter={}", encoded(&filter)));
            if let Ok(answer) = http::try_request("GET", &url, &[], None) {
                assert!(answer.status < 500, "{what}: {answer:?}");
            }
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{what} took {:?}",
                started.elapsed()
            );
        }
        let pattern = filter
            .split_once("=~\"")
            .map(|(_, pattern)| pattern.trim_end_matches('"'));
        if let Some(pattern) = pattern {
            let silence = json!({
                "matchers": [{"name": "a", "value": format!("y{pattern}"), "isRegex": true}],
                "startsAt": in_seconds(0), "endsAt": in_seconds(60), "createdBy": "x", "comment": "x",
            });
            let answer = node.post("/api/v2/silences", &silence);
            assert!(answer.status < 500, "{what} in a silence: {answer:?}");
        }
        still_serves(&mut node, what);
    }
}

#[test]
fn hostile_configurations_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut node) = start(directory.path()) else {
        return;
    };
    let file = directory.path().join("alertmanager.yml");
    let bomb = (0..30).fold(
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(),
        |mut bomb, i| {
            let aliases = vec![format!("*a{i}"); 9].join(", ");
            writeln!(bomb, "a{}: &a{} [{aliases}]", i + 1, i + 1).unwrap();
            bomb
        },
    );
    let routes = (0..DEEP).fold(String::new(), |mut routes, _| {
        routes.push_str("{receiver: first, routes: [");
        routes
    });
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("lists 100,000 deep", format!("route: {}1{}", "[".repeat(DEEP), "]".repeat(DEEP)).into_bytes()),
        ("open lists", vec![b'['; DEEP]),
        ("open maps", "{a: ".repeat(DEEP).into_bytes()),
        ("indented 3,000 deep", (0..3000).fold(String::new(), |mut text, i| {
            writeln!(text, "{}a:", " ".repeat(i)).unwrap();
            text
        }).into_bytes()),
        ("dashes 100,000 deep", "- ".repeat(DEEP).into_bytes()),
        ("routes 100,000 deep", format!("route: {routes}").into_bytes()),
        ("an alias bomb", format!("{bomb}route: *a30\n").into_bytes()),
        ("an alias of itself", b"route: &a {receiver: first, routes: [*a]}\nreceivers: [{name: first}]\n".to_vec()),
        ("a merge of itself", b"route: &a {receiver: first, <<: *a}\nreceivers: [{name: first}]\n".to_vec()),
        ("bytes that are no UTF-8", b"route: {receiver: \"\xff\xfe\"}\nreceivers: [{name: first}]\n".to_vec()),
        ("zeros", vec![0; 1 << 20]),
        ("10 MB of nothing", vec![b'x'; 10 << 20]),
        ("an empty file", Vec::new()),
        ("two documents", b"route: {receiver: first}\n---\nreceivers: [\n".to_vec()),
        ("a huge number", b"route: {receiver: first, group_wait: 99999999999999999999h}\nreceivers: [{name: first}]\n".to_vec()),
        ("a bad regular expression", format!("route: {{receiver: first, match_re: {{a: '{}'}}}}\nreceivers: [{{name: first}}]\n", "(".repeat(5000)).into_bytes()),
    ];
    for (what, config) in cases {
        fs::write(&file, config).unwrap();
        let started = Instant::now();
        let answer = http::try_request("POST", &node.url("/-/reload"), &[], None).unwrap();
        // yaml.v2 reads the first document only, and an alias may contain itself nowhere.
        assert!(
            answer.status == 500,
            "{what}: {} {}",
            answer.status,
            &answer.body[..answer.body.len().min(500)]
        );
        assert!(
            answer.body.starts_with("failed to reload config: "),
            "{what}: {:.500}",
            answer.body
        );
        assert!(
            answer.body.len() < 100_000,
            "{what}: {} bytes of error",
            answer.body.len()
        );
        assert!(
            started.elapsed() < SOON,
            "{what} took {:?}",
            started.elapsed()
        );
        still_serves(&mut node, what);
        let receivers = node.get("/api/v2/receivers").json();
        assert_eq!(receivers[0]["name"], "first", "after {what}");
    }
    let metrics = node.get("/metrics").body;
    assert!(metrics.contains("\nalertmanager_config_last_reload_successful 0\n"));
    fs::write(&file, good_config("second")).unwrap();
    http::try_request("POST", &node.url("/-/reload"), &[], None)
        .unwrap()
        .expect(200);
    assert_eq!(node.get("/api/v2/receivers").json()[0]["name"], "second");
}

/// Sends bytes as they are and returns what comes back until the server closes or stays silent.
fn raw(node: &Node, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(node.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // A server that refuses early closes while we write.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn broken_http_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut node) = start(directory.path()) else {
        return;
    };
    let host = "Host: x\r\nConnection: close\r\n";
    let post = format!("POST /api/v2/alerts HTTP/1.1\r\n{host}Content-Type: application/json\r\n");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("zeros", vec![0; 4096]),
        (
            "a TLS greeting",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        ),
        ("no request line", b"\r\n\r\n\r\n\r\n".to_vec()),
        (
            "an HTTP version that is none",
            b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        ),
        (
            "a request line of 10 MB",
            [
                b"GET /".to_vec(),
                vec![b'a'; 10 << 20],
                b" HTTP/1.1\r\n\r\n".to_vec(),
            ]
            .concat(),
        ),
        (
            "a header of 10 MB",
            [
                format!("GET / HTTP/1.1\r\n{host}X: ").into_bytes(),
                vec![b'a'; 10 << 20],
                b"\r\n\r\n".to_vec(),
            ]
            .concat(),
        ),
        (
            "100,000 headers",
            format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X: y\r\n".repeat(DEEP)).into_bytes(),
        ),
        (
            "a header name with a space",
            format!("GET / HTTP/1.1\r\n{host}a b: c\r\n\r\n").into_bytes(),
        ),
        (
            "a header that is no UTF-8",
            [
                format!("GET /api/v2/alerts HTTP/1.1\r\n{host}Accept: ").into_bytes(),
                b"\xff\xfe\r\n\r\n".to_vec(),
            ]
            .concat(),
        ),
        (
            "a path that is no UTF-8",
            [
                b"GET /api/v2/silence/\xff\xfe HTTP/1.1\r\n".to_vec(),
                format!("{host}\r\n").into_bytes(),
            ]
            .concat(),
        ),
        (
            "a path with dots",
            format!("GET /../../../etc/passwd HTTP/1.1\r\n{host}\r\n").into_bytes(),
        ),
        (
            "a negative length",
            format!("{post}Content-Length: -1\r\n\r\n[]").into_bytes(),
        ),
        (
            "two lengths",
            format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]").into_bytes(),
        ),
        (
            "a length beyond 64 bits",
            format!("{post}Content-Length: 99999999999999999999999\r\n\r\n[]").into_bytes(),
        ),
        (
            "a length of 2^62",
            format!("{post}Content-Length: 4611686018427387904\r\n\r\n[]").into_bytes(),
        ),
        (
            "a bad chunk size",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n").into_bytes(),
        ),
        (
            "a chunk size beyond 64 bits",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n[]")
                .into_bytes(),
        ),
        (
            "an unknown transfer encoding",
            format!("{post}Transfer-Encoding: gzip\r\n\r\n[]").into_bytes(),
        ),
        (
            "a gzip body",
            format!("{post}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]").into_bytes(),
        ),
        (
            "a client that goes in the middle of its body",
            format!("{post}Content-Length: 1000\r\n\r\n[").into_bytes(),
        ),
    ];
    for (what, request) in cases {
        let answer = raw(&node, &request);
        let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
        assert!(
            !status.starts_with('5') || status == "501" || status == "505",
            "{what}: {answer:.300}"
        );
        assert!(!answer.contains("root:"), "{what}");
        still_serves(&mut node, what);
    }
}

#[test]
fn slow_clients_do_not_stop_others() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut node) = start(directory.path()) else {
        return;
    };
    let starts: [&[u8]; 4] = [
        b"",
        b"GET /api/v2/al",
        b"GET /api/v2/alerts HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[{\"labels\"",
    ];
    let mut slow = Vec::new();
    for i in 0..400 {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream.write_all(starts[i % starts.len()]).unwrap();
        slow.push(stream);
    }
    // Readers that ask for much and read nothing.
    let alerts = (0..2000)
        .map(|i| json!({"labels": {"alertname": "Much", "i": format!("{i}")}, "annotations": {"text": "x".repeat(500)}, "endsAt": in_seconds(600)}))
        .collect::<Vec<_>>();
    node.post_alerts(&json!(alerts));
    let mut readers = Vec::new();
    // Upstream has eight places for reads and leaves them to those who do not read; here more than these places are asked for.
    let count = if subject_is_upstream() { 0 } else { 10 };
    for _ in 0..count {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        for _ in 0..10 {
            stream
                .write_all(b"GET /api/v2/alerts HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
        }
        readers.push(stream);
    }
    for round in 0..10 {
        for stream in &mut slow {
            // Whoever was thrown out already is served as it should.
            let _ = stream.write_all(b"x");
        }
        still_serves(&mut node, &format!("round {round} of slow clients"));
    }
}

#[test]
fn ten_thousand_idle_connections_are_borne() {
    const CONNECTIONS: usize = 10_000;
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let files = files
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse::<usize>()
        .unwrap_or(usize::MAX);
    if files < CONNECTIONS + 1000 {
        skipped(&format!(
            "many connections: only {files} open files are allowed (ulimit -n)"
        ));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let Some(mut node) = start(directory.path()) else {
        return;
    };
    let sink = Sink::start();
    let mut idle = Vec::new();
    for i in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        // One in ten has asked something before.
        if i % 10 == 0 {
            stream
                .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
        }
        idle.push(stream);
    }
    still_serves(&mut node, "10,000 idle connections");
    // It still reaches out, too.
    let config = crate::node::webhook_config(&sink.url());
    fs::write(directory.path().join("alertmanager.yml"), config).unwrap();
    http::try_request("POST", &node.url("/-/reload"), &[], None)
        .unwrap()
        .expect(200);
    node.post_alerts(&json!([{"labels": {"alertname": "Page"}, "endsAt": in_seconds(600)}]));
    sink.wait("a page among idle connections", SOON, |n| {
        n.group_key().contains("Page")
    });
    drop(idle);
    still_serves(&mut node, "10,000 connections were dropped");
}
