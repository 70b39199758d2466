//! Build, start, reload, stop, in Alertmanager's order and with its log lines (app/app.go v0.34).

use std::{fs, io, net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration};

use axum::Router;
use jiff::SignedDuration;
use tokio::{runtime, sync::Semaphore};

use super::{
    Options, OptionsError,
    config_file::{ConfigError, ConfigFile},
    external_url::{ExternalUrl, UrlError},
    features::Features,
    mesh::{Identity, MeshStart, MeshStartError},
    own_metrics,
    queries::Queries,
    reload::Reloader,
    ruler::{Rules, RulesLine},
    state::{self, Opened},
};
use crate::{
    api::{
        self, About, ApiState, HttpStats, MetricLabels, ReloadStats, Sources, Trials,
        prometheus::RuleReader,
    },
    config::Config,
    history::HistoryLimits,
    io::{
        Clock, Handle, MeshSockets, Pool, Senders, Shell, Signals, StateMachine, StoreError,
        TellRuler, channel, notify_socket, random_seed,
        remote_write::RemoteWriteError,
        server::{
            self, Bound, ListenError, Observer, RunningServer, ServerOptions, WebFile,
            WebFileError, bind, bind_systemd, raise_file_limit,
        },
        spawn,
    },
    labels::MatcherMode,
    node::{Effect, Input, Node},
    silence::SilenceLimits,
    tenant::TenantSettings,
    time::Now,
};

/// Tests of receivers that may run at the same time.
const MAX_TRIALS: usize = 8;

/// How long a GET request waits for its turn; those before it mostly take milliseconds.
const GET_WAIT: Duration = Duration::from_secs(3);

/// How long requests may go on after the end was ordered.
const DRAIN: Duration = Duration::from_secs(5);

/// How long the node may take to save everything at the end; it gives notifications under way 5 s of that.
const SAVE: Duration = Duration::from_secs(20);

