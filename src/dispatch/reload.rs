//! Carries groups over a reload or a restart without notifying early.
//!
//! Upstream rebuilds every group and flushes it at once (`#2492`, `#3407`). Here a group that stays keeps its due time if
//! something waits to be told, and otherwise restarts its group interval; a group that only now exists waits its group
//! wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::OrdMap;

use super::{Dispatcher, Group, GroupId, GroupName, RouteNode, RouteTree, Schedule};
use crate::{alert::Alert, time::Now};

/// The groups at the moment of a reload.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) groups: OrdMap<GroupId, Arc<Group>>,
    pub(super) next_id: u64,
    pub(super) gone: BTreeSet<GroupName>,
}

impl Snapshot {
    /// Makes the dispatcher that follows under new routes.
    ///
    /// `alerts` are those that fire. `waits` says of a group, in its new shape, whether something waits to be told.
    #[must_use]
    pub fn reload<'a>(
        self,
        tree: Arc<RouteTree>,
        alerts: impl IntoIterator<Item = &'a Arc<Alert>>,
        waits: impl Fn(&Group) -> bool,
        now: Now,
    ) -> Dispatcher {
        let mut next = Dispatcher {
            next_id: self.next_id,
            ..Dispatcher::new(tree)
        };
        for alert in self.groups.values().flat_map(|group| group.members.iter()) {
            next.route(alert, now);
        }
        for alert in alerts {
            next.route(alert, now);
        }
        let old = Names::of(&self.groups);
        let ids: Vec<_> = next.groups.keys().copied().collect();
        for id in ids {
            next.inherit(id, &old, &waits, now);
        }
        next.unsaved = next.groups.keys().copied().collect();
        let kept = Names::of(&next.groups);
        let gone = old
            .by_id
            .keys()
            .filter(|name| !kept.by_id.contains_key(*name))
            .cloned();
        next.gone = self.gone.iter().cloned().chain(gone).collect();
        next
    }
}

impl Dispatcher {
    /// Puts the alerts of a restart into groups and gives these the timers they had.
    ///
    /// `told_firing` says whether an integration of the group was told that a resolved alert fires, so that its resolve
    /// has still to be told; resolved alerts of which nobody knows are left out.
    pub fn restore<'a>(
        &mut self,
        alerts: impl IntoIterator<Item = &'a Arc<Alert>>,
        schedules: Vec<Schedule>,
        told_firing: impl Fn(&RouteNode, &str, &Alert) -> bool,
        now: Now,
    ) {
        let tree = Arc::clone(&self.tree);
        for alert in alerts {
            for route in tree.matching(&alert.labels) {
                let key = || route.group_key(&route.group_labels(&alert.labels));
                if !alert.is_resolved_at(now.wall) || told_firing(route, &key(), alert) {
                    self.insert_into(route, alert, now, Group::first_due(route, alert, now));
                }
            }
        }
        let ids: BTreeMap<_, _> = Names::of(&self.groups)
            .by_id
            .into_iter()
            .map(|(name, group)| (name, group.id))
            .collect();
        for schedule in schedules {
            let Some(id) = ids.get(&schedule.name) else {
                self.gone.insert(schedule.name);
                continue;
            };
            self.reschedule(*id, |group| {
                // A clock that was set back must not postpone a page beyond what the route allows.
                let longest = group.route.group_interval.max(group.route.group_wait);
                group.due = now.mono + schedule.due.since(now.wall).min(longest);
                group.created = schedule.created;
                group.last_flush = schedule.last_flush;
                group.flushes = schedule.flushes;
            });
        }
    }

    fn route(&mut self, alert: &Arc<Alert>, now: Now) {
        let tree = Arc::clone(&self.tree);
        for route in tree.matching(&alert.labels) {
            self.insert_into(route, alert, now, now.mono + route.group_wait);
        }
    }

    fn inherit(&mut self, id: GroupId, old: &Names<'_>, waits: &impl Fn(&Group) -> bool, now: Now) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let Some(before) = old.predecessor(group) else {
            return;
        };
        let (before, waiting) = (
            Arc::clone(before),
            before.last_flush.is_none() || waits(group),
        );
        if self.groups.contains_key(&before.id) {
            return;
        }
        self.reschedule(id, |group| {
            group.due = if waiting {
                before.due
            } else {
                now.mono + group.route.group_interval
            };
            group.created = before.created;
            group.last_flush = before.last_flush;
            group.flushes = before.flushes;
            group.flush = before.flush;
            group.held = Arc::clone(&before.held);
            group.muted_by = Arc::clone(&before.muted_by);
            group.decisions = Arc::clone(&before.decisions);
        });
        self.rename(id, before.id);
    }

    pub(super) fn reschedule(&mut self, id: GroupId, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.get_mut(&id) {
            let group = Arc::make_mut(group);
            self.timers.remove(&(group.due, id));
            change(group);
            self.timers.insert((group.due, id));
        }
    }

    /// Gives a group the id under which flushes in flight know it.
    fn rename(&mut self, from: GroupId, to: GroupId) {
        if let Some(mut group) = self.groups.remove(&from) {
            self.timers.remove(&(group.due, from));
            self.release_key(&group.key);
            Arc::make_mut(&mut group).id = to;
            self.add(Arc::unwrap_or_clone(group));
        }
    }
}

