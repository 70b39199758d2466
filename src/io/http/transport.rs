//! Connections of one TLS and proxy configuration. Files are looked at before each request; when their contents
//! change, the next request uses the new ones.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::HeaderValue;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{
    exchange,
    proxy::{self, Environment, ProxyChoice},
    tls::{self, Material},
};
use crate::config::{ProxyConfig, TlsConfig};

/// TCP, the proxy's handshake and TLS together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Most servers close idle connections after a minute or more; closing first avoids writing into a closed one.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Hosts for which a configuration with `server_name` keeps connections.
const MAX_ALIASES: usize = 64;

pub(super) struct Transport {
    tls: TlsConfig,
    proxy: ProxyConfig,
    http2: bool,
    environment: Arc<Environment>,
    built: Mutex<Built>,
}

/// The clients that stand, all of the same material.
#[derive(Default)]
struct Built {
    material: Option<Material>,
    /// By the host that stands behind `server_name`; `None` for the usual case.
    clients: Vec<(Option<String>, reqwest::Client)>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(
        tls: &TlsConfig,
        proxy: &ProxyConfig,
        http2: bool,
        environment: Arc<Environment>,
    ) -> Self {
        Self {
            tls: tls.clone(),
            proxy: proxy.clone(),
            http2,
            environment,
            built: Mutex::default(),
        }
    }

    /// The client for an address, the address to give it, and the `Host` header to send if that is another.
    pub(super) async fn client(
        &self,
        url: Url,
    ) -> Result<(reqwest::Client, Url, Option<HeaderValue>), String> {
        let material = self.material().await?;
        let choice = ProxyChoice::new(&self.proxy, Arc::clone(&self.environment))?;
        let alias = self.alias(&url, &choice);
        let client = self.build(material, choice, alias.as_ref())?;
        match alias {
            None => Ok((client, url, None)),
            Some(alias) => Ok((client, alias.url, Some(alias.host))),
        }
    }

    /// What the files hold. If they cannot be read while connections stand, those are used on: rotation is not always
    /// atomic.
    async fn material(&self) -> Result<Material, String> {
        if !tls::names_files(&self.tls) {
            return Material::read(&self.tls);
        }
        let config = self.tls.clone();
        let read = tokio::task::spawn_blocking(move || Material::read(&config))
            .await
            .map_err(|_panic| "the certificates could not be read".to_owned())?;
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        match (read, &built.material) {
            (Err(error), Some(standing)) => {
                tracing::warn!(
                    error,
                    "the files of tls_config cannot be read; those read before are used on"
                );
                Ok(standing.clone())
            }
            (read, _) => read,
        }
    }

    fn build(
        &self,
        material: Material,
        choice: ProxyChoice,
        alias: Option<&Alias>,
    ) -> Result<reqwest::Client, String> {
        let key = alias.map(|alias| alias.real.to_string());
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if built.material.as_ref() == Some(&material) {
            let known = built.clients.iter().find(|(known, _)| *known == key);
            if let Some((_, client)) = known {
                return Ok(client.clone());
            }
        }
        let client = match self.build_new(&material, choice, alias) {
            Ok(client) => client,
            Err(error) => {
                // New material that makes no sense may be half written.
                let standing = built.clients.iter().find(|(known, _)| *known == key);
                let Some((_, standing)) = standing else {
                    return Err(error);
                };
                tracing::warn!(
                    error,
                    "the files of tls_config make no sense; those read before are used on"
                );
                return Ok(standing.clone());
            }
        };
        if built.material.as_ref() != Some(&material) || built.clients.len() >= MAX_ALIASES {
            built.clients.clear();
            built.material = Some(material);
        }
        built.clients.push((key, client.clone()));
        Ok(client)
    }

    fn build_new(
        &self,
        material: &Material,
        choice: ProxyChoice,
        alias: Option<&Alias>,
    ) -> Result<reqwest::Client, String> {
        let server_name = &self.tls.server_name;
        let verify_name = (!server_name.is_empty()).then_some(server_name.as_str());
        // With an alias the address is not that of the server, which HTTP/2 would show to it.
        let http2 = self.http2 && alias.is_none();
        let tls = tls::client_config(&self.tls, material, verify_name, http2)?;
        let headers = proxy::connect_headers(&self.proxy)?;
        let proxy = reqwest::Proxy::custom(move |url| choice.of(url).cloned()).headers(headers);
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .proxy(proxy)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(15));
        if !http2 {
            builder = builder.http1_only();
        }
        if let Some(alias) = alias {
            builder = builder.dns_resolver(alias.clone());
        }
        builder.build().map_err(exchange::explain)
    }

    /// Where `server_name` differs from the address's host, TLS must name the former (SNI). The library takes that name
    /// from the address, so the address names it, and the resolver leads to the host. Proxies must see the host.
    fn alias(&self, url: &Url, choice: &ProxyChoice) -> Option<Alias> {
        let name = self.tls.server_name.to_lowercase();
        let real = url.host()?.to_owned();
        let is_domain = matches!(Host::parse(&name), Ok(Host::Domain(_)));
        let applies = url.scheme() == "https"
            && is_domain
            && real != Host::Domain(name.clone())
            && choice.of(url).is_none();
        if !applies {
            return None;
        }
        let host = match url.port() {
            Some(port) => format!("{real}:{port}"),
            None => real.to_string(),
        };
        let mut aliased = url.clone();
        aliased.set_host(Some(&name)).ok()?;
        Some(Alias {
            real,
            url: aliased,
            host: HeaderValue::try_from(host).ok()?,
        })
    }
}

/// An address under another name.
#[derive(Clone)]
struct Alias {
    real: Host<String>,
    url: Url,
    host: HeaderValue,
}

impl Resolve for Alias {
    fn resolve(&self, _name: Name) -> Resolving {
        let real = self.real.clone();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = match real {
                Host::Ipv4(address) => vec![(address, 0).into()],
                Host::Ipv6(address) => vec![(address, 0).into()],
                Host::Domain(name) => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            if addresses.is_empty() {
                return Err(io::Error::other("no address").into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
