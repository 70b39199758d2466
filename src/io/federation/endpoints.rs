//! The endpoints of a configuration by partition.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    context::Context,
    endpoint::Endpoint,
    freshness::{Freshness, freshen},
    identity::Identity,
    stats::RequestStats,
};
use crate::{
    config::EndpointConfig,
    federation::{Dialect, Partition, Pushdown, Speech, World},
    labels::LabelSet,
};

/// How long a store stands in for an endpoint that has only what is young, after that failed.
const STANDING_IN: Duration = Duration::from_mins(5);

/// The endpoints of a configuration.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    pub(super) partitions: Vec<Replicas>,
    /// What the planner saw last, and what the endpoints were known to be then.
    seen: Mutex<Option<Seen>>,
}

/// The partitions as the planner saw them.
#[derive(Debug)]
struct Seen {
    identities: Vec<Option<Arc<Identity>>>,
    world: Arc<World>,
}

/// An endpoint of the file, or one that was found.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) config: EndpointConfig,
    /// Why it is not there: it stands for those that are still to be found.
    pub(super) absent: Option<String>,
}

/// The endpoints of one partition.
#[derive(Debug)]
pub(super) struct Replicas {
    pub(super) labels: LabelSet,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// The one that is asked first: the one that answered last.
    current: AtomicUsize,
    /// Since when.
    since: Mutex<Option<Instant>>,
    freshness: Arc<Freshness>,
}

impl Endpoints {
    /// Those that are declared; endpoints that were there before and did not change keep what is known of them.
    pub(super) fn new(declared: Vec<Declared>, before: &Self) -> Self {
        let mut partitions: Vec<(BTreeMap<String, String>, Replicas)> = Vec::new();
        for declared in declared {
            let labels = declared.config.partition.clone();
            let endpoint = before.find(&declared);
            let endpoint = endpoint.unwrap_or_else(|| {
                let stats = before.stats_of(&declared.config.name);
                Arc::new(Endpoint::new(declared, stats))
            });
            if let Some((_, replicas)) = partitions.iter_mut().find(|(known, _)| *known == labels) {
                replicas.endpoints.push(endpoint);
                continue;
            }
            let replicas = Replicas {
                labels: LabelSet::from_pairs(&labels),
                endpoints: vec![endpoint],
                current: AtomicUsize::default(),
                since: Mutex::default(),
                freshness: Arc::default(),
            };
            partitions.push((labels, replicas));
        }
        let partitions = partitions.into_iter();
        Self {
            partitions: partitions
                .map(|(_, replicas)| before.hand_over(replicas))
                .collect(),
            seen: Mutex::default(),
        }
    }

    /// Who answered last goes on being asked first, and who is behind stays so.
    fn hand_over(&self, after: Replicas) -> Replicas {
        let mut known = self.partitions.iter();
        let Some(before) = known.find(|one| one.labels == after.labels) else {
            return after;
        };
        if let Some(current) = before.endpoints.get(before.current.load(Relaxed)) {
            after.prefer(current);
        }
        let same = before.endpoints.len() == after.endpoints.len();
        let mut pairs = before.endpoints.iter().zip(&after.endpoints);
        if same && pairs.all(|(one, other)| Arc::ptr_eq(one, other)) {
            return Replicas {
                freshness: Arc::clone(&before.freshness),
                ..after
            };
        }
        after
    }

    fn find(&self, declared: &Declared) -> Option<Arc<Endpoint>> {
        let same = |endpoint: &&Arc<Endpoint>| {
            endpoint.config == declared.config && endpoint.absent == declared.absent
        };
        self.all().find(same).map(Arc::clone)
    }

    /// The counters of an endpoint; one that only changed goes on counting.
    fn stats_of(&self, name: &str) -> Arc<RequestStats> {
        let known = self.all().find(|endpoint| endpoint.config.name == name);
        known
            .map(|endpoint| Arc::clone(&endpoint.stats))
            .unwrap_or_default()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.partitions
            .iter()
            .flat_map(|replicas| &replicas.endpoints)
    }

    /// Asks endpoints what they are where that is due.
    pub(super) async fn learn(&self, context: &Arc<Context>, deadline: Instant) {
        let asked = self.all().filter(|endpoint| endpoint.has_to_learn());
        join_all(asked.map(|endpoint| endpoint.learn_beside(context, deadline))).await;
        for replicas in &self.partitions {
            freshen(&replicas.freshness, &replicas.endpoints, context);
        }
    }

    /// The partitions as the planner sees them: each speaks as the endpoint that would be asked first.
    pub(super) fn world(&self) -> Arc<World> {
        let world = || {
            let partitions = self.partitions.iter();
            Arc::new(World {
                partitions: partitions.filter_map(Replicas::partition).collect(),
            })
        };
        // Of several replicas, the first one changes by itself.
        let alone = |replicas: &Replicas| replicas.endpoints.len() == 1;
        if !self.partitions.iter().all(alone) {
            return world();
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = &*seen
            && self
                .all()
                .zip(&seen.identities)
                .all(|(one, then)| one.is_still(then.as_ref()))
        {
            return Arc::clone(&seen.world);
        }
        // Read before the world is: what changes meanwhile is seen next time.
        let identities = self
            .all()
            .map(|endpoint| endpoint.identity().ok())
            .collect();
        let world = world();
        *seen = Some(Seen {
            identities,
            world: Arc::clone(&world),
        });
        world
    }
}

impl Replicas {
    /// The partition as the planner sees it.
    pub(super) fn partition(&self) -> Option<Partition> {
        let first = self.first()?;
        let config = &first.config;
        // What is not known is not asked for more; it will be missing anyway.
        let speech = first.speech().unwrap_or_else(|_unknown| Speech {
            dialect: Dialect::Prometheus3,
            mode: first.label_mode(),
            pushdown: Pushdown::Selector,
        });
        Some(Partition {
            others: self.others(speech),
            optional: config.optional,
            overlap: config.overlap,
            ..Partition::new(self.labels.clone(), speech)
        })
    }

