//! A node over endpoints that a file tells.

use std::{fs, path::Path};

use crate::node::{Node, Program, webhook_config};

/// A node in this directory with this file of endpoints, started with further flags. Nobody takes what it notifies of.
pub(crate) fn node_over(directory: &Path, endpoints: &str, flags: &[&str]) -> Node {
    fs::write(directory.join("query.yml"), endpoints).unwrap();
    Node::start(
        &Program::Subject.path().unwrap(),
        directory,
        &webhook_config("http://127.0.0.1:9/"),
        &[&["--query.config-file=query.yml"], flags].concat(),
    )
}
