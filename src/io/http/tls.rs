//! `tls_config` of clients as rustls understands it.
//!
//! Beyond rustls it accepts what Go accepts and what Alertmanager's users have: a server that presents the very
//! certificate that is given as CA, and a name other than that of the address.

use std::{
    fs,
    sync::{Arc, LazyLock},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
    version::{TLS12, TLS13},
};

use crate::config::{TlsConfig, TlsVersion};

/// Certificates and keys are small.
const MAX_FILE: u64 = 8 << 20;

/// The PEM texts of a configuration, as read; rotation is a difference between two of these.
#[derive(Clone, PartialEq, Eq, Default)]
pub(in crate::io) struct Material {
    ca: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl Material {
    /// Reads the files; inline texts are taken as they are.
    pub(in crate::io) fn read(config: &TlsConfig) -> Result<Self, String> {
        let part = |what: &str, inline: &str, file: &str| {
            if !inline.is_empty() {
                return Ok(Some(inline.as_bytes().to_vec()));
            }
            if file.is_empty() {
                return Ok(None);
            }
            let explain = |error: std::io::Error| format!("unable to read {what}: {file}: {error}");
            if fs::metadata(file).map_err(explain)?.len() > MAX_FILE {
                return Err(format!("unable to read {what}: {file}: larger than 8 MiB"));
            }
            fs::read(file).map(Some).map_err(explain)
        };
        Ok(Self {
            ca: part("CA cert", &config.ca, &config.ca_file)?,
            cert: part("client cert", &config.cert, &config.cert_file)?,
            key: part("client key", config.key.reveal(), &config.key_file)?,
        })
    }
}

/// Whether anything of it stands in files.
pub(super) fn names_files(config: &TlsConfig) -> bool {
    [&config.ca_file, &config.cert_file, &config.key_file]
        .into_iter()
        .any(|file| !file.is_empty())
}

/// Builds the client's side. `verify_name` replaces the name of the address in the verification.
pub(in crate::io) fn client_config(
    config: &TlsConfig,
    material: &Material,
    verify_name: Option<&str>,
    http2: bool,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(config)?)
        .map_err(|error| error.to_string())?;
    let verifier = verifier(config, material, verify_name, provider)?;
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut client = match (&material.cert, &material.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert);
            if chain.is_empty() {
                return Err("unable to use the client cert: no certificate in it".to_owned());
            }
            // The parser's words do not quote the key.
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|error| format!("unable to use the client key: {error}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("unable to use the client cert and key: {error}"))?
        }
        (None, _) | (_, None) => builder.with_no_client_auth(),
    };
    if http2 {
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(client)
}

fn versions(config: &TlsConfig) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let min = config.min_version.unwrap_or(TlsVersion::Tls12);
    let max = config.max_version.unwrap_or(TlsVersion::Tls13);
    let mut versions = Vec::new();
    if min <= TlsVersion::Tls12 && max >= TlsVersion::Tls12 {
        versions.push(&TLS12);
    }
    if max >= TlsVersion::Tls13 {
        versions.push(&TLS13);
    }
    if versions.is_empty() {
        return Err("tls_config: TLS 1.0 and 1.1 are not supported; raise max_version".to_owned());
    }
    Ok(versions)
}

fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    // As Go, what is no certificate is passed over.
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect()
}

/// Those of the system; where it has none, Mozilla's as built in: a page is not to fail for a missing package.
static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        tracing::warn!("the system has no CA certificates; those of Mozilla are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Arc::new(roots)
});

fn verifier(
    config: &TlsConfig,
    material: &Material,
    verify_name: Option<&str>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, String> {
    let name = match verify_name {
        None => None,
        Some(name) => Some(
            ServerName::try_from(name.to_owned())
                .map_err(|_invalid| format!("tls_config: {name:?} is no server name"))?,
        ),
    };
    let mut verifier = Verifier {
        chain: None,
        name,
        trusted: Vec::new(),
        provider: Arc::clone(&provider),
    };
    if config.insecure_skip_verify {
        return Ok(verifier);
    }
    let roots = match &material.ca {
        None => Arc::clone(&SYSTEM_ROOTS),
        Some(ca) => {
            verifier.trusted = certificates(ca);
            let mut roots = RootCertStore::empty();
            let (added, _) = roots.add_parsable_certificates(verifier.trusted.iter().cloned());
            if added == 0 {
                return Err("unable to use specified CA cert: no certificate in it".to_owned());
            }
            Arc::new(roots)
        }
    };
    let chain = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| error.to_string())?;
    verifier.chain = Some(chain);
    Ok(verifier)
}

/// Verifies servers.
#[derive(Debug)]
struct Verifier {
    /// `None` verifies nothing but the handshake's signature (`insecure_skip_verify`).
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// In place of the address's.
    name: Option<ServerName<'static>>,
    /// Certificates that are trusted as they are.
    trusted: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let name = self.name.as_ref().unwrap_or(server_name);
        if self.trusted.contains(end_entity) {
            // webpki never takes a CA's certificate for a server's, Go does.
            check_validity(end_entity, now)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .ok()
        .ok_or_else(bad)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}
