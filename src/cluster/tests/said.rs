//! What the log says of nodes that leave, are refused, are not there.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use super::net::{MS, Net, S};
use crate::cluster::MAX_NODES;

/// Keeps level and message of every event.
struct Heard(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let line = format!("{} {}", event.metadata().level(), message.0);
        self.0.lock().unwrap().push(line);
    }
}

/// What all nodes log while something happens, but for what only developers read.
fn said(act: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let registry = tracing_subscriber::registry().with(Heard(Arc::clone(&lines)));
    tracing::subscriber::with_default(registry, act);
    let mut lines = std::mem::take(&mut *lines.lock().unwrap());
    lines.retain(|line| !line.starts_with("DEBUG") && !line.starts_with("TRACE"));
    lines
}

#[test]
fn a_node_that_leaves_is_no_warning() {
    for seed in 0..20 {
        let mut net = Net::running(3, seed);
        let address: Arc<str> = net.hosts[1].address.to_string().into();
        let lines = said(|| {
            net.with(1, |mesh, now| mesh.leave(now));
            net.run_until(2 * S, |net| net.mesh(1).has_left());
            net.run_for(100 * MS);
            let status = net.with(0, |mesh, now| mesh.status(now));
            assert!(status.peers["n1"].left);
            assert_eq!(status.unreached[&address], "it said goodbye");
            net.kill(1);
            net.run_for(10 * S);
        });
        let left = lines
            .iter()
            .filter(|line| **line == "INFO A peer left the mesh");
        assert_eq!(left.count(), 2, "SEED={seed}: {lines:#?}");
        let loud: Vec<_> = lines
            .iter()
            .filter(|line| !line.starts_with("INFO"))
            .collect();
        assert!(loud.is_empty(), "SEED={seed}: {loud:#?}");
        // It is no news when it is back.
        net.start(1);
        net.run_for(3 * S);
        assert!(!net.with(0, |mesh, now| mesh.status(now)).peers["n1"].left);
    }
}

#[test]
fn a_host_that_is_gone_is_a_warning_once() {
    let mut net = Net::running(3, 1);
    let lines = said(|| {
        net.lose(1);
        net.run_for(20 * S);
    });
    let dead = "WARN A peer is held for dead: nothing is heard of it";
    let told = lines.iter().filter(|line| **line == dead);
    assert_eq!(told.count(), 2, "{lines:#?}");
}

#[test]
fn one_node_too_many_is_told_of_the_limit() {
    let mut net = Net::new(MAX_NODES + 1, 1);
    (0..MAX_NODES).for_each(|index| net.start(index));
    net.run_for(5 * S);
    let lines = said(|| {
        net.start(MAX_NODES);
        net.run_for(5 * S);
    });
    let refused = lines.iter().find(|line| line.contains("refuses this one"));
    let refused = refused.unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(
        refused.contains("start fewer") && !refused.contains("name"),
        "{refused}"
    );
}

#[test]
fn why_there_is_no_stream_is_never_empty() {
    let mut net = Net::new(3, 1);
    net.hosts[1].lost = true;
    net.start(0);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..400 {
        net.run_for(Duration::from_millis(100));
        let status = net.with(0, |mesh, now| mesh.status(now));
        seen.extend(status.unreached.into_values());
    }
    net.start(2);
    net.run_for(S);
    net.lose(2);
    for _ in 0..400 {
        net.run_for(Duration::from_millis(100));
        let status = net.with(0, |mesh, now| mesh.status(now));
        seen.extend(status.unreached.into_values());
    }
    assert!(!seen.contains(""), "{seen:?}");
    let dialled = "it is being dialled and has not answered yet";
    assert!(seen.contains(dialled), "{seen:?}");
}
