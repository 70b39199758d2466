//! What nodes know of rules together: merged, saved behind, told to other nodes, and handed to this node's ruler with who
//! is there to evaluate.
//!
//! A node without rules keeps it as well: whoever evaluates may lose its disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use imbl::OrdMap;

use super::{Record, Tenant};
use crate::{
    cluster::NodeName,
    ruler::{Members, RuleCopy, RuleHashes, RuleRecord, RuleValue, RulerNews},
    storage::{Key, encode_rule_copy},
    time::Now,
};

/// The most records; a node that has so many takes no new ones, and alerts beyond go on where they are evaluated only.
const MAX_RECORDS: usize = 500_000;

/// Records handed to the store in one step of the loop.
const SAVED_PER_STEP: usize = 200;

/// How often it is looked for what is over, and for alerts that ended long ago.
const COLLECTED_EVERY: Duration = Duration::from_secs(120);

/// Records looked at in one step of the loop.
const COLLECTED_PER_STEP: usize = 2000;

/// A node whose stream ended evaluates on for so long, unless it is known to be gone: streams are dialled again at once.
pub(super) const REDIALLED_WITHIN: Duration = Duration::from_secs(3);

/// So long after a node is ready it takes its rules: those that are ready at the same moment hear of each other first.
const TAKES_AFTER: Duration = Duration::from_secs(1);

/// Another node that evaluates rules.
#[derive(Debug, Clone)]
pub(super) struct OtherRuler {
    pub(super) hashes: RuleHashes,
    pub(super) run: u64,
    /// When its stream ended; monotonic.
    pub(super) lost: Option<Duration>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct RuleStates {
    /// By the hash of what they are about; of alerts that ended long ago the disk may have more.
    records: OrdMap<u64, RuleCopy>,
    /// Those that the disk does not have as they are.
    unsaved: BTreeSet<u64>,
    /// What this node's ruler has; `None` if there is none.
    own: Option<RuleHashes>,
    /// What the ruler is not told yet.
    news: Vec<Arc<RuleRecord>>,
    /// Who evaluates, but for this node.
    pub(super) others: BTreeMap<NodeName, OtherRuler>,
    /// Whether that may have changed since the ruler was told, and what it was told.
    members_changed: bool,
    told: Option<Members>,
    /// When this node takes its rules; monotonic. `None` as soon as it has, and as long as it is not ready.
    takes_at: Option<Duration>,
    /// When what is over is looked for next; monotonic.
    collect_due: Duration,
    /// Where dropping what is over goes on, while it is under way.
    pub(super) cursor: Option<u64>,
    /// Whether it was said that there is no room.
    full: bool,
}

/// A record was taken in.
struct Merged {
    /// What that is to whoever has its rules.
    news: Option<Arc<RuleRecord>>,
}

impl RuleStates {
    /// All records; cheap to clone.
    pub(super) fn all(&self) -> &OrdMap<u64, RuleCopy> {
        &self.records
    }

    /// Has the ruler told who is there, if that changed.
    pub(super) fn members_change(&mut self) {
        self.members_changed = true;
    }

    /// What this node's ruler has, for other nodes.
    pub(super) fn own(&self) -> Option<&RuleHashes> {
        self.own.as_ref()
    }

    /// When another node counts as gone, if it does not come back, or this one takes its rules.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let lost = self.others.values().filter_map(|other| other.lost);
        let lost = lost.min().map(|lost| lost + REDIALLED_WITHIN);
        lost.into_iter().chain(self.takes_at).min()
    }

    /// When what is over is looked for next.
    pub(super) fn collected_next(&self) -> Duration {
        match self.records.is_empty() {
            true => Duration::MAX,
            false => self.collect_due,
        }
    }

    /// Takes in whether this node is ready.
    pub(super) fn set_ready(&mut self, ready: bool, now: Now) {
        self.takes_at = ready.then(|| now.mono + TAKES_AFTER);
        self.members_changed = true;
    }

    /// Does what is due.
    pub(super) fn take_in_time(&mut self, now: Now) {
        if self.takes_at.take_if(|at| *at <= now.mono).is_some() {
            self.members_changed = true;
        }
    }

    pub(super) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// See [`crate::node::Node::sizes`].
    pub(super) fn sizes(&self) -> [(&'static str, usize); 3] {
        [
            ("rule records to write", self.unsaved.len()),
            ("rule records for the ruler", self.news.len()),
            ("rulers", self.others.len()),
        ]
    }

    /// Whether there is a ruler that has rules: others need no news.
    fn is_asked(&self) -> bool {
        self.own.as_ref().is_some_and(|own| !own.is_empty())
    }

    /// Takes a record in if it is greater than what is there; gives what the ruler is to be told of it then.
    fn merge(&mut self, copy: RuleCopy, now: i64) -> Option<Merged> {
        if copy.is_over(now) {
            return None;
        }
        let key = copy.key();
        let news = match (&copy, self.records.get(&key)) {
            (_, Some(known)) if known.version() >= copy.version() => return None,
            (RuleCopy::Whole(record), _) => Some(Arc::clone(record)),
            (RuleCopy::End(end), Some(RuleCopy::Whole(known))) => Some(Arc::new(RuleRecord {
                version: end.version.parts().0,
                value: RuleValue::Forgotten,
                ..RuleRecord::clone(known)
            })),
            // Who never heard of it has nothing of it.
            (RuleCopy::End(_), _) => None,
        };
        match self.records.get(&key) {
            Some(_) => {}
            None if self.records.len() >= MAX_RECORDS => {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::error!(
                        records = MAX_RECORDS,
                        "There are so many alerts of rules that more are not kept: their state is lost with the node that evaluates them"
                    );
                }
                return None;
            }
            None => {}
        }
        self.records.insert(key, copy);
        self.unsaved.insert(key);
        Some(Merged { news })
    }

