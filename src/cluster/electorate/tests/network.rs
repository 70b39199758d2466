//! A network of electorates in virtual time: streams that break, messages that are late or lost, disks that are slow or
//! wiped, processes that are killed. One seed is one history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use xxhash_rust::xxh64::xxh64;

use super::{
    super::{
        Electorate, ElectorateOutput, Electors, charter::Charter, saved::Saved, wire::Message,
    },
    Mutation,
};
use crate::{
    cluster::{MeshSettings, NodeName, Settling},
    rng::Rng,
    time::{Now, Timestamp},
};

pub(super) const EVICT: Duration = Duration::from_secs(20);
pub(super) const SETTLE: Duration = Duration::from_secs(5);

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Debug)]
enum Event {
    Tick {
        node: usize,
        run: u64,
    },
    Saved {
        node: usize,
        run: u64,
    },
    Deliver {
        stream: u64,
        from: usize,
        to: usize,
        bytes: Vec<u8>,
    },
    Open {
        a: usize,
        b: usize,
    },
    Closed {
        stream: u64,
        at: usize,
        other: usize,
    },
    Down {
        at: usize,
        run: u64,
        other: usize,
    },
    Settle {
        node: usize,
        run: u64,
    },
    Synchronised {
        node: usize,
        run: u64,
    },
}

/// A process.
pub(super) struct Live {
    pub machine: Electorate,
    saving: Option<Vec<u8>>,
    tick: Option<Duration>,
    started: Duration,
    pub settled: bool,
    seen: Option<Arc<Electors>>,
}

/// A host.
pub(super) struct Host {
    pub name: NodeName,
    pub live: Option<Live>,
    pub disk: Option<Vec<u8>>,
    pub run: u64,
}

impl Host {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            live: None,
            disk: None,
            run: 0,
        }
    }
}

pub(super) struct World {
    pub now: Duration,
    pub rng: Rng,
    pub hosts: Vec<Host>,
    pub loss: f64,
    pub delay: Duration,
    pub expected: Option<usize>,
    /// By host, how many others it does not belong together with.
    pub shut_out: Vec<usize>,
    pub mutation: Option<Mutation>,
    pub settings: MeshSettings,
    queue: BTreeMap<(Duration, u64), Event>,
    counter: u64,
    /// The stream to another host as this one sees it.
    streams: BTreeMap<(usize, usize), u64>,
    opening: BTreeSet<(usize, usize)>,
    cuts: BTreeSet<(usize, usize)>,
    /// Every electorate that ever was, by founding and epoch.
    pub history: BTreeMap<(u64, u64), BTreeSet<NodeName>>,
    pub wrong: Vec<String>,
    /// Prints what happens: for one seed that is looked at.
    pub loud: bool,
    /// A disk was lost.
    pub wiped: bool,
    pub trace: u64,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    pub(super) fn new(seed: u64, names: &str) -> Self {
        Self {
            now: Duration::ZERO,
            rng: Rng::from_seed(seed),
            hosts: names.split_whitespace().map(Host::named).collect(),
            loss: 0.0,
            delay: ms(2),
            expected: None,
            shut_out: Vec::new(),
            mutation: None,
            settings: settings(),
            queue: BTreeMap::new(),
            counter: 0,
            streams: BTreeMap::new(),
            opening: BTreeSet::new(),
            cuts: BTreeSet::new(),
            history: BTreeMap::new(),
            wrong: Vec::new(),
            loud: false,
            wiped: false,
            trace: 0,
        }
    }

    /// A started network that shares one electorate.
    pub(super) fn formed(seed: u64, names: &str) -> Self {
        let mut world = Self::new(seed, names);
        for host in 0..world.hosts.len() {
            world.start(host);
        }
        world.run(ms(3000));
        assert_eq!(world.shared(), Some(names.to_owned()));
        world
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn random(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.unit())
    }

    pub(super) fn at(&self) -> Now {
        Now {
            mono: self.now,
            wall: Timestamp::ZERO,
        }
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.counter += 1;
        self.queue.insert((self.now + wait, self.counter), event);
    }

    pub(super) fn host(&self, name: &str) -> usize {
        self.hosts
            .iter()
            .position(|host| &*host.name == name)
            .unwrap()
    }

    pub(super) fn machine(&self, host: usize) -> Option<&Electorate> {
        self.hosts[host].live.as_ref().map(|live| &live.machine)
    }

    pub(super) fn living(&self) -> Vec<usize> {
        (0..self.hosts.len())
            .filter(|host| self.hosts[*host].live.is_some())
            .collect()
    }

