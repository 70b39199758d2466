//! The tree of a parsed template.
//!
//! The escaper of HTML edits it: text nodes may be replaced, pipelines get further commands, calls another name.
//! Chains of `else if` and `else with` lie flat in [`Branch::arms`], so that no walk over the tree is deeper than
//! [`MAX_NESTING`] blocks and [`MAX_PARENTHESES`].

use std::sync::Arc;

use super::{
    funcs::Function,
    html::Escaper,
    value::{Int, Value},
};

/// Blocks within blocks. Go has no bound; no template that somebody wrote comes near.
pub(crate) const MAX_NESTING: usize = 200;
/// Parentheses within parentheses. Go's bound is 10,000.
pub(crate) const MAX_PARENTHESES: usize = 100;

/// Where something stands: bytes from the beginning of the source.
pub(crate) type Pos = usize;

/// One named template.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    /// The file, or the name of the text, that it stands in.
    pub(crate) file: Arc<str>,
    /// All of the file; positions count in it.
    pub(crate) source: Arc<str>,
    pub(crate) root: List,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) pos: Pos,
    pub(crate) nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(Text),
    Action(Action),
    /// `if`, `with` and `range`
    Branch(Box<Branch>),
    /// `{{ template "x" . }}`, and `{{ block }}`, whose body is a template of its own
    Call(Call),
    Break(Pos),
    Continue(Pos),
}

#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) pos: Pos,
    pub(crate) text: Arc<str>,
}

/// A pipeline whose value is printed, unless it declares variables.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) pos: Pos,
    pub(crate) line: usize,
    pub(crate) pipe: Pipe,
    /// What makes the value safe in its place in HTML; none in text.
    pub(crate) escapers: Box<[Escaper]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    With,
    Range,
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) kind: BranchKind,
    /// At least one; `range` has exactly one, the further ones are `else if` or `else with`. Variables that an arm's
    /// pipeline declares are seen by all arms after it.
    pub(crate) arms: Vec<Arm>,
    pub(crate) otherwise: Option<List>,
}

#[derive(Clone, Debug)]
pub(crate) struct Arm {
    pub(crate) pos: Pos,
    pub(crate) line: usize,
    pub(crate) pipe: Pipe,
    pub(crate) list: List,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) pos: Pos,
    pub(crate) name: Arc<str>,
    pub(crate) pipe: Option<Pipe>,
}

/// `$a, $b := command | command`
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: Pos,
    pub(crate) line: usize,
    /// `=`, not `:=`
    pub(crate) assigns: bool,
    pub(crate) variables: Vec<Variable>,
    pub(crate) commands: Vec<Command>,
}

/// A variable with the fields that are taken from it.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) pos: Pos,
    /// With its `$`.
    pub(crate) name: Arc<str>,
    pub(crate) fields: Vec<Arc<str>>,
}

/// A function, field or value, and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) pos: Pos,
    /// At least one.
    pub(crate) args: Vec<Arg>,
}

#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Dot(Pos),
    Nil(Pos),
    Bool(Pos, bool),
    Number(Number),
    Str(Str),
    /// `.X.Y`
    Field(Field),
    /// `$x.Y`
    Variable(Variable),
    Function(Pos, &'static Function),
    /// `(…)`
    Pipe(Box<Pipe>),
    /// `(…).X.Y`
    Chain(Box<Chain>),
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) pos: Pos,
    /// At least one, without the dots.
    pub(crate) names: Vec<Arc<str>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) pos: Pos,
    pub(crate) of: Arg,
    /// At least one, without the dots.
    pub(crate) names: Vec<Arc<str>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Str {
    pub(crate) pos: Pos,
    /// As it was written.
    pub(crate) quoted: Arc<str>,
    pub(crate) text: Arc<str>,
}

/// A constant that is all of what it can be read as.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) pos: Pos,
    /// As it was written.
    pub(crate) text: Arc<str>,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

impl Arg {
    pub(crate) fn pos(&self) -> Pos {
        match self {
            Self::Dot(pos) | Self::Nil(pos) | Self::Bool(pos, _) | Self::Function(pos, _) => *pos,
            Self::Number(number) => number.pos,
            Self::Str(text) => text.pos,
            Self::Field(field) => field.pos,
            Self::Variable(variable) => variable.pos,
            Self::Pipe(pipe) => pipe.pos,
            Self::Chain(chain) => chain.pos,
        }
    }
}

impl Node {
    pub(crate) fn pos(&self) -> Pos {
        match self {
            Self::Text(text) => text.pos,
            Self::Action(action) => action.pos,
            Self::Branch(branch) => branch.arms.first().map_or(0, |arm| arm.pos),
            Self::Call(call) => call.pos,
            Self::Break(pos) | Self::Continue(pos) => *pos,
        }
    }
}

impl Tree {
    /// Line (from 1) and column (bytes, from 0) of a position, as Go's errors name them.
    pub(crate) fn place(&self, pos: Pos) -> (usize, usize) {
        let before = &self.source.as_bytes()[..pos.min(self.source.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(pos, |newline| pos - newline - 1);
        (line, column)
    }

    /// Whether it holds nothing but white space; such a tree does not replace another.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.nodes.iter().all(|node| match node {
            Node::Text(text) => text.text.trim().is_empty(),
            Node::Action(_)
            | Node::Branch(_)
            | Node::Call(_)
            | Node::Break(_)
            | Node::Continue(_) => false,
        })
    }
}

impl Number {
    /// Its value where nothing says which type it should have: its notation does. `None` if it fits no `int`.
    pub(crate) fn untyped(&self) -> Option<Value> {
        let text = &*self.text;
        let is_hex =
            (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P']);
        let is_float =
            !is_hex && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
        if let Some((real, imaginary)) = self.complex {
            return Some(Value::Complex(real, imaginary));
        }
        match (self.float, self.int) {
            (Some(float), _) if is_float => Some(Value::Float(float)),
            (_, int) => int.map(|int| Value::Int(Int::Int, int)),
        }
    }
}
