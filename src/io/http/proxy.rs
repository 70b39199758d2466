//! Which proxy stands before an address, as Go's `httpproxy` decides it.

use std::{env, fmt, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use url::{Host, Url};

use super::auth;
use crate::config::ProxyConfig;

/// The proxies that the environment names.
#[derive(Default)]
pub(super) struct Environment {
    http: Option<Url>,
    https: Option<Url>,
    no_proxy: NoProxy,
}

/// Addresses of proxies may hold passwords.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl Environment {
    pub(super) fn read() -> Self {
        Self::from_lookup(|name| env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            [name.to_owned(), name.to_lowercase()]
                .iter()
                .filter_map(|name| lookup(name))
                .find(|value| !value.is_empty())
        };
        let proxy = |name| either(name).and_then(|text| parse_proxy(&text));
        Self {
            http: proxy("HTTP_PROXY"),
            https: proxy("HTTPS_PROXY"),
            no_proxy: NoProxy::parse(&either("NO_PROXY").unwrap_or_default()),
        }
    }
}

/// The decision of one configuration.
#[derive(Clone)]
pub(super) enum ProxyChoice {
    /// Always straight.
    None,
    /// By `proxy_url`; with `no_proxy`, local addresses go straight too.
    Fixed(Url, Option<Arc<NoProxy>>),
    /// By the environment.
    Environment(Arc<Environment>),
}

impl ProxyChoice {
    pub(super) fn new(config: &ProxyConfig, environment: Arc<Environment>) -> Result<Self, String> {
        if config.from_environment {
            return Ok(Self::Environment(environment));
        }
        if config.url.is_empty() {
            return Ok(Self::None);
        }
        let url = parse_proxy(config.url.reveal())
            .ok_or_else(|| "proxy_url: not an address of a proxy".to_owned())?;
        let no_proxy =
            (!config.no_proxy.is_empty()).then(|| Arc::new(NoProxy::parse(&config.no_proxy)));
        Ok(Self::Fixed(url, no_proxy))
    }

    /// The proxy for an address.
    pub(super) fn of(&self, url: &Url) -> Option<&Url> {
        match self {
            Self::None => None,
            Self::Fixed(proxy, None) => Some(proxy),
            Self::Fixed(proxy, Some(no_proxy)) => no_proxy.allows(url).then_some(proxy),
            Self::Environment(environment) => {
                let proxy = if url.scheme() == "https" {
                    &environment.https
                } else {
                    &environment.http
                };
                proxy.as_ref().filter(|_| environment.no_proxy.allows(url))
            }
        }
    }
}

/// `proxy_connect_header`
pub(super) fn connect_headers(config: &ProxyConfig) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, values) in &config.connect_header {
        let name = HeaderName::try_from(name.as_str())
            .map_err(|_invalid| format!("proxy_connect_header: {name:?} is no header name"))?;
        for value in values {
            headers.append(name.clone(), auth::secret_value(value.reveal())?);
        }
    }
    Ok(headers)
}

fn parse_proxy(text: &str) -> Option<Url> {
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let mut url = Url::parse(&text).ok()?;
    if url.scheme() == "socks5" {
        // Go lets the proxy resolve names.
        url = Url::parse(&text.replacen("socks5", "socks5h", 1)).ok()?;
    }
    matches!(url.scheme(), "http" | "https" | "socks5h")
        .then_some(url)
        .filter(Url::has_host)
}

/// Addresses that are reached without the proxy.
#[derive(Debug, Default)]
pub(super) struct NoProxy {
    rules: Vec<Rule>,
}

