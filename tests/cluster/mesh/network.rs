//! A network that delays, loses, repeats and cuts; streams on it that hang, break or are refused as TCP's do.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use watchfire::cluster::{CloseReason, ConnId, GivenPeer, MeshEffect, MeshInput};

use super::{
    chance::Chance,
    reach::GRACE,
    stream::{End, Item, LIFELINE, Stream},
};

/// A dial ends after this long (`--cluster.tcp-timeout`).
const DIAL_WITHIN: Duration = Duration::from_secs(10);

/// When the system tries again to open a connection, after the first attempt.
const TRIES: [u64; 4] = [0, 1, 3, 7];

/// One direction between two hosts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// Mean of the exponential part of the latency.
    pub(crate) latency: Duration,
    /// Of a packet.
    pub(crate) loss: f64,
    /// Of a datagram.
    pub(crate) duplication: f64,
    /// How many faults cut it.
    pub(crate) cuts: u32,
    /// How many faults keep datagrams from passing.
    pub(crate) datagram_cuts: u32,
}

/// What a firewall, or a tunnel on the way, does to what passes it.
#[derive(Debug, Clone, Copy, Default)]
struct Wall {
    /// How many faults have it refuse everything.
    refusals: u32,
    /// Payloads of more bytes are swallowed, and the stream stands still behind them.
    largest: Option<usize>,
    /// When that was so last.
    swallowed: Option<Duration>,
}

/// What a host's network card sees of it.
#[derive(Debug)]
struct Station {
    powered: bool,
    /// Which process listens.
    life: Option<u64>,
    paused: bool,
    next_accepted: u64,
}

/// Something that happens on the network later.
#[derive(Debug)]
pub(crate) enum NetEvent {
    Dial {
        dial: u64,
        attempt: usize,
    },
    Establish(u64),
    GiveUp(u64),
    Arrive {
        stream: u64,
        side: usize,
        item: Item,
    },
    Break {
        stream: u64,
        side: usize,
        at: Duration,
    },
    Datagram {
        stream: u64,
        side: usize,
        to: usize,
        bytes: Vec<u8>,
    },
}

/// Something that a process is told now.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) input: MeshInput,
}

#[derive(Debug)]
struct Dialing {
    from: usize,
    life: u64,
    conn: ConnId,
    to: usize,
}

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    links: Vec<Vec<Link>>,
    walls: Vec<Vec<Wall>>,
    /// The addresses of all hosts, as nodes write them.
    addresses: Vec<String>,
    stations: Vec<Station>,
    streams: BTreeMap<u64, Stream>,
    ends: BTreeMap<(usize, u64, ConnId), (u64, usize)>,
    dials: BTreeMap<u64, Dialing>,
    next: u64,
    /// How long a stream bears unanswered bytes.
    pub(crate) breaks_after: Duration,
    chance: Chance,
    /// Processes that dialled, by host and number, and the host that answered or refused.
    pub(crate) met: Vec<(usize, u64, usize)>,
    /// What happens later.
    pub(crate) later: VecDeque<(Duration, NetEvent)>,
    /// What happens now.
    pub(crate) now: VecDeque<Delivery>,
}

/// The address of a host.
pub(crate) fn address(host: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(host + 1).unwrap()], 9094))
}

impl Network {
    pub(crate) fn new(hosts: usize, link: Link, seed: u64) -> Self {
        let station = |_| Station {
            powered: true,
            life: None,
            paused: false,
            next_accepted: 1,
        };
        Self {
            links: vec![vec![link; hosts]; hosts],
            walls: vec![vec![Wall::default(); hosts]; hosts],
            addresses: (0..hosts).map(|host| address(host).to_string()).collect(),
            stations: (0..hosts).map(station).collect(),
            streams: BTreeMap::new(),
            ends: BTreeMap::new(),
            dials: BTreeMap::new(),
            next: 0,
            breaks_after: Duration::from_secs(10),
            chance: Chance::new(seed, "network"),
            met: Vec::new(),
            later: VecDeque::new(),
            now: VecDeque::new(),
        }
    }