/// A node cannot start. Nothing was notified.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A flag.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The storage directory.
    #[error("unable to create data directory {}: {source}", path.display())]
    Storage {
        /// `--storage.path`
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// `--cluster.*`
    #[error(transparent)]
    Mesh(#[from] MeshStartError),
    /// `--config.file`
    #[error("error loading configuration file: {0}")]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Remote write.
    #[error(transparent)]
    RemoteWrite(#[from] RemoteWriteError),
    /// `--web.listen-address`
    #[error("--web.listen-address: {0}")]
    Listen(#[from] ListenError),
    /// `--web.config.file`
    #[error(transparent)]
    WebFile(#[from] WebFileError),
    /// `--web.external-url`
    #[error("failed to determine external URL: {0}")]
    Url(#[from] UrlError),
    /// Threads or signals.
    #[error("the system refuses what the process needs: {0}")]
    System(#[from] io::Error),
    /// The state could not be saved at the end.
    #[error("the node did not save its state within {} s of the end", SAVE.as_secs())]
    NotSaved,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// When it cannot start, or cannot save at the end.
pub fn run(options: &Options, features: Features) -> Result<(), AppError> {
    options.validate()?;
    let clock = Clock::start(offset(options.clock_offset));
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let app = Starting::new(options, features, clock, runtime.handle().clone())?;
        app.start().await?.serve().await
    });
    // Blocking work that hangs, such as a password being checked, must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

fn offset((duration, negative): (Duration, bool)) -> SignedDuration {
    let offset = SignedDuration::try_from(duration).unwrap_or(SignedDuration::ZERO);
    if negative { -offset } else { offset }
}

/// A node on its way up.
struct Starting<'o> {
    options: &'o Options,
    features: Features,
    clock: Clock,
    /// What endpoints are asked by, and rules go by.
    mesh_clock: Clock,
    runtime: runtime::Handle,
    signals: Arc<Signals>,
    warnings: Vec<String>,
}

/// The mesh with this node's name.
struct Joining {
    start: MeshStart,
    identity: Identity,
}

/// A node that serves.
struct Running {
    signals: Arc<Signals>,
    server: RunningServer,
    node: Handle,
    looping: thread::JoinHandle<()>,
    rules: Option<Arc<Rules>>,
}

impl<'o> Starting<'o> {
    fn new(
        options: &'o Options,
        features: Features,
        clock: Clock,
        runtime: runtime::Handle,
    ) -> Result<Self, AppError> {
        fs::create_dir_all(&options.storage_path).map_err(|source| AppError::Storage {
            path: options.storage_path.clone(),
            source,
        })?;
        Ok(Self {
            options,
            features,
            clock,
            mesh_clock: clock.of_mesh(),
            signals: Arc::new(Signals::listen(&runtime)?),
            runtime,
            warnings: Vec::new(),
        })
    }

    async fn start(mut self) -> Result<Running, AppError> {
        let options = self.options;
        let file_limit = raise_file_limit();
        let mesh = MeshStart::bind(&options.cluster).await?;
        self.warn(mesh.iter().flat_map(MeshStart::warnings).collect());
        let file = ConfigFile::find(options, self.matcher_mode());
        tracing::info!(file = %file.path.display(), "Loading configuration file");
        let config = file.load_and_warn()?;
        tracing::info!(file = %file.path.display(), "Completed loading of configuration file");

        let ruler_file = file.ruler_file(options);
        let has_rules = !ruler_file.as_os_str().is_empty();
        let queries = Queries::open(
            &options.query_config_file,
            has_rules,
            self.features.language,
            options.web_timeout,
            self.mesh_clock,
        )?;
        let opened = state::open(&options.storage_path)?;
        self.warnings.extend(opened.warnings.iter().cloned());
        let mesh = self.identify(mesh, &opened).await;
        let web = match options.web_config_file.as_os_str().is_empty() {
            true => None,
            false => Some(Arc::new(WebFile::open(&options.web_config_file)?)),
        };
        let listeners = self.listen().await?;
        let address = listeners
            .first()
            .map_or_else(unspecified, |bound| bound.address);
        let tls = web.as_ref().is_some_and(|web| web.speaks().0);
        let host = hostname::get().unwrap_or_default();
        let url = ExternalUrl::new(&options.external_url, &host.to_string_lossy(), address, tls)?;
        tracing::debug!(external_url = url.text, "app setup");

        let rules = Rules::open(&ruler_file, &url.text, self.features.language)?;
        let prefix = url.route_prefix(&options.route_prefix);
        let reloads = Arc::new(ReloadStats::default());
        reloads.succeeded(self.clock.now().wall);
        let sources = Sources {
            loop_stats: Arc::clone(&opened.loop_stats),
            store: Arc::clone(&opened.store_stats),
            reloads: Arc::clone(&reloads),
            mesh: mesh.as_ref().map(|mesh| Arc::clone(&mesh.start.stats)),
            labels: MetricLabels {
                alert_names: self.features.alert_names_in_metrics,
                receiver_names: self.features.receiver_name_in_metrics,
                group_keys: self.features.group_key_in_metrics,
            },
        };
        let senders = Arc::new(Senders::new(self.clock));
        let trials = Trials {
            senders: Arc::clone(&senders),
            external_url: url.text.as_str().into(),
            running: Arc::new(Semaphore::new(MAX_TRIALS)),
        };
        let rules = rules.map(|loaded| (loaded, RulesLine::new()));
        let tell = rules.as_ref().map(|(_, line)| line.tell());
        let (node, looping) = self.start_node(config, opened, mesh, &url, (senders, tell))?;
        let rules = match (rules, &queries) {
            (Some((loaded, line)), Some(queries)) => Some(Rules::start(
                &options.storage_path,
                &url.text,
                (&loaded, line),
                node.clone(),
                self.mesh_clock,
                Arc::clone(queries),
                &self.runtime,
            )?),
            (None, _) | (_, None) => None,
        };
        let reloader = Reloader::new(
            file,
            queries.clone(),
            rules.clone(),
            node.clone(),
            self.clock,
            reloads,
            self.runtime.clone(),
        );
        let mut state = self.api_state(&node, sources).with_trials(trials);
        let federation = queries.as_ref().map(|one| Arc::clone(one.federation()));
        if let Some(queries) = queries {
            queries.watch(&self.runtime);
            state = state.with_querier(queries);
        }
        if let Some(rules) = &rules {
            state = state
                .with_remote_write(rules.writer().stats())
                .with_alertmanagers(rules.others().stats())
                .with_rules(Arc::clone(rules) as Arc<dyn RuleReader>);
        }
        if let Some(federation) = federation {
            let measure =
                own_metrics::measure(state.clone(), Arc::downgrade(&federation), self.mesh_clock);
            spawn(&self.runtime, "own metrics", measure);
        }
        let serving = ServerOptions {
            route_prefix: prefix.clone(),
            get_concurrency: options.get_concurrency.unwrap_or_else(default_concurrency),
            get_wait: GET_WAIT,
            timeout: options.web_timeout,
            web,
            observer: Arc::new(Counted(Arc::clone(state.http_stats()))),
            file_limit,
        };
        let router: Router = api::router(state).merge(reloader.routes());
        let server = server::start(listeners, router, serving);

        reloader.reload_on(Arc::clone(&self.signals));
        if !options.auto_reload_interval.is_zero() {
            reloader.watch(options.auto_reload_interval);
        }
        notify_socket::watch(&self.runtime, node.clone());
        // A node of a mesh says it itself, once it knows what its peers know.
        if options.cluster.listen_address.is_empty() {
            notify_socket::ready();
        }
        say_how_to_begin(address, &prefix, tls);
        Ok(Running {
            signals: self.signals,
            server,
            node,
            looping,
            rules,
        })
    }

    fn matcher_mode(&self) -> MatcherMode {
        match (self.features.classic_mode, self.features.utf8_strict_mode) {
            (true, _) => MatcherMode::Classic,
            (false, true) => MatcherMode::Utf8Strict,
            (false, false) => MatcherMode::Fallback,
        }
    }

    /// What is worth a warning goes to the log and the status page.
    fn warn(&mut self, warnings: Vec<String>) {
        for warning in warnings {
            tracing::warn!(component = "cluster", "{warning}");
            self.warnings.push(warning);
        }
    }

    /// Who this node is in the mesh, once the store is open.
    async fn identify(&mut self, mesh: Option<MeshStart>, opened: &Opened) -> Option<Joining> {
        let start = mesh?;
        let given = &self.options.cluster.peer_name;
        let (identity, warning) = Identity::take(given, opened, self.clock.now().wall).await;
        self.warn(warning.into_iter().collect());
        tracing::info!(
            component = "cluster",
            name = &*identity.name,
            run = identity.run,
            bound = %start.port.bound,
            advertised = start.port.advertised,
            peers = self.options.cluster.peers.join(","),
            "the mesh has its port"
        );
        Some(Joining { start, identity })
    }

    async fn listen(&self) -> Result<Vec<Bound>, AppError> {
        if self.options.systemd_socket {
            tracing::info!("The sockets that systemd passes are used in place of addresses");
            return Ok(bind_systemd()?);
        }
        let mut listeners = Vec::new();
        for address in &self.options.listen_addresses {
            listeners.push(bind(address).await?);
        }
        Ok(listeners)
    }

    fn start_node(
        &self,
        config: Arc<Config>,
        opened: Opened,
        mesh: Option<Joining>,
        url: &ExternalUrl,
        (senders, ruler): (Arc<Senders>, Option<TellRuler>),
    ) -> Result<(Handle, thread::JoinHandle<()>), AppError> {
        let options = self.options;
        let name = mesh.as_ref().map_or("", |mesh| &mesh.identity.name);
        let settings = TenantSettings {
            tenant: state::TENANT.into(),
            node: name.into(),
            retention: options.retention,
            maintenance_interval: options.maintenance_interval,
            gc_interval: options.alert_gc_interval,
            per_alertname_limit: options.per_alertname_limit.unwrap_or(0),
            silence_limits: SilenceLimits {
                max_silences: options.max_silences.unwrap_or(0),
                max_size_bytes: options.max_silence_bytes.unwrap_or(0),
            },
            log_silences: options.log_silences,
            start_delay: options.dispatch_start_delay,
            external_url: url.text.as_str().into(),
            cluster_label: options.cluster.label.as_str().into(),
            history_limits: HistoryLimits {
                max_entries: options.history_max_entries,
                max_bytes: options.history_max_bytes,
            },
        };
        let Opened {
            store,
            files,
            saved,
            loop_stats,
            ..
        } = opened;
        let now = self.clock.now();
        let mut node = Node::new(settings, config, saved, random_seed(), now);
        let (handle, inbox) = channel();
        let mut sockets = None;
        if let Some(Joining { start, identity }) = mesh {
            let settings = start.settings(&options.cluster, &identity);
            node = node.with_mesh(settings, identity.electors.as_deref(), random_seed(), now);
            let (port, wanted) = start.sockets(&options.cluster);
            let core = Arc::new(handle.results());
            let started = MeshSockets::start(port, wanted, core, &self.runtime);
            sockets = Some(started.map_err(MeshStartError::from)?);
        }
        let threads = thread::available_parallelism().map_or(2, usize::from);
        let shell = Shell::new(
            store,
            files,
            Pool::start(threads)?,
            senders,
            self.runtime.clone(),
            handle.results(),
        )
        .with_mesh(sockets)
        .with_ruler(ruler);
        let looping = crate::io::start(Driven(node), shell, self.clock, inbox, loop_stats)?;
        Ok((handle, looping))
    }

    fn api_state(&self, node: &Handle, sources: Sources) -> ApiState {
        let (clock, mesh_clock) = (self.clock, self.mesh_clock);
        let state = ApiState::new(
            Arc::new(node.clone()),
            move || clock.now(),
            About {
                started_at: clock.now().wall,
                matcher_mode: self.matcher_mode(),
                warnings: self.warnings.clone(),
                ready_always: self.options.ready_always,
                language: self.features.language,
            },
            sources,
        );
        state.with_query_clock(move || mesh_clock.now())
    }
}

impl Running {
    /// Serves until a signal, then lets requests finish and saves everything.
    async fn serve(self) -> Result<(), AppError> {
        self.signals.stop().await;
        tracing::info!("Received shutdown signal, exiting gracefully...");
        notify_socket::stopping();
        let Self {
            server,
            node,
            looping,
            rules,
            ..
        } = self;
        if !server.stop(DRAIN).await {
            tracing::warn!("graceful HTTP shutdown failed: requests were cut off");
        }
        if let Some(rules) = rules {
            rules.writer().close(DRAIN).await;
        }
        node.shut_down();
        let saved = tokio::task::spawn_blocking(move || looping.join());
        match tokio::time::timeout(SAVE, saved).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => Err(AppError::NotSaved),
        }
    }
}

fn unspecified() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

/// `--web.get-concurrency` if it is not given.
fn default_concurrency() -> usize {
    thread::available_parallelism().map_or(8, |threads| threads.get().max(8))
}

/// The commands are quoted so that they can be copied from a logfmt line into a shell as they stand there.
fn say_how_to_begin(address: SocketAddr, prefix: &str, tls: bool) {
    let scheme = if tls { "https" } else { "http" };
    let host = if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let base = format!("{scheme}://{host}{}", prefix.trim_end_matches('/'));
    tracing::info!(
        first_alert = format!(
            "curl -H Content-Type:application/json -d [{{\"labels\":{{\"alertname\":\"FirstAlert\"}}}}] {base}/api/v2/alerts"
        ),
        what_became_of_it = format!("{base}/"),
        "Ready for alerts"
    );
}

/// The node as the loop drives it.
struct Driven(Node);

impl StateMachine for Driven {
    fn handle(&mut self, input: Input, now: Now) {
        self.0.handle(input, now);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.0.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
        self.0.poll_timeout()
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.0.poll_effect()
    }
}

/// The server's counts go to the API's metrics.
struct Counted(Arc<HttpStats>);

impl Observer for Counted {
    fn get_began(&self) {
        self.0.get_began();
    }

    fn get_ended(&self) {
        self.0.get_ended();
    }

    fn get_refused(&self) {
        self.0.limit_exceeded();
    }
}
