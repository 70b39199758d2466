//! The node: carries inputs to its tenant and the tenant's effects to the world.
//!
//! There is one tenant, `anonymous`, as long as multi-tenancy is off. No step is long: posts of many alerts are taken in
//! by portions, flushes are decided and configurations applied on workers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    Effect, Input, Mutations, NotifyAttempt, PortableFile, Reply, ReplyTo, Request, SaveBatch,
    StoreOp, Ticket, mesh::MeshSide, phase::Rising,
};
use crate::{
    alert::Alert,
    cluster::{Mesh, MeshSettings, NodeName},
    config::Config,
    notify::claims::ClaimMessage,
    rng::Rng,
    silence::SilenceError,
    storage::Parts,
    tenant::{
        MeshIdentity, Record, Saved, Tenant, TenantEffect, TenantJob, TenantJobDone, TenantJobName,
        TenantSettings,
    },
    time::{Now, Timestamp},
};

/// Alerts taken in by one step of the loop.
const ALERTS_PER_STEP: usize = 64;

/// Ends of jobs and attempts taken in by one step of the loop, of those that had to wait.
const ENDS_PER_STEP: usize = 64;

/// How long a node that stops waits for notifications under way.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The node.
#[derive(Debug)]
pub struct Node {
    pub(super) tenant: Tenant,
    /// Posts that are not taken in yet, oldest first.
    posts: VecDeque<Post>,
    /// Whether the tenant is next, not the posts.
    tenants_turn: bool,
    /// Clients whose answer waits for the store.
    saving: BTreeMap<Ticket, Waiting>,
    next_ticket: u64,
    parts: Parts,
    reload: Reload,
    stop: Stop,
    behind_fails: Failing,
    log_fails: Failing,
    files_in_flight: usize,
    pub(super) effects: VecDeque<Effect>,
    /// `None` if clustering is switched off.
    pub(super) mesh: Option<MeshSide>,
    pub(super) mutations: Mutations,
}

#[derive(Debug)]
struct Post {
    alerts: std::vec::IntoIter<Alert>,
    reply_to: ReplyTo,
}

/// Who waits for a ticket.
#[derive(Debug)]
pub(super) enum Waiting {
    Client(ReplyTo, Reply),
    /// The tenant, with its next records to be written behind.
    Behind,
    /// Nobody, but a failure is worth a log line.
    Log,
    /// A node that wants to notify.
    Promise(Option<(NodeName, ClaimMessage)>),
    /// The mesh; kept to be saved again if it fails.
    Mesh(Vec<u8>),
}

/// Whether a kind of write fails: told once, not with every write.
#[derive(Debug, Default)]
struct Failing(bool);

impl Failing {
    /// Takes in how a write ended; returns the error that a row of failures began with.
    fn began(&mut self, result: Result<(), String>) -> Option<String> {
        let before = std::mem::replace(&mut self.0, result.is_err());
        result.err().filter(|_| !before)
    }
}

/// A worker builds what follows from a new configuration; meanwhile alerts and ends of flushes wait.
#[derive(Debug, Default)]
struct Reload {
    running: Option<ReplyTo>,
    next: VecDeque<(Arc<Config>, ReplyTo)>,
    parked: VecDeque<Input>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// Notifications under way are given until then.
    Draining(Duration),
    Stopped,
}

impl Node {
    /// Makes a node of its configuration and what was saved. All randomness grows from `seed`.
    #[must_use]
    pub fn new(
        settings: TenantSettings,
        config: Arc<Config>,
        mut saved: Saved,
        seed: u64,
        now: Now,
    ) -> Self {
        let parts = std::mem::take(&mut saved.parts);
        Self {
            parts,
            tenant: Tenant::new(
                settings,
                config,
                saved,
                Rng::from_seed(seed).child("tenant"),
                now,
            ),
            posts: VecDeque::new(),
            tenants_turn: false,
            saving: BTreeMap::new(),
            next_ticket: 0,
            reload: Reload::default(),
            stop: Stop::No,
            behind_fails: Failing::default(),
            log_fails: Failing::default(),
            files_in_flight: 0,
            effects: VecDeque::new(),
            mesh: None,
            mutations: Mutations::default(),
        }
    }

