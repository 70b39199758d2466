//! Endpoints that are found, and come and go.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::sync::Semaphore;

use super::{
    LONG, NOW, at, config, data, now,
    server::{Reply, Server, evaluate},
};
use crate::{
    config::{QueryConfig, RecordType},
    io::{
        Clock, HttpClients,
        federation::{Federation, Looking, QueryError, Resolve},
    },
    promql::engine::Steps,
};

/// What names mean, until it is changed.
type Names = Arc<Mutex<BTreeMap<(RecordType, &'static str), Result<Vec<String>, String>>>>;

fn resolver(names: &Names) -> Resolve {
    let names = Arc::clone(names);
    Arc::new(move |record: RecordType, name: String| -> Looking {
        let known = names.lock().unwrap();
        let found = known
            .iter()
            .find(|((of, known), _)| *of == record && *known == name);
        let found = found.map(|(_, found)| found.clone());
        let none = || Err(format!("{name} is not known"));
        Box::pin(std::future::ready(found.unwrap_or_else(none)))
    })
}

fn federation(text: &str, names: &Names) -> Federation {
    let clock = Clock::start(SignedDuration::ZERO);
    let http = Arc::new(HttpClients::new(clock));
    Federation::with_names(http, clock, always_due(text), resolver(names))
}

/// A configuration with which each look is due.
fn always_due(text: &str) -> QueryConfig {
    let mut config = config(text);
    for endpoint in &mut config.endpoints {
        Arc::make_mut(&mut endpoint.discovery).refresh_interval = Duration::ZERO;
    }
    config
}

/// Waits for a condition.
async fn until(holds: impl Fn() -> bool) {
    let waits = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waits).await.unwrap();
}

/// The names of the endpoints that are in use, and whether the partition was missing in an answer.
async fn seen(federation: &Federation) -> (Vec<String>, Vec<String>) {
    let reply = now(federation, "sum(x)").await;
    let status = federation.status();
    let names = status.partitions.iter().flat_map(|one| &one.endpoints);
    (
        names.map(|one| one.name.clone()).collect(),
        reply.warnings(),
    )
}

fn write(path: &Path, targets: &[(&str, &Server)]) {
    let groups: Vec<String> = targets
        .iter()
        .map(|(cluster, server)| {
            format!(
                r#"{{"targets":["{}"],"labels":{{"cluster":"{cluster}"}}}}"#,
                server.address
            )
        })
        .collect();
    fs::write(path, format!("[{}]", groups.join(","))).unwrap();
}

