//! Nodes, their hosts and network, sources and receivers, one heap of events, one true clock.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use watchfire::{
    cluster::{MeshInput, MeshSettings},
    config::{Ambiguous, Config},
    labels::{MatchOp, Matcher},
    node::{Effect, Input, Mutations, Node, NotifyAttempt, Reply, ReplyTo, Request, SaveBatch},
    notify::{FailureReason, Verdict},
    silence::SilenceDraft,
    tenant::{TenantJobDone, View},
    time::Timestamp,
};

use super::{
    chance::Chance,
    host::{BEGINNING, Host, tenant_settings},
    later::Later,
    ledger::Ledger,
    liveness::Liveness,
    network::{Delivery, Link, NetEvent, Network, address},
    reach::{GRACE, Reach},
    receiver::{Answer, Receiver, Sent},
    rulers::{Loss, Ruling},
    settling::SETTLE,
    source::{Source, Targets},
    starts::Starts,
    trace::Trace,
};

/// More steps of a node at one instant are a loop that does not advance.
const MAX_STEPS: u32 = 10_000;

/// How often the peers of the command line are looked up.
const LOOK_UP: Duration = Duration::from_secs(15);

/// How a world begins.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) nodes: usize,
    pub(crate) seed: u64,
    pub(crate) config: Arc<Config>,
    /// What a reload puts into force.
    pub(crate) other: Arc<Config>,
    pub(crate) link: Link,
    /// The peers that each node is given, by index; beyond its end: all nodes.
    pub(crate) peers: Vec<Vec<usize>>,
    pub(crate) minority_delay: Option<Duration>,
    /// A member that is down for so long votes no more.
    pub(crate) evict_after: Duration,
    /// `--cluster.expected-size`.
    pub(crate) expected_size: Option<usize>,
    /// A node of a later version.
    pub(crate) later: Option<Later>,
    /// A node of the first version of the frames.
    pub(crate) first: Option<usize>,
    /// Without it, nodes know nothing of each other.
    pub(crate) meshed: bool,
    /// How long jobs take on their workers, at most.
    pub(crate) job_time: Duration,
    /// Mistakes that every node makes.
    pub(crate) mutations: Mutations,
    /// Restarts give alerts no time for the outage.
    pub(crate) without_grace: bool,
    /// Nodes wait half the minority delay.
    pub(crate) hasty: bool,
    /// Nodes find one of their peers never, which is none of the hosts.
    pub(crate) seeking: bool,
}

impl Setup {
    pub(crate) fn new(nodes: usize, seed: u64, config: Arc<Config>) -> Self {
        Self {
            nodes,
            seed,
            other: Arc::clone(&config),
            config,
            link: Link {
                latency: Duration::from_micros(300),
                loss: 0.0,
                duplication: 0.0,
                cuts: 0,
                datagram_cuts: 0,
            },
            peers: Vec::new(),
            minority_delay: Some(Duration::from_secs(30)),
            evict_after: Duration::from_secs(300),
            expected_size: None,
            later: None,
            first: None,
            meshed: true,
            job_time: Duration::from_millis(1),
            mutations: Mutations::default(),
            without_grace: false,
            hasty: false,
            seeking: false,
        }
    }
}

/// A silence that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Hush {
    asked: ReplyTo,
    pub(crate) name: String,
    /// When it was acknowledged.
    pub(crate) set: Option<(Duration, Arc<str>)>,
    pub(crate) ended: Duration,
}

enum Event {
    /// For a process.
    Input {
        host: usize,
        life: u64,
        input: Input,
    },
    /// A write of a process ends.
    Written {
        host: usize,
        life: u64,
        durable: bool,
    },
    Net(NetEvent),
    /// A request reaches its receiver.
    Reaches {
        sent: usize,
        attempt: Box<NotifyAttempt>,
    },
    /// A request ends at its sender.
    Answer {
        sent: usize,
        attempt: u64,
        verdict: Verdict,
    },
    /// A source posts.
    Post {
        source: usize,
        again: bool,
    },
    /// A node looks its peers up.
    LookUp {
        host: usize,
        life: u64,
    },
    /// What a story asks for.
    Do(Box<dyn FnOnce(&mut World)>),
}

