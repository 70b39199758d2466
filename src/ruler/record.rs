//! What nodes keep of rules together: the state of each alert as of its last transition, and of each group who evaluates
//! it and what came of its last slot.
//!
//! Of two copies of a record the greater [`RuleVersion`] holds, so merging is a maximum and order does not matter. Values
//! that change with every evaluation are not told: whoever takes a group over evaluates it anyway.

use std::{collections::BTreeSet, sync::Arc};

use xxhash_rust::xxh64::Xxh64;

use super::{
    alerting::{Instance, Phase, RESOLVED_KEPT, Version},
    owner::Members,
    set::{GroupKey, RuleKey},
};
use crate::{cluster::NodeName, labels::LabelSet};

/// How long a record counts after the slot that follows its own; milliseconds. Owners write their alerts again before that
/// ([`WRITTEN_AGAIN`]), so what expires is of rules that nobody has any more, or was forgotten.
const COUNTS: i64 = 24 * 3600 * 1000;

/// How old the record of an alert becomes before its owner writes it again, unchanged; milliseconds.
pub(super) const WRITTEN_AGAIN: i64 = COUNTS / 2;

/// Bytes of an error or of a reason why a partition is missing that are told.
const TEXT: usize = 300;
/// Partitions told as missing, of one rule.
const MISSING: usize = 16;

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRecordKey {
    /// The node, of a group that each node evaluates for itself.
    pub node: Option<NodeName>,
    /// The group.
    pub group: GroupKey,
    /// The rule and the labels of its alert; `None` if the record is about the group itself.
    pub alert: Option<(RuleKey, LabelSet)>,
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleRecord {
    /// What it is about.
    pub key: RuleRecordKey,
    /// Under which owner it was written, and in which slot.
    pub version: Version,
    /// That of its group; milliseconds. 0 if an older program wrote it.
    pub interval: i64,
    /// What is known.
    pub value: RuleValue,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleValue {
    /// The alert is no more.
    Forgotten,
    /// The alert, as of its last transition.
    Alert(Instance),
    /// The group.
    Group(GroupSummary),
}

/// A group as its owner saw it after its last slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSummary {
    /// The node that evaluates it; empty on a node outside of meshes.
    pub owner: Arc<str>,
    /// Whether the slot of the record was evaluated; otherwise it says only who owns the group.
    pub evaluated: bool,
    /// How long the slot took; milliseconds.
    pub took: i64,
    /// Slots that passed without an evaluation, since its owner has it.
    pub missed: u64,
    /// The endpoints that answered in the slot, by name; the first of them.
    pub endpoints: Vec<Arc<str>>,
    /// Those of its rules of which there is something to say, in order.
    pub ailing: Vec<Ailing>,
}

/// A rule whose last evaluation failed, or lacked something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ailing {
    /// Its place in the group.
    pub rule: u32,
    /// Its error; empty if it succeeded. Its beginning only, if it is long.
    pub error: String,
    /// The partitions that did not answer, with their reasons; the first of them.
    pub missing: Vec<String>,
    /// How many of its elements are as they were because of them.
    pub held: u64,
}

/// What decides between two copies of a record: the owner's epoch, the slot, and for what should never be, the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleVersion {
    version: Version,
    contents: u64,
}

/// What is left of the record of an alert that ended so long ago that nobody needs to know what it was: that it is no more,
/// lest whoever was away brings it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleEnd {
    /// The hash of what it is about.
    pub key: u64,
    /// What decides between it and another copy: that of the record.
    pub version: RuleVersion,
    /// As of the record.
    pub interval: i64,
}

/// A record, or what is left of it.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleCopy {
    /// All of it.
    Whole(Arc<RuleRecord>),
    /// Its alert ended long ago.
    End(RuleEnd),
}

/// What the node tells its ruler.
#[derive(Clone, Debug, PartialEq)]
pub enum RulerNews {
    /// Records of before the start or of other nodes.
    Records(Vec<Arc<RuleRecord>>),
    /// Who is there to evaluate rules.
    Members(Members),
    /// By how many milliseconds this node's clock is to be put forward, to be right. Rules go by that.
    Clock(i64),
}

/// What a ruler says of its rules: hashes of its components ([`super::RuleSet::hashes`]).
pub type RuleHashes = Arc<BTreeSet<u64>>;

impl RuleRecord {
    /// What decides between it and another copy.
    #[must_use]
    pub fn version(&self) -> RuleVersion {
        let mut contents = Contents::new();
        match &self.value {
            RuleValue::Forgotten => contents.number(0),
            RuleValue::Alert(instance) => {
                contents.number(1);
                contents.instance(instance);
            }
            RuleValue::Group(summary) => {
                contents.number(2);
                contents.summary(summary);
            }
        }
        RuleVersion {
            version: self.version,
            contents: contents.finish(),
        }
    }

    /// Whether it says of an alert that it ended, and did so long ago.
    fn ended(&self, now: i64) -> bool {
        let ended = match &self.value {
            RuleValue::Forgotten => true,
            RuleValue::Alert(instance) => instance.is_over(now),
            RuleValue::Group(_) => false,
        };
        ended && self.version.is_settled(self.interval, now)
    }

    /// Whether nobody needs it any more at `now`; Unix milliseconds.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        self.version.is_over(self.interval, now)
    }
}

impl RuleCopy {
    /// A record at `now`, or what is needed of it; Unix milliseconds.
    #[must_use]
    pub fn of(record: Arc<RuleRecord>, now: i64) -> Self {
        match record.ended(now) {
            true => Self::End(RuleEnd {
                key: record.key.hash(),
                version: record.version(),
                interval: record.interval,
            }),
            false => Self::Whole(record),
        }
    }

