//! Groups follow the flushes of other nodes: who was flushed more often says when the next flush is due.

use std::time::Duration;

use imbl::OrdMap;

use super::{Dispatcher, Group, GroupId, GroupName};
use crate::time::Now;

/// Schedules kept for groups that are not here yet; more are forgotten.
const MAX_ASIDE: usize = 10_000;

/// A flush that is due here so soon is not left to others, who may not be those that are to tell: each node decides what
/// it knows, within the time after which the second in rank acts.
const AT_HAND: Duration = Duration::from_secs(3);

/// The schedule of a group that is not here yet.
#[derive(Debug, Clone, Copy)]
pub struct Aside {
    /// How often the group was flushed.
    pub flushes: u64,
    /// Monotonic time of the next flush; from then on it says nothing any more.
    pub due: Duration,
}

impl Aside {
    /// Has a group that comes to be go on with it.
    pub(super) fn apply(self, group: &mut Group, now: Now) {
        if self.due > now.mono {
            let longest = group.route.group_interval.max(group.route.group_wait);
            group.flushes = self.flushes;
            group.due = self.due.min(now.mono + longest);
        }
    }
}

impl Dispatcher {
    /// Takes in that a group was flushed `flushes` times and is next due in `due_in`, if nobody here knows of so many.
    /// The schedule of a group that is not here waits for it. Tells whether it was news of a group that is here.
    pub fn follow(&mut self, name: GroupName, flushes: u64, due_in: Duration, now: Now) -> bool {
        if let Some(id) = self.find(&name) {
            let known = self.groups.get(&id).map_or(0, |group| group.flushes);
            if flushes <= known {
                return false;
            }
            self.reschedule(id, |group| {
                if group.due <= now.mono + AT_HAND {
                    group.flushes = flushes.saturating_sub(1);
                    return;
                }
                // Nobody may postpone a page beyond what the route allows.
                let longest = group.route.group_interval.max(group.route.group_wait);
                group.due = now.mono + due_in.min(longest);
                group.flushes = flushes;
            });
            self.unsaved.insert(id);
            return true;
        }
        if self.aside.len() >= MAX_ASIDE {
            let aside = std::mem::take(&mut self.aside);
            self.aside = aside
                .into_iter()
                .filter(|(_, aside)| aside.due > now.mono)
                .collect();
        }
        let old = self.aside.get(&name).map_or(0, |aside| aside.flushes);
        if flushes > old && (old > 0 || self.aside.len() < MAX_ASIDE) {
            let due = now.mono.saturating_add(due_in);
            self.aside.insert(name, Aside { flushes, due });
        }
        false
    }

    /// Schedules of groups that are not here; cheap to clone.
    #[must_use]
    pub fn aside(&self) -> &OrdMap<GroupName, Aside> {
        &self.aside
    }

    /// The group of that name.
    #[must_use]
    pub fn find(&self, name: &GroupName) -> Option<GroupId> {
        self.names.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        alert::Alert,
        config::{GroupBy, Route},
        dispatch::RouteTree,
        labels::LabelSet,
        time::Timestamp,
    };

    fn now(seconds: u64) -> Now {
        Now {
            mono: Duration::from_secs(seconds),
            wall: Timestamp::from_unix(1_795_000_000, 0).plus(Duration::from_secs(seconds)),
        }
    }

    fn dispatcher() -> Dispatcher {
        let route = Route {
            receiver: "page".into(),
            group_by: GroupBy::Labels(Arc::default()),
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(60),
            repeat_interval: Duration::from_secs(600),
            ..Route::default()
        };
        Dispatcher::new(Arc::new(RouteTree::new(&route)))
    }

    fn insert(dispatcher: &mut Dispatcher, at: u64) -> GroupName {
        let labels = LabelSet::from_pairs([("alertname", "A")]);
        let alert = Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: now(at).wall,
            ends_at: now(at + 300).wall,
            updated_at: now(at).wall,
            timeout: false,
        };
        dispatcher.insert(&Arc::new(alert), now(at));
        let group = dispatcher.groups().values().next();
        group.unwrap().name()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_was_flushed_more_often_says_when_the_next_flush_is_due() {
        let mut dispatcher = dispatcher();
        let name = insert(&mut dispatcher, 0);
        assert_eq!(dispatcher.next_due(), Some(seconds(10)));
        assert!(dispatcher.follow(name.clone(), 2, seconds(45), now(5)));
        assert_eq!(dispatcher.next_due(), Some(seconds(50)));
        for flushes in [1, 2] {
            assert!(!dispatcher.follow(name.clone(), flushes, seconds(1), now(6)));
        }
        // Nobody postpones it for longer than the route does.
        assert!(dispatcher.follow(name, 3, seconds(4000), now(6)));
        assert_eq!(dispatcher.next_due(), Some(seconds(66)));
        assert_eq!(dispatcher.begin_flushes(9, now(66))[0].flushes, 4);
    }

    #[test]
    fn a_flush_at_hand_is_not_left_to_others() {
        let mut dispatcher = dispatcher();
        let name = insert(&mut dispatcher, 0);
        dispatcher.follow(name.clone(), 4, seconds(60), now(9));
        assert_eq!(dispatcher.next_due(), Some(seconds(10)));
        assert_eq!(dispatcher.begin_flushes(9, now(10))[0].flushes, 4);
        assert!(!dispatcher.follow(name, 4, seconds(60), now(10)));
    }

    #[test]
    fn a_schedule_waits_for_its_group_until_it_is_due() {
        for (comes_at, expect) in [(5, (45, 7)), (50, (60, 0))] {
            let name = insert(&mut dispatcher(), 0);
            let mut dispatcher = dispatcher();
            assert!(!dispatcher.follow(name.clone(), 7, seconds(45), now(0)));
            assert!(!dispatcher.follow(name, 6, seconds(20), now(0)));
            insert(&mut dispatcher, comes_at);
            let due = dispatcher.next_due().unwrap().as_secs();
            let flushes = dispatcher.groups().values().next().unwrap().flushes;
            assert_eq!((due, flushes), expect);
        }
    }

    #[test]
    fn schedules_of_groups_that_are_not_here_are_bounded() {
        let mut dispatcher = dispatcher();
        let name = |i: usize| GroupName {
            route_id: "r".into(),
            group_key: i.to_string().into(),
        };
        for i in 0..MAX_ASIDE + 10 {
            dispatcher.follow(name(i), 1, seconds(60), now(0));
        }
        assert_eq!(dispatcher.aside().len(), MAX_ASIDE);
        dispatcher.follow(name(0), 2, seconds(60), now(61));
        assert_eq!(dispatcher.aside().len(), 1);
    }

    proptest! {
        #[test]
        fn following_does_not_depend_on_order_or_repetition(
            (schedules, shuffled) in prop::collection::vec(0..9_u64, 1..9)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        ) {
            let end = |schedules: &[u64]| {
                let mut dispatcher = dispatcher();
                let name = insert(&mut dispatcher, 0);
                for flushes in schedules {
                    // What a node tells of one flush is always the same.
                    dispatcher.follow(name.clone(), *flushes, seconds(10 + flushes), now(0));
                }
                let group = dispatcher.groups().values().next().unwrap();
                (dispatcher.next_due(), group.flushes)
            };
            let again: Vec<_> = shuffled.iter().chain(&schedules).copied().collect();
            prop_assert_eq!(end(&schedules), end(&shuffled));
            prop_assert_eq!(end(&schedules), end(&again));
        }
    }
}
