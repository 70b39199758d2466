//! HTTP to receivers, as `http_config` says.

mod client;

pub use client::HttpClients;