    /// The same node, in a mesh; `saved` is what the mesh saved last.
    #[must_use]
    pub fn with_mesh(
        mut self,
        settings: MeshSettings,
        saved: Option<&[u8]>,
        seed: u64,
        now: Now,
    ) -> Self {
        self.tenant.join_mesh(
            MeshIdentity {
                name: NodeName::clone(&settings.name),
                run: settings.run,
                pushpull_interval: settings.pushpull_interval,
            },
            now,
        );
        self.tenant.hand_over(
            NodeName::clone(&settings.name),
            settings.run,
            settings.minority_delay,
            now,
        );
        let rng = Rng::from_seed(seed).child("mesh");
        let rising = Rising::new(
            NodeName::clone(&settings.name),
            settings.run,
            // A node without peers has nobody to wait for.
            settings.settle_timeout * u32::from(settings.has_peers),
            now,
        );
        self.mesh = Some(MeshSide::new(Mesh::new(settings, saved, rng, now), rising));
        self.refresh_quorum(now);
        self.check_phase(now);
        self
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, now: Now) {
        let by_own_clock = now;
        let now = self.corrected(now);
        self.stir(by_own_clock, now);
        match input {
            Input::Command { request, reply_to } => self.command(request, reply_to, now),
            Input::JobDone(TenantJobDone::Reloaded(outcome)) => {
                self.tenant.reloaded(*outcome, now);
                self.reload_ended(now);
            }
            Input::JobDone(TenantJobDone::Panicked(TenantJobName::Reload)) => {
                if let Some(to) = self.reload.running.take() {
                    let text = "this is a bug: the new configuration could not be applied; the old one stays in force";
                    self.reply(to, Reply::Refused(text.to_owned()));
                }
                self.begin_reload(now);
            }
            Input::JobDone(_) | Input::NotifyFinished { .. }
                if self.reload.running.is_some() || !self.reload.parked.is_empty() =>
            {
                self.reload.parked.push_back(input);
            }
            input @ (Input::JobDone(_) | Input::NotifyFinished { .. }) => self.ended(input, now),
            Input::Saved { ticket, result } => self.saved(ticket, result, now),
            Input::DiskAils { durable, ails } => self.tenant.disk_ails(durable, ails),
            Input::FileWritten { file, took, result } => {
                self.files_in_flight = self.files_in_flight.saturating_sub(1);
                self.tenant
                    .file_written(file == PortableFile::Silences, took, result);
            }
            Input::DescribeRules(hashes) => self.tenant.describe_rules(hashes),
            Input::KeepRules(records) => self.tenant.keep_rules(records, now),
            Input::Mesh(input) => self.mesh_input(input, by_own_clock),
            Input::Shutdown => {
                if self.stop == Stop::No {
                    self.stop = Stop::Draining(now.mono + STOP_WITHIN);
                    self.tenant.stop(now);
                }
            }
        }
        self.collect(now);
    }

    /// Does what is due, in bounded steps.
    pub fn handle_timeout(&mut self, now: Now) {
        let by_own_clock = now;
        self.check_clock();
        let now = self.corrected(now);
        self.stir(by_own_clock, now);
        self.mesh_timeout(by_own_clock, now);
        // One of them, so that no step is long; they take turns.
        if !self.posts.is_empty() && !std::mem::take(&mut self.tenants_turn) {
            self.take_posts(now);
            self.tenants_turn = true;
        } else if self.reload.running.is_none() {
            if self.reload.parked.is_empty() {
                self.tenant.handle_timeout(now);
            } else {
                self.take_parked(now);
            }
        }
        self.collect(now);
    }

    /// When something is due next, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
        if self.stop == Stop::Stopped {
            return None;
        }
        let stop = match self.stop {
            Stop::Draining(until) => Some((until, "stop")),
            Stop::No | Stop::Stopped => None,
        };
        let mesh = self.mesh_due();
        if self.reload.running.is_some() {
            return stop.into_iter().chain(mesh).min();
        }
        let parked =
            (!self.reload.parked.is_empty()).then_some((Duration::ZERO, "end what waited"));
        let posts = (!self.posts.is_empty()).then_some((Duration::ZERO, "take in alerts"));
        [parked, posts, self.tenant.poll_timeout(), stop, mesh]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing to do.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn command(&mut self, request: Request, reply_to: ReplyTo, now: Now) {
        match request {
            Request::View => {
                let mut view = self.tenant.view(now);
                view.phase = self.phase();
                view.mesh = self
                    .mesh
                    .as_ref()
                    .map(|side| Arc::new(side.mesh.status(now)));
                let view = Arc::new(view);
                self.reply(reply_to, Reply::View(view));
            }
            _ if self.stop != Stop::No => {
                self.reply(
                    reply_to,
                    Reply::Refused("the node is shutting down".to_owned()),
                );
            }
            Request::PostAlerts {
                mut alerts,
                invalid: _,
            } => {
                for alert in &mut alerts {
                    self.correct(alert);
                }
                let waits = !self.posts.is_empty();
                self.posts.push_back(Post {
                    alerts: alerts.into_iter(),
                    reply_to,
                });
                if !waits {
                    self.take_posts(now);
                }
            }
            Request::SetSilence(draft) => match self.tenant.set_silence(draft, now) {
                Ok((id, records)) => {
                    self.save_for(
                        Waiting::Client(reply_to, Reply::SilenceSet(Ok(id))),
                        true,
                        records,
                    );
                }
                Err(error) => self.reply(reply_to, Reply::SilenceSet(Err(error))),
            },
            Request::ExpireSilence(id) => match self.tenant.expire_silence(&id, now) {
                Ok(records) => {
                    self.save_for(Waiting::Client(reply_to, expired(Ok(()))), true, records)
                }
                Err(error) => self.reply(reply_to, expired(Err(error))),
            },
            Request::Reload(config) => {
                self.reload.next.push_back((config, reply_to));
                self.begin_reload(now);
            }
        }
    }

