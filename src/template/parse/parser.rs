//! Blocks.

use std::sync::Arc;

use super::super::{
    ast::{List, Node, Text, Tree},
    error::TemplateError,
    funcs::FuncMap,
    library::Trees,
};

/// Reads all templates of a file.
pub(crate) fn parse(name: &str, source: &str, functions: &FuncMap) -> Result<Trees, TemplateError> {
    let _ = functions;
    let name: Arc<str> = name.into();
    let root = List {
        pos: 0,
        nodes: vec![Node::Text(Text {
            pos: 0,
            text: source.into(),
        })],
    };
    let tree = Tree {
        name: Arc::clone(&name),
        file: Arc::clone(&name),
        source: source.into(),
        root,
    };
    Ok(Trees::from([(name, Arc::new(tree))]))
}
