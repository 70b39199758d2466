//! Claims of several nodes over a network that delays and cuts, with disks that lose what they did not sync, processes
//! that crash: nobody sends what somebody before may have sent without knowing it, and nothing is stuck.
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    ClaimEvent, ClaimMessage, ClaimOutput, Claims, Earlier, Malformed, Promise, Quorum, Refusal,
    Terms, rank,
};
use crate::{
    cluster::{Electors, NodeName},
    nflog::{LogKey, Nflog, NflogEntry, ReceiverKey, Teller, Trail},
    rng::Rng,
    time::Timestamp,
};

const MS: Duration = Duration::from_millis(1);

/// Histories that are played; 20,000 were, once.
const SEEDS: u64 = 600;

fn key() -> LogKey {
    let receiver = ReceiverKey {
        group_name: "team".into(),
        integration: "webhook".into(),
        index: 0,
    };
    LogKey {
        group_key: "{}:{}".into(),
        receiver,
    }
}

fn entry(seq: u64) -> NflogEntry {
    NflogEntry {
        key: key(),
        seq,
        edit: 0,
        timestamp: Timestamp::EPOCH,
        firing: [1].into(),
        resolved: Arc::default(),
        held: Arc::default(),
        receiver_data: BTreeMap::new(),
        repeat_interval: Duration::from_secs(60),
        trail: Trail::default(),
        expires_at: Timestamp::EPOCH,
    }
}

#[derive(Debug, Clone)]
enum Packet {
    Entry(u64),
    Claim(ClaimMessage),
}

#[derive(Debug)]
enum Event {
    Packet {
        from: usize,
        to: usize,
        packet: Packet,
    },
    Saved {
        node: usize,
        run: u64,
        then: Option<(NodeName, ClaimMessage)>,
        /// `None` if it is not about the promise.
        promise: Option<Option<Vec<u8>>>,
        done: bool,
    },
    Try(usize),
    Answer {
        node: usize,
        run: u64,
        taken: bool,
    },
}

#[derive(Default)]
struct Disk {
    promise: Option<Vec<u8>>,
    log: Nflog,
}

struct Node {
    claims: Option<Claims>,
    log: Nflog,
    run: u64,
    disk: Disk,
    earlier: bool,
    sending: bool,
}

struct World {
    n: usize,
    nodes: Vec<Node>,
    now: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    count: u64,
    last: BTreeMap<(usize, usize), Duration>,
    cut: BTreeSet<(usize, usize)>,
    rng: Rng,
    /// Starts of the notification under way that nothing definite is known of: node and run.
    open: BTreeSet<(usize, u64)>,
    starts: u64,
    silent: Vec<String>,
    /// What counted as perhaps sent although the node that would have sent it is there and knows that it did not.
    false_alarms: Vec<String>,
    idempotent: bool,
    /// What is unknown counts as sent.
    drops: bool,
}

fn name(node: usize) -> NodeName {
    format!("n{node}").into()
}

