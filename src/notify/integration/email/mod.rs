//! `email_configs`: from a notification to a mail with its envelope, and what its delivery means.
//!
//! Everything here is text; the SMTP dialogue is in `io::smtp`.

mod address;
mod attempt;
mod encoded_word;
mod header;
mod message;
mod quoted_printable;

pub(super) use attempt::{begin, files};
