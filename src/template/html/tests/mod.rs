//! Tests of whole templates: what Go 1.27 prints and refuses, hostile input, and that nothing leaves its place.

mod contexts;
mod hostile;
mod leaks;
mod refusals;
mod rendered;

use crate::template::{Language, Library, Mode, Template, TemplateError};

/// Compiles a text under the name `z`.
fn compile(source: &str) -> Result<Template, TemplateError> {
    Library::built_in(Language::English).compile("z", source, Mode::Html)
}
