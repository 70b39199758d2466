//! Tenants connected by queues: whatever changes, is lost or comes late, they end with the same.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;

use crate::{
    alert::Alert,
    cluster::{Lane, NodeName},
    config::{Config, GroupBy, Receiver, Route},
    history::HistoryLimits,
    labels::{LabelSet, MatchOp, MatcherMode},
    nflog::{LogKey, NflogEntry, ReceiverKey, Trail},
    rng::Rng,
    ruler::RulerNews,
    silence::{MatcherText, Silence, SilenceDraft, SilenceLimits, check_matcher_sets},
    storage::{Heartbeat, ReplicaMap},
    tenant::{MeshIdentity, Saved, Tenant, TenantEffect, TenantSettings},
    time::{Now, Timestamp},
};

/// The mesh's window.
const WINDOW: usize = 1024 * 1024;

pub(super) fn config() -> Config {
    let receiver = Receiver {
        name: "page".into(),
        labels: Default::default(),
        integrations: Vec::new(),
    };
    Config {
        route: Route {
            receiver: "page".into(),
            group_by: GroupBy::Labels([Arc::from("alertname")].into()),
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(60),
            repeat_interval: Duration::from_secs(600),
            ..Route::default()
        },
        receivers: vec![Arc::new(receiver)],
        ..Config::default()
    }
}

fn settings(node: &str) -> TenantSettings {
    let day = Duration::from_secs(86_400);
    TenantSettings {
        tenant: "anonymous".into(),
        node: node.into(),
        retention: 5 * day,
        maintenance_interval: day,
        gc_interval: Duration::from_secs(1800),
        per_alertname_limit: 0,
        silence_limits: SilenceLimits::default(),
        log_silences: false,
        start_delay: Duration::ZERO,
        external_url: "http://h:9093".into(),
        cluster_label: "".into(),
        history_limits: HistoryLimits {
            max_entries: 1000,
            max_bytes: 1 << 20,
        },
    }
}

/// A node's tenant and what waits to be carried from it.
pub(super) struct Member {
    pub(super) tenant: Tenant,
    run: u64,
    beat: Vec<u8>,
    /// What is on the way to each connected node, by lane.
    urgent: BTreeMap<NodeName, VecDeque<Vec<u8>>>,
    bulk: BTreeMap<NodeName, VecDeque<Vec<u8>>>,
    /// What its ruler is told.
    pub(super) news: Vec<RulerNews>,
}

/// Some tenants and the streams between them.
pub(super) struct Net {
    pub(super) members: BTreeMap<NodeName, Member>,
    pub(super) now: Now,
    runs: u64,
    /// Payloads carried, by the first name.
    pub(super) carried: usize,
    pub(super) carried_bytes: usize,
    pub(super) longest: usize,
}

impl Net {
    pub(super) fn new(names: &[&str]) -> Self {
        let mut net = Self {
            members: BTreeMap::new(),
            now: Now {
                mono: Duration::from_secs(1),
                wall: Timestamp::from_unix(1_795_000_000, 0),
            },
            runs: 0,
            carried: 0,
            carried_bytes: 0,
            longest: 0,
        };
        for name in names {
            net.start(name, Saved::default());
        }
        net
    }

    /// Starts a node, in place of the one of that name.
    pub(super) fn start(&mut self, name: &str, saved: Saved) {
        self.runs += 1;
        let (config, now) = (Arc::new(config()), self.now);
        let rng = Rng::from_seed(self.runs);
        let mut tenant = Tenant::new(settings(name), config, saved, rng, now);
        tenant.join_mesh(
            MeshIdentity {
                name: name.into(),
                run: self.runs,
                pushpull_interval: Duration::from_secs(60),
            },
            now,
        );
        let member = Member {
            tenant,
            run: self.runs,
            beat: Vec::new(),
            urgent: BTreeMap::new(),
            bulk: BTreeMap::new(),
            news: Vec::new(),
        };
        self.members.insert(name.into(), member);
    }