    pub(crate) fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from][to]
    }

    pub(crate) fn peers(hosts: impl Iterator<Item = usize>) -> Vec<GivenPeer> {
        hosts
            .map(|host| GivenPeer {
                given: address(host).to_string().into(),
                addresses: vec![address(host)],
                error: None,
            })
            .collect()
    }

    /// No way loses more than that from now on.
    pub(crate) fn lose_at_most(&mut self, loss: f64) {
        for link in self.links.iter_mut().flatten() {
            link.loss = link.loss.min(loss);
        }
    }

    /// Whether not everything of `from` reaches `to`.
    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        let wall = self.walls[from][to];
        let fails = wall.refusals > 0 || wall.largest.is_some();
        from != to && (fails || self.links[from][to].cuts > 0)
    }

    /// Whether anything of `from` may reach `to`.
    pub(crate) fn may_pass(&self, from: usize, to: usize) -> bool {
        !self.blocked(from, to) && !self.refuses(from, to)
    }

    fn blocked(&self, from: usize, to: usize) -> bool {
        from != to && self.links[from][to].cuts > 0
            || !self.stations[from].powered
            || !self.stations[to].powered
    }

    /// Whether a firewall on the way refuses what comes of `from` to `to`; that it does is told to `from`.
    fn refuses(&self, from: usize, to: usize) -> bool {
        from != to && self.walls[from][to].refusals > 0 && !self.blocked(from, to)
    }

    /// Has a firewall refuse one way, or takes one such rule away.
    pub(crate) fn refuse(&mut self, from: usize, to: usize, refused: bool) {
        let rules = &mut self.walls[from][to].refusals;
        *rules = if refused {
            *rules + 1
        } else {
            rules.saturating_sub(1)
        };
    }

    /// Has one way swallow what is larger, or nothing more.
    pub(crate) fn swallow(
        &mut self,
        from: usize,
        to: usize,
        largest: Option<usize>,
        now: Duration,
    ) {
        let wall = &mut self.walls[from][to];
        if wall.largest.is_some() {
            wall.swallowed = Some(now);
        }
        wall.largest = largest;
        if largest.is_none() {
            self.healed(from, to, now);
        }
    }

    fn latency(&mut self, from: usize, to: usize) -> Duration {
        let link = self.links[from][to];
        let fixed = Duration::from_micros(if from == to { 20 } else { 150 });
        fixed + self.chance.exponential(link.latency)
    }

    /// As [`Self::latency`], with what losses add to it on a stream.
    fn stream_latency(&mut self, from: usize, to: usize) -> Duration {
        let mut latency = self.latency(from, to);
        let loss = self.links[from][to].loss;
        let mut again = Duration::from_millis(200);
        while self.chance.happens(loss) && again < Duration::from_secs(2) {
            latency += again;
            again *= 2;
        }
        latency
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Carries out what a process asks for.
    pub(crate) fn perform(&mut self, host: usize, life: u64, effect: MeshEffect, now: Duration) {
        match effect {
            MeshEffect::Dial { conn, to } => self.dial(host, life, conn, &to, now),
            MeshEffect::Frame {
                conn,
                urgent,
                bytes,
            } => {
                if let Some((stream, side)) = self.ends.get(&(host, life, conn)).copied() {
                    self.send(stream, side, urgent, &bytes, now);
                }
            }
            MeshEffect::Datagram { conn, to, bytes } => {
                self.send_datagram(host, life, conn, &to, bytes, now)
            }
            MeshEffect::Close { conn } => {
                if let Some((stream, side)) = self.ends.remove(&(host, life, conn)) {
                    self.finish(stream, side, now);
                }
                self.dials
                    .retain(|_, dial| (dial.from, dial.life, dial.conn) != (host, life, conn));
            }
        }
    }

    fn host_at(&self, text: &str) -> Option<usize> {
        self.addresses.iter().position(|address| address == text)
    }

    fn dial(&mut self, from: usize, life: u64, conn: ConnId, to: &str, now: Duration) {
        let Some(to) = self.host_at(to) else {
            let text = "no such host".to_owned();
            self.tell(
                from,
                life,
                MeshInput::Closed {
                    conn,
                    why: CloseReason::Unreachable(text),
                },
            );
            return;
        };
        let dial = self.number();
        let dialing = Dialing {
            from,
            life,
            conn,
            to,
        };
        self.dials.insert(dial, dialing);
        for (attempt, after) in TRIES.iter().enumerate() {
            let at = now + Duration::from_secs(*after);
            self.later.push_back((at, NetEvent::Dial { dial, attempt }));
        }
        self.later
            .push_back((now + DIAL_WITHIN, NetEvent::GiveUp(dial)));
    }

    fn tell(&mut self, host: usize, life: u64, input: MeshInput) {
        self.now.push_back(Delivery { host, life, input });
    }

    fn send(&mut self, stream: u64, side: usize, urgent: bool, bytes: &Arc<[u8]>, now: Duration) {
        let Some(found) = self.streams.get_mut(&stream) else {
            return;
        };
        if !found.ends[side].open {
            return;
        }
        found.lifeline |= bytes.last() == Some(&LIFELINE);
        let item = found.ends[1 - side].number(urgent, bytes);
        self.push(stream, side, item, now);
    }

    /// Puts something on the way from `side` to the other.
    fn push(&mut self, stream: u64, side: usize, item: Item, now: Duration) {
        let Some((from, to, gone)) = self.streams.get(&stream).map(|found| {
            let (from, to) = (&found.ends[side], &found.ends[1 - side]);
            (from.host, to.host, to.gone)
        }) else {
            return;
        };
        if self.blocked(from, to) || self.clogs(stream, side, &item) {
            self.hold(stream, side, item, now);
            return;
        }
        let at = now + self.stream_latency(from, to);
        if gone || self.refuses(from, to) {
            if gone && self.refuses(to, from) {
                self.begin_to_break(stream, side, now);
                return;
            }
            let at = at + self.latency(to, from);
            let item = Item::Reset;
            self.later
                .push_back((at, NetEvent::Arrive { stream, side, item }));
            return;
        }
        if self.refuses(to, from) {
            // It arrives, and what acknowledges it is refused.
            let at = at + self.latency(to, from);
            let reset = NetEvent::Arrive {
                stream,
                side: 1 - side,
                item: Item::Reset,
            };
            self.later.push_back((at, reset));
            self.begin_to_break(stream, side, now);
        }
        let to_side = 1 - side;
        if let (Item::End(_), Some(found)) = (&item, self.streams.get_mut(&stream)) {
            found.ends[to_side].ending = true;
        }
        self.later.push_back((
            at,
            NetEvent::Arrive {
                stream,
                side: to_side,
                item,
            },
        ));
        if self.blocked(to, from) {
            self.begin_to_break(stream, side, now);
        }
    }

    /// Whether something is too large for its way, or waits behind what was.
    fn clogs(&mut self, stream: u64, side: usize, item: &Item) -> bool {
        let Some(found) = self.streams.get_mut(&stream) else {
            return false;
        };
        let (from, to) = (found.ends[side].host, found.ends[1 - side].host);
        let largest = self.walls[from][to].largest;
        let end = &mut found.ends[1 - side];
        end.clogged |= largest.is_some_and(|largest| item.size() > largest);
        end.clogged
    }

    fn hold(&mut self, stream: u64, side: usize, item: Item, now: Duration) {
        if let Some(found) = self.streams.get_mut(&stream) {
            found.ends[1 - side].held.push(item);
        }
        self.begin_to_break(stream, side, now);
    }

    fn begin_to_break(&mut self, stream: u64, side: usize, now: Duration) {
        let after = self
            .breaks_after
            .mul_f64(1.0 + 0.5 * self.chance.below(100) as f64 / 100.0);
        if let Some(found) = self.streams.get_mut(&stream)
            && found.ends[side].breaks_at.is_none()
        {
            let at = now + after;
            found.ends[side].breaks_at = Some(at);
            self.later
                .push_back((at, NetEvent::Break { stream, side, at }));
        }
    }

    /// One side writes no more.
    fn finish(&mut self, stream: u64, side: usize, now: Duration) {
        let Some(found) = self.streams.get_mut(&stream) else {
            return;
        };
        if !std::mem::take(&mut found.ends[side].open) {
            return;
        }
        found.ends[side].gone = true;
        let item = Item::End(found.ends[1 - side].sent);
        if !found.ends[1 - side].open {
            self.streams.remove(&stream);
        } else {
            self.push(stream, side, item, now);
        }
    }

    fn send_datagram(
        &mut self,
        from: usize,
        life: u64,
        conn: ConnId,
        to: &str,
        bytes: Vec<u8>,
        now: Duration,
    ) {
        assert!(bytes.len() <= 1200, "a datagram of {} bytes", bytes.len());
        let Some((stream, side)) = self.ends.get(&(from, life, conn)).copied() else {
            return;
        };
        let Some(to) = self.host_at(to) else {
            return;
        };
        let link = self.links[from][to];
        if self.blocked(from, to)
            || self.refuses(from, to)
            || (from != to && link.datagram_cuts > 0)
        {
            return;
        }
        let copies = 1 + u32::from(self.chance.happens(link.duplication));
        for _ in 0..copies {
            if self.chance.happens(link.loss) {
                continue;
            }
            let at = now + self.latency(from, to);
            let event = NetEvent::Datagram {
                stream,
                side: 1 - side,
                to,
                bytes: bytes.clone(),
            };
            self.later.push_back((at, event));
        }
    }

    /// Lets something happen that was to happen later.
    pub(crate) fn happen(&mut self, event: NetEvent, now: Duration) {
        match event {
            NetEvent::Dial { dial, attempt } => self.try_dial(dial, attempt, now),
            NetEvent::Establish(dial) => self.establish(dial, now),
            NetEvent::GiveUp(dial) => {
                if let Some(dial) = self.dials.remove(&dial) {
                    let why = CloseReason::Unreachable("i/o timeout".to_owned());
                    self.tell(
                        dial.from,
                        dial.life,
                        MeshInput::Closed {
                            conn: dial.conn,
                            why,
                        },
                    );
                }
            }
            NetEvent::Arrive { stream, side, item } => self.arrive(stream, side, item, now),
            NetEvent::Break { stream, side, at } => {
                let broken = self.streams.get(&stream).is_some_and(|found| {
                    let end = &found.ends[side];
                    end.open && end.breaks_at == Some(at)
                });
                if broken {
                    if let Some(found) = self.streams.get_mut(&stream) {
                        found.ends[1 - side].held.clear();
                    }
                    let why = CloseReason::Ended("connection timed out".to_owned());
                    self.close_end(stream, side, why);
                    let item = Item::Reset;
                    self.reset_other(stream, side, item, now);
                }
            }
            NetEvent::Datagram {
                stream,
                side,
                to,
                bytes,
            } => self.datagram_arrives(stream, side, to, bytes),
        }
    }

    /// Tells the other side, if the way is free, that this one knows nothing of the stream any more.
    fn reset_other(&mut self, stream: u64, side: usize, item: Item, now: Duration) {
        let Some(found) = self.streams.get(&stream) else {
            return;
        };
        let (from, to) = (found.ends[side].host, found.ends[1 - side].host);
        let passes = !self.blocked(from, to) && !self.refuses(from, to);
        if found.ends[1 - side].open && passes {
            let at = now + self.stream_latency(from, to);
            self.later.push_back((
                at,
                NetEvent::Arrive {
                    stream,
                    side: 1 - side,
                    item,
                },
            ));
        }
    }

    fn try_dial(&mut self, dial: u64, attempt: usize, now: Duration) {
        let Some(dialing) = self.dials.get(&dial) else {
            return;
        };
        let (from, to) = (dialing.from, dialing.to);
        let refused = self.refuses(from, to);
        if self.blocked(from, to) || self.blocked(to, from) || (!refused && self.refuses(to, from))
        {
            return;
        }
        if self.chance.happens(self.links[from][to].loss) && attempt + 1 < TRIES.len() {
            return;
        }
        let trip = self.latency(from, to) + self.latency(to, from);
        self.later
            .push_back((now + trip, NetEvent::Establish(dial)));
    }

    /// The other host has answered.
    fn establish(&mut self, dial: u64, now: Duration) {
        let Some(dialing) = self.dials.get(&dial) else {
            return;
        };
        let (from, life, conn, to) = (dialing.from, dialing.life, dialing.conn, dialing.to);
        let refused = self.refuses(from, to);
        if self.blocked(from, to) || self.blocked(to, from) || (!refused && self.refuses(to, from))
        {
            return;
        }
        let other = self.stations[to].life;
        let Some(other) = other.filter(|_| !refused) else {
            self.dials.remove(&dial);
            self.met.push((from, life, to));
            let why = CloseReason::Refused("connection refused".to_owned());
            self.tell(from, life, MeshInput::Closed { conn, why });
            return;
        };
        if self.stations[to].paused {
            let again = now + Duration::from_millis(500);
            self.later.push_back((again, NetEvent::Establish(dial)));
            return;
        }
        self.dials.remove(&dial);
        if self.stations[from].life != Some(life) {
            return;
        }
        self.met.push((from, life, to));
        let accepted = ConnId(self.stations[to].next_accepted);
        self.stations[to].next_accepted += 2;
        let stream = self.number();
        self.streams.insert(
            stream,
            Stream {
                since: now,
                lifeline: false,
                ends: [End::new(from, life, conn), End::new(to, other, accepted)],
            },
        );
        self.ends.insert((from, life, conn), (stream, 0));
        self.ends.insert((to, other, accepted), (stream, 1));
        let port = u16::try_from(40_000 + stream % 20_000).unwrap();
        let input = MeshInput::Accepted {
            conn: accepted,
            from: SocketAddr::new(address(from).ip(), port),
        };
        self.tell(to, other, input);
        self.tell(from, life, MeshInput::Dialed { conn });
    }

    fn arrive(&mut self, stream: u64, side: usize, item: Item, now: Duration) {
        let Some(found) = self.streams.get(&stream) else {
            return;
        };
        let (from, to) = (found.ends[1 - side].host, found.ends[side].host);
        if self.blocked(from, to) {
            self.hold(stream, 1 - side, item, now);
            return;
        }
        if !found.ends[side].open {
            return;
        }
        let Some(found) = self.streams.get_mut(&stream) else {
            return;
        };
        let end = &mut found.ends[side];
        let (host, life, conn) = (end.host, end.life, end.conn);
        if let Item::Reset = item {
            // The end was sent before, and so it came before.
            let why = if end.ending {
                CloseReason::Finished("EOF".to_owned())
            } else {
                CloseReason::Ended("connection reset by peer".to_owned())
            };
            self.close_end(stream, side, why);
            return;
        }
        end.unread |= matches!(item, Item::Frame { .. }) && self.stations[to].paused;
        end.take(item);
        let ready = end.ready();
        let ended = end.is_ended();
        for bytes in ready {
            let input = MeshInput::Frame {
                conn,
                bytes: bytes.to_vec(),
            };
            self.tell(host, life, input);
        }
        if ended {
            let why = CloseReason::Finished("EOF".to_owned());
            self.close_end(stream, side, why);
        }
    }

    fn close_end(&mut self, stream: u64, side: usize, why: CloseReason) {
        let Some(found) = self.streams.get_mut(&stream) else {
            return;
        };
        let end = &mut found.ends[side];
        if !std::mem::take(&mut end.open) {
            return;
        }
        end.gone = true;
        let (host, life, conn) = (end.host, end.life, end.conn);
        if found.ends.iter().all(|end| !end.open) {
            self.streams.remove(&stream);
        }
        self.ends.remove(&(host, life, conn));
        self.tell(host, life, MeshInput::Closed { conn, why });
    }

    fn datagram_arrives(&mut self, stream: u64, side: usize, to: usize, bytes: Vec<u8>) {
        let Some(found) = self.streams.get(&stream) else {
            return;
        };
        let end = &found.ends[side];
        if end.open && end.host == to && self.stations[to].powered {
            let (life, conn) = (end.life, end.conn);
            self.tell(to, life, MeshInput::Datagram { conn, bytes });
        }
    }

    /// With how many others a host has a stream on which answers may have come: whoever left questions open because they
    /// were swallowed is asked again first.
    pub(crate) fn answering_streams(&self, host: usize, now: Duration) -> usize {
        let swallowed = |from: usize, to: usize| self.walls[from][to].swallowed;
        let others = self.others_on_streams(host, Duration::ZERO, now);
        let others = others.into_iter().filter(|other| {
            let last = swallowed(host, *other).max(swallowed(*other, host));
            last.is_none_or(|at| at + GRACE <= now)
        });
        others.count()
    }

    /// With how many others a host has had a stream for this long at least.
    pub(crate) fn steady_streams(&self, host: usize, least: Duration, now: Duration) -> usize {
        self.others_on_streams(host, least, now).len()
    }

    fn others_on_streams(&self, host: usize, least: Duration, now: Duration) -> BTreeSet<usize> {
        let steady = self
            .streams
            .values()
            .filter(|stream| !stream.lifeline && stream.since + least <= now);
        let steady = steady.filter(|stream| stream.ends.iter().all(|end| end.open));
        let hosts = steady.map(|stream| [&stream.ends[0], &stream.ends[1]].map(|end| end.host));
        let others = hosts.filter(|hosts| hosts.contains(&host));
        let others = others.flatten().filter(|other| *other != host);
        others.collect()
    }

    /// How many lifelines a host has.
    pub(crate) fn lifelines(&self, host: usize) -> usize {
        let streams = self.streams.values().filter(|stream| stream.lifeline);
        let ends = streams.flat_map(|stream| &stream.ends);
        ends.filter(|end| end.host == host && end.open).count()
    }

    /// A process listens.
    pub(crate) fn process_started(&mut self, host: usize, life: u64) {
        self.stations[host].life = Some(life);
        self.stations[host].next_accepted = 1;
    }

    /// A process ended; its system ends its streams, in order those on which it had read everything.
    pub(crate) fn process_ended(&mut self, host: usize, now: Duration) {
        self.stations[host].life = None;
        self.stations[host].paused = false;
        self.dials.retain(|_, dial| dial.from != host);
        let ended: BTreeSet<_> = self
            .ends
            .range((host, 0, ConnId(0))..(host + 1, 0, ConnId(0)))
            .map(|(key, at)| (*key, *at))
            .collect();
        for (key, (stream, side)) in ended {
            self.ends.remove(&key);
            let found = self.streams.get(&stream);
            if found.is_some_and(|found| found.ends[side].unread) {
                self.abort(stream, side, now);
            } else {
                self.finish(stream, side, now);
            }
        }
    }

    /// The system of one side resets a stream.
    fn abort(&mut self, stream: u64, side: usize, now: Duration) {
        let Some(found) = self.streams.get_mut(&stream) else {
            return;
        };
        found.ends[side].open = false;
        found.ends[side].gone = true;
        found.ends[1 - side].held.clear();
        if found.ends[1 - side].open {
            self.reset_other(stream, side, Item::Reset, now);
        } else {
            self.streams.remove(&stream);
        }
    }

    pub(crate) fn pause(&mut self, host: usize, paused: bool) {
        self.stations[host].paused = paused;
        let ends = self
            .streams
            .values_mut()
            .flat_map(|stream| &mut stream.ends);
        for end in ends.filter(|end| end.host == host && !paused) {
            end.unread = false;
        }
    }

    /// The host is gone without a word.
    pub(crate) fn power_off(&mut self, host: usize) {
        self.stations[host].powered = false;
        self.stations[host].life = None;
        self.stations[host].paused = false;
        self.dials.retain(|_, dial| dial.from != host);
        self.ends.retain(|(of, _, _), _| *of != host);
        for stream in self.streams.values_mut() {
            for end in &mut stream.ends {
                if end.host == host {
                    end.open = false;
                    end.gone = true;
                }
            }
        }
        self.streams
            .retain(|_, stream| stream.ends.iter().any(|end| end.open));
    }

    /// The host is there again and knows nothing of old streams.
    pub(crate) fn power_on(&mut self, host: usize, now: Duration) {
        self.stations[host].powered = true;
        for other in 0..self.stations.len() {
            self.healed(other, host, now);
            self.healed(host, other, now);
        }
    }

    /// Cuts the way from one to another; cuts add up.
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        self.links[from][to].cuts += 1;
    }

    /// Takes one cut away.
    pub(crate) fn mend(&mut self, from: usize, to: usize, now: Duration) {
        let link = &mut self.links[from][to];
        link.cuts = link.cuts.saturating_sub(1);
        self.healed(from, to, now);
    }

    /// Takes all cuts away.
    pub(crate) fn mend_all(&mut self, now: Duration) {
        let hosts = self.stations.len();
        self.walls = vec![vec![Wall::default(); hosts]; hosts];
        for link in self.links.iter_mut().flatten() {
            link.cuts = 0;
        }
        for from in 0..hosts {
            for to in 0..hosts {
                self.healed(from, to, now);
            }
        }
    }

    /// Sends again what waited for this way.
    fn healed(&mut self, from: usize, to: usize, now: Duration) {
        if self.blocked(from, to) {
            return;
        }
        let both = !self.blocked(to, from);
        let largest = self.walls[from][to].largest;
        let mut again = Vec::new();
        for (number, stream) in &mut self.streams {
            for side in 0..2 {
                if (stream.ends[1 - side].host, stream.ends[side].host) != (from, to) {
                    continue;
                }
                let end = &mut stream.ends[side];
                let too_large = |item: &Item| largest.is_some_and(|most| item.size() > most);
                end.clogged = largest.is_some() && (end.clogged || end.held.iter().any(too_large));
                if end.clogged {
                    continue;
                }
                if both {
                    stream.ends[side].breaks_at = None;
                    stream.ends[1 - side].breaks_at = None;
                }
                for item in std::mem::take(&mut stream.ends[side].held) {
                    again.push((*number, side, item));
                }
            }
        }
        let mut waits = BTreeMap::new();
        for (stream, side, item) in again {
            let chance = &mut self.chance;
            let after = *waits
                .entry((stream, side))
                .or_insert_with(|| chance.between(Duration::ZERO, Duration::from_secs(1)));
            let gone = self.streams[&stream].ends[side].gone;
            let (side, item) = if gone {
                (1 - side, Item::Reset)
            } else {
                (side, item)
            };
            self.later
                .push_back((now + after, NetEvent::Arrive { stream, side, item }));
        }
    }
}
