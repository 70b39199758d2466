//! The newest entries, bounded in number and in bytes. `Clone` is O(1) and gives a reader its own snapshot.

use std::sync::Arc;

use imbl::Vector;

use super::{
    entry::HistoryEntry,
    query::{HistoryPage, HistoryQuery},
};

/// Bounds on the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// `--history.max-entries`; 0 keeps none.
    pub max_entries: usize,
    /// `--history.max-bytes`.
    pub max_bytes: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            max_entries: 10_000,
            max_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The history of one node, the oldest entry first.
#[derive(Clone, Debug, Default)]
pub struct History {
    limits: HistoryLimits,
    entries: Vector<Arc<HistoryEntry>>,
    bytes: usize,
    last_id: u64,
}

impl History {
    /// Makes an empty history.
    #[must_use]
    pub fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adds an entry, bounded and with its id; the oldest ones make room. Returns what to persist.
    pub fn push(&mut self, mut entry: HistoryEntry) -> Arc<HistoryEntry> {
        self.last_id += 1;
        entry.id = self.last_id;
        entry.bound();
        let entry = Arc::new(entry);
        self.append(entry.clone());
        entry
    }

    /// Puts back entries from disk, in any order; those that are there already are left out.
    pub fn restore(&mut self, entries: impl IntoIterator<Item = HistoryEntry>) {
        let mut all: Vec<Arc<HistoryEntry>> = self.entries.iter().cloned().collect();
        all.extend(entries.into_iter().map(|mut entry| {
            entry.bound();
            Arc::new(entry)
        }));
        all.sort_by_key(|entry| entry.id);
        all.dedup_by_key(|entry| entry.id);
        self.entries = Vector::new();
        self.bytes = 0;
        for entry in all {
            self.last_id = self.last_id.max(entry.id);
            self.append(entry);
        }
    }

    /// A page of entries, the newest first.
    #[must_use]
    pub fn query(&self, query: &HistoryQuery) -> HistoryPage {
        let limit = if query.limit == 0 {
            usize::MAX
        } else {
            query.limit
        };
        let mut found = self
            .entries
            .iter()
            .rev()
            .skip_while(|entry| query.before.is_some_and(|before| entry.id >= before))
            .filter(|entry| query.accepts(entry));
        let entries: Vec<_> = found.by_ref().take(limit).cloned().collect();
        let next = found
            .next()
            .and_then(|_| entries.last().map(|entry| entry.id));
        HistoryPage { entries, next }
    }

