//! TLS of servers: certificates, versions, cipher suites and curves by Go's names.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::tls_client;
use crate::config::{ClientAuth, ServerTlsConfig, TlsVersion};

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate.
    #[error("missing one of cert or cert_file")]
    NoCertificate,
    /// No key.
    #[error("missing one of key or key_file")]
    NoKey,
    /// A file cannot be read.
    #[error("failed to read {field} ({}): {reason}", path.display())]
    File {
        /// Which field names it.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// What is read is no PEM.
    #[error("{field} holds no usable PEM: {reason}")]
    Pem {
        /// Which field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not fit, or are not usable.
    #[error("failed to load certificate and key: {0}")]
    KeyPair(String),
    /// CAs that would never be used.
    #[error("client CA's have been configured without a Client Auth Policy")]
    UnusedClientCa,
    /// A CA that cannot be used.
    #[error("client_ca cannot be used: {0}")]
    ClientCa(String),
    /// No version is left.
    #[error(
        "no TLS version is left between min_version and max_version: TLS 1.2 and 1.3 are supported"
    )]
    NoVersion,
    /// No curve is left.
    #[error("none of curve_preferences is supported: X25519, CurveP256 and CurveP384 are")]
    NoCurve,
    /// No cipher suite is left.
    #[error(
        "none of cipher_suites is supported: TLS 1.2 has ECDHE suites with AES-GCM and ChaCha20 here"
    )]
    NoCipher,
}

/// Go's names of the suites that exist here; those of TLS 1.3 are always on, as in Go.
const SUITES: [(&str, SupportedCipherSuite); 6] = {
    use ring::cipher_suite as suite;
    [
        (
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        ),
        (
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
        (
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ),
        (
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
    ]
};

const CURVES: [(&str, &dyn SupportedKxGroup); 3] = [
    ("X25519", ring::kx_group::X25519),
    ("CurveP256", ring::kx_group::SECP256R1),
    ("CurveP384", ring::kx_group::SECP384R1),
];

/// Says what `tls_server_config` would do, without doing it.
///
/// # Errors
/// If it cannot be set up.
pub fn check_server_tls(config: &ServerTlsConfig) -> Result<(), TlsError> {
    server_config(config, true).map(|_| ())
}

/// The files that a configuration reads, to notice their change.
pub(super) fn files(config: &ServerTlsConfig) -> Vec<PathBuf> {
    [&config.cert_file, &config.key_file, &config.client_ca_file]
        .into_iter()
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect()
}

/// Builds the TLS of a server; `None` if there is none.
pub(in crate::io) fn server_config(
    config: &ServerTlsConfig,
    http2: bool,
) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    if !config.is_enabled() {
        return Ok(None);
    }
    if config.cert.is_empty() && config.cert_file.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    if config.key.is_empty() && config.key_file.is_empty() {
        return Err(TlsError::NoKey);
    }
    let chain = certificates("cert_file", &config.cert_file, "cert", &config.cert)?;
    let key = private_key(config)?;
    let provider = Arc::new(provider(config)?);
    let versions = versions(config.min_version, config.max_version)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| TlsError::KeyPair(error.to_string()))?;
    let has_ca = !config.client_ca.is_empty() || !config.client_ca_file.is_empty();
    let builder = if config.client_auth == ClientAuth::None {
        if has_ca {
            return Err(TlsError::UnusedClientCa);
        }
        builder.with_no_client_auth()
    } else {
        let roots = if has_ca {
            certificates(
                "client_ca_file",
                &config.client_ca_file,
                "client_ca",
                &config.client_ca,
            )?
        } else {
            Vec::new()
        };
        builder.with_client_cert_verifier(tls_client::verifier(config, roots, &provider)?)
    };
    let mut server = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::KeyPair(error.to_string()))?;
    server.alpn_protocols = if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(Some(Arc::new(server)))
}