#[derive(Debug, PartialEq, Eq)]
enum Rule {
    All,
    Network(IpNet),
    Address(IpAddr, Option<u16>),
    /// A domain; also itself, or what lies below it only.
    Domain {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    fn parse(text: &str) -> Self {
        let rules = text.split(',').map(str::trim).filter_map(Rule::parse);
        Self {
            rules: rules.collect(),
        }
    }

    /// Whether the proxy is used for an address. Those of this machine never go through one.
    fn allows(&self, url: &Url) -> bool {
        let (host, address) = match url.host() {
            None => return false,
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_lowercase();
                if name == "localhost" {
                    return false;
                }
                (name, None)
            }
            Some(Host::Ipv4(address)) => (String::new(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (String::new(), Some(IpAddr::V6(address))),
        };
        if address.is_some_and(|address| address.is_loopback()) {
            return false;
        }
        let port = url.port_or_known_default();
        !self
            .rules
            .iter()
            .any(|rule| rule.holds(&host, address, port))
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        if text == "*" {
            return Some(Self::All);
        }
        if let Ok(network) = text.parse() {
            return Some(Self::Network(network));
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Some(Self::Address(address, None));
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text.as_str(), None),
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Some(Self::Address(address, port));
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        let (name, itself) = match name.strip_prefix('.') {
            Some(below) => (below, false),
            None => (name, true),
        };
        (!name.is_empty()).then(|| Self::Domain {
            name: name.to_owned(),
            itself,
            port,
        })
    }

    fn holds(&self, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        let port_fits = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        match self {
            Self::All => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Self::Address(known, wanted) => address == Some(*known) && port_fits(wanted),
            Self::Domain {
                name,
                itself,
                port: wanted,
            } => {
                let below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.ends_with('.'));
                (below || *itself && host == name) && port_fits(wanted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn check(choice: &ProxyChoice, url: &str, expect: Option<&str>) {
        let proxy = choice.of(&Url::parse(url).unwrap()).map(Url::as_str);
        assert_eq!(proxy, expect, "{url}");
    }

    fn fixed(no_proxy: &str) -> ProxyChoice {
        let config = ProxyConfig {
            url: Secret::new("http://proxy:3128"),
            no_proxy: no_proxy.to_owned(),
            ..ProxyConfig::default()
        };
        ProxyChoice::new(&config, Arc::default()).unwrap()
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        let through = Some("http://proxy:3128/");
        let list = "example.com, .below.org,*.star.net,10.0.0.0/8,192.168.1.7,\
                    port.com:8080,1.2.3.4:99,[::5]:7, bad:port,";
        let choice = fixed(list);
        for (url, straight) in [
            ("http://example.com/", true),
            ("http://EXAMPLE.com./", true),
            ("http://a.example.com/", true),
            ("http://notexample.com/", false),
            ("http://below.org/", false),
            ("http://a.below.org/", true),
            ("http://star.net/", false),
            ("http://x.star.net/", true),
            ("http://10.9.8.7/", true),
            ("http://11.9.8.7/", false),
            ("http://192.168.1.7:1234/", true),
            ("http://port.com:8080/", true),
            ("http://port.com/", false),
            ("http://1.2.3.4:99/", true),
            ("http://1.2.3.4/", false),
            ("http://[::5]:7/", true),
            ("http://[::5]/", false),
            ("http://localhost:1/", true),
            ("https://127.0.0.9/", true),
            ("http://[::1]/", true),
            ("https://other.com/", false),
        ] {
            check(&choice, url, if straight { None } else { through });
        }
        check(&fixed("*"), "http://other.com/", None);
        // Without the list even this machine is reached through the proxy.
        check(&fixed(""), "http://localhost/", through);
        check(&ProxyChoice::None, "http://x/", None);
    }

    #[test]
    fn the_environment_decides_by_scheme() {
        let environment = Environment::from_lookup(|name| match name {
            "http_proxy" => Some("lower:1".to_owned()),
            "HTTPS_PROXY" => Some("socks5://upper:2".to_owned()),
            "no_proxy" => Some("x.com".to_owned()),
            _ => None,
        });
        let choice = ProxyChoice::Environment(Arc::new(environment));
        check(&choice, "http://a/", Some("http://lower:1/"));
        check(&choice, "https://a/", Some("socks5h://upper:2"));
        check(&choice, "https://x.com/", None);
        let none = ProxyChoice::Environment(Arc::default());
        check(&none, "https://a/", None);
    }

    #[test]
    fn an_address_that_is_no_proxy_is_refused_without_printing_it() {
        let config = ProxyConfig {
            url: Secret::new("ftp://user:hunter2@proxy"),
            ..ProxyConfig::default()
        };
        let error = ProxyChoice::new(&config, Arc::default()).err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
