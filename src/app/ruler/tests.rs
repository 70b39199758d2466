//! The ruler's thread between a node and endpoints that are none.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use tempfile::TempDir;

use super::{
    Rules, RulesLine,
    drive::Message,
    watch::{LOOKS, Watcher},
};
use crate::{
    alert::Alert,
    api::prometheus::RuleReader as _,
    app::queries::Queries,
    io::{Clock, Handle, LoopStats, StateMachine, TellRuler, World, channel},
    node::{Effect, Input, Reply, Request},
    promql::Language,
    ruler::{GroupState, Members, RuleRecord, RuleSet, RulerNews},
    time::Now,
};

/// How long anything may take.
const LONG: Duration = Duration::from_secs(60);

/// A node that keeps what rulers say, and gives it to them.
#[derive(Default)]
struct Keeper {
    effects: VecDeque<Effect>,
    kept: Vec<Arc<RuleRecord>>,
    /// How many groups the ruler said that it has, each time.
    described: Arc<Mutex<Vec<usize>>>,
    /// The epochs of groups that it wrote.
    epochs: Arc<Mutex<BTreeSet<u64>>>,
    /// The alerts that it told of.
    alerts: Arc<Mutex<Vec<Alert>>>,
}

impl StateMachine for Keeper {
    fn handle(&mut self, input: Input, _now: Now) {
        match input {
            Input::DescribeRules(hashes) => {
                self.described.lock().unwrap().push(hashes.len());
                if !hashes.is_empty() {
                    let kept = RulerNews::Records(self.kept.clone());
                    self.effects.push_back(Effect::Ruler(kept));
                    let members = RulerNews::Members(Members::alone("a"));
                    self.effects.push_back(Effect::Ruler(members));
                }
            }
            Input::KeepRules(records) => {
                let epochs = records.iter().map(|record| record.version.epoch);
                self.epochs.lock().unwrap().extend(epochs);
                self.kept.extend(records.into_iter().map(Arc::new));
            }
            Input::Command { request, reply_to } => {
                if let Request::PostAlerts { alerts, .. } = request {
                    self.alerts.lock().unwrap().extend(alerts);
                }
                let reply = Reply::AlertsStored;
                self.effects.push_back(Effect::Reply {
                    to: reply_to,
                    reply,
                });
            }
            Input::JobDone(_)
            | Input::NotifyFinished { .. }
            | Input::Saved { .. }
            | Input::DiskAils { .. }
            | Input::FileWritten { .. }
            | Input::Mesh(_)
            | Input::Shutdown => {}
        }
    }

    fn handle_timeout(&mut self, _now: Now) {}

    fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
        None
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
}

struct Teller(TellRuler);

impl World for Teller {
    fn perform(&mut self, effect: Effect) {
        if let Effect::Ruler(news) = effect {
            self.0.tell(news);
        }
    }

    fn finish(self) {}
}

/// The texts of the files of a ruler.
pub(super) struct Files {
    pub(super) rules: String,
    pub(super) ruler: String,
    pub(super) query: String,
}

/// A ruler, and what it said.
pub(super) struct Setting {
    pub(super) rules: Arc<Rules>,
    pub(super) alerts: Arc<Mutex<Vec<Alert>>>,
    node: Handle,
    described: Arc<Mutex<Vec<usize>>>,
    epochs: Arc<Mutex<BTreeSet<u64>>>,
    _directory: TempDir,
}

impl Setting {
    /// With one rule.
    fn new() -> Self {
        let rules = "groups: [{name: g, interval: 1s, rules: [{alert: Always, expr: vector(1)}]}]";
        Self::of(&Files {
            rules: rules.to_owned(),
            ruler: "rule_files: [rules.yml]".to_owned(),
            query: String::new(),
        })
    }

