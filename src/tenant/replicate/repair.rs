//! Repairs: two nodes compare digests, then keys and versions, then send each other what one has and the other has not.
//!
//! The node with the smaller name begins; one repair at a time between two nodes. Hashing and writing is done by workers
//! on snapshots, sending as the other side has room, so that the loop stays free and memory bounded. Everything of a
//! repair is on the bulk lane, in order: whoever reads `End` has everything that was sent before it. Then this node knows
//! all that the other knew when its snapshot was taken.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    digest::{BUCKETS, Index, MAPS, bounds},
    frame::{Digests, Frame, RawRecord, Root, Step},
    parts::cut,
    peer::{Peer, Repair},
    portion::{MESSAGES, Portion, PortionInput, Work},
    vector::Vector,
};
use crate::{
    cluster::{Lane, NodeName},
    storage::ReplicaMap,
    tenant::{Tenant, TenantEffect, TenantJob},
    time::Now,
};

/// A repair that does not go on for so long is given up and begun again.
pub(super) const STUCK: Duration = Duration::from_secs(30);
/// What one portion makes at most, about; more than one is made only when there is room.
const PORTION: usize = 512 * 1024;
/// Frames that wait for room, beyond which no portion is made.
const MAX_OUT: usize = 256 * 1024;
/// Records of one repair that are told on to other nodes. If there are more, these see that they miss something and
/// compare digests themselves.
const MAX_RELAYED: usize = 500;

/// Who waits for an index.
#[derive(Debug, Default)]
pub(super) struct Indexing {
    /// For whom a worker makes one.
    runs: Option<Vec<(NodeName, u64)>>,
    /// For whom the next is made: theirs must be of a later moment.
    waits: Vec<(NodeName, u64)>,
}

impl Tenant {
    /// Has a repair with a node begin, or follow the one under way.
    pub(super) fn want_repair(&mut self, name: &NodeName, now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let Some(peer) = replicator.peers.get_mut(name) else {
            return;
        };
        if peer.repair.is_some() {
            peer.wanted = true;
            return;
        }
        peer.wanted = false;
        if *replicator.identity.name > **name {
            self.send(name, Lane::Urgent, Frame::Want);
            return;
        }
        replicator.next_repair += 1;
        let id = replicator.next_repair;
        peer.repair = Some(Repair::new(id, id, true, now.mono));
        self.need_index(name, id, now);
    }

    /// Takes in a step of a repair.
    pub(super) fn repair_step(&mut self, from: &NodeName, session: u64, step: Step, now: Now) {
        if let Step::Open { vector, roots } = step {
            self.answer_repair(from, session, vector, roots, now);
            return;
        }
        let Some(peer) = self.peer(from) else { return };
        let Some(repair) = peer.repair(session) else {
            return;
        };
        repair.touched = now.mono;
        match step {
            Step::Open { .. } => {}
            Step::Digests { vector, maps } => {
                if repair.begins && !repair.listing {
                    repair.theirs = vector;
                    if maps.is_empty() {
                        self.repair_done(from, now);
                    } else {
                        repair.list(&maps);
                    }
                }
            }
            Step::Lists { segments, last } => {
                for segment in &segments {
                    repair.compare(segment);
                }
                repair.listing |= last;
            }
            Step::Need { map, keys } => {
                if let Some(map) = ReplicaMap::from_number(map) {
                    let at = 0;
                    repair.work.push_back(Work::Keys { map, keys, at });
                }
            }
            Step::Records(records) => self.repair_records(from, records, now),
            Step::End => repair.ended_in = true,
        }
        self.pump(from, now);
    }

    /// Sends what there is room for, and has a worker make more.
    pub(super) fn pump(&mut self, name: &NodeName, now: Now) {
        loop {
            let Some(replicator) = &mut self.replicator else {
                return;
            };
            let Some(peer) = replicator.peers.get_mut(name) else {
                return;
            };
            while let Some(bytes) = peer.next_frame() {
                self.effects.push_back(TenantEffect::TellOne {
                    to: NodeName::clone(name),
                    lane: Lane::Bulk,
                    bytes,
                });
                if let Some(repair) = &mut peer.repair {
                    repair.touched = now.mono;
                }
            }
            let tenant = &self.settings.tenant;
            let Some(step) = peer.next_step(&mut replicator.next_message, tenant, now) else {
                break;
            };
            match step {
                Next::Frames(frames) => peer.queue(frames),
                Next::Done => {
                    self.repair_done(name, now);
                    break;
                }
                Next::Portion(portion) => {
                    let job = TenantJob::Portion(Box::new(portion));
                    self.effects.push_back(TenantEffect::Run(job));
                    break;
                }
            }
        }
    }