impl World {
    fn new(n: usize, seed: u64) -> Self {
        let nodes = (0..n).map(|_| Node {
            claims: None,
            log: Nflog::new(),
            run: 0,
            disk: Disk::default(),
            earlier: false,
            sending: false,
        });
        let mut world = Self {
            n,
            nodes: nodes.collect(),
            now: Duration::ZERO,
            events: BTreeMap::new(),
            count: 0,
            last: BTreeMap::new(),
            cut: BTreeSet::new(),
            rng: Rng::from_seed(seed),
            open: BTreeSet::new(),
            starts: 0,
            silent: Vec::new(),
            false_alarms: Vec::new(),
            idempotent: false,
            drops: seed.is_multiple_of(3),
        };
        for node in 0..n {
            world.start(node);
        }
        world
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), event);
    }

    fn start(&mut self, node: usize) {
        self.nodes[node].run += 1;
        let mut claims = Claims::new(Quorum::alone(name(node)));
        if let Some((key, promise)) = self.nodes[node]
            .disk
            .promise
            .as_deref()
            .and_then(Promise::decode)
        {
            claims.restore(key, promise, self.now);
        }
        self.nodes[node].log = self.nodes[node].disk.log.clone();
        self.nodes[node].claims = Some(claims);
        self.nodes[node].sending = false;
        self.topology();
        let after = MS * u32::try_from(self.below(2000)).unwrap();
        self.at(after, Event::Try(node));
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a.min(b), a.max(b)))
            && self.nodes[a].claims.is_some()
            && self.nodes[b].claims.is_some()
    }

    /// Tells every node who is in reach, and brings their logs together.
    fn topology(&mut self) {
        let electors = Arc::new(Electors {
            founding: 1,
            epoch: 1,
            names: (0..self.n).map(name).collect(),
            at_least: 0,
        });
        for node in 0..self.n {
            let others = (0..self.n).filter(|other| *other != node);
            let (linked, gone): (Vec<_>, Vec<_>) =
                others.partition(|other| self.linked(node, *other));
            let dead = gone
                .iter()
                .filter(|other| self.nodes[**other].claims.is_none());
            let quorum = Quorum {
                me: name(node),
                run: self.nodes[node].run,
                electors: Some(Arc::clone(&electors)),
                connected: linked
                    .iter()
                    .map(|other| (name(*other), self.nodes[*other].run))
                    .collect(),
                down: dead.clone().map(|other| name(*other)).collect(),
                ended: dead
                    .map(|other| (name(*other), self.nodes[*other].run))
                    .collect(),
                silent: BTreeSet::new(),
                mute: BTreeSet::new(),
                may_vote: true,
                voting_since: None,
                lost_since: None,
                stuck_since: None,
            };
            let now = self.now;
            if let Some(claims) = &mut self.nodes[node].claims {
                claims.set_quorum(quorum, now);
                for other in &linked {
                    claims.joined(&name(*other), now);
                }
            }
            if let Some(entry) = self.nodes[node].log.get(&key()).cloned() {
                for other in linked {
                    self.packet(node, other, Packet::Entry(entry.seq));
                }
            }
        }
    }

    fn packet(&mut self, from: usize, to: usize, packet: Packet) {
        if !self.linked(from, to) {
            return;
        }
        let delay = MS * u32::try_from(self.below(40)).unwrap();
        let at = (self.now + delay).max(self.last.get(&(from, to)).copied().unwrap_or_default());
        self.last.insert((from, to), at);
        self.at(at - self.now, Event::Packet { from, to, packet });
    }

    fn drain(&mut self, node: usize) {
        loop {
            let Some(claims) = &mut self.nodes[node].claims else {
                return;
            };
            if let Some(output) = claims.poll_output() {
                match output {
                    ClaimOutput::Send { to, message } => self.send(node, &to, message),
                    ClaimOutput::Save {
                        key: about,
                        promise,
                        then,
                    } => {
                        let promise = (about == key()).then_some(promise);
                        let run = self.nodes[node].run;
                        let done = self.nodes[node].log.get(&key()).is_some();
                        let delay = MS * u32::try_from(1 + self.below(20)).unwrap();
                        self.at(
                            delay,
                            Event::Saved {
                                node,
                                run,
                                then,
                                promise,
                                done,
                            },
                        );
                    }
                }
            } else if let Some(event) = claims.poll_event() {
                self.heard(node, event);
            } else {
                return;
            }
        }
    }

    fn send(&mut self, from: usize, to: &str, message: ClaimMessage) {
        let read = ClaimMessage::decode(&message.encode()).unwrap().unwrap();
        assert_eq!(read, message);
        let to = (0..self.n).find(|node| *name(*node) == *to).unwrap();
        if to == from {
            let log = self.nodes[from].log.clone();
            let now = self.now;
            if let Some(claims) = &mut self.nodes[from].claims {
                claims.handle(&name(from), message, &log, now);
            }
        } else {
            self.packet(from, to, Packet::Claim(message));
        }
    }

    fn check_alarm(&mut self, node: usize, start: &Earlier) {
        let sender = (0..self.n).find(|it| name(*it) == start.owner).unwrap();
        let there = sender == node || self.linked(node, sender);
        let lives = there && self.nodes[sender].run == start.run;
        if lives && !self.open.contains(&(sender, start.run)) {
            let now = self.now;
            let text = format!("{now:?}: {node} thinks that {sender} may have sent");
            self.false_alarms.push(text);
        }
    }

    fn heard(&mut self, node: usize, event: ClaimEvent) {
        let now = self.now;
        let drops = self.drops;
        let run = self.nodes[node].run;
        match event {
            ClaimEvent::Held {
                key,
                earlier,
                minority: _,
            } => {
                self.nodes[node].earlier = !earlier.is_empty();
                let alarms = earlier.iter().take_while(|_| drops);
                alarms.for_each(|start| self.check_alarm(node, start));
                if self.below(5) == 0 {
                    self.nodes[node]
                        .claims
                        .as_mut()
                        .unwrap()
                        .release(&key, false);
                    self.at(MS * 500, Event::Try(node));
                } else {
                    self.nodes[node]
                        .claims
                        .as_mut()
                        .unwrap()
                        .start(&key, &"K".into(), now);
                }
            }
            ClaimEvent::Started(_) => {
                self.starts += 1;
                let others = self.open.iter().any(|open| *open != (node, run));
                if others && !self.nodes[node].earlier {
                    self.silent.push(format!(
                        "{now:?}: {node} sends, although one of {:?} may have",
                        self.open
                    ));
                }
                self.open.insert((node, run));
                self.nodes[node].sending = true;
                let taken = self.below(3) > 0;
                let after = MS * u32::try_from(self.below(9000)).unwrap();
                self.at(after, Event::Answer { node, run, taken });
            }
            ClaimEvent::Lost { .. } => {
                let rank = rank(
                    &name(node),
                    (0..self.n)
                        .map(name)
                        .collect::<Vec<_>>()
                        .iter()
                        .map(|n| &**n),
                    b"x",
                );
                let after = MS * u32::try_from(200 + rank * 3000).unwrap();
                self.at(after, Event::Try(node));
            }
            ClaimEvent::Freed { .. } | ClaimEvent::Finished(_) | ClaimEvent::Reach => {}
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Packet { from, to, packet } => {
                if !self.linked(from, to) {
                    return;
                }
                match packet {
                    Packet::Entry(seq) => {
                        self.nodes[to].log.merge(entry(seq));
                    }
                    Packet::Claim(message) => {
                        let log = self.nodes[to].log.clone();
                        let claims = self.nodes[to].claims.as_mut().unwrap();
                        claims.handle(&name(from), message, &log, now);
                    }
                }
                self.drain(to);
            }
            Event::Saved {
                node,
                run,
                then,
                promise,
                done,
            } => {
                if self.nodes[node].run != run || self.nodes[node].claims.is_none() {
                    return;
                }
                if let Some(promise) = promise {
                    self.nodes[node].disk.promise = promise;
                }
                if done {
                    self.nodes[node].disk.log = self.nodes[node].log.clone();
                }
                if let Some((to, message)) = then {
                    let claims = self.nodes[node].claims.as_mut().unwrap();
                    claims.saved(message.key());
                    self.send(node, &to, message);
                }
                self.drain(node);
            }
            Event::Try(node) => self.attempt(node),
            Event::Answer { node, run, taken } => {
                if self.nodes[node].run != run || self.nodes[node].claims.is_none() {
                    return;
                }
                self.nodes[node].sending = false;
                if taken {
                    self.open.clear();
                    self.nodes[node].log.merge(entry(1));
                    for other in 0..self.n {
                        self.packet(node, other, Packet::Entry(1));
                    }
                    self.nodes[node]
                        .claims
                        .as_mut()
                        .unwrap()
                        .finish(&key(), now);
                } else {
                    self.open.remove(&(node, run));
                    let claims = self.nodes[node].claims.as_mut().unwrap();
                    claims.not_taken(&key());
                    claims.release(&key(), true);
                    self.at(MS * 700, Event::Try(node));
                }
                self.drain(node);
            }
        }
    }

    fn attempt(&mut self, node: usize) {
        let now = self.now;
        let (idempotent, drops) = (self.idempotent, self.drops);
        let Node {
            claims,
            log,
            sending,
            ..
        } = &mut self.nodes[node];
        let Some(claims) = claims else { return };
        if *sending || log.get(&key()).is_some() || claims.len().0 > 0 {
            return;
        }
        let terms = Terms {
            idempotency_key: "K".into(),
            idempotent,
            drops,
            minority_delay: None,
            order: Duration::ZERO,
        };
        claims.claim(&key(), 1, terms, log, now);
        self.drain(node);
    }

    fn run_to(&mut self, until: Duration) {
        let mut steps = 0;
        loop {
            steps += 1;
            if steps >= 200_000 {
                let claims: Vec<_> = self.nodes.iter().map(|node| &node.claims).collect();
                panic!("time stands still at {:?}: {claims:#?}", self.now);
            }
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let claims = self.nodes.iter().filter_map(|node| node.claims.as_ref());
            let due = claims.filter_map(Claims::next_due).min();
            let next = event
                .into_iter()
                .chain(due)
                .min()
                .unwrap_or(Duration::MAX)
                .max(self.now);
            if next > until {
                self.now = until;
                return;
            }
            self.now = next;
            if event.is_some_and(|at| at <= next) {
                let (_, event) = self.events.pop_first().unwrap();
                self.happen(event);
                continue;
            }
            for node in 0..self.n {
                let Node { claims, log, .. } = &mut self.nodes[node];
                if let Some(claims) = claims
                    && claims.next_due().is_some_and(|due| due <= next)
                {
                    claims.handle_timeout(log, next);
                    self.drain(node);
                }
            }
        }
    }

    fn fault(&mut self) {
        let node = usize::try_from(self.below(self.n as u64)).unwrap();
        let other = usize::try_from(self.below(self.n as u64)).unwrap();
        match self.below(5) {
            0 | 1 if node != other => {
                let link = (node.min(other), node.max(other));
                if !self.cut.remove(&link) {
                    self.cut.insert(link);
                }
            }
            2 if self.nodes[node].claims.is_some() => {
                self.nodes[node].claims = None;
            }
            _ => {
                for node in 0..self.n {
                    if self.nodes[node].claims.is_none() {
                        self.start(node);
                    }
                }
            }
        }
        self.topology();
        for node in 0..self.n {
            self.drain(node);
        }
    }
}

