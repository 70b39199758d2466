//! `--cluster.tls-config`: TLS between the nodes of a cluster.

use super::{
    LoadEnv, LoadErrors, ServerTlsConfig, TlsConfig, read::Reader, section::section,
    web::check_server_tls,
};
use crate::yaml::Document;

section! {
    /// The cluster TLS file; both sides must be there.
    #[derive(Eq)]
    pub ClusterTlsConfig in "cluster.TLSTransportConfig" {
        /// How this node answers others.
        server ["tls_server_config"]: Option<ServerTlsConfig>,
        /// How this node calls others.
        client ["tls_client_config"]: Option<TlsConfig>,
    }
}

/// Reads a cluster TLS file.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load_cluster_tls(text: &[u8], env: &LoadEnv) -> Result<ClusterTlsConfig, LoadErrors> {
    let document = Document::parse(text).map_err(|error| LoadErrors::syntax(&env.file, &error))?;
    let mut reader = Reader::new(env);
    reader.beside = true;
    let mut tls = ClusterTlsConfig {
        client: Some(TlsConfig::default()),
        ..ClusterTlsConfig::default()
    };
    let place = reader.document(&document, &mut tls);
    match &tls.server {
        Some(server) => check_server_tls(server, &place, &mut reader),
        None => reader.deny(
            place.at,
            "missing 'tls_server_config' entry in the TLS configuration",
        ),
    }
    if tls.client.is_none() {
        reader.deny(
            place.at,
            "missing 'tls_client_config' entry in the TLS configuration",
        );
    }
    match reader.errors() {
        Some(errors) => Err(errors),
        None => Ok(tls),
    }
}
