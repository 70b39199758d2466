//! Requests against servers on this machine.

mod oauth2;
mod plain;
mod proxy;
pub(in crate::io) mod server;
mod straight;
mod tls;
