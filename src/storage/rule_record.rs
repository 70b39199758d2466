//! The encoding of what nodes keep of rules: a version byte, then protobuf, on disk and between nodes.

use std::sync::Arc;

use prost::Message;

use super::{
    error::RecordError,
    records::{unversioned, versioned},
};
use crate::{
    labels::LabelSet,
    ruler::{
        Ailing, GroupKey, GroupSummary, Instance, Phase, RuleCopy, RuleEnd, RuleKey, RuleRecord,
        RuleRecordKey, RuleValue, RuleVersion, Version,
    },
};

/// Of an alert that ended long ago there is `end` and when it was written, no more. Otherwise there is an instance or a summary, or
/// neither: then the alert is forgotten.
#[derive(Clone, PartialEq, Message)]
struct PbRule {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(string, tag = "2")]
    file: String,
    #[prost(string, tag = "3")]
    group: String,
    #[prost(message, optional, tag = "4")]
    alert: Option<PbAlertKey>,
    #[prost(uint64, tag = "5")]
    epoch: u64,
    #[prost(int64, tag = "6")]
    slot: i64,
    #[prost(message, optional, tag = "7")]
    instance: Option<PbInstance>,
    #[prost(message, optional, tag = "8")]
    summary: Option<PbSummary>,
    #[prost(string, optional, tag = "9")]
    node: Option<String>,
    #[prost(int64, tag = "10")]
    interval: i64,
    #[prost(message, optional, tag = "11")]
    end: Option<PbEnd>,
}

/// The hashes of what ended.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct PbEnd {
    #[prost(fixed64, tag = "1")]
    key: u64,
    #[prost(fixed64, tag = "2")]
    contents: u64,
}