#[tokio::test]
async fn endpoints_are_found_in_files_and_errors_keep_what_was_found() {
    let (eu, us) = (
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("targets.json");
    let text = format!(
        "endpoints:\n- name: found\n  url: http://unused:1\n  kind: prometheus\n  discovery:\n    \
         refresh_interval: 1ms\n    files: ['{}/*.json']",
        directory.path().display()
    );
    let federation = federation(&text, &Names::default());
    let (names, warnings) = seen(&federation).await;
    assert_eq!(names, ["found"]);
    assert_eq!(
        warnings,
        ["partition {} is missing: found: its endpoints are being looked for"]
    );
    federation.discover().await;
    let (_, warnings) = seen(&federation).await;
    assert!(
        warnings[0].contains("no endpoint was found: there is no file"),
        "{warnings:?}"
    );

    write(&file, &[("eu", &eu), ("us", &us)]);
    federation.discover().await;
    let (names, warnings) = seen(&federation).await;
    let mut both = [&eu, &us].map(|server| format!("found/{}", server.address));
    both.sort();
    assert_eq!((names, warnings), (both.to_vec(), Vec::new()));
    let partitions = federation.status().partitions;
    let clusters = partitions.iter().map(|one| one.labels.value("cluster"));
    assert!(clusters.clone().any(|one| one == "eu") && clusters.count() == 2);

    // What is no list, what is gone, and two partitions that nothing tells apart change nothing.
    for wrong in [
        "{".to_owned(),
        format!(
            r#"[{{"targets":["{}","h:1"],"labels":{{"a":"b"}}}},{{"targets":["i:1"]}}]"#,
            eu.address
        ),
        r#"[{"targets":["a b"]}]"#.to_owned(),
    ] {
        fs::write(&file, wrong).unwrap();
        federation.discover().await;
        let (names, warnings) = seen(&federation).await;
        assert_eq!((names, warnings), (both.to_vec(), Vec::new()));
    }
    fs::remove_file(&file).unwrap();
    federation.discover().await;
    let status = federation.status().discoveries.remove(0);
    assert_eq!((status.endpoints, status.failures), (Some(2), 5));
    assert!(status.error.unwrap().contains("there is no file"));

    // One goes, and the other keeps what is known of it.
    let requests = || {
        let partitions = federation.status().partitions;
        let of_eu = partitions.iter().flat_map(|one| &one.endpoints);
        let mut of_eu = of_eu.filter(|one| one.name.ends_with(&eu.address.to_string()));
        of_eu.next().unwrap().requests.durations.count()
    };
    let before = requests();
    write(&file, &[("eu", &eu)]);
    federation.discover().await;
    let status = federation.status();
    assert_eq!(status.partitions.len(), 1);
    assert_eq!(requests(), before);
    assert_eq!(status.discoveries[0].error, None);
    fs::write(&file, "[]").unwrap();
    federation.discover().await;
    assert!(
        federation.status().partitions.is_empty(),
        "so it was written"
    );
}

#[tokio::test]
async fn endpoints_are_found_by_names() {
    let (first, second) = (
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(1.0)).await,
    );
    let names = Names::default();
    let text = format!(
        "endpoints:\n\
         - {{name: a, url: 'http://unused:{}', partition: {{cluster: eu}}, discovery: \
         {{refresh_interval: 1ms, dns: {{names: [eu.example], type: A}}}}}}\n\
         - {{name: s, url: 'http://unused:1', partition: {{cluster: us}}, discovery: \
         {{refresh_interval: 1ms, dns: {{names: [_p._tcp.us.example], type: SRV}}}}}}",
        first.address.port()
    );
    let federation = federation(&text, &names);
    federation.discover().await;
    let (_, warnings) = seen(&federation).await;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("eu.example is not known"),
        "{warnings:?}"
    );

    let set = |record, name, found| names.lock().unwrap().insert((record, name), found);
    let known = |found: &[String]| Ok(found.to_vec());
    set(
        RecordType::A,
        "eu.example",
        known(&["127.0.0.1".to_owned()]),
    );
    let service = [second.address.to_string()];
    set(RecordType::Srv, "_p._tcp.us.example", known(&service));
    federation.discover().await;
    let (found, warnings) = seen(&federation).await;
    let expect = ["a/127.0.0.1".to_owned(), format!("s/{}", second.address)];
    assert_eq!((found, warnings), (expect.to_vec(), Vec::new()));
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));

    set(
        RecordType::A,
        "eu.example",
        Err("the name server is gone".to_owned()),
    );
    federation.discover().await;
    let (found, warnings) = seen(&federation).await;
    assert_eq!((found, warnings), (expect.to_vec(), Vec::new()));
    let status = federation.status().discoveries;
    assert_eq!(status[0].error.as_deref(), Some("the name server is gone"));
    assert_eq!((status[0].failures, status[1].failures), (2, 1));
}

/// A server whose answers to queries wait for permits.
async fn gated(permits: &Arc<Semaphore>) -> Server {
    let (gate, series) = (Arc::clone(permits), data(1.0));
    Server::start(Arc::new(move |one| {
        let later = |body| match &*one.path {
            "/api/v1/status/buildinfo" => Reply::Json(body),
            _ => Reply::Later(Arc::clone(&gate), body),
        };
        evaluate(one, &series).map(later)
    }))
    .await
}

