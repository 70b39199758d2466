//! All groups, the routes that make them, and their timers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use imbl::OrdMap;

use super::{
    Flush, Group, GroupId, GroupName, Members, RouteNode, RouteTree, Schedule, Snapshot,
    follow::Aside,
};
use crate::{alert::Alert, labels::LabelSet, time::Now};

/// The dispatcher.
#[derive(Debug)]
pub struct Dispatcher {
    pub(super) tree: Arc<RouteTree>,
    pub(super) groups: OrdMap<GroupId, Arc<Group>>,
    pub(super) index: HashMap<(u32, LabelSet), GroupId>,
    /// How many groups have a key; routes may share it.
    pub(super) keys: HashMap<Arc<str>, u32>,
    pub(super) names: HashMap<GroupName, GroupId>,
    /// Schedules of groups that are not here yet.
    pub(super) aside: OrdMap<GroupName, Aside>,
    pub(super) timers: BTreeSet<(Duration, GroupId)>,
    pub(super) next_id: u64,
    /// Groups whose schedule is not saved yet.
    pub(super) unsaved: BTreeSet<GroupId>,
    /// Groups whose schedule is to be forgotten.
    pub(super) gone: BTreeSet<GroupName>,
}

impl Dispatcher {
    /// Makes a dispatcher without groups.
    #[must_use]
    pub fn new(tree: Arc<RouteTree>) -> Self {
        Self {
            tree,
            groups: OrdMap::new(),
            index: HashMap::new(),
            keys: HashMap::new(),
            names: HashMap::new(),
            aside: OrdMap::new(),
            timers: BTreeSet::new(),
            next_id: 0,
            unsaved: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// The routes.
    #[must_use]
    pub fn tree(&self) -> &Arc<RouteTree> {
        &self.tree
    }

    /// The groups; cheap to clone.
    #[must_use]
    pub fn groups(&self) -> &OrdMap<GroupId, Arc<Group>> {
        &self.groups
    }

    /// Puts an alert into the group of each route that takes it.
    pub fn insert(&mut self, alert: &Arc<Alert>, now: Now) {
        let tree = Arc::clone(&self.tree);
        for route in tree.matching(&alert.labels) {
            self.insert_into(route, alert, now, Group::first_due(route, alert, now));
        }
    }

    /// Puts an alert into its group under `route`; a group that this makes is first flushed at `first_due`.
    pub(super) fn insert_into(
        &mut self,
        route: &Arc<RouteNode>,
        alert: &Arc<Alert>,
        now: Now,
        first_due: Duration,
    ) {
        let labels = route.group_labels(&alert.labels);
        if let Some(group) = self.find_mut(route.index, &labels) {
            group.members.insert(Arc::clone(alert));
            return;
        }
        let mut members = Members::default();
        members.insert(Arc::clone(alert));
        let id = GroupId(self.next_id);
        self.next_id += 1;
        let mut group = Group {
            id,
            route: Arc::clone(route),
            key: route.group_key(&labels),
            labels,
            members,
            created: now.wall,
            due: first_due,
            flush: Flush::Idle,
            last_flush: None,
            flushes: 0,
            held: Arc::default(),
            muted_by: Arc::default(),
            decisions: Arc::default(),
        };
        if !self.aside.is_empty()
            && let Some(aside) = self.aside.remove(&group.name())
        {
            aside.apply(&mut group, now);
        }
        self.add(group);
    }

    /// Whether a group still has this alert to tell.
    #[must_use]
    pub fn holds(&self, alert: &Alert) -> bool {
        self.tree.matching(&alert.labels).into_iter().any(|route| {
            let id = self
                .index
                .get(&(route.index, route.group_labels(&alert.labels)));
            let group = id.and_then(|id| self.groups.get(id));
            group.is_some_and(|group| group.members.get(alert.fingerprint).is_some())
        })
    }

    /// What a reload needs to know of the groups; costs nothing.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            groups: self.groups.clone(),
            next_id: self.next_id,
            gone: self.gone.clone(),
        }
    }