/// The world.
pub(crate) struct World {
    pub(crate) clock: Duration,
    /// What happens later.
    events: BTreeMap<(Duration, u64), Box<Event>>,
    /// What processes are told now, after what happens now.
    told: VecDeque<Delivery>,
    next_event: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network,
    pub(crate) sources: Vec<Source>,
    pub(crate) receivers: Vec<Receiver>,
    /// Every request, in the order in which they began.
    pub(crate) sent: Vec<Sent>,
    pub(crate) setup: Setup,
    pub(crate) chance: Chance,
    replies: BTreeMap<ReplyTo, Reply>,
    next_reply: u64,
    pub(crate) hushes: Vec<Hush>,
    pub(crate) trace: Trace,
    pub(crate) ledger: Ledger,
    pub(super) reach: Reach,
    pub(super) starts: Starts,
    pub(super) liveness: Liveness,
    /// The rulers; `None` without rules.
    pub(super) ruling: Option<Ruling>,
    /// Whether names of peers cannot be looked up.
    pub(crate) nameless: bool,
    /// Steps taken.
    pub(crate) steps: u64,
}

impl World {
    /// Makes the world; no node runs yet.
    pub(crate) fn new(setup: Setup) -> Self {
        let nodes = setup.nodes;
        let page = setup.config.receiver("page");
        let integrations = page.map(|page| page.integrations.clone());
        let receivers = integrations.into_iter().flatten();
        let mut world = Self {
            clock: Duration::ZERO,
            events: BTreeMap::new(),
            told: VecDeque::new(),
            next_event: 0,
            hosts: (0..setup.nodes)
                .map(|index| Host::new(index, Arc::clone(&setup.config)))
                .collect(),
            network: Network::new(setup.nodes, setup.link, setup.seed),
            sources: Vec::new(),
            receivers: receivers
                .map(|integration| {
                    let drops = integration.delivery.ambiguous == Ambiguous::Drop;
                    Receiver::new(integration.delivery.idempotent, drops)
                })
                .collect(),
            sent: Vec::new(),
            chance: Chance::new(setup.seed, "world"),
            setup,
            replies: BTreeMap::new(),
            next_reply: 0,
            hushes: Vec::new(),
            trace: Trace::new(),
            ledger: Ledger::new(nodes),
            reach: Reach::new(nodes),
            starts: Starts::default(),
            liveness: Liveness::default(),
            ruling: None,
            nameless: false,
            steps: 0,
        };
        for host in &mut world.hosts {
            host.disk.slowest_sync = Duration::from_millis(2);
        }
        world
    }

    /// As [`Self::new`], with all nodes started at once and one source, which posts to all of them.
    pub(crate) fn started(setup: Setup) -> Self {
        let mut world = Self::new(setup);
        world.add_source(Source::new(Targets::All, Duration::from_secs(30)));
        for host in 0..world.hosts.len() {
            world.start(host);
        }
        world
    }

    pub(crate) fn add_source(&mut self, source: Source) {
        let first = self.chance.between(Duration::ZERO, source.refresh);
        let source_index = self.sources.len();
        self.sources.push(source);
        let post = Event::Post {
            source: source_index,
            again: true,
        };
        self.schedule(first, post);
    }

    /// Starts a process from what its disk holds, and the host if it is off.
    pub(crate) fn start(&mut self, host: usize) {
        if self.hosts[host].is_up() {
            // What stops still is started once it has stopped.
            self.hosts[host].starts_again |= self.hosts[host].stopping;
            return;
        }
        if !std::mem::replace(&mut self.hosts[host].powered, true) {
            self.network.power_on(host, self.clock);
        }
        self.trace
            .say(self.clock, || format!("start n{}", host + 1));
        let clock = self.clock;
        let seed = self.chance.below(u64::MAX);
        let it = &mut self.hosts[host];
        it.life += 1;
        it.started = clock;
        it.met.clear();
        let (life, now) = (it.life, it.now(clock));
        let run = it.next_run(clock);
        let it = &mut self.hosts[host];
        let mut saved = it.disk.load();
        saved.without_grace = self.setup.without_grace;
        let mut settings = tenant_settings(&it.name);
        settings.start_delay = Duration::ZERO;
        let mut node = Node::new(settings, Arc::clone(&it.config), saved, seed, now);
        if self.setup.meshed {
            let peers = self.peers_of(host);
            let settings = self.mesh_settings(host, run, !peers.is_empty());
            let mesh = self.hosts[host].disk.mesh();
            node = node.with_mesh(settings, mesh.as_deref(), seed, now);
            node = node.with_mutations(self.setup.mutations);
        }
        self.hosts[host].node = Some(node);
        self.network.process_started(host, life);
        self.note();
        self.at(self.hosts[host].clock_at(SETTLE), Self::note);
        self.look_up(host, life);
        self.drain(host);
        self.start_ruler(host);
    }

    pub(super) fn peers_of(&self, host: usize) -> Vec<usize> {
        let all = (0..self.hosts.len()).collect();
        self.setup.peers.get(host).cloned().unwrap_or(all)
    }

