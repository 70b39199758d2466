//! Several rulers that keep their state together: who evaluates, what a restart and a takeover go on with, what loses.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::harness::{Answer, Harness, now, of, rules};
use crate::{
    cluster::NodeName,
    ruler::{
        Answered, Effect, Instance, Members, Phase, RuleHashes, RuleRecord, RuleSet, RuleValue,
        Ruler, Told, Word,
    },
};

pub(super) const ONE: &str = "groups: [{name: g, interval: 30s, rules: [{alert: A, expr: x > 0, for: 2m, keep_firing_for: 3m}]}]";
const X: &[(&[(&str, &str)], f64)] = &[(&[("job", "j")], 3.0)];

pub(super) fn x() -> Answer {
    of(X)
}

/// A ruler and who it sees.
pub(super) struct Node {
    ruler: Ruler,
    sees: BTreeSet<NodeName>,
    ready: bool,
    /// What it has on its disk.
    pub(super) kept: BTreeMap<u64, Arc<RuleRecord>>,
    told: Vec<(i64, Told)>,
    said: Vec<Word>,
    asked: Vec<i64>,
}

/// Rulers; what one keeps is told at once to those that it sees.
pub(super) struct Mesh {
    pub(super) nodes: BTreeMap<NodeName, Node>,
    pub(super) now: i64,
}

impl Mesh {
    pub(super) fn new(names: &[&str], text: &str) -> Self {
        let mut mesh = Self {
            nodes: BTreeMap::new(),
            now: 0,
        };
        for name in names {
            mesh.start(name, text, true);
        }
        mesh
    }

    /// Starts a node with what its disk has, or without any.
    pub(super) fn start(&mut self, name: &str, text: &str, keeps: bool) {
        let before = self.nodes.remove(name).filter(|_| keeps);
        let sees: BTreeSet<NodeName> = self.nodes.keys().cloned().collect();
        for other in self.nodes.values_mut() {
            other.sees.insert(name.into());
        }
        let mut kept = before.map(|node| node.kept).unwrap_or_default();
        for other in self.nodes.values() {
            for record in other.kept.values() {
                merge(&mut kept, record);
            }
        }
        let mut ruler = Ruler::new(rules(text), now(self.now));
        let records = kept.values().filter(|record| concerns(record, name));
        let records: Vec<_> = records.cloned().collect();
        ruler.learn(&records, now(self.now));
        let node = Node {
            ruler,
            sees,
            ready: true,
            kept,
            told: Vec::new(),
            said: Vec::new(),
            asked: Vec::new(),
        };
        self.nodes.insert(name.into(), node);
        self.tell_members();
    }

    fn kill(&mut self, name: &str) -> Node {
        let node = self.nodes.remove(name).unwrap();
        for other in self.nodes.values_mut() {
            other.sees.remove(name);
        }
        self.tell_members();
        node
    }

    fn see(&mut self, one: &str, other: &str, sees: bool) {
        for (one, other) in [(one, other), (other, one)] {
            let node = self.nodes.get_mut(one).unwrap();
            match sees {
                true => node.sees.insert(other.into()),
                false => node.sees.remove(other),
            };
        }
        self.tell_members();
        if sees {
            let kept: Vec<_> = [one, other]
                .iter()
                .flat_map(|name| self.nodes[*name].kept.values().cloned())
                .collect();
            for name in [one, other] {
                self.teach(name, &kept);
                self.settle(name, &mut |_| x());
            }
        }
    }

    fn hashes(&self, name: &str) -> RuleHashes {
        self.nodes[name].ruler.set().hashes()
    }