    /// Takes in an index that a worker made, or that it failed.
    pub(in crate::tenant) fn index_made(&mut self, index: Option<Index>, now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let runs = replicator.indexing.runs.take().unwrap_or_default();
        let index = index.map(Arc::new);
        for (name, id) in runs {
            let Some(peer) = replicator.peers.get_mut(&name) else {
                continue;
            };
            let Some(repair) = peer.repair.as_mut().filter(|repair| repair.id == id) else {
                continue;
            };
            let Some(index) = &index else {
                // The next round tries again.
                peer.repair = None;
                continue;
            };
            repair.touched = now.mono;
            let step = repair.compare_roots(index);
            let done = matches!(&step, Step::Digests { maps, .. } if maps.is_empty());
            let session = repair.session;
            repair.ended_in |= done;
            repair.ended_out |= done;
            replicator.next_message += 1;
            let frames = cut(Frame::Repair { session, step }, replicator.next_message);
            peer.queue(frames);
        }
        let names: Vec<_> = replicator.peers.keys().cloned().collect();
        for name in names {
            self.pump(&name, now);
        }
        self.make_index(now);
    }

    /// Takes in a portion that a worker made.
    pub(in crate::tenant) fn portion_made(&mut self, portion: Portion, now: Now) {
        self.stats.replication.quarantined += portion.failed;
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let mut peers = replicator.peers.iter_mut();
        let found = peers.find(|(_, peer)| peer.has_repair(portion.repair));
        let Some((name, peer)) = found else { return };
        let name = NodeName::clone(name);
        peer.queue(portion.frames);
        if let Some(repair) = &mut peer.repair {
            repair.runs = false;
            repair.touched = now.mono;
            let mut work = portion.rest;
            work.append(&mut repair.work);
            repair.work = work;
        }
        self.pump(&name, now);
    }

    /// Takes in that a worker failed to make a portion.
    pub(in crate::tenant) fn portion_lost(&mut self, repair: u64) {
        if let Some(replicator) = &mut self.replicator {
            for peer in replicator.peers.values_mut() {
                peer.repair.take_if(|running| running.id == repair);
            }
        }
    }

    /// Gives up repairs that are stuck, and begins those that are due.
    pub(super) fn repair_in_time(&mut self, now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let mut again = Vec::new();
        for (name, peer) in &mut replicator.peers {
            let stuck = |repair: &mut Repair| repair.touched + STUCK <= now.mono;
            if peer.repair.take_if(stuck).is_some() {
                tracing::warn!(
                    peer = %name,
                    "Comparing state with a peer did not go on and is begun again"
                );
                again.push(NodeName::clone(name));
            }
        }
        if replicator.round_due.is_some_and(|due| due <= now.mono) {
            replicator.round_due = Some(now.mono + replicator.identity.pushpull_interval);
            again.extend(replicator.next_in_round());
        }
        for name in again {
            self.want_repair(&name, now);
        }
    }

    /// Answers the beginning of a repair; it takes the place of any other with this node.
    fn answer_repair(
        &mut self,
        from: &NodeName,
        session: u64,
        theirs: Vector,
        roots: Vec<Root>,
        now: Now,
    ) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let begins = *replicator.identity.name < **from;
        let Some(peer) = replicator.peers.get_mut(from).filter(|_| !begins) else {
            return;
        };
        replicator.next_repair += 1;
        let id = replicator.next_repair;
        let mut repair = Repair::new(id, session, false, now.mono);
        repair.theirs = theirs;
        repair.roots = roots;
        peer.repair = Some(repair);
        self.need_index(from, id, now);
    }

    /// Merges records that a repair brought, and tells others of them: they need not have a stream to that node.
    fn repair_records(&mut self, from: &NodeName, records: Vec<RawRecord>, now: Now) {
        let applied = self.apply(from, records, now);
        self.stats.replication.repaired += applied.changed.len() as u64;
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let Some(repair) = replicator
            .peers
            .get_mut(from)
            .and_then(|peer| peer.repair.as_mut())
        else {
            return;
        };
        repair.changed += applied.changed.len() as u64;
        repair.diverged += applied.diverged;
        if applied.changed.is_empty() {
            return;
        }
        let relayed = repair.relayed + applied.changed.len();
        if relayed <= MAX_RELAYED {
            repair.relayed = relayed;
            self.relay(from, applied.changed);
        } else {
            repair.untold = true;
        }
    }

    fn repair_done(&mut self, name: &NodeName, now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let Some(peer) = replicator.peers.get_mut(name) else {
            return;
        };
        let Some(repair) = peer.repair.take() else {
            return;
        };
        let before = std::mem::replace(&mut peer.repaired, true);
        let wanted = std::mem::take(&mut peer.wanted);
        peer.behind_beats = 0;
        let index = repair.index.as_ref();
        let same = index.is_some_and(|index| index.vector == repair.theirs);
        replicator.tracker.merge(&repair.theirs);
        replicator.repaired.insert(NodeName::clone(name));
        replicator.untold |= repair.untold;
        self.stats.replication.repairs += 1;
        if before && same && repair.diverged > 0 {
            self.stats.replication.divergences += 1;
            tracing::error!(
                peer = %name,
                records = repair.diverged,
                "A peer had other state although both had heard the same; it is repaired. This is a bug"
            );
        } else if repair.changed > 0 {
            tracing::info!(
                peer = %name,
                records = repair.changed,
                "Took over what a peer knew and this node did not"
            );
        }
        if wanted {
            self.want_repair(name, now);
        }
    }

    fn need_index(&mut self, name: &NodeName, id: u64, now: Now) {
        if let Some(replicator) = &mut self.replicator {
            let waiting = (NodeName::clone(name), id);
            replicator.indexing.waits.push(waiting);
            self.make_index(now);
        }
    }

    /// Has a worker make an index for all that wait for one.
    fn make_index(&mut self, now: Now) {
        // What is in the index must count in its vector.
        self.tell_news();
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let indexing = &mut replicator.indexing;
        if indexing.runs.is_some() || indexing.waits.is_empty() {
            return;
        }
        indexing.runs = Some(std::mem::take(&mut indexing.waits));
        let vector = replicator.tracker.vector().clone();
        let input = self.index_input(vector, now);
        let job = TenantJob::Digest(Box::new(input));
        self.effects.push_back(TenantEffect::Run(job));
    }

    fn peer(&mut self, name: &NodeName) -> Option<&mut Peer> {
        self.replicator.as_mut()?.peers.get_mut(name)
    }
}