    pub(super) fn start(&mut self, host: usize) {
        if self.hosts[host].live.is_some() {
            return;
        }
        self.hosts[host].run += 1;
        let run = self.hosts[host].run;
        self.say(host, || format!("starts, run {run}"));
        let settings = MeshSettings {
            name: self.hosts[host].name.clone(),
            run,
            expected_size: self.expected,
            ..self.settings.clone()
        };
        let rng = self.rng.child(&format!("{host} {run}"));
        let disk = self.hosts[host].disk.clone();
        let mut machine = Electorate::new(&settings, disk.as_deref(), rng, self.at());
        machine.mutation = self.mutation;
        self.hosts[host].live = Some(Live {
            machine,
            saving: None,
            tick: None,
            started: self.now,
            settled: false,
            seen: None,
        });
        self.after(ms(20), Event::Settle { node: host, run });
        self.pump(host);
        self.connect();
    }

    /// Ends the process; what is being written reaches the disk or does not.
    pub(super) fn kill(&mut self, host: usize) {
        self.say(host, || "is killed".to_owned());
        let Some(live) = self.hosts[host].live.take() else {
            return;
        };
        if let Some(bytes) = live.saving
            && self.below(2) == 0
        {
            self.hosts[host].disk = Some(bytes);
        }
        for other in 0..self.hosts.len() {
            self.streams.remove(&(host, other));
            if let Some(stream) = self.streams.get(&(other, host)).copied() {
                let wait = self.random(ms(20));
                self.after(
                    wait,
                    Event::Closed {
                        stream,
                        at: other,
                        other: host,
                    },
                );
            }
        }
    }

