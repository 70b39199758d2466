//! One flush: from a group and everything that bears on it to what each integration is told, or why not.
//!
//! Pure and on snapshots, so it runs on a worker however many alerts the group has. The order of the stages is that of
//! `notify/notify.go`: inhibition, active intervals, mute intervals, silences, then each integration by itself.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    NotificationData, NotifyReason,
    dedup::{Hashes, Quiet, reason_to_notify},
    key::{first_seq, idempotency_key},
    mute::{Hours, Muting},
    route_labels,
};
use crate::{
    alert::Alert,
    config::{Config, Integration, Receiver},
    dispatch::{Group, GroupId},
    inhibit::Inhibitor,
    labels::Fingerprint,
    nflog::{LogKey, Nflog, NflogEntry, ReceiverKey},
    silence::{SilenceStats, Silences},
    time::{Now, Timestamp},
};

/// The integration under which receivers without any are logged, so that history records each change once.
pub const NO_INTEGRATION: &str = "none";

/// Everything that bears on one flush, as snapshots.
#[derive(Debug, Clone)]
pub struct FlushInput {
    /// The group.
    pub group: Arc<Group>,
    /// When the flush began.
    pub now: Now,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// All alerts, for inhibition.
    pub alerts: imbl::OrdMap<Fingerprint, Arc<Alert>>,
    /// All silences.
    pub silences: Silences,
    /// All inhibitions.
    pub inhibitor: Inhibitor,
    /// What was told before.
    pub nflog: Nflog,
    /// What does not change while the node runs.
    pub fixed: Arc<FlushSettings>,
}

/// What flushes need of the node's settings.
#[derive(Debug, Clone)]
pub struct FlushSettings {
    /// `--web.external-url` without a trailing slash.
    pub external_url: Arc<str>,
    /// `--cluster.label`, part of idempotency keys.
    pub cluster_label: Arc<str>,
    /// `--data.retention`.
    pub retention: Duration,
    /// Numbers notifications by the clock, as tests must notice.
    #[doc(hidden)]
    pub seq_by_clock: bool,
}

/// How many alerts a flush left out, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Suppressed {
    /// Silenced.
    pub silence: u64,
    /// Inhibited.
    pub inhibition: u64,
    /// In a mute interval.
    pub mute_time_interval: u64,
    /// Outside the active intervals.
    pub active_time_interval: u64,
}

/// What a flush decided.
#[derive(Debug)]
pub struct FlushOutcome {
    /// The group.
    pub group: GroupId,
    /// The intervals that muted it.
    pub muted_by: Arc<[Arc<str>]>,
    /// What was left out.
    pub suppressed: Suppressed,
    /// What looking at silences took.
    pub silence_stats: SilenceStats,
    /// One for each integration of the receiver.
    pub plans: Vec<Plan>,
    /// Resolved alerts, as the group had them, that leave it once every plan succeeded.
    pub told: Vec<Arc<Alert>>,
    /// Resolved alerts, sorted, that stay because they are muted and somebody was told that they fire.
    pub held: Arc<[Fingerprint]>,
}

/// What one integration is told, or why not.
#[derive(Debug)]
pub struct Plan {
    /// The integration; `None` stands for a receiver that has none.
    pub integration: Option<Arc<Integration>>,
    /// Its entry in the notification log.
    pub key: LogKey,
    /// Why it is told, or why not.
    pub decision: Result<NotifyReason, Quiet>,
    /// What is sent; `None` if the change is only to be logged (nothing fires and resolves are not sent).
    pub data: Option<Arc<NotificationData>>,
    /// What is logged once it is sent; its times are those of the decision.
    pub entry: Option<NflogEntry>,
}

impl Plan {
    /// The idempotency key, if the receiver recognises it.
    #[must_use]
    pub fn recognised_name(&self) -> Option<Arc<str>> {
        let integration = self.integration.as_ref()?;
        self.name().filter(|_| integration.delivery.idempotent)
    }

    /// The idempotency key, which names what is told; `None` if nothing is sent.
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        let data = self.data.as_ref()?;
        Some(Arc::clone(&data.idempotency_key))
    }
}

