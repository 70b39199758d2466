//! Tests of whole templates: what Go 1.27 prints and refuses, hostile input, and that nothing leaves its place.

mod contexts;
mod hostile;
mod leaks;
mod refusals;

use std::sync::Arc;

use super::escape;
use crate::template::{
    TemplateError,
    ast::Tree,
    funcs::{FuncMap, Function, Special},
    parse::parse,
    types::Type,
    value::Value,
};

const fn function(name: &'static str) -> Function {
    Function {
        name,
        params: &[Type::Any],
        variadic: true,
        special: Special::No,
        call: |_, _| Ok(Value::Nil),
    }
}

static FUNCTIONS: [Function; 3] = [function("html"), function("urlquery"), function("print")];

/// Compiles a text under the name `z`.
fn compile(source: &str) -> Result<Arc<Tree>, TemplateError> {
    let functions = FuncMap::alertmanager().with(&FUNCTIONS);
    let trees = parse("z", source, &functions)?;
    escape(&trees["z"], &trees, &functions).map(|(root, _)| root)
}
