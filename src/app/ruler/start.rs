//! Starts the ruler, gives it other rules, and shows it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use tokio::{runtime, sync::oneshot};

use super::{
    deliver::Delivery,
    drive::{Driver, Message},
    files::LoadedRules,
    twice::counted_twice,
    watch::{Rounds, Watcher},
};
use crate::{
    api::prometheus::{RuleReader, Showing},
    app::{config_file::ConfigError, queries::Queries, run::AppError},
    io::{
        Clock, Handle, HttpClients, TellRuler, alertmanagers::Alertmanagers,
        remote_write::RemoteWriter, spawn, spawn_thread,
    },
    promql::Language,
    ruler::Ruler,
};

/// How long a reader waits for the thread.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// What the ruler's thread is told, before there is one.
#[derive(Debug)]
pub(in crate::app) struct RulesLine {
    sender: mpsc::Sender<Message>,
    messages: mpsc::Receiver<Message>,
}

impl RulesLine {
    pub(in crate::app) fn new() -> Self {
        let (sender, messages) = mpsc::channel();
        Self { sender, messages }
    }

    /// For the node.
    pub(in crate::app) fn tell(&self) -> TellRuler {
        let sender = self.sender.clone();
        TellRuler::new(move |news| {
            // The thread ends with the process.
            let _ = sender.send(Message::News(news));
        })
    }
}

/// The ruler of this node.
#[derive(Debug)]
pub(in crate::app) struct Rules {
    file: PathBuf,
    external_url: String,
    delivery: Delivery,
    writer: Arc<RemoteWriter>,
    others: Arc<Alertmanagers>,
    queries: Arc<Queries>,
    runtime: runtime::Handle,
    thread: Mutex<mpsc::Sender<Message>>,
    pub(super) rounds: Arc<Rounds>,
}

impl Rules {
    /// Reads the ruler's files; none if there is no name of one.
    pub(in crate::app) fn open(
        file: &Path,
        external_url: &str,
        language: Language,
    ) -> Result<Option<LoadedRules>, ConfigError> {
        if file.as_os_str().is_empty() {
            return Ok(None);
        }
        LoadedRules::read(file, external_url, language).map(Some)
    }

    /// Starts evaluating.
    pub(in crate::app) fn start(
        storage_path: &Path,
        external_url: &str,
        (loaded, line): (&LoadedRules, RulesLine),
        node: Handle,
        clock: Clock,
        queries: Arc<Queries>,
        runtime: &runtime::Handle,
    ) -> Result<Arc<Self>, AppError> {
        let writer = Arc::new(RemoteWriter::open(
            &loaded.config.remote_write,
            &loaded.config.external_labels,
            &storage_path.join("remote-write"),
            Arc::new(HttpClients::new(clock)),
            clock,
            runtime.clone(),
        )?);
        let http = Arc::new(HttpClients::new(clock));
        let others = Alertmanagers::new(http, clock, runtime.clone());
        others.take(&loaded.config.alertmanagers);
        let (delivery, deliver) =
            Delivery::new(node.clone(), Arc::clone(&others), clock.of_system());
        spawn(runtime, "alerts of rules", deliver);
        let RulesLine { sender, messages } = line;
        let rules = Arc::new(Self {
            file: loaded.file.clone(),
            external_url: external_url.to_owned(),
            delivery: delivery.clone(),
            writer: Arc::clone(&writer),
            others,
            queries: Arc::clone(&queries),
            runtime: runtime.clone(),
            thread: Mutex::new(sender.clone()),
            rounds: Arc::default(),
        });
        delivery.relabel_by(&loaded.config.alert_relabel_configs);
        rules.tell(loaded);
        let ruler = Ruler::new(Arc::clone(&loaded.set), clock.now());
        let watcher = Watcher::new(Arc::clone(&rules.rounds), node.clone());
        let driver = Driver::new(
            ruler,
            clock,
            queries,
            runtime.clone(),
            (delivery, node, writer),
            (sender, messages),
            Arc::clone(&rules.rounds),
        );
        spawn_thread("ruler", move || driver.run())?;
        spawn(runtime, "watch over the ruler", watcher.run());
        Ok(rules)
    }

    /// Reads the files again, for [`take`](Self::take) once all other files are right as well.
    pub(in crate::app) fn read(&self) -> Result<LoadedRules, ConfigError> {
        let language = self.queries.language();
        let read = LoadedRules::read(&self.file, &self.external_url, language);
        read.inspect_err(|error| {
            tracing::error!(file = %self.file.display(), err = %error, "the rules stay as they were");
        })
    }

    /// Puts rules into force.
    pub(in crate::app) fn take(&self, loaded: &LoadedRules) {
        self.tell(loaded);
        self.delivery
            .relabel_by(&loaded.config.alert_relabel_configs);
        self.others.take(&loaded.config.alertmanagers);
        self.send(Message::Load(Arc::clone(&loaded.set)));
        let (writer, config) = (Arc::clone(&self.writer), loaded.config.clone());
        spawn(&self.runtime, "remote write", async move {
            let taken = writer.reload(&config.remote_write, &config.external_labels);
            if let Err(error) = taken.await {
                tracing::error!(err = %error, "remote write stays as it was");
            }
        });
    }

    /// What is written to other servers.
    pub(in crate::app) fn writer(&self) -> &Arc<RemoteWriter> {
        &self.writer
    }

    /// The Alertmanagers that are told besides this one.
    pub(in crate::app) fn others(&self) -> &Arc<Alertmanagers> {
        &self.others
    }

    /// Says what is in force, and what may be wrong with it; and to those who write how old samples may be.
    fn tell(&self, loaded: &LoadedRules) {
        let groups = &loaded.set.groups;
        let offsets = groups.iter().map(|group| group.query_offset);
        self.writer.look_back(offsets.max().unwrap_or(0));
        tracing::info!(
            groups = groups.len(),
            rules = groups.iter().map(|group| group.rules.len()).sum::<usize>(),
            "rules are in force"
        );
        let twice = counted_twice(&loaded.set, &loaded.config, Some(&*self.queries.config()));
        if let Some(twice) = &twice {
            tracing::warn!(file = %self.file.display(), "{}", twice.said);
        }
        // What only may be is no problem.
        let known = twice.filter(|twice| twice.by_endpoint);
        self.queries
            .remark(known.into_iter().map(|twice| twice.said).collect());
    }

    pub(super) fn send(&self, message: Message) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread ends with the process.
        let _ = thread.send(message);
    }
}

impl RuleReader for Rules {
    fn show(&self) -> Showing<'_> {
        Box::pin(async move {
            if self.hangs().1 {
                return None;
            }
            let (to, shown) = oneshot::channel();
            self.send(Message::Show(to));
            tokio::time::timeout(SHOWN_WITHIN, shown).await.ok()?.ok()
        })
    }

    fn hangs(&self) -> (u64, bool) {
        self.rounds.hangs()
    }
}
