//! The HTTP server: listeners, connections, and everything a request passes before and after the routes of `api`.
//!
//! In the order of a request: `listen` binds, `accept` takes connections and drains them at the end, `tls`
//! speaks TLS, `client` knows whether who asked is still there, `line` escapes what belongs escaped in addresses, `pipeline` applies rate limit, headers and passwords (`gate`), prefix and redirects (`path`), CORS,
//! time and concurrency limits, reads the body within bounds (`body`), asks the router, and counts
//! (`observe`).

mod accept;
mod auth;
mod body;
mod client;
mod cors;
mod gate;
mod line;
mod listen;
mod observe;
mod path;
mod pipeline;
mod respond;
pub(in crate::io) mod tls;
mod tls_client;
mod web_file;

#[cfg(test)]
mod tests;

pub use accept::{RunningServer, ServerOptions, start};
pub use listen::{Bound, ListenError, bind, bind_systemd, raise_file_limit, split_host_port};
pub use observe::{Observer, Unobserved};
pub use respond::{method_not_allowed, text};
pub use tls::{TlsError, check_server_tls};
pub use web_file::{WebFile, WebFileError};
