//! Reads the tree of a YAML file into sections, as `yaml.v2` and upstream's `UnmarshalYAML` methods do.
//!
//! Every mistake is noted with its position and reading goes on, in the order of the file. A section whose types are
//! wrong is not checked any further, so that one mistake does not show up as three.

mod any;
mod codec;
mod collections;
mod cursor;
mod duration;
mod near;
mod path;
mod place;
mod reader;
mod scalar;
mod secret;
mod size;
mod spot;
mod url;

pub(crate) use any::{Any, AnyJson};
pub(crate) use codec::{Codec, Inline, Name, Named, Section, Shown, print_key, read};
pub(crate) use collections::{Boxed, Placed};
pub(crate) use cursor::{Content, Cursor};
pub(crate) use duration::{GoDuration, PromDuration};
pub(crate) use near::nearest;
pub(crate) use path::{Beside, FilePath, join};
pub(crate) use place::{Place, Position};
pub(crate) use reader::{Problem, Reader, Stage};
pub(crate) use secret::TOKEN;
pub(crate) use size::ByteSize;
pub(crate) use spot::{Spot, Spotted};
pub use url::HttpUrl;
pub(crate) use url::{HiddenUrl, ProxyUrl, TemplateUrl};