fn play(n: usize, seed: u64) -> World {
    let mut world = World::new(n, seed);
    for _ in 0..12 {
        let wait = MS * u32::try_from(world.below(4000)).unwrap();
        let until = world.now + wait;
        world.run_to(until);
        world.fault();
    }
    world.cut.clear();
    for node in 0..n {
        if world.nodes[node].claims.is_none() {
            world.start(node);
        }
        world.at(MS * 10, Event::Try(node));
    }
    world.topology();
    let end = world.now + Duration::from_mins(3);
    world.run_to(end);
    world
}

#[test]
fn what_may_have_been_sent_is_known_to_whoever_sends_next() {
    let mut starts = 0;
    for seed in 0..SEEDS {
        let n = [3, 3, 5, 2][usize::try_from(seed % 4).unwrap()];
        let world = play(n, seed);
        assert!(
            world.silent.is_empty(),
            "seed {seed}, {n} nodes: {:#?}",
            world.silent
        );
        assert!(
            world.false_alarms.is_empty(),
            "seed {seed}, {n} nodes: {:#?}",
            world.false_alarms
        );
        for node in &world.nodes {
            assert!(
                node.log.get(&key()).is_some(),
                "seed {seed}, {n} nodes: never told"
            );
        }
        starts += world.starts;
    }
    assert!(starts >= SEEDS, "{starts}");
}

