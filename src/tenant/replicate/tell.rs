//! What changed here is told to the others, at once and in order.

use std::sync::Arc;

use super::{
    Replicator,
    frame::{FRAME_BYTES, Frame, RawRecord},
    parts::cut,
    version::{AlertVersion, alert_contents},
};
use crate::{
    alert::Alert,
    cluster::{Lane, NodeName},
    dispatch::{Group, GroupId},
    history::HistoryEntry,
    labels::Fingerprint,
    nflog::NflogEntry,
    silence::Silence,
    storage::{
        GroupSchedule, Refresh, ReplicaMap, encode_alert, encode_history, encode_nflog,
        encode_refreshes, encode_schedules, encode_silence,
    },
    tenant::{Tenant, TenantEffect},
    time::{Now, Timestamp},
};

/// Alerts that a node may ask for in one message.
const MAX_ASKED: usize = 1000;

impl Replicator {
    /// Whether there is something to tell, and somebody to be told.
    pub(in crate::tenant) fn has_news(&self) -> bool {
        !self.outbox.is_empty() || (self.untold && !self.peers.is_empty())
    }

    /// Takes the payloads that tell the others what changed.
    fn news(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut records = std::mem::take(&mut self.outbox).into_iter().peekable();
        while records.peek().is_some() {
            let mut size = 0;
            let mut delta = Vec::new();
            while let Some(record) = records.next_if(|record| {
                size += record.body.len() + 16;
                delta.is_empty() || size <= FRAME_BYTES
            }) {
                delta.push(record);
            }
            frames.extend(self.delta(delta));
        }
        if std::mem::take(&mut self.untold) {
            // Whoever comes later sees that there is something that it was not told.
            self.count(&[]);
        }
        frames
    }

    fn delta(&mut self, records: Vec<RawRecord>) -> Vec<Vec<u8>> {
        let number = self.count(&records);
        self.next_message += 1;
        cut(Frame::Delta { number, records }, self.next_message)
    }

    /// The number of the next own change, which holds these records.
    fn count(&mut self, records: &[RawRecord]) -> u64 {
        self.number += 1;
        let maps = records.iter().map(|record| record.map);
        for map in maps.filter_map(ReplicaMap::from_number) {
            self.told.count(map);
        }
        self.told.numbered(self.number);
        let identity = &self.identity;
        self.tracker.take(&identity.name, identity.run, self.number);
        self.number
    }
}