    fn tell_members(&mut self) {
        let names: Vec<NodeName> = self.nodes.keys().cloned().collect();
        for name in names.clone() {
            let node = &self.nodes[&name];
            let others = node.sees.iter();
            let others = others.filter(|other| self.nodes.get(*other).is_some_and(|it| it.ready));
            let members = Members {
                me: name.clone(),
                ready: node.ready,
                others: others
                    .map(|other| (other.clone(), self.hashes(other)))
                    .collect(),
            };
            let at = now(self.now);
            self.nodes
                .get_mut(&name)
                .unwrap()
                .ruler
                .members(members, at);
        }
        // All know who is there before anybody says what it does about it.
        for name in names {
            self.settle(&name, &mut |_| x());
        }
    }

    fn teach(&mut self, name: &str, records: &[Arc<RuleRecord>]) {
        let at = now(self.now);
        let node = self.nodes.get_mut(name).unwrap();
        let news = records
            .iter()
            .filter(|record| merge(&mut node.kept, record));
        let news = news.filter(|record| concerns(record, name));
        let news: Vec<_> = news.cloned().collect();
        node.ruler.learn(&news, at);
    }

    fn load(&mut self, name: &str, text: &str) {
        let at = now(self.now);
        let node = self.nodes.get_mut(name).unwrap();
        node.ruler.load(rules(text), at);
        let all: Vec<_> = node.kept.values().cloned().collect();
        node.ruler.learn(&all, at);
        self.settle(name, &mut |_| x());
        self.tell_members();
    }

    fn settle(&mut self, name: &str, answer: &mut impl FnMut(&str) -> Answer) {
        let at = now(self.now);
        while let Some(effect) = self.nodes.get_mut(name).unwrap().ruler.poll_effect() {
            let node = self.nodes.get_mut(name).unwrap();
            match effect {
                Effect::Evaluate(evaluation) => {
                    node.asked.push(evaluation.at);
                    node.ruler.evaluated(evaluation.id, answer(name), at);
                }
                Effect::Tell(told) => node
                    .told
                    .extend(told.into_iter().map(|one| (self.now, one))),
                Effect::Write(_) => {}
                Effect::Say(word) => node.said.push(word),
                Effect::Keep(records) => {
                    let records: Vec<_> = records.into_iter().map(Arc::new).collect();
                    let news: Vec<_> = records
                        .into_iter()
                        .filter(|record| merge(&mut node.kept, record))
                        .collect();
                    let sees: Vec<NodeName> = node.sees.iter().cloned().collect();
                    for other in sees {
                        if self.nodes.contains_key(&other) {
                            self.teach(&other, &news);
                            self.settle(&other, answer);
                        }
                    }
                }
            }
        }
    }

    pub(super) fn run(&mut self, seconds: i64, mut answer: impl FnMut(&str) -> Answer) {
        let end = seconds * 1000;
        loop {
            let next = self.nodes.iter();
            let next = next.filter_map(|(name, node)| Some((node.ruler.poll_timeout()?, name)));
            let next = next.filter(|(at, _)| *at <= end).min();
            let Some((at, name)) = next.map(|(at, name)| (at, name.clone())) else {
                break;
            };
            self.now = self.now.max(at);
            let now = now(self.now);
            self.nodes.get_mut(&name).unwrap().ruler.handle_timeout(now);
            self.settle(&name, &mut answer);
        }
        self.now = end;
    }

    /// Who evaluates the only component.
    fn owners(&self) -> Vec<&str> {
        let owns = |node: &Node| node.ruler.states().groups[0].owned.is_some();
        let nodes = self.nodes.iter().filter(|(_, node)| owns(node));
        nodes.map(|(name, _)| &**name).collect()
    }

    /// The only owner.
    fn owner(&self) -> String {
        let owners = self.owners();
        assert_eq!(owners.len(), 1, "{owners:?}");
        owners[0].to_owned()
    }

    fn epoch(&self, name: &str) -> u64 {
        self.nodes[name].ruler.states().groups[0]
            .claim
            .as_ref()
            .unwrap()
            .epoch
    }

    pub(super) fn alert(&self, name: &str) -> Option<Instance> {
        let rule = &self.nodes[name].ruler.states().groups[0].rules[0];
        rule.alerts
            .all()
            .next()
            .map(|(_, instance)| instance.clone())
    }