#[tokio::test]
async fn a_set_that_changes_drops_no_query() {
    let permits = Arc::new(Semaphore::new(0));
    let server = gated(&permits).await;
    let names = Names::default();
    let key = (RecordType::Srv, "x");
    let found = Ok(vec![server.address.to_string()]);
    names.lock().unwrap().insert(key, found);
    let text = "endpoints:\n- {name: s, url: 'http://unused:1', kind: prometheus, discovery: \
                {refresh_interval: 1ms, dns: {names: [x]}}}";
    let federation = Arc::new(federation(text, &names));
    federation.discover().await;
    let asking = Arc::clone(&federation);
    let running = tokio::spawn(async move { now(&asking, "x").await });
    until(|| !server.asked().is_empty()).await;
    names
        .lock()
        .unwrap()
        .insert(key, Ok(vec!["127.0.0.1:1".to_owned()]));
    federation.discover().await;
    assert_eq!(
        federation.status().partitions[0].endpoints[0].name,
        "s/127.0.0.1:1"
    );
    permits.add_permits(1);
    let reply = running.await.unwrap();
    assert_eq!((reply.warnings(), server.asked().len()), (Vec::new(), 1));
}

#[tokio::test]
async fn queries_wait_for_their_turn_and_hold_no_more_than_they_may() {
    let permits = Arc::new(Semaphore::new(0));
    let server = gated(&permits).await;
    let text = |limits: &str| {
        format!(
            "limits: {{{limits}}}\nendpoints:\n- {{name: e, kind: prometheus, url: 'http://{}'}}",
            server.address
        )
    };
    let federation = Arc::new(federation(
        &text("max_concurrent_queries: 1"),
        &Names::default(),
    ));
    let asking = Arc::clone(&federation);
    let first = tokio::spawn(async move { now(&asking, "x").await });
    until(|| !server.asked().is_empty()).await;
    let short = Duration::from_millis(200);
    let late = at(&federation, "x", Steps::instant(NOW), short).await;
    assert_eq!(late.unwrap_err(), QueryError::Queued { most: 1 });
    assert_eq!(federation.status().load.running, 1);
    permits.add_permits(10);
    assert!(first.await.unwrap().warnings().is_empty());
    assert_eq!(federation.status().load.running, 0);
    assert_eq!(federation.status().load.bytes, 0);

    federation.reload(always_due(&text("max_response_bytes: 100B")));
    let much = at(&federation, "x", Steps::instant(NOW), LONG).await;
    assert_eq!(much.unwrap_err(), QueryError::TooManyBytes { most: 100 });
    let status = federation.status();
    assert_eq!(status.load.bytes, 0);
    assert_eq!(status.partitions[0].up, Some(true), "it did answer");
    let errors: BTreeMap<_, _> = status.queries.errors().collect();
    assert_eq!((errors["queue"], errors["bytes"]), (1, 1));
}

#[tokio::test]
async fn what_was_found_and_does_not_fit_after_a_reload_is_missing_until_it_does() {
    let server = Server::prometheus(data(1.0)).await;
    let names = Names::default();
    let key = (RecordType::Srv, "x");
    let found = Ok(vec![server.address.to_string()]);
    names.lock().unwrap().insert(key, found);
    let entry = "- {name: s, url: 'http://unused:1', kind: prometheus, partition: {cluster: eu}, \
                 discovery: {refresh_interval: 1ms, dns: {names: [x]}}}\n";
    let federation = federation(&format!("endpoints:\n{entry}"), &names);
    federation.discover().await;
    assert_eq!(seen(&federation).await.1, Vec::<String>::new());

    // Nothing tells the two partitions apart: sums would count what is in both twice.
    let other = format!(
        "- {{name: o, url: 'http://{}', kind: prometheus, partition: {{region: r}}}}\n",
        server.address
    );
    let reload = |text: String| federation.reload(always_due(&text));
    reload(format!("endpoints:\n{entry}{other}"));
    let (endpoints, warnings) = seen(&federation).await;
    assert_eq!(endpoints, ["s", "o"]);
    assert!(
        warnings[0].contains("no label of their partitions tells endpoints"),
        "{warnings:?}"
    );
    reload(format!("endpoints:\n{entry}"));
    federation.discover().await;
    assert_eq!(seen(&federation).await.1, Vec::<String>::new());
}