impl FlushInput {
    /// Decides the flush.
    #[must_use]
    pub fn decide(&self) -> FlushOutcome {
        let hours = Hours::of(&self.group.route, &self.config, self.now.wall);
        let sorted = self.sorted_alerts();
        let labels = self.route_labels(&sorted);
        let mut suppressed = Suppressed::default();
        let (visible, muted, silence_stats) = self.mute(sorted, &hours, &mut suppressed);
        let receiver = self.config.receiver(&self.group.route.receiver);
        let held = self.held(&muted, receiver.map(Arc::as_ref));
        let told = self.told(&visible, &muted, &held);
        let muted_hashes: BTreeSet<u64> =
            muted.iter().map(|alert| alert.labels.log_hash()).collect();
        let quiet = match hours {
            Hours::Open => Quiet::AllMuted,
            Hours::Inactive(_) | Hours::Muted(_) => Quiet::OutOfHours,
        };
        let batch = Batch::new(visible, self.now.wall);
        let plans = integrations(receiver.map(Arc::as_ref))
            .map(|integration| self.plan(integration, &batch, &labels, &muted_hashes, &quiet))
            .collect();
        FlushOutcome {
            group: self.group.id,
            muted_by: hours.muted_by(),
            suppressed,
            silence_stats,
            plans,
            told,
            held,
        }
    }

