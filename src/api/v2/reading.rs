//! What several handlers read off a snapshot.

use std::sync::Arc;

use crate::{
    alert::Alert,
    dispatch::RouteTree,
    labels::{Fingerprint, LabelSet},
    tenant::View,
};

/// What mutes an alert by its labels.
#[derive(Debug, Default)]
pub(super) struct MuteStatus {
    pub(super) silenced_by: Vec<Arc<str>>,
    pub(super) inhibited_by: Vec<Fingerprint>,
}

pub(super) struct Muting<'v>(&'v View);

impl<'v> Muting<'v> {
    pub(super) fn of(view: &'v View) -> Self {
        Self(view)
    }

    pub(super) fn status(&mut self, alert: &Alert) -> MuteStatus {
        let _ = (&self.0, alert);
        MuteStatus::default()
    }
}

pub(super) fn receivers_of(view: &View, labels: &LabelSet) -> Vec<Arc<str>> {
    let tree = RouteTree::new(&view.config.route);
    tree.matching(labels)
        .into_iter()
        .map(|route| Arc::clone(&route.receiver))
        .collect()
}

pub(super) struct GroupView {
    pub(super) group_labels: LabelSet,
    pub(super) route_labels: LabelSet,
    pub(super) receiver: Arc<str>,
    pub(super) alerts: imbl::OrdMap<Fingerprint, Arc<Alert>>,
    pub(super) muted_by: Arc<[Arc<str>]>,
}

pub(super) fn groups(view: &View) -> impl Iterator<Item = &GroupView> {
    let _ = view;
    std::iter::empty()
}
