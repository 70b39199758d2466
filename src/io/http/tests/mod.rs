//! Requests against servers on this machine.

mod oauth2;
mod plain;
mod proxy;
mod server;
mod tls;
