//! What is saved, when, and how a restart continues from it.
//!
//! Silences and the log are durable before they are acknowledged. Alerts, schedules and history are written behind:
//! changes within a second, refreshes within 30 s or a third of the alert's remaining life.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};

use super::{Record, Tenant, TenantEffect};
use crate::{
    alert::Alert,
    dispatch::Schedule,
    history::HistoryEntry,
    labels::Fingerprint,
    nflog::{LogKey, NflogEntry},
    notify::claims::Promise,
    ruler::RuleCopy,
    silence::Silence,
    storage::{
        AlertJournal, GroupSchedule, Heartbeat, JournalOp, Key, Map, Parts, encode_heartbeat,
        encode_history, encode_nflog, encode_schedules, encode_silence,
    },
    time::{Now, Timestamp},
};

/// The longest a change waits to be saved. With the time that the store takes on a busy disk it stays below the second
/// that alerts may be behind.
const CHANGES_WITHIN: Duration = Duration::from_millis(250);
/// The longest a refresh waits to be saved.
const REFRESHES_WITHIN: Duration = Duration::from_secs(30);
/// How often the node notes that it lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Alerts and schedules handed to the store in one step of the loop.
const PER_STEP: usize = 100;
/// History entries handed to the store in one step of the loop.
const HISTORY_PER_STEP: usize = 8 * HISTORY_PER_VALUE;
/// History entries in one value; at 8 KiB each they fit.
const HISTORY_PER_VALUE: usize = 7;

/// Everything of a tenant that the store held when the node started.
#[derive(Debug, Default)]
pub struct Saved {
    /// Silences.
    pub silences: Vec<Silence>,
    /// The notification log.
    pub nflog: Vec<NflogEntry>,
    /// Alerts, and the journal to go on with.
    pub alerts: Vec<Alert>,
    /// The journal that `alerts` came from.
    pub journal: AlertJournal,
    /// Groups.
    pub schedules: Vec<GroupSchedule>,
    /// Notifications, oldest first, with the numbers of their batches.
    pub history: Vec<(u64, Vec<HistoryEntry>)>,
    /// When the node last lived.
    pub heartbeat: Option<Heartbeat>,
    /// What was known of rules.
    pub rules: Vec<RuleCopy>,
    /// What was promised to nodes that wanted to notify.
    pub promises: Vec<(LogKey, Promise)>,
    /// Alerts are not given the time of the outage, as tests must notice.
    #[doc(hidden)]
    pub without_grace: bool,
    /// Which of these are kept as several values.
    pub parts: Parts,
    /// Silences read from a file of Alertmanager that this node did not write.
    pub imported_silences: Vec<Silence>,
    /// Log entries read from a file of Alertmanager that this node did not write.
    pub imported_nflog: Vec<NflogEntry>,
}

/// What waits to be written behind.
#[derive(Debug)]
pub(super) struct Persistence {
    /// When the next changes are to be handed out, if there are any.
    changes_due: Option<Duration>,
    refreshes_due: Option<Duration>,
    heartbeat_due: Duration,
    /// A batch is with the store; the next waits for it.
    in_flight: bool,
    history: VecDeque<Arc<HistoryEntry>>,
    /// Batches of history in the store: number and the id of the last entry.
    history_batches: VecDeque<(u64, u64)>,
    next_history_batch: u64,
    stopping: bool,
}

impl Persistence {
    pub(super) fn new(now: Now) -> Self {
        Self {
            changes_due: None,
            refreshes_due: None,
            heartbeat_due: now.mono,
            in_flight: false,
            history: VecDeque::new(),
            history_batches: VecDeque::new(),
            next_history_batch: 0,
            stopping: false,
        }
    }

    /// Takes in a history entry to save; the history begins with `oldest`.
    pub(super) fn history(&mut self, entry: Arc<HistoryEntry>, oldest: u64, now: Now) {
        self.history.push_back(entry);
        while self
            .history
            .pop_front_if(|entry| entry.id < oldest)
            .is_some()
        {}
        self.changed(now);
    }

    /// Takes in which batch of history the store holds.
    pub(super) fn restore_history(&mut self, seq: u64, last: u64) {
        self.history_batches.push_back((seq, last));
        self.next_history_batch = self.next_history_batch.max(seq + 1);
    }

    /// Refreshes are to be saved at once.
    pub(super) fn refresh_at_once(&mut self, now: Now) {
        self.refreshes_due = Some(now.mono);
    }

    /// Refreshes are to be saved as soon as changes.
    pub(super) fn refresh_soon(&mut self, now: Now) {
        let due = now.mono + CHANGES_WITHIN;
        self.refreshes_due = Some(self.refreshes_due.map_or(due, |at| at.min(due)));
    }

