//! The tenant itself: what it is made of, and its five methods.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use imbl::OrdMap;

use super::{
    Exported, Phase, Saved, Stats, TenantJob, TenantJobDone, TenantJobName, TenantSettings, View,
    flush::RunningFlush,
    handover::Handover,
    persist::Persistence,
    replicate::{Omissions, Replicator},
    rules::RuleStates,
};
use crate::{
    alert::AlertStore,
    cluster::{Lane, NodeName},
    config::{Config, Texts},
    dispatch::{Dispatcher, GroupId, RouteTree},
    history::History,
    inhibit::Inhibitor,
    labels::Fingerprint,
    nflog::{LogKey, Nflog},
    notify::{
        Verdict,
        claims::{ClaimMessage, Promise, Skips},
        decide::FlushSettings,
        retry::{Attempt, Deliveries},
    },
    rng::Rng,
    ruler::RulerNews,
    silence::{Expired, SilenceDraft, SilenceError, Silences},
    storage::{AlertJournal, Key},
    time::{Now, Timestamp},
};

/// Something a tenant asks for.
#[derive(Debug)]
pub enum TenantEffect {
    /// Run a job on a worker.
    Run(TenantJob),
    /// Make an attempt to notify.
    Notify {
        /// The attempt.
        attempt: Attempt,
        /// The words of the configuration in force.
        texts: Arc<Texts>,
    },
    /// Save records; nobody waits for it.
    SaveDurably(Vec<Record>),
    /// Save records behind; the tenant saves nothing more behind until it is told that this is done.
    SaveBehind(Vec<Record>),
    /// Replace the files that an Alertmanager would read.
    WriteFiles(Exported),
    /// Save a promise, or delete it, and hand the rest back to [`Tenant::promise_saved`].
    SavePromise {
        /// The promise.
        record: Record,
        /// What may be said then, and to whom.
        then: Option<(NodeName, ClaimMessage)>,
    },
    /// Tell this node's ruler.
    Ruler(RulerNews),
    /// Tell every node that is there, at once, what replication has to say.
    Tell(Vec<u8>),
    /// Tell one node what replication has to say.
    TellOne {
        /// Whom.
        to: NodeName,
        /// How urgent it is.
        lane: Lane,
        /// What.
        bytes: Vec<u8>,
    },
}

/// A record of the store: a key, and a value or `None` to delete it.
pub type Record = (Key, Option<Vec<u8>>);

/// One tenant.
#[derive(Debug)]
pub struct Tenant {
    pub(super) settings: Arc<TenantSettings>,
    pub(super) flush_settings: Arc<FlushSettings>,
    pub(super) config: Arc<Config>,
    pub(super) store: AlertStore,
    pub(super) inhibitor: Inhibitor,
    pub(super) silences: Silences,
    pub(super) nflog: Nflog,
    pub(super) history: History,
    pub(super) dispatcher: Dispatcher,
    pub(super) deliveries: Deliveries,
    pub(super) flushes: BTreeMap<GroupId, RunningFlush>,
    /// Flushes that are over, but for the alerts that leave their groups.
    pub(super) ending: VecDeque<GroupId>,
    pub(super) journal: AlertJournal,
    pub(super) persistence: Persistence,
    pub(super) stats: Stats,
    /// Alerts that were restored as firing and were not posted since, with the beginning of the outage.
    pub(super) unrefreshed: OrdMap<Fingerprint, Timestamp>,
    /// When the outage before this start began.
    pub(super) outage_began: Option<Timestamp>,
    pub(super) gc_due: Duration,
    pub(super) gc_cursor: Option<Fingerprint>,
    /// Where collecting the notification log goes on, while it is under way.
    pub(super) log_cursor: Option<LogKey>,
    /// Whether there are more silences to forget.
    pub(super) silences_over: bool,
    pub(super) maintenance_due: Duration,
    /// Whether a worker writes the portable files.
    pub(super) exporting: bool,
    pub(super) stopping: bool,
    /// `None` outside a mesh.
    pub(super) replicator: Option<Replicator>,
    /// `None` outside a mesh: this node notifies alone.
    pub(super) handover: Option<Handover>,
    /// Promises of the run before, until the mesh takes them.
    pub(super) saved_promises: Vec<(LogKey, Promise)>,
    /// What is known of rules.
    pub(super) rules: RuleStates,
    pub(super) effects: VecDeque<TenantEffect>,
    rng: Rng,
}

impl Tenant {
    /// Leaves parts of the protocol out, as tests must notice.
    #[doc(hidden)]
    pub fn leave_out(&mut self, skips: Skips, omissions: Omissions, seq_by_clock: bool) {
        if let Some(replicator) = &mut self.replicator {
            replicator.omissions = omissions;
        }
        if let Some(handover) = &mut self.handover {
            handover.skip(skips);
        }
        Arc::make_mut(&mut self.flush_settings).seq_by_clock = seq_by_clock;
    }