    /// Corrects the times of an alert that this node's own clock set; what its source says stays.
    fn correct(&self, alert: &mut Alert) {
        let ahead = self.clock_correction();
        if ahead == 0 {
            return;
        }
        let by = Duration::from_nanos(ahead.unsigned_abs());
        let put = |at: Timestamp| if ahead < 0 { at.minus(by) } else { at.plus(by) };
        if alert.starts_at == alert.updated_at {
            alert.starts_at = put(alert.starts_at);
        }
        if alert.timeout {
            alert.ends_at = put(alert.ends_at);
        }
        alert.updated_at = put(alert.updated_at);
    }

    /// Takes in one portion of the posts that wait.
    fn take_posts(&mut self, now: Now) {
        if self.reload.running.is_some() {
            return;
        }
        let mut room = ALERTS_PER_STEP;
        while let Some(post) = self.posts.front_mut() {
            while room > 0
                && let Some(alert) = post.alerts.next()
            {
                self.tenant.post(alert, now);
                room -= 1;
            }
            if post.alerts.len() > 0 {
                return;
            }
            let reply_to = post.reply_to;
            self.posts.pop_front();
            self.reply(reply_to, Reply::AlertsStored);
        }
    }

    fn begin_reload(&mut self, now: Now) {
        if self.reload.running.is_some() {
            return;
        }
        if let Some((config, reply_to)) = self.reload.next.pop_front() {
            self.reload.running = Some(reply_to);
            let input = self.tenant.begin_reload(config, now);
            self.effects
                .push_back(Effect::Run(Box::new(TenantJob::Reload(Box::new(input)))));
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop != Stop::No
    }

    /// Whether a worker applies a configuration: alerts and groups stay as they are until it has.
    pub(super) fn is_reloading(&self) -> bool {
        self.reload.running.is_some()
    }

    fn reload_ended(&mut self, now: Now) {
        if let Some(reply_to) = self.reload.running.take() {
            self.reply(reply_to, Reply::Reloaded);
        }
        self.begin_reload(now);
    }

    /// Takes in one portion of what ended while a configuration was applied.
    fn take_parked(&mut self, now: Now) {
        let portion = self.reload.parked.len().min(ENDS_PER_STEP);
        let parked: Vec<_> = self.reload.parked.drain(..portion).collect();
        for input in parked {
            self.ended(input, now);
        }
    }

    /// Takes in that a job or an attempt to notify ended.
    fn ended(&mut self, input: Input, now: Now) {
        match input {
            Input::JobDone(done) => self.tenant.job_done(done, now),
            Input::NotifyFinished { attempt, verdict } => {
                self.tenant.notify_finished(attempt, verdict, now);
            }
            Input::Command { .. }
            | Input::Saved { .. }
            | Input::DiskAils { .. }
            | Input::FileWritten { .. }
            | Input::DescribeRules(_)
            | Input::KeepRules(_)
            | Input::Mesh(_)
            | Input::Shutdown => {}
        }
    }

    fn saved(&mut self, ticket: Ticket, result: Result<(), String>, now: Now) {
        match (self.saving.remove(&ticket), result) {
            (Some(Waiting::Client(to, reply)), Ok(())) => self.reply(to, reply),
            (Some(Waiting::Client(to, _)), Err(error)) => {
                let text = format!("in force, but not saved: a restart would forget it: {error}");
                self.reply(to, Reply::Refused(text));
            }
            (Some(Waiting::Behind), result) => {
                self.tenant.saved_behind();
                if let Some(error) = self.behind_fails.began(result) {
                    tracing::error!(
                        err = error,
                        "Alerts and history are kept in memory only: the store does not take them"
                    );
                }
            }
            (Some(Waiting::Log), result) => {
                if let Some(error) = self.log_fails.began(result) {
                    tracing::error!(
                        err = error,
                        "The notification log is kept in memory only: the store does not take it"
                    );
                }
            }
            (Some(Waiting::Promise(then)), result) => {
                if let Some(error) = self.log_fails.began(result) {
                    tracing::error!(
                        err = error,
                        "What was promised to other nodes is kept in memory only: the store does not take it"
                    );
                }
                self.tenant.promise_saved(then, now);
            }
            (Some(Waiting::Mesh(bytes)), result) => self.mesh_saved(bytes, result, now),
            (None, _) => {}
        }
    }

    pub(super) fn own_sizes(&self) -> [(&'static str, usize); 6] {
        [
            ("posts", self.posts.len()),
            ("waiting for the store", self.saving.len()),
            ("waiting configurations", self.reload.next.len()),
            ("parked", self.reload.parked.len()),
            ("files in flight", self.files_in_flight),
            ("effects", self.effects.len()),
        ]
    }

    /// Turns what tenant and mesh ask for into effects, and ends a node that has nothing left to do.
    fn collect(&mut self, now: Now) {
        self.collect_all(now);
        if let Stop::Draining(until) = self.stop {
            let done =
                self.tenant.is_stopped() && self.saving.is_empty() && self.files_in_flight == 0;
            let done = done && self.leave_mesh(now);
            // The mesh has something saved before it says goodbye.
            self.collect_all(now);
            let done = done && self.saving.is_empty();
            if done || now.mono >= until {
                self.stop = Stop::Stopped;
                self.effects.push_back(Effect::Stopped);
            }
        }
    }

    fn collect_all(&mut self, now: Now) {
        self.collect_tenant();
        while self.collect_mesh(now) {
            self.collect_tenant();
        }
    }

    /// Turns the tenant's effects into the node's.
    fn collect_tenant(&mut self) {
        while let Some(effect) = self.tenant.poll_effect() {
            match effect {
                TenantEffect::Run(job) => self.effects.push_back(Effect::Run(Box::new(job))),
                TenantEffect::Notify { attempt, texts } => {
                    self.effects
                        .push_back(Effect::Notify(Box::new(NotifyAttempt {
                            attempt: attempt.attempt,
                            data: attempt.data,
                            integration: attempt.integration,
                            texts,
                            memory: attempt.memory,
                            timeout: attempt.timeout,
                        })))
                }
                TenantEffect::SavePromise { record, then } => {
                    self.save_for(Waiting::Promise(then), true, vec![record]);
                }
                TenantEffect::SaveDurably(records) => self.save_for(Waiting::Log, true, records),
                TenantEffect::SaveBehind(records) => self.save_for(Waiting::Behind, false, records),
                TenantEffect::WriteFiles(files) => {
                    for (file, bytes) in [
                        (PortableFile::Nflog, files.nflog),
                        (PortableFile::Silences, files.silences),
                    ] {
                        self.files_in_flight += 1;
                        self.effects.push_back(Effect::WriteFile { file, bytes });
                    }
                }
                TenantEffect::Ruler(news) => self.effects.push_back(Effect::Ruler(news)),
                TenantEffect::Tell(bytes) => self.tell(bytes),
                TenantEffect::TellOne { to, lane, bytes } => self.tell_one(&to, lane, bytes),
            }
        }
    }

    pub(super) fn save_for(&mut self, waiting: Waiting, durable: bool, records: Vec<Record>) {
        if let (Waiting::Client(..), true) = (&waiting, records.is_empty()) {
            if let Waiting::Client(to, reply) = waiting {
                self.reply(to, reply);
            }
            return;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.saving.insert(ticket, waiting);
        let mut stored = Vec::with_capacity(records.len());
        for (key, value) in records {
            self.parts.write(key.encode(), value, &mut stored);
        }
        let ops = stored.into_iter().map(|(key, value)| match value {
            Some(value) => StoreOp::Put { key, value },
            None => StoreOp::Delete { key },
        });
        self.effects.push_back(Effect::Save(SaveBatch {
            ticket: Some(ticket),
            durable,
            ops: ops.collect(),
        }));
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.effects.push_back(Effect::Reply { to, reply });
    }
}

fn expired(result: Result<(), SilenceError>) -> Reply {
    Reply::SilenceExpired(result)
}