    pub(super) fn changed(&mut self, now: Now) {
        self.changes_due.get_or_insert(now.mono + CHANGES_WITHIN);
    }

    pub(super) fn next_due(&self, tenant: &Tenant) -> Option<Duration> {
        if self.in_flight {
            return None;
        }
        if self.stopping {
            return (!self.is_clean(tenant)).then_some(Duration::ZERO);
        }
        [
            self.changes_due,
            self.refreshes_due,
            Some(self.heartbeat_due),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn stop(&mut self, now: Now) {
        self.stopping = true;
        self.changes_due = Some(now.mono);
        self.heartbeat_due = now.mono;
    }

    /// Whether nothing waits, neither here nor at the store.
    pub(super) fn is_clean(&self, tenant: &Tenant) -> bool {
        !self.in_flight && self.heartbeat_due == Duration::MAX && !tenant.has_unsaved(true)
    }
}

impl Tenant {
    /// Tells that the batch of [`TenantEffect::SaveBehind`] is with the disk, or could not be written.
    pub fn saved_behind(&mut self) {
        self.persistence.in_flight = false;
    }

    /// Hands out the next records to be written behind, if they are due.
    pub(super) fn save_behind(&mut self, now: Now) {
        if self
            .persistence
            .next_due(self)
            .is_none_or(|due| due > now.mono)
        {
            return;
        }
        let refreshes = self.persistence.stopping
            || self
                .persistence
                .refreshes_due
                .is_some_and(|due| due <= now.mono);
        let mut records = self.alert_records(refreshes);
        records.extend(self.schedule_records(now));
        records.extend(self.history_records());
        records.extend(self.rule_records());
        // A heartbeat ends an outage, so it must not overtake the refreshes that make up for it.
        let refreshed = !refreshes || !self.journal.has_refreshes();
        if refreshed && self.persistence.heartbeat_due <= now.mono {
            records.push(self.heartbeat_record(now.wall));
            // After the last heartbeat of a node that stops there is none.
            let stopping = self.persistence.stopping;
            self.persistence.heartbeat_due = if stopping {
                Duration::MAX
            } else {
                now.mono + HEARTBEAT
            };
        }
        // What did not fit into this step is due as soon as the store has taken it.
        self.persistence.changes_due = self.has_unsaved(false).then_some(now.mono);
        if refreshes && !self.journal.has_refreshes() {
            self.persistence.refreshes_due = None;
        }
        if !records.is_empty() {
            self.persistence.in_flight = true;
            self.effects.push_back(TenantEffect::SaveBehind(records));
        }
    }

    /// Notes that an alert is to be saved: soon if it changed, with other refreshes if only its end moved.
    pub(super) fn mark_saved_later(&mut self, alert: &Alert, previous: Option<&Alert>, now: Now) {
        let refreshed = previous.is_some_and(|old| is_refresh(old, alert, now.wall));
        if refreshed {
            self.journal.mark_refreshed(alert.fingerprint);
            let within = refresh_waits(alert, now.wall);
            let due = self
                .persistence
                .refreshes_due
                .get_or_insert(now.mono + within);
            *due = (*due).min(now.mono + within);
        } else {
            self.journal.mark_changed(alert.fingerprint);
            self.persistence.changed(now);
        }
    }

    /// Saves an entry that was made here, and tells the others.
    pub(super) fn save_log_entry(&mut self, entry: &NflogEntry) {
        let omissions = self
            .replicator
            .as_ref()
            .map(|replicator| replicator.omissions);
        if !omissions.is_some_and(|omissions| omissions.done) {
            self.tell_log_entry(entry);
        }
        let record = self.log_record(entry);
        self.effects
            .push_back(TenantEffect::SaveDurably(vec![record]));
    }

    pub(super) fn log_record(&self, entry: &NflogEntry) -> Record {
        let tenant = &self.settings.tenant;
        (
            Key::nflog(tenant, &entry.key),
            Some(encode_nflog(tenant, entry)),
        )
    }

    pub(super) fn silence_record(&self, silence: &Silence) -> Record {
        let tenant = &self.settings.tenant;
        (
            Key::silence(tenant, &silence.id),
            Some(encode_silence(tenant, silence)),
        )
    }

    fn has_unsaved(&self, refreshes: bool) -> bool {
        self.journal.has_changes()
            || (refreshes && self.journal.has_refreshes())
            || self.dispatcher.has_unsaved()
            || self.rules.has_unsaved()
            || !self.persistence.history.is_empty()
    }

    fn alert_records(&mut self, refreshes: bool) -> Vec<Record> {
        let (store, tenant) = (&self.store, &self.settings.tenant);
        let lookup = |fingerprint: Fingerprint| store.get(fingerprint).cloned();
        let ops = self.journal.flush(lookup, refreshes, PER_STEP);
        ops.into_iter()
            .map(|op| match op {
                JournalOp::Put(seq, bytes) => (Key::batch(Map::Alerts, tenant, seq), Some(bytes)),
                JournalOp::Delete(seq) => (Key::batch(Map::Alerts, tenant, seq), None),
            })
            .collect()
    }

    fn schedule_records(&mut self, now: Now) -> Vec<Record> {
        let tenant = Arc::clone(&self.settings.tenant);
        let (schedules, gone) = self.dispatcher.take_unsaved(PER_STEP, now);
        let key = |route_id: &str, group_key: &str| {
            let name = Sha256::new()
                .chain_update(route_id)
                .chain_update([0])
                .chain_update(group_key)
                .finalize();
            Key {
                map: Map::Schedules,
                tenant: Arc::clone(&tenant),
                id: name[..16].to_vec(),
            }
        };
        let gone = gone
            .iter()
            .map(|name| (key(&name.route_id, &name.group_key), None));
        let kept = schedules.iter().map(|schedule| {
            let bytes = encode_schedules(&[to_record(schedule, &tenant, now.wall)]);
            (
                key(&schedule.name.route_id, &schedule.name.group_key),
                Some(bytes),
            )
        });
        gone.chain(kept).collect()
    }

    fn history_records(&mut self) -> Vec<Record> {
        let tenant = &self.settings.tenant;
        let mut records = Vec::new();
        let portion = self.persistence.history.len().min(HISTORY_PER_STEP);
        let pending: Vec<_> = self.persistence.history.drain(..portion).collect();
        for entries in pending.chunks(HISTORY_PER_VALUE) {
            let seq = self.persistence.next_history_batch;
            self.persistence.next_history_batch += 1;
            let last = entries.last().map_or(0, |entry| entry.id);
            self.persistence.history_batches.push_back((seq, last));
            records.push((
                Key::batch(Map::History, tenant, seq),
                Some(encode_history(entries)),
            ));
        }
        let oldest = self.oldest_history();
        while let Some((seq, _)) = self
            .persistence
            .history_batches
            .pop_front_if(|(_, last)| *last < oldest)
        {
            records.push((Key::batch(Map::History, tenant, seq), None));
        }
        records
    }

    /// The id from which on history is kept; beyond all ids if none is.
    pub(super) fn oldest_history(&self) -> u64 {
        self.history.oldest_id().unwrap_or(u64::MAX)
    }

    fn heartbeat_record(&self, at: Timestamp) -> Record {
        let heartbeat = Heartbeat {
            at,
            stopped: self.persistence.stopping,
        };
        (
            Key::single(Map::Heartbeat, &self.settings.tenant),
            Some(encode_heartbeat(&heartbeat)),
        )
    }
}

/// How long the refresh of an alert at a time may wait to be saved.
pub(super) fn refresh_waits(alert: &Alert, at: Timestamp) -> Duration {
    REFRESHES_WITHIN.min(alert.ends_at.since(at) / 3)
}

/// Whether a post only moved the end of an alert that fires.
pub(super) fn is_refresh(old: &Alert, new: &Alert, now: Timestamp) -> bool {
    !new.is_resolved_at(now)
        && !old.is_resolved_at(now)
        && old.starts_at == new.starts_at
        && old.timeout == new.timeout
        && old.annotations == new.annotations
        && old.generator_url == new.generator_url
}

fn to_record(schedule: &Schedule, tenant: &Arc<str>, now: Timestamp) -> GroupSchedule {
    GroupSchedule {
        tenant: Arc::clone(tenant),
        route_id: Arc::clone(&schedule.name.route_id),
        receiver: Arc::default(),
        group_key: Arc::clone(&schedule.name.group_key),
        created_at: schedule.created,
        saved_at: now,
        next_flush_in: schedule.due.since(now),
        last_flush_at: schedule.last_flush.unwrap_or(Timestamp::ZERO),
        gone: false,
        flushes: schedule.flushes,
    }
}

pub(super) fn from_record(record: GroupSchedule) -> Schedule {
    Schedule {
        name: crate::dispatch::GroupName {
            route_id: record.route_id,
            group_key: record.group_key,
        },
        created: record.created_at,
        due: record.saved_at.plus(record.next_flush_in),
        last_flush: (!record.last_flush_at.is_zero()).then_some(record.last_flush_at),
        flushes: record.flushes,
    }
}