    /// How replicas are spoken to, where it is not as the first; each way once.
    fn others(&self, first: Speech) -> Vec<Speech> {
        if self.endpoints.len() < 2 {
            return Vec::new();
        }
        let all = self.endpoints.iter();
        let mut others: Vec<Speech> = all
            .filter_map(|endpoint| endpoint.speech().ok())
            .filter(|speech| *speech != first)
            .collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Whether replicas hold different times, or are to be asked differently: then it is found out before a query is asked
    /// whether they can be asked as it was planned.
    pub(super) fn is_mixed(&self) -> bool {
        let [first, rest @ ..] = self.endpoints.as_slice() else {
            return false;
        };
        let way = |endpoint: &Arc<Endpoint>| {
            let age = endpoint.config.time_range.max_age;
            (age, endpoint.speech().ok())
        };
        let first = way(first);
        rest.iter().any(|endpoint| way(endpoint) != first)
    }

    /// The endpoints in the order in which they are asked: those that are known to speak before those that are not, those
    /// that are not behind before those that are, and among them the one that answered last.
    pub(super) fn order(&self) -> Vec<Arc<Endpoint>> {
        self.order_at(Instant::now())
    }

    fn order_at(&self, now: Instant) -> Vec<Arc<Endpoint>> {
        if let [only] = self.endpoints.as_slice() {
            return vec![Arc::clone(only)];
        }
        let current = self.current_at(now);
        let behind = |at: usize| self.freshness.newest_if_behind(at).is_some();
        let rank = |(at, endpoint): &(usize, &Arc<Endpoint>)| {
            (
                endpoint.identity().is_err(),
                behind(*at),
                *at != current,
                !endpoint.is_well(),
            )
        };
        let mut order: Vec<_> = self.endpoints.iter().enumerate().collect();
        order.sort_by_key(rank);
        order
            .into_iter()
            .map(|(_, endpoint)| Arc::clone(endpoint))
            .collect()
    }

    /// The place of the endpoint that is to be asked first. One that stands before a store for what is young gets its questions
    /// back when it has been well for a while.
    fn current_at(&self, now: Instant) -> usize {
        let current = self.current.load(Relaxed);
        let (Some(first), Some(store)) = (self.endpoints.first(), self.endpoints.get(current))
        else {
            return current;
        };
        let age = |endpoint: &Endpoint| endpoint.config.time_range.max_age;
        let is_store = !age(first).is_zero() && age(store).is_zero();
        if !is_store || !first.is_well() {
            return current;
        }
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match since.is_some_and(|since| now.saturating_duration_since(since) < STANDING_IN) {
            true => current,
            false => 0,
        }
    }

    /// The endpoint that is asked first.
    pub(super) fn first(&self) -> Option<Arc<Endpoint>> {
        match self.endpoints.as_slice() {
            [only] => Some(Arc::clone(only)),
            _ => self.order().into_iter().next(),
        }
    }

    /// Makes an endpoint the one that is asked first.
    pub(super) fn prefer(&self, endpoint: &Arc<Endpoint>) {
        if let Some(place) = self.place(endpoint) {
            let before = self.current.swap(place, Relaxed);
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            // Its time does not begin anew with each answer.
            let is_over = |since| now.saturating_duration_since(since) >= STANDING_IN;
            if before != place || since.is_none_or(is_over) {
                *since = Some(now);
            }
        }
    }

    /// Whether an endpoint has the samples of a time, as far as that is known: one that is behind the others may not.
    pub(super) fn reaches(&self, endpoint: &Arc<Endpoint>, time: i64) -> bool {
        let newest = |place| self.freshness.newest_if_behind(place);
        let newest = self.place(endpoint).and_then(newest);
        newest.is_none_or(|newest| time <= newest)
    }

    /// Whether one is behind the others.
    pub(super) fn is_uneven(&self) -> bool {
        let newest = |place| self.freshness.newest_if_behind(place);
        (0..self.endpoints.len()).any(|place| newest(place).is_some())
    }

    fn place(&self, endpoint: &Arc<Endpoint>) -> Option<usize> {
        let mut endpoints = self.endpoints.iter();
        endpoints.position(|one| Arc::ptr_eq(one, endpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadEnv, load_query};

    #[test]
    fn a_store_stands_in_for_a_while() {
        let text = "endpoints:\n\
             - {name: a, url: 'http://a.example', replica: a, kind: prometheus, time_range: {max_age: 1d}}\n\
             - {name: b, url: 'http://b.example', replica: b, kind: thanos}\n\
             - {name: c, url: 'http://c.example', replica: c, kind: prometheus, time_range: {max_age: 1d}}\n";
        let config = load_query(text.as_bytes(), &LoadEnv::for_file("query.yml")).unwrap();
        let declared = config.endpoints.into_iter().map(|config| Declared {
            config,
            absent: None,
        });
        let endpoints = Endpoints::new(declared.collect(), &Endpoints::default());
        let replicas = &endpoints.partitions[0];
        let first = |now: Instant| replicas.order_at(now)[0].config.name.clone();
        let now = Instant::now();
        assert_eq!(first(now), "a");
        replicas.prefer(&replicas.endpoints[1]);
        assert_eq!(first(now), "b");
        assert_eq!(first(now + STANDING_IN * 2), "a");
        // Whoever has no more than it keeps its place.
        replicas.prefer(&replicas.endpoints[2]);
        assert_eq!(first(now + STANDING_IN * 2), "c");
    }
}
