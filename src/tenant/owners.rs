//! Which node tells of which groups, as this one sees it.

use std::collections::BTreeMap;

use super::{Phase, View};
use crate::{
    cluster::NodeName,
    config::Integration,
    dispatch::Group,
    notify::{
        claims::{first, rank_key},
        decide::log_key,
    },
};

impl View {
    /// Who goes first to tell an integration of a group; `None` without a mesh, or while nobody may tell.
    fn owner(&self, group: &Group, integration: &Integration) -> Option<&NodeName> {
        let (mesh, tellers) = (self.mesh.as_ref()?, self.tellers.as_ref()?);
        let others = tellers.get(group.route.index as usize);
        let own = (self.phase == Phase::Ready).then_some(&mesh.name);
        let key = log_key(&group.key, &group.route.receiver, Some(integration));
        let what = rank_key(&key, Some(integration));
        first(others.into_iter().flatten().chain(own), &what)
    }

    /// Who goes first to tell each integration of a group, `webhook[0]`.
    #[must_use]
    pub fn owners_of(&self, group: &Group) -> Vec<(String, NodeName)> {
        let receiver = self.config.receiver(&group.route.receiver);
        let integrations = receiver.iter().flat_map(|receiver| &receiver.integrations);
        let owned = integrations.filter_map(|integration| {
            let name = format!("{}[{}]", integration.kind.as_str(), integration.index);
            Some((name, self.owner(group, integration)?.clone()))
        });
        owned.collect()
    }

    /// How many groups each node goes first to tell of; a group counts once for each integration of its receiver. Nodes
    /// that share in the work and have no group are there as well.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<NodeName, usize> {
        let tellers = self.tellers.iter().flat_map(|tellers| tellers.iter());
        let mut owners: BTreeMap<NodeName, usize> =
            tellers.flatten().map(|name| (name.clone(), 0)).collect();
        if let Some(mesh) = self.mesh.as_ref().filter(|_| self.phase == Phase::Ready) {
            owners.insert(mesh.name.clone(), 0);
        }
        for group in self.groups.values() {
            let receiver = self.config.receiver(&group.route.receiver);
            for integration in receiver.iter().flat_map(|receiver| &receiver.integrations) {
                if let Some(owner) = self.owner(group, integration) {
                    *owners.entry(owner.clone()).or_default() += 1;
                }
            }
        }
        owners
    }
}