    /// See [`crate::node::Node::sizes`].
    #[doc(hidden)]
    #[must_use]
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        let mut sizes = vec![
            ("flushes", self.flushes.len()),
            ("ending flushes", self.ending.len()),
            ("notifications under way", self.deliveries.len()),
            ("alerts to write", self.journal.waiting()),
            ("unrefreshed alerts", self.unrefreshed.len()),
            ("promises of the run before", self.saved_promises.len()),
            ("tenant effects", self.effects.len()),
        ];
        sizes.extend(self.rules.sizes());
        sizes.extend(self.replicator.iter().flat_map(Replicator::sizes));
        sizes.extend(self.handover.iter().flat_map(Handover::sizes));
        sizes
    }

    /// Makes a tenant of its configuration and what was saved of it.
    #[must_use]
    pub fn new(
        settings: TenantSettings,
        config: Arc<Config>,
        saved: Saved,
        rng: Rng,
        now: Now,
    ) -> Self {
        let flush_settings = Arc::new(FlushSettings {
            external_url: Arc::clone(&settings.external_url),
            cluster_label: Arc::clone(&settings.cluster_label),
            retention: settings.retention,
            seq_by_clock: false,
        });
        let mut tenant = Self {
            store: AlertStore::new(settings.per_alertname_limit),
            inhibitor: Inhibitor::new(&config.inhibit_rules),
            silences: Silences::new(settings.retention),
            nflog: Nflog::new(),
            history: History::new(settings.history_limits),
            dispatcher: Dispatcher::new(Arc::new(RouteTree::new(&config.route))),
            deliveries: Deliveries::new(rng.child("retry")),
            flushes: BTreeMap::new(),
            ending: VecDeque::new(),
            journal: AlertJournal::new(),
            persistence: Persistence::new(now),
            stats: Stats {
                reloads: 1,
                ..Stats::default()
            },
            unrefreshed: OrdMap::new(),
            outage_began: None,
            gc_due: now.mono + settings.gc_interval,
            gc_cursor: None,
            log_cursor: None,
            silences_over: false,
            maintenance_due: now.mono + settings.maintenance_interval,
            exporting: false,
            stopping: false,
            replicator: None,
            handover: None,
            saved_promises: Vec::new(),
            rules: RuleStates::default(),
            effects: VecDeque::new(),
            rng: rng.child("silences"),
            settings: Arc::new(settings),
            flush_settings,
            config,
        };
        tenant.restore(saved, now);
        tenant
    }

    /// Does what is due, in bounded steps; call again while [`Self::poll_timeout`] is not in the future.
    pub fn handle_timeout(&mut self, now: Now) {
        self.poll_handover(now);
        self.poll_deliveries(now);
        self.end_flushes(now);
        if !self.stopping {
            self.begin_flushes(now);
            self.maintain(now);
        }
        if self.rules.next_due().is_some_and(|due| due <= now.mono) {
            self.rules.take_in_time(now);
            self.refresh_rulers(now);
        }
        self.replicate(now);
        self.save_behind(now);
    }

    /// When something is due next, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
        let flush = self
            .dispatcher
            .next_due()
            .filter(|_| self.is_ready())
            .map(|due| (due.max(self.settings.start_delay), "flush"));
        let collects = self.gc_cursor.is_some()
            || self.log_cursor.is_some()
            || self.rules.cursor.is_some()
            || self.silences_over;
        let gc = if collects {
            Duration::ZERO
        } else {
            self.gc_due.min(self.rules.collected_next())
        };
        let running = [
            flush,
            Some((gc, "collect")),
            Some((self.maintenance_due, "maintenance")),
        ];
        let running = running.into_iter().flatten().filter(|_| !self.stopping);
        let ending = (!self.ending.is_empty()).then_some((Duration::ZERO, "end flushes"));
        let delivery = self.deliveries.next_due().map(|due| (due, "notify"));
        let save = self.persistence.next_due(self).map(|due| (due, "save"));
        let replicator = self.replicator.as_ref();
        let replicate = replicator.and_then(|replicator| replicator.next_due());
        let replicate = replicate.map(|due| (due, "replicate"));
        let handover = self.handover.as_ref().and_then(Handover::next_due);
        let handover = handover.map(|due| (due, "hand over"));
        let rulers = self.rules.next_due().map(|due| (due, "a ruler is gone"));
        let always = [ending, delivery, save, replicate, handover, rulers];
        running.chain(always.into_iter().flatten()).min()
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<TenantEffect> {
        let replicator = self.replicator.as_ref();
        if replicator.is_some_and(Replicator::has_news) {
            self.tell_news();
        }
        if let Some(news) = self.ruler_news() {
            return Some(TenantEffect::Ruler(news));
        }
        self.effects.pop_front()
    }

    /// Takes in the result of a job.
    pub fn job_done(&mut self, done: TenantJobDone, now: Now) {
        match done {
            TenantJobDone::Decided(outcome) => self.flush_decided(*outcome, now),
            TenantJobDone::Reloaded(outcome) => self.reloaded(*outcome, now),
            TenantJobDone::Exported(files) => self.exported(files),
            TenantJobDone::Indexed(made) => self.indexed(Some(*made), now),
            TenantJobDone::Digested(index) => self.index_made(Some(*index), now),
            TenantJobDone::Portioned(portion) => self.portion_made(*portion, now),
            TenantJobDone::Rechecked(outcome) => {
                self.rechecked(outcome.what(), Some(*outcome), now);
            }
            TenantJobDone::Discarded => {}
            TenantJobDone::Panicked(TenantJobName::Decide(group)) => self.flush_lost(group, now),
            TenantJobDone::Panicked(TenantJobName::Recheck(what)) => {
                self.rechecked(what, None, now)
            }
            TenantJobDone::Panicked(TenantJobName::Export) => self.export_lost(),
            TenantJobDone::Panicked(TenantJobName::Index) => self.indexed(None, now),
            TenantJobDone::Panicked(TenantJobName::Digest) => self.index_made(None, now),
            TenantJobDone::Panicked(TenantJobName::Portion(repair)) => self.portion_lost(repair),
            TenantJobDone::Panicked(TenantJobName::Reload | TenantJobName::Discard) => {}
        }
    }

    /// Takes in how an attempt to notify ended.
    pub fn notify_finished(&mut self, attempt: u64, verdict: Verdict, now: Now) {
        self.attempt_ended(attempt, verdict, now);
    }

    /// Creates or edits a silence; it is acknowledged once the records are durable.
    ///
    /// # Errors
    /// When the silence is not valid, unknown, or beyond a limit; nothing has changed then.
    pub fn set_silence(
        &mut self,
        draft: SilenceDraft,
        now: Now,
    ) -> Result<(Arc<str>, Vec<Record>), SilenceError> {
        let outcome =
            self.silences
                .set(draft, now.wall, self.settings.silence_limits, &mut self.rng)?;
        self.index_silences(now);
        for silence in &outcome.changed {
            self.tell_silence(silence);
        }
        let records = outcome
            .changed
            .iter()
            .map(|silence| self.silence_record(silence))
            .collect();
        if self.settings.log_silences {
            tracing::info!(id = %outcome.id, kind = ?outcome.kind, "Silence set");
        }
        Ok((outcome.id, records))
    }

    /// Ends a silence; it is acknowledged once the records are durable.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn expire_silence(&mut self, id: &str, now: Now) -> Result<Vec<Record>, SilenceError> {
        match self.silences.expire(id, now.wall)? {
            Expired::Already => Ok(Vec::new()),
            Expired::Changed(silence) => {
                self.index_silences(now);
                self.tell_silence(&silence);
                if self.settings.log_silences {
                    tracing::info!(id, "Silence expired");
                }
                Ok(vec![self.silence_record(&silence)])
            }
        }
    }

    /// Names the tenant in keys.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.settings.tenant
    }

    /// A snapshot for reads.
    #[must_use]
    pub fn view(&self, now: Now) -> View {
        View {
            at: now,
            config: Arc::clone(&self.config),
            alerts: self.store.all().clone(),
            alert_limit: self.store.limit(),
            silences: self.silences.clone(),
            inhibitor: self.inhibitor.clone(),
            nflog: self.nflog.clone(),
            history: self.history.clone(),
            tree: Arc::clone(self.dispatcher.tree()),
            groups: self.dispatcher.groups().clone(),
            deliveries: self.deliveries.len(),
            claims: self.handover.as_ref().map_or((0, 0), Handover::claims),
            stats: self.stats.clone(),
            phase: Phase::default(),
            mesh: None,
            peers: self.peer_facts(),
            lags: self.peer_lags(),
            tellers: self.handover.as_ref().map(Handover::tellers),
            unanswered: self.unanswered(now),
            has_majority: self.has_majority(),
            may_vote: self.may_vote(),
        }
    }

    /// Begins to stop: nothing new is flushed, what waits for a retry is given up, and the rest is saved.
    pub fn stop(&mut self, now: Now) {
        self.stopping = true;
        self.rules.members_change();
        self.stop_handover(now);
        for ended in self.deliveries.cancel_waiting() {
            self.delivery_ended(ended, now);
        }
        self.persistence.stop(now);
        self.export();
    }

    /// Whether nothing is in flight and everything is handed out for saving.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping
            && !self.exporting
            && self.deliveries.is_empty()
            && self.handover.as_ref().is_none_or(Handover::is_idle)
            && self.ending.is_empty()
            && self.effects.is_empty()
            && self.persistence.is_clean(self)
    }
}
