//! The series that one rule writes, and which of them ended (Prometheus's `rules/recording.go` and the staleness of
//! `rules/group.go`).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    labels::LabelSet,
    promql::{Point, STALE},
};

/// A sample that a rule writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The labels of its series, the name among them.
    pub labels: LabelSet,
    /// Unix milliseconds.
    pub time: i64,
    /// Its value; a series that ended gets a stale marker.
    pub point: Point,
}

/// An element of a result under the labels of the series that it becomes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recorded {
    /// Its labels in the result.
    pub(super) source: LabelSet,
    /// The labels of the series.
    pub(super) labels: LabelSet,
    /// Its value.
    pub(super) point: Point,
}

/// Two elements of a result became one series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("vector contains metrics with the same labelset after applying rule labels")]
pub(super) struct SameSeries;

/// The series that a rule wrote last, by their labels, each with the labels of the element that it was made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alive {
    series: BTreeMap<LabelSet, LabelSet>,
}

impl Alive {
    /// The samples of a result at `time`, with the ends of series that are certain to have ended.
    ///
    /// # Errors
    /// When two elements have the same labels; nothing changes then.
    pub(super) fn write(
        &mut self,
        time: i64,
        recorded: Vec<Recorded>,
        certain: &dyn Fn(&LabelSet) -> bool,
    ) -> Result<Vec<Written>, SameSeries> {
        let mut now = BTreeMap::new();
        let mut written = Vec::with_capacity(recorded.len());
        for Recorded {
            source,
            labels,
            point,
        } in recorded
        {
            if now.insert(labels.clone(), source).is_some() {
                return Err(SameSeries);
            }
            written.push(Written {
                labels,
                time,
                point,
            });
        }
        for (labels, source) in std::mem::take(&mut self.series) {
            if now.contains_key(&labels) {
                continue;
            }
            if certain(&source) {
                written.push(Written::end(labels, time));
            } else {
                now.insert(labels, source);
            }
        }
        self.series = now;
        Ok(written)
    }

    /// The ends at `time` of series that go on and are not among what was written.
    pub(super) fn unwritten(&self, written: &[Written], time: i64) -> Vec<Written> {
        let written: BTreeSet<&LabelSet> = written.iter().map(|one| &one.labels).collect();
        let left = self.series.keys();
        let left = left.filter(|labels| !written.contains(labels));
        left.map(|labels| Written::end(labels.clone(), time))
            .collect()
    }

    /// Takes in series that somebody else wrote, so that they end here.
    pub(super) fn follow(&mut self, recorded: Vec<Recorded>) {
        let series = recorded.into_iter().map(|one| (one.labels, one.source));
        self.series.extend(series);
    }

    /// The ends of all series, as when their rule is gone.
    pub(super) fn end(&mut self, time: i64) -> Vec<Written> {
        let series = std::mem::take(&mut self.series);
        let ended = series.into_keys();
        ended.map(|labels| Written::end(labels, time)).collect()
    }
}

impl Written {
    fn end(labels: LabelSet, time: i64) -> Self {
        Self {
            labels,
            time,
            point: Point::Float(STALE),
        }
    }
}
