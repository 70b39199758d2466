//! Why an alert was or was not told: everything that decided on it, in one answer.

use std::{sync::Arc, time::Duration};

use super::View;
use crate::{
    alert::Alert,
    cluster::NodeName,
    dispatch::{Group, LastDecision},
    history::{HistoryEntry, HistoryQuery},
    labels::Fingerprint,
    nflog::NflogEntry,
    notify::{MuteStatus, decide::was_told_firing, mute::Hours},
    time::Timestamp,
};

/// Notifications of a group that an explanation shows.
const LAST_NOTIFICATIONS: usize = 3;

/// Everything that decided on one alert.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The alert.
    pub alert: Arc<Alert>,
    /// What mutes it now.
    pub muted: MuteStatus,
    /// One for each route that takes it.
    pub groups: Vec<GroupExplanation>,
}

/// What became of an alert under one route.
#[derive(Debug, Clone)]
pub struct GroupExplanation {
    /// From the root to the route that takes it.
    pub path: Vec<RouteStep>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// The group's key.
    pub group_key: Arc<str>,
    /// Wait before the first notification.
    pub group_wait: Duration,
    /// Wait between notifications about changes.
    pub group_interval: Duration,
    /// Wait until an unchanged group is told again.
    pub repeat_interval: Duration,
    /// Time intervals that mute the route now.
    pub muted_by: Arc<[Arc<str>]>,
    /// When the group came to be; `None` if the alert is in no group any more.
    pub created: Option<Timestamp>,
    /// When the group was last flushed.
    pub last_flush: Option<Timestamp>,
    /// When it is flushed next.
    pub next_flush: Option<Timestamp>,
    /// What the last flush decided for each integration.
    pub decisions: Arc<[LastDecision]>,
    /// Which node goes first to tell each integration, `webhook[0]`; empty without a mesh.
    pub owners: Vec<(String, NodeName)>,
    /// What each integration was told of this group, and whether this alert was among it as firing.
    pub told: Vec<(Arc<NflogEntry>, bool)>,
    /// The last notifications of the group, newest first.
    pub notifications: Vec<Arc<HistoryEntry>>,
}

/// One route on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteStep {
    /// The route's id.
    pub id: Arc<str>,
    /// Its own matchers, as written in keys.
    pub matchers: Vec<String>,
    /// Its receiver.
    pub receiver: Arc<str>,
    /// Whether routing goes on with its siblings.
    pub continue_matching: bool,
}

impl View {
    /// Explains an alert; `None` if there is none with this fingerprint.
    #[must_use]
    pub fn explain(&self, fingerprint: Fingerprint) -> Option<Explanation> {
        let alert = Arc::clone(self.alerts.get(&fingerprint)?);
        let muted = self.muting().status(&alert.labels);
        let routes = self.tree.matching(&alert.labels);
        let groups = routes
            .into_iter()
            .map(|route| self.explain_group(&alert, route))
            .collect();
        Some(Explanation {
            alert,
            muted,
            groups,
        })
    }

    fn explain_group(&self, alert: &Alert, route: &crate::dispatch::RouteNode) -> GroupExplanation {
        let group_key = route.group_key(&route.group_labels(&alert.labels));
        let here = |group: &&Arc<Group>| group.route.index == route.index && group.key == group_key;
        let group = self
            .groups
            .values()
            .find(here)
            .filter(|group| group.members.get(alert.fingerprint).is_some());
        let hash = alert.labels.log_hash();
        let entries = self.nflog.of_group(&group_key);
        let told = entries
            .filter(|entry| entry.key.receiver.group_name == route.receiver)
            .map(|entry| (Arc::clone(entry), was_told_firing(entry, hash)))
            .collect();
        GroupExplanation {
            path: self
                .tree
                .path(route)
                .into_iter()
                .map(|node| RouteStep::of(node))
                .collect(),
            receiver: Arc::clone(&route.receiver),
            group_wait: route.group_wait,
            group_interval: route.group_interval,
            repeat_interval: route.repeat_interval,
            muted_by: Hours::of(route, &self.config, self.at.wall).muted_by(),
            created: group.map(|group| group.created),
            last_flush: group.and_then(|group| group.last_flush),
            next_flush: group.map(|group| group.due_at(self.at)),
            decisions: group
                .map(|group| Arc::clone(&group.decisions))
                .unwrap_or_default(),
            owners: group.map(|group| self.owners_of(group)).unwrap_or_default(),
            told,
            notifications: self.last_notifications(&group_key, &route.receiver),
            group_key,
        }
    }

    fn last_notifications(&self, group_key: &str, receiver: &str) -> Vec<Arc<HistoryEntry>> {
        let query = HistoryQuery {
            receiver: Some(receiver.to_owned()),
            group_key: Some(group_key.to_owned()),
            limit: LAST_NOTIFICATIONS,
            ..HistoryQuery::default()
        };
        self.history.query(&query).entries
    }
}

impl RouteStep {
    /// Describes a node of the tree.
    #[must_use]
    pub fn of(node: &crate::dispatch::RouteNode) -> Self {
        Self {
            id: Arc::clone(&node.id),
            matchers: node.matchers.iter().map(ToString::to_string).collect(),
            receiver: Arc::clone(&node.receiver),
            continue_matching: node.continue_matching,
        }
    }
}