    pub(super) fn leave(&mut self, host: usize) {
        let now = self.at();
        if let Some(live) = &mut self.hosts[host].live {
            live.machine.leave(now);
        }
        self.pump(host);
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        if a == b || !self.cuts.insert(pair(a, b)) {
            return;
        }
        for (at, other) in [(a, b), (b, a)] {
            if let Some(stream) = self.streams.get(&(at, other)).copied() {
                let wait = self.random(ms(3000));
                self.after(wait, Event::Closed { stream, at, other });
            }
        }
    }

    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        self.connect();
    }

    pub(super) fn heal_pair(&mut self, a: usize, b: usize) {
        self.cuts.remove(&pair(a, b));
        self.connect();
    }

    fn connect(&mut self) {
        for a in self.living() {
            for b in self.living() {
                let linked = self.streams.get(&(a, b)).copied();
                let whole = linked.is_some() && linked == self.streams.get(&(b, a)).copied();
                if a < b && !whole && !self.cuts.contains(&(a, b)) && self.opening.insert((a, b)) {
                    let wait = self.random(ms(30));
                    self.after(wait, Event::Open { a, b });
                }
            }
        }
    }

    fn open(&mut self, a: usize, b: usize) {
        self.opening.remove(&(a, b));
        if self.cuts.contains(&(a, b)) {
            return;
        }
        let hello = |world: &Self, host: usize| {
            world
                .machine(host)
                .map(|machine| machine.electors().cloned())
        };
        let (Some(of_a), Some(of_b)) = (hello(self, a), hello(self, b)) else {
            return;
        };
        self.counter += 1;
        let stream = self.counter;
        let now = self.at();
        for (at, other, hello) in [(a, b, of_b), (b, a, of_a)] {
            let name = self.hosts[other].name.clone();
            let Some(live) = &mut self.hosts[at].live else {
                continue;
            };
            if self.streams.insert((at, other), stream).is_some() {
                live.machine.peer_parted(&name, now);
            }
            live.machine.peer_seen(&name, now);
            live.machine.peer_joined(&name, hello, now);
        }
        self.pump(a);
        self.pump(b);
    }

    fn handle(&mut self, event: Event) {
        let now = self.at();
        match event {
            Event::Tick { node, run } => {
                if self.runs(node, run)
                    && let Some(live) = &mut self.hosts[node].live
                {
                    live.tick = None;
                    live.machine.handle_timeout(now);
                    self.pump(node);
                }
            }
            Event::Saved { node, run } => {
                if self.runs(node, run)
                    && let Host {
                        live: Some(live),
                        disk,
                        ..
                    } = &mut self.hosts[node]
                {
                    *disk = live.saving.take();
                    live.machine.saved(now);
                    self.pump(node);
                }
            }
            Event::Deliver {
                stream,
                from,
                to,
                bytes,
            } => self.deliver(stream, from, to, &bytes),
            Event::Open { a, b } => self.open(a, b),
            Event::Closed { stream, at, other } => self.closed(stream, at, other),
            Event::Down { at, run, other } => {
                let name = self.hosts[other].name.clone();
                if self.runs(at, run)
                    && !self.streams.contains_key(&(at, other))
                    && let Some(live) = &mut self.hosts[at].live
                {
                    live.machine.peer_down(&name, now);
                    self.pump(at);
                }
            }
            Event::Settle { node, run } => self.settle(node, run),
            Event::Synchronised { node, run } => {
                if self.runs(node, run)
                    && let Some(live) = &mut self.hosts[node].live
                {
                    live.machine.synchronised(now);
                    self.pump(node);
                }
            }
        }
    }

    fn runs(&self, host: usize, run: u64) -> bool {
        self.hosts[host].live.is_some() && self.hosts[host].run == run
    }

    fn deliver(&mut self, stream: u64, from: usize, to: usize, bytes: &[u8]) {
        let open = self.streams.get(&(to, from)) == Some(&stream);
        if !open || self.cuts.contains(&pair(from, to)) {
            return;
        }
        let mut seed = vec![u8::try_from(from).unwrap(), u8::try_from(to).unwrap()];
        seed.extend_from_slice(&self.now.as_nanos().to_le_bytes());
        seed.extend_from_slice(bytes);
        self.trace = xxh64(&seed, self.trace);
        let now = self.at();
        let name = self.hosts[from].name.clone();
        self.say(to, || {
            format!("hears from {name}: {:?}", Message::decode(bytes))
        });
        if let Some(live) = &mut self.hosts[to].live {
            live.machine.handle(&name, bytes, now);
            self.pump(to);
        }
    }

    fn closed(&mut self, stream: u64, at: usize, other: usize) {
        if self.streams.get(&(at, other)) != Some(&stream) {
            return;
        }
        self.streams.remove(&(at, other));
        let now = self.at();
        let name = self.hosts[other].name.clone();
        let run = self.hosts[at].run;
        if let Some(live) = &mut self.hosts[at].live {
            live.machine.peer_parted(&name, now);
            self.pump(at);
        }
        let gone = self.hosts[other].live.is_none();
        let wait = self.random(ms(1000)) + if gone { ms(100) } else { ms(2000) };
        self.after(wait, Event::Down { at, run, other });
        self.connect();
    }

    fn settle(&mut self, node: usize, run: u64) {
        if !self.runs(node, run) {
            return;
        }
        let answered = (0..self.hosts.len()).all(|other| {
            other == node
                || self.streams.contains_key(&(node, other))
                || (self.hosts[other].live.is_none() && !self.cuts.contains(&pair(node, other)))
        });
        let now = self.at();
        let Some(live) = &mut self.hosts[node].live else {
            return;
        };
        if answered || self.now >= live.started + SETTLE {
            live.settled = true;
            let of = Settling {
                unreached: !answered,
                shut_out: self.shut_out.get(node).copied().unwrap_or_default(),
            };
            live.machine.settled(of, now);
            self.pump(node);
            let wait = self.random(ms(100));
            self.after(wait, Event::Synchronised { node, run });
        } else {
            self.after(ms(20), Event::Settle { node, run });
        }
    }

    /// Does what a machine asks for.
    pub(super) fn pump(&mut self, host: usize) {
        while let Host {
            live: Some(live),
            run,
            ..
        } = &mut self.hosts[host]
        {
            let Some(output) = live.machine.poll() else {
                break;
            };
            let run = *run;
            match output {
                ElectorateOutput::Send { to, bytes } => self.send(host, &to, bytes),
                ElectorateOutput::Save(bytes) => {
                    live.saving = Some(bytes);
                    let wait = self.random(ms(15));
                    self.after(wait, Event::Saved { node: host, run });
                }
                ElectorateOutput::Changed => {
                    let electors = live.machine.electors().cloned();
                    live.seen.clone_from(&electors);
                    if let Some(electors) = electors {
                        self.note(host, &electors);
                    }
                }
            }
        }
        let Some(live) = &mut self.hosts[host].live else {
            return;
        };
        if let Some(due) = live.machine.next_due()
            && live.tick.is_none_or(|tick| due < tick)
        {
            let due = due.max(self.now);
            live.tick = Some(due);
            let run = self.hosts[host].run;
            let wait = due - self.now;
            self.after(wait, Event::Tick { node: host, run });
        }
    }

    pub(super) fn say(&self, host: usize, text: impl FnOnce() -> String) {
        if self.loud {
            println!("{:?} {} {}", self.now, self.hosts[host].name, text());
        }
    }

    fn send(&mut self, from: usize, to: &str, bytes: Vec<u8>) {
        let to = self.host(to);
        assert!(bytes.len() <= 16 * 1024);
        let Some(stream) = self.streams.get(&(from, to)).copied() else {
            return;
        };
        if self.rng.unit() < self.loss {
            return;
        }
        let wait = self.random(self.delay);
        self.after(
            wait,
            Event::Deliver {
                stream,
                from,
                to,
                bytes,
            },
        );
    }

    /// Of one founding there is one electorate in each epoch.
    fn note(&mut self, host: usize, electors: &Electors) {
        let key = (electors.founding, electors.epoch);
        self.say(host, || format!("{key:x?} is {:?}", electors.names));
        let held = self
            .history
            .entry(key)
            .or_insert_with(|| electors.names.clone());
        if *held != electors.names && self.wrong.len() < 5 {
            let text = format!(
                "{:?} at {}: epoch {} of {:x} is {:?} and {held:?}",
                self.now, self.hosts[host].name, key.1, key.0, electors.names
            );
            self.wrong.push(text);
        }
    }

    /// Each electorate differs from the one before it by one name.
    pub(super) fn check_steps(&mut self) {
        for ((founding, epoch), names) in &self.history {
            if let Some(before) = epoch
                .checked_sub(1)
                .and_then(|e| self.history.get(&(*founding, e)))
                && before.symmetric_difference(names).count() != 1
            {
                let text = format!("epoch {epoch} of {founding:x}: {before:?} became {names:?}");
                self.wrong.push(text);
            }
        }
    }

    pub(super) fn run(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            if at > end {
                self.counter += 1;
                self.queue.insert((at, self.counter), event);
                break;
            }
            self.now = at;
            self.handle(event);
        }
        self.now = end;
    }

    /// Runs until it holds; how long that took.
    pub(super) fn run_until(
        &mut self,
        most: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let start = self.now;
        while !holds(self) {
            if self.now >= start + most {
                return None;
            }
            self.run(ms(10));
        }
        Some(self.now - start)
    }

    /// The names of the electorate that all living nodes share.
    pub(super) fn shared(&self) -> Option<String> {
        let mut all = self
            .living()
            .into_iter()
            .map(|host| self.machine(host).and_then(Electorate::electors));
        let first = all.next()??;
        let same = all.all(|other| other.is_some_and(|other| other == first));
        let names: Vec<&str> = first.names.iter().map(AsRef::as_ref).collect();
        same.then(|| names.join(" "))
    }

    /// The names that live, as in [`Self::shared`].
    pub(super) fn names_alive(&self) -> String {
        let mut names: Vec<&str> = self
            .living()
            .into_iter()
            .map(|h| &*self.hosts[h].name)
            .collect();
        names.sort_unstable();
        names.join(" ")
    }

    /// Whether this host's votes are whole: in its process, or on its disk.
    pub(super) fn is_whole(&self, host: usize) -> bool {
        match &self.hosts[host] {
            Host {
                live: Some(live), ..
            } => live.machine.whole,
            Host {
                disk: Some(disk), ..
            } => Saved::decode(disk).is_ok_and(|saved| saved.whole),
            Host { .. } => false,
        }
    }

    /// The charter that a host keeps: in its process, or on its disk.
    pub(super) fn charter(&self, host: usize) -> Option<Charter> {
        match &self.hosts[host] {
            Host {
                live: Some(live), ..
            } => live.machine.charter.clone(),
            Host {
                disk: Some(disk), ..
            } => Saved::decode(disk).ok()?.charter,
            Host { .. } => None,
        }
    }

    pub(super) fn describe(&self) -> String {
        let mut text = format!("at {:?}\n", self.now);
        for host in &self.hosts {
            let Some(live) = &host.live else {
                text += &format!("{}: dead\n", host.name);
                continue;
            };
            let m = &live.machine;
            text += &format!(
                "{}: run {} {:?} whole {} recalled {} votes {} stranded {:?} left {}\n",
                host.name,
                host.run,
                m.charter,
                m.whole,
                m.recalled,
                m.votes_now(self.at()),
                m.stranded_since,
                m.has_left(),
            );
        }
        text
    }
}

fn settings() -> MeshSettings {
    MeshSettings {
        name: "".into(),
        run: 0,
        advertise: "".into(),
        has_peers: true,
        version: "".into(),
        gossip_interval: ms(200),
        probe_interval: ms(500),
        probe_timeout: ms(150),
        pushpull_interval: ms(60_000),
        reconnect_interval: ms(10_000),
        reconnect_timeout: ms(21_600_000),
        settle_timeout: SETTLE,
        expected_size: None,
        minority_delay: Some(ms(30_000)),
        evict_after: EVICT,
    }
}
