//! Mail to servers on this machine that behave well, badly, and worse.

mod logins;
mod recipients;
mod server;
mod stages;
mod tls;
mod warm;