    /// Ends a node at once and starts it anew, with what it had or with nothing.
    pub(super) fn restart(&mut self, name: &str, keeps: bool) {
        let names: Vec<_> = self.members.keys().cloned().collect();
        for other in names.iter().filter(|other| ***other != *name) {
            self.part(name, other);
        }
        let tenant = &self.members[name].tenant;
        let saved = Saved {
            silences: tenant.silences.iter().map(|s| Silence::clone(s)).collect(),
            nflog: tenant.nflog.iter().map(|e| NflogEntry::clone(e)).collect(),
            alerts: tenant
                .store
                .all()
                .values()
                .map(|a| Alert::clone(a))
                .collect(),
            rules: tenant.rules.all().values().cloned().collect(),
            heartbeat: Some(Heartbeat {
                at: self.now.wall,
                stopped: false,
            }),
            ..Saved::default()
        };
        self.now.mono += Duration::from_secs(7);
        self.now.wall = self.now.wall.plus(Duration::from_secs(7));
        self.start(name, if keeps { saved } else { Saved::default() });
    }

    pub(super) fn tenant(&mut self, name: &str) -> &mut Tenant {
        &mut self.members.get_mut(name).unwrap().tenant
    }

    pub(super) fn join(&mut self, a: &str, b: &str) {
        for (own, other) in [(a, b), (b, a)] {
            let (other, now): (NodeName, _) = (other.into(), self.now);
            let run = self.members[&other].run;
            let member = self.members.get_mut(own).unwrap();
            if member.urgent.contains_key(&other) {
                continue;
            }
            member.urgent.insert(other.clone(), VecDeque::new());
            member.bulk.insert(other.clone(), VecDeque::new());
            member.tenant.peer_joined(&other, run, now);
            member.tenant.peer_room(&other, WINDOW, now);
        }
        self.collect();
    }

    /// Ends the stream between two nodes; what is on the way is lost.
    pub(super) fn part(&mut self, a: &str, b: &str) {
        for (own, other) in [(a, b), (b, a)] {
            let (other, now): (NodeName, _) = (other.into(), self.now);
            if let Some(member) = self.members.get_mut(own)
                && member.urgent.remove(&other).is_some()
            {
                member.bulk.remove(&other);
                member.tenant.peer_parted(&other, now);
            }
        }
        self.collect();
    }

    pub(super) fn join_all(&mut self) {
        let names: Vec<_> = self.members.keys().cloned().collect();
        for a in &names {
            for b in names.iter().filter(|b| a < *b) {
                self.join(a, b);
            }
        }
    }

    /// Does what the tenants ask for.
    pub(super) fn collect(&mut self) {
        let now = self.now;
        for member in self.members.values_mut() {
            while let Some(effect) = member.tenant.poll_effect() {
                match effect {
                    TenantEffect::Run(job) => member.tenant.job_done(job.run(), now),
                    TenantEffect::Tell(bytes) => {
                        for queue in member.urgent.values_mut() {
                            queue.push_back(bytes.clone());
                        }
                    }
                    TenantEffect::TellOne { to, lane, bytes } => {
                        let queues = match lane {
                            Lane::Urgent => &mut member.urgent,
                            Lane::Bulk => &mut member.bulk,
                        };
                        if let Some(queue) = queues.get_mut(&to) {
                            queue.push_back(bytes);
                        }
                    }
                    TenantEffect::SaveBehind(_) => member.tenant.saved_behind(),
                    TenantEffect::Ruler(news) => member.news.push(news),
                    TenantEffect::Notify { .. }
                    | TenantEffect::SaveDurably(_)
                    | TenantEffect::SavePromise { .. }
                    | TenantEffect::WriteFiles(_) => {}
                }
            }
        }
    }

