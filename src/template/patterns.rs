//! Regular expressions that stand in templates as constants, compiled once with them.
//!
//! The default mail looks at some ten of them for each alert; compiling them anew costs more than the rest of it.

use std::{collections::BTreeMap, sync::Arc};

use regex::Regex;

use super::ast::{Arg, Command};

/// Longer ones and more than these are compiled when they are needed, within the limits of a rendering.
const LONGEST: usize = 1024;
const MOST: usize = 200;

/// By their text. Those that are wrong are left out: they are an error where they are used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Arc<BTreeMap<Arc<str>, Arc<Regex>>>);

impl Patterns {
    /// Looks one up.
    pub(crate) fn get(&self, pattern: &str) -> Option<&Regex> {
        self.0.get(pattern).map(Arc::as_ref)
    }

    /// Keeps what a command names, if it is a command that takes a pattern.
    pub(crate) fn note(&mut self, command: &Command) {
        let [Arg::Function(_, function), Arg::Str(pattern), ..] = command.args.as_slice() else {
            return;
        };
        let takes_one = matches!(function.name, "match" | "reReplaceAll");
        let text = &pattern.text;
        if !takes_one || text.len() > LONGEST || self.0.len() >= MOST || self.0.contains_key(text) {
            return;
        }
        if let Ok(regex) = crate::regex::compile(text) {
            Arc::make_mut(&mut self.0).insert(Arc::clone(text), Arc::new(regex));
        }
    }

    /// Takes in those of another file.
    pub(crate) fn add(&mut self, other: &Self) {
        if !other.0.is_empty() {
            let more = other.0.iter();
            let more = more.map(|(text, regex)| (Arc::clone(text), Arc::clone(regex)));
            Arc::make_mut(&mut self.0).extend(more);
        }
    }
}
