//! HTTP to receivers, as `http_config` says: TLS with rotation, proxies, credentials, OAuth 2, redirects.
//!
//! Every step has a bound in time and size, and no error holds an address or a credential.

mod auth;
mod clients;
mod exchange;
mod jwt;
mod mask;
mod oauth2;
mod proxy;
mod straight;
pub(super) mod tls;
mod transport;
mod wire;

pub use clients::HttpClients;
pub(super) use exchange::explain;
pub(super) use straight::{Answer as StraightAnswer, Straight};

#[cfg(test)]
pub(super) mod tests;
