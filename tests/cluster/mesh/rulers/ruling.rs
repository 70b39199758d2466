//! The rulers of a world, and what they did.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use watchfire::{
    alert::Alert,
    config::{OnPartial, RuleOptions, load_rules},
    federation::Certainty,
    labels::LabelSet,
    node::{Input, Request},
    promql::engine::Options,
    ruler::{
        Effect, Evaluation, Members, RuleRecord, RuleSet, RuleValue, Ruler, RulerNews, Settings,
        Told,
    },
    time::{Now, Timestamp},
};

use super::{
    super::world::World,
    knowledge::{Loss, Lost},
    truth::Truth,
};

/// Mistakes that tests put into rulers on purpose: a suite that does not notice them proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// All owners write under the same epoch.
    EpochIgnored,
    /// What was kept of alerts is not taken in, neither at the start nor from other nodes.
    RestoreDropped,
    /// What a partition that is missing could say counts as said.
    HoldingDropped,
    /// Every node believes to be alone.
    MembersIgnored,
    /// A restart does not know when its groups were evaluated, and nobody takes over what others had.
    OwnersIgnored,
    /// Evaluations keep their places while they wait for endpoints, and their time begins when they have one.
    PlacesKept,
}

/// A slot that a ruler began.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) group: usize,
    pub(super) slot: i64,
    pub(super) epoch: u64,
    pub(super) host: usize,
    pub(super) life: u64,
    pub(super) at: Duration,
}

/// What a ruler said of an alert.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) at: Duration,
    pub(super) host: usize,
    pub(super) record: RuleRecord,
}
/// Places of evaluations, where they are kept.
const PLACES: usize = 2;

/// What waits for a host that is paused.
type Later = Box<dyn FnOnce(&mut World)>;

/// The ruler of a host.
#[derive(Default)]
struct Seat {
    ruler: Option<Ruler>,
    set: usize,
    /// When the host was up and not paused.
    well: Vec<(Duration, Option<Duration>)>,
    /// When the ruler is called next.
    due: Option<Duration>,
    waits: Vec<Later>,
    /// By how many milliseconds the ruler puts the clock of its host forward.
    ahead: i64,
    /// When the places of evaluations are free.
    places: [Duration; PLACES],
}

/// All of it.
pub(crate) struct Ruling {
    pub(super) truth: Truth,
    /// The rules, and what they become.
    sets: Vec<Arc<RuleSet>>,
    seats: Vec<Seat>,
    pub(super) mistake: Option<Mistake>,
    /// The longest that an evaluation takes.
    pub(super) slowest: Duration,
    pub(super) begun: Vec<Begun>,
    /// When a host, in its life, began with a group under an epoch.
    pub(super) taken: BTreeMap<(usize, u64, usize, u64), Duration>,
    pub(super) told: Vec<(Duration, usize, Told)>,
    pub(super) kept: Vec<Kept>,
    /// What ended without warning, in order.
    pub(super) losses: Vec<Lost>,
    /// When some nodes did not see each other, or had other rules.
    divided: Vec<(Duration, Option<Duration>)>,
}

impl std::fmt::Debug for Ruling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ruling")
            .field("begun", &self.begun.len())
            .finish()
    }
}

/// A file of rules: one group for each condition, with its interval in seconds.
pub(super) fn rules(groups: &[u64], note: &str) -> Arc<RuleSet> {
    let mut text = String::from("groups:\n");
    for (at, interval) in groups.iter().enumerate() {
        let (hold, keep) = (interval * 2, interval * (u64::try_from(at).unwrap() % 3));
        text.push_str(&format!(
            "- {{name: g{at}, interval: {interval}s, rules: [{{alert: D{at}, expr: up == 0, for: {hold}s, keep_firing_for: {keep}s, annotations: {{note: '{note}'}}}}]}}\n"
        ));
    }
    of_text(&text)
}

/// Rules of their text.
pub(super) fn of_text(text: &str) -> Arc<RuleSet> {
    let file = load_rules("rules.yml", text.as_bytes(), &RuleOptions::default());
    let settings = Settings {
        interval: Duration::from_secs(10),
        query_offset: Duration::ZERO,
        on_partial: OnPartial::Hold,
        hold_for: Duration::from_secs(3600),
        resend_delay: Duration::from_secs(60),
        look_back: false,
        copied: LabelSet::empty(),
        external_labels: LabelSet::empty(),
        external_url: "http://watchfire:9093".into(),
        options: Options {
            lookback: 300_000,
            subquery_step: 60_000,
            max_samples: 50_000_000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
        },
        features: RuleOptions::default().features,
    };
    let file = file.unwrap_or_else(|errors| panic!("{errors:?}"));
    Arc::new(RuleSet::new(vec![file], settings))
}