    fn mesh_settings(&self, host: usize, run: u64, has_peers: bool) -> MeshSettings {
        MeshSettings {
            name: Arc::clone(&self.hosts[host].name),
            run,
            advertise: address(host).to_string().into(),
            has_peers,
            version: "0.4.0".into(),
            gossip_interval: Duration::from_millis(200),
            probe_interval: Duration::from_millis(500),
            probe_timeout: Duration::from_millis(150),
            pushpull_interval: Duration::from_secs(60),
            reconnect_interval: Duration::from_secs(10),
            reconnect_timeout: Duration::from_secs(6 * 3600),
            settle_timeout: SETTLE,
            expected_size: self.setup.expected_size,
            minority_delay: self
                .setup
                .minority_delay
                .map(|delay| if self.setup.hasty { delay / 2 } else { delay }),
            evict_after: self.setup.evict_after,
        }
    }

    fn look_up(&mut self, host: usize, life: u64) {
        if !self.setup.meshed || self.hosts[host].life != life || !self.hosts[host].is_up() {
            return;
        }
        let nobody = self.setup.seeking.then_some(self.hosts.len());
        let mut peers = Network::peers(self.peers_of(host).into_iter().chain(nobody));
        for peer in peers.iter_mut().filter(|_| self.nameless) {
            peer.addresses.clear();
            peer.error = Some("no name server answers".to_owned());
        }
        self.deliver(host, life, Input::Mesh(MeshInput::Peers(peers)));
        self.schedule(LOOK_UP, Event::LookUp { host, life });
    }

    /// Ends a process as `kill -9` does.
    pub(crate) fn kill(&mut self, host: usize) {
        if !self.hosts[host].is_up() {
            return;
        }
        self.trace.say(self.clock, || format!("kill n{}", host + 1));
        let clock = self.clock;
        self.ledger.crashed(host, clock);
        self.note_loss(host, Loss::Killed);
        self.hosts[host].disk.process_ended(clock, &mut self.chance);
        self.note_unmade(host);
        self.note_unsaved(host);
        self.process_ended(host);
        self.network.process_ended(host, clock);
        self.take_network();
    }

    /// Takes the power of a host.
    pub(crate) fn power_off(&mut self, host: usize) {
        if !self.hosts[host].powered {
            return;
        }
        self.trace
            .say(self.clock, || format!("power off n{}", host + 1));
        let clock = self.clock;
        self.ledger.crashed(host, clock);
        self.note_loss(host, Loss::PowerCut);
        self.hosts[host].disk.power_lost(clock, &mut self.chance);
        self.note_unmade(host);
        self.note_unsaved(host);
        self.process_ended(host);
        self.hosts[host].powered = false;
        self.network.power_off(host);
        self.take_network();
        self.note();
    }

    /// Everything on the disk of a host that is off is gone.
    pub(crate) fn lose_disk(&mut self, host: usize) {
        self.hosts[host].disk.lose();
        self.hosts[host].acquainted = false;
        self.note_loss(host, Loss::Disk);
        self.forget_told(host);
        self.hosts[host].run = 0;
        let others = (0..self.hosts.len()).filter(|other| *other != host);
        let answer = |other: usize| {
            self.hosts[other].is_up() && !self.hosts[other].paused && !self.is_cut(host, other)
        };
        if !others.into_iter().all(answer) {
            self.ledger.forgotten.push(self.clock);
        }
    }

    pub(super) fn is_cut(&self, one: usize, other: usize) -> bool {
        self.network.is_cut(one, other) || self.network.is_cut(other, one)
    }

    /// Notes which hosts see a majority.
    pub(super) fn note(&mut self) {
        self.note_reach();
        self.note_reached();
        self.note_wellness();
        let count = self.hosts.len();
        let wrong = self.hosts.iter().any(|host| !host.is_well())
            || pairs_of(count).iter().any(|(a, b)| self.is_cut(*a, *b));
        self.ledger.disturbed(wrong, self.clock);
        self.note_divided();
        for host in 0..count {
            let answers = |other: &usize| {
                self.hosts[*other].is_up()
                    && !self.hosts[*other].paused
                    && (*other == host || !self.hosts[*other].disk.hangs)
                    && !self.is_cut(host, *other)
            };
            let seen = (0..count).filter(answers).count();
            let sees = self.is_majority(seen);
            let promise = |other: &usize| answers(other) && self.has_settled(*other);
            let promised = self.is_majority((0..count).filter(promise).count());
            // It may not know yet the clock of whoever is there only now.
            let compared = |other: &usize| {
                let since = self.reach.since(host, *other);
                since.is_some_and(|since| since + GRACE <= self.clock)
            };
            let ahead =
                self.followed_clock(host, answers) > 0 || self.followed_clock(host, compared) > 0;
            let streams = self.network.answering_streams(host, self.clock);
            let it = &self.hosts[host];
            let blind = it.is_up() && !self.is_majority(streams + 1);
            let blind_since = blind.then_some(it.started);
            self.ledger.majority(host, sees, blind_since, self.clock);
            let promised = promised || !it.is_up();
            self.ledger
                .promised(host, promised, blind_since, self.clock);
            self.ledger.misled(host, ahead, self.clock);
            self.ledger
                .paused(host, self.hosts[host].paused, self.clock);
        }
    }