    /// Carries one payload; tells whether there was one. `pick` chooses among the lanes that have some.
    pub(super) fn carry(&mut self, pick: usize) -> bool {
        let mut ways = Vec::new();
        for (from, member) in &self.members {
            for (lane, queues) in [(Lane::Urgent, &member.urgent), (Lane::Bulk, &member.bulk)] {
                let full = queues.iter().filter(|(_, queue)| !queue.is_empty());
                ways.extend(full.map(|(to, _)| (from.clone(), to.clone(), lane)));
            }
        }
        if ways.is_empty() {
            return false;
        }
        let (from, to, lane) = ways[pick % ways.len()].clone();
        let sender = self.members.get_mut(&from).unwrap();
        let queues = match lane {
            Lane::Urgent => &mut sender.urgent,
            Lane::Bulk => &mut sender.bulk,
        };
        let queue = queues.get_mut(&to).unwrap();
        let bytes = queue.pop_front().unwrap();
        let on_the_way: usize = queue.iter().map(Vec::len).sum();
        assert!(bytes.len() <= 64 * 1024, "a frame of {}", bytes.len());
        if lane == Lane::Bulk {
            assert!(on_the_way <= WINDOW + 64 * 1024);
            let room = WINDOW.saturating_sub(on_the_way);
            sender.tenant.peer_room(&to, room, self.now);
        }
        self.carried += 1;
        self.carried_bytes += bytes.len();
        self.longest = self.longest.max(bytes.len());
        let receiver = self.members.get_mut(&to).unwrap();
        receiver.tenant.replica_payload(&from, &bytes, self.now);
        self.collect();
        true
    }

    /// Carries everything that is on the way.
    pub(super) fn settle(&mut self) {
        self.collect();
        while self.carry(0) {}
    }

    /// Has all nodes say what they know, as the mesh does every two seconds.
    pub(super) fn beat(&mut self) {
        let names: Vec<_> = self.members.keys().cloned().collect();
        for from in &names {
            let member = self.members.get_mut(from).unwrap();
            if let Some(beat) = member.tenant.take_beat() {
                member.beat = beat;
            }
            let (beat, to) = (member.beat.clone(), member.urgent.keys().cloned());
            for to in to.collect::<Vec<_>>() {
                let now = self.now;
                self.tenant(&to).peer_beat(from, &beat, now);
            }
        }
        self.collect();
    }

    /// Lets time pass, in steps of a second, with everything that is due.
    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.mono += Duration::from_secs(1);
            self.now.wall = self.now.wall.plus(Duration::from_secs(1));
            let now = self.now;
            for member in self.members.values_mut() {
                member.tenant.handle_timeout(now);
            }
            if self.now.mono.as_secs().is_multiple_of(2) {
                self.beat();
            }
            self.settle();
        }
    }
}

pub(super) fn alert(name: &str, now: Now, fires_for: u64) -> Alert {
    let labels = LabelSet::from_pairs([("alertname", name), ("job", "x")]);
    Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: LabelSet::from_pairs([("summary", "it is down")]),
        generator_url: "http://prometheus/graph".into(),
        starts_at: Timestamp::from_unix(1_795_000_000, 0),
        ends_at: now.wall.plus(Duration::from_secs(fires_for)),
        updated_at: now.wall,
        timeout: false,
    }
}

pub(super) fn draft(id: Option<Arc<str>>, now: Now, hours: u64) -> SilenceDraft {
    let text = MatcherText {
        name: "job".to_owned(),
        op: MatchOp::Equal,
        value: "x".to_owned(),
    };
    SilenceDraft {
        id,
        matcher_sets: check_matcher_sets(&[vec![text]], MatcherMode::Fallback).unwrap(),
        starts_at: Timestamp::from_unix(1_795_010_000, 0),
        ends_at: now.wall.plus(Duration::from_secs(hours * 3600)),
        created_by: "me".to_owned(),
        comment: "because".to_owned(),
        annotations: BTreeMap::new(),
    }
}