    /// Drops some of what is over, and what nobody needs of alerts that ended long ago, from `from` on; gives where to go on.
    fn collect(&mut self, from: u64, now: i64) -> Option<u64> {
        let mut last = None;
        let (mut over, mut ended) = (Vec::new(), Vec::new());
        for (key, record) in self.records.range(from..).take(COLLECTED_PER_STEP) {
            last = Some(*key);
            if record.is_over(now) {
                over.push(*key);
            } else if let RuleCopy::Whole(record) = record {
                let copy = RuleCopy::of(Arc::clone(record), now);
                ended.extend(copy.whole().is_none().then_some((*key, copy)));
            }
        }
        for (key, copy) in ended {
            self.records.insert(key, copy);
        }
        for key in over {
            self.records.remove(&key);
            self.unsaved.insert(key);
            self.full = false;
        }
        last.and_then(|last| last.checked_add(1))
    }
}

impl Tenant {
    /// Takes in what rules this node's ruler has; it is then told all that is known, and who is there. One that has none,
    /// as after it ended by a bug, is told nothing.
    pub fn describe_rules(&mut self, hashes: RuleHashes) {
        self.rules.own = Some(hashes);
        let records = self.rules.records.values().filter_map(RuleCopy::whole);
        let records = records.filter(|record| self.concerns(record));
        self.rules.news = match self.rules.is_asked() {
            true => records.map(Arc::clone).collect(),
            false => Vec::new(),
        };
        self.rules.told = None;
        self.rules.members_change();
        self.tell_facts();
    }

    /// Takes in what this node's ruler says of rules, and tells the others.
    pub fn keep_rules(&mut self, records: Vec<RuleRecord>, now: Now) {
        for record in records {
            let record = Arc::new(record);
            let copy = RuleCopy::Whole(Arc::clone(&record));
            if self.rules.merge(copy, now.wall.unix_millis()).is_some() {
                self.tell_rule(&record);
                self.persistence.changed(now);
            }
        }
    }

    /// Takes in what another node says of rules; tells whether it is news.
    pub(super) fn merge_rule(&mut self, copy: RuleCopy, now: Now) -> bool {
        let Some(merged) = self.rules.merge(copy, now.wall.unix_millis()) else {
            return false;
        };
        self.persistence.changed(now);
        if self.rules.is_asked() {
            let news = merged.news.filter(|record| self.concerns(record));
            self.rules.news.extend(news);
        }
        true
    }

    /// Whether a record is of no other node alone.
    fn concerns(&self, record: &RuleRecord) -> bool {
        let node = record.key.node.as_ref();
        node.is_none_or(|node| *node == self.settings.node)
    }

    /// Continues from what was saved.
    pub(super) fn restore_rules(&mut self, records: Vec<RuleCopy>, now: Now) {
        let now = now.wall.unix_millis();
        for copy in records {
            let key = copy.key();
            let copy = match copy {
                RuleCopy::Whole(record) => RuleCopy::of(record, now),
                end @ RuleCopy::End(_) => end,
            };
            if self.rules.merge(copy, now).is_some() {
                self.rules.unsaved.remove(&key);
            } else if !self.rules.records.contains_key(&key) {
                self.rules.unsaved.insert(key);
            }
        }
    }

    /// The next records for the store.
    pub(super) fn rule_records(&mut self) -> Vec<Record> {
        let tenant = &self.settings.tenant;
        let mut records = Vec::new();
        while records.len() < SAVED_PER_STEP
            && let Some(key) = self.rules.unsaved.pop_first()
        {
            let record = self.rules.records.get(&key);
            let value = record.map(|record| encode_rule_copy(tenant, record));
            records.push((Key::rule(tenant, key), value));
        }
        records
    }

    /// Does one bounded step of dropping what is over.
    pub(super) fn collect_rules(&mut self, now: Now) {
        if self.rules.collect_due <= now.mono {
            self.rules.collect_due = now.mono + COLLECTED_EVERY;
            self.rules.cursor.get_or_insert(0);
        }
        if let Some(cursor) = self.rules.cursor.take() {
            self.rules.cursor = self.rules.collect(cursor, now.wall.unix_millis());
            if self.rules.has_unsaved() {
                self.persistence.changed(now);
            }
        }
    }

    /// What the ruler is to be told next.
    pub(super) fn ruler_news(&mut self) -> Option<RulerNews> {
        if !self.rules.is_asked() {
            return None;
        }
        if !self.rules.news.is_empty() {
            return Some(RulerNews::Records(std::mem::take(&mut self.rules.news)));
        }
        if !std::mem::take(&mut self.rules.members_changed) {
            return None;
        }
        let others = self.rules.others.iter();
        let members = Members {
            me: NodeName::clone(&self.settings.node),
            ready: self.is_ready() && !self.stopping && self.rules.takes_at.is_none(),
            others: others
                .map(|(name, other)| (NodeName::clone(name), RuleHashes::clone(&other.hashes)))
                .collect(),
        };
        if self.rules.told.as_ref() == Some(&members) {
            return None;
        }
        self.rules.told = Some(members.clone());
        Some(RulerNews::Members(members))
    }
}
