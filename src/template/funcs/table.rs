//! What a function is, and which functions a dialect has.

use super::super::{scope::Scope, types::Type, value::Value};

/// A function or method that templates can call.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The types of its parameters; of a method, without the receiver.
    pub(crate) params: &'static [Type],
    /// Whether the last parameter may stand any number of times.
    pub(crate) variadic: bool,
    pub(crate) special: Special,
    /// Computes it; the arguments have the types of the parameters. A method gets its receiver first. The error is what
    /// follows Go's `error calling NAME: `.
    pub(crate) call: fn(&Context<'_>, &[Value]) -> Result<Value, String>,
}

/// Functions that evaluate their own arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    No,
    And,
    Or,
    Call,
}

/// What functions see beside their arguments.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) scope: &'a Scope<'a>,
}

/// The functions of a dialect, by their names.
#[derive(Clone, Debug)]
pub(crate) struct FuncMap {
    tables: Vec<&'static [Function]>,
}

impl FuncMap {
    /// Go's own functions and Alertmanager's (`DefaultFuncs`), and ours.
    pub(crate) fn alertmanager() -> Self {
        Self { tables: vec![] }
    }

    /// The same with more functions, which come before those of the same name.
    pub(crate) fn with(mut self, table: &'static [Function]) -> Self {
        self.tables.insert(0, table);
        self
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static Function> {
        self.tables
            .iter()
            .flat_map(|table| table.iter())
            .find(|function| function.name == name)
    }
}
