//! What a connection must show to be let in: label and keys or certificates; and how it is told and counted if it cannot.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use super::{
    keys::KeyFile,
    mesh_tls::MeshTls,
    preamble::{MAX_LABEL, Mode},
    refusal::{Failure, Refusal},
    stats::MeshSocketStats,
};

/// What protects the mesh cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// `--cluster.tls-config`
    #[error("unable to initialize TLS transport configuration for gossip mesh: {0}")]
    Tls(String),
    /// `--cluster.secret-file`
    #[error("--cluster.secret-file: {0}")]
    Secret(String),
    /// Both.
    #[error(
        "--cluster.secret-file and --cluster.tls-config are both given: TLS seals everything, leave the secret away"
    )]
    Both,
    /// `--cluster.label`
    #[error("--cluster.label has {0} bytes, more than 255")]
    Label(usize),
}

/// What protects the mesh.
#[derive(Debug)]
pub struct MeshSecurity(pub(super) Security);

/// Its kinds.
#[derive(Debug)]
pub(super) enum Security {
    /// Nothing.
    Plain,
    /// `--cluster.secret-file`
    Secret(KeyFile),
    /// `--cluster.tls-config`
    Tls(Box<MeshTls>),
}

impl MeshSecurity {
    /// Reads the files; empty paths are none.
    ///
    /// # Errors
    /// If one cannot be used.
    pub fn open(secret_file: &Path, tls_file: &Path) -> Result<Self, GateError> {
        let given = |path: &Path| !path.as_os_str().is_empty();
        let security = match (given(secret_file), given(tls_file)) {
            (false, false) => Security::Plain,
            (true, false) => {
                Security::Secret(KeyFile::open(secret_file).map_err(GateError::Secret)?)
            }
            (false, true) => {
                Security::Tls(Box::new(MeshTls::open(tls_file).map_err(GateError::Tls)?))
            }
            (true, true) => return Err(GateError::Both),
        };
        Ok(Self(security))
    }

    /// Whether nothing protects the mesh.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.0, Security::Plain)
    }

    /// Whether whoever reaches the port gets in: nothing protects it, or TLS that asks nobody who they are.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.0 {
            Security::Plain => true,
            Security::Secret(_) => false,
            Security::Tls(tls) => !tls.knows_who_dials(),
        }
    }
}

impl Security {
    pub(super) fn mode(&self) -> Mode {
        match self {
            Self::Plain => Mode::Plain,
            Self::Secret(_) => Mode::Secret,
            Self::Tls(_) => Mode::Tls,
        }
    }

    /// Reads what changed; blocks.
    fn refresh(&self) {
        match self {
            Self::Plain => {}
            Self::Secret(keys) => keys.refresh(),
            Self::Tls(tls) => tls.refresh(),
        }
    }
}

/// What is asked of every connection.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) label: String,
    pub(super) security: Security,
    pub(super) stats: Arc<MeshSocketStats>,
    /// `--cluster.tcp-timeout`
    pub(super) timeout: Duration,
    /// What this side says it speaks; tests say otherwise.
    pub(super) versions: (u8, u8),
}

impl Gate {
    pub(super) fn check_label(label: &str) -> Result<(), GateError> {
        if label.len() > MAX_LABEL {
            return Err(GateError::Label(label.len()));
        }
        Ok(())
    }

    /// Reads keys and certificates again if they changed.
    pub(super) async fn refresh(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // A panic of the reader leaves what was there.
        let _ = tokio::task::spawn_blocking(move || this.security.refresh()).await;
    }

    /// Counts a handshake that failed, and logs it if it is new.
    pub(super) fn report(&self, address: SocketAddr, to: Option<&str>, failure: &Failure) {
        let Failure::Refused(why, text) = failure else {
            tracing::debug!(component = "cluster", %address, reason = %failure, "a connection of the mesh broke early");
            return;
        };
        if !self.stats.count_refused(address.ip(), *why) {
            return;
        }
        let peer = to.map_or_else(|| address.to_string(), |to| format!("{to} ({address})"));
        tracing::warn!(
            component = "cluster",
            peer,
            reason = why.as_str(),
            "{peer} {}: {text}",
            why.verdict()
        );
    }

    /// Names an Alertmanager that sends datagrams.
    pub(super) fn report_datagram(&self, from: IpAddr, text: &str) {
        if self.stats.is_new(from, Refusal::Foreign) {
            tracing::warn!(
                component = "cluster",
                peer = %from,
                reason = Refusal::Foreign.as_str(),
                "{from} is no node of this mesh: {text}"
            );
        }
    }
}
