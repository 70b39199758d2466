//! The web configuration file, read again when it or a certificate changes; a broken change keeps what was there.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderName, HeaderValue};
use rustls::ServerConfig;

use super::tls::{self, TlsError};
use crate::config::{LoadEnv, WebConfig, load_web};

/// Files are looked at this often at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The web configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebFileError {
    /// The file cannot be read.
    #[error("cannot read the web configuration file {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file is wrong.
    #[error("web configuration file {}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every mistake.
        reason: String,
    },
    /// TLS cannot be set up as the file wants it.
    #[error("web configuration file {}: tls_server_config: {source}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
}

/// The file and what it says.
#[derive(Debug)]
pub struct WebFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    loaded: Arc<Loaded>,
    seen: Seen,
    /// The last failure that was logged, so that it is logged once.
    complained: Option<Seen>,
    next_look: Instant,
}

/// What the file said when it was last good.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: WebConfig,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) tls: Option<Arc<ServerConfig>>,
}

/// Enough of each file to notice a change.
type Seen = Vec<(PathBuf, Option<(SystemTime, u64, u64)>)>;

impl WebFile {
    /// Reads the file and everything it names.
    ///
    /// # Errors
    /// If anything in it cannot be used.
    pub fn open(path: &Path) -> Result<Self, WebFileError> {
        let loaded = load(path)?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                seen: look(path, &loaded.config),
                loaded: Arc::new(loaded),
                complained: None,
                next_look: now() + LOOK_EVERY,
            }),
        })
    }

    /// Whether the server speaks TLS, and HTTP/2 with it.
    #[must_use]
    pub fn speaks(&self) -> (bool, bool) {
        let state = self.lock();
        let tls = state.loaded.tls.is_some();
        (tls, tls && state.loaded.config.http.http2)
    }

    /// What the file says; reads it again if it changed.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<Loaded> {
        {
            let mut state = self.lock();
            let now = now();
            if now < state.next_look {
                return Arc::clone(&state.loaded);
            }
            // Others take what is there while one looks.
            state.next_look = now + LOOK_EVERY;
        }
        let this = Arc::clone(self);
        // A panic of the reader must not take the server with it.
        let _ = tokio::task::spawn_blocking(move || this.refresh()).await;
        Arc::clone(&self.lock().loaded)
    }

    fn refresh(&self) {
        let (seen_before, complained, config) = {
            let state = self.lock();
            (
                state.seen.clone(),
                state.complained.clone(),
                Arc::clone(&state.loaded),
            )
        };
        let seen = look(&self.path, &config.config);
        if seen == seen_before || Some(&seen) == complained.as_ref() {
            return;
        }
        match load(&self.path) {
            Ok(loaded) => {
                let seen = look(&self.path, &loaded.config);
                let mut state = self.lock();
                if loaded.tls.is_some() != state.loaded.tls.is_some() {
                    tracing::warn!(
                        file = %self.path.display(),
                        "TLS was switched in the web configuration; clients must change their scheme"
                    );
                }
                state.loaded = Arc::new(loaded);
                state.seen = seen;
                state.complained = None;
                drop(state);
                tracing::info!(file = %self.path.display(), "web configuration read again");
            }
            Err(error) => {
                self.lock().complained = Some(seen);
                tracing::error!(
                    file = %self.path.display(),
                    error = &error as &dyn std::error::Error,
                    "web configuration changed and cannot be used; the one before stays in force"
                );
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under the lock")
    }
}

fn load(path: &Path) -> Result<Loaded, WebFileError> {
    let text = std::fs::read(path).map_err(|error| WebFileError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let env = LoadEnv::for_file(&path.to_string_lossy());
    let config = load_web(&text, &env).map_err(|errors| WebFileError::Invalid {
        path: path.to_owned(),
        reason: errors.to_string(),
    })?;
    let tls =
        tls::server_config(&config.tls, config.http.http2).map_err(|source| WebFileError::Tls {
            path: path.to_owned(),
            source,
        })?;
    let headers = config
        .http
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        })
        .collect();
    Ok(Loaded {
        config,
        headers,
        tls,
    })
}

fn look(path: &Path, config: &WebConfig) -> Seen {
    std::iter::once(path.to_owned())
        .chain(tls::files(&config.tls))
        .map(|path| {
            let facts = std::fs::metadata(&path).ok().and_then(|file| {
                use std::os::unix::fs::MetadataExt;
                Some((file.modified().ok()?, file.len(), file.ino()))
            });
            (path, facts)
        })
        .collect()
}

fn now() -> Instant {
    Instant::now()
}