pub(super) fn entry(group: &str, seq: u64, now: Now, firing: usize) -> NflogEntry {
    NflogEntry {
        key: LogKey {
            group_key: group.into(),
            receiver: ReceiverKey {
                group_name: "page".into(),
                integration: "webhook".into(),
                index: 0,
            },
        },
        seq,
        edit: 0,
        timestamp: now.wall,
        firing: (0..firing as u64).collect(),
        resolved: Arc::default(),
        held: Arc::default(),
        receiver_data: BTreeMap::new(),
        repeat_interval: Duration::from_secs(600),
        trail: Trail::default(),
        expires_at: now.wall.plus(Duration::from_secs(432_000)),
    }
}

#[test]
fn what_changes_on_one_node_is_told_to_all_at_once() {
    let mut net = Net::new(&["a", "b", "c"]);
    net.join_all();
    net.settle();
    let now = net.now;
    let (id, _) = net
        .tenant("a")
        .set_silence(draft(None, now, 9), now)
        .unwrap();
    net.tenant("b").post(alert("Down", now, 300), now);
    net.tenant("c").nflog.log(entry("g", 5, now, 2)).unwrap();
    let logged = net
        .tenant("c")
        .nflog
        .get(&entry("g", 5, now, 2).key)
        .cloned();
    net.tenant("c").save_log_entry(&logged.clone().unwrap());
    net.settle();
    for name in ["a", "b", "c"] {
        let tenant = net.tenant(name);
        assert!(tenant.silences.get(&id).is_some());
        let known = tenant.store.get(alert("Down", now, 300).fingerprint);
        assert_eq!(**known.unwrap(), alert("Down", now, 300));
        assert_eq!(
            tenant.nflog.get(&logged.as_ref().unwrap().key),
            logged.as_ref()
        );
        assert_eq!(tenant.dispatcher.groups().len(), 1);
    }
    net.tenant("c").expire_silence(&id, now).unwrap();
    net.settle();
    assert!(net.tenant("a").silences.get(&id).unwrap().expired_by_user);
}

#[test]
fn many_alerts_travel_in_few_frames_and_large_records_in_parts() {
    let mut net = Net::new(&["a", "b"]);
    net.join_all();
    net.settle();
    let (now, before) = (net.now, net.carried);
    for i in 0..1000 {
        net.tenant("a").post(alert(&format!("A{i}"), now, 300), now);
    }
    net.settle();
    assert_eq!(net.tenant("b").store.all().len(), 1000);
    assert!(net.carried - before < 10, "{} frames", net.carried - before);
    let large = entry("g", 1, now, 100_000);
    net.tenant("a").save_log_entry(&large);
    net.settle();
    assert_eq!(**net.tenant("b").nflog.get(&large.key).unwrap(), large);
}

#[test]
fn refreshes_travel_in_batches_and_only_if_nobody_told_them() {
    let mut net = Net::new(&["a", "b"]);
    net.join_all();
    let now = net.now;
    for i in 0..100 {
        net.tenant("a").post(alert(&format!("A{i}"), now, 300), now);
    }
    net.settle();
    net.pass(15);
    let (now, before) = (net.now, net.carried_bytes);
    for i in 0..100 {
        net.tenant("a").post(alert(&format!("A{i}"), now, 300), now);
    }
    net.settle();
    assert_eq!(net.carried_bytes, before);
    // b hears the same a little later, so its batch is the one that counts.
    net.now.wall = net.now.wall.plus(Duration::from_millis(5));
    let later = net.now;
    for i in 0..100 {
        net.tenant("b")
            .post(alert(&format!("A{i}"), later, 300), later);
    }
    net.pass(31);
    let (a, b) = (net.tenant("a").store.clone(), net.tenant("b").store.clone());
    assert_eq!(a.all(), b.all());
    assert!(a.all().values().all(|alert| alert.updated_at == later.wall));
    // Nobody knows more than the other: nothing is told twice.
    for name in ["a", "b"] {
        let replicator = net.tenant(name).replicator.as_ref().unwrap();
        assert!(replicator.refreshes.told().is_empty());
    }
}

