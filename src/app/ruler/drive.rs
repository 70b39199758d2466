//! The ruler's thread: rules wait for nothing but their own answers, and nothing waits for them.
//!
//! A bug that ends the ruler ends neither the thread nor the node, which goes on to notify of what others post: other nodes
//! take over its groups, and it begins anew with what the node keeps, as after a restart. So it does when it hung
//! ([`super::watch`]) and comes round again.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    sync::{Semaphore, oneshot},
};

use super::{deliver::Delivery, evaluate::Work, say::say, steady::Steady, watch::Rounds};
use crate::{
    app::queries::Queries,
    io::{Clock, Handle, remote_write::RemoteWriter},
    promql::Sample,
    ruler::{
        Answered, Effect, Evaluation, EvaluationId, RuleHashes, RuleSet, Ruler, RulerNews, States,
        Written,
    },
    time::Now,
};

/// Evaluations that begin at once, over all groups, one by one or asked together; for as long as they do not wait.
const EVALUATIONS: usize = 64;

/// Of these, besides, about several times at once: what is due now waits for none.
const RANGES: usize = 4;

/// Evaluations that are asked together, at most.
const TOGETHER: usize = 16;

/// Messages that are taken before what follows of them is done.
const MESSAGES: usize = 64;

/// How long the thread sleeps at most.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a ruler that ended by a bug is away, at least and at most: longer each time, until it ran for a while.
const AWAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A ruler that ran for so long ended for another reason than the one before.
const A_WHILE: Duration = Duration::from_mins(10);

/// What the thread is told.
pub(super) enum Message {
    /// Other rules.
    Load(Arc<RuleSet>),
    /// Evaluations ended that the ruler of this number began.
    Evaluated(u64, Vec<(EvaluationId, Result<Answered, String>)>),
    /// What the node knows of rules, or who is there.
    News(RulerNews),
    /// Somebody wants to see everything.
    Show(oneshot::Sender<Shown>),
    /// A bug.
    #[cfg(test)]
    Panic,
    /// Another one: the thread says that it hangs, and does until it is told to go on.
    #[cfg(test)]
    Hang(Sender<()>, Receiver<()>),
}

/// Why a ruler ended.
enum End {
    /// The process ends.
    Process,
    /// A bug that ended it.
    Bug,
    /// It hung, and its groups were handed over.
    Hung,
}

/// Everything, at one moment.
pub(super) type Shown = (Arc<RuleSet>, States);

/// What the thread works with.
pub(super) struct Driver {
    pub(super) ruler: Ruler,
    /// Follows the clock of the mesh, as far as that is known.
    pub(super) clock: Clock,
    steady: Steady,
    pub(super) queries: Arc<Queries>,
    pub(super) runtime: runtime::Handle,
    pub(super) delivery: Delivery,
    pub(super) node: Handle,
    pub(super) writer: Arc<RemoteWriter>,
    pub(super) messages: Receiver<Message>,
    pub(super) sender: Sender<Message>,
    places: Arc<Semaphore>,
    /// Of those about several times at once.
    places_of_ranges: Arc<Semaphore>,
    /// The rules that are in force, or were to be.
    set: Arc<RuleSet>,
    rounds: Arc<Rounds>,
    /// Counts the rulers that ended.
    ended: u64,
    /// Counts those of them that a bug ended.
    bugs: u64,
    away: Duration,
}

impl Driver {
    pub(super) fn new(
        ruler: Ruler,
        clock: Clock,
        queries: Arc<Queries>,
        runtime: runtime::Handle,
        (delivery, node, writer): (Delivery, Handle, Arc<RemoteWriter>),
        (sender, messages): (Sender<Message>, Receiver<Message>),
        rounds: Arc<Rounds>,
    ) -> Self {
        Self {
            set: Arc::clone(ruler.set()),
            rounds,
            ended: 0,
            bugs: 0,
            away: AWAY.0,
            ruler,
            clock,
            steady: Steady::default(),
            queries,
            runtime,
            delivery,
            node,
            writer,
            messages,
            sender,
            places: Arc::new(Semaphore::new(EVALUATIONS)),
            places_of_ranges: Arc::new(Semaphore::new(RANGES)),
        }
    }

    /// Runs as long as the process.
    pub(super) fn run(mut self) {
        loop {
            let began = Instant::now();
            let rules = AssertUnwindSafe(|| self.rule());
            let mut end = catch_unwind(rules).unwrap_or(End::Bug);
            if began.elapsed() >= A_WHILE {
                self.away = AWAY.0;
            }
            loop {
                self.rounds.end();
                if !self.stand_back(&end) {
                    return;
                }
                self.rounds.begin();
                self.away = self.away.saturating_mul(2).min(AWAY.1);
                self.ended += 1;
                self.bugs += u64::from(matches!(end, End::Bug));
                let now = self.now();
                let anew = AssertUnwindSafe(|| Ruler::new(Arc::clone(&self.set), now));
                if let Ok(ruler) = catch_unwind(anew) {
                    self.ruler = ruler;
                    break;
                }
                end = End::Bug;
            }
            self.ruler.ended_by_bugs(self.bugs);
        }
    }

