//! Calls of functions.

mod absent;
mod dispatch;
mod histogram;
mod info;
mod labels;
mod maps;
mod sort;
mod window;

pub(crate) use absent::absent_labels;
use dispatch::{span_of, text_of};
pub(super) use window::window_of;
