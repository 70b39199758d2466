//! What other nodes tell is merged here: into silences, log, alerts, schedules and history, and saved like the own.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{
    frame::{Frame, RawRecord},
    version::{AlertVersion, alert_contents},
};
use crate::{
    alert::Alert,
    cluster::{Lane, NodeName},
    dispatch::GroupName,
    history::HistoryEntry,
    labels::Fingerprint,
    nflog::NflogEntry,
    notify::decide::was_told_firing,
    silence::Silence,
    storage::{AlertCopy, GroupSchedule, Refresh, Replica, ReplicaMap, decode_replica},
    tenant::{Record, Tenant, TenantEffect, maintain::KEEP_RESOLVED},
    time::{Now, Timestamp},
};

/// What a row of records did.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Those that changed something here.
    pub(super) changed: Vec<RawRecord>,
    /// How many of these are of maps whose digests must be equal if vectors are.
    pub(super) diverged: u64,
    durable: Vec<Record>,
    silences: Vec<(Silence, RawRecord)>,
    /// Alerts of which a refresh came, but which are not known as the sender knows them.
    unknown: Vec<Fingerprint>,
}

impl Tenant {
    /// Merges records of another node.
    pub(super) fn apply(&mut self, from: &NodeName, records: Vec<RawRecord>, now: Now) -> Applied {
        let mut applied = Applied::default();
        for raw in records {
            let Some(map) = ReplicaMap::from_number(raw.map) else {
                continue;
            };
            let count = self.stats.replication.maps.entry(map).or_default();
            count.heard += 1;
            count.heard_bytes += raw.body.len() as u64;
            // One bad record must not end every node that hears of it.
            let decoded = catch_unwind(AssertUnwindSafe(|| decode_replica(map, &raw.body)));
            match decoded {
                Ok(Ok((tenant, replica))) if tenant == self.settings.tenant => {
                    self.merge(replica, raw, &mut applied, now);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    self.quarantine(from, map.as_str(), &raw.body, &error.to_string());
                }
                Err(_) => {
                    let error = "this is a bug: reading it panicked";
                    self.quarantine(from, map.as_str(), &raw.body, error);
                }
            }
        }
        self.merge_silences(&mut applied, now);
        if !applied.durable.is_empty() {
            let records = std::mem::take(&mut applied.durable);
            self.effects.push_back(TenantEffect::SaveDurably(records));
        }
        if !applied.unknown.is_empty() {
            let unknown = std::mem::take(&mut applied.unknown);
            self.send(from, Lane::Urgent, Frame::Ask(unknown));
        }
        applied
    }

    fn merge(&mut self, replica: Replica, raw: RawRecord, applied: &mut Applied, now: Now) {
        match replica {
            Replica::Silence(mut silence) => {
                let omissions = self
                    .replicator
                    .as_ref()
                    .map(|replicator| replicator.omissions);
                silence.expired_by_user &= !omissions.is_some_and(|omissions| omissions.expiry);
                applied.silences.push((silence, raw));
            }
            Replica::Log(entry) => {
                let over = entry.expires_at <= now.wall;
                let record = self.log_record(&entry);
                let before = self.nflog.get(&entry.key).cloned();
                let told = before.is_none_or(|before| !before.tells_the_same(&entry));
                let key = entry.key.clone();
                if over {
                    return;
                }
                if let Some(joined) = self.nflog.join(&entry) {
                    if let Some(handover) = &mut self.handover {
                        handover.note_told(&key);
                    }
                    applied.diverged += 1;
                    self.save_log_entry(&joined);
                } else if self.nflog.merge(entry) {
                    if let Some(handover) = &mut self.handover {
                        handover.note_told(&key);
                    }
                    applied.durable.push(record);
                    if told {
                        applied.diverged += 1;
                        applied.changed.push(raw);
                    }
                }
            }
            Replica::Alert(copy) => {
                let stored = self.store.get(copy.alert.fingerprint).cloned();
                // Refreshes are told late, but whoever repairs gets them at once.
                let contents = alert_contents(&copy.alert);
                let refreshes = stored.is_some_and(|stored| alert_contents(&stored) == contents);
                if self.merge_alert(copy, now) {
                    applied.diverged += u64::from(!refreshes);
                    applied.changed.push(raw);
                }
            }
            Replica::Refreshes(refreshes) => {
                let mut changed = false;
                for refresh in refreshes {
                    match self.merge_refresh(&refresh, now) {
                        Some(news) => changed |= news,
                        None => applied.unknown.push(refresh.fingerprint),
                    }
                }
                if changed {
                    applied.changed.push(raw);
                }
            }
            Replica::Schedules(schedules) => {
                let mut changed = false;
                for schedule in schedules {
                    changed |= self.merge_schedule(schedule, now);
                }
                if changed {
                    applied.changed.push(raw);
                }
            }
            Replica::History(entries) => self.merge_history(entries, now),
            Replica::Rule(record) => {
                if self.merge_rule(record, now) {
                    applied.diverged += 1;
                    applied.changed.push(raw);
                }
            }
        }
    }

    fn merge_silences(&mut self, applied: &mut Applied, now: Now) {
        let silences = std::mem::take(&mut applied.silences);
        if silences.is_empty() {
            return;
        }
        let (silences, mut raws): (Vec<_>, Vec<_>) = silences.into_iter().unzip();
        let merged = self.silences.merge_all(silences, now.wall);
        for (at, silence) in merged {
            applied.durable.push(self.silence_record(&silence));
            applied.diverged += 1;
            applied.changed.push(std::mem::take(&mut raws[at]));
        }
        self.index_silences(now);
    }

