//! All Alertmanagers of a configuration.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime,
    sync::Notify,
    task::JoinHandle,
    time::{Instant as Due, timeout_at},
};

use super::{
    discover,
    sender::Sender,
    stats::{AlertmanagerStats, AlertmanagersStats},
};
use crate::{
    alert::Alert,
    config::AlertmanagerConfig,
    io::{Clock, HttpClients, spawn},
};

/// How often files are read if no configuration says it.
const SELDOM: Duration = Duration::from_mins(1);

/// Tells Alertmanagers, each by itself: one that is slow or gone delays no other.
#[derive(Debug)]
pub struct Alertmanagers {
    http: Arc<HttpClients>,
    clock: Clock,
    runtime: runtime::Handle,
    stats: Arc<AlertmanagersStats>,
    running: Mutex<Vec<Running>>,
    /// Another configuration is in force.
    taken: Arc<Notify>,
}

/// A configuration with the Alertmanagers that it names.
#[derive(Debug)]
struct Running {
    config: Arc<AlertmanagerConfig>,
    told: Vec<Told>,
}

/// An Alertmanager that is told.
#[derive(Debug)]
struct Told {
    url: String,
    sender: Arc<Sender>,
    task: JoinHandle<()>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Alertmanagers {
    /// Tells nobody yet.
    #[must_use]
    pub fn new(http: Arc<HttpClients>, clock: Clock, runtime: runtime::Handle) -> Arc<Self> {
        let this = Arc::new(Self {
            http,
            clock,
            runtime,
            stats: Arc::default(),
            running: Mutex::default(),
            taken: Arc::default(),
        });
        let (weak, taken) = (Arc::downgrade(&this), Arc::clone(&this.taken));
        spawn(&this.runtime, "files of Alertmanagers", async move {
            loop {
                let Some(this) = weak.upgrade() else { return };
                let pause = this.look();
                drop(this);
                // Another configuration may want its files read more often.
                let _ = timeout_at(Due::now() + pause, taken.notified()).await;
            }
        });
        this
    }

    /// Takes another configuration. What waits for an Alertmanager whose configuration stays is kept.
    pub fn take(&self, configs: &[AlertmanagerConfig]) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *running);
        for config in configs {
            let same = before.iter().position(|one| *one.config == *config);
            running.push(match same {
                Some(place) => before.remove(place),
                None => Running {
                    config: Arc::new(config.clone()),
                    told: Vec::new(),
                },
            });
        }
        drop(running);
        self.look();
        self.taken.notify_one();
    }

    /// Reads files again; gives how long that is good for.
    fn look(&self) -> Duration {
        let known = |one: &Running| -> Vec<String> {
            let told = one.told.iter();
            told.map(|told| told.url.clone()).collect()
        };
        let asked: Vec<(Arc<AlertmanagerConfig>, Vec<String>)> = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let one = |one: &Running| (Arc::clone(&one.config), known(one));
            running.iter().map(one).collect()
        };
        // A disk that hangs keeps nobody from being told.
        let found = asked.into_iter().map(|(config, known)| {
            let urls = discover::urls(&config, &known);
            (config, urls)
        });
        let found: Vec<(Arc<AlertmanagerConfig>, Vec<String>)> = found.collect();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pause = SELDOM;
        for (config, urls) in found {
            let files = config.file_sd_configs.iter();
            pause = files
                .map(|one| one.refresh_interval)
                .fold(pause, Duration::min);
            let same = |one: &&mut Running| Arc::ptr_eq(&one.config, &config);
            let Some(one) = running.iter_mut().find(same) else {
                continue;
            };
            one.told.retain(|told| urls.contains(&told.url));
            let known = known(one);
            for url in urls.into_iter().filter(|url| !known.contains(url)) {
                one.told.push(self.begin(&config, url));
            }
        }
        let told = running.iter().flat_map(|one| &one.told);
        let stats = told.map(|told| Arc::clone(told.sender.stats()));
        self.stats.show(stats.collect());
        pause
    }

    fn begin(&self, config: &Arc<AlertmanagerConfig>, url: String) -> Told {
        let shown = url::Url::parse(&url).map_or_else(
            |_no_url| url.clone(),
            |mut parsed| {
                // A URL that cannot have a password has none.
                let _ = parsed.set_password(None);
                parsed.to_string()
            },
        );
        let sender = Arc::new(Sender::new(
            Arc::clone(config),
            &url,
            Arc::clone(&self.http),
            self.clock,
            Arc::new(AlertmanagerStats::new(&shown)),
        ));
        let task = spawn(&self.runtime, "an Alertmanager", Arc::clone(&sender).run());
        Told { url, sender, task }
    }

    /// Tells all of them; it never waits.
    pub fn tell(&self, alerts: &[Alert]) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for told in running.iter().flat_map(|one| &one.told) {
            told.sender.push(alerts);
        }
    }

    /// Counters for the metrics page.
    #[must_use]
    pub fn stats(&self) -> Arc<AlertmanagersStats> {
        Arc::clone(&self.stats)
    }
}