impl Ruling {
    pub(super) fn new(hosts: usize, sets: Vec<Arc<RuleSet>>, truth: Truth) -> Self {
        Self {
            truth,
            sets,
            seats: (0..hosts).map(|_| Seat::default()).collect(),
            mistake: None,
            slowest: Duration::from_millis(300),
            begun: Vec::new(),
            taken: BTreeMap::new(),
            told: Vec::new(),
            kept: Vec::new(),
            losses: Vec::new(),
            divided: Vec::new(),
        }
    }

    pub(super) fn groups(&self) -> usize {
        self.sets[0].groups.len()
    }

    /// Milliseconds between the slots of a group.
    pub(super) fn interval(&self, group: usize) -> i64 {
        self.sets[0].groups[group].cadence.interval()
    }

    pub(super) fn ruler(&self, host: usize) -> Option<&Ruler> {
        self.seats[host].ruler.as_ref()
    }

    /// Whether a host was well all the time.
    pub(super) fn was_well(&self, host: usize, from: Duration, until: Duration) -> bool {
        let mut well = self.seats[host].well.iter();
        well.any(|(begin, end)| *begin <= from && end.is_none_or(|end| end >= until))
    }

    /// Whether nodes were divided at some time within.
    pub(super) fn was_divided(&self, from: Duration, until: Duration) -> bool {
        let mut divided = self.divided.iter();
        divided.any(|(begin, end)| *begin <= until && end.is_none_or(|end| end >= from))
    }

    pub(super) fn hosts(&self) -> usize {
        self.seats.len()
    }

    /// When a host was up and not paused.
    pub(super) fn well(&self, host: usize) -> &[(Duration, Option<Duration>)] {
        &self.seats[host].well
    }

    /// When nodes saw each other again, after `at`.
    pub(super) fn healed_after(&self, at: Duration) -> impl Iterator<Item = Duration> {
        let healed = self.divided.iter().filter_map(|(_, end)| *end);
        healed.filter(move |end| *end > at)
    }

    fn note_well(&mut self, host: usize, well: bool, clock: Duration) {
        note(&mut self.seats[host].well, well, clock);
    }

    fn note_divided(&mut self, divided: bool, clock: Duration) {
        let sets = self.seats.iter().filter(|seat| seat.ruler.is_some());
        let mut sets = sets.map(|seat| seat.set);
        let first = sets.next();
        let differ = sets.any(|set| Some(set) != first);
        note(&mut self.divided, divided || differ, clock);
    }
}

/// The number of a group, of its name or of that of its alert.
pub(super) fn group_of(name: &str) -> usize {
    name[1..].parse().unwrap()
}

fn note(list: &mut Vec<(Duration, Option<Duration>)>, holds: bool, clock: Duration) {
    let open = list.last_mut().filter(|(_, end)| end.is_none());
    match (open, holds) {
        (None, true) => list.push((clock, None)),
        (Some((_, end)), false) => *end = Some(clock),
        (None, false) | (Some(_), true) => {}
    }
}

impl World {
    /// A host lost something.
    pub(in crate::mesh) fn note_loss(&mut self, host: usize, loss: Loss) {
        let at = self.clock;
        if let Some(ruling) = &mut self.ruling {
            ruling.losses.push(Lost { at, host, loss });
        }
    }

    /// Whether some nodes do not see each other may have changed.
    pub(in crate::mesh) fn note_divided(&mut self) {
        let count = self.hosts.len();
        let cut = (0..count).any(|one| (0..one).any(|other| self.is_cut(one, other)));
        let divided = cut || self.hosts.iter().any(|host| host.paused);
        if let Some(ruling) = &mut self.ruling {
            ruling.note_divided(divided, self.clock);
        }
    }

    /// A process began: so does its ruler.
    pub(in crate::mesh) fn start_ruler(&mut self, host: usize) {
        let clock = self.clock;
        let now = self.hosts[host].now(clock);
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        let seat = &mut ruling.seats[host];
        let set = Arc::clone(&ruling.sets[seat.set]);
        (seat.due, seat.places, seat.ahead) = (None, Default::default(), 0);
        seat.ruler = Some(Ruler::new(Arc::clone(&set), now));
        ruling.note_well(host, true, clock);
        self.note_divided();
        self.input(host, Input::DescribeRules(set.hashes()));
    }

    /// A process ended, or is paused, or goes on.
    pub(in crate::mesh) fn note_ruler(&mut self, host: usize) {
        let (clock, up) = (self.clock, self.hosts[host].is_up());
        let well = up && !self.hosts[host].paused;
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        let seat = &mut ruling.seats[host];
        if !up {
            (seat.ruler, seat.due) = (None, None);
            seat.waits.clear();
        }
        let waits = match well {
            true => std::mem::take(&mut seat.waits),
            false => Vec::new(),
        };
        ruling.note_well(host, well, clock);
        for later in waits {
            later(self);
        }
    }