    /// The entry of that id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Arc<HistoryEntry>> {
        let index = self.entries.binary_search_by_key(&id, |entry| entry.id);
        self.entries.get(index.ok()?)
    }

    /// The id of the oldest entry; whatever lies below may be removed from disk.
    #[must_use]
    pub fn oldest_id(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.id)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory that the entries take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn append(&mut self, entry: Arc<HistoryEntry>) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > self.limits.max_entries || self.bytes > self.limits.max_bytes {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        history::{MAX_ENTRY_BYTES, Outcome},
        labels::{Fingerprint, LabelSet, MatchOp, Matcher},
        time::Timestamp,
    };

    fn entry(seconds: i64, receiver: &str) -> HistoryEntry {
        HistoryEntry {
            id: 0,
            tenant: "anonymous".into(),
            at: Timestamp::from_unix(seconds, 0),
            receiver: receiver.into(),
            integration: "webhook".into(),
            index: 0,
            group_key: "{}:{}".into(),
            group_labels: LabelSet::from_pairs([("team", receiver)]),
            status: "firing".into(),
            reason: "first notification".into(),
            outcome: Outcome::Sent,
            attempts: 1,
            error: "".into(),
            duration: Duration::from_millis(5),
            firing: 1,
            resolved: 0,
            fingerprints: vec![Fingerprint(1)],
            node: "n".into(),
            seq: 1,
            idempotency_key: "K".into(),
        }
    }

    fn ids(page: &HistoryPage) -> Vec<u64> {
        page.entries.iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn keeps_the_newest_within_both_bounds() {
        let limits = |max_entries, max_bytes| HistoryLimits {
            max_entries,
            max_bytes,
        };
        let mut history = History::new(limits(3, 1 << 20));
        for i in 0..10 {
            assert_eq!(history.push(entry(i, "r")).id, i.cast_unsigned() + 1);
        }
        assert_eq!(ids(&history.query(&HistoryQuery::default())), [10, 9, 8]);
        assert_eq!(history.oldest_id(), Some(8));
        let one = history.get(9).unwrap().bytes();
        assert_eq!(history.bytes(), 3 * one);
        assert!(history.get(7).is_none());

        let mut history = History::new(limits(100, 5 * one));
        (0..10).for_each(|i| drop(history.push(entry(i, "r"))));
        assert_eq!(history.len(), 5);
        let mut none = History::new(limits(0, 1 << 20));
        none.push(entry(0, "r"));
        assert_eq!((none.is_empty(), none.bytes()), (true, 0));
    }

    #[test]
    fn pages_and_filters() {
        let mut history = History::new(HistoryLimits::default());
        for i in 0..9 {
            let mut entry = entry(i, ["a", "b", "c"][usize::try_from(i % 3).unwrap()]);
            if i > 5 {
                entry.outcome = Outcome::Failed;
                entry.integration = "email".into();
            }
            history.push(entry);
        }
        let all = HistoryQuery::default;
        let of = |query| ids(&history.query(&query));
        let receiver = Some("a".to_owned());
        assert_eq!(of(HistoryQuery { receiver, ..all() }), [7, 4, 1]);
        let integration = Some("email".to_owned());
        assert_eq!(
            of(HistoryQuery {
                integration,
                ..all()
            }),
            [9, 8, 7]
        );
        let outcome = Some(Outcome::Failed);
        assert_eq!(of(HistoryQuery { outcome, ..all() }), [9, 8, 7]);
        let matchers = vec![Matcher::new(MatchOp::Regex, "team", "a|b").unwrap()];
        assert_eq!(of(HistoryQuery { matchers, ..all() }), [8, 7, 5, 4, 2, 1]);
        let (since, until) = (
            Some(Timestamp::from_unix(2, 0)),
            Some(Timestamp::from_unix(3, 0)),
        );
        assert_eq!(
            of(HistoryQuery {
                since,
                until,
                ..all()
            }),
            [4, 3]
        );

        let mut before = None;
        let mut pages = Vec::new();
        loop {
            let page = history.query(&HistoryQuery {
                limit: 4,
                before,
                ..all()
            });
            pages.push(ids(&page));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec![9, 8, 7, 6], vec![5, 4, 3, 2], vec![1]]);
    }

    #[test]
    fn comes_back_in_order_and_goes_on_counting() {
        let mut history = History::new(HistoryLimits::default());
        let saved: Vec<HistoryEntry> = (0..5)
            .map(|i| HistoryEntry::clone(&history.push(entry(i, "r"))))
            .collect();
        let mut restored = History::new(HistoryLimits {
            max_entries: 4,
            ..HistoryLimits::default()
        });
        restored.restore(saved.iter().rev().cloned());
        restored.restore(saved);
        assert_eq!(ids(&restored.query(&HistoryQuery::default())), [5, 4, 3, 2]);
        assert_eq!(restored.push(entry(9, "r")).id, 6);
    }

    #[test]
    fn an_entry_has_a_hard_bound() {
        let mut history = History::new(HistoryLimits::default());
        let long = "ü".repeat(100_000);
        let mut huge = entry(0, "r");
        for text in [
            &mut huge.tenant,
            &mut huge.receiver,
            &mut huge.integration,
            &mut huge.group_key,
            &mut huge.status,
            &mut huge.reason,
            &mut huge.error,
            &mut huge.node,
            &mut huge.idempotency_key,
        ] {
            *text = long.as_str().into();
        }
        huge.fingerprints = (0..1000).map(Fingerprint).collect();
        let labels = (0..2000).map(|i| (format!("label{i}"), &*long));
        huge.group_labels = LabelSet::from_pairs(labels);
        let bound = history.push(huge);
        assert!(bound.bytes() <= MAX_ENTRY_BYTES, "{}", bound.bytes());
        assert_eq!(bound.fingerprints.len(), 20);
        assert!(bound.error.ends_with("ü…") && !bound.group_labels.is_empty());
    }
}
