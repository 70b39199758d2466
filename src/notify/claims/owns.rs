//! All claims of this node, by what they are for and by when they are looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use super::proposer::Own;
use crate::nflog::LogKey;

#[derive(Debug)]
pub(super) struct Owns {
    all: BTreeMap<LogKey, (Duration, Own)>,
    timers: BTreeSet<(Duration, LogKey)>,
    /// Who was looked at last of those that are looked at anew.
    last: Option<LogKey>,
    /// How many are to be looked at anew still.
    left: usize,
}

impl Owns {
    pub(super) fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            timers: BTreeSet::new(),
            last: None,
            left: 0,
        }
    }

    /// Adds a claim that is not looked at before somebody says when.
    pub(super) fn insert(&mut self, key: LogKey, own: Own) {
        self.remove(&key);
        self.all.insert(key, (Duration::MAX, own));
    }

    pub(super) fn remove(&mut self, key: &LogKey) -> Option<Own> {
        let (due, own) = self.all.remove(key)?;
        self.timers.remove(&(due, key.clone()));
        Some(own)
    }

    pub(super) fn get(&self, key: &LogKey) -> Option<&Own> {
        self.all.get(key).map(|(_, own)| own)
    }

    pub(super) fn get_mut(&mut self, key: &LogKey) -> Option<&mut Own> {
        self.all.get_mut(key).map(|(_, own)| own)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Own> {
        self.all.values_mut().map(|(_, own)| own)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many are looked at some time.
    pub(super) fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Has a claim looked at at this time.
    pub(super) fn look_at(&mut self, key: &LogKey, at: Duration) {
        let Some((due, _)) = self.all.get_mut(key).filter(|(due, _)| *due != at) else {
            return;
        };
        let before = std::mem::replace(due, at);
        self.timers.remove(&(before, key.clone()));
        if at < Duration::MAX {
            self.timers.insert((at, key.clone()));
        }
    }

    /// Has a claim looked at no later than at this time.
    pub(super) fn look_at_by(&mut self, key: &LogKey, at: Duration) {
        self.look_at(key, at.min(self.due(key)));
    }

    /// When a claim is looked at.
    pub(super) fn due(&self, key: &LogKey) -> Duration {
        self.all.get(key).map_or(Duration::MAX, |(due, _)| *due)
    }

    /// When the first is looked at.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The first of those that are due.
    pub(super) fn all_due(&self, now: Duration, limit: usize) -> Vec<LogKey> {
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, key)| key.clone()).take(limit).collect()
    }

    /// Has all that are there now looked at anew, whenever they are due.
    pub(super) fn look_at_all(&mut self) {
        self.left = self.all.len();
    }

    /// Whether some are to be looked at anew.
    pub(super) fn is_looking(&self) -> bool {
        self.left > 0
    }

    /// The next to be looked at anew. Whoever begins again meanwhile goes on from there, so that all get their turn.
    pub(super) fn next_of_all(&mut self, limit: usize) -> Vec<LogKey> {
        let wanted = limit.min(self.left);
        let (after, until) = match &self.last {
            None => (Bound::Unbounded, None),
            Some(last) => (Bound::Excluded(last), Some(last)),
        };
        let rest = until.map(|last| self.all.range(..=last));
        let after = self.all.range((after, Bound::Unbounded));
        let all = after.chain(rest.into_iter().flatten());
        let keys: Vec<LogKey> = all.map(|(key, _)| key.clone()).take(wanted).collect();
        self.left = if keys.len() < limit {
            0
        } else {
            self.left - keys.len()
        };
        self.last = keys.last().cloned();
        keys
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        cluster::{Electors, NodeName},
        nflog::{Nflog, ReceiverKey},
        notify::claims::{ClaimEvent, ClaimMessage, ClaimOutput, Claims, Quorum, Terms, Word},
    };

    const CLAIMS: u64 = 10_000;

    /// More than this is not looked at in one step.
    const BOUND: usize = 200;

    fn key(group: u64) -> LogKey {
        let receiver = ReceiverKey {
            group_name: "team".into(),
            integration: "webhook".into(),
            index: 0,
        };
        LogKey {
            group_key: format!("{{}}:{{instance=\"{group}\"}}").into(),
            receiver,
        }
    }

    fn quorum() -> Quorum {
        let names = ["a", "b", "c"].map(NodeName::from);
        let electors = Electors {
            names: names.clone().into(),
            ..Electors::default()
        };
        Quorum {
            me: "a".into(),
            run: 1,
            electors: Some(Arc::new(electors)),
            connected: names[1..].iter().map(|name| (name.clone(), 1)).collect(),
            may_vote: true,
            ..Quorum::default()
        }
    }

    /// Has the node's own promises saved and `b` promise what it is asked for; returns the groups asked about.
    fn answer(claims: &mut Claims, nflog: &Nflog, now: Duration) -> BTreeSet<LogKey> {
        let mut asked = BTreeSet::new();
        while let Some(output) = claims.poll_output() {
            match output {
                ClaimOutput::Save {
                    then: Some((from, message)),
                    ..
                } => {
                    claims.saved(message.key());
                    claims.handle(&from, message, nflog, now);
                }
                ClaimOutput::Send { to, message } if *to == *"b" => {
                    if let ClaimMessage::Claim {
                        key,
                        seq,
                        attempt,
                        run: _,
                        round,
                        last: _,
                        trail: _,
                    } = message
                    {
                        asked.insert(key.clone());
                        let promised = ClaimMessage::Promised {
                            key,
                            seq,
                            attempt,
                            round,
                            earlier: Vec::new(),
                            word: Word::Unsaid,
                        };
                        claims.handle(&to, promised, nflog, now);
                    }
                }
                ClaimOutput::Save { .. } | ClaimOutput::Send { .. } => {}
            }
        }
        asked
    }

    fn holds_many(nflog: &Nflog, now: Duration) -> Claims {
        let mut claims = Claims::new(quorum());
        for group in 0..CLAIMS {
            let terms = Terms {
                idempotency_key: "".into(),
                idempotent: false,
                drops: false,
                minority_delay: None,
                order: Duration::ZERO,
            };
            claims.claim(&key(group), 1, terms, nflog, now);
            answer(&mut claims, nflog, now);
        }
        let mut held = 0;
        while let Some(event) = claims.poll_event() {
            held += u64::from(matches!(event, ClaimEvent::Held { .. }));
        }
        assert_eq!(held, CLAIMS);
        claims
    }

    /// Takes steps until nothing is due; returns how many were asked about, and the most in one step.
    fn steps(claims: &mut Claims, nflog: &Nflog, now: Duration) -> (usize, usize) {
        let (mut all, mut most) = (BTreeSet::new(), 0);
        while claims.next_due().is_some_and(|due| due <= now) {
            claims.handle_timeout(nflog, now);
            let asked = answer(claims, nflog, now);
            most = most.max(asked.len());
            all.extend(asked);
        }
        (all.len(), most)
    }

    #[test]
    fn ten_thousand_claims_are_renewed_in_bounded_steps() {
        let (nflog, mut now) = (Nflog::default(), Duration::from_secs(60));
        let mut claims = holds_many(&nflog, now);
        now += Duration::from_secs(5);
        let (renewed, most) = steps(&mut claims, &nflog, now);
        assert_eq!(renewed as u64, CLAIMS);
        assert!(most <= BOUND, "{most} in one step");
    }

    #[test]
    fn ten_thousand_claims_are_told_to_who_joins_in_bounded_steps() {
        let (nflog, mut now) = (Nflog::default(), Duration::from_secs(60));
        let mut claims = holds_many(&nflog, now);
        now += Duration::from_secs(1);
        claims.set_quorum(quorum(), now);
        let joined = quorum().connected.into_keys().next().unwrap();
        claims.joined(&joined, now);
        claims.handle_timeout(&nflog, now);
        answer(&mut claims, &nflog, now);
        // Another change of the mesh begins no second round from the start before the first ended.
        claims.set_quorum(quorum(), now + Duration::from_millis(1));
        let (told, most) = steps(&mut claims, &nflog, now + Duration::from_millis(1));
        assert!(told as u64 >= CLAIMS - 64, "{told}");
        assert!(most <= BOUND, "{most} in one step");
    }

    #[test]
    fn what_is_due_is_found_without_looking_at_the_others() {
        let mut owns = Owns::new();
        let terms = || Terms {
            idempotency_key: "".into(),
            idempotent: false,
            drops: false,
            minority_delay: None,
            order: Duration::ZERO,
        };
        for group in 0..CLAIMS {
            owns.insert(key(group), Own::new(1, 1, 0, terms(), Duration::ZERO));
            owns.look_at(&key(group), Duration::from_secs(group));
        }
        owns.look_at(&key(7), Duration::from_secs(20_000));
        owns.look_at_by(&key(9_000), Duration::from_secs(3));
        owns.look_at_by(&key(1), Duration::from_secs(5));
        owns.remove(&key(2));
        assert_eq!(owns.next_due(), Some(Duration::ZERO));
        let due = owns.all_due(Duration::from_secs(8), 100);
        assert_eq!(due, [0, 1, 3, 9_000, 4, 5, 6, 8].map(key));
        assert_eq!(owns.all_due(Duration::from_secs(8), 2), [0, 1].map(key));
    }
}