    /// Takes in another node's copy of an alert; tells whether it is news.
    fn merge_alert(&mut self, copy: AlertCopy, now: Now) -> bool {
        if is_over(&copy.alert, now.wall) {
            return false;
        }
        let fingerprint = copy.alert.fingerprint;
        let version = AlertVersion::of(&copy);
        let stored = self.store.get(fingerprint).cloned();
        if let Some(stored) = &stored
            && version <= self.alert_version(stored)
        {
            self.knows_less(fingerprint, version, stored);
            return false;
        }
        match copy.outage {
            Some(outage) => drop(self.unrefreshed.insert(fingerprint, outage)),
            None => drop(self.unrefreshed.remove(&fingerprint)),
        }
        self.put_alert(Arc::new(copy.alert), stored.as_deref(), now);
        true
    }

    /// Takes in that an alert still fires; tells whether that is news, or `None` if the alert is not known as the sender
    /// knows it.
    fn merge_refresh(&mut self, refresh: &Refresh, now: Now) -> Option<bool> {
        let stored = self.store.get(refresh.fingerprint)?;
        let stored = Arc::clone(stored);
        let own = self.alert_version(&stored);
        let version = own.refreshed(refresh);
        if alert_contents(&stored) != refresh.contents {
            // What is newer here is known to have other contents.
            return (own > version).then_some(false);
        }
        if version <= own {
            self.knows_less(refresh.fingerprint, version, &stored);
            return Some(false);
        }
        let alert = Alert {
            updated_at: refresh.updated_at,
            ends_at: refresh.ends_at,
            timeout: refresh.timeout,
            ..Alert::clone(&stored)
        };
        if is_over(&alert, now.wall) {
            return Some(false);
        }
        self.unrefreshed.remove(&refresh.fingerprint);
        self.put_alert(Arc::new(alert), Some(&stored), now);
        Some(true)
    }

    /// Puts another node's copy of an alert into force, as a post would be.
    fn put_alert(&mut self, alert: Arc<Alert>, previous: Option<&Alert>, now: Now) {
        if let Some(replicator) = &mut self.replicator {
            replicator.refreshes.settled(alert.fingerprint);
        }
        self.store.replace(Arc::clone(&alert));
        self.inhibitor.update(&alert, previous);
        self.dispatcher.insert(&alert, now);
        if !self.is_ready() && alert.is_resolved_at(now.wall) {
            self.leave_out_told(&alert);
        }
        self.mark_saved_later(&alert, previous, now);
    }

    /// Takes an alert that resolved before this node came out of the groups whose receivers know that, as a restart does.
    fn leave_out_told(&mut self, alert: &Arc<Alert>) {
        let hash = alert.labels.log_hash();
        let tree = Arc::clone(self.dispatcher.tree());
        for route in tree.matching(&alert.labels) {
            let group_key = route.group_key(&route.group_labels(&alert.labels));
            let told = |entry: &Arc<NflogEntry>| {
                entry.key.receiver.group_name == route.receiver && was_told_firing(entry, hash)
            };
            let owed = self.nflog.of_group(&group_key).any(told);
            let name = GroupName {
                route_id: Arc::clone(&route.id),
                group_key,
            };
            if !owed && let Some(id) = self.dispatcher.find(&name) {
                self.dispatcher.forget(id, std::slice::from_ref(alert));
            }
        }
    }

    /// Takes note that others have an older copy of an alert than this node.
    fn knows_less(&mut self, fingerprint: Fingerprint, version: AlertVersion, stored: &Alert) {
        let own = self.alert_version(stored);
        if let Some(replicator) = &mut self.replicator {
            if version == own {
                replicator.refreshes.settled(fingerprint);
            } else {
                replicator.refreshes.heard(fingerprint, version);
            }
        }
    }

    fn alert_version(&self, alert: &Alert) -> AlertVersion {
        let outage = self.unrefreshed.get(&alert.fingerprint).copied();
        AlertVersion::new(alert, outage)
    }

    fn merge_schedule(&mut self, schedule: GroupSchedule, now: Now) -> bool {
        let name = GroupName {
            route_id: schedule.route_id,
            group_key: schedule.group_key,
        };
        // Alerts travel before the schedule of their group, so a group that is not here is over. Only a node on its way up
        // may still have to learn of its alerts.
        if self.is_ready() && self.dispatcher.find(&name).is_none() {
            return false;
        }
        let due_in: Duration = schedule.next_flush_in;
        let news = self.dispatcher.follow(name, schedule.flushes, due_in, now);
        if news {
            self.persistence.changed(now);
        }
        news
    }

    fn merge_history(&mut self, entries: Vec<HistoryEntry>, now: Now) {
        for entry in entries {
            let recorded = self.history.push(entry);
            let oldest = self.oldest_history();
            self.persistence.history(recorded, oldest, now);
        }
    }
}

/// Whether an alert resolved so long ago that nobody keeps it.
pub(super) fn is_over(alert: &Alert, now: Timestamp) -> bool {
    alert.is_resolved_at(now) && alert.ends_at.plus(KEEP_RESOLVED) <= now
}