fn provider(config: &ServerTlsConfig) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if !config.cipher_suites.is_empty() {
        let wanted = |suite: &SupportedCipherSuite| {
            suite.tls13().is_some()
                || SUITES.iter().any(|(name, known)| {
                    known == suite && config.cipher_suites.iter().any(|text| text == name)
                })
        };
        provider.cipher_suites.retain(wanted);
        let only_13 = provider
            .cipher_suites
            .iter()
            .all(|suite| suite.tls13().is_some());
        if only_13 && config.max_version < TlsVersion::Tls13 {
            return Err(TlsError::NoCipher);
        }
    }
    if !config.curve_preferences.is_empty() {
        provider.kx_groups = config
            .curve_preferences
            .iter()
            .filter_map(|name| CURVES.iter().find(|(known, _)| known == name))
            .map(|(_, group)| *group)
            .collect();
        if provider.kx_groups.is_empty() {
            return Err(TlsError::NoCurve);
        }
    }
    Ok(provider)
}

fn versions(
    min: TlsVersion,
    max: TlsVersion,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let versions: Vec<_> = [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| (min..=max).contains(version))
        .map(|(_, supported)| supported)
        .collect();
    if versions.is_empty() {
        return Err(TlsError::NoVersion);
    }
    Ok(versions)
}

fn private_key(config: &ServerTlsConfig) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (field, bytes) = if config.key_file.is_empty() {
        ("key", config.key.reveal().as_bytes().to_vec())
    } else {
        ("key_file", read("key_file", &config.key_file)?)
    };
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| TlsError::Pem {
        field,
        reason: error.to_string(),
    })
}

fn certificates(
    file_field: &'static str,
    file: &str,
    field: &'static str,
    text: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (field, bytes) = if file.is_empty() {
        (field, text.as_bytes().to_vec())
    } else {
        (file_field, read(file_field, file)?)
    };
    let wrong = |reason: String| TlsError::Pem { field, reason };
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

fn read(field: &'static str, path: &str) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::File {
        field,
        path: Path::new(path).to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> ServerTlsConfig {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        ServerTlsConfig {
            cert: made.cert.pem(),
            key: crate::config::Secret::new(made.signing_key.serialize_pem()),
            ..ServerTlsConfig::default()
        }
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn versions_suites_and_curves_are_those_of_the_file() {
        let config = ServerTlsConfig {
            cipher_suites: names(&[
                "TLS_RSA_WITH_AES_128_CBC_SHA",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            ]),
            curve_preferences: names(&["CurveP521", "CurveP384", "X25519"]),
            ..file()
        };
        let provider = provider(&config).unwrap();
        let below_13 = provider
            .cipher_suites
            .iter()
            .filter(|suite| suite.tls13().is_none());
        assert_eq!(below_13.count(), 1);
        let groups: Vec<_> = provider
            .kx_groups
            .iter()
            .map(|group| group.name())
            .collect();
        assert_eq!(
            groups,
            [rustls::NamedGroup::secp384r1, rustls::NamedGroup::X25519]
        );
        let server = server_config(&config, true).unwrap().unwrap();
        assert_eq!(
            server.alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
        assert_eq!(
            versions(TlsVersion::Tls10, TlsVersion::Tls13)
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            versions(TlsVersion::Tls13, TlsVersion::Tls13)
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn what_cannot_work_is_told() {
        let check = |config: ServerTlsConfig, expect: &str| {
            let error = check_server_tls(&config).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(
            ServerTlsConfig {
                max_version: TlsVersion::Tls11,
                ..file()
            },
            "no TLS version is left",
        );
        check(
            ServerTlsConfig {
                curve_preferences: names(&["CurveP521"]),
                ..file()
            },
            "none of curve_preferences",
        );
        check(
            ServerTlsConfig {
                cipher_suites: names(&["TLS_RSA_WITH_AES_128_CBC_SHA"]),
                max_version: TlsVersion::Tls12,
                ..file()
            },
            "none of cipher_suites",
        );
        check(
            ServerTlsConfig {
                client_ca: file().cert,
                ..file()
            },
            "without a Client Auth Policy",
        );
        check(
            ServerTlsConfig {
                cert: "no pem".to_owned(),
                ..file()
            },
            "cert holds no usable PEM",
        );
        check(
            ServerTlsConfig {
                key: file().key,
                ..file()
            },
            "failed to load certificate and key",
        );
        assert!(check_server_tls(&ServerTlsConfig::default()).is_ok());
    }
}
