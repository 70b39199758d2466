//! Finds the endpoints of entries that say where to look: in files, and by names.

use std::{
    collections::BTreeMap,
    future::Future,
    io::Read as _,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use super::{client::Federation, endpoints::Declared};
use crate::{
    config::{
        DiscoveryConfig, EndpointConfig, QueryConfig, RecordType, Target, check_endpoints,
        read_targets,
    },
    io::{glob, mesh},
};

/// Files are looked at this often at least, so that a change is soon seen.
const FILES_EVERY: Duration = Duration::from_secs(5);

/// How long the names of an entry may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// A larger file is none of targets.
const MAX_FILE: u64 = 4 << 20;

/// What a lookup yields: addresses, or `host:port` for services.
pub type Looking = Pin<Box<dyn Future<Output = Result<Vec<String>, String>> + Send>>;

/// Looks a name up.
pub type Resolve = Arc<dyn Fn(RecordType, String) -> Looking + Send + Sync>;

/// How the endpoints of an entry are being found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryStatus {
    /// The name of the entry.
    pub name: String,
    /// Endpoints that are in use; `None` while none were found yet.
    pub endpoints: Option<usize>,
    /// Why the last look did not count.
    pub error: Option<String>,
    /// Looks that did not count.
    pub failures: u64,
}

/// Entries that say where to look, and what was found.
pub(super) struct Discovery {
    resolve: Resolve,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    config: QueryConfig,
    /// By the names of the entries.
    found: BTreeMap<String, Found>,
}

/// What was found for an entry.
#[derive(Clone, Default)]
struct Found {
    template: EndpointConfig,
    endpoints: Option<Vec<EndpointConfig>>,
    error: Option<String>,
    failures: Arc<AtomicU64>,
    looked: Option<Instant>,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").finish_non_exhaustive()
    }
}

/// The system's names.
pub(super) fn system_names() -> Resolve {
    Arc::new(|record: RecordType, name: String| -> Looking { Box::pin(look_up(record, name)) })
}

async fn look_up(record: RecordType, name: String) -> Result<Vec<String>, String> {
    if record == RecordType::Srv {
        return mesh::look_up_service(&name).await;
    }
    // The port is that of the entry.
    let found = mesh::look_up_host(&format!("{name}:0")).await?;
    let wanted = found.into_iter().filter_map(|address| match address.ip() {
        IpAddr::V4(ip) if record == RecordType::A => Some(ip.to_string()),
        IpAddr::V6(ip) if record == RecordType::Aaaa => Some(format!("[{ip}]")),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    });
    let addresses: Vec<String> = wanted.collect();
    if addresses.is_empty() {
        return Err(format!("{name} has no address of type {}", record.as_str()));
    }
    Ok(addresses)
}

impl Discovery {
    pub(super) fn new(resolve: Resolve, config: QueryConfig) -> Self {
        let this = Self {
            resolve,
            state: Mutex::default(),
        };
        this.take(config);
        this
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes another configuration; entries that did not change keep what was found, if it fits to the others.
    pub(super) fn take(&self, config: QueryConfig) {
        let mut state = self.state();
        let templates = config.endpoints.iter().filter(|one| one.is_template());
        let found = templates.map(|template| {
            let known = state.found.get(&template.name);
            let known = known.filter(|found| found.template == *template).cloned();
            let found = known.unwrap_or_else(|| Found {
                template: template.clone(),
                ..Found::default()
            });
            (template.name.clone(), found)
        });
        state.found = found.collect();
        state.config = config;
        let entries: Vec<String> = state.found.keys().cloned().collect();
        for entry in entries {
            if let Err(error) = state.check()
                && let Some(found) = state.found.get_mut(&entry)
            {
                found.endpoints = None;
                found.error = Some(error);
                found.looked = None;
            }
        }
    }

    /// How long endpoints may be left alone; zero for ever.
    pub(super) fn probe_interval(&self) -> Duration {
        self.state().config.probe_interval
    }

    /// All endpoints that there are, in the order of the file.
    pub(super) fn declared(&self) -> Vec<Declared> {
        self.state().declared()
    }

    pub(super) fn status(&self) -> Vec<DiscoveryStatus> {
        let state = self.state();
        let found = state.found.iter();
        found
            .map(|(name, found)| DiscoveryStatus {
                name: name.clone(),
                endpoints: found.endpoints.as_ref().map(Vec::len),
                error: found.error.clone(),
                failures: found.failures.load(Relaxed),
            })
            .collect()
    }

    /// The entries to be looked at now.
    fn due(&self, now: Instant) -> Vec<EndpointConfig> {
        let mut state = self.state();
        let due = state.found.values_mut().filter(|found| {
            let discovery = &found.template.discovery;
            let pause = if discovery.files.is_empty() {
                discovery.refresh_interval
            } else {
                discovery.refresh_interval.min(FILES_EVERY)
            };
            found
                .looked
                .is_none_or(|looked| now.duration_since(looked) >= pause)
        });
        due.map(|found| {
            found.looked = Some(now);
            found.template.clone()
        })
        .collect()
    }

    /// Takes in what a look found; tells whether the endpoints are others now.
    fn learn(&self, template: &EndpointConfig, targets: Result<Vec<Target>, String>) -> bool {
        let mut state = self.state();
        // Another configuration may be in force meanwhile.
        let known = state.found.get(&template.name);
        let Some(before) = known.filter(|found| found.template == *template).cloned() else {
            return false;
        };
        let endpoints = targets.and_then(|targets| template.found(&targets));
        let checked = endpoints.and_then(|endpoints| {
            // Those that are in use fit.
            if before.endpoints.as_ref() == Some(&endpoints) {
                return Ok(endpoints);
            }
            let after = Found {
                endpoints: Some(endpoints.clone()),
                ..before.clone()
            };
            state.found.insert(template.name.clone(), after);
            state.check().map(|()| endpoints)
        });
        let after = before.clone().after(checked);
        let changed = after.endpoints != before.endpoints || after.absence() != before.absence();
        state.found.insert(template.name.clone(), after);
        changed
    }
}

impl State {
    /// Whether what is known of all entries fits together; an entry of which nothing was found yet fits to everything.
    fn check(&self) -> Result<(), String> {
        let all = self.declared();
        let present = all.iter().filter(|one| one.absent.is_none());
        check_endpoints(&present.map(|one| &one.config).collect::<Vec<_>>())
    }