    pub(super) fn resolves(&self) -> usize {
        let told = self.nodes.values().flat_map(|node| &node.told);
        told.filter(|(at, told)| told.ends_at.unix_millis() <= *at)
            .count()
    }
}

fn concerns(record: &RuleRecord, name: &str) -> bool {
    record.key.node.as_ref().is_none_or(|node| **node == *name)
}

fn merge(kept: &mut BTreeMap<u64, Arc<RuleRecord>>, record: &Arc<RuleRecord>) -> bool {
    let known = kept.get(&record.key.hash());
    let news = known.is_none_or(|known| known.version() < record.version());
    if news {
        kept.insert(record.key.hash(), Arc::clone(record));
    }
    news
}

#[test]
fn a_restart_goes_on_where_the_node_was_killed() {
    let mut mesh = Mesh::new(&["a"], ONE);
    mesh.run(70, |_| x());
    let begun = mesh.alert("a").unwrap();
    assert_eq!(begun.phase, Phase::Pending);
    mesh.now += 20_000;
    mesh.start("a", ONE, true);
    assert_eq!(mesh.epoch("a"), 2);
    mesh.run(begun.active_at / 1000 + 121, |_| x());
    let fires = mesh.alert("a").unwrap();
    assert_eq!(
        (fires.phase, fires.active_at),
        (Phase::Firing, begun.active_at)
    );
    // Its condition ends; it fires on for three minutes, two restarts or not.
    let ended = mesh.now / 1000;
    mesh.run(ended + 60, |_| of(&[]));
    let keeps = mesh.alert("a").unwrap();
    assert!(keeps.keep_firing_since.is_some());
    mesh.start("a", ONE, true);
    mesh.run(ended + 120, |_| of(&[]));
    mesh.start("a", ONE, true);
    mesh.run(ended + 150, |_| of(&[]));
    assert_eq!(mesh.resolves(), 0);
    let keeps_still = mesh.alert("a").unwrap();
    assert_eq!(keeps_still.phase, Phase::Firing);
    assert_eq!(keeps_still.keep_firing_since, keeps.keep_firing_since);
    assert_eq!(keeps_still.fired_at, fires.fired_at);
    mesh.run(ended + 270, |_| of(&[]));
    assert_eq!(mesh.alert("a").unwrap().phase, Phase::Resolved);
}

#[test]
fn without_what_was_kept_a_restart_begins_anew() {
    let mut mesh = Mesh::new(&["a"], ONE);
    mesh.run(70, |_| x());
    let begun = mesh.alert("a").unwrap();
    mesh.start("a", ONE, false);
    mesh.run(120, |_| x());
    assert!(mesh.alert("a").unwrap().active_at > begun.active_at);
}

#[test]
fn what_was_pending_for_long_when_nobody_looked_begins_anew_and_what_fired_fires() {
    let mut mesh = Mesh::new(&["a"], ONE);
    mesh.run(70, |_| x());
    mesh.now += 3 * 3600 * 1000;
    mesh.start("a", ONE, true);
    mesh.run(mesh.now / 1000 + 40, |_| x());
    assert_eq!(mesh.alert("a").unwrap().phase, Phase::Pending);
    mesh.run(mesh.now / 1000 + 200, |_| x());
    let fired = mesh.alert("a").unwrap();
    assert_eq!(fired.phase, Phase::Firing);
    mesh.now += 3 * 3600 * 1000;
    mesh.start("a", ONE, true);
    mesh.run(mesh.now / 1000 + 40, |_| x());
    assert_eq!(mesh.alert("a").unwrap().fired_at, fired.fired_at);
}

