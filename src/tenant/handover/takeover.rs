//! Who was to tell first, and why another node tells.

use std::sync::Arc;

use super::{
    peers::Facts,
    state::{Handover, Pending},
};
use crate::{
    cluster::NodeName,
    dispatch::{Group, GroupId},
    notify::{
        claims::{Earlier, first, rank_key},
        decide::Plan,
    },
    tenant::{Takeover, Tellers, Tenant},
};

/// Nodes remembered that are gone; what more of them held counts as that of nodes that are not heard.
const MAX_GONE: usize = 64;

impl Tenant {
    /// A process of another node is gone; `left` if it said goodbye.
    pub fn peer_ended(&mut self, name: &NodeName, left: bool) {
        if let Some(handover) = &mut self.handover {
            if handover.gone.len() >= MAX_GONE {
                handover.gone.clear();
            }
            handover.gone.insert(NodeName::clone(name), left);
        }
    }

    /// The other node that goes first for a notification; `None` if it is this one.
    pub(super) fn goes_first(&self, group: GroupId, plan: &Plan) -> Option<NodeName> {
        let handover = self.handover.as_ref()?;
        let group = self.dispatcher.groups().get(&group)?;
        let what = rank_key(&plan.key, plan.integration.as_deref());
        let me = &handover.claims.quorum().me;
        let all = handover.eligible(group).chain([me]);
        first(all, &what).filter(|name| *name != me).cloned()
    }
}

impl Handover {
    /// Why this node tells what it holds; `None` if it was its own to tell. `earlier` are those who may have begun to.
    pub(super) fn takeover(&self, pending: &Pending, earlier: &[Earlier]) -> Option<Takeover> {
        let quorum = self.claims.quorum();
        // What this run began before is its own.
        let began = |earlier: &&Earlier| earlier.owner != quorum.me || earlier.run != quorum.run;
        let earlier = earlier.iter().rfind(began).map(|earlier| &earlier.owner);
        let whose = pending.first.as_ref().or(earlier)?;
        if *whose == quorum.me {
            return Some(Takeover::Process);
        }
        if let Some(left) = self.gone.get(whose) {
            return Some(match left {
                true => Takeover::Leave,
                false => Takeover::Process,
            });
        }
        if !quorum.connected.contains_key(whose) || quorum.down.contains(whose) {
            return Some(Takeover::Suspect);
        }
        let tried = self.unreachable.get(&pending.plan.key);
        if tried.is_some_and(|tried| tried.contains(whose)) {
            return Some(Takeover::Receiver);
        }
        let is_ready = self.peers.get(whose).is_some_and(|facts| facts.ready);
        Some(if is_ready {
            Takeover::Watchdog
        } else {
            Takeover::Leave
        })
    }

    /// See [`Tellers`]; made once for each change.
    pub(in crate::tenant) fn tellers(&self) -> Tellers {
        let all = || {
            let routes = self.routes.iter();
            let of_route =
                |route: &u64| -> Vec<NodeName> { self.alike(Some(*route)).cloned().collect() };
            routes.map(of_route).collect()
        };
        Arc::clone(self.tellers.get_or_init(all))
    }

    /// Other nodes that are ready and define the group's route and receiver as this one does.
    pub(super) fn eligible(&self, group: &Group) -> impl Iterator<Item = &NodeName> + Clone {
        self.alike(self.routes.get(group.route.index as usize).copied())
    }

    /// Other nodes that are ready, get something acknowledged, and define a route in that way.
    fn alike(&self, route: Option<u64>) -> impl Iterator<Item = &NodeName> + Clone {
        let able = self.able(route).filter(|(_, facts)| !facts.stuck);
        able.map(|(name, _)| name)
    }

    /// The same, with those that get nothing acknowledged.
    pub(super) fn able(
        &self,
        route: Option<u64>,
    ) -> impl Iterator<Item = (&NodeName, &Facts)> + Clone {
        let quorum = self.claims.quorum();
        self.peers.iter().filter(move |(name, facts)| {
            facts.ready
                && route.is_some_and(|route| facts.routes.contains(&route))
                && quorum.connected.contains_key(*name)
                && !quorum.down.contains(*name)
        })
    }
}