    fn declared(&self) -> Vec<Declared> {
        let mut all = Vec::new();
        for config in &self.config.endpoints {
            let Some(found) = self.found.get(&config.name) else {
                all.push(Declared {
                    config: config.clone(),
                    absent: None,
                });
                continue;
            };
            match &found.endpoints {
                Some(endpoints) => all.extend(endpoints.iter().map(|config| Declared {
                    config: config.clone(),
                    absent: None,
                })),
                // The partition is there, and nobody knows where: answers must say that it is missing.
                None => all.push(Declared {
                    config: config.clone(),
                    absent: found.absence(),
                }),
            }
        }
        all
    }
}

impl Found {
    /// Why there is no endpoint, if none was ever found.
    fn absence(&self) -> Option<String> {
        self.endpoints.is_none().then(|| match &self.error {
            Some(error) => format!("no endpoint was found: {error}"),
            None => "its endpoints are being looked for".to_owned(),
        })
    }

    /// What is known after another look: an error leaves what was known.
    fn after(self, endpoints: Result<Vec<EndpointConfig>, String>) -> Self {
        let entry = self.template.name.clone();
        match endpoints {
            Ok(endpoints) => {
                if self.error.is_some() {
                    tracing::info!(
                        endpoint = entry,
                        "the endpoints of this entry are found again"
                    );
                }
                if self.endpoints.as_ref() != Some(&endpoints) {
                    tracing::info!(
                        endpoint = entry,
                        found = endpoints.len(),
                        "the endpoints that are found for this entry changed"
                    );
                }
                Self {
                    endpoints: Some(endpoints),
                    error: None,
                    ..self
                }
            }
            Err(error) => {
                self.failures.fetch_add(1, Relaxed);
                if self.error.as_ref() != Some(&error) {
                    let kept = self.endpoints.as_ref().map_or(0, Vec::len);
                    tracing::warn!(
                        endpoint = entry,
                        err = error,
                        kept,
                        "the endpoints of this entry cannot be found: those that were known are asked further; look at its discovery"
                    );
                }
                Self {
                    error: Some(error),
                    ..self
                }
            }
        }
    }
}

impl Federation {
    /// Looks for endpoints where that is due; to be called again and again.
    pub async fn discover(&self) {
        let mut looks = JoinSet::new();
        for template in self.discovery.due(Instant::now()) {
            let resolve = Arc::clone(&self.discovery.resolve);
            looks.spawn(async move {
                let targets = look(&template.discovery, &resolve).await;
                (template, targets)
            });
        }
        while let Some(done) = looks.join_next().await {
            if let Ok((template, targets)) = done
                && self.discovery.learn(&template, targets)
            {
                self.use_declared();
            }
        }
    }
}

async fn look(discovery: &Arc<DiscoveryConfig>, resolve: &Resolve) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    let until = Instant::now() + PATIENCE;
    for name in &discovery.dns.names {
        let looking = resolve(discovery.dns.record, name.clone());
        let addresses = tokio::time::timeout_at(until, looking).await;
        let late = |_elapsed| Err(format!("{name}: no answer within {PATIENCE:?}"));
        for address in addresses.unwrap_or_else(late)? {
            targets.push(Target {
                address,
                ..Target::default()
            });
        }
    }
    // Without a bound in time: where a disk hangs, no more threads than this one should hang with it.
    if !discovery.files.is_empty() {
        let discovery = Arc::clone(discovery);
        let read = tokio::task::spawn_blocking(move || read_all(&discovery.files)).await;
        targets.extend(read.unwrap_or_else(|_panic| Err("reading failed by a bug".to_owned()))?);
    }
    Ok(targets)
}

fn read_all(patterns: &[String]) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    for pattern in patterns {
        let files = glob(pattern).ok_or_else(|| format!("{pattern} is no pattern"))?;
        if files.is_empty() {
            return Err(format!("there is no file {pattern}"));
        }
        for file in files {
            let shown = file.display();
            let mut text = String::new();
            let read = std::fs::File::open(&file)
                .and_then(|opened| opened.take(MAX_FILE + 1).read_to_string(&mut text));
            read.map_err(|error| format!("{shown}: {error}"))?;
            if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE) {
                return Err(format!("{shown} is larger than {} MiB", MAX_FILE >> 20));
            }
            targets.extend(read_targets(&text).map_err(|error| format!("{shown}: {error}"))?);
        }
    }
    Ok(targets)
}
