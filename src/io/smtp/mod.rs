//! Mail to its server over SMTP: TLS, logins, several recipients, connections that are used again.
//!
//! `lettre` speaks the protocol. What it leaves open is here: servers are hostile (`link`), TLS is that of all
//! receivers, the server's order of logins counts, and each recipient has its own fate.

mod clients;
mod connect;
mod failure;
mod link;
mod login;
mod session;

pub(super) use clients::MailClients;

#[cfg(test)]
mod tests;