    /// Evaluates rules as long as somebody may have something to say, and nothing is wrong.
    fn rule(&mut self) -> End {
        self.rounds.begin();
        // It is told what is known of them, and who is there.
        self.node.describe_rules(self.ruler.set().hashes());
        loop {
            self.perform();
            if !self.rounds.end() {
                return End::Hung;
            }
            let pause = self.pause();
            let message = self.messages.recv_timeout(pause);
            self.rounds.begin();
            match message {
                Ok(message) => self.take_all(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return End::Process,
            }
            let now = self.now();
            self.ruler.handle_timeout(now);
        }
    }

    /// Has others evaluate what was evaluated here, for a while; false if the process ends.
    fn stand_back(&mut self, end: &End) -> bool {
        match end {
            End::Process => return false,
            End::Bug => tracing::error!(
                again_in = ?self.away,
                "this is a bug: the ruler ended; other nodes take over its groups, and it begins anew with what is kept of \
                 alerts"
            ),
            End::Hung => tracing::warn!(
                again_in = ?self.away,
                "the ruler hung and goes on: it begins anew with what is kept of alerts"
            ),
        }
        self.node.describe_rules(RuleHashes::default());
        let until = Instant::now() + self.away;
        // After that nothing comes that was meant for the ruler before.
        if !self.runtime.block_on(self.node.ping()) {
            return false;
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(Message::Load(set)) => self.set = set,
                Ok(Message::News(RulerNews::Clock(ahead))) => self.follow(ahead),
                // Whoever wants to see something is told by the end of it that there is no ruler.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn now(&mut self) -> Now {
        let now = self.clock.now();
        self.steady.at(now)
    }

    /// The node says how far the clock of the mesh is ahead.
    fn follow(&mut self, ahead: i64) {
        self.clock.follow(ahead);
        self.steady.corrected();
    }

    fn pause(&mut self) -> Duration {
        let now = self.now().wall.unix_millis();
        let left = self.ruler.poll_timeout().map(|due| due.saturating_sub(now));
        let left = left.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0)));
        left.map_or(LONGEST, |left| left.min(LONGEST))
    }

    /// Takes a message and those that wait behind it: what follows of them is looked at once.
    fn take_all(&mut self, first: Message) {
        self.take(first);
        for message in self.messages.try_iter().take(MESSAGES).collect::<Vec<_>>() {
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Load(set) => {
                self.set = Arc::clone(&set);
                // If its groups were handed over, they are for the next one.
                if !self.rounds.holds() {
                    return;
                }
                let now = self.now();
                self.ruler.load(set, now);
                // What is known of rules that are new here is told again.
                self.node.describe_rules(self.ruler.set().hashes());
            }
            Message::News(RulerNews::Records(records)) => {
                let now = self.now();
                self.ruler.learn(&records, now);
            }
            Message::News(RulerNews::Members(members)) => {
                let now = self.now();
                self.ruler.members(members, now);
            }
            Message::News(RulerNews::Clock(ahead)) => self.follow(ahead),
            Message::Evaluated(ended, _) if ended != self.ended => {}
            #[cfg(test)]
            #[expect(clippy::panic, reason = "that is what is tested")]
            Message::Panic => panic!("as the test wants it"),
            #[cfg(test)]
            Message::Hang(hangs, go_on) => {
                // Whoever tests may have gone.
                let _ = hangs.send(());
                let _ = go_on.recv();
            }
            Message::Evaluated(_, results) => {
                let now = self.now();
                for (id, result) in results {
                    self.ruler.evaluated(id, result, now);
                }
            }
            Message::Show(to) => {
                let shown = (Arc::clone(self.ruler.set()), self.ruler.states().clone());
                // Whoever asked may have gone.
                let _ = to.send(shown);
            }
        }
    }

    fn perform(&mut self) {
        let mut evaluations = Vec::new();
        // What a ruler wanted whose groups are another node's since is of no use.
        while self.rounds.holds()
            && let Some(effect) = self.ruler.poll_effect()
        {
            match effect {
                Effect::Evaluate(evaluation) => evaluations.push(evaluation),
                Effect::Tell(told) => self.delivery.tell(told),
                Effect::Write(written) => self.writer.append(samples(written)),
                Effect::Keep(records) => self.node.keep_rules(records),
                Effect::Say(word) => say(&word),
            }
        }
        if !evaluations.is_empty() {
            self.begin_all(evaluations);
        }
    }

    /// Begins evaluations, those about one time and with the same parameters together.
    fn begin_all(&self, evaluations: Vec<Evaluation>) {
        let mut together: BTreeMap<_, Vec<Evaluation>> = BTreeMap::new();
        for evaluation in evaluations {
            let needs_endpoints = self.queries.federation().needs_endpoints(&evaluation.expr);
            match (evaluation.range.is_some(), evaluation.own.is_some()) {
                (true, _) => self.work(&self.places_of_ranges).begin(vec![evaluation]),
                _ if !needs_endpoints => self.work(&self.places).begin_at_once(evaluation),
                (false, true) => self.work(&self.places).begin(vec![evaluation]),
                (false, false) => {
                    let params = Arc::clone(&evaluation.params);
                    let key = (evaluation.at, evaluation.within, params);
                    together.entry(key).or_default().push(evaluation);
                }
            }
        }
        for mut evaluations in together.into_values() {
            while evaluations.len() > TOGETHER {
                let rest = evaluations.split_off(TOGETHER);
                let work = self.work(&self.places);
                work.begin(std::mem::replace(&mut evaluations, rest));
            }
            self.work(&self.places).begin(evaluations);
        }
    }

    fn work(&self, places: &Arc<Semaphore>) -> Work {
        Work {
            runtime: self.runtime.clone(),
            queries: Arc::clone(&self.queries),
            sender: self.sender.clone(),
            places: Arc::clone(places),
            ended: self.ended,
        }
    }
}

