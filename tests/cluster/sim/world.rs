//! One node, one heap of events, one clock.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use watchfire::{
    alert::Alert,
    config::Config,
    history::HistoryLimits,
    labels::{LabelSet, MatchOp, Matcher},
    node::{Effect, Input, Node, Reply, ReplyTo, Request, SaveBatch, StoreOp},
    silence::{SilenceDraft, SilenceLimits},
    tenant::{Saved, TenantJobDone, TenantSettings, View},
    time::{Now, Timestamp},
};

use super::{Behaviour, Told};

/// Wall-clock second at which the world begins.
const BEGINNING: i64 = 1_800_000_000;
/// A durable write takes this long, one behind ten times as long.
const FSYNC: Duration = Duration::from_millis(2);
/// More steps at one instant are a loop that does not advance.
const MAX_STEPS: u32 = 100_000;

/// The world.
pub(crate) struct World {
    node: Option<Node>,
    started: Duration,
    clock: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    next_event: u64,
    durable: BTreeMap<Vec<u8>, Vec<u8>>,
    behind: BTreeMap<Vec<u8>, Vec<u8>>,
    config: Arc<Config>,
    seed: u64,
    /// Seconds by which the wall clock was set, all together.
    shift: i64,
    settings: TenantSettings,
    replies: BTreeMap<ReplyTo, Reply>,
    next_reply: u64,
    /// How the receiver answers from now on.
    pub(crate) behaviour: Behaviour,
    /// How long jobs take on their workers.
    pub(crate) job_time: Duration,
    /// Whether every job that begins panics.
    pub(crate) panicking: bool,
    /// Everything the receiver saw.
    pub(crate) told: Vec<Told>,
}

enum Event {
    Input(Input),
    Write(SaveBatch),
}

