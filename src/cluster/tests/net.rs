//! A network of meshes in virtual time: streams that lose nothing but time, datagrams that are lost, cuts, crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use crate::{
    cluster::{
        CloseReason, ConnId, GivenPeer, Mesh, MeshEffect, MeshEvent, MeshInput, MeshSettings,
        peer::Phase,
    },
    rng::Rng,
    time::{Now, Timestamp},
};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const S: Duration = Duration::from_secs(1);
/// Ethernet, IP, UDP and what precedes the payload of a datagram.
const DATAGRAM: usize = 62;
/// Ethernet, IP, TCP and the length of a frame, and a packet that acknowledges it.
const FRAME: usize = 70 + 66;

/// What the wire carries to a host.
#[derive(Debug)]
enum Event {
    Syn {
        pipe: usize,
        attempt: u32,
    },
    Input {
        host: usize,
        run: u64,
        input: MeshInput,
    },
    Frame {
        pipe: usize,
        to_a: bool,
        attempt: u32,
        what: Carried,
    },
}

#[derive(Debug)]
enum Carried {
    Frame(Vec<u8>),
    End,
    Reset,
}

/// A stream: `a` dialled.
#[derive(Debug)]
struct Pipe {
    a: (usize, ConnId),
    b: (usize, ConnId),
    /// The run of each host's process when the stream began.
    runs: (u64, u64),
    /// When the last frame to `a` and to `b` arrives.
    last: [Duration; 2],
    /// It was reset.
    is_over: bool,
}

pub(super) struct Host {
    pub(super) mesh: Option<Mesh>,
    pub(super) address: SocketAddr,
    pub(super) advertise: Arc<str>,
    pub(super) name: String,
    pub(super) run: u64,
    /// When its process started.
    pub(super) begun: Duration,
    pub(super) given: Vec<usize>,
    /// The machine is gone, not only the process.
    pub(super) lost: bool,
    pub(super) paused: bool,
    /// A firewall refuses whoever dials it.
    pub(super) refuses: bool,
    /// How far its wall clock is ahead, in milliseconds.
    pub(super) skew: i64,
    pub(super) events: Vec<(Duration, MeshEvent)>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    accepted: u64,
}

pub(super) struct Net {
    pub(super) now: Duration,
    pub(super) hosts: Vec<Host>,
    pub(super) loss: f64,
    pub(super) udp_blocked: bool,
    /// Pairs without a path, smaller first.
    pub(super) cuts: BTreeSet<(usize, usize)>,
    pub(super) tune: fn(&mut MeshSettings),
    pub(super) prepare: fn(&mut Mesh),
    rng: Rng,
    queue: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    pipes: Vec<Pipe>,
    by_conn: BTreeMap<(usize, ConnId), usize>,
}