#[test]
fn one_node_evaluates_and_all_know_what_came_of_it() {
    let mut mesh = Mesh::new(&["a", "b", "c"], ONE);
    mesh.run(300, |_| x());
    let owner = mesh.owner();
    for (name, node) in &mesh.nodes {
        assert_eq!(node.asked.is_empty(), **name != *owner, "{name}");
        assert_eq!(node.told.is_empty(), **name != *owner, "{name}");
        let group = &node.ruler.states().groups[0];
        assert_eq!(&*group.claim.as_ref().unwrap().owner, &*owner);
        assert!(group.last_slot.unwrap() > 270_000, "{:?}", group.last_slot);
        assert_eq!(mesh.alert(name).unwrap().phase, Phase::Firing);
    }
    mesh.run(400, |_| Err("no endpoint answers".to_owned()));
    for node in mesh.nodes.values() {
        let rule = &node.ruler.states().groups[0].rules[0];
        assert_eq!(rule.last_error, "no endpoint answers");
    }
}

#[test]
fn whoever_takes_over_goes_on_with_the_slot_that_is_due() {
    let mut mesh = Mesh::new(&["a", "b", "c"], ONE);
    mesh.run(70, |_| x());
    let (first, begun) = (mesh.owner(), mesh.alert("a").unwrap());
    let last = *mesh.nodes[&*first].asked.last().unwrap();
    // It dies just before its next slot, and that is noticed four seconds later.
    mesh.now = last + 29_000;
    let dead = mesh.kill(&first);
    mesh.now = last + 33_000;
    mesh.run(mesh.now / 1000 + 1, |_| x());
    let second = mesh.owner();
    let node = &mesh.nodes[&*second];
    assert_eq!(node.asked, [last + 30_000]);
    assert_eq!(mesh.epoch(&second), 2);
    assert_eq!(mesh.alert(&second).unwrap().active_at, begun.active_at);
    assert!(
        matches!(&node.said[..], [Word::TookOver { groups: 1, lives: false, epoch: 2, from }] if **from == *first)
    );
    mesh.run(begun.active_at / 1000 + 121, |_| x());
    assert_eq!(mesh.alert(&second).unwrap().phase, Phase::Firing);
    // Back again, it is the owner again, and no slot is evaluated twice under one owner.
    mesh.nodes.insert(first.as_str().into(), dead);
    mesh.start(&first, ONE, true);
    assert_eq!(mesh.owner(), first);
    assert_eq!(mesh.epoch(&second), 3);
    mesh.run(400, |_| x());
    assert_eq!(mesh.resolves(), 0);
    assert_eq!(mesh.alert(&second).unwrap().active_at, begun.active_at);
    for node in mesh.nodes.values() {
        let slots: BTreeSet<i64> = node.asked.iter().copied().collect();
        assert_eq!(slots.len(), node.asked.len());
    }
}

#[test]
fn a_node_that_stops_hands_over_at_once() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(70, |_| x());
    let first = mesh.owner();
    mesh.nodes.get_mut(&*first).unwrap().ready = false;
    mesh.tell_members();
    let second = mesh.owner();
    assert_ne!(first, second);
    assert!(matches!(
        mesh.nodes[&*first].said.last(),
        Some(Word::HandedOver { groups: 1, to }) if **to == *second
    ));
    // What it had under way counts no more.
    mesh.run(100, |_| x());
    assert!(mesh.nodes[&*second].asked.len() == 1);
}

#[test]
fn rules_about_the_node_itself_are_evaluated_by_each_node_for_itself() {
    let own = ONE.replace("expr: x > 0", "expr: 'x{watchfire=\"self\"} > 0'");
    let mut mesh = Mesh::new(&["a", "b"], &own);
    let fires = |name: &str| if name == "a" { x() } else { of(&[]) };
    mesh.run(70, fires);
    assert_eq!(mesh.owners(), ["a", "b"]);
    let begun = mesh.alert("a").unwrap();
    assert!(mesh.alert("b").is_none());
    assert_eq!((mesh.epoch("a"), mesh.epoch("b")), (1, 1));
    mesh.start("a", &own, true);
    assert_eq!((mesh.epoch("a"), mesh.epoch("b")), (2, 1));
    mesh.run(200, fires);
    let fired = mesh.alert("a").unwrap();
    assert_eq!(
        (fired.phase, fired.active_at),
        (Phase::Firing, begun.active_at)
    );
    assert!(mesh.alert("b").is_none());
    assert!(mesh.nodes["b"].told.is_empty());
}

