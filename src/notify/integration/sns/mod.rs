//! `sns_configs`: messages of Amazon SNS, signed by ourselves: no AWS library reads clocks, files and environment here.
//!
//! Keys come from the settings, the environment, the shared files, a web identity, a container or the instance, and may
//! assume roles; tokens that AWS lends are kept by the shell and shared.

mod answer;
mod identity;
mod lent;
mod message;
mod profile;
mod send;
mod sigv4;

pub(super) use identity::files;
pub(super) use send::begin;
