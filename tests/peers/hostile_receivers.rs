//! Receivers that never answer, never stop answering, or answer nonsense: the others are told in time, memory is
//! bounded, and the node stops when it is asked to.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    node::{Node, Program, in_seconds, subject_is_upstream},
    process::SOON,
    sink::Sink,
};

/// What is done with a connection once a request came.
type Behaviour = fn(TcpStream);

/// Serves every connection with `behave` until the end of the test program; returns the address.
fn misbehave(behave: Behaviour) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || {
                let mut request = [0; 65536];
                let mut reader = &stream;
                // Enough of the request; whoever goes away is done with.
                let _ = reader.read(&mut request);
                behave(stream);
            });
        }
    });
    address
}

fn silent(_stream: TcpStream) {
    thread::sleep(Duration::from_secs(300));
}

fn endless_body(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    while stream.write_all(&chunk).is_ok() {}
}

fn endless_error(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 99999999999\r\n\r\n");
    while stream.write_all(&[b'\xff'; 0x10000]).is_ok() {}
}

fn endless_header(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ");
    while stream.write_all(&[b'x'; 0x10000]).is_ok() {}
}

fn nonsense(mut stream: TcpStream) {
    let _ = stream.write_all(b"\x16\x03\x01 no HTTP at all\r\n\r\n");
}

fn redirects(mut stream: TcpStream) {
    let here = stream.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 307 T\r\nLocation: http://{here}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(answer.as_bytes());
}

#[test]
fn hostile_receivers_keep_nobody_waiting() {
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let behaviours: [(&str, Behaviour); 6] = [
        ("silent", silent),
        ("endless_body", endless_body),
        ("endless_error", endless_error),
        ("endless_header", endless_header),
        ("nonsense", nonsense),
        ("redirects", redirects),
    ];
    let mut routes = String::new();
    let mut receivers = String::new();
    for (name, behave) in behaviours {
        let address = misbehave(behave);
        routes.push_str(&format!(
            "  - {{match: {{to: {name}}}, receiver: {name}}}\n"
        ));
        receivers.push_str(&format!(
            "- {{name: {name}, webhook_configs: [{{url: 'http://{address}/'}}, {{url: '{}'}}]}}\n",
            sink.url()
        ));
    }
    let config = format!(
        "route:\n  receiver: good\n  group_by: ['...']\n  group_wait: 100ms\n  group_interval: 1s\n  routes:\n{routes}\
         receivers:\n- {{name: good, webhook_configs: [{{url: '{}'}}]}}\n{receivers}",
        sink.url()
    );
    let mut node = Node::start(&subject, directory.path(), &config, &[]);
    let alert = |to: &str, n: usize| json!({"labels": {"alertname": "Hostile", "to": to, "n": format!("{n}")}, "endsAt": in_seconds(600)});
    for (name, _) in behaviours {
        let alerts = (0..20).map(|n| alert(name, n)).collect::<Vec<_>>();
        node.post_alerts(&json!(alerts));
    }
    node.post_alerts(&json!([alert("good", 0)]));
    sink.wait("the page of a good receiver", SOON, |n| {
        n.body["groupLabels"]["to"] == "good"
    });
    // The good integration of a receiver does not wait for its bad neighbour.
    for (name, _) in behaviours {
        let what = format!("the page beside {name}");
        sink.wait(&what, SOON, |n| n.body["groupLabels"]["to"] == name);
    }
    // While the bad ones are tried again and again, a new page is in time and memory is bounded.
    for n in 1..=5 {
        let posted = Instant::now();
        node.post_alerts(&json!([alert("good", n)]));
        sink.wait("another page of a good receiver", SOON, |notification| {
            notification.body["groupLabels"]["n"] == format!("{n}")
                && notification.body["groupLabels"]["to"] == "good"
        });
        assert!(
            posted.elapsed() < Duration::from_secs(5),
            "took {:?}",
            posted.elapsed()
        );
        assert!(node.process.is_running());
        let resident = node.process.resident_bytes();
        // Upstream reads what an endless error says into its memory.
        let bounded = resident < 400 << 20 || subject_is_upstream();
        assert!(bounded, "{} MiB in memory", resident >> 20);
    }
    let stopping = Instant::now();
    assert!(node.terminate().success());
    assert!(
        stopping.elapsed() < Duration::from_secs(15),
        "stopped after {:?}",
        stopping.elapsed()
    );
}
