//! Deliveries under way, by their number and by what they tell of.

use std::collections::BTreeMap;

use super::{Delivery, by_key::ByKey, decide::Plan};
use crate::nflog::LogKey;

#[derive(Debug)]
pub(super) struct Running {
    all: BTreeMap<u64, Delivery>,
    by_key: ByKey,
}

impl Running {
    pub(super) fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            by_key: ByKey::new(),
        }
    }

    pub(super) fn insert(&mut self, id: u64, delivery: Delivery) {
        self.by_key.insert(delivery.plan.key.clone(), id);
        self.all.insert(id, delivery);
    }

    pub(super) fn remove(&mut self, id: &u64) -> Option<Delivery> {
        let delivery = self.all.remove(id)?;
        self.by_key.remove(&delivery.plan.key, *id);
        Some(delivery)
    }

    pub(super) fn get(&self, id: &u64) -> Option<&Delivery> {
        self.all.get(id)
    }

    /// A delivery to be changed in everything but what it tells of.
    pub(super) fn get_mut(&mut self, id: &u64) -> Option<&mut Delivery> {
        self.all.get_mut(id)
    }

    /// Has a delivery tell something else of the same.
    pub(super) fn replace_plan(&mut self, id: u64, mut plan: Plan) {
        let delivery = self.all.get_mut(&id);
        if let Some(delivery) = delivery.filter(|delivery| delivery.plan.key == plan.key) {
            plan.integration = delivery.plan.integration.take();
            delivery.plan = plan;
        }
    }

    /// The delivery of a key that waits for its next attempt.
    pub(super) fn waiting(&self, key: &LogKey) -> Option<(u64, &Delivery)> {
        let all = self.by_key.of(key);
        let mut all = all.filter_map(|id| Some((id, self.all.get(&id)?)));
        all.find(|(_, delivery)| !delivery.is_sending())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut Delivery)> {
        self.all.iter_mut().map(|(id, delivery)| (*id, delivery))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
