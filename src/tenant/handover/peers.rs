//! What nodes know of each other: whether they are ready and how they define routes and receivers. From it follows who
//! goes first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use prost::Message as _;
use xxhash_rust::xxh64::xxh64;

use super::{CLAIM_PAYLOAD, FACTS_PAYLOAD, state::Handover};
use crate::{
    cluster::{Lane, NodeName},
    config::Config,
    dispatch::{Group, GroupId, RouteTree},
    notify::{
        claims::{ClaimMessage, Claims, Quorum, rank, rank_key},
        decide::Plan,
    },
    storage::Key,
    tenant::{
        PeerFacts, Tenant, TenantEffect,
        rules::{OtherRuler, REDIALLED_WITHIN},
    },
    time::Now,
};

/// Routes that a node tells of at most; others think that it has no more.
const MAX_ROUTES: usize = 10_000;

/// Components of rules that a node tells of at most; it shares out no more.
const MAX_RULES: usize = 5_000;

/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it notifies.
    pub ready: bool,
    /// Whether it may promise anything.
    pub votes: bool,
    /// How it defines each route with its receiver, hashed.
    pub routes: BTreeSet<u64>,
    /// Whether it gets nothing acknowledged and leaves it to others to notify.
    pub stuck: bool,
    /// What rules it evaluates, hashed ([`crate::ruler::RuleSet::hashes`]).
    pub rules: BTreeSet<u64>,
    /// Whether its disk does not take what it saves.
    pub ails: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct PbFacts {
    #[prost(bool, tag = "1")]
    ready: bool,
    #[prost(fixed64, repeated, tag = "2")]
    routes: Vec<u64>,
    #[prost(bool, tag = "3")]
    votes: bool,
    #[prost(fixed64, repeated, tag = "4")]
    rules: Vec<u64>,
    #[prost(bool, tag = "5")]
    ails: bool,
    #[prost(bool, tag = "6")]
    stuck: bool,
}

impl Facts {
    /// Writes them, with the byte that names the kind of payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let pb = PbFacts {
            ready: self.ready,
            votes: self.votes,
            routes: self.routes.iter().copied().take(MAX_ROUTES).collect(),
            rules: self.rules.iter().copied().take(MAX_RULES).collect(),
            ails: self.ails,
            stuck: self.stuck,
        };
        let mut bytes = vec![FACTS_PAYLOAD];
        pb.encode_raw(&mut bytes);
        bytes
    }

    /// Reads what stands behind that byte.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let pb = PbFacts::decode(bytes).ok()?;
        Some(Self {
            ready: pb.ready,
            votes: pb.votes,
            routes: pb.routes.into_iter().take(MAX_ROUTES).collect(),
            rules: pb.rules.into_iter().take(MAX_RULES).collect(),
            ails: pb.ails,
            stuck: pb.stuck,
        })
    }
}

impl Tenant {
    /// Has the tenant share its notifications with the other nodes of a mesh. It begins no flush before it is ready.
    pub fn hand_over(
        &mut self,
        me: NodeName,
        run: u64,
        minority_delay: Option<Duration>,
        now: Now,
    ) {
        let quorum = Quorum {
            me,
            run,
            ..Quorum::default()
        };
        let mut claims = Claims::new(quorum);
        for (key, promise) in std::mem::take(&mut self.saved_promises) {
            let done = self.nflog.get(&key).map(|entry| entry.seq);
            if done.is_none_or(|done| done < promise.seq) {
                claims.restore(key, promise, now.mono);
            } else {
                let record = (Key::promise(&self.settings.tenant, &key), None);
                self.effects
                    .push_back(TenantEffect::SavePromise { record, then: None });
            }
        }
        self.handover = Some(Handover::new(claims, minority_delay));
        self.describe_routes();
    }

    /// Takes in who votes and who is in reach.
    pub fn set_quorum(&mut self, mut quorum: Quorum, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        handover
            .peers
            .retain(|name, _| quorum.connected.contains_key(name));
        let silent = handover.peers.iter().filter(|(_, facts)| !facts.votes);
        quorum.silent = silent.map(|(name, _)| NodeName::clone(name)).collect();
        let voted = handover.claims.quorum().may_vote;
        let votes = quorum.may_vote;
        handover.claims.set_quorum(quorum, now.mono);
        handover.rank_again();
        if voted != votes {
            self.tell_facts();
        }
        self.refresh_rulers(now);
        self.send_claims(now);
    }