/// What a repair does next.
enum Next {
    Frames(Vec<Vec<u8>>),
    Portion(PortionInput),
    Done,
}

impl Peer {
    /// What the repair does next, if it can do anything before something comes.
    fn next_step(&mut self, next_message: &mut u64, tenant: &Arc<str>, now: Now) -> Option<Next> {
        let full = self.out_bytes >= MAX_OUT;
        let repair = self.repair.as_mut()?;
        let index = repair.index.as_ref().filter(|_| !repair.runs)?;
        if repair.ended_in && repair.ended_out {
            return Some(Next::Done);
        }
        if !repair.work.is_empty() {
            if full {
                return None;
            }
            repair.runs = true;
            let first_message = *next_message;
            *next_message += MESSAGES;
            return Some(Next::Portion(PortionInput {
                repair: repair.id,
                session: repair.session,
                index: Arc::clone(index),
                work: std::mem::take(&mut repair.work),
                budget: PORTION,
                first_message,
                tenant: Arc::clone(tenant),
                now,
            }));
        }
        let step = if repair.begins && repair.listing && !repair.listed {
            repair.listed = true;
            Step::Lists {
                segments: Vec::new(),
                last: true,
            }
        } else if !repair.ended_out && repair.may_end() {
            repair.ended_out = true;
            Step::End
        } else {
            return None;
        };
        let session = repair.session;
        *next_message += 1;
        let frames = cut(Frame::Repair { session, step }, *next_message);
        Some(Next::Frames(frames))
    }

    fn has_repair(&self, id: u64) -> bool {
        self.repair.as_ref().is_some_and(|repair| repair.id == id)
    }
}

impl Repair {
    /// Whether this node has nothing more to send once its work is done: the other has all lists, and the beginner knows
    /// of all wishes.
    fn may_end(&self) -> bool {
        if self.begins {
            self.ended_in
        } else {
            self.listing
        }
    }

    /// Begins the repair, or answers its beginning, now that there is an index.
    fn compare_roots(&mut self, index: &Arc<Index>) -> Step {
        self.index = Some(Arc::clone(index));
        let vector = index.vector.clone();
        if self.begins {
            Step::Open {
                vector,
                roots: index.roots(),
            }
        } else {
            Step::Digests {
                vector,
                maps: index.differing(&self.roots),
            }
        }
    }

    /// Plans what to list of the maps that differ. What the other has nothing of is sent at once.
    fn list(&mut self, maps: &[Digests]) {
        self.listing = true;
        let Some(index) = &self.index else { return };
        let mut work = VecDeque::new();
        for map in MAPS {
            let theirs = maps.iter().find(|theirs| theirs.map == map.number());
            let Some(theirs) = theirs.filter(|theirs| theirs.buckets.len() == BUCKETS) else {
                continue;
            };
            let Some(own) = index.map(map) else { continue };
            let buckets = own.buckets().iter().zip(&theirs.buckets);
            for (bucket, (own, theirs)) in (0..=u8::MAX).zip(buckets) {
                if own == theirs {
                    continue;
                }
                let (from, to) = bounds(bucket);
                work.push_back(if *theirs == 0 {
                    Work::Whole { map, from, to }
                } else {
                    Work::List { map, bucket }
                });
            }
        }
        self.work = work;
    }
}
