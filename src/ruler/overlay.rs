//! What rules wrote and rules read: results are visible to later rules of the same slot at once, without a round trip
//! through a database, and without one at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::recording::Written;
use crate::{
    federation::{Local, Recent},
    labels::{LabelSet, Matcher},
    promql::Series,
};

/// Samples of metrics that rules read, by name, as long as they can be read. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    recent: Recent,
    /// How far back each name is read; milliseconds.
    reach: Arc<BTreeMap<String, i64>>,
    names: Arc<BTreeSet<String>>,
    /// The labels that samples get where they are written to servers.
    external: LabelSet,
}

impl Overlay {
    /// Says which names are kept, and how many milliseconds each is read back; others are dropped. What is written gets
    /// `external` labels.
    pub fn keep(&mut self, reach: BTreeMap<String, i64>, external: LabelSet) {
        self.external = external;
        self.recent.retain(|name| reach.contains_key(name));
        self.names = Arc::new(reach.keys().cloned().collect());
        self.reach = Arc::new(reach);
    }

    /// Takes in what a rule wrote, as far as somebody reads it.
    pub fn write(&mut self, written: &[Written]) {
        for sample in written {
            let name = sample.labels.value("__name__");
            let Some(reach) = self.reach.get(name).copied() else {
                continue;
            };
            let from = sample.time.saturating_sub(reach);
            // A slot that is evaluated again wrote it already.
            self.recent
                .push(&sample.labels, sample.time, &sample.point, from);
        }
    }

    /// Takes in what a rule wrote before what is here, as far as somebody reads it.
    pub fn fill(&mut self, written: Vec<Series>) {
        let of_read = |one: &Series| self.reach.contains_key(one.labels.value("__name__"));
        let read = written.into_iter().filter(of_read);
        read.collect::<Vec<_>>()
            .into_iter()
            .for_each(|one| self.recent.fill(one));
    }

    /// Drops series that nobody can see any more who looks at `earliest` or later.
    pub fn forget(&mut self, earliest: i64) {
        for (name, reach) in &*self.reach {
            self.recent.forget(name, earliest.saturating_sub(*reach));
        }
    }
}

impl Local for Overlay {
    fn names(&self) -> Option<Arc<BTreeSet<String>>> {
        Some(Arc::clone(&self.names))
    }

    fn copied(&self) -> LabelSet {
        self.external.clone()
    }

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        self.recent.select(matchers, from, to)
    }
}