    /// Whether something waits to be told to some integration; what a reload asks of each group.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.decide().plans.iter().any(|plan| plan.decision.is_ok())
    }

    /// The alerts as they are told: those that fire cannot resolve on the way; sorted by job, instance and labels.
    fn sorted_alerts(&self) -> Vec<Arc<Alert>> {
        let members = self.group.members.iter();
        let mut order: Vec<_> = members.map(|alert| (sort_key(alert), alert)).collect();
        order
            .sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.labels.cmp(&right.labels)));
        let fires = |alert: &Arc<Alert>| !alert.is_resolved_at(self.now.wall);
        let endless = |alert: &Arc<Alert>| {
            Arc::new(Alert {
                ends_at: Timestamp::ZERO,
                ..Alert::clone(alert)
            })
        };
        order
            .into_iter()
            .map(|(_, alert)| {
                if fires(alert) {
                    endless(alert)
                } else {
                    Arc::clone(alert)
                }
            })
            .collect()
    }

    /// Splits the alerts into those that may be told and those that are muted.
    fn mute(
        &self,
        alerts: Vec<Arc<Alert>>,
        hours: &Hours,
        suppressed: &mut Suppressed,
    ) -> (Vec<Arc<Alert>>, Vec<Arc<Alert>>, SilenceStats) {
        let (inhibitor, all) = (self.inhibitor.clone(), self.alerts.clone());
        let mut muting = Muting::new(&self.silences, inhibitor, all, self.now.wall);
        let (inhibited, rest): (Vec<_>, Vec<_>) = alerts
            .into_iter()
            .partition(|alert| muting.inhibited_by(&alert.labels).is_some());
        suppressed.inhibition = inhibited.len() as u64;
        let out_of_hours = match hours {
            Hours::Open => None,
            Hours::Inactive(_) => Some(&mut suppressed.active_time_interval),
            Hours::Muted(_) => Some(&mut suppressed.mute_time_interval),
        };
        if let Some(count) = out_of_hours {
            *count = rest.len() as u64;
            return (
                Vec::new(),
                inhibited.into_iter().chain(rest).collect(),
                SilenceStats::default(),
            );
        }
        let (silenced, visible): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|alert| !muting.silenced_by(&alert.labels).is_empty());
        suppressed.silence = silenced.len() as u64;
        (
            visible,
            inhibited.into_iter().chain(silenced).collect(),
            muting.silence_stats(),
        )
    }

    /// The labels of the route, rendered against all alerts of the group, muted ones too, as upstream does.
    fn route_labels<'a>(&'a self, alerts: &[Arc<Alert>]) -> route_labels::Flush<'a> {
        let batch = route_labels::Batch {
            receiver: &self.group.route.receiver,
            group_labels: &self.group.labels,
            route_labels: &self.group.route.labels,
            external_url: &self.fixed.external_url,
            texts: &self.config.texts,
            at: self.now.wall,
        };
        route_labels::Flush::new(batch, alerts)
    }

    /// The muted resolves that somebody is still owed, unless they are older than the retention.
    fn held(&self, muted: &[Arc<Alert>], receiver: Option<&Receiver>) -> Arc<[Fingerprint]> {
        let at = self.now.wall;
        let mut held: Vec<Fingerprint> = muted
            .iter()
            .filter(|alert| {
                alert.is_resolved_at(at) && alert.ends_at.plus(self.fixed.retention) > at
            })
            .filter(|alert| {
                let hash = alert.labels.log_hash();
                integrations(receiver).flatten().any(|integration| {
                    integration.resolve_when_muted
                        && integration.send_resolved
                        && self
                            .entry(Some(integration))
                            .is_some_and(|entry| was_told_firing(entry, hash))
                })
            })
            .map(|alert| alert.fingerprint)
            .collect();
        held.sort_unstable();
        held.into()
    }

    fn told(
        &self,
        visible: &[Arc<Alert>],
        muted: &[Arc<Alert>],
        held: &[Fingerprint],
    ) -> Vec<Arc<Alert>> {
        visible
            .iter()
            .chain(muted)
            .filter(|alert| {
                alert.is_resolved_at(self.now.wall)
                    && held.binary_search(&alert.fingerprint).is_err()
            })
            .cloned()
            .collect()
    }

    fn plan(
        &self,
        integration: Option<&Arc<Integration>>,
        batch: &Batch,
        labels: &route_labels::Flush<'_>,
        muted: &BTreeSet<u64>,
        quiet: &Quiet,
    ) -> Plan {
        let key = self.log_key(integration);
        let quiet_plan = |key, quiet: Quiet| Plan {
            integration: integration.cloned(),
            key,
            decision: Err(quiet),
            data: None,
            entry: None,
        };
        if batch.alerts.is_empty() {
            return quiet_plan(key, quiet.clone());
        }
        let entry = self.nflog.get(&key).map(Arc::as_ref);
        let batch = batch.without_strangers(&self.group.held, entry);
        let send_resolved = integration.is_none_or(|integration| integration.send_resolved);
        let repeat = self.group.route.repeat_interval;
        let reason =
            match reason_to_notify(entry, &batch.hashes, send_resolved, repeat, self.now.wall) {
                Ok(reason) => reason,
                Err(quiet) => return quiet_plan(key, quiet),
            };
        let next = self.next_entry(&key, entry, &batch.hashes, muted, &batch.alerts);
        let sent = if send_resolved {
            batch.alerts
        } else {
            batch.firing
        };
        let data = (!sent.is_empty()).then(|| Arc::new(self.data(reason, sent, labels, &next)));
        Plan {
            integration: integration.cloned(),
            key,
            decision: Ok(reason),
            data,
            entry: Some(next),
        }
    }

    fn next_entry(
        &self,
        key: &LogKey,
        entry: Option<&NflogEntry>,
        hashes: &Hashes,
        muted: &BTreeSet<u64>,
        alerts: &[Arc<Alert>],
    ) -> NflogEntry {
        let told = entry
            .into_iter()
            .flat_map(|entry| entry.firing.iter().chain(entry.held.iter()));
        let held: BTreeSet<u64> = told.copied().filter(|hash| muted.contains(hash)).collect();
        NflogEntry {
            key: key.clone(),
            seq: match entry {
                Some(_) if self.fixed.seq_by_clock => {
                    u64::try_from(self.now.wall.unix_seconds()).unwrap_or_default()
                }
                Some(entry) => entry.seq + 1,
                None => first_seq(alerts),
            },
            edit: 0,
            timestamp: self.now.wall,
            firing: Arc::clone(&hashes.firing),
            resolved: Arc::clone(&hashes.resolved),
            held: held.into_iter().collect(),
            receiver_data: entry
                .filter(|entry| !entry.firing.is_empty())
                .map(|e| e.receiver_data.clone())
                .unwrap_or_default(),
            repeat_interval: self.group.route.repeat_interval,
            trail: entry.map(|entry| entry.trail.clone()).unwrap_or_default(),
            expires_at: self.now.wall.plus(self.fixed.retention),
        }
    }

    fn data(
        &self,
        reason: NotifyReason,
        alerts: Arc<[Arc<Alert>]>,
        labels: &route_labels::Flush<'_>,
        entry: &NflogEntry,
    ) -> NotificationData {
        let (route_labels, problems) = labels.labels();
        NotificationData {
            receiver: Arc::clone(&self.group.route.receiver),
            reason,
            idempotency_key: idempotency_key(
                &self.fixed.cluster_label,
                &entry.key,
                entry.seq,
                &alerts,
                self.now.wall,
            ),
            alerts,
            at: self.now.wall,
            group_labels: self.group.labels.clone(),
            route_labels,
            problems,
            external_url: Arc::clone(&self.fixed.external_url),
            group_key: Arc::clone(&self.group.key),
            seq: entry.seq,
            groups: 1,
        }
    }

    fn entry(&self, integration: Option<&Arc<Integration>>) -> Option<&NflogEntry> {
        self.nflog.get(&self.log_key(integration)).map(Arc::as_ref)
    }

    fn log_key(&self, integration: Option<&Arc<Integration>>) -> LogKey {
        log_key(
            &self.group.key,
            &self.group.route.receiver,
            integration.map(Arc::as_ref),
        )
    }
}

