//! JSON text as Go's `encoding/json` writes it, appended to a `String` without an intermediate tree.
//!
//! Large answers and notification bodies are built with it; parsing and small documents are `serde_json`'s part.

mod string;
mod value;
mod writer;

pub use string::{push_map, push_str};
pub use value::push_value;
pub use writer::{ArrayWriter, ObjectWriter, document, push_array, push_object};
