//! Each integration as two pure functions: data → request, response → verdict.

mod wire;

pub use wire::{FileContents, HttpRequest, HttpResponse, TransportError};