    /// Takes in who evaluates rules beside this node.
    pub(in crate::tenant) fn refresh_rulers(&mut self, now: Now) {
        let Some(handover) = &self.handover else {
            return;
        };
        let quorum = handover.claims.quorum();
        let others = &mut self.rules.others;
        for (name, facts) in &handover.peers {
            if !facts.ready || facts.rules.is_empty() {
                others.remove(name);
                continue;
            }
            let run = quorum.connected.get(name).copied().unwrap_or_default();
            let known = others
                .entry(NodeName::clone(name))
                .or_insert_with(|| OtherRuler {
                    hashes: Arc::default(),
                    run,
                    lost: None,
                });
            if *known.hashes != facts.rules {
                known.hashes = Arc::new(facts.rules.clone());
            }
            (known.run, known.lost) = (run, None);
        }
        others.retain(|name, other| {
            if handover.peers.contains_key(name) {
                return !quorum.down.contains(name);
            }
            let ended = quorum.ended.get(name).is_some_and(|run| *run >= other.run);
            let lost = *other.lost.get_or_insert(now.mono);
            !ended && !quorum.down.contains(name) && now.mono < lost + REDIALLED_WITHIN
        });
        self.rules.members_change();
    }

    /// A stream to a node is open: it is told how this one is.
    pub fn greet(&mut self, name: &NodeName, now: Now) {
        let Some(facts) = self.facts() else { return };
        self.effects.push_back(TenantEffect::TellOne {
            to: NodeName::clone(name),
            lane: Lane::Urgent,
            bytes: facts.encode(),
        });
        if let Some(handover) = &mut self.handover {
            handover.gone.remove(name);
            handover.claims.joined(name, now.mono);
        }
        self.send_claims(now);
    }

    /// Whether this node begins flushes from now on.
    pub fn set_ready(&mut self, ready: bool, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        if handover.ready != ready {
            handover.ready = ready;
            handover.rank_again();
            self.rules.set_ready(ready, now);
            self.tell_facts();
        }
    }