/// The digests of all maps.
fn digests(net: &mut Net, name: &str) -> Vec<(u32, Vec<u64>)> {
    let now = net.now;
    let tenant = net.tenant(name);
    let vector = crate::tenant::replicate::vector::Vector::default();
    let index = tenant.index_input(vector, now).run();
    index
        .differing(&[])
        .into_iter()
        .map(|digests| (digests.map, digests.buckets))
        .collect()
}

fn fill(tenant: &mut Tenant, now: Now, entries: usize, silences: usize, alerts: usize) {
    for i in 0..entries {
        tenant
            .nflog
            .log(entry(&format!("{{}}:{{i=\"{i}\"}}"), 1, now, 3));
    }
    for _ in 0..silences {
        tenant.set_silence(draft(None, now, 9), now).unwrap();
        while let Some(effect) = tenant.poll_effect() {
            if let TenantEffect::Run(job) = effect {
                tenant.job_done(job.run(), now);
            }
        }
    }
    for i in 0..alerts {
        tenant.post(alert(&format!("A{i}"), now, 300), now);
    }
}

#[test]
fn a_fresh_node_gets_everything_in_bounded_frames() {
    let mut net = Net::new(&["a", "b", "c"]);
    let now = net.now;
    let scale = if cfg!(debug_assertions) { 10 } else { 100 };
    fill(net.tenant("b"), now, 1000 * scale, 100 * scale, 100 * scale);
    let large = entry("large", 1, now, 50_000);
    net.tenant("b").nflog.log(large);
    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "shows how long it takes"
    )]
    let begun = std::time::Instant::now();
    net.join_all();
    assert!(!net.tenant("a").is_synchronised());
    net.settle();
    println!(
        "{} entries, {} silences, {} alerts to two nodes: {:?}, {} frames, {} bytes",
        1000 * scale,
        100 * scale,
        100 * scale,
        begun.elapsed(),
        net.carried,
        net.carried_bytes
    );
    let expect = digests(&mut net, "b");
    for name in ["a", "b", "c"] {
        assert!(net.tenant(name).is_synchronised());
        assert_eq!(digests(&mut net, name), expect);
        assert_eq!(net.tenant(name).nflog.len(), 1000 * scale + 1);
        assert_eq!(net.tenant(name).stats.replication.divergences, 0);
    }
}

/// Something that happens in a random history.
#[derive(Debug, Clone)]
enum Happens {
    Post {
        node: usize,
        alert: u8,
        fires_for: u64,
    },
    NewSilence {
        node: usize,
    },
    EditSilence {
        node: usize,
        which: usize,
        hours: u64,
    },
    ExpireSilence {
        node: usize,
        which: usize,
    },
    Told {
        node: usize,
        group: u8,
        seq: u64,
        firing: usize,
    },
    Part {
        a: usize,
        b: usize,
    },
    Join {
        a: usize,
        b: usize,
    },
    Carry {
        times: usize,
        pick: usize,
    },
    Pass {
        seconds: u64,
    },
    Restart {
        node: usize,
        keeps: bool,
    },
}