    /// Other rules come into force at a host.
    pub(super) fn load_rules(&mut self, host: usize, set: usize) {
        self.trace
            .say(self.clock, || format!("rules {set} at n{}", host + 1));
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        ruling.seats[host].set = set;
        let rules = Arc::clone(&ruling.sets[set]);
        let hashes = rules.hashes();
        self.ruler_do(host, |ruler, now| ruler.load(rules, now));
        if self.hosts[host].is_up() {
            self.input(host, Input::DescribeRules(hashes));
        }
        self.note();
    }

    /// The node tells its ruler something.
    pub(in crate::mesh) fn tell_ruler(&mut self, host: usize, news: RulerNews) {
        let life = self.hosts[host].life;
        // In a queue, as between threads.
        self.at(self.clock, move |world| {
            if world.hosts[host].life == life {
                world.ruler_hears(host, news);
            }
        });
    }

    fn ruler_hears(&mut self, host: usize, news: RulerNews) {
        if let (RulerNews::Clock(ahead), Some(ruling)) = (&news, &mut self.ruling) {
            ruling.seats[host].ahead = *ahead;
        }
        let mistake = self.ruling.as_ref().and_then(|ruling| ruling.mistake);
        self.ruler_do(host, move |ruler, now| match news {
            RulerNews::Records(mut records) => {
                records.retain(|record| match mistake {
                    Some(Mistake::RestoreDropped) => record.key.alert.is_none(),
                    Some(Mistake::OwnersIgnored) => record.key.alert.is_some(),
                    _ => true,
                });
                ruler.learn(&records, now);
            }
            RulerNews::Members(members) if mistake == Some(Mistake::MembersIgnored) => {
                ruler.members(Members::alone(&members.me), now);
            }
            RulerNews::Members(members) => ruler.members(members, now),
            RulerNews::Clock(_) => {}
        });
    }

    /// The time as the ruler of a host has it.
    fn ruler_now(&self, host: usize) -> Now {
        let now = self.hosts[host].now(self.clock);
        let ahead = self.ruling.as_ref().map(|of| of.seats[host].ahead);
        let wall = now.wall.unix_millis() + ahead.unwrap_or_default();
        Now {
            wall: Timestamp::from_millis(wall),
            ..now
        }
    }

    fn ruler_do(&mut self, host: usize, what: impl FnOnce(&mut Ruler, Now) + 'static) {
        let now = self.ruler_now(host);
        let paused = self.hosts[host].paused;
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        let seat = &mut ruling.seats[host];
        let Some(ruler) = &mut seat.ruler else { return };
        if paused {
            let later = move |world: &mut Self| world.ruler_do(host, what);
            seat.waits.push(Box::new(later));
            return;
        }
        what(ruler, now);
        ruler.handle_timeout(now);
        self.ruler_effects(host);
        self.ruler_timer(host);
    }

    fn ruler_timer(&mut self, host: usize) {
        let wall = self.ruler_now(host).wall.unix_millis();
        let (clock, life) = (self.clock, self.hosts[host].life);
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        let seat = &mut ruling.seats[host];
        let due = seat.ruler.as_ref().and_then(Ruler::poll_timeout);
        let left = due.map(|due| u64::try_from(due - wall).unwrap_or(0));
        let due = left.map(|left| clock + Duration::from_millis(left + 1));
        if due.is_none() || seat.due == due {
            return;
        }
        seat.due = due;
        self.at(due.unwrap_or_default(), move |world| {
            let of = world.ruling.as_ref();
            let is_due = of.is_some_and(|ruling| ruling.seats[host].due == due);
            if is_due && world.hosts[host].life == life {
                if let Some(ruling) = &mut world.ruling {
                    ruling.seats[host].due = None;
                }
                world.ruler_do(host, |_, _| {});
            }
        });
    }

    fn ruler_effects(&mut self, host: usize) {
        while let Some(ruling) = &mut self.ruling
            && let Some(ruler) = &mut ruling.seats[host].ruler
            && let Some(effect) = ruler.poll_effect()
        {
            match effect {
                Effect::Evaluate(evaluation) => self.evaluate(host, &evaluation),
                Effect::Tell(told) => self.tell_alerts(host, told),
                Effect::Keep(records) => self.keep(host, records),
                Effect::Say(word) => self
                    .trace
                    .say(self.clock, || format!("ruler of n{}: {word:?}", host + 1)),
                Effect::Write(_) => {}
            }
        }
    }