impl World {
    /// Starts a node on an empty disk.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self::seeded(config, 1)
    }

    /// As [`Self::new`], with a seed.
    pub(crate) fn seeded(config: Arc<Config>, seed: u64) -> Self {
        Self::with(config, seed, settings())
    }

    /// As [`Self::new`], with other settings.
    pub(crate) fn set(config: Arc<Config>, change: impl FnOnce(&mut TenantSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Self::with(config, 1, settings)
    }

    fn with(config: Arc<Config>, seed: u64, settings: TenantSettings) -> Self {
        let mut world = Self {
            node: None,
            started: Duration::ZERO,
            clock: Duration::ZERO,
            events: BTreeMap::new(),
            next_event: 0,
            durable: BTreeMap::new(),
            behind: BTreeMap::new(),
            config,
            seed,
            shift: 0,
            settings,
            replies: BTreeMap::new(),
            next_reply: 0,
            behaviour: Behaviour::Accept(Duration::from_millis(5)),
            job_time: Duration::ZERO,
            panicking: false,
            told: Vec::new(),
        };
        world.start();
        world
    }

    /// Starts the node from what the disk holds.
    pub(crate) fn start(&mut self) {
        self.started = self.clock;
        let records = self
            .durable
            .iter()
            .chain(&self.behind)
            .map(|(key, value)| (key.clone(), value.clone()));
        let (saved, damaged) = Saved::decode(records.collect::<Vec<_>>(), "anonymous");
        assert!(damaged.is_empty(), "{damaged:?}");
        self.node = Some(Node::new(
            self.settings.clone(),
            Arc::clone(&self.config),
            saved,
            self.seed,
            self.now(),
        ));
        self.settle();
    }

    /// Ends the node as `kill -9` does: what is not on the disk is gone, and no request in flight is answered. Tells
    /// whether something in flight was lost that a receiver may know of.
    pub(crate) fn kill(&mut self) -> bool {
        self.node = None;
        self.cut()
    }

    /// What the disk holds of what is written behind.
    pub(crate) fn written_behind(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.behind.clone()
    }

    /// Ends the node as a power cut does: of what is written behind, the disk holds this.
    pub(crate) fn power_off(&mut self, behind: BTreeMap<Vec<u8>, Vec<u8>>) {
        self.kill();
        self.behind = behind;
    }

    fn cut(&mut self) -> bool {
        let events = std::mem::take(&mut self.events);
        events.values().any(|event| match event {
            Event::Input(Input::NotifyFinished { verdict, .. }) => verdict.is_sent(),
            Event::Input(_) => false,
            Event::Write(batch) => batch.durable,
        })
    }

    /// Ends the node as SIGTERM does; tells what [`Self::kill`] does.
    pub(crate) fn stop(&mut self) -> bool {
        self.feed(Input::Shutdown);
        let deadline = self.clock + Duration::from_secs(30);
        while self.node.is_some() {
            assert!(self.clock < deadline, "the node does not stop");
            self.advance(deadline);
        }
        self.cut()
    }

    /// Virtual seconds since the world began.
    pub(crate) fn seconds(&self) -> u64 {
        self.clock.as_secs()
    }

    /// The wall clock.
    pub(crate) fn wall(&self) -> Timestamp {
        self.now().wall
    }

    /// Sets the wall clock forward, or back.
    pub(crate) fn jump(&mut self, seconds: i64) {
        self.shift += seconds;
    }

    /// How many records the disk holds.
    pub(crate) fn records(&self) -> usize {
        self.durable.len() + self.behind.len()
    }

    /// Lets time pass until `second`.
    pub(crate) fn run_to(&mut self, second: u64) {
        let until = Duration::from_secs(second);
        while self.clock < until {
            self.advance(until);
        }
    }

    /// Lets time pass until that many attempts were made, at most until second 10,000.
    pub(crate) fn run_until_told(&mut self, attempts: usize) {
        let until = Duration::from_secs(10_000);
        while self.told.len() < attempts && self.clock < until {
            self.advance(until);
        }
    }

    /// Posts an alert of that name that fires and ends in an hour.
    pub(crate) fn fire(&mut self, name: &str) {
        self.post(name, self.wall(), Duration::from_secs(3600));
    }

    /// Posts the end of an alert of that name.
    pub(crate) fn resolve(&mut self, name: &str) {
        let now = self.wall();
        let alert = alert(name, now, now, now);
        self.request(Request::PostAlerts {
            alerts: vec![alert],
            invalid: 0,
        });
    }

    /// Posts an alert that began at `starts_at` and ends after `life`.
    pub(crate) fn post(&mut self, name: &str, starts_at: Timestamp, life: Duration) {
        let now = self.wall();
        let alert = alert(name, starts_at, now.plus(life), now);
        assert!(matches!(
            self.request(Request::PostAlerts {
                alerts: vec![alert],
                invalid: 0
            }),
            Some(Reply::AlertsStored)
        ));
    }

    /// Posts an alert with these labels that began at `starts_at` and ends after `life`.
    pub(crate) fn post_labels(
        &mut self,
        labels: &[(&str, &str)],
        starts_at: Timestamp,
        life: Duration,
    ) {
        let now = self.wall();
        let labels = LabelSet::from_pairs(labels.iter().copied());
        let alert = Alert {
            fingerprint: labels.fingerprint(),
            labels,
            ..alert("", starts_at, now.plus(life), now)
        };
        self.request(Request::PostAlerts {
            alerts: vec![alert],
            invalid: 0,
        });
    }

    /// Silences alerts of that name for `length`; returns the id once it is acknowledged.
    pub(crate) fn silence(&mut self, name: &str, length: Duration) -> Arc<str> {
        let matcher = Matcher::new(MatchOp::Equal, "alertname", name).unwrap();
        let draft = SilenceDraft {
            id: None,
            matcher_sets: [vec![matcher]].into(),
            starts_at: self.wall(),
            ends_at: self.wall().plus(length),
            created_by: "test".to_owned(),
            comment: "test".to_owned(),
            annotations: BTreeMap::new(),
        };
        match self.request(Request::SetSilence(draft)) {
            Some(Reply::SilenceSet(Ok(id))) => id,
            other => panic!("no silence: {other:?}"),
        }
    }

    /// Ends a silence.
    pub(crate) fn unsilence(&mut self, id: &Arc<str>) {
        let reply = self.request(Request::ExpireSilence(Arc::clone(id)));
        assert!(
            matches!(reply, Some(Reply::SilenceExpired(Ok(())))),
            "{reply:?}"
        );
    }

    /// Puts a new configuration into force.
    pub(crate) fn reload(&mut self, config: Arc<Config>) {
        self.config = Arc::clone(&config);
        assert!(self.try_reload(config));
    }

    /// Whether a new configuration comes into force.
    pub(crate) fn try_reload(&mut self, config: Arc<Config>) -> bool {
        matches!(self.request(Request::Reload(config)), Some(Reply::Reloaded))
    }

    /// A snapshot of the node.
    pub(crate) fn view(&mut self) -> Arc<View> {
        match self.request(Request::View) {
            Some(Reply::View(view)) => view,
            other => panic!("no view: {other:?}"),
        }
    }

    /// The texts of what the receiver accepted.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.told
            .iter()
            .filter(|told| told.accepted)
            .map(Told::text)
            .collect()
    }

    /// Asks the node for something and waits for the answer, at most two seconds.
    fn request(&mut self, request: Request) -> Option<Reply> {
        let reply_to = ReplyTo(self.next_reply);
        self.next_reply += 1;
        self.feed(Input::Command { request, reply_to });
        let until = self.clock + Duration::from_secs(2);
        while !self.replies.contains_key(&reply_to) && self.clock < until && self.node.is_some() {
            self.advance(until);
        }
        self.replies.remove(&reply_to)
    }

    fn now(&self) -> Now {
        let wall = Timestamp::from_unix(BEGINNING + self.shift, 0).plus(self.clock);
        Now {
            mono: self.clock - self.started,
            wall,
        }
    }

    fn feed(&mut self, input: Input) {
        let now = self.now();
        if let Some(node) = &mut self.node {
            node.handle(input, now);
        }
        self.settle();
    }

    /// Moves the clock to the next event, or to `until`, and lets it happen.
    fn advance(&mut self, until: Duration) {
        let timer = self
            .node
            .as_ref()
            .and_then(Node::poll_timeout)
            .map(|(mono, _)| self.started + mono);
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let next = timer
            .into_iter()
            .chain(event)
            .min()
            .unwrap_or(until)
            .max(self.clock);
        if next > until {
            self.clock = until;
            return;
        }
        self.clock = next;
        if event == Some(next) {
            let (_, event) = self.events.pop_first().unwrap();
            self.happen(event);
        }
        self.settle();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input(input) => self.feed(input),
            Event::Write(batch) => {
                let disk = if batch.durable {
                    &mut self.durable
                } else {
                    &mut self.behind
                };
                for op in batch.ops {
                    match op {
                        StoreOp::Put { key, value } => {
                            assert!(value.len() < 64 * 1024, "a value of {} bytes", value.len());
                            disk.insert(key, value);
                        }
                        StoreOp::Delete { key } => {
                            disk.remove(&key);
                        }
                    }
                }
                if let Some(ticket) = batch.ticket {
                    self.feed(Input::Saved {
                        ticket,
                        result: Ok(()),
                    });
                }
            }
        }
    }

    /// Lets the node do all that is due now.
    fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            let now = self.now();
            let Some(node) = &mut self.node else { return };
            let effects: VecDeque<_> = std::iter::from_fn(|| node.poll_effect()).collect();
            let idle = effects.is_empty();
            let due = node.poll_timeout().is_some_and(|(at, _)| at <= now.mono);
            if idle && !due {
                return;
            }
            if idle {
                node.handle_timeout(now);
            }
            for effect in effects {
                self.perform(effect);
            }
        }
        panic!(
            "virtual time does not advance: {:?}",
            self.node.as_ref().and_then(Node::poll_timeout)
        );
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { to, reply } => {
                self.replies.insert(to, reply);
            }
            Effect::Save(batch) => {
                let after = if batch.durable { FSYNC } else { FSYNC * 10 };
                self.schedule(after, Event::Write(batch));
            }
            Effect::Run(job) if self.panicking => {
                let done = TenantJobDone::Panicked(job.name());
                self.schedule(Duration::ZERO, Event::Input(Input::JobDone(done)));
            }
            Effect::Run(job) => {
                self.schedule(self.job_time, Event::Input(Input::JobDone(job.run())))
            }
            Effect::Notify(attempt) => {
                let (after, verdict) = self.behaviour.answer();
                let accepted = verdict.is_sent();
                self.told
                    .push(Told::new(&attempt, self.seconds(), accepted));
                if matches!(self.behaviour, Behaviour::Vanish) {
                    return;
                }
                let input = Input::NotifyFinished {
                    attempt: attempt.attempt,
                    verdict,
                };
                self.schedule(after, Event::Input(input));
            }
            Effect::WriteFile { file, bytes } => {
                let input = Input::FileWritten {
                    file,
                    took: FSYNC,
                    result: Ok(bytes.len() as u64),
                };
                self.schedule(FSYNC, Event::Input(input));
            }
            Effect::Mesh(_) | Effect::Ruler(_) | Effect::Ready => {}
            Effect::Stopped => self.node = None,
        }
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.events
            .insert((self.clock + after, self.next_event), event);
        self.next_event += 1;
    }
}

fn alert(name: &str, starts_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Alert {
    let labels = LabelSet::from_pairs([("alertname", name)]);
    Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: LabelSet::empty(),
        generator_url: "".into(),
        starts_at,
        ends_at,
        updated_at: now,
        timeout: false,
    }
}

fn settings() -> TenantSettings {
    TenantSettings {
        tenant: "anonymous".into(),
        node: "n1".into(),
        retention: Duration::from_secs(24 * 3600),
        maintenance_interval: Duration::from_secs(900),
        gc_interval: Duration::from_secs(1800),
        per_alertname_limit: 0,
        silence_limits: SilenceLimits::default(),
        log_silences: false,
        start_delay: Duration::ZERO,
        external_url: "http://n1:9093".into(),
        cluster_label: "".into(),
        history_limits: HistoryLimits {
            max_entries: 1000,
            max_bytes: 1 << 20,
        },
    }
}
