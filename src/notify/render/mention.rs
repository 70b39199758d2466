//! Whom the alerts of a notification concern (`global.mention_map`).

use std::sync::Arc;

use crate::{config::Mention, notify::NotificationData};

/// People to mention, each once, in the order of the map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Telephone numbers.
    pub mobiles: Vec<Arc<str>>,
    /// The receiver's own names of people.
    pub user_ids: Vec<Arc<str>>,
    /// Addresses.
    pub emails: Vec<Arc<str>>,
}

impl Mentions {
    /// Those whom an alert that fires concerns; whoever is told that all is well need not be woken.
    pub(super) fn of(data: &NotificationData, map: &[Mention]) -> Self {
        let mut mentions = Self::default();
        for mention in map {
            let concerned = data.alerts.iter().any(|alert| {
                !alert.is_resolved_at(data.at)
                    && mention
                        .matchers
                        .iter()
                        .all(|matcher| matcher.matches(&alert.labels))
            });
            if concerned {
                add(&mut mentions.mobiles, &mention.mobiles);
                add(&mut mentions.user_ids, &mention.user_ids);
                add(&mut mentions.emails, &mention.emails);
            }
        }
        mentions
    }
}

fn add(list: &mut Vec<Arc<str>>, more: &[Arc<str>]) {
    for one in more {
        if !list.contains(one) {
            list.push(Arc::clone(one));
        }
    }
}