/// Groups by what they are called, over two dispatchers.
struct Names<'a> {
    by_id: BTreeMap<GroupName, &'a Arc<Group>>,
    by_receiver: BTreeMap<(Arc<str>, Arc<str>), &'a Arc<Group>>,
}

impl<'a> Names<'a> {
    fn of(groups: &'a OrdMap<GroupId, Arc<Group>>) -> Self {
        let mut names = Self {
            by_id: BTreeMap::new(),
            by_receiver: BTreeMap::new(),
        };
        for group in groups.values() {
            names.by_id.insert(group.name(), group);
            names.by_receiver.insert(
                (Arc::clone(&group.route.receiver), Arc::clone(&group.key)),
                group,
            );
        }
        names
    }

    /// The group that `group` was. A route that moved among its siblings has another id; its key and receiver still
    /// tell whose group it was.
    fn predecessor(&self, group: &Group) -> Option<&'a Arc<Group>> {
        self.by_id
            .get(&group.name())
            .filter(|old| old.route.receiver == group.route.receiver)
            .or_else(|| {
                self.by_receiver
                    .get(&(Arc::clone(&group.route.receiver), Arc::clone(&group.key)))
            })
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        config::{GroupBy, Route},
        labels::{LabelSet, MatchOp, Matcher},
        time::Timestamp,
    };

    fn now(seconds: u64) -> Now {
        let wall = Timestamp::from_unix(1_000_000 + i64::try_from(seconds).unwrap(), 0);
        Now {
            mono: Duration::from_secs(seconds),
            wall,
        }
    }

    fn alert(name: &str, from: u64, to: u64) -> Arc<Alert> {
        let labels = LabelSet::from_pairs([("alertname", name)]);
        Arc::new(Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: now(from).wall,
            ends_at: now(to).wall,
            updated_at: now(from).wall,
            timeout: false,
        })
    }

    fn tree(matched: &[&str]) -> Arc<RouteTree> {
        let route = |matchers, routes| Route {
            receiver: "r".into(),
            group_by: GroupBy::Labels(Arc::from([Arc::from("alertname")])),
            matchers,
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(3600),
            mute_time_intervals: vec![],
            active_time_intervals: vec![],
            continue_matching: false,
            labels: Arc::default(),
            routes,
        };
        let child = |name: &&str| {
            route(
                vec![Matcher::new(MatchOp::Equal, "alertname", name).unwrap()],
                vec![],
            )
        };
        Arc::new(RouteTree::new(&route(
            vec![],
            matched.iter().map(child).collect(),
        )))
    }

    fn begin_flush(dispatcher: &mut Dispatcher, now: Now) -> Option<Arc<Group>> {
        dispatcher.begin_flushes(1, now).pop()
    }

    fn due(dispatcher: &Dispatcher, key: &str) -> u64 {
        dispatcher
            .groups
            .values()
            .find(|group| *group.key == *key)
            .unwrap()
            .due
            .as_secs()
    }

    const A: &str = "{}:{alertname=\"A\"}";

    #[test]
    fn groups_flush_after_the_group_wait_and_then_every_group_interval() {
        let mut dispatcher = Dispatcher::new(tree(&[]));
        dispatcher.insert(&alert("A", 0, 900), now(0));
        assert!(begin_flush(&mut dispatcher, now(29)).is_none());
        let flush = begin_flush(&mut dispatcher, now(31)).unwrap();
        assert_eq!(
            dispatcher.next_due(),
            Some(Duration::from_secs(331)),
            "from the beginning of the flush"
        );
        assert!(
            begin_flush(&mut dispatcher, now(331)).is_none(),
            "the first is still under way"
        );
        dispatcher.end_flush(flush.id, now(340));
        assert!(
            begin_flush(&mut dispatcher, now(340)).is_some(),
            "and is followed at once"
        );
    }

    #[test]
    fn an_old_alert_opens_its_group_at_once() {
        let mut dispatcher = Dispatcher::new(tree(&[]));
        dispatcher.insert(&alert("A", 0, 900), now(100));
        assert_eq!(dispatcher.next_due(), Some(Duration::from_secs(100)));
    }

    #[test]
    fn what_was_told_leaves_and_takes_an_empty_group_along() {
        let mut dispatcher = Dispatcher::new(tree(&[]));
        let resolved = alert("A", 0, 10);
        dispatcher.insert(&resolved, now(0));
        let id = begin_flush(&mut dispatcher, now(30)).unwrap().id;
        // Posted again, in the same instant.
        let again = Arc::new(Alert::clone(&resolved));
        dispatcher.insert(&again, now(31));
        dispatcher.forget(id, &[resolved]);
        dispatcher.end_flush(id, now(32));
        assert_eq!(dispatcher.groups().len(), 1, "it changed while it was told");
        let id = begin_flush(&mut dispatcher, now(400)).unwrap().id;
        dispatcher.forget(id, &[again]);
        dispatcher.end_flush(id, now(401));
        assert!(dispatcher.groups().is_empty());
        let (schedules, gone) = dispatcher.take_unsaved(10, now(401));
        assert!(schedules.is_empty() && gone.len() == 1);
    }

    #[test]
    fn a_reload_never_flushes_early() {
        let mut old = Dispatcher::new(tree(&[]));
        for name in ["A", "B"] {
            old.insert(&alert(name, 0, 9000), now(0));
        }
        while let Some(flush) = begin_flush(&mut old, now(30)) {
            old.end_flush(flush.id, now(30));
        }
        old.insert(&alert("C", 80, 9000), now(90));
        let next = old
            .snapshot()
            .reload(tree(&["B"]), [], |group| *group.key == *A, now(100));
        assert_eq!(
            due(&next, A),
            330,
            "a change waits to be told: the time stays"
        );
        assert_eq!(
            due(&next, "{}:{alertname=\"C\"}"),
            120,
            "still in its group wait"
        );
        assert_eq!(
            due(&next, "{}/{alertname=\"B\"}:{alertname=\"B\"}"),
            130,
            "a new group waits its group wait"
        );
        let again = next
            .snapshot()
            .reload(tree(&["X", "B"]), [], |_| false, now(110));
        assert_eq!(due(&again, A), 410, "nothing waits: the interval restarts");
        assert_eq!(
            due(&again, "{}/{alertname=\"B\"}:{alertname=\"B\"}"),
            130,
            "the route moved, the group stays"
        );
        assert_eq!(again.timers.len(), again.groups.len());
    }

    #[test]
    fn a_restart_keeps_timers_and_untold_resolves() {
        let mut old = Dispatcher::new(tree(&[]));
        old.insert(&alert("A", 0, 9000), now(0));
        let flush = begin_flush(&mut old, now(30)).unwrap();
        old.end_flush(flush.id, now(31));
        let (schedules, _) = old.take_unsaved(10, now(40));
        let alerts = [alert("A", 0, 9000), alert("B", 0, 50), alert("C", 0, 50)];
        let mut new = Dispatcher::new(tree(&[]));
        new.restore(
            &alerts,
            schedules,
            |_, _, alert| alert.name() == "B",
            now(60),
        );
        assert_eq!(due(&new, A), 330);
        assert_eq!(
            new.groups().len(),
            2,
            "C resolved and nobody was told of it"
        );
    }
}