/// The name of an integration's entry for a group.
#[must_use]
pub fn log_key(
    group_key: &Arc<str>,
    receiver: &Arc<str>,
    integration: Option<&Integration>,
) -> LogKey {
    LogKey {
        group_key: Arc::clone(group_key),
        receiver: ReceiverKey {
            group_name: Arc::clone(receiver),
            integration: integration
                .map_or(NO_INTEGRATION, |integration| integration.kind.as_str())
                .into(),
            index: integration.map_or(0, |integration| integration.index),
        },
    }
}

/// The receiver's integrations, or one `None` if it has none.
fn integrations(receiver: Option<&Receiver>) -> impl Iterator<Item = Option<&Arc<Integration>>> {
    let list = receiver
        .map(|receiver| receiver.integrations.as_slice())
        .unwrap_or_default();
    let none = list.is_empty().then_some(None);
    list.iter().map(Some).chain(none)
}

/// Job and instance; a missing label sorts last (`types.AlertSlice.Less`).
fn sort_key(alert: &Alert) -> [(bool, &str); 2] {
    ["job", "instance"].map(|name| {
        let value = alert.labels.get(name);
        (value.is_none(), value.unwrap_or_default())
    })
}

/// Whether the entry says that this alert was told as firing, and not since as resolved.
#[must_use]
pub fn was_told_firing(entry: &NflogEntry, hash: u64) -> bool {
    entry.firing.binary_search(&hash).is_ok() || entry.held.binary_search(&hash).is_ok()
}

/// The alerts that may be told, with what deduplication compares.
#[derive(Debug, Clone)]
struct Batch {
    alerts: Arc<[Arc<Alert>]>,
    firing: Arc<[Arc<Alert>]>,
    hashes: Hashes,
    at: Timestamp,
}

impl Batch {
    fn new(alerts: Vec<Arc<Alert>>, at: Timestamp) -> Self {
        let hashes_of = |resolved: bool| {
            let of_status = alerts
                .iter()
                .filter(|alert| alert.is_resolved_at(at) == resolved);
            let mut hashes: Vec<u64> = of_status.map(|alert| alert.labels.log_hash()).collect();
            hashes.sort_unstable();
            Arc::from(hashes)
        };
        let hashes = Hashes {
            firing: hashes_of(false),
            resolved: hashes_of(true),
        };
        let firing = alerts
            .iter()
            .filter(|alert| !alert.is_resolved_at(at))
            .cloned()
            .collect();
        Self {
            alerts: alerts.into(),
            firing,
            hashes,
            at,
        }
    }

    /// Leaves out resolves that were held back for somebody else: this integration was never told that they fire.
    fn without_strangers(&self, held: &[Fingerprint], entry: Option<&NflogEntry>) -> Self {
        let stranger = |alert: &Arc<Alert>| {
            held.binary_search(&alert.fingerprint).is_ok()
                && alert.is_resolved_at(self.at)
                && !entry.is_some_and(|entry| was_told_firing(entry, alert.labels.log_hash()))
        };
        if held.is_empty() || !self.alerts.iter().any(stranger) {
            return self.clone();
        }
        Self::new(
            self.alerts
                .iter()
                .filter(|alert| !stranger(alert))
                .cloned()
                .collect(),
            self.at,
        )
    }
}