#[test]
fn what_an_older_owner_still_says_loses() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(250, |_| x());
    let first = mesh.owner();
    let second = if first == "a" { "b" } else { "a" };
    let fired = mesh.alert(second).unwrap();
    assert_eq!(fired.phase, Phase::Firing);
    // The other one sees it no more and takes over; it evaluates on and sees the alert end.
    mesh.see(&first, second, false);
    assert_eq!(mesh.owners().len(), 2);
    let ends = |name: &str| if name == first { of(&[]) } else { x() };
    mesh.run(700, ends);
    assert_eq!(mesh.alert(&first).unwrap().phase, Phase::Resolved);
    mesh.see(&first, second, true);
    assert_eq!(mesh.owner(), first);
    assert_eq!(mesh.epoch(second), 3);
    for name in ["a", "b"] {
        let known = mesh.alert(name).unwrap();
        assert_eq!(
            (known.phase, known.fired_at),
            (Phase::Firing, fired.fired_at)
        );
    }
    assert_eq!(mesh.nodes["a"].kept, mesh.nodes["b"].kept);
}

#[test]
fn whoever_hears_who_had_its_rules_before_it_hears_of_their_alerts_begins_none_anew() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(250, |_| x());
    // It ended once, and nobody but the owner of now knows that it began again.
    mesh.run(600, |_| of(&[]));
    let first = mesh.owner();
    let second = if first == "a" { "b" } else { "a" };
    assert_eq!(mesh.alert(&first).unwrap().phase, Phase::Resolved);
    mesh.see(&first, second, false);
    let hangs = |name: &str| match name == first {
        true => Err("it hangs".to_owned()),
        false => x(),
    };
    mesh.run(800, hangs);
    let fires = mesh.alert(second).unwrap();
    assert_eq!(fires.phase, Phase::Firing);
    for (one, other) in [(&*first, second), (second, &*first)] {
        let node = mesh.nodes.get_mut(one).unwrap();
        node.sees.insert(other.into());
    }
    mesh.tell_members();
    let (alerts, groups): (Vec<_>, Vec<_>) = mesh.nodes[second]
        .kept
        .values()
        .cloned()
        .partition(|record| record.key.alert.is_some());
    for records in [groups, alerts] {
        mesh.teach(&first, &records);
        mesh.settle(&first, &mut |_| x());
    }
    assert_eq!(mesh.owner(), first);
    assert_eq!(mesh.epoch(&first), 3);
    mesh.run(900, |_| x());
    for name in ["a", "b"] {
        let known = mesh.alert(name).unwrap();
        assert_eq!(
            (known.phase, known.active_at, known.fired_at),
            (Phase::Firing, fires.active_at, fires.fired_at)
        );
    }
    assert_eq!(mesh.nodes["a"].kept, mesh.nodes["b"].kept);
}

#[test]
fn whoever_sees_no_endpoint_does_not_overrule_whoever_does() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(250, |_| x());
    mesh.run(600, |_| of(&[]));
    let first = mesh.owner();
    let second = if first == "a" { "b" } else { "a" };
    // The other one takes over, and knows of the end before only.
    mesh.see(&first, second, false);
    let fails = |name: &str| match name == first {
        true => x(),
        false => Err("no endpoint answers".to_owned()),
    };
    mesh.run(800, fails);
    assert_eq!(mesh.epoch(second), 2);
    let fires = mesh.alert(&first).unwrap();
    assert_eq!(fires.phase, Phase::Firing);
    mesh.see(&first, second, true);
    mesh.run(900, |_| x());
    for name in ["a", "b"] {
        assert_eq!(mesh.alert(name).unwrap().fired_at, fires.fired_at);
    }
    assert_eq!(mesh.nodes["a"].kept, mesh.nodes["b"].kept);
}