    /// The hash of what it is about.
    #[must_use]
    pub fn key(&self) -> u64 {
        match self {
            Self::Whole(record) => record.key.hash(),
            Self::End(end) => end.key,
        }
    }

    /// What decides between it and another copy.
    #[must_use]
    pub fn version(&self) -> RuleVersion {
        match self {
            Self::Whole(record) => record.version(),
            Self::End(end) => end.version,
        }
    }

    /// Whether nobody needs it any more at `now`; Unix milliseconds.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        match self {
            Self::Whole(record) => record.is_over(now),
            Self::End(end) => end.version.version.is_over(end.interval, now),
        }
    }

    /// The record, if all of it is there.
    #[must_use]
    pub fn whole(&self) -> Option<&Arc<RuleRecord>> {
        match self {
            Self::Whole(record) => Some(record),
            Self::End(_) => None,
        }
    }
}

impl Version {
    /// Whether what is said under it of the end of an alert, in a group of that interval, is told by now, and answers that were
    /// awaited then came; all in milliseconds.
    pub(super) fn is_settled(self, interval: i64, now: i64) -> bool {
        let settled = self.slot.saturating_add(interval);
        settled.saturating_add(RESOLVED_KEPT) < now
    }

    /// Whether what is said under it of a group of that interval counts no more at `now`; all in milliseconds.
    pub(super) fn is_over(self, interval: i64, now: i64) -> bool {
        self.slot.saturating_add(interval).saturating_add(COUNTS) <= now
    }
}

impl RuleRecordKey {
    /// Of a group.
    #[must_use]
    pub fn group(node: Option<NodeName>, group: GroupKey) -> Self {
        let alert = None;
        Self { node, group, alert }
    }

    /// Of an alert.
    #[must_use]
    pub fn alert(node: Option<NodeName>, group: GroupKey, rule: RuleKey, labels: LabelSet) -> Self {
        let alert = Some((rule, labels));
        Self { node, group, alert }
    }

    /// A hash of it, the same on all nodes.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut contents = Contents::new();
        contents.text(&self.group.file);
        contents.text(&self.group.name);
        if let Some((rule, labels)) = &self.alert {
            contents.number(u64::from(rule.alerting));
            contents.text(&rule.name);
            contents.size(rule.number);
            contents.labels(&rule.labels);
            contents.labels(labels);
        }
        if let Some(node) = &self.node {
            contents.text("node");
            contents.text(node);
        }
        contents.finish()
    }
}

impl RuleVersion {
    /// Of its parts: under which owner and in which slot it was written, and a hash of the contents.
    #[must_use]
    pub fn new(version: Version, contents: u64) -> Self {
        Self { version, contents }
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> (Version, u64) {
        (self.version, self.contents)
    }

    /// A hash of it.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut contents = Contents::new();
        contents.number(self.version.epoch);
        contents.time(Some(self.version.slot));
        contents.number(self.contents);
        contents.finish()
    }
}

/// Hashes parts that cannot run into each other, alike on all machines.
pub(super) struct Contents(Xxh64);

impl Contents {
    pub(super) fn new() -> Self {
        Self(Xxh64::new(0))
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(super) fn size(&mut self, size: usize) {
        self.number(u64::try_from(size).unwrap_or(u64::MAX));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.size(text.len());
        self.0.update(text.as_bytes());
    }

    pub(super) fn labels(&mut self, labels: &LabelSet) {
        self.size(labels.len());
        for (name, value) in labels {
            self.text(name);
            self.text(value);
        }
    }

    pub(super) fn time(&mut self, time: Option<i64>) {
        self.number(u64::from(time.is_some()));
        self.number(time.unwrap_or_default().cast_unsigned());
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.digest()
    }

    fn instance(&mut self, of: &Instance) {
        self.labels(&of.source);
        self.labels(&of.annotations);
        self.number(of.value.to_bits());
        self.number(match of.phase {
            Phase::Pending => 0,
            Phase::Firing => 1,
            Phase::Resolved => 2,
        });
        let times = [
            Some(of.active_at),
            of.fired_at,
            of.keep_firing_since,
            of.resolved_at,
            of.last_sent,
            of.held_since,
        ];
        for time in times {
            self.time(time);
        }
    }

    fn summary(&mut self, of: &GroupSummary) {
        self.text(&of.owner);
        self.number(u64::from(of.evaluated));
        self.time(Some(of.took));
        self.number(of.missed);
        self.size(of.endpoints.len());
        for name in &of.endpoints {
            self.text(name);
        }
        self.size(of.ailing.len());
        for one in &of.ailing {
            self.number(u64::from(one.rule));
            self.text(&one.error);
            self.number(one.held);
            self.size(one.missing.len());
            for text in &one.missing {
                self.text(text);
            }
        }
    }
}

impl Ailing {
    /// What is told of a rule; `None` if all is well with it.
    pub(super) fn of(rule: usize, error: &str, missing: &[String], held: usize) -> Option<Self> {
        if error.is_empty() && missing.is_empty() && held == 0 {
            return None;
        }
        let missing = missing.iter().take(MISSING);
        Some(Self {
            rule: u32::try_from(rule).ok()?,
            error: beginning(error),
            missing: missing.map(|text| beginning(text)).collect(),
            held: u64::try_from(held).unwrap_or(u64::MAX),
        })
    }
}

fn beginning(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT)].to_owned()
}