    pub(super) fn of(files: &Files) -> Self {
        let directory = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        write("rules.yml", &files.rules);
        let file = write("ruler.yml", &files.ruler);
        let query = write("query.yml", &files.query);
        let loaded = Rules::open(&file, "http://here", Language::default())
            .unwrap()
            .unwrap();
        let clock = Clock::start(SignedDuration::ZERO);
        let line = RulesLine::new();
        let (node, inbox) = channel();
        let keeper = Keeper::default();
        let (described, epochs) = (Arc::clone(&keeper.described), Arc::clone(&keeper.epochs));
        let alerts = Arc::clone(&keeper.alerts);
        let teller = Teller(line.tell());
        crate::io::start(keeper, teller, clock, inbox, Arc::new(LoopStats::default())).unwrap();
        let queries = Queries::open(&query, true, Language::default(), Duration::ZERO, clock);
        let rules = Rules::start(
            directory.path(),
            "http://here",
            (&loaded, line),
            node.clone(),
            clock,
            queries.unwrap().unwrap(),
            &tokio::runtime::Handle::current(),
        );
        Self {
            rules: rules.unwrap(),
            alerts,
            node,
            described,
            epochs,
            _directory: directory,
        }
    }

    /// Waits until it is so with the groups; tells how many rulers ended before.
    pub(super) async fn until(&self, is_so: impl Fn(&RuleSet, &[GroupState]) -> bool) -> u64 {
        let until = Instant::now() + LONG;
        loop {
            assert!(Instant::now() < until, "what is expected does not come");
            if let Some((set, states)) = self.rules.show().await
                && is_so(&set, &states.groups)
            {
                return states.ended_by_bugs;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the only group was evaluated under an epoch.
    async fn evaluated_under(&self, epoch: u64) -> u64 {
        let evaluated = |_: &RuleSet, groups: &[GroupState]| {
            groups[0].owned == Some(epoch) && groups[0].iterations > 0
        };
        self.until(evaluated).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ruler_that_ends_by_a_bug_stands_back_and_begins_anew() {
    let setting = Setting::new();
    assert_eq!(setting.evaluated_under(1).await, 0);
    setting.rules.send(Message::Panic);
    assert_eq!(setting.evaluated_under(2).await, 1);
    // Others were told that they may have its groups, and then that it has them again.
    assert_eq!(*setting.described.lock().unwrap(), [1, 0, 1]);
    setting.rules.send(Message::Panic);
    assert_eq!(setting.evaluated_under(3).await, 2);
    assert_eq!(*setting.described.lock().unwrap(), [1, 0, 1, 0, 1]);
    assert_eq!(*setting.epochs.lock().unwrap(), BTreeSet::from([1, 2, 3]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ruler_that_hangs_is_noticed_and_begins_anew_when_it_goes_on() {
    let setting = Setting::new();
    assert_eq!(setting.evaluated_under(1).await, 0);
    let (hangs, hung) = mpsc::channel();
    let (go_on, waits) = mpsc::channel();
    setting.rules.send(Message::Hang(hangs, waits));
    hung.recv_timeout(LONG).unwrap();
    let (rounds, node) = (Arc::clone(&setting.rules.rounds), setting.node.clone());
    let mut watcher = Watcher::new(rounds, node.clone());
    (0..LOOKS).for_each(|_| watcher.look());
    assert!(node.ping().await);
    assert_eq!(*setting.described.lock().unwrap(), [1], "it may be busy");
    watcher.look();
    assert!(node.ping().await);
    assert_eq!(*setting.described.lock().unwrap(), [1, 0]);
    assert_eq!(setting.rules.hangs(), (1, true));
    // Nobody waits for it.
    assert!(setting.rules.show().await.is_none());
    go_on.send(()).unwrap();
    assert_eq!(
        setting.evaluated_under(2).await,
        0,
        "that is no end by a bug"
    );
    assert_eq!(*setting.described.lock().unwrap(), [1, 0, 0, 1]);
    assert_eq!(setting.rules.hangs(), (1, false));
    assert_eq!(*setting.epochs.lock().unwrap(), BTreeSet::from([1, 2]));
}