#[test]
fn what_an_owner_saw_is_not_lost_to_a_later_one_that_ended_before_that() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(250, |_| x());
    mesh.run(600, |_| of(&[]));
    let first = mesh.owner();
    let second = if first == "a" { "b" } else { "a" };
    mesh.see(&first, second, false);
    mesh.run(650, |_| of(&[]));
    assert_eq!(mesh.epoch(second), 2);
    let away = mesh.kill(second);
    mesh.run(800, |_| x());
    let fires = mesh.alert(&first).unwrap();
    assert_eq!(fires.phase, Phase::Firing);
    // It comes back with the end under its later epoch.
    mesh.nodes.insert(second.into(), away);
    let resolves = mesh.resolves();
    mesh.see(&first, second, true);
    mesh.run(900, |_| x());
    for name in ["a", "b"] {
        let known = mesh.alert(name).unwrap();
        assert_eq!(
            (known.active_at, known.fired_at),
            (fires.active_at, fires.fired_at)
        );
    }
    assert_eq!(mesh.resolves(), resolves);
    assert_eq!(mesh.nodes["a"].kept, mesh.nodes["b"].kept);
}

#[test]
fn what_an_owner_saw_that_is_gone_is_not_lost_where_another_node_heard_of_it() {
    let mut mesh = Mesh::new(&["a", "b", "c"], ONE);
    mesh.run(250, |_| x());
    mesh.run(600, |_| of(&[]));
    let first = mesh.owner();
    let mut others = ["a", "b", "c"].into_iter().filter(|name| **name != first);
    let (second, third) = (others.next().unwrap(), others.next().unwrap());
    mesh.see(&first, second, false);
    mesh.see(third, second, false);
    mesh.run(650, |_| of(&[]));
    assert_eq!(mesh.epoch(second), 2);
    let fails = |name: &str| match name == first {
        true => x(),
        false => Err("no endpoint answers".to_owned()),
    };
    mesh.run(800, fails);
    let fires = mesh.alert(third).unwrap();
    assert_eq!((fires.phase, fires.version.epoch), (Phase::Firing, 1));
    mesh.kill(&first);
    mesh.see(second, third, true);
    for name in [second, third] {
        let known = mesh.alert(name).unwrap();
        assert_eq!((known.phase, known.fired_at), (fires.phase, fires.fired_at));
    }
    assert_eq!(mesh.nodes[second].kept, mesh.nodes[third].kept);
}

#[test]
fn whoever_lost_its_disk_counts_on_from_what_others_know_of_it() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(70, |_| x());
    let first = mesh.owner();
    let second = if first == "a" { "b" } else { "a" };
    for _ in 0..3 {
        mesh.start(&first, ONE, true);
    }
    let epoch = mesh.epoch(second);
    assert!(epoch >= 4, "{epoch}");
    // It begins anew while the only node is away that knows it.
    let away = mesh.kill(second);
    mesh.start(&first, ONE, false);
    mesh.run(200, |_| of(&[]));
    assert_eq!(mesh.epoch(&first), 1);
    mesh.nodes.insert(second.into(), away);
    mesh.see(&first, second, true);
    mesh.run(300, |_| of(&[]));
    assert_eq!(mesh.owner(), first);
    for name in ["a", "b"] {
        assert_eq!(mesh.epoch(name), epoch + 1);
        let group = &mesh.nodes[name].ruler.states().groups[0];
        assert!(group.last_slot.unwrap() > 250_000, "{:?}", group.last_slot);
    }
    assert_eq!(mesh.nodes["a"].kept, mesh.nodes["b"].kept);
}