/// Which alert of the group.
#[derive(Clone, PartialEq, Eq, Message)]
struct PbAlertKey {
    #[prost(string, tag = "1")]
    rule: String,
    /// Names and values in turn.
    #[prost(string, repeated, tag = "2")]
    rule_labels: Vec<String>,
    #[prost(uint64, tag = "3")]
    number: u64,
    #[prost(string, repeated, tag = "4")]
    labels: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct PbInstance {
    #[prost(string, repeated, tag = "1")]
    source: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    annotations: Vec<String>,
    #[prost(double, tag = "3")]
    value: f64,
    /// 0 pending, 1 firing, 2 resolved.
    #[prost(uint32, tag = "4")]
    phase: u32,
    #[prost(int64, tag = "5")]
    active_at: i64,
    #[prost(int64, optional, tag = "6")]
    fired_at: Option<i64>,
    #[prost(int64, optional, tag = "7")]
    keep_firing_since: Option<i64>,
    #[prost(int64, optional, tag = "8")]
    resolved_at: Option<i64>,
    #[prost(int64, optional, tag = "9")]
    last_sent: Option<i64>,
    #[prost(int64, optional, tag = "10")]
    held_since: Option<i64>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbSummary {
    #[prost(string, tag = "1")]
    owner: String,
    #[prost(bool, tag = "2")]
    evaluated: bool,
    #[prost(int64, tag = "3")]
    took: i64,
    #[prost(uint64, tag = "4")]
    missed: u64,
    #[prost(message, repeated, tag = "5")]
    ailing: Vec<PbAiling>,
    #[prost(string, repeated, tag = "6")]
    endpoints: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbAiling {
    #[prost(uint32, tag = "1")]
    rule: u32,
    #[prost(string, tag = "2")]
    error: String,
    #[prost(string, repeated, tag = "3")]
    missing: Vec<String>,
    #[prost(uint64, tag = "4")]
    held: u64,
}

/// Encodes a record of rules.
#[must_use]
pub fn encode_rule(tenant: &str, record: &RuleRecord) -> Vec<u8> {
    let (instance, summary) = match &record.value {
        RuleValue::Forgotten => (None, None),
        RuleValue::Alert(instance) => (Some(instance.into()), None),
        RuleValue::Group(summary) => (None, Some(summary.into())),
    };
    versioned(&PbRule {
        tenant: tenant.to_owned(),
        file: record.key.group.file.to_string(),
        group: record.key.group.name.to_string(),
        alert: record.key.alert.as_ref().map(|(rule, labels)| PbAlertKey {
            rule: rule.name.to_string(),
            rule_labels: flat(&rule.labels),
            number: u64::try_from(rule.number).unwrap_or(u64::MAX),
            labels: flat(labels),
        }),
        epoch: record.version.epoch,
        slot: record.version.slot,
        instance,
        summary,
        node: record.key.node.as_ref().map(ToString::to_string),
        interval: record.interval,
        end: None,
    })
}

/// Encodes a record of rules, or what is left of it.
#[must_use]
pub fn encode_rule_copy(tenant: &str, copy: &RuleCopy) -> Vec<u8> {
    let end = match copy {
        RuleCopy::Whole(record) => return encode_rule(tenant, record),
        RuleCopy::End(end) => end,
    };
    let (version, contents) = end.version.parts();
    versioned(&PbRule {
        tenant: tenant.to_owned(),
        epoch: version.epoch,
        slot: version.slot,
        interval: end.interval,
        end: Some(PbEnd {
            key: end.key,
            contents,
        }),
        ..PbRule::default()
    })
}

/// Decodes a record of rules and its tenant.
///
/// # Errors
/// When the bytes are damaged.
pub fn decode_rule(bytes: &[u8]) -> Result<(Arc<str>, RuleCopy), RecordError> {
    let pb: PbRule = unversioned("state of a rule", bytes)?;
    let version = Version {
        epoch: pb.epoch,
        slot: pb.slot,
    };
    if let Some(PbEnd { key, contents }) = pb.end {
        let end = RuleEnd {
            key,
            version: RuleVersion::new(version, contents),
            interval: pb.interval,
        };
        return Ok((pb.tenant.into(), RuleCopy::End(end)));
    }
    let alert = pb.alert.map(|alert| {
        let rule = RuleKey {
            alerting: true,
            name: alert.rule.into(),
            labels: label_set(&alert.rule_labels),
            number: usize::try_from(alert.number).unwrap_or(usize::MAX),
        };
        (rule, label_set(&alert.labels))
    });
    let missing = |part| RecordError::Missing {
        what: "state of a rule",
        part,
    };
    let value = match (&alert, pb.instance, pb.summary) {
        (Some(_), Some(instance), _) => {
            RuleValue::Alert(instance.read().ok_or_else(|| missing("known phase"))?)
        }
        (Some(_), None, _) => RuleValue::Forgotten,
        (None, _, Some(summary)) => RuleValue::Group(summary.into()),
        (None, _, None) => return Err(missing("contents")),
    };
    let record = RuleRecord {
        key: RuleRecordKey {
            node: pb.node.map(Into::into),
            group: GroupKey {
                file: pb.file.into(),
                name: pb.group.into(),
            },
            alert,
        },
        version,
        interval: pb.interval,
        value,
    };
    Ok((pb.tenant.into(), RuleCopy::Whole(Arc::new(record))))
}

fn flat(labels: &LabelSet) -> Vec<String> {
    let pairs = labels.iter();
    pairs
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect()
}

fn label_set(flat: &[String]) -> LabelSet {
    let pairs = flat.chunks_exact(2);
    LabelSet::from_pairs(pairs.filter_map(|pair| Some((pair.first()?, pair.get(1)?))))
}

impl From<&Instance> for PbInstance {
    fn from(of: &Instance) -> Self {
        Self {
            source: flat(&of.source),
            annotations: flat(&of.annotations),
            value: of.value,
            phase: match of.phase {
                Phase::Pending => 0,
                Phase::Firing => 1,
                Phase::Resolved => 2,
            },
            active_at: of.active_at,
            fired_at: of.fired_at,
            keep_firing_since: of.keep_firing_since,
            resolved_at: of.resolved_at,
            last_sent: of.last_sent,
            held_since: of.held_since,
        }
    }
}

impl PbInstance {
    fn read(self) -> Option<Instance> {
        Some(Instance {
            source: label_set(&self.source),
            annotations: label_set(&self.annotations),
            value: self.value,
            phase: match self.phase {
                0 => Phase::Pending,
                1 => Phase::Firing,
                2 => Phase::Resolved,
                _ => return None,
            },
            active_at: self.active_at,
            fired_at: self.fired_at,
            keep_firing_since: self.keep_firing_since,
            resolved_at: self.resolved_at,
            last_sent: self.last_sent,
            held_since: self.held_since,
            // Whoever takes the record in knows it from the record.
            version: Version::default(),
        })
    }
}

impl From<&GroupSummary> for PbSummary {
    fn from(of: &GroupSummary) -> Self {
        let ailing = of.ailing.iter().map(|one| PbAiling {
            rule: one.rule,
            error: one.error.clone(),
            missing: one.missing.clone(),
            held: one.held,
        });
        Self {
            owner: of.owner.to_string(),
            evaluated: of.evaluated,
            took: of.took,
            missed: of.missed,
            ailing: ailing.collect(),
            endpoints: of.endpoints.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<PbSummary> for GroupSummary {
    fn from(pb: PbSummary) -> Self {
        let ailing = pb.ailing.into_iter().map(|one| Ailing {
            rule: one.rule,
            error: one.error,
            missing: one.missing,
            held: one.held,
        });
        Self {
            owner: pb.owner.into(),
            evaluated: pb.evaluated,
            took: pb.took,
            missed: pb.missed,
            endpoints: pb.endpoints.into_iter().map(Arc::from).collect(),
            ailing: ailing.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels() -> impl Strategy<Value = LabelSet> {
        let pair = ("[a-c]{1,2}", "[a-cü]{0,3}");
        prop::collection::vec(pair, 0..4).prop_map(LabelSet::from_pairs)
    }

    fn time() -> impl Strategy<Value = Option<i64>> {
        prop::option::of(-5..5_i64)
    }

    prop_compose! {
        fn instance()(
            source in labels(), annotations in labels(), value in 0..3_u8,
            phase in prop::sample::select(vec![Phase::Pending, Phase::Firing, Phase::Resolved]),
            active_at in 0..3_i64,
            (fired_at, keep_firing_since, resolved_at, last_sent, held_since) in (time(), time(), time(), time(), time()),
        ) -> Instance {
            Instance {
                source, annotations, value: f64::from(value), phase, active_at, fired_at,
                keep_firing_since, resolved_at, last_sent, held_since, version: Version::default(),
            }
        }
    }

    fn summary() -> impl Strategy<Value = GroupSummary> {
        let ailing = (
            0..3_u32,
            "[a-b]{0,2}",
            prop::collection::vec("[a-b]", 0..2),
            0..3_u64,
        );
        let ailing = ailing.prop_map(|(rule, error, missing, held)| Ailing {
            rule,
            error,
            missing,
            held,
        });
        (
            "[a-b]{0,1}",
            any::<bool>(),
            prop::collection::vec(ailing, 0..3),
        )
            .prop_map(|(owner, evaluated, ailing)| GroupSummary {
                owner: owner.into(),
                evaluated,
                took: 7,
                missed: 1,
                endpoints: vec!["eu-a".into()],
                ailing,
            })
    }

    fn any_record() -> impl Strategy<Value = RuleRecord> {
        let value = prop_oneof![
            Just(RuleValue::Forgotten),
            instance().prop_map(RuleValue::Alert),
            summary().prop_map(RuleValue::Group),
        ];
        let node = prop::option::of("[a-b]{0,1}");
        (value, 0..3_u64, 0..3_i64, "[a-b]", labels(), node).prop_map(
            |(value, epoch, slot, name, labels, node)| {
                let node = node.map(Into::into);
                let group = GroupKey {
                    file: "rules.yml".into(),
                    name: "g".into(),
                };
                let rule = RuleKey {
                    alerting: true,
                    name: name.into(),
                    labels: labels.clone(),
                    number: 1,
                };
                RuleRecord {
                    key: match &value {
                        RuleValue::Group(_) => RuleRecordKey::group(node, group),
                        RuleValue::Forgotten | RuleValue::Alert(_) => {
                            RuleRecordKey::alert(node, group, rule, labels)
                        }
                    },
                    version: Version { epoch, slot },
                    interval: slot,
                    value,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(record in any_record()) {
            let bytes = encode_rule("t", &record);
            let record = RuleCopy::Whole(Arc::new(record));
            prop_assert_eq!(decode_rule(&bytes), Ok(("t".into(), record.clone())));
            let end = RuleCopy::End(RuleEnd { key: record.key(), version: record.version(), interval: 7 });
            let bytes = encode_rule_copy("t", &end);
            prop_assert_eq!(decode_rule(&bytes), Ok(("t".into(), end)));
        }

        #[test]
        fn merging_is_a_maximum_whatever_the_order(
            (records, shuffled) in prop::collection::vec(any_record(), 1..9)
                .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
            repeat in any::<prop::sample::Index>(),
        ) {
            let merged = |records: &[RuleRecord]| {
                let best = records.iter().max_by_key(|record| record.version());
                best.unwrap().value.clone()
            };
            let expect = merged(&records);
            prop_assert_eq!(&merged(&shuffled), &expect);
            let mut again = shuffled;
            again.push(records[repeat.index(records.len())].clone());
            prop_assert_eq!(&merged(&again), &expect);
            // An older epoch loses, whatever its slot.
            for one in &records {
                for other in records.iter().filter(|other| other.version.epoch < one.version.epoch) {
                    prop_assert!(other.version() < one.version());
                }
            }
        }

        #[test]
        fn hostile_records_never_panic(
            record in any_record(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = encode_rule("t", &record);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode_rule(&bytes);
            let _ = decode_rule(&bytes[..at]);
        }
    }
}