impl Net {
    /// A network of hosts named `n0`, `n1`, ... each of which is given all others.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let hosts = (0..count).map(|index| host(index, count)).collect();
        Self {
            now: Duration::ZERO,
            hosts,
            loss: 0.0,
            udp_blocked: false,
            cuts: BTreeSet::new(),
            tune: |_| {},
            prepare: |_| {},
            rng: Rng::from_seed(seed),
            queue: BTreeMap::new(),
            sequence: 0,
            pipes: Vec::new(),
            by_conn: BTreeMap::new(),
        }
    }

    /// A network in which all are started and see each other.
    pub(super) fn running(count: usize, seed: u64) -> Self {
        let mut net = Self::new(count, seed);
        (0..count).for_each(|index| net.start(index));
        net.run_for(3 * S);
        assert!(net.all_connected(), "{:?}", net.connections());
        net
    }

    fn time_of(&self, host: usize) -> Now {
        let millis = i64::try_from(self.now.as_millis()).unwrap();
        let nanos = i32::try_from(self.now.subsec_nanos() % 1_000_000).unwrap();
        let at = 1_700_000_000_000 + millis + self.hosts[host].skew;
        Now {
            mono: self.now,
            wall: Timestamp::from_unix(
                at.div_euclid(1000),
                i32::try_from(at.rem_euclid(1000)).unwrap() * 1_000_000 + nanos,
            ),
        }
    }

    pub(super) fn start(&mut self, index: usize) {
        let now = self.time_of(index);
        let seed = self.rng.next_u64();
        let run = now.wall.unix_millis().cast_unsigned() + 1;
        let host = &mut self.hosts[index];
        host.run = run.max(host.run + 1);
        host.lost = false;
        host.begun = self.now;
        host.events.clear();
        let mut settings = settings(
            &host.name,
            host.run,
            &host.advertise,
            !host.given.is_empty(),
        );
        (self.tune)(&mut settings);
        let mut mesh = Mesh::new(settings, None, Rng::from_seed(seed), now);
        (self.prepare)(&mut mesh);
        host.mesh = Some(mesh);
        let peers = host.given.clone();
        let peers = peers
            .into_iter()
            .map(|peer| GivenPeer {
                given: self.hosts[peer].address.to_string().into(),
                addresses: vec![self.hosts[peer].address],
                error: None,
            })
            .collect();
        self.input(index, MeshInput::Peers(peers));
    }

    /// Ends the process: its streams end, its address refuses.
    pub(super) fn kill(&mut self, index: usize) {
        self.hosts[index].mesh = None;
        for pipe in 0..self.pipes.len() {
            self.end(pipe, index, Carried::End);
        }
    }

    /// Ends a process that left bytes unread on its streams: these are reset.
    pub(super) fn kill_unread(&mut self, index: usize) {
        self.cut_off(index, |phase| phase == Phase::Open);
        self.kill(index);
    }

    /// A firewall resets some streams of a host, to both sides.
    pub(super) fn reset(&mut self, index: usize, which: fn(Phase) -> bool) {
        let conns = self.cut_off(index, which);
        for conn in conns {
            let why = CloseReason::Ended("connection reset".to_owned());
            self.input(index, MeshInput::Closed { conn, why });
        }
    }

    /// Resets some streams of a host to the other sides, and gives their names here.
    fn cut_off(&mut self, index: usize, which: fn(Phase) -> bool) -> Vec<ConnId> {
        let streams = self.mesh(index).streams.iter();
        let chosen = streams.filter(|(_, stream)| which(stream.phase));
        let conns: Vec<ConnId> = chosen.map(|(conn, _)| *conn).collect();
        for conn in &conns {
            if let Some(pipe) = self.by_conn.remove(&(index, *conn)) {
                self.end(pipe, index, Carried::Reset);
                self.pipes[pipe].is_over = true;
            }
        }
        conns
    }

    /// Tells the other side of a host's stream how it ended.
    fn end(&mut self, pipe: usize, index: usize, how: Carried) {
        let it = &self.pipes[pipe];
        if !it.is_over && [it.a.0, it.b.0].contains(&index) {
            let to_a = it.a.0 != index;
            self.carry(pipe, to_a, how);
        }
    }

    /// Ends the machine: nothing is heard of it any more.
    pub(super) fn lose(&mut self, index: usize) {
        self.hosts[index].mesh = None;
        self.hosts[index].lost = true;
    }

    pub(super) fn cut(&mut self, one: usize, other: usize) {
        self.cuts.insert((one.min(other), one.max(other)));
    }

    pub(super) fn is_cut(&self, one: usize, other: usize) -> bool {
        self.hosts[one].lost
            || self.hosts[other].lost
            || self.cuts.contains(&(one.min(other), one.max(other)))
    }

    pub(super) fn mesh(&mut self, index: usize) -> &mut Mesh {
        self.hosts[index].mesh.as_mut().unwrap()
    }

    /// Calls a mesh and carries out what comes of it.
    pub(super) fn with<T>(&mut self, index: usize, call: impl FnOnce(&mut Mesh, Now) -> T) -> T {
        let now = self.time_of(index);
        let value = call(self.mesh(index), now);
        self.drain(index);
        value
    }

    fn input(&mut self, host: usize, input: MeshInput) {
        let now = self.time_of(host);
        if let Some(mesh) = &mut self.hosts[host].mesh {
            mesh.handle(input, now);
            self.drain(host);
        }
    }

    fn drain(&mut self, index: usize) {
        let now = self.now;
        let host = &mut self.hosts[index];
        let Some(mesh) = &mut host.mesh else { return };
        while let Some(event) = mesh.poll_event() {
            host.events.push((now, event));
        }
        let effects: Vec<MeshEffect> = std::iter::from_fn(|| mesh.poll_effect()).collect();
        for effect in effects {
            self.effect(index, effect);
        }
    }

    fn effect(&mut self, host: usize, effect: MeshEffect) {
        match effect {
            MeshEffect::Dial { conn, to } => self.dial(host, conn, &to),
            MeshEffect::Frame { conn, bytes, .. } => {
                let Some(&pipe) = self.by_conn.get(&(host, conn)) else {
                    return;
                };
                self.count(host, bytes.len() + FRAME);
                let to_a = self.pipes[pipe].a != (host, conn);
                self.carry(pipe, to_a, Carried::Frame(bytes.to_vec()));
            }
            MeshEffect::Datagram { conn, bytes, .. } => self.datagram(host, conn, bytes),
            MeshEffect::Close { conn } => {
                if let Some(&pipe) = self.by_conn.get(&(host, conn)) {
                    let to_a = self.pipes[pipe].a != (host, conn);
                    self.carry(pipe, to_a, Carried::End);
                }
            }
        }
    }

    fn count(&mut self, host: usize, bytes: usize) {
        self.hosts[host].packets += 1;
        self.hosts[host].bytes += u64::try_from(bytes).unwrap();
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(200 + self.rng.next_u64() % 300)
    }

    fn is_lost(&mut self) -> bool {
        self.rng.unit() < self.loss
    }

    fn push(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), event);
    }

    fn dial(&mut self, host: usize, conn: ConnId, to: &str) {
        let target = self
            .hosts
            .iter()
            .position(|other| other.address.to_string() == to || *other.advertise == *to);
        let run = self.hosts[host].run;
        let Some(target) = target else {
            let why = CloseReason::Unreachable("no such host".to_owned());
            let input = MeshInput::Closed { conn, why };
            self.push(5 * MS, Event::Input { host, run, input });
            return;
        };
        let runs = (run, 0);
        self.pipes.push(Pipe {
            a: (host, conn),
            b: (target, ConnId(0)),
            runs,
            last: [Duration::ZERO; 2],
            is_over: false,
        });
        let after = self.latency();
        let pipe = self.pipes.len() - 1;
        self.by_conn.insert((host, conn), pipe);
        self.push(after, Event::Syn { pipe, attempt: 0 });
    }

    fn syn(&mut self, pipe: usize, attempt: u32) {
        let ((host, conn), (target, _)) = (self.pipes[pipe].a, self.pipes[pipe].b);
        let run = self.pipes[pipe].runs.0;
        if self.is_cut(host, target) || self.is_lost() {
            if attempt < 3 {
                let attempt = attempt + 1;
                self.push(S * (1 << (attempt - 1)), Event::Syn { pipe, attempt });
            } else {
                let why = CloseReason::Unreachable("timeout".to_owned());
                let input = MeshInput::Closed { conn, why };
                self.push(S, Event::Input { host, run, input });
            }
            return;
        }
        let after = self.latency();
        if self.hosts[target].mesh.is_none() || self.hosts[target].refuses {
            let why = CloseReason::Refused("connection refused".to_owned());
            let input = MeshInput::Closed { conn, why };
            self.push(after, Event::Input { host, run, input });
            return;
        }
        self.hosts[target].accepted += 1;
        let accepted = ConnId(self.hosts[target].accepted * 2 + 1);
        self.pipes[pipe].b.1 = accepted;
        self.pipes[pipe].runs.1 = self.hosts[target].run;
        self.pipes[pipe].last = [self.now + after; 2];
        self.by_conn.insert((target, accepted), pipe);
        self.push(
            after,
            Event::Input {
                host,
                run,
                input: MeshInput::Dialed { conn },
            },
        );
        let from = SocketAddr::new(self.hosts[host].address.ip(), 40_000);
        self.input(
            target,
            MeshInput::Accepted {
                conn: accepted,
                from,
            },
        );
    }

    /// Sends something over a stream: in order, late if a packet is lost, once the path is back if it is cut.
    fn carry(&mut self, pipe: usize, to_a: bool, what: Carried) {
        let mut after = self.latency();
        if self.is_lost() {
            after += 200 * MS;
        }
        let last = &mut self.pipes[pipe].last[usize::from(!to_a)];
        let at = (self.now + after).max(*last + Duration::from_nanos(1));
        *last = at;
        let after = at - self.now;
        self.push(
            after,
            Event::Frame {
                pipe,
                to_a,
                attempt: 0,
                what,
            },
        );
    }

    fn arrive(&mut self, pipe: usize, to_a: bool, attempt: u32, what: Carried) {
        let (a, b, runs) = {
            let pipe = &self.pipes[pipe];
            (pipe.a, pipe.b, pipe.runs)
        };
        let ((host, conn), run) = if to_a { (a, runs.0) } else { (b, runs.1) };
        if self.is_cut(a.0, b.0) {
            if attempt < 7 {
                let attempt = attempt + 1;
                let event = Event::Frame {
                    pipe,
                    to_a,
                    attempt,
                    what,
                };
                // What is sent later waits behind it.
                let wait = 200 * MS * (1 << attempt);
                let last = &mut self.pipes[pipe].last[usize::from(!to_a)];
                *last = (*last).max(self.now + wait);
                self.push(wait, event);
            }
            return;
        }
        let input = match what {
            Carried::Frame(bytes) => MeshInput::Frame { conn, bytes },
            Carried::End => MeshInput::Closed {
                conn,
                why: CloseReason::Finished("end of stream".to_owned()),
            },
            Carried::Reset => MeshInput::Closed {
                conn,
                why: CloseReason::Ended("connection reset".to_owned()),
            },
        };
        if self.hosts[host].run == run {
            self.input(host, input);
        }
    }

    fn datagram(&mut self, host: usize, conn: ConnId, bytes: Vec<u8>) {
        assert!(bytes.len() <= 1200);
        self.count(host, bytes.len() + DATAGRAM);
        let Some(&pipe) = self.by_conn.get(&(host, conn)) else {
            return;
        };
        let (a, b, runs) = {
            let pipe = &self.pipes[pipe];
            (pipe.a, pipe.b, pipe.runs)
        };
        let ((to, conn), run) = if a == (host, conn) {
            (b, runs.1)
        } else {
            (a, runs.0)
        };
        if self.udp_blocked || self.is_cut(host, to) || self.is_lost() {
            return;
        }
        let after = self.latency();
        self.push(
            after,
            Event::Input {
                host: to,
                run,
                input: MeshInput::Datagram { conn, bytes },
            },
        );
    }

    /// Runs until something holds; gives how long that took.
    pub(super) fn run_until(
        &mut self,
        limit: Duration,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Option<Duration> {
        let begin = self.now;
        while self.now < begin + limit {
            if holds(self) {
                return Some(self.now - begin);
            }
            self.run_for(5 * MS);
        }
        None
    }

    pub(super) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let packet = self.queue.keys().next().map(|key| key.0);
            let timer = self.next_timer();
            let next = [packet, timer.map(|(at, _)| at)]
                .into_iter()
                .flatten()
                .min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            if packet == Some(at) {
                let ((_, _), event) = self.queue.pop_first().unwrap();
                self.happen(event);
            } else if let Some((_, host)) = timer {
                self.timeout(host);
            }
        }
        self.now = end;
    }

    fn next_timer(&self) -> Option<(Duration, usize)> {
        self.hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| !host.paused)
            .filter_map(|(index, host)| Some((host.mesh.as_ref()?.poll_timeout()?.0, index)))
            .min()
    }

    fn timeout(&mut self, index: usize) {
        let now = self.time_of(index);
        let mesh = self.mesh(index);
        let due = mesh.poll_timeout();
        mesh.handle_timeout(now);
        let after = mesh.poll_timeout();
        assert!(
            after.is_none_or(|after| after.0 > now.mono || due != Some(after)),
            "a timer does not move on: {due:?} at {now:?}"
        );
        self.drain(index);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Syn { pipe, attempt } => self.syn(pipe, attempt),
            Event::Input { host, run, input } => {
                if self.hosts[host].run == run {
                    self.input(host, input);
                }
            }
            Event::Frame {
                pipe,
                to_a,
                attempt,
                what,
            } => self.arrive(pipe, to_a, attempt, what),
        }
    }

    pub(super) fn connections(&self) -> Vec<Vec<String>> {
        self.hosts
            .iter()
            .map(|host| {
                host.mesh.as_ref().map_or(Vec::new(), |mesh| {
                    mesh.connected().map(|name| name.to_string()).collect()
                })
            })
            .collect()
    }

    /// How many streams of a host are that far.
    pub(super) fn streams(&self, host: usize, phase: Phase) -> usize {
        let mesh = self.hosts[host].mesh.as_ref().unwrap();
        let streams = mesh.streams.values();
        streams.filter(|stream| stream.phase == phase).count()
    }

    /// Whether every running node has a stream to every other one.
    pub(super) fn all_connected(&self) -> bool {
        let running = self.hosts.iter().filter(|host| host.mesh.is_some()).count();
        self.hosts
            .iter()
            .filter_map(|host| host.mesh.as_ref())
            .all(|mesh| mesh.connected().count() + 1 == running)
    }

    /// Events of a host since a time, without those that come all the time.
    pub(super) fn events_since(&self, host: usize, since: Duration) -> Vec<(Duration, &MeshEvent)> {
        self.hosts[host]
            .events
            .iter()
            .filter(|(at, event)| *at >= since && !matches!(event, MeshEvent::Beat { .. }))
            .map(|(at, event)| (*at, event))
            .collect()
    }
}

fn host(index: usize, count: usize) -> Host {
    let address = SocketAddr::from(([10, 0, 0, u8::try_from(index + 1).unwrap()], 9094));
    Host {
        mesh: None,
        address,
        advertise: address.to_string().into(),
        name: format!("n{index}"),
        run: 0,
        begun: Duration::ZERO,
        given: (0..count).filter(|other| *other != index).collect(),
        lost: false,
        paused: false,
        refuses: false,
        skew: 0,
        events: Vec::new(),
        packets: 0,
        bytes: 0,
        accepted: 0,
    }
}

fn settings(name: &str, run: u64, advertise: &Arc<str>, has_peers: bool) -> MeshSettings {
    MeshSettings {
        name: name.into(),
        run,
        advertise: Arc::clone(advertise),
        has_peers,
        version: "test".into(),
        gossip_interval: 200 * MS,
        probe_interval: 500 * MS,
        probe_timeout: 150 * MS,
        pushpull_interval: 60 * S,
        reconnect_interval: 10 * S,
        reconnect_timeout: 6 * 3600 * S,
        settle_timeout: 60 * S,
        expected_size: None,
        minority_delay: Some(30 * S),
        evict_after: 300 * S,
    }
}