#[test]
fn nodes_with_other_rules_both_evaluate_and_do_not_count_up_against_each_other() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(250, |_| x());
    let other = ONE.replace("x > 0", "x > 1");
    mesh.load("a", &other);
    mesh.run(1000, |_| x());
    assert_eq!(mesh.owners(), ["a", "b"]);
    assert!(mesh.epoch("a") <= 2, "{}", mesh.epoch("a"));
    assert_eq!(mesh.resolves(), 0);
    mesh.load("b", &other);
    mesh.run(1100, |_| x());
    assert_eq!(mesh.owners().len(), 1);
    assert!(mesh.epoch("a") <= 3, "{}", mesh.epoch("a"));
    assert_eq!(mesh.resolves(), 0);
    assert_eq!(mesh.nodes["a"].kept, mesh.nodes["b"].kept);
}

#[test]
fn alerts_of_a_rule_end_when_the_last_node_drops_it() {
    let mut mesh = Mesh::new(&["a", "b"], ONE);
    mesh.run(250, |_| x());
    let gone = "groups: [{name: g, interval: 30s, rules: [{alert: B, expr: y > 0}]}]";
    let first = mesh.owner();
    let second = if first == "a" { "b" } else { "a" };
    mesh.load(&first, gone);
    mesh.run(400, |name| if name == first { of(&[]) } else { x() });
    assert_eq!(mesh.resolves(), 0);
    mesh.load(second, gone);
    assert_eq!(mesh.resolves(), 1);
    let forgotten = |record: &Arc<RuleRecord>| record.value == RuleValue::Forgotten;
    for node in mesh.nodes.values() {
        assert_eq!(node.kept.values().filter(|it| forgotten(it)).count(), 1);
    }
}

#[test]
fn one_node_more_moves_only_what_is_its_own() {
    let many: String = (0..300)
        .map(|at| {
            format!("- {{name: g{at}, interval: 30s, rules: [{{record: 'r{at}', expr: up}}]}}\n")
        })
        .collect();
    let set: Arc<RuleSet> = rules(&format!("groups:\n{many}"));
    let ruler = |me: &str, names: &[&str]| {
        let mut ruler = Ruler::new(Arc::clone(&set), now(0));
        let others = names.iter().filter(|name| **name != me);
        let members = Members {
            me: me.into(),
            ready: true,
            others: others.map(|name| ((*name).into(), set.hashes())).collect(),
        };
        ruler.members(members, now(0));
        ruler
    };
    let owner_among = |names: &[&str]| -> Vec<usize> {
        let rulers: Vec<Ruler> = names.iter().map(|name| ruler(name, names)).collect();
        let owner = |group: usize| {
            let owners = rulers.iter().enumerate();
            let owners = owners.filter(|(_, one)| one.states().groups[group].owned.is_some());
            let owners: Vec<usize> = owners.map(|(node, _)| node).collect();
            assert_eq!(owners.len(), 1, "group {group}");
            owners[0]
        };
        (0..set.groups.len()).map(owner).collect()
    };
    let three = owner_among(&["a", "b", "c"]);
    let four = owner_among(&["a", "b", "c", "d"]);
    let moved: Vec<usize> = three
        .iter()
        .zip(&four)
        .filter(|(before, after)| before != after)
        .map(|(_, after)| *after)
        .collect();
    assert!(moved.iter().all(|to| *to == 3), "only to the new node");
    assert!((50..=100).contains(&moved.len()), "{}", moved.len());
    for node in 0..3 {
        let count = three.iter().filter(|owner| **owner == node).count();
        assert!((75..=125).contains(&count), "{node}: {count}");
    }
}

#[test]
fn an_alert_that_fires_for_long_is_told_to_other_nodes_again() {
    let mut mesh = Mesh::new(&["a", "b"], &ONE.replace("30s", "1h"));
    mesh.run(60 * 3600, |_| x());
    let fresh = mesh.alert("b").unwrap();
    assert!(
        fresh.version.slot > 46 * 3600 * 1000,
        "{}",
        fresh.version.slot
    );
    assert!(fresh.active_at < 2 * 3600 * 1000);
}

