//! The ruler's thread: rules wait for nothing but their own answers, and nothing waits for them.
//!
//! A bug that ends the ruler ends neither the thread nor the node, which goes on to notify of what others post: other nodes
//! take over its groups, and it begins anew with what the node keeps, as after a restart.

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

use super::{deliver::Delivery, evaluate::Work};
use crate::{
    app::queries::Queries,
    io::{Clock, Handle, remote_write::RemoteWriter},
    promql::Sample,
    ruler::{
        Answered, Effect, Evaluation, EvaluationId, RuleHashes, RuleSet, Ruler, RulerNews, States,
        Word, Written,
    },
};

/// Evaluations at once, over all groups.
const EVALUATIONS: usize = 64;

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
}

/// Everything, at one moment.
pub(super) type Shown = (Arc<RuleSet>, States);

/// What the thread works with.
pub(super) struct Driver {
    pub(super) ruler: Ruler,
    pub(super) clock: Clock,
    pub(super) queries: Arc<Queries>,
    pub(super) runtime: runtime::Handle,
    pub(super) delivery: Delivery,
    pub(super) node: Handle,
    pub(super) writer: Arc<RemoteWriter>,
    pub(super) messages: Receiver<Message>,
    pub(super) sender: Sender<Message>,
    places: Arc<Semaphore>,
    /// The rules that are in force, or were to be.
    set: Arc<RuleSet>,
    /// Counts the rulers that ended by a bug.
    ended: u64,
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
    ) -> Self {
        Self {
            set: Arc::clone(ruler.set()),
            ended: 0,
            away: AWAY.0,
            ruler,
            clock,
            queries,
            runtime,
            delivery,
            node,
            writer,
            messages,
            sender,
            places: Arc::new(Semaphore::new(EVALUATIONS)),
        }
    }

    /// Runs as long as the process.
    pub(super) fn run(mut self) {
        loop {
            let began = Instant::now();
            let rules = AssertUnwindSafe(|| self.rule());
            if catch_unwind(rules).is_ok() {
                return;
            }
            if began.elapsed() >= A_WHILE {
                self.away = AWAY.0;
            }
            loop {
                if !self.stand_back() {
                    return;
                }
                self.away = self.away.saturating_mul(2).min(AWAY.1);
                self.ended += 1;
                let anew = AssertUnwindSafe(|| Ruler::new(Arc::clone(&self.set), self.clock.now()));
                if let Ok(ruler) = catch_unwind(anew) {
                    self.ruler = ruler;
                    break;
                }
            }
            self.ruler.ended_by_bugs(self.ended);
        }
    }

    /// Evaluates rules as long as somebody may have something to say.
    fn rule(&mut self) {
        // It is told what is known of them, and who is there.
        self.node.describe_rules(self.ruler.set().hashes());
        loop {
            self.perform();
            match self.messages.recv_timeout(self.pause()) {
                Ok(message) => self.take_all(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.ruler.handle_timeout(self.clock.now());
        }
    }

    /// Has others evaluate what was evaluated here, for a while; false if the process ends.
    fn stand_back(&mut self) -> bool {
        tracing::error!(
            again_in = ?self.away,
            "this is a bug: the ruler ended; other nodes take over its groups, and it begins anew with what is kept of alerts"
        );
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
                // Whoever wants to see something is told by the end of it that there is no ruler.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn pause(&self) -> Duration {
        let now = self.clock.now().wall.unix_millis();
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
                self.ruler.load(set, self.clock.now());
                // What is known of rules that are new here is told again.
                self.node.describe_rules(self.ruler.set().hashes());
            }
            Message::News(RulerNews::Records(records)) => {
                self.ruler.learn(&records, self.clock.now());
            }
            Message::News(RulerNews::Members(members)) => {
                self.ruler.members(members, self.clock.now());
            }
            Message::Evaluated(ended, _) if ended != self.ended => {}
            #[cfg(test)]
            #[expect(clippy::panic, reason = "that is what is tested")]
            Message::Panic => panic!("as the test wants it"),
            Message::Evaluated(_, results) => {
                let now = self.clock.now();
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
        while let Some(effect) = self.ruler.poll_effect() {
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
            match evaluation.own {
                Some(_) => self.begin(vec![evaluation]),
                None => {
                    let params = Arc::clone(&evaluation.params);
                    let key = (evaluation.at, evaluation.within, params);
                    together.entry(key).or_default().push(evaluation);
                }
            }
        }
        for mut evaluations in together.into_values() {
            while evaluations.len() > TOGETHER {
                let rest = evaluations.split_off(TOGETHER);
                self.begin(std::mem::replace(&mut evaluations, rest));
            }
            self.begin(evaluations);
        }
    }

    fn begin(&self, evaluations: Vec<Evaluation>) {
        let work = Work {
            runtime: self.runtime.clone(),
            queries: Arc::clone(&self.queries),
            sender: self.sender.clone(),
            places: Arc::clone(&self.places),
            ended: self.ended,
        };
        work.begin(evaluations);
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

fn say(word: &Word) {
    match word {
        Word::Failed {
            group,
            rule,
            reason,
        } => tracing::warn!(
            group,
            rule,
            reason,
            "a rule was not evaluated: its alerts stay as they are"
        ),
        Word::Recovered { group, rule } => {
            tracing::info!(group, rule, "the rule is evaluated again");
        }
        Word::Missed { group, slots } => tracing::warn!(
            group,
            slots,
            "evaluations were missed: the rules of the group take longer than its interval, or the process did not run"
        ),
        Word::Lost {
            group,
            evaluations,
            rule,
            reason,
        } => tracing::warn!(
            group,
            evaluations,
            rule = (!rule.is_empty()).then_some(rule),
            reason,
            "recording rules were not evaluated at slots that were missed: what they record has gaps there"
        ),
        Word::SetBack { components } => tracing::warn!(
            components,
            "the clock of this host was set back: its rules go on from now, and servers may refuse what is written at times \
             that they have; check the time synchronisation of the host"
        ),
        Word::TookOver {
            groups,
            from,
            lives,
            epoch,
        } => tracing::info!(
            groups,
            from = &**from,
            epoch,
            "{}",
            match lives {
                true => "rule groups of another node are evaluated here from now on",
                false => "took over the rule groups of a node that is gone",
            }
        ),
        Word::HandedOver { groups, to } if to.is_empty() => {
            tracing::info!(groups, "rule groups are evaluated here no more");
        }
        Word::HandedOver { groups, to } => {
            tracing::info!(
                groups,
                to = &**to,
                "rule groups are another node's from now on"
            );
        }
        Word::GaveUp {
            group,
            rule,
            alerts,
        } => tracing::error!(
            group,
            rule,
            alerts,
            "partitions are missing for so long that alerts are decided without them"
        ),
    }
}
