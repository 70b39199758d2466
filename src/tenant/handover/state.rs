//! What is kept of notifications on their way to a node.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{held_back::AllHeldBack, peers::Facts};
use crate::{
    cluster::NodeName,
    dispatch::GroupId,
    nflog::{LogKey, NflogEntry},
    notify::{
        by_key::ByKey,
        claims::{Claims, Skips},
        decide::Plan,
    },
    tenant::{Takeover, Tellers},
};

/// A notification that this node decided on and that nobody is known to have told.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) group: GroupId,
    pub(super) plan: Plan,
    pub(super) deadline: Duration,
    /// When it was decided last; monotonic.
    pub(super) decided: Duration,
    /// When the voters were asked last; monotonic.
    pub(super) asked: Duration,
    /// When the flush came due; ranks count from here.
    pub(super) since: Duration,
    /// Who went first then; `None` if it was this node.
    pub(super) first: Option<NodeName>,
    /// Why this node tells, once it holds what was another one's to tell.
    pub(super) takeover: Option<Takeover>,
    pub(super) state: PendingState,
    /// What it was to tell as it was decided before, by the names of these notifications: who went first may have told it
    /// so.
    pub(super) before: Vec<(Arc<str>, NflogEntry)>,
}

/// So many decisions of one notification are remembered.
const MAX_BEFORE: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PendingState {
    /// Others go first until then.
    Watching(Duration),
    /// A worker decides anew; the claim is held already or follows.
    Checking {
        /// Whether it is held.
        held: bool,
    },
    /// The voters are asked.
    Claiming,
}

/// A notification that this node holds and hands to its receiver.
#[derive(Debug)]
pub(super) struct Claimed {
    /// Monotonic time of the decision.
    pub(super) decided: Duration,
    /// Whether an attempt may have been taken although no answer came: what is told stays as it is then.
    pub(super) ambiguous: bool,
    /// Attempts in a row that could not reach the receiver.
    pub(super) unreachable: u32,
}

/// How far ranking anew has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ranking {
    /// Where it goes on.
    next: u64,
    /// How many are to be looked at still.
    left: usize,
}

/// The handover of one tenant.
#[derive(Debug)]
pub(in crate::tenant) struct Handover {
    pub(in crate::tenant) claims: Claims,
    pub(super) pending: BTreeMap<u64, Pending>,
    /// When watchers act and everything else is given up.
    pub(super) timers: BTreeSet<(Duration, u64)>,
    /// Pending notifications by what they tell of.
    pub(super) by_key: ByKey,
    pub(super) next_id: u64,
    /// `--cluster.minority-delay`; `None` waits for ever.
    pub(super) minority_delay: Option<Duration>,
    /// Which pending notification a claim is asked for.
    pub(super) asking: BTreeMap<LogKey, u64>,
    pub(super) claimed: BTreeMap<LogKey, Claimed>,
    pub(super) held_back: AllHeldBack,
    pub(super) peers: BTreeMap<NodeName, Facts>,
    /// Nodes that could not reach a receiver, by what they were to tell it.
    pub(super) unreachable: BTreeMap<LogKey, BTreeSet<NodeName>>,
    /// Entries that other nodes logged since this was last looked at.
    pub(super) told: BTreeSet<LogKey>,
    /// Whether this node may begin flushes.
    pub(super) ready: bool,
    /// What this node's configuration says of each route, by its place.
    pub(super) routes: Vec<u64>,
    /// Who of the pending is ranked anew, after ranks changed.
    pub(super) ranking: Ranking,
    /// Nodes whose last process is gone, and whether it said goodbye.
    pub(super) gone: BTreeMap<NodeName, bool>,
    /// See [`Self::tellers`].
    pub(super) tellers: OnceCell<Tellers>,
    /// Which database does not take what it is given: `bulk`, `state`.
    pub(super) ailing: [bool; 2],
}

impl Handover {
    /// Leaves parts of the protocol out.
    pub(in crate::tenant) fn skip(&mut self, skips: Skips) {
        self.claims.skip(skips);
    }

    pub(super) fn new(claims: Claims, minority_delay: Option<Duration>) -> Self {
        Self {
            claims,
            pending: BTreeMap::new(),
            timers: BTreeSet::new(),
            by_key: ByKey::new(),
            next_id: 0,
            minority_delay,
            asking: BTreeMap::new(),
            claimed: BTreeMap::new(),
            held_back: AllHeldBack::new(),
            peers: BTreeMap::new(),
            unreachable: BTreeMap::new(),
            told: BTreeSet::new(),
            ready: false,
            routes: Vec::new(),
            ranking: Ranking::default(),
            gone: BTreeMap::new(),
            tellers: OnceCell::new(),
            ailing: [false; 2],
        }
    }