proptest::proptest! {
    #[test]
    fn garbage_is_no_message(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        if let Ok(Some(message)) = ClaimMessage::decode(&bytes) {
            let again = ClaimMessage::decode(&message.encode());
            proptest::prop_assert_eq!(again, Ok(Some(message)));
        }
        let _ = Promise::decode(&bytes);
    }
}

#[test]
fn what_a_later_version_says_is_passed_over() {
    assert_eq!(ClaimMessage::decode(&[0x08, 99]), Ok(None));
    assert_eq!(ClaimMessage::decode(&[]), Err(Malformed));
    // A refusal for the reason 99.
    let refused = ClaimMessage::decode(&[0x08, 3, 0x60, 99]).unwrap();
    let is_refused = matches!(
        refused,
        Some(ClaimMessage::Refused {
            why: Refusal::NotVoting,
            ..
        })
    );
    assert!(is_refused, "{refused:?}");
}

#[test]
fn two_that_claim_at_once_while_a_third_is_gone_do_not_wait_for_each_other() {
    for seed in 0..50 {
        let mut world = World::new(3, seed);
        world.events.clear();
        world.nodes[0].claims = None;
        world.topology();
        world.attempt(1);
        world.attempt(2);
        world.run_to(Duration::from_secs(12));
        assert!(world.starts > 0, "seed {seed}");
    }
}

/// What a node says to a claim of number 88 from one whose log ends with `last`.
fn answer(done: Option<u64>, last: Option<u64>) -> ClaimMessage {
    let mut log = Nflog::new();
    if let Some(seq) = done {
        log.merge(entry(seq));
    }
    let claim = ClaimMessage::Claim {
        key: key(),
        seq: 88,
        attempt: 1,
        run: 1,
        round: 1,
        last,
        trail: 0,
    };
    let claim = ClaimMessage::decode(&claim.encode()).unwrap().unwrap();
    let mut claims = Claims::new(Quorum::alone(name(0)));
    claims.handle(&name(1), claim, &log, Duration::ZERO);
    match claims.poll_output().unwrap() {
        ClaimOutput::Send { message, .. } => message,
        ClaimOutput::Save { then, .. } => then.unwrap().1,
    }
}

