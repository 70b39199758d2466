//! The mesh at the start: its port, what protects it, the name and the run of this node, and what is to be warned of.

use std::{sync::Arc, time::Duration};

use super::{
    options::ClusterOptions,
    state::{Opened, TENANT},
};
use crate::{
    cluster::MeshSettings,
    io::{
        GateError, GossipError, GossipOptions, GossipPort, MeshSecurity, MeshSocketStats,
        MeshSocketsOptions, PeerSpec, random_peer_name,
    },
    node::{MESH_FACT, StoreOp},
    storage::Key,
    time::Timestamp,
};

/// Facts in the store.
const NAME: &str = "peer-name";
const RUN: &str = "mesh-run";

/// How long the start waits for the store.
const SAVE: Duration = Duration::from_secs(5);

/// The mesh before the store is open.
pub(super) struct MeshStart {
    pub(super) port: GossipPort,
    peers: Vec<PeerSpec>,
    security: MeshSecurity,
    /// What its sockets will count.
    pub(super) stats: Arc<MeshSocketStats>,
}

/// Who this node is in the mesh.
pub(super) struct Identity {
    pub(super) name: Arc<str>,
    pub(super) run: u64,
    /// What the mesh saved last.
    pub(super) electors: Option<Vec<u8>>,
}

/// The mesh cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MeshStartError {
    /// The port or the peers.
    #[error("unable to initialize gossip mesh: {0}")]
    Gossip(#[from] GossipError),
    /// What protects it.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl MeshStart {
    /// Checks the flags and binds the port; `None` if clustering is switched off.
    pub(super) async fn bind(cluster: &ClusterOptions) -> Result<Option<Self>, MeshStartError> {
        // A broken TLS file stops the start even where it is not used, as in Alertmanager.
        let security = MeshSecurity::open(&cluster.secret_file, &cluster.tls_config_file)?;
        if cluster.listen_address.is_empty() {
            return Ok(None);
        }
        let peers = cluster
            .peers
            .iter()
            .map(|peer| PeerSpec::parse(peer).map_err(GossipError::Peer))
            .collect::<Result<_, _>>()?;
        let port = GossipPort::bind(GossipOptions {
            listen: &cluster.listen_address,
            advertise: &cluster.advertise_address,
            allow_public: cluster.allow_public_address,
        })
        .await?;
        Ok(Some(Self {
            port,
            peers,
            security,
            stats: Arc::default(),
        }))
    }

    /// What an operator should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.port.warning.iter().cloned().collect();
        let is_local = self.port.is_loopback() && self.peers.iter().all(PeerSpec::is_loopback);
        if self.security.is_open() && !self.security.is_plain() && !is_local {
            warnings.push(format!(
                "whoever reaches {} can inject and silence alerts: the file of --cluster.tls-config asks nobody for a \
                 certificate; set client_auth_type: RequireAndVerifyClientCert and client_ca_file",
                self.port.advertised
            ));
        }
        if self.security.is_plain() && !is_local {
            warnings.push(format!(
                "whoever reaches {} can inject and silence alerts: give all nodes --cluster.secret-file or \
                 --cluster.tls-config, or switch the mesh off with --cluster.listen-address=",
                self.port.advertised
            ));
        }
        warnings
    }

    /// What the core is told.
    pub(super) fn settings(&self, cluster: &ClusterOptions, identity: &Identity) -> MeshSettings {
        let delay = cluster.minority_delay;
        MeshSettings {
            name: Arc::clone(&identity.name),
            run: identity.run,
            advertise: self.port.advertised.as_str().into(),
            has_peers: !self.peers.is_empty(),
            version: env!("CARGO_PKG_VERSION").into(),
            gossip_interval: cluster.gossip_interval,
            probe_interval: cluster.probe_interval,
            probe_timeout: cluster.probe_timeout,
            pushpull_interval: cluster.pushpull_interval,
            reconnect_interval: cluster.reconnect_interval,
            reconnect_timeout: cluster.reconnect_timeout,
            settle_timeout: cluster.settle_timeout,
            expected_size: cluster.expected_size,
            minority_delay: (delay < Duration::MAX).then_some(delay),
            evict_after: cluster.evict_after,
        }
    }

    /// What the sockets are told, and the port for them.
    pub(super) fn sockets(self, cluster: &ClusterOptions) -> (GossipPort, MeshSocketsOptions) {
        let options = MeshSocketsOptions {
            label: cluster.label.clone(),
            security: self.security,
            tcp_timeout: cluster.tcp_timeout,
            peers: self.peers,
            resolve_timeout: cluster.peers_resolve_timeout,
            stats: Arc::clone(&self.stats),
        };
        (self.port, options)
    }
}