    /// When the next group is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Looks at up to `most` groups that are due and begins their flushes. Sets their timers one group interval ahead of
    /// `now`, so that ticks follow from the beginning of flushes. A group that is still being flushed is flushed again
    /// right after.
    pub fn begin_flushes(&mut self, most: usize, now: Now) -> Vec<Arc<Group>> {
        let mut begun = Vec::new();
        for _ in 0..most {
            let next = self.timers.first().copied();
            let Some((due, id)) = next.filter(|(due, _)| *due <= now.mono) else {
                break;
            };
            self.timers.remove(&(due, id));
            let Some(group) = self.groups.get_mut(&id) else {
                continue;
            };
            let group = Arc::make_mut(group);
            group.due = now.mono + group.route.group_interval;
            self.timers.insert((group.due, id));
            self.unsaved.insert(id);
            if group.flush != Flush::Idle {
                group.flush = Flush::Overdue;
                continue;
            }
            group.flush = Flush::Running;
            group.last_flush = Some(now.wall);
            group.flushes += 1;
            begun.extend(self.groups.get(&id).cloned());
        }
        begun
    }

    /// Changes a group in place.
    pub fn update(&mut self, id: GroupId, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.get_mut(&id) {
            change(Arc::make_mut(group));
        }
    }

    /// Takes those alerts that were not posted again since out of a group.
    pub fn forget(&mut self, id: GroupId, told: &[Arc<Alert>]) {
        let Some(group) = self.groups.get_mut(&id).filter(|_| !told.is_empty()) else {
            return;
        };
        let members = &mut Arc::make_mut(group).members;
        for alert in told {
            let member = members.get(alert.fingerprint);
            if member.is_some_and(|member| Arc::ptr_eq(member, alert)) {
                members.remove(alert.fingerprint);
            }
        }
    }

    /// Ends the flush of a group, and the group if it has no alerts left. A flush that came due meanwhile begins at
    /// `now`.
    pub fn end_flush(&mut self, id: GroupId, now: Now) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let group = Arc::make_mut(group);
        self.unsaved.insert(id);
        let overdue = std::mem::replace(&mut group.flush, Flush::Idle) == Flush::Overdue;
        if group.members.is_empty() {
            self.remove(id);
        } else if overdue {
            self.timers.remove(&(group.due, id));
            group.due = now.mono;
            self.timers.insert((group.due, id));
        }
    }

    /// Takes up to `most` names of groups that are gone and schedules that changed since they were last taken. Names
    /// come first, since a group may have come again.
    pub fn take_unsaved(&mut self, most: usize, now: Now) -> (Vec<Schedule>, Vec<GroupName>) {
        let (mut schedules, mut gone) = (Vec::new(), Vec::new());
        while gone.len() < most
            && let Some(name) = self.gone.pop_first()
        {
            gone.push(name);
        }
        while schedules.len() + gone.len() < most
            && let Some(id) = self.unsaved.pop_first()
        {
            schedules.extend(self.groups.get(&id).map(|group| group.schedule(now)));
        }
        (schedules, gone)
    }

    /// Whether [`Self::take_unsaved`] would return anything.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty() || !self.gone.is_empty()
    }

    pub(super) fn add(&mut self, group: Group) {
        let id = group.id;
        self.names.insert(group.name(), id);
        self.timers.insert((group.due, id));
        self.index
            .insert((group.route.index, group.labels.clone()), id);
        self.unsaved.insert(id);
        *self.keys.entry(Arc::clone(&group.key)).or_default() += 1;
        self.groups.insert(id, Arc::new(group));
    }

    fn remove(&mut self, id: GroupId) {
        if let Some(group) = self.groups.remove(&id) {
            self.timers.remove(&(group.due, id));
            self.index
                .remove(&(group.route.index, group.labels.clone()));
            self.unsaved.remove(&id);
            self.release_key(&group.key);
            let name = group.name();
            self.names.remove(&name);
            self.gone.insert(name);
        }
    }

    /// Whether any group has this key.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    pub(super) fn release_key(&mut self, key: &str) {
        if let Some(groups) = self.keys.get_mut(key) {
            *groups -= 1;
            if *groups == 0 {
                self.keys.remove(key);
            }
        }
    }

    pub(super) fn find_mut(&mut self, route: u32, labels: &LabelSet) -> Option<&mut Group> {
        let id = self.index.get(&(route, labels.clone()))?;
        self.groups.get_mut(id).map(Arc::make_mut)
    }
}