    /// Whether flushes may begin.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.handover.as_ref().is_none_or(|handover| handover.ready)
    }

    /// A payload about claims or facts came.
    pub fn claim_payload(&mut self, from: &NodeName, bytes: &[u8], now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        match bytes.split_first() {
            Some((&CLAIM_PAYLOAD, rest)) => match ClaimMessage::decode(rest) {
                Ok(Some(mut message)) => {
                    self.forgive_what_expired(&mut message, now);
                    let Some(handover) = &mut self.handover else {
                        return;
                    };
                    handover.claims.handle(from, message, &self.nflog, now.mono);
                    self.send_claims(now);
                }
                Ok(None) => {}
                Err(_malformed) => self.stats.malformed_claims += 1,
            },
            Some((&FACTS_PAYLOAD, rest)) => match Facts::decode(rest) {
                Some(facts) => {
                    handover.peers.insert(NodeName::clone(from), facts);
                    handover.rank_again();
                    let quorum = handover.claims.quorum().clone();
                    self.set_quorum(quorum, now);
                }
                None => self.stats.malformed_claims += 1,
            },
            Some(_) | None => {}
        }
    }

    /// Whoever lacks an entry that is over here will never get it: it need not know of it.
    fn forgive_what_expired(&self, message: &mut ClaimMessage, now: Now) {
        if let ClaimMessage::Claim { key, last, .. } = message
            && self
                .nflog
                .get(key)
                .is_some_and(|entry| entry.expires_at <= now.wall)
        {
            *last = None;
        }
    }

    /// Follows a new configuration.
    pub(in crate::tenant) fn describe_routes(&mut self) {
        let tree = self.dispatcher.tree();
        let routes = tree_hashes(tree, &self.config);
        if let Some(handover) = &mut self.handover {
            handover.routes = routes;
            handover.rank_again();
            self.tell_facts();
        }
    }

    /// What other nodes say of themselves, held against what this one says.
    pub(in crate::tenant) fn peer_facts(&self) -> BTreeMap<NodeName, PeerFacts> {
        let Some(handover) = self.handover.as_ref().filter(|it| !it.peers.is_empty()) else {
            return BTreeMap::new();
        };
        let own: BTreeSet<u64> = handover.routes.iter().copied().take(MAX_ROUTES).collect();
        let held = |facts: &Facts| PeerFacts {
            ready: facts.ready,
            votes: facts.votes,
            stuck: facts.stuck,
            differs: facts.routes != own,
            disk_ails: facts.ails,
        };
        let peers = handover.peers.iter();
        peers
            .map(|(name, facts)| (NodeName::clone(name), held(facts)))
            .collect()
    }

    /// Takes in whether one of the store's databases takes what it is given; the others are told.
    pub fn disk_ails(&mut self, durable: bool, ails: bool) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let one = &mut handover.ailing[usize::from(durable)];
        if std::mem::replace(one, ails) != ails {
            self.tell_facts();
        }
    }

    /// Whether claims can be acknowledged by a majority now.
    pub(in crate::tenant) fn has_majority(&self) -> bool {
        let handover = self.handover.as_ref();
        handover.is_none_or(|handover| handover.claims.quorum().in_reach())
    }

    /// For how long those who vote have left open what they were asked.
    pub(in crate::tenant) fn unanswered(&self, now: Now) -> BTreeMap<NodeName, Duration> {
        let handover = self.handover.as_ref();
        handover.map_or_else(BTreeMap::new, |it| it.claims.unanswered(now.mono))
    }

    /// How much longer than usual it may take until something may be sent.
    pub(in crate::tenant) fn slack(&self, now: Now) -> Duration {
        let handover = self.handover.as_ref();
        handover.map_or(Duration::ZERO, |it| it.claims.slack(now.mono))
    }

    /// Whether this node may acknowledge claims now.
    pub(in crate::tenant) fn may_vote(&self) -> bool {
        let handover = self.handover.as_ref();
        handover.is_none_or(|handover| handover.claims.quorum().may_vote)
    }

    /// Whether this node goes first for a group, and so tells the others of its schedule.
    pub(in crate::tenant) fn leads(&self, group: GroupId) -> bool {
        let Some(handover) = &self.handover else {
            return true;
        };
        let Some(group) = self.dispatcher.groups().get(&group) else {
            return true;
        };
        handover.rank(group, group.key.as_bytes()) == 0
    }

    pub(super) fn rank_of(&self, group: GroupId, plan: &Plan) -> usize {
        let Some(handover) = &self.handover else {
            return 0;
        };
        let Some(group) = self.dispatcher.groups().get(&group) else {
            return 0;
        };
        let what = rank_key(&plan.key, plan.integration.as_deref());
        let failed = handover.unreachable.get(&plan.key);
        let me = &handover.claims.quorum().me;
        let all: Vec<&NodeName> = handover.eligible(group).collect();
        let tried = |name: &NodeName| failed.is_some_and(|failed| failed.contains(name));
        let fresh = all.iter().copied().filter(|name| !tried(name));
        let ahead = rank(me, fresh.clone().map(|name| &**name), &what);
        if handover.claims.quorum().stuck_since.is_some() {
            return all.len();
        }
        if !tried(me) {
            return ahead;
        }
        // Whoever could not reach the receiver goes after all that did not try yet, unless nobody else is left.
        let others_fresh = fresh.count();
        let again = all.iter().copied().filter(|name| tried(name));
        others_fresh + rank(me, again.map(|name| &**name), &what)
    }

    /// The place of this node among all that could tell something, whether they get anything acknowledged or not.
    pub(super) fn order_of(&self, id: u64) -> usize {
        let Some(handover) = &self.handover else {
            return 0;
        };
        let Some(pending) = handover.pending.get(&id) else {
            return 0;
        };
        let Some(group) = self.dispatcher.groups().get(&pending.group) else {
            return 0;
        };
        let plan = &pending.plan;
        let what = rank_key(&plan.key, plan.integration.as_deref());
        let route = handover.routes.get(group.route.index as usize).copied();
        let others = handover.able(route).map(|(name, _)| &**name);
        rank(&handover.claims.quorum().me, others, &what)
    }

    /// Whether another node that could tell this has not tried yet.
    pub(super) fn has_untried(&self, group: GroupId, plan: &Plan) -> bool {
        let Some(handover) = &self.handover else {
            return false;
        };
        let Some(group) = self.dispatcher.groups().get(&group) else {
            return false;
        };
        let failed = handover.unreachable.get(&plan.key);
        handover
            .eligible(group)
            .any(|name| !failed.is_some_and(|failed| failed.contains(name)))
    }

    fn facts(&self) -> Option<Facts> {
        let handover = self.handover.as_ref()?;
        Some(Facts {
            ready: handover.ready && !self.stopping,
            votes: handover.claims.quorum().may_vote,
            stuck: handover.claims.quorum().stuck_since.is_some(),
            routes: handover.routes.iter().copied().collect(),
            rules: self
                .rules
                .own()
                .map(|own| BTreeSet::clone(own))
                .unwrap_or_default(),
            ails: handover.ailing != [false; 2],
        })
    }

    pub(in crate::tenant) fn tell_facts(&mut self) {
        if let Some(facts) = self.facts() {
            self.effects.push_back(TenantEffect::Tell(facts.encode()));
        }
    }
}

impl Handover {
    fn rank(&self, group: &Group, what: &[u8]) -> usize {
        let others = self.eligible(group).map(|name| &**name);
        if self.claims.quorum().stuck_since.is_some() {
            return others.count();
        }
        rank(&self.claims.quorum().me, others, what)
    }
}

/// One hash for each route: how it groups, when it tells, and whom, without secrets.
fn tree_hashes(tree: &Arc<RouteTree>, config: &Config) -> Vec<u64> {
    let hash = |node: &Arc<crate::dispatch::RouteNode>| {
        let mut text = String::new();
        let receiver = config.receiver(&node.receiver);
        let parts = (
            &node.key,
            &node.group_by,
            node.group_wait,
            node.group_interval,
            node.repeat_interval,
        );
        let muting = (
            &node.mute_time_intervals,
            &node.active_time_intervals,
            &node.labels,
        );
        // Writing to a string cannot fail.
        let _ = write!(text, "{parts:?} {muting:?} {receiver:?}");
        xxh64(text.as_bytes(), 0)
    };
    tree.nodes().iter().map(hash).collect()
}