fn happens() -> impl Strategy<Value = Happens> {
    let node = 0..3_usize;
    prop_oneof![
        4 => (node.clone(), 0..6_u8, prop_oneof![Just(0), 1..400_u64])
            .prop_map(|(node, alert, fires_for)| Happens::Post { node, alert, fires_for }),
        1 => node.clone().prop_map(|node| Happens::NewSilence { node }),
        2 => (node.clone(), 0..4_usize, 1..50_u64)
            .prop_map(|(node, which, hours)| Happens::EditSilence { node, which, hours }),
        1 => (node.clone(), 0..4_usize)
            .prop_map(|(node, which)| Happens::ExpireSilence { node, which }),
        2 => (node.clone(), 0..4_u8, 0..4_u64, 0..4_usize)
            .prop_map(|(node, group, seq, firing)| Happens::Told { node, group, seq, firing }),
        1 => (node.clone(), node.clone()).prop_map(|(a, b)| Happens::Part { a, b }),
        2 => (node.clone(), node.clone()).prop_map(|(a, b)| Happens::Join { a, b }),
        6 => (1..9_usize, any::<usize>()).prop_map(|(times, pick)| Happens::Carry { times, pick }),
        2 => (1..40_u64).prop_map(|seconds| Happens::Pass { seconds }),
        1 => (node, any::<bool>()).prop_map(|(node, keeps)| Happens::Restart { node, keeps }),
    ]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn happen(net: &mut Net, ids: &mut Vec<Arc<str>>, happens: Happens) {
    net.now.mono += Duration::from_millis(1);
    net.now.wall = net.now.wall.plus(Duration::from_millis(1));
    let now = net.now;
    match happens {
        Happens::Post {
            node,
            alert: which,
            fires_for,
        } => {
            let posted = alert(&format!("A{which}"), now, fires_for);
            net.tenant(NAMES[node]).post(posted, now);
        }
        Happens::NewSilence { node } => {
            let set = net
                .tenant(NAMES[node])
                .set_silence(draft(None, now, 9), now);
            ids.push(set.unwrap().0);
        }
        Happens::EditSilence { node, which, hours } => {
            if let Some(id) = ids.get(which).cloned() {
                let draft = draft(Some(id), now, hours);
                if let Ok((id, _)) = net.tenant(NAMES[node]).set_silence(draft, now) {
                    ids.push(id);
                }
            }
        }
        Happens::ExpireSilence { node, which } => {
            if let Some(id) = ids.get(which).cloned() {
                let _ = net.tenant(NAMES[node]).expire_silence(&id, now);
            }
        }
        Happens::Told {
            node,
            group,
            seq,
            firing,
        } => {
            let tenant = net.tenant(NAMES[node]);
            let entry = entry(&format!("g{group}"), seq, now, firing);
            if let Some(entry) = tenant.nflog.log(entry) {
                tenant.save_log_entry(&entry);
            }
        }
        Happens::Part { a, b } => net.part(NAMES[a], NAMES[b]),
        Happens::Join { a, b } if a != b => net.join(NAMES[a], NAMES[b]),
        Happens::Join { .. } => {}
        Happens::Carry { times, pick } => {
            net.collect();
            for time in 0..times {
                net.carry(pick.wrapping_mul(time + 1));
            }
        }
        Happens::Pass { seconds } => net.pass(seconds),
        Happens::Restart { node, keeps } => net.restart(NAMES[node], keeps),
    }
    net.collect();
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 500 }) })]

    #[test]
    fn whatever_happens_all_nodes_end_with_the_same(
        history in prop::collection::vec(happens(), 1..60),
    ) {
        let mut net = Net::new(&NAMES);
        net.join_all();
        let mut ids = Vec::new();
        for happens in history {
            happen(&mut net, &mut ids, happens);
        }
        net.join_all();
        // Until refreshes are told.
        net.pass(31);
        for (a, b) in [("a", "b"), ("b", "c")] {
            let [one, other] = [a, b].map(|name| digests(&mut net, name));
            for (one, other) in one.iter().zip(&other) {
                // Groups whose alerts are long over live on here and there.
                if one.0 != ReplicaMap::Schedules.number() {
                    prop_assert_eq!(one, other, "{} and {}", a, b);
                }
            }
        }
        for id in &ids {
            let silence = |name: &str| net.members[name].tenant.silences.get(id).cloned();
            prop_assert_eq!(silence("a"), silence("b"));
            prop_assert_eq!(silence("a"), silence("c"));
        }
        for name in NAMES {
            let tenant = net.tenant(name);
            prop_assert!(tenant.is_synchronised());
            prop_assert_eq!(tenant.stats.replication.quarantined, 0);
            prop_assert_eq!(tenant.stats.replication.divergences, 0);
            let replicator = tenant.replicator.as_ref().unwrap();
            prop_assert!(replicator.peers.values().all(|peer| peer.repair.is_none()));
        }
    }

    #[test]
    fn hostile_payloads_never_panic(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..200),
    ) {
        let mut net = Net::new(&["a", "b"]);
        let now = net.now;
        fill(net.tenant("a"), now, 20, 3, 20);
        net.join("a", "b");
        let from: NodeName = "a".into();
        for frame in frames {
            let bytes = [&[1, 1], &*frame].concat();
            net.tenant("b").replica_payload(&from, &bytes, now);
            net.tenant("b").peer_beat(&from, &frame, now);
        }
        for (at, byte) in mutations {
            for member in net.members.values_mut() {
                for queue in member.urgent.values_mut().chain(member.bulk.values_mut()) {
                    if let Some(bytes) = queue.front_mut() {
                        let at = at.index(bytes.len());
                        bytes[at] = byte;
                    }
                }
            }
            net.carry(usize::from(byte));
        }
        net.settle();
    }
}

