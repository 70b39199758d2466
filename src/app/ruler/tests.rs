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
    api::prometheus::RuleReader as _,
    app::queries::Queries,
    io::{Clock, Handle, LoopStats, StateMachine, TellRuler, World, channel},
    node::{Effect, Input},
    promql::Language,
    ruler::{Members, RuleRecord, RulerNews},
    time::Now,
};

/// How long anything may take.
const LONG: Duration = Duration::from_secs(30);

/// A node that keeps what rulers say, and gives it to them.
#[derive(Default)]
struct Keeper {
    effects: VecDeque<Effect>,
    kept: Vec<Arc<RuleRecord>>,
    /// How many groups the ruler said that it has, each time.
    described: Arc<Mutex<Vec<usize>>>,
    /// The epochs of groups that it wrote.
    epochs: Arc<Mutex<BTreeSet<u64>>>,
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
            Input::Command { .. }
            | Input::JobDone(_)
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

/// A ruler with one rule, and what it said.
struct Setting {
    rules: Arc<Rules>,
    node: Handle,
    described: Arc<Mutex<Vec<usize>>>,
    epochs: Arc<Mutex<BTreeSet<u64>>>,
    _directory: TempDir,
}

impl Setting {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let rules = directory.path().join("rules.yml");
        let text = "groups: [{name: g, interval: 1s, rules: [{alert: Always, expr: vector(1)}]}]";
        std::fs::write(&rules, text).unwrap();
        let file = directory.path().join("ruler.yml");
        std::fs::write(&file, "rule_files: [rules.yml]").unwrap();
        let loaded = Rules::open(&file, "http://here", Language::default())
            .unwrap()
            .unwrap();
        let clock = Clock::start(SignedDuration::ZERO);
        let line = RulesLine::new();
        let (node, inbox) = channel();
        let keeper = Keeper::default();
        let (described, epochs) = (Arc::clone(&keeper.described), Arc::clone(&keeper.epochs));
        let teller = Teller(line.tell());
        crate::io::start(keeper, teller, clock, inbox, Arc::new(LoopStats::default())).unwrap();
        let queries = Queries::open(
            std::path::Path::new(""),
            true,
            Language::default(),
            Duration::ZERO,
            clock,
        );
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
            node,
            described,
            epochs,
            _directory: directory,
        }
    }

    /// Waits until the only group was evaluated under an epoch; tells how many rulers ended before.
    async fn evaluated_under(&self, epoch: u64) -> u64 {
        let until = Instant::now() + LONG;
        loop {
            assert!(Instant::now() < until, "no epoch {epoch}");
            if let Some((_, states)) = self.rules.show().await {
                let group = &states.groups[0];
                if group.owned == Some(epoch) && group.iterations > 0 {
                    return states.ended_by_bugs;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