#[test]
fn whoever_does_not_know_what_was_told_is_promised_nothing() {
    // The last is what an older version says.
    let promised = [
        (None, Some(0)),
        (Some(87), Some(87)),
        (Some(32), Some(87)),
        (Some(32), None),
    ];
    for (done, last) in promised {
        let said = answer(done, last);
        let promises = matches!(said, ClaimMessage::Promised { .. });
        assert!(promises, "{done:?} {last:?}: {said:?}");
    }
    for (done, last) in [
        (32, Some(0)),
        (87, Some(32)),
        (88, Some(87)),
        (88, None),
        (90, Some(87)),
    ] {
        let said = answer(Some(done), last);
        let why = Refusal::Done;
        assert!(
            matches!(&said, ClaimMessage::Refused { why: it, .. } if *it == why),
            "{done} {last:?}: {said:?}"
        );
    }
}

/// Whether a node whose log ends with a notification of one side of a cut promises the next to whoever knows of the other
/// side's, which has the same number, after so long.
fn promises_to_the_other_side(after: u64) -> bool {
    let told = |side: &str| NflogEntry {
        trail: Trail::default().with(Teller::alone(side), 87, None),
        ..entry(87)
    };
    let mut log = Nflog::new();
    log.merge(told("n1"));
    let claim = |trail: u64| ClaimMessage::Claim {
        key: key(),
        seq: 88,
        attempt: 1,
        run: 1,
        round: 1,
        last: Some(87),
        trail,
    };
    let mut claims = Claims::new(Quorum::alone(name(0)));
    let mut ask = |trail: u64, at: u64| {
        let claim = claim(trail);
        let claim = ClaimMessage::decode(&claim.encode()).unwrap().unwrap();
        claims.handle(&name(1), claim, &log, Duration::from_secs(at));
        match claims.poll_output().unwrap() {
            ClaimOutput::Send { message, .. } => message,
            ClaimOutput::Save { then, .. } => then.unwrap().1,
        }
    };
    let first = ask(told("n2").trail.mark(), 1);
    let held = |message: &ClaimMessage| {
        matches!(
            message,
            ClaimMessage::Refused {
                why: Refusal::Held { .. },
                ..
            }
        )
    };
    assert!(held(&first), "{first:?}");
    !held(&ask(told("n2").trail.mark(), 1 + after))
}

#[test]
fn whoever_comes_out_of_a_cut_hears_the_other_side_first() {
    assert!(!promises_to_the_other_side(14));
    // What never becomes one log must not be in the way for ever.
    assert!(promises_to_the_other_side(15));
}

/// Does what a node's claims want of a disk at once; what it saved last, and what it is to know.
fn settle(claims: &mut Claims, disk: &mut Option<Vec<u8>>) -> Vec<ClaimEvent> {
    let mut events = Vec::new();
    loop {
        if let Some(output) = claims.poll_output() {
            let ClaimOutput::Save { promise, then, .. } = output else {
                panic!("there is nobody to tell: {output:?}");
            };
            *disk = promise;
            if let Some((from, message)) = then {
                claims.saved(&key());
                claims.handle(&from, message, &Nflog::new(), MS);
            }
        } else if let Some(event) = claims.poll_event() {
            events.push(event);
        } else {
            return events;
        }
    }
}

#[test]
fn alone_what_may_be_sent_is_saved_where_it_counts_as_sent() {
    for drops in [false, true] {
        let terms = Terms {
            idempotency_key: "K".into(),
            idempotent: false,
            drops,
            minority_delay: None,
            order: Duration::ZERO,
        };
        let mut disk = None;
        let mut found = Vec::new();
        for run in 1..3 {
            let mut claims = Claims::new(Quorum {
                run,
                ..Quorum::alone(name(0))
            });
            if let Some((key, promise)) = disk.as_deref().and_then(Promise::decode) {
                claims.restore(key, promise, Duration::ZERO);
            }
            claims.claim(&key(), 88, terms.clone(), &Nflog::new(), MS);
            let events = settle(&mut claims, &mut disk);
            let [ClaimEvent::Held { earlier, .. }] = &events[..] else {
                panic!("{events:?}");
            };
            found.push(!earlier.is_empty());
            claims.start(&key(), &"K".into(), MS);
            assert_eq!(
                settle(&mut claims, &mut disk),
                [ClaimEvent::Started(key())],
                "{drops}"
            );
        }
        assert_eq!(found, [false, drops]);
    }
}
