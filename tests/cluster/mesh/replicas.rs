//! Whether all nodes know the same.

use std::{collections::BTreeMap, sync::Arc};

use watchfire::tenant::View;

use super::{check::Violation, world::World};

/// What a node knows, by what it knows it of.
fn known(view: &View) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for silence in view.silences.iter() {
        known.insert(format!("silence {}", silence.id), format!("{silence:?}"));
    }
    for entry in view.nflog.iter() {
        let text = format!(
            "seq {} firing {:?} resolved {:?}",
            entry.seq, entry.firing, entry.resolved
        );
        known.insert(format!("log {}", entry.key), text);
    }
    for alert in view.alerts.values() {
        let status = alert.status_at(view.at.wall).as_str();
        let text = format!("{status} since {:?}", alert.starts_at);
        known.insert(format!("alert {}", alert.name()), text);
    }
    known
}

impl World {
    /// With everything well, all nodes know the same, and nobody holds a claim.
    pub(crate) fn compare_replicas(&mut self) -> Vec<Violation> {
        let hosts = (0..self.hosts.len()).filter(|host| self.hosts[*host].is_up());
        let hosts: Vec<usize> = hosts.collect();
        let views: Vec<Arc<View>> = hosts.iter().map(|host| self.view(*host)).collect();
        let mut violations = Vec::new();
        for (view, host) in views.iter().zip(&hosts) {
            if view.claims.0 + view.deliveries > 0 {
                let (held, under_way) = (view.claims.0, view.deliveries);
                violations.push(Violation(format!(
                    "not released: n{} holds {held} claims and {under_way} notifications are under way",
                    host + 1
                )));
            }
        }
        let Some(first) = views.first().map(|view| known(view)) else {
            return violations;
        };
        for (view, host) in views.iter().zip(&hosts).skip(1) {
            let other = known(view);
            let keys = first.keys().chain(other.keys());
            let differs = |key: &&String| first.get(*key) != other.get(*key);
            if let Some(key) = keys.into_iter().find(differs) {
                let (one, two) = (first.get(key), other.get(key));
                let name = |host: usize| format!("n{}", host + 1);
                violations.push(Violation(format!(
                    "replicas differ: {key}: {} has {one:?}, {} has {two:?}",
                    name(hosts[0]),
                    name(*host)
                )));
            }
        }
        violations
    }
}