impl Tenant {
    /// Turns what changed into payloads for the others.
    pub(in crate::tenant) fn tell_news(&mut self) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        for bytes in replicator.news() {
            self.effects.push_back(TenantEffect::Tell(bytes));
        }
    }

    /// Tells the others of a silence that was made, edited or ended here.
    pub(in crate::tenant) fn tell_silence(&mut self, silence: &Silence) {
        self.tell(ReplicaMap::Silences, |tenant| {
            encode_silence(tenant, silence)
        });
    }

    /// Tells the others of an entry that was made here.
    pub(in crate::tenant) fn tell_log_entry(&mut self, entry: &NflogEntry) {
        self.tell(ReplicaMap::Log, |tenant| encode_nflog(tenant, entry));
    }

    /// Tells the others of an alert that is new, ended, or differs in more than its end.
    pub(in crate::tenant) fn tell_alert(&mut self, alert: &Alert) {
        if let Some(replicator) = &mut self.replicator {
            replicator.refreshes.settled(alert.fingerprint);
        }
        self.tell(ReplicaMap::Alerts, |tenant| {
            encode_alert(tenant, alert, None)
        });
    }

    /// Tells the others of an alert of which only the end moved, in time; `outage` is that of the alert as it was.
    pub(in crate::tenant) fn tell_refresh(
        &mut self,
        before: &Alert,
        outage: Option<Timestamp>,
        alert: &Alert,
        now: Now,
    ) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        if replicator.is_alone() {
            replicator.untold = true;
            return;
        }
        let before = AlertVersion::new(before, outage);
        replicator.refreshes.refreshed(before, alert, now);
    }

    /// Tells the others that a group was flushed and when it is next due.
    pub(in crate::tenant) fn tell_schedule(&mut self, group: GroupId, now: Now) {
        // Whoever goes first for a group says when it is due; the others would only say the same.
        if !self.leads(group) {
            return;
        }
        if let Some(group) = self.dispatcher.groups().get(&group).map(Arc::clone) {
            self.tell(ReplicaMap::Schedules, |tenant| {
                encode_schedules(&[schedule_of(&group, tenant, now)])
            });
        }
    }

    /// Tells the others what became of a notification.
    pub(in crate::tenant) fn tell_history(&mut self, entry: &Arc<HistoryEntry>) {
        self.tell(ReplicaMap::History, |_| {
            encode_history(std::slice::from_ref(entry))
        });
    }

    /// Tells the next batch of refreshes, if it is due.
    pub(super) fn tell_refreshes(&mut self, now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let batch = replicator.refreshes.take(now);
        let undated = replicator.omissions.updated_at;
        let alerts = batch
            .iter()
            .filter_map(|fingerprint| self.store.get(*fingerprint));
        let mut batch: Vec<_> = alerts.map(|alert| refresh_of(alert)).collect();
        for refresh in batch.iter_mut().filter(|_| undated) {
            refresh.updated_at = Timestamp::ZERO;
        }
        if !batch.is_empty() {
            self.tell(ReplicaMap::Refreshes, |tenant| {
                encode_refreshes(tenant, &batch)
            });
        }
    }

    /// Answers a node that does not know some alerts as this one does.
    pub(super) fn answer(&mut self, to: &NodeName, alerts: &[Fingerprint]) {
        let mut frames = Vec::new();
        let mut records = Vec::new();
        let mut size = 0;
        for fingerprint in alerts.iter().take(MAX_ASKED) {
            let Some(record) = self.alert_replica(*fingerprint) else {
                continue;
            };
            size += record.body.len() + 16;
            records.push(record);
            if size > FRAME_BYTES / 2 {
                frames.push(Frame::Answer(std::mem::take(&mut records)));
                size = 0;
            }
        }
        if !records.is_empty() {
            frames.push(Frame::Answer(records));
        }
        for frame in frames {
            self.send(to, Lane::Urgent, frame);
        }
    }

    /// Tells the others what a repair with one node brought, as an own change.
    pub(super) fn relay(&mut self, from: &NodeName, records: Vec<RawRecord>) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let number = replicator.count(&records);
        let names: Vec<_> = replicator.peers.keys().cloned().collect();
        for name in names {
            // Who has it only needs the number, lest it misses one.
            let records = if name == *from {
                Vec::new()
            } else {
                records.clone()
            };
            self.send(&name, Lane::Urgent, Frame::Delta { number, records });
        }
    }

    /// Sends a message to one node.
    pub(super) fn send(&mut self, to: &NodeName, lane: Lane, frame: Frame) {
        if let Some(replicator) = &mut self.replicator {
            replicator.next_message += 1;
            let frames = cut(frame, replicator.next_message);
            self.tell_one(to, lane, frames);
        }
    }

    fn alert_replica(&self, fingerprint: Fingerprint) -> Option<RawRecord> {
        let alert = self.store.get(fingerprint)?;
        let outage = self.unrefreshed.get(&fingerprint).copied();
        let body = encode_alert(&self.settings.tenant, alert, outage);
        Some(RawRecord::new(ReplicaMap::Alerts, body))
    }

    pub(super) fn tell(&mut self, map: ReplicaMap, encode: impl FnOnce(&Arc<str>) -> Vec<u8>) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        if replicator.peers.is_empty() {
            replicator.untold = true;
            replicator.told.count(map);
            return;
        }
        let body = encode(&self.settings.tenant);
        let count = self.stats.replication.maps.entry(map).or_default();
        count.told += 1;
        count.told_bytes += body.len() as u64;
        replicator.outbox.push(RawRecord::new(map, body));
    }
}

fn refresh_of(alert: &Alert) -> Refresh {
    Refresh {
        fingerprint: alert.fingerprint,
        contents: alert_contents(alert),
        updated_at: alert.updated_at,
        ends_at: alert.ends_at,
        timeout: alert.timeout,
    }
}

/// What the others need to know of a group's flushes.
pub(super) fn schedule_of(group: &Group, tenant: &Arc<str>, now: Now) -> GroupSchedule {
    GroupSchedule {
        tenant: Arc::clone(tenant),
        route_id: Arc::clone(&group.route.id),
        receiver: Arc::clone(&group.route.receiver),
        group_key: Arc::clone(&group.key),
        created_at: group.created,
        saved_at: now.wall,
        next_flush_in: group.due.saturating_sub(now.mono),
        last_flush_at: group.last_flush.unwrap_or(Timestamp::ZERO),
        gone: false,
        flushes: group.flushes,
    }
}