impl Identity {
    /// The name that was given, or drawn at an earlier start, or is drawn now; and a run that is higher than any before.
    /// Both are on disk when this returns, or it says so: a node starts with a store that fails, too.
    pub(super) async fn take(
        given: &str,
        opened: &Opened,
        now: Timestamp,
    ) -> (Self, Option<String>) {
        let fact = |name: &str| opened.facts.get(name);
        let text = |name: &str| fact(name).and_then(|value| String::from_utf8(value.clone()).ok());
        let name = match given {
            "" => text(NAME)
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| random_peer_name(now)),
            given => given.to_owned(),
        };
        let last: u64 = text(RUN).and_then(|run| run.parse().ok()).unwrap_or(0);
        let run = u64::try_from(now.unix_millis())
            .unwrap_or(0)
            .max(last.saturating_add(1));
        let tenant: Arc<str> = TENANT.into();
        let put = |fact: &str, value: &str| StoreOp::Put {
            key: Key::fact(&tenant, fact).encode(),
            value: value.as_bytes().to_vec(),
        };
        let mut ops = vec![put(RUN, &run.to_string())];
        if given.is_empty() {
            ops.push(put(NAME, &name));
        }
        let saved = tokio::time::timeout(SAVE, opened.store.save_now(ops)).await;
        let warning = saved
            .unwrap_or_else(|_elapsed| Err("the disk does not answer".to_owned()))
            .err()
            .map(|error| {
                format!("the name and the run of this node in the mesh could not be saved: {error}")
            });
        let identity = Self {
            name: name.into(),
            run,
            electors: fact(MESH_FACT).cloned(),
        };
        (identity, warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state;

    async fn take(path: &std::path::Path, given: &str, at: i64) -> (String, u64) {
        let opened = state::open(path).unwrap();
        let now = Timestamp::from_millis(at);
        let (identity, warning) = Identity::take(given, &opened, now).await;
        assert_eq!(warning, None);
        opened.store.close();
        (identity.name.to_string(), identity.run)
    }

    #[tokio::test]
    async fn a_drawn_name_is_kept_and_each_run_is_higher() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (name, run) = take(path, "", 1_000_000).await;
        assert_eq!((name.len(), run), (26, 1_000_000));
        assert_eq!(take(path, "", 2_000_000).await, (name.clone(), 2_000_000));
        // The clock was set back.
        assert_eq!(take(path, "", 500_000).await, (name.clone(), 2_000_001));
        assert_eq!(
            take(path, "given", 0).await,
            ("given".to_owned(), 2_000_002)
        );
        assert_eq!(take(path, "", 0).await, (name, 2_000_003));
    }

    async fn warnings(listen: &str, peers: &[&str]) -> Vec<String> {
        let start = MeshStart {
            port: GossipPort::bind(GossipOptions {
                listen,
                advertise: "",
                allow_public: true,
            })
            .await
            .unwrap(),
            peers: peers
                .iter()
                .map(|peer| PeerSpec::parse(peer).unwrap())
                .collect(),
            security: MeshSecurity::open("".as_ref(), "".as_ref()).unwrap(),
            stats: Arc::default(),
        };
        start.warnings()
    }

    #[tokio::test]
    async fn an_open_mesh_is_warned_of() {
        let none: [String; 0] = [];
        assert_eq!(warnings("127.0.0.1:0", &[]).await, none);
        assert_eq!(warnings("127.0.0.1:0", &["localhost:1"]).await, none);
        for (listen, peers) in [("127.0.0.1:0", &["am-1:9094"][..]), ("0.0.0.0:0", &[])] {
            let told = warnings(listen, peers).await;
            assert!(
                told.last()
                    .unwrap()
                    .contains("can inject and silence alerts"),
                "{told:?}"
            );
        }
    }
}