    fn process_ended(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        it.node = None;
        it.elected = None;
        it.paused = false;
        it.stopping = false;
        it.starts_again = false;
        it.backlog.clear();
        it.wake = None;
        self.note_ruler(host);
        self.note();
    }

    /// Asks a process to stop, as SIGTERM does.
    pub(crate) fn stop(&mut self, host: usize) {
        self.trace.say(self.clock, || format!("stop n{}", host + 1));
        self.hosts[host].stopping = self.hosts[host].is_up();
        let life = self.hosts[host].life;
        self.deliver(host, life, Input::Shutdown);
    }

    pub(crate) fn pause(&mut self, host: usize) {
        if self.hosts[host].is_up() {
            self.trace
                .say(self.clock, || format!("pause n{}", host + 1));
            self.hosts[host].paused = true;
            self.network.pause(host, true);
            self.note_ruler(host);
            self.note();
        }
    }

    pub(crate) fn resume(&mut self, host: usize) {
        if !std::mem::take(&mut self.hosts[host].paused) {
            return;
        }
        self.trace
            .say(self.clock, || format!("resume n{}", host + 1));
        self.network.pause(host, false);
        self.note();
        let life = self.hosts[host].life;
        self.drain(host);
        for input in std::mem::take(&mut self.hosts[host].backlog) {
            self.deliver(host, life, input);
        }
        self.note_ruler(host);
    }

    /// Cuts the ways from each of one side to each of the other, in this direction only.
    pub(crate) fn cut_one_way(&mut self, from: &[usize], to: &[usize]) {
        self.trace
            .say(self.clock, || format!("cut {from:?} -> {to:?}"));
        for (a, b) in pairs(from, to) {
            self.network.cut(a, b);
        }
        self.note();
    }

    /// Sets how many seconds the wall clock of a host is ahead.
    pub(crate) fn set_clock(&mut self, host: usize, ahead: i64) {
        self.hosts[host].skew = ahead;
        self.note();
    }

    /// How many seconds the clock that a host goes by is ahead: the median of those it sees, of two the smaller name's.
    fn followed_clock(&self, host: usize, sees: impl Fn(&usize) -> bool) -> i64 {
        let seen = (0..self.hosts.len()).filter(|other| *other == host || sees(other));
        let mut clocks: Vec<i64> = seen.map(|other| self.hosts[other].skew).collect();
        if clocks.len() > 2 {
            clocks.sort_unstable();
        } else {
            clocks.truncate(1);
        }
        (clocks[(clocks.len() - 1) / 2] + clocks[clocks.len() / 2]) / 2
    }

    /// Ends all cuts.
    pub(crate) fn mend_all(&mut self) {
        self.network.mend_all(self.clock);
        self.take_network();
        self.note();
    }

    /// Whether datagrams between hosts are lost.
    pub(crate) fn block_datagrams(&mut self, blocked: bool) {
        for (a, b) in pairs_of(self.hosts.len()) {
            self.network.link(a, b).datagram_cuts = u32::from(blocked);
        }
    }

    pub(crate) fn mend_one_way(&mut self, from: &[usize], to: &[usize]) {
        self.trace
            .say(self.clock, || format!("mend {from:?} -> {to:?}"));
        for (a, b) in pairs(from, to) {
            self.network.mend(a, b, self.clock);
        }
        self.take_network();
        self.note();
    }

    /// Cuts both directions.
    pub(crate) fn cut(&mut self, one: &[usize], other: &[usize]) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    pub(crate) fn mend(&mut self, one: &[usize], other: &[usize]) {
        self.mend_one_way(one, other);
        self.mend_one_way(other, one);
    }

    /// Lets the first source's alert fire and posts it at once.
    pub(crate) fn fire(&mut self, name: &str) {
        let (clock, wall) = (self.clock, self.wall());
        self.sources[0].fire(name, clock, wall);
        self.trace.say(clock, || format!("fire {name}"));
        self.post(0);
    }

