//! Puts a notification into the words of its receiver: templates, their failures, and the limits of vendors.

mod fallback;
mod fit;
mod mention;
mod renderer;
mod tree;
mod view;

pub use fit::Limit;
pub use mention::Mentions;
pub use renderer::Renderer;
pub(super) use view::batch;
