//! YAML as Alertmanager reads it: the dialect and the strictness of Go's `yaml.v2`, for serde structs.
//!
//! A file goes through three steps: events of `libyaml-safer` become a tree with positions (`node`), scalars get
//! their YAML 1.1 meaning (`resolve`), and a serde deserializer walks the tree (`de`, `walk`). It collects every mistake of
//! the file with its line and column in place of stopping at the first one.
//!
//! What a struct has to know: unknown and repeated fields are reported without `deny_unknown_fields`; the name in
//! those messages is serde's name of the struct (`#[serde(rename = "config.plain")]`); the struct needs
//! `#[serde(default)]`; [`Spanned`] keeps where a value stood; `Vec<Option<T>>` shows null items as `None`.
//! `flatten` and `untagged` hide the fields and the types from the deserializer, so they are not supported.

mod error;
mod source;

mod node;
mod resolve;

mod access;
mod de;
mod go_type;
mod walk;

mod spanned;
mod value;

pub use de::{from_slice, from_str};
pub use error::{Error, Errors};
/// The tree itself, for `config`, which reads it into sections without serde.
pub(crate) use node::{Document, Kind, MAX_DEPTH, NodeId};
pub(crate) use resolve::{Resolved, TagMismatch, resolve, shown_tag};
pub use spanned::Spanned;
pub use value::Value;