#[test]
fn every_node_knows_which_replicas_were_used() {
    let mut owner = Harness::new(ONE);
    owner.run(60, |evaluation| {
        let replica = if evaluation.at < 30_000 {
            "eu-a"
        } else {
            "eu-b"
        };
        x().map(|answered| Answered {
            endpoints: vec![replica.into(), "us".into()],
            ..answered
        })
    });
    let records: Vec<_> = owner.kept.drain(..).map(Arc::new).collect();
    let mut other = Ruler::new(Arc::clone(owner.ruler.set()), now(61_000));
    other.learn(&records, now(61_000));
    for ruler in [&owner.ruler, &other] {
        let endpoints = ruler.states().groups[0].endpoints.iter();
        assert_eq!(
            endpoints.map(|name| &**name).collect::<Vec<_>>(),
            ["eu-b", "us"]
        );
    }
}

const OF_NODES: &str = "groups: [{name: g, interval: 30s, rules: [\
    {alert: A, expr: 'x{watchfire=\"self\"} > 0', annotations: {on: '{{ $labels.watchfire_node }}'}}, \
    {record: r, expr: 'sum(x{watchfire=\"self\"})'}]}]";

#[test]
fn what_a_node_measures_ends_for_it_alone() {
    let mut mesh = Mesh::new(&["a", "b"], OF_NODES);
    mesh.run(300, |_| x());
    mesh.run(1200, |name| if name == "a" { of(&[]) } else { x() });
    let mut told: Vec<(i64, Told)> = Vec::new();
    for node in mesh.nodes.values() {
        told.extend(node.told.iter().cloned());
    }
    told.sort_by_key(|(at, _)| *at);
    let mut fires: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for (at, one) in told {
        let states = fires.entry(one.labels.to_string()).or_default();
        let now = one.ends_at.unix_millis() > at;
        if states.last() != Some(&now) {
            states.push(now);
        }
    }
    let of_node = |node: &str| format!(r#"{{alertname="A", job="j", watchfire_node="{node}"}}"#);
    let expected = [
        (of_node("a"), vec![true, false]),
        (of_node("b"), vec![true]),
    ];
    assert_eq!(fires, BTreeMap::from(expected));
}

#[test]
fn what_is_of_a_node_says_of_which() {
    let mut world = Harness::new(OF_NODES);
    world.run(30, |_| x());
    let told = &world.told[0].1;
    assert_eq!(told.labels.value("watchfire_node"), "a");
    assert_eq!(told.annotations.value("on"), "a");
    let written: BTreeSet<(&str, &str)> = world
        .written
        .iter()
        .map(|one| {
            (
                one.labels.value("__name__"),
                one.labels.value("watchfire_node"),
            )
        })
        .collect();
    let expected = [("ALERTS", "a"), ("ALERTS_FOR_STATE", "a"), ("r", "a")];
    assert_eq!(written, BTreeSet::from(expected));
    // What says already of which node it is goes on to.
    let mut world = Harness::new(OF_NODES);
    world.run(30, |_| of(&[(&[("watchfire_node", "z")], 1.0)]));
    assert_eq!(world.told[0].1.labels.value("watchfire_node"), "z");
    // What reads nothing of the node is the same wherever it is evaluated.
    let mut world = Harness::new(ONE);
    world.run(300, |_| x());
    assert_eq!(world.told[0].1.labels.get("watchfire_node"), None);
}

#[test]
fn a_node_outside_of_meshes_needs_no_name() {
    let mut ruler = Ruler::alone(rules(OF_NODES), now(0));
    let due = now(ruler.poll_timeout().unwrap());
    ruler.handle_timeout(due);
    let mut told = Vec::new();
    while let Some(effect) = ruler.poll_effect() {
        match effect {
            Effect::Evaluate(evaluation) => ruler.evaluated(evaluation.id, x(), due),
            Effect::Tell(more) => told.extend(more),
            Effect::Write(_) | Effect::Say(_) | Effect::Keep(_) => {}
        }
    }
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].labels.get("watchfire_node"), None);
}
