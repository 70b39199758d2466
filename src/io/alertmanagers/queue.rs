//! What waits for one Alertmanager.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{alert::Alert, labels::LabelSet, time::Timestamp};

/// Alerts that may wait; Prometheus's `--alertmanager.notification-queue-capacity`.
pub(super) const CAPACITY: usize = 10_000;

/// Alerts of one request; Prometheus's `--alertmanager.notification-batch-size`.
pub(super) const BATCH: usize = 256;

/// An alert that ended so long ago is of no use to anybody: as long as its end is told again.
const OF_USE: Duration = Duration::from_mins(15);

/// The latest state of each alert that an Alertmanager was not told of.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    alerts: BTreeMap<LabelSet, (u64, Alert)>,
    /// Their labels in the order in which they came.
    order: BTreeMap<u64, LabelSet>,
    next: u64,
}

impl Waiting {
    fn insert(&mut self, alert: Alert) {
        let place = match self.alerts.get(&alert.labels) {
            // What is newer goes in the place of what is older.
            Some((place, _)) => *place,
            None => {
                self.next += 1;
                self.next
            }
        };
        self.order.insert(place, alert.labels.clone());
        self.alerts.insert(alert.labels.clone(), (place, alert));
    }

    fn pop(&mut self) -> Option<Alert> {
        let (_, labels) = self.order.pop_first()?;
        self.alerts.remove(&labels).map(|(_, alert)| alert)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes alerts in; gives how many others had to go, those that waited longest.
    pub(super) fn push(&self, alerts: impl IntoIterator<Item = Alert>) -> usize {
        let mut waiting = self.lock();
        for alert in alerts {
            waiting.insert(alert);
        }
        let mut dropped = 0;
        while waiting.alerts.len() > CAPACITY {
            waiting.pop();
            dropped += 1;
        }
        drop(waiting);
        self.came.notify_one();
        dropped
    }

    /// Takes back alerts that could not be told, but for those of which there is a newer state. They go first.
    pub(super) fn put_back(&self, alerts: Vec<Alert>) -> usize {
        let mut waiting = self.lock();
        let newer = std::mem::take(&mut *waiting);
        for alert in alerts {
            waiting.insert(alert);
        }
        let Waiting {
            order, mut alerts, ..
        } = newer;
        for labels in order.into_values() {
            if let Some((_, alert)) = alerts.remove(&labels) {
                waiting.insert(alert);
            }
        }
        drop(waiting);
        self.push([])
    }

    /// The next alerts to be told, and how many were passed over because they ended long ago.
    pub(super) fn take(&self, now: Timestamp) -> (Vec<Alert>, usize) {
        let (mut batch, mut over) = (Vec::new(), 0);
        let mut waiting = self.lock();
        while batch.len() < BATCH
            && let Some(alert) = waiting.pop()
        {
            if alert.ends_at.plus(OF_USE) < now {
                over += 1;
            } else {
                batch.push(alert);
            }
        }
        (batch, over)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().alerts.len()
    }

    /// Waits until something came since the last time.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str, ends_at: i64) -> Alert {
        let labels = LabelSet::from_pairs([("alertname", name)]);
        Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: Timestamp::from_millis(0),
            ends_at: Timestamp::from_millis(ends_at),
            updated_at: Timestamp::from_millis(0),
            timeout: false,
        }
    }

    fn taken(queue: &Queue, now: i64) -> Vec<(String, i64)> {
        let (batch, _) = queue.take(Timestamp::from_millis(now));
        batch
            .iter()
            .map(|alert| {
                let name = alert.labels.value("alertname").to_owned();
                (name, alert.ends_at.unix_millis())
            })
            .collect()
    }

    #[test]
    fn the_latest_state_of_each_alert_waits_in_the_place_of_the_first() {
        let queue = Queue::default();
        queue.push([alert("a", 1), alert("b", 1)]);
        queue.push([alert("a", 2)]);
        assert_eq!(queue.len(), 2);
        assert_eq!(taken(&queue, 0), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert_eq!(taken(&queue, 0), []);
    }

    #[test]
    fn what_could_not_be_told_comes_first_unless_there_is_something_newer() {
        let queue = Queue::default();
        queue.push([alert("a", 1), alert("b", 1)]);
        let (batch, _) = queue.take(Timestamp::from_millis(0));
        queue.push([alert("c", 1), alert("a", 2)]);
        queue.put_back(batch);
        let told = taken(&queue, 0);
        assert_eq!(
            told,
            [
                ("a".to_owned(), 2),
                ("b".to_owned(), 1),
                ("c".to_owned(), 1)
            ]
        );
    }

    #[test]
    fn those_that_waited_longest_go_where_there_are_too_many() {
        let queue = Queue::default();
        let many = (0..CAPACITY + 3).map(|number| alert(&format!("{number:05}"), 1));
        assert_eq!(queue.push(many), 3);
        assert_eq!((queue.len(), taken(&queue, 0).len()), (CAPACITY, BATCH));
        let back = (0..BATCH + 5).map(|number| alert(&format!("back {number}"), 1));
        assert_eq!(queue.put_back(back.collect()), 5);
    }

    #[test]
    fn what_ended_long_ago_is_told_to_nobody() {
        let queue = Queue::default();
        queue.push([alert("old", 1_000), alert("new", 60_000)]);
        let now = Timestamp::from_millis(15 * 60_000 + 1_001);
        let (batch, over) = queue.take(now);
        assert_eq!((batch.len(), over), (1, 1));
    }
}