fn samples(written: Vec<Written>) -> Vec<Sample> {
    let sample = |one: Written| Sample {
        labels: one.labels,
        time: one.time,
        point: one.point,
    };
    written.into_iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::mpsc};

    use jiff::SignedDuration;

    use super::*;
    use crate::{
        app::ruler::settings_of,
        config::{LoadEnv, RuleOptions, load_ruler, load_rules},
        io::{HttpClients, alertmanagers::Alertmanagers, channel},
        promql::Language,
        ruler::Members,
    };

    /// A driver of one rule, whose thread is the test.
    fn driver(directory: &Path) -> Driver {
        let runtime = runtime::Handle::current();
        let clock = Clock::start(SignedDuration::ZERO);
        let text = b"groups: [{name: g, interval: 1h, rules: [{record: a, expr: x}]}]";
        let file = load_rules("rules.yml", text, &RuleOptions::default()).unwrap();
        let config = load_ruler(b"{}", &LoadEnv::for_file("ruler.yml")).unwrap();
        let settings = settings_of(&config, "http://here", Language::default());
        let set = Arc::new(RuleSet::new(vec![file], settings));
        let http = || Arc::new(HttpClients::new(clock));
        let writer = RemoteWriter::open(
            &[],
            &config.external_labels,
            directory,
            http(),
            clock,
            runtime.clone(),
        );
        let (node, _) = channel();
        let others = Alertmanagers::new(http(), clock, runtime.clone());
        let (delivery, _) = Delivery::new(node.clone(), others, clock);
        let queries = Queries::open(
            Path::new(""),
            true,
            Language::default(),
            Duration::ZERO,
            clock,
        )
        .unwrap()
        .unwrap();
        Driver::new(
            Ruler::new(set, clock.now()),
            clock,
            queries,
            runtime,
            (delivery, node, Arc::new(writer.unwrap())),
            mpsc::channel(),
            Arc::default(),
        )
    }

    #[tokio::test]
    async fn an_answer_to_a_ruler_that_ended_is_not_taken_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let mut driver = driver(directory.path());
        driver.ended = 1;
        let members = RulerNews::Members(Members::alone("a"));
        driver.take(Message::News(members));
        let due = driver.ruler.poll_timeout().unwrap();
        let mut then = driver.clock.now();
        then.wall = crate::time::Timestamp::from_millis(due);
        driver.ruler.handle_timeout(then);
        let asked = std::iter::from_fn(|| driver.ruler.poll_effect());
        let asked = asked.filter_map(|effect| match effect {
            Effect::Evaluate(evaluation) => Some(evaluation.id),
            Effect::Tell(_) | Effect::Write(_) | Effect::Keep(_) | Effect::Say(_) => None,
        });
        let asked: Vec<EvaluationId> = asked.collect();
        let answer = |ended| {
            let failed = |id: &EvaluationId| (*id, Err("late".to_owned()));
            Message::Evaluated(ended, asked.iter().map(failed).collect())
        };
        let failures = |driver: &Driver| driver.ruler.states().groups[0].rules[0].failures;
        driver.take(answer(0));
        assert_eq!((asked.len(), failures(&driver)), (1, 0));
        driver.take(answer(1));
        driver.take(answer(1));
        assert_eq!(failures(&driver), 1);
    }
}