    pub(crate) fn resolve(&mut self, name: &str) {
        let (clock, wall) = (self.clock, self.wall());
        self.sources[0].resolve(name, clock, wall);
        self.trace.say(clock, || format!("resolve {name}"));
        self.post(0);
    }

    /// Lets an alert of a source fire if it does not, and resolve if it does.
    pub(crate) fn toggle(&mut self, source: usize, name: &str) {
        let (clock, wall) = (self.clock, self.wall());
        let it = &mut self.sources[source];
        let fires = it.fires(name);
        if fires {
            it.resolve(name, clock, wall);
        } else {
            it.fire(name, clock, wall);
        }
        let word = if fires { "resolve" } else { "fire" };
        self.trace.say(clock, || format!("{word} {name}"));
        self.post(source);
    }

    /// A source posts now.
    pub(crate) fn post(&mut self, source: usize) {
        let up: Vec<_> = (0..self.hosts.len())
            .filter(|host| self.hosts[*host].is_up())
            .collect();
        let targets = match &self.sources[source].targets {
            Targets::All => up,
            Targets::Some(some) => some.iter().copied().filter(|it| up.contains(it)).collect(),
            Targets::Balanced if up.is_empty() => up,
            Targets::Balanced => vec![up[self.chance.index(up.len())]],
        };
        for host in targets {
            let wall = self.hosts[host].wall(self.clock);
            let alerts = self.sources[source].post(self.clock, self.wall(), wall);
            if !alerts.is_empty() {
                self.sources[source].posts.push((self.clock, host));
                let post = Request::PostAlerts { alerts, invalid: 0 };
                self.command(host, post);
            }
        }
    }

    /// Tells a node something.
    pub(crate) fn input(&mut self, host: usize, input: Input) {
        let life = self.hosts[host].life;
        self.deliver(host, life, input);
    }

    pub(super) fn command(&mut self, host: usize, request: Request) -> ReplyTo {
        let reply_to = ReplyTo(self.next_reply);
        self.next_reply += 1;
        let life = self.hosts[host].life;
        self.deliver(host, life, Input::Command { request, reply_to });
        reply_to
    }

    /// Asks a node for something and waits for the answer, at most two seconds.
    pub(crate) fn request(&mut self, host: usize, request: Request) -> Option<Reply> {
        let reply_to = self.command(host, request);
        let until = self.clock + Duration::from_secs(2);
        while !self.replies.contains_key(&reply_to)
            && self.clock < until
            && self.hosts[host].is_up()
        {
            self.advance(until);
        }
        self.replies.remove(&reply_to)
    }

    /// A snapshot of a node.
    pub(crate) fn view(&mut self, host: usize) -> Arc<View> {
        match self.request(host, Request::View) {
            Some(Reply::View(view)) => view,
            other => panic!("no view of n{}: {other:?}", host + 1),
        }
    }

    /// Silences alerts of that name at one node; the id, if it is acknowledged.
    pub(crate) fn silence(
        &mut self,
        host: usize,
        name: &str,
        length: Duration,
    ) -> Option<Arc<str>> {
        let draft = self.draft(host, name, length);
        match self.request(host, Request::SetSilence(draft)) {
            Some(Reply::SilenceSet(Ok(id))) => Some(id),
            _ => None,
        }
    }

    fn draft(&self, host: usize, name: &str, length: Duration) -> SilenceDraft {
        let matcher = Matcher::new(MatchOp::Equal, "alertname", name).unwrap();
        let now = self.hosts[host].wall(self.clock);
        SilenceDraft {
            id: None,
            matcher_sets: [vec![matcher]].into(),
            starts_at: now,
            ends_at: now.plus(length),
            created_by: "test".to_owned(),
            comment: "test".to_owned(),
            annotations: BTreeMap::new(),
        }
    }

    /// Silences alerts of that name at one node for a day, until everything heals.
    pub(crate) fn hush(&mut self, host: usize, name: &str) {
        if !self.hosts[host].is_up() || self.hosts[host].paused || self.hosts[host].skew != 0 {
            return;
        }
        self.trace
            .say(self.clock, || format!("silence {name} at n{}", host + 1));
        let draft = self.draft(host, name, Duration::from_secs(24 * 3600));
        let asked = self.command(host, Request::SetSilence(draft));
        self.hushes.push(Hush {
            asked,
            name: name.to_owned(),
            set: None,
            ended: Duration::MAX,
        });
        // The answer may have come already.
        if let Some(Reply::SilenceSet(Ok(id))) = self.replies.remove(&asked)
            && let Some(hush) = self.hushes.last_mut()
        {
            hush.set = Some((self.clock, id));
        }
    }

