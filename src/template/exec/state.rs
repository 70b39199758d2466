//! Where a rendering stands.

use std::{fmt, sync::Arc};

use super::super::{
    ast::{Arg, Command, Node, Pipe, Pos, Tree},
    error::TemplateError,
    funcs::{Context, TOO_MANY_STEPS},
    value::Value,
};

/// An error ends the rendering; it is boxed, since results are passed up often and errors once.
pub(super) type Eval<T> = Result<T, Box<TemplateError>>;

/// A rendering.
pub(super) struct State<'t> {
    pub(super) context: Context<'t>,
    pub(super) tree: &'t Tree,
    /// The part that is being evaluated; errors show it.
    pub(super) at: At<'t>,
    /// All variables, those of calling templates below `base`.
    pub(super) variables: Vec<(&'t str, Value)>,
    pub(super) base: usize,
    /// The arguments of the calls that are being evaluated.
    pub(super) args: Vec<Value>,
}

/// A part of a template.
#[derive(Clone, Copy)]
pub(super) enum At<'t> {
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Arg(&'t Arg),
}

impl At<'_> {
    fn pos(self) -> Pos {
        match self {
            Self::Node(node) => node.pos(),
            Self::Pipe(pipe) => pipe.pos,
            Self::Command(command) => command.pos,
            Self::Arg(arg) => arg.pos(),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Arg(arg) => arg.fmt(f),
        }
    }
}

impl<'t> State<'t> {
    /// An error at the part that is being evaluated.
    #[cold]
    pub(super) fn error(&self, message: impl Into<String>) -> Box<TemplateError> {
        let (line, column) = self.tree.place(self.at.pos());
        Box::new(TemplateError::execute(
            &self.tree.name,
            (&self.tree.file, line, column),
            shortened(self.at.to_string()),
            message,
        ))
    }

    /// Counts a part as evaluated.
    #[inline]
    pub(super) fn step(&self) -> Eval<()> {
        match self.context.steps.get().checked_sub(1) {
            Some(left) => {
                self.context.steps.set(left);
                Ok(())
            }
            None => Err(self.error(TOO_MANY_STEPS)),
        }
    }

    pub(super) fn charge(&self, steps: usize) -> Eval<()> {
        self.context
            .charge(steps)
            .map_err(|message| self.error(message))
    }

    /// The value of a variable, the innermost of that name.
    pub(super) fn variable(&self, name: &str) -> Eval<&Value> {
        self.variables[self.base..]
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
            .ok_or_else(|| self.error(format!("undefined variable: {name}")))
    }

    pub(super) fn declare(&mut self, name: &'t Arc<str>, value: Value) {
        self.variables.push((name, value));
    }

    pub(super) fn assign(&mut self, name: &str, value: Value) -> Eval<()> {
        let known = self.variables[self.base..]
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == name);
        match known {
            Some((_, old)) => {
                *old = value;
                Ok(())
            }
            None => Err(self.error(format!("undefined variable: {name}"))),
        }
    }
}

/// A part of a template may be as long as the template; Go shows all of it, an error message need not.
fn shortened(mut context: String) -> String {
    const LIMIT: usize = 1000;
    if context.len() > LIMIT {
        let end = (0..=LIMIT).rev().find(|at| context.is_char_boundary(*at));
        context.truncate(end.unwrap_or_default());
        context.push('…');
    }
    context
}
