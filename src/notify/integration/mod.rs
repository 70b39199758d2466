//! Each integration as two pure functions: data → request, response → verdict.

mod dispatch;
mod payload;
mod status;
mod webhook;
mod wire;

pub use dispatch::{files, request, verdict};
pub use wire::{FileContents, HttpRequest, HttpResponse, TransportError};