    fn evaluate(&mut self, host: usize, evaluation: &Evaluation) {
        let (clock, life) = (self.clock, self.hosts[host].life);
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        assert!(evaluation.range.is_none(), "rules read no others");
        let (id, slot) = (evaluation.id, evaluation.at);
        let Some(ruler) = &ruling.seats[host].ruler else {
            return;
        };
        // Every group has its own shift, and one rule.
        let states = ruler.states().groups.iter().enumerate();
        let set = ruler.set();
        let here =
            states.filter(|(_, state)| state.last_slot == Some(slot) && state.owned.is_some());
        let mut here = here.filter(|(at, _)| set.groups[*at].cadence.has(slot));
        let Some((group, state)) = here.next() else {
            panic!("n{}: a slot of no group: {slot}", host + 1);
        };
        assert!(here.next().is_none(), "two groups share a slot");
        ruling.begun.push(Begun {
            group,
            slot,
            epoch: state.owned.unwrap_or_default(),
            host,
            life,
            at: clock,
        });
        let slowest = ruling.slowest;
        let took = self.chance.between(Duration::from_millis(1), slowest);
        let took = match ruling.truth.hangs(host, clock) {
            true => Duration::from_millis(u64::try_from(evaluation.within).unwrap()),
            false => took,
        };
        let mut begins = clock;
        if ruling.mistake == Some(Mistake::PlacesKept) {
            let free = ruling.seats[host].places.iter_mut().min().unwrap();
            begins = clock.max(*free);
            *free = begins + took;
        }
        self.at(begins + took, move |world| {
            if world.hosts[host].life != life {
                return;
            }
            let clock = world.clock;
            let Some(ruling) = &world.ruling else { return };
            let mut answer = ruling.truth.answer(group, slot, host, clock);
            if ruling.mistake == Some(Mistake::HoldingDropped)
                && let Ok(answered) = &mut answer
            {
                answered.certainty = Certainty::default();
            }
            world.ruler_do(host, move |ruler, now| ruler.evaluated(id, answer, now));
        });
    }

    /// Alerts go into the node, as the shell takes them there.
    fn tell_alerts(&mut self, host: usize, told: Vec<Told>) {
        let (clock, now) = (self.clock, self.hosts[host].wall(self.clock));
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        let all = told.iter().map(|one| (clock, host, one.clone()));
        ruling.told.extend(all);
        for one in &told {
            self.trace.say(clock, || {
                let name = one.labels.value("alertname");
                let times = [one.starts_at, one.ends_at].map(|at| at.unix_millis());
                format!("ruler of n{} tells {name} of {times:?}", host + 1)
            });
        }
        let alert = |told: Told| Alert {
            fingerprint: told.labels.fingerprint(),
            labels: told.labels,
            annotations: told.annotations,
            generator_url: told.generator_url,
            starts_at: told.starts_at,
            ends_at: told.ends_at,
            updated_at: now,
            timeout: false,
        };
        let alerts = told.into_iter().map(alert).collect();
        let life = self.hosts[host].life;
        self.at(clock, move |world| {
            if world.hosts[host].life == life {
                world.command(host, Request::PostAlerts { alerts, invalid: 0 });
            }
        });
    }

    fn keep(&mut self, host: usize, mut records: Vec<RuleRecord>) {
        let (clock, life) = (self.clock, self.hosts[host].life);
        let Some(ruling) = &mut self.ruling else {
            return;
        };
        for record in &records {
            if matches!(record.value, RuleValue::Group(_)) {
                let group = group_of(&record.key.group.name);
                let under = (host, life, group, record.version.epoch);
                ruling.taken.entry(under).or_insert(clock);
            }
        }
        if ruling.mistake == Some(Mistake::EpochIgnored) {
            records
                .iter_mut()
                .for_each(|record| record.version.epoch = 1);
        }
        for record in &records {
            self.trace.say(clock, || {
                let text = match &record.value {
                    RuleValue::Alert(it) => format!("{:?} since {}", it.phase, it.active_at),
                    RuleValue::Group(it) => format!("owned by {}", it.owner),
                    RuleValue::Forgotten => "no more".to_owned(),
                };
                let (group, version) = (&record.key.group.name, record.version);
                let (epoch, slot) = (version.epoch, version.slot);
                let n = host + 1;
                format!("ruler of n{n} says of {group}: {text}, epoch {epoch}, slot {slot}")
            });
        }
        let alerts = records.iter();
        let alerts = alerts.filter(|record| !matches!(record.value, RuleValue::Group(_)));
        ruling.kept.extend(alerts.cloned().map(|record| Kept {
            at: clock,
            host,
            record,
        }));
        self.at(clock, move |world| {
            if world.hosts[host].life == life {
                world.input(host, Input::KeepRules(records));
            }
        });
    }
}