    /// Ends all silences, wherever they can be ended.
    pub(crate) fn unhush(&mut self) {
        for index in 0..self.hushes.len() {
            self.hushes[index].ended = self.clock;
            let Some((_, id)) = self.hushes[index].set.clone() else {
                continue;
            };
            for host in 0..self.hosts.len() {
                let request = Request::ExpireSilence(Arc::clone(&id));
                let reply = self.request(host, request);
                if matches!(reply, Some(Reply::SilenceExpired(Ok(())))) {
                    break;
                }
            }
        }
        if self.hushes.iter().any(|hush| hush.set.is_none()) {
            (0..self.hosts.len()).for_each(|host| self.unhush_unanswered(host));
        }
    }

    /// Ends what was asked for and is in force, though whoever asked was not told so.
    fn unhush_unanswered(&mut self, host: usize) {
        let Some(Reply::View(view)) = self.request(host, Request::View) else {
            return;
        };
        let now = self.wall();
        let open = view.silences.iter().filter(|it| it.ends_at > now);
        let open: Vec<Arc<str>> = open.map(|it| Arc::clone(&it.id)).collect();
        for id in open {
            self.request(host, Request::ExpireSilence(id));
        }
    }

    /// Puts a configuration into force at one node, and for its later processes.
    pub(crate) fn reload(&mut self, host: usize, config: &Arc<Config>) {
        self.trace
            .say(self.clock, || format!("reload n{}", host + 1));
        self.hosts[host].config = Arc::clone(config);
        self.command(host, Request::Reload(Arc::clone(config)));
    }

