//! `--cluster.tls-config`: TLS between the nodes of a cluster.

use super::{ServerTlsConfig, TlsConfig, section::section};

section! {
    /// The cluster TLS file; both sides must be there.
    ClusterTlsConfig in "cluster.TLSTransportConfig" {
        /// How this node answers others.
        server ["tls_server_config"]: Option<ServerTlsConfig>,
        /// How this node calls others.
        client ["tls_client_config"]: Option<TlsConfig>,
    }
}
