//! What rulers say, told to other nodes and compared with theirs.

use imbl::OrdMap;

use super::digest::{IndexEntry, IndexRecord};
use crate::{
    ruler::{RuleCopy, RuleRecord},
    storage::{ReplicaMap, encode_rule},
    tenant::Tenant,
    time::Now,
};

impl Tenant {
    /// Tells the others what this node's ruler says.
    pub(in crate::tenant) fn tell_rule(&mut self, record: &RuleRecord) {
        self.tell(ReplicaMap::Rules, |tenant| encode_rule(tenant, record));
    }
}

/// The records that count, for the index.
pub(super) fn entries(of: &OrdMap<u64, RuleCopy>, now: Now) -> Vec<IndexEntry> {
    let now = now.wall.unix_millis();
    let kept = of.iter().filter(|(_, record)| !record.is_over(now));
    let entries = kept.map(|(key, record)| IndexEntry {
        key: *key,
        version: record.version().hash(),
        record: IndexRecord::Rule(record.clone()),
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        labels::LabelSet,
        ruler::{
            GroupKey, GroupSummary, Instance, Phase, RuleKey, RuleRecordKey, RuleValue,
            RuleVersion, RulerNews, Version,
        },
        tenant::{
            TenantEffect,
            replicate::{
                frame::{Frame, RawRecord, Step},
                tests::Net,
            },
        },
    };

    /// A record of an alert of that number; what it says is its version.
    fn record(net: &Net, alert: u8, epoch: u64, slot: i64) -> RuleRecord {
        let group = GroupKey {
            file: "rules.yml".into(),
            name: "g".into(),
        };
        let rule = RuleKey {
            alerting: true,
            name: "A".into(),
            labels: LabelSet::empty(),
            number: 0,
        };
        let labels = LabelSet::from_pairs([("n", alert.to_string())]);
        let slot = net.now.wall.unix_millis() + slot;
        let (key, value) = match alert {
            0 => {
                let summary = GroupSummary {
                    owner: "a".into(),
                    ..GroupSummary::default()
                };
                (RuleRecordKey::group(None, group), RuleValue::Group(summary))
            }
            _ => (
                RuleRecordKey::alert(None, group, rule, labels),
                RuleValue::Forgotten,
            ),
        };
        RuleRecord {
            key,
            version: Version { epoch, slot },
            interval: 0,
            value,
        }
    }

    fn keep(net: &mut Net, name: &str, records: Vec<RuleRecord>) {
        let now = net.now;
        net.tenant(name).keep_rules(records, now);
    }

    fn known(net: &mut Net, name: &str) -> Vec<RuleRecord> {
        let all = net.tenant(name).rules.all();
        all.values()
            .filter_map(RuleCopy::whole)
            .map(|record| (**record).clone())
            .collect()
    }

    #[test]
    fn what_a_ruler_says_is_told_at_once_and_whoever_was_away_gets_it() {
        let mut net = Net::new(&["a", "b", "c"]);
        net.join("a", "b");
        let records: Vec<_> = (0..9).map(|at| record(&net, at, 1, 0)).collect();
        keep(&mut net, "a", records);
        net.settle();
        let expected = known(&mut net, "a");
        assert_eq!(expected.len(), 9);
        assert_eq!(known(&mut net, "b"), expected);
        net.join_all();
        net.settle();
        assert_eq!(known(&mut net, "c"), expected);
        // A disk has all of it again.
        net.restart("b", true);
        assert_eq!(known(&mut net, "b"), expected);
        // What is over is neither kept nor told, and goes from all.
        net.pass(10);
        net.now.wall = net.now.wall.plus(std::time::Duration::from_secs(24 * 3600));
        net.now.mono += std::time::Duration::from_secs(24 * 3600);
        net.pass(10);
        for name in ["a", "b", "c"] {
            assert_eq!(known(&mut net, name), []);
        }
    }

    #[test]
    fn the_ruler_is_told_all_that_is_known_and_then_what_others_say() {
        let mut net = Net::new(&["a", "b"]);
        net.join_all();
        let before = record(&net, 1, 1, 0);
        keep(&mut net, "b", vec![before.clone()]);
        net.settle();
        let tenant = net.tenant("a");
        tenant.describe_rules(Arc::default());
        let effect = tenant.poll_effect();
        let told = matches!(effect, Some(TenantEffect::Ruler(_)));
        assert!(!told, "whoever has no rules is told nothing");
        tenant.describe_rules(Arc::new(BTreeSet::from([1])));
        let first = tenant.poll_effect();
        let Some(TenantEffect::Ruler(RulerNews::Records(records))) = first else {
            panic!("{first:?}");
        };
        assert_eq!(*records[0], before);
        let second = tenant.poll_effect();
        let Some(TenantEffect::Ruler(RulerNews::Members(members))) = second else {
            panic!("{second:?}");
        };
        assert!(members.ready && members.others.is_empty());
        // What it says itself is not told to it again.
        let own = record(&net, 1, 1, 5);
        keep(&mut net, "a", vec![own]);
        assert!(!matches!(
            net.tenant("a").poll_effect(),
            Some(TenantEffect::Ruler(_))
        ));
    }

    #[test]
    fn a_node_of_an_earlier_version_is_told_nothing_that_it_does_not_know() {
        let mut net = Net::new(&["a", "b"]);
        net.join_all();
        net.settle();
        let record = record(&net, 1, 1, 0);
        keep(&mut net, "b", vec![record]);
        net.collect();
        let now = net.now;
        // It begins a repair and knows four maps; the index of the answer has more.
        let tenant = net.tenant("b");
        let index = tenant.index_input(Default::default(), now).run();
        let mut roots = index.roots();
        roots.retain(|root| root.map != ReplicaMap::Rules.number());
        assert_eq!(index.differing(&roots), []);
        let open = Step::Open {
            vector: Default::default(),
            roots,
        };
        let frame = Frame::Repair {
            session: 9,
            step: open,
        };
        tenant.replica_payload(&"a".into(), &frame.encode(), now);
        // And what comes of a map that nobody knows here is passed over.
        let record = RawRecord {
            map: 99,
            body: vec![1],
        };
        let frame = Frame::Delta {
            number: 1,
            records: vec![record],
        };
        tenant.replica_payload(&"a".into(), &frame.encode(), now);
        assert_eq!(tenant.stats.replication.quarantined, 0);
    }

    /// Of each record whether all of it is there, and its version.
    fn copies(net: &mut Net, name: &str) -> Vec<(bool, RuleVersion)> {
        let all = net.tenant(name).rules.all();
        let copies = all.values();
        copies
            .map(|copy| (copy.whole().is_some(), copy.version()))
            .collect()
    }

    #[test]
    fn of_what_ended_long_ago_little_is_left_and_whoever_was_away_does_not_bring_it_back() {
        let mut net = Net::new(&["a", "b", "c"]);
        net.join_all();
        net.settle();
        let hashes = Arc::new(BTreeSet::from([1]));
        net.tenant("b").describe_rules(Arc::clone(&hashes));
        let began = RuleRecord {
            value: RuleValue::Alert(firing()),
            ..record(&net, 1, 1, 0)
        };
        keep(&mut net, "a", vec![began.clone()]);
        net.settle();
        for (one, other) in [("b", "a"), ("b", "c")] {
            net.part(one, other);
        }
        let ended = record(&net, 1, 1, 30_000);
        keep(&mut net, "a", vec![ended.clone()]);
        net.settle();
        let hour = std::time::Duration::from_secs(3600);
        net.now.wall = net.now.wall.plus(hour);
        net.now.mono += hour;
        net.pass(10);
        let little = vec![(false, ended.version())];
        assert_eq!(copies(&mut net, "a"), little);
        assert_eq!(copies(&mut net, "c"), little);
        assert_eq!(copies(&mut net, "b"), [(true, began.version())]);
        // It is told that it ended, and so is its ruler.
        let news = |net: &mut Net| std::mem::take(&mut net.members.get_mut("b").unwrap().news);
        news(&mut net);
        net.join_all();
        net.pass(70);
        let told = news(&mut net).into_iter();
        let told = told.flat_map(|news| match news {
            RulerNews::Records(records) => records,
            RulerNews::Members(_) | RulerNews::Clock(_) => Vec::new(),
        });
        let told: Vec<_> = told.collect();
        assert_eq!(copies(&mut net, "b"), little);
        let told: Vec<_> = told
            .iter()
            .map(|one| (&one.key, &one.value, one.version))
            .collect();
        assert_eq!(told, [(&began.key, &RuleValue::Forgotten, ended.version)]);
        // So it is after a restart, and an older copy changes nothing.
        net.restart("b", true);
        assert_eq!(copies(&mut net, "b"), little);
        net.join_all();
        keep(&mut net, "b", vec![began.clone()]);
        net.pass(70);
        assert_eq!(copies(&mut net, "c"), little);
        // What begins anew is known to all again.
        let anew = RuleRecord {
            value: RuleValue::Alert(firing()),
            ..record(&net, 1, 1, 0)
        };
        keep(&mut net, "b", vec![anew.clone()]);
        net.pass(10);
        for name in ["a", "b", "c"] {
            assert_eq!(known(&mut net, name), vec![anew.clone()], "{name}");
        }
    }

    fn firing() -> Instance {
        Instance {
            source: LabelSet::empty(),
            annotations: LabelSet::empty(),
            value: 1.0,
            phase: Phase::Firing,
            active_at: 0,
            fired_at: Some(0),
            keep_firing_since: None,
            resolved_at: None,
            last_sent: None,
            held_since: None,
            version: Version::default(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_rulers_say_and_wherever_all_nodes_end_with_the_greatest(
            steps in prop::collection::vec((0..3_usize, 0..4_u8, 0..3_u64, 0..3_i64, 0..5_u8), 1..40),
        ) {
            let names = ["a", "b", "c"];
            let mut net = Net::new(&names);
            let begin = record(&net, 0, 0, 0).version.slot;
            let mut greatest = std::collections::BTreeMap::new();
            for (at, alert, epoch, slot, what) in steps {
                match what {
                    0 => net.join(names[at], names[(at + 1) % 3]),
                    1 => net.part(names[at], names[(at + 1) % 3]),
                    2 => drop(net.carry(at)),
                    _ => {
                        let mut record = record(&net, alert, epoch, 0);
                        record.version.slot = begin + slot;
                        let best = greatest.entry(record.key.clone()).or_insert_with(|| record.clone());
                        if best.version() < record.version() {
                            *best = record.clone();
                        }
                        keep(&mut net, names[at], vec![record]);
                        net.collect();
                    }
                }
            }
            net.join_all();
            net.pass(70);
            for name in names {
                let known = known(&mut net, name);
                let known: std::collections::BTreeMap<_, _> =
                    known.into_iter().map(|record| (record.key.clone(), record)).collect();
                prop_assert_eq!(&known, &greatest, "{}", name);
            }
        }
    }
}