    /// The true time.
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_unix(BEGINNING, 0).plus(self.clock)
    }

    /// Has something done at that time.
    pub(crate) fn at(&mut self, at: Duration, what: impl FnOnce(&mut Self) + 'static) {
        self.schedule_at(at, Event::Do(Box::new(what)));
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_to(self.clock + time);
    }

    /// Runs until everything has happened that happens by then.
    pub(crate) fn run_to(&mut self, until: Duration) {
        while self.advance(until) {}
    }

    /// Runs until something holds, at most so long; tells whether it does.
    pub(crate) fn run_until(&mut self, most: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let until = self.clock + most;
        while !holds(self) && self.clock < until {
            self.advance(until);
        }
        holds(self)
    }

    /// Moves the clock to the next event and lets it happen, or to `until` if nothing happens by then; tells whether
    /// something did.
    pub(crate) fn advance(&mut self, until: Duration) -> bool {
        if let Some(Delivery { host, life, input }) = self.told.pop_front() {
            self.steps += 1;
            self.deliver(host, life, Input::Mesh(input));
            return true;
        }
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let timer = (0..self.hosts.len())
            .filter_map(|host| Some((self.hosts[host].wake?, host)))
            .filter(|(_, host)| !self.hosts[*host].paused)
            .min();
        let next = event.into_iter().chain(timer.map(|(at, _)| at)).min();
        let next = next.unwrap_or(until).max(self.clock);
        if next > until || event.is_none() && timer.is_none() {
            self.clock = until.max(self.clock);
            return false;
        }
        self.clock = next;
        self.steps += 1;
        if event.is_some_and(|at| at <= next) {
            let (_, event) = self.events.pop_first().unwrap();
            self.happen(*event);
        } else if let Some((_, host)) = timer {
            self.drain(host);
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input { host, life, input } => self.deliver(host, life, input),
            Event::Written {
                host,
                life,
                durable,
            } => {
                if self.hosts[host].life != life || !self.hosts[host].is_up() {
                    return;
                }
                let batch = self.hosts[host].disk.end(durable, self.clock);
                if let Some(ticket) = batch.and_then(|batch| batch.ticket) {
                    let result = Ok(());
                    self.deliver(host, life, Input::Saved { ticket, result });
                }
            }
            Event::Net(event) => {
                self.network.happen(event, self.clock);
                self.take_network();
                self.note_met();
            }
            Event::Reaches { sent, attempt } => self.reaches(sent, &attempt),
            Event::Answer {
                sent,
                attempt,
                verdict,
            } => {
                let (host, life) = (self.sent[sent].host, self.sent[sent].life);
                let ambiguous = matches!(
                    verdict,
                    Verdict::Retry {
                        ambiguous: true,
                        ..
                    }
                );
                if self.hosts[host].life == life && self.hosts[host].is_up() {
                    self.sent[sent].answered = Some(self.clock);
                    self.sent[sent].unknown = ambiguous;
                    self.deliver(host, life, Input::NotifyFinished { attempt, verdict });
                }
            }
            Event::Post { source, again } => {
                self.post(source);
                if again {
                    let refresh = self.sources[source].refresh;
                    self.schedule(refresh, Event::Post { source, again });
                }
            }
            Event::LookUp { host, life } => self.look_up(host, life),
            Event::Do(what) => what(self),
        }
    }

    /// Hands the network's effects on.
    pub(crate) fn take_network(&mut self) {
        while let Some((at, event)) = self.network.later.pop_front() {
            self.schedule_at(at, Event::Net(event));
        }
        // In a queue, so that what a step causes never runs inside it.
        self.told.append(&mut self.network.now);
    }

    fn deliver(&mut self, host: usize, life: u64, input: Input) {
        let input = self.heard(host, input);
        let it = &mut self.hosts[host];
        if it.life != life {
            return;
        }
        if it.paused {
            it.backlog.push_back(input);
            return;
        }
        let now = it.now(self.clock);
        let Some(node) = &mut it.node else { return };
        self.trace.step(self.clock, host, &input);
        node.handle(input, now);
        self.drain(host);
    }

    /// Lets a node do all that is due now.
    fn drain(&mut self, host: usize) {
        for _ in 0..MAX_STEPS {
            let now = self.hosts[host].now(self.clock);
            while let Some(effect) = self.hosts[host].node.as_mut().and_then(Node::poll_effect) {
                self.perform(host, effect);
            }
            let it = &mut self.hosts[host];
            let Some(node) = &mut it.node else { return };
            if it.elected.is_none() && node.has_voters() {
                it.elected = Some(self.clock);
            }
            let due = node.poll_timeout();
            if due.is_some_and(|(at, _)| at <= now.mono) {
                node.handle_timeout(now);
            } else {
                let wake = due.map(|(at, _)| at);
                it.wake = wake.map(|mono| it.clock_at(mono));
                return;
            }
        }
        let node = self.hosts[host].node.as_ref();
        panic!(
            "n{}: virtual time does not advance: {:?}",
            host + 1,
            node.and_then(Node::poll_timeout)
        );
    }

    fn perform(&mut self, host: usize, effect: Effect) {
        let life = self.hosts[host].life;
        let clock = self.clock;
        match effect {
            Effect::Reply { to, reply } => {
                let hush = self.hushes.iter_mut().find(|hush| hush.asked == to);
                match (hush, reply) {
                    (_, Reply::AlertsStored) => {}
                    (Some(hush), Reply::SilenceSet(Ok(id))) => hush.set = Some((clock, id)),
                    (_, reply) => {
                        self.replies.insert(to, reply);
                    }
                }
            }
            Effect::Save(batch) => self.save(host, batch),
            Effect::Run(job) => {
                let after = self.chance.between(Duration::ZERO, self.setup.job_time);
                let done: TenantJobDone = job.run();
                let input = Input::JobDone(done);
                self.schedule(after, Event::Input { host, life, input });
            }
            Effect::Notify(attempt) => self.notify(host, attempt),
            Effect::WriteFile { file, bytes } => {
                let took = Duration::from_millis(2);
                let result = Ok(bytes.len() as u64);
                let input = Input::FileWritten { file, took, result };
                self.schedule(took, Event::Input { host, life, input });
            }
            Effect::Mesh(effect) => {
                self.note_said(host, &effect);
                for effect in self.spoken(host, effect) {
                    self.network.perform(host, life, effect, clock);
                }
                self.take_network();
            }
            Effect::Ruler(news) => self.tell_ruler(host, news),
            Effect::Ready => self.hosts[host].ready += 1,
            Effect::Stopped => {
                self.trace.say(clock, || format!("stopped n{}", host + 1));
                let again = self.hosts[host].starts_again;
                self.process_ended(host);
                self.network.process_ended(host, clock);
                self.take_network();
                if again {
                    self.at(clock, move |world| world.start(host));
                }
            }
        }
    }

    fn save(&mut self, host: usize, batch: SaveBatch) {
        let life = self.hosts[host].life;
        let disk = &mut self.hosts[host].disk;
        if disk.hangs {
            disk.waiting.push(batch);
            return;
        }
        let durable = batch.durable;
        let at = disk.begin(batch, self.clock, &mut self.chance);
        let event = Event::Written {
            host,
            life,
            durable,
        };
        self.schedule_at(at, event);
    }

    /// Whether writes to the disk of a host do not end, from now on.
    pub(crate) fn hang_disk(&mut self, host: usize, hangs: bool) {
        self.trace.say(self.clock, || {
            format!("disk of n{} hangs: {hangs}", host + 1)
        });
        let now = self.clock;
        let disk = &mut self.hosts[host].disk;
        disk.hangs = hangs;
        disk.hangs_since = hangs.then(|| disk.hangs_since.unwrap_or(now));
        if !hangs {
            for batch in std::mem::take(&mut self.hosts[host].disk.waiting) {
                self.save(host, batch);
            }
        }
        self.note();
    }

    /// Payloads of more bytes from one to another are swallowed from now on; none with `None`.
    pub(crate) fn swallow(&mut self, from: &[usize], to: &[usize], largest: Option<usize>) {
        self.trace.say(self.clock, || {
            format!("swallow {from:?} -> {to:?} beyond {largest:?}")
        });
        for (a, b) in pairs(from, to) {
            self.network.swallow(a, b, largest, self.clock);
        }
        self.take_network();
        self.note();
    }

    /// Firewalls refuse what comes from one side to the other, or do not any more.
    pub(crate) fn refuse(&mut self, from: &[usize], to: &[usize], refused: bool) {
        self.trace.say(self.clock, || {
            format!("refuse {from:?} -> {to:?}: {refused}")
        });
        for (a, b) in pairs(from, to) {
            self.network.refuse(a, b, refused);
        }
        self.note();
    }

    fn notify(&mut self, host: usize, attempt: Box<NotifyAttempt>) {
        self.note_made(host, &attempt);
        let mut sent = Sent::new(host, self.hosts[host].life, self.clock, &attempt);
        let second = Duration::from_secs(1);
        sent.streams = self.network.steady_streams(host, second, self.clock);
        sent.stranger = !self.hosts[host].acquainted;
        let node = self.hosts[host].node.as_ref();
        sent.has_voters = node.is_none_or(Node::has_voters);
        // Who votes is known to all only a moment after it is agreed on; whoever is not to wait does not wait for that.
        let elected = self.hosts[host].elected.unwrap_or(self.clock);
        sent.has_voters &=
            self.setup.minority_delay != Some(Duration::ZERO) || elected + second <= self.clock;
        let index = self.sent.len();
        self.sent.push(sent);
        self.spread_rumours();
        if self.hosts[host].egress {
            let after = Duration::from_micros(500 + self.chance.below(2500));
            let sent = index;
            self.schedule(after, Event::Reaches { sent, attempt });
            return;
        }
        let verdict = Verdict::Retry {
            after: None,
            reason: FailureReason::Other,
            error: "no route to host".to_owned(),
            ambiguous: false,
        };
        let event = Event::Answer {
            sent: index,
            attempt: attempt.attempt,
            verdict,
        };
        self.schedule(Duration::from_millis(5), event);
    }

    fn reaches(&mut self, index: usize, attempt: &NotifyAttempt) {
        let (host, life) = (self.sent[index].host, self.sent[index].life);
        let lives = self.hosts[host].life == life && self.hosts[host].is_up();
        // What a process wrote last may leave its host or not.
        if !lives && self.chance.happens(0.5) {
            return;
        }
        let receiver = &mut self.receivers[self.sent[index].integration];
        let answer = receiver.answer;
        if answer.takes() {
            self.sent[index].repeated = receiver.take(&self.sent[index]);
            self.sent[index].taken = Some(self.clock);
        }
        let text = &self.sent[index];
        self.trace
            .say(self.clock, || format!("{answer:?}: {}", text.text()));
        let (after, verdict) = answer.verdict(attempt.timeout);
        let event = Event::Answer {
            sent: index,
            attempt: attempt.attempt,
            verdict,
        };
        self.schedule(after, event);
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.schedule_at(self.clock + after, event);
    }

    fn schedule_at(&mut self, at: Duration, event: Event) {
        self.events
            .insert((at.max(self.clock), self.next_event), Box::new(event));
        self.next_event += 1;
    }

    /// The texts of what became visible at a receiver.
    pub(crate) fn told(&self) -> Vec<String> {
        self.visible().map(Sent::text).collect()
    }

    /// What became visible at receivers, in the order in which they took it.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &Sent> {
        let mut visible: Vec<_> = self
            .sent
            .iter()
            .filter(|sent| sent.taken.is_some() && !sent.repeated)
            .collect();
        visible.sort_by_key(|sent| sent.taken);
        visible.into_iter()
    }

    /// How all receivers answer from now on.
    pub(crate) fn answer(&mut self, answer: Answer) {
        for receiver in &mut self.receivers {
            receiver.answer = answer;
        }
    }
}

fn pairs_of(hosts: usize) -> Vec<(usize, usize)> {
    let all: Vec<usize> = (0..hosts).collect();
    pairs(&all, &all)
}

fn pairs(from: &[usize], to: &[usize]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for a in from {
        pairs.extend(to.iter().filter(|b| *b != a).map(|b| (*a, *b)));
    }
    pairs
}
