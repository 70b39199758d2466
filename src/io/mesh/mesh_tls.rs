//! `--cluster.tls-config` as rustls understands it; the file and its certificates are read again when they change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{ClientConfig, ServerConfig, client::Resumption, server::NoServerSessionStorage};

use super::keys::look;
use crate::{
    config::{ClientAuth, ClusterTlsConfig, LoadEnv, load_cluster_tls},
    io::{
        http::tls::{Material, client_config},
        server::tls::server_config,
    },
};

/// Both sides of TLS.
#[derive(Debug)]
pub(super) struct BothSides {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

/// The file, and what it said when it was last good.
#[derive(Debug)]
pub(super) struct MeshTls {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sides: Arc<BothSides>,
    config: ClusterTlsConfig,
    seen: Seen,
}

type Seen = Vec<Option<(SystemTime, u64, u64)>>;

impl MeshTls {
    /// Reads the file and everything it names.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let (config, sides) = load(path)?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                sides: Arc::new(sides),
                seen: look_at_all(path, &config),
                config,
            }),
        })
    }

    /// Whether only those get in whose certificate an authority vouches for.
    pub(super) fn knows_who_dials(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let server = state.config.server.as_ref();
        server.is_some_and(|server| server.client_auth == ClientAuth::RequireAndVerify)
    }

    pub(super) fn current(&self) -> Arc<BothSides> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state.sides)
    }

    /// Reads everything again if anything changed; what is broken keeps what was there.
    pub(super) fn refresh(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = look_at_all(&self.path, &state.config);
        if seen == state.seen {
            return;
        }
        match load(&self.path) {
            Ok((config, sides)) => {
                state.seen = look_at_all(&self.path, &config);
                state.sides = Arc::new(sides);
                state.config = config;
                tracing::info!(
                    component = "cluster",
                    file = %self.path.display(),
                    "the TLS configuration and the certificates of the mesh were read again"
                );
            }
            Err(error) => {
                state.seen = seen;
                tracing::error!(
                    component = "cluster",
                    error,
                    "--cluster.tls-config or a certificate changed and cannot be used; what was there stays in force"
                );
            }
        }
    }
}

fn load(path: &Path) -> Result<(ClusterTlsConfig, BothSides), String> {
    let bytes = fs::read(path).map_err(|error| format!("open {}: {error}", path.display()))?;
    let config = load_cluster_tls(&bytes, &LoadEnv::for_file(&path.to_string_lossy()))
        .map_err(|errors| errors.to_string())?;
    let (Some(server), Some(client)) = (&config.server, &config.client) else {
        return Err("tls_server_config and tls_client_config must both be there".to_owned());
    };
    let mut server = server_config(server, false)
        .map_err(|error| format!("tls_server_config: {error}"))?
        .ok_or("tls_server_config: missing one of cert or cert_file")?;
    // A session that is taken up again would not look at certificates.
    let changed = Arc::make_mut(&mut server);
    changed.alpn_protocols.clear();
    changed.session_storage = Arc::new(NoServerSessionStorage {});
    changed.send_tls13_tickets = 0;
    let material = Material::read(client).map_err(|error| format!("tls_client_config: {error}"))?;
    let name = Some(client.server_name.as_str()).filter(|name| !name.is_empty());
    let mut client = client_config(client, &material, name, false)
        .map_err(|error| format!("tls_client_config: {error}"))?;
    client.resumption = Resumption::disabled();
    let sides = BothSides {
        server,
        client: Arc::new(client),
    };
    Ok((config, sides))
}

fn look_at_all(path: &Path, config: &ClusterTlsConfig) -> Seen {
    let server = config
        .server
        .iter()
        .flat_map(|server| [&server.cert_file, &server.key_file, &server.client_ca_file]);
    let client = config
        .client
        .iter()
        .flat_map(|client| [&client.ca_file, &client.cert_file, &client.key_file]);
    let named = server
        .chain(client)
        .filter(|file| !file.is_empty())
        .map(PathBuf::from);
    std::iter::once(path.to_owned())
        .chain(named)
        .map(|path| look(&path))
        .collect()
}