    /// When something is due.
    pub(in crate::tenant) fn next_due(&self) -> Option<Duration> {
        if self.claims.has_events() || !self.told.is_empty() || self.ranking.left > 0 {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.held_back.next_due(), self.claims.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Claims of this node, and promises that it remembers.
    pub(in crate::tenant) fn claims(&self) -> (usize, usize) {
        self.claims.len()
    }

    /// See [`crate::node::Node::sizes`].
    pub(in crate::tenant) fn sizes(&self) -> Vec<(&'static str, usize)> {
        let (held, held_timers, held_for) = self.held_back.len();
        let mut sizes = vec![
            ("pending", self.pending.len()),
            ("pending timers", self.timers.len()),
            ("pending by key", self.by_key.len()),
            ("asked for", self.asking.len()),
            ("claimed", self.claimed.len()),
            ("held back", held),
            ("held back timers", held_timers),
            ("held back for", held_for),
            ("unreachable", self.unreachable.len()),
            ("told by others", self.told.len()),
            ("facts of peers", self.peers.len()),
            ("nodes gone", self.gone.len()),
        ];
        sizes.extend(self.claims.sizes());
        sizes
    }

    /// Whether nothing is claimed and nothing waits.
    pub(in crate::tenant) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.claims.len().0 == 0
    }

    /// Takes note that another node logged something.
    pub(in crate::tenant) fn note_told(&mut self, key: &LogKey) {
        if !self.pending.is_empty() {
            self.told.insert(key.clone());
        }
        self.unreachable.remove(key);
    }

    pub(super) fn set_state(&mut self, id: u64, state: PendingState) {
        let Some(pending) = self.pending.get_mut(&id) else {
            return;
        };
        self.timers.remove(&(pending.due(), id));
        pending.state = state;
        self.timers.insert((pending.due(), id));
    }

    /// Pending notifications of a key.
    pub(super) fn with_key(&self, key: &LogKey) -> Vec<u64> {
        self.by_key.of(key).collect()
    }

    /// Takes note that nodes came or went: all that is pending is ranked anew, in bounded steps, the first of them at once.
    pub(super) fn rank_again(&mut self) {
        self.tellers.take();
        self.ranking.left = self.pending.len().max(1);
    }

    /// The next that are to be ranked anew. Whoever begins again meanwhile goes on from there, so that all get their turn.
    pub(super) fn next_to_rank(&mut self, limit: usize) -> Vec<u64> {
        let Ranking { next, left } = self.ranking;
        let from = self.pending.range(next..);
        let all = from.chain(self.pending.range(..next));
        let ids: Vec<u64> = all.map(|(id, _)| *id).take(limit.min(left)).collect();
        self.ranking = Ranking {
            next: ids.last().map_or(0, |last| last + 1),
            left: if ids.len() < limit {
                0
            } else {
                left - ids.len()
            },
        };
        ids
    }

    pub(super) fn add(&mut self, pending: Pending) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.timers.insert((pending.due(), id));
        self.by_key.insert(pending.plan.key.clone(), id);
        self.pending.insert(id, pending);
        id
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.timers.remove(&(pending.due(), id));
        self.by_key.remove(&pending.plan.key, id);
        if self.asking.get(&pending.plan.key) == Some(&id) {
            self.asking.remove(&pending.plan.key);
        }
        Some(pending)
    }
}

impl Pending {
    /// Takes in that it is to tell something else by now.
    pub(super) fn decide(&mut self, plan: Plan, decided: Duration) {
        let old = std::mem::replace(&mut self.plan, plan);
        self.decided = decided;
        if let (Some(name), Some(entry)) = (old.name(), old.entry)
            && self.plan.name().as_ref() != Some(&name)
            && self.before.len() < MAX_BEFORE
        {
            self.before.push((name, entry));
        }
    }

    /// The log as it was to become by each decision, the first one first.
    pub(super) fn decided_entries(&self) -> impl Iterator<Item = &NflogEntry> {
        let before = self.before.iter().map(|(_, entry)| entry);
        before.chain(&self.plan.entry)
    }

    /// The log as the notification of that name makes it, if it was ever decided so here.
    pub(super) fn entry_called(&self, name: &Arc<str>) -> Option<&NflogEntry> {
        let now = self.plan.name().filter(|now| now == name);
        let now = now.and(self.plan.entry.as_ref());
        let before = self.before.iter().find(|(before, _)| before == name);
        now.or_else(|| before.map(|(_, entry)| entry))
    }

    /// When it is looked at, at the latest when its time is up.
    pub(super) fn due(&self) -> Duration {
        match self.state {
            PendingState::Watching(at) => at.min(self.deadline),
            PendingState::Checking { .. } | PendingState::Claiming => self.deadline,
        }
    }

    /// The number that the notification will have.
    pub(super) fn seq(&self) -> u64 {
        self.plan.entry.as_ref().map_or(0, |entry| entry.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        nflog::ReceiverKey,
        notify::{NotifyReason, claims::Quorum},
    };

    fn pending(group: u64) -> Pending {
        let receiver = ReceiverKey {
            group_name: "team".into(),
            integration: "webhook".into(),
            index: 0,
        };
        let key = LogKey {
            group_key: format!("{{}}:{{instance=\"{group}\"}}").into(),
            receiver,
        };
        Pending {
            group: GroupId(group),
            plan: Plan {
                integration: None,
                key,
                decision: Ok(NotifyReason::FirstNotification),
                data: None,
                entry: None,
            },
            deadline: Duration::MAX,
            decided: Duration::ZERO,
            asked: Duration::ZERO,
            since: Duration::ZERO,
            first: None,
            takeover: None,
            state: PendingState::Watching(Duration::from_secs(group)),
            before: Vec::new(),
        }
    }

    #[test]
    fn ten_thousand_groups_are_ranked_anew_a_portion_at_a_time() {
        let mut handover = Handover::new(Claims::new(Quorum::default()), None);
        for group in 0..10_000 {
            handover.add(pending(group));
        }
        assert!(handover.next_to_rank(64).is_empty());
        handover.rank_again();
        let mut ranked = BTreeSet::new();
        for step in 0..157 {
            assert_eq!(handover.next_due(), Some(Duration::ZERO));
            let ids = handover.next_to_rank(64);
            assert!(ids.len() <= 64);
            ranked.extend(ids);
            if step == 0 {
                // A node that comes and goes all the time keeps nobody from their turn.
                handover.rank_again();
            }
        }
        assert_eq!(ranked.len(), 10_000);
        assert!(handover.next_to_rank(64).len() <= 64);
        assert_eq!(handover.ranking.left, 0);
    }
}
