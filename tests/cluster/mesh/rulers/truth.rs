//! What is true, and what a node hears of it: each group asks for one condition, of one partition.

use std::time::Duration;

use watchfire::{
    federation::Certainty,
    labels::LabelSet,
    promql::{Point, Sample},
    ruler::Answered,
};

/// The partitions.
const CLUSTERS: [&str; 2] = ["eu", "us"];

/// Something that keeps an answer away.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    /// Of which partition; of everything if `None`.
    pub(super) cluster: Option<usize>,
    /// For which host; for all if `None`.
    pub(super) host: Option<usize>,
    pub(super) from: Duration,
    pub(super) until: Duration,
    /// Whether it does not refuse, but lets whoever asks wait for as long as they do.
    pub(super) hangs: bool,
}

/// What is true.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// When the condition of each group holds, in Unix milliseconds; the ends are not within.
    pub(super) holds: Vec<Vec<(i64, i64)>>,
    pub(super) outages: Vec<Outage>,
    /// Whether the rules ask what the hosts measure of themselves: the conditions are those of the hosts, not of the groups.
    pub(super) own: bool,
}

impl Truth {
    /// The row in which the condition of a group holds at that time.
    pub(super) fn row(&self, group: usize, at: i64) -> Option<(i64, i64)> {
        let mut rows = self.holds[group].iter().copied();
        rows.find(|(from, to)| (*from..*to).contains(&at))
    }

    fn outages(&self, host: usize, clock: Duration) -> impl Iterator<Item = &Outage> {
        self.outages.iter().filter(move |outage| {
            outage.from <= clock && clock < outage.until && outage.host.is_none_or(|it| it == host)
        })
    }

    /// Whether something hangs that a host asks then: a rule asks all partitions.
    pub(super) fn hangs(&self, host: usize, clock: Duration) -> bool {
        self.outages(host, clock).any(|outage| outage.hangs)
    }

    /// What a host is answered about a slot.
    pub(super) fn answer(
        &self,
        group: usize,
        slot: i64,
        host: usize,
        clock: Duration,
    ) -> Result<Answered, String> {
        let cluster = group % CLUSTERS.len();
        let mut answered = Answered::default();
        for outage in self.outages(host, clock) {
            match outage.cluster {
                None => return Err("no endpoint answers".to_owned()),
                Some(missing) if missing == cluster => {
                    let hole = LabelSet::from_pairs([("cluster", CLUSTERS[cluster])]);
                    answered.missing = vec![format!("{hole:?} does not answer")];
                    answered.certainty = Certainty::without(vec![hole]);
                    return Ok(answered);
                }
                Some(_) => {}
            }
        }
        let row = if self.own { host } else { group };
        if self.row(row, slot).is_some() {
            answered.elements.push(Sample {
                labels: LabelSet::from_pairs([("cluster", CLUSTERS[cluster]), ("job", "j")]),
                time: slot,
                point: Point::Float(0.0),
            });
        }
        Ok(answered)
    }
}