#[test]
fn an_expire_beats_an_edit_that_nobody_knew_of() {
    let mut net = Net::new(&NAMES);
    net.join_all();
    net.settle();
    let now = net.now;
    let (id, _) = net
        .tenant("a")
        .set_silence(draft(None, now, 9), now)
        .unwrap();
    net.settle();
    net.part("a", "b");
    net.part("a", "c");
    // On one side it is edited more often and later than it is expired on the other.
    net.tenant("a").expire_silence(&id, now).unwrap();
    for hours in 10..15 {
        net.pass(1);
        let now = net.now;
        let draft = draft(Some(id.clone()), now, hours);
        assert_eq!(net.tenant("b").set_silence(draft, now).unwrap().0, id);
    }
    net.join_all();
    net.settle();
    for name in NAMES {
        let silence = net.tenant(name).silences.get(&id).cloned().unwrap();
        assert!(silence.expired_by_user, "{name}");
        assert_eq!(silence.ends_at, now.wall);
    }
}

#[test]
fn what_gets_lost_on_the_way_is_seen_in_the_beats_and_repaired() {
    let mut net = Net::new(&["a", "b"]);
    net.join_all();
    net.settle();
    let now = net.now;
    net.tenant("a").post(alert("Lost", now, 300), now);
    net.collect();
    net.members
        .get_mut("a")
        .unwrap()
        .urgent
        .get_mut("b")
        .unwrap()
        .clear();
    net.tenant("a").post(alert("Found", now, 300), now);
    net.settle();
    assert_eq!(net.tenant("b").store.all().len(), 1);
    net.beat();
    net.settle();
    assert_eq!(net.tenant("b").stats.replication.behind, 2);
    assert_eq!(net.tenant("b").store.all().len(), 1);
    net.beat();
    net.settle();
    assert_eq!(net.tenant("b").store.all().len(), 2);
    net.beat();
    assert_eq!(net.tenant("b").stats.replication.behind, 0);
    let stats = &net.tenant("b").stats.replication;
    assert_eq!(
        (stats.repairs, stats.repaired, stats.divergences),
        (2, 1, 0)
    );
}

#[test]
fn state_that_differs_although_all_was_heard_is_a_bug_that_is_counted_and_repaired() {
    let mut net = Net::new(&["a", "b"]);
    net.join_all();
    net.settle();
    let now = net.now;
    // Nobody is told.
    net.tenant("a").nflog.log(entry("g", 1, now, 1));
    net.pass(61);
    assert_eq!(net.tenant("b").nflog.len(), 1);
    assert_eq!(net.tenant("b").stats.replication.divergences, 1);
    assert_eq!(net.tenant("a").stats.replication.divergences, 0);
    net.pass(60);
    assert_eq!(net.tenant("b").stats.replication.divergences, 1);
}
