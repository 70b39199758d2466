//! Walks over the nodes of a tree and writes the output.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::slice;

use super::{
    super::{
        ast::{Branch, BranchKind, Call, List, Node, Pipe, Tree},
        error::TemplateError,
        funcs::{Context, too_long},
        html::{Escaper, push_escaped},
        library::Trees,
        patterns::Patterns,
        printf,
        scope::Scope,
        value::Value,
    },
    range::Items,
    state::{At, Eval, State},
};
use crate::labels::go_quote;

/// Renders a tree.
pub(crate) fn render(
    root: &Tree,
    trees: &Trees,
    patterns: &Patterns,
    scope: &Scope<'_>,
) -> Result<String, TemplateError> {
    let Some(first) = root.root.nodes.first() else {
        return Ok(String::new());
    };
    let mut walk = Walk {
        state: State {
            context: Context::new(scope, patterns),
            tree: root,
            at: At::Node(first),
            variables: vec![("$", scope.data.clone())],
            base: 0,
            args: Vec::new(),
        },
        trees,
        frames: vec![Frame {
            nodes: root.root.nodes.iter(),
            dot: scope.data.clone(),
            mark: 0,
            kind: FrameKind::List,
        }],
        depth: 0,
        out: String::new(),
    };
    walk.run().map_err(|error| *error)?;
    Ok(walk.out)
}

struct Walk<'t> {
    state: State<'t>,
    trees: &'t Trees,
    /// The lists that are being walked over, the innermost last.
    frames: Vec<Frame<'t>>,
    /// How many of them are templates that were called.
    depth: usize,
    out: String,
}

struct Frame<'t> {
    nodes: slice::Iter<'t, Node>,
    dot: Value,
    /// How many variables stay when it ends.
    mark: usize,
    kind: FrameKind<'t>,
}

enum FrameKind<'t> {
    List,
    Range(Box<Range<'t>>),
    /// A template, and what goes on after it.
    Call {
        tree: &'t Tree,
        base: usize,
    },
}

struct Range<'t> {
    pipe: &'t Pipe,
    body: &'t List,
    items: Items,
    next: usize,
    /// How many variables stay when an element is done.
    mark: usize,
}

impl<'t> Walk<'t> {
    fn run(&mut self) -> Eval<()> {
        while let Some(frame) = self.frames.last_mut() {
            match frame.nodes.next() {
                Some(node) => self.node(node)?,
                None => self.leave()?,
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &'t Node) -> Eval<()> {
        self.state.step()?;
        self.state.at = At::Node(node);
        match node {
            Node::Text(text) => self.write(&text.text),
            Node::Action(action) => {
                let value = self.pipeline(&action.pipe)?;
                if action.pipe.variables.is_empty() {
                    self.state.at = At::Node(node);
                    self.print(&value, &action.escapers)?;
                }
                Ok(())
            }
            Node::Branch(branch) if branch.kind == BranchKind::Range => self.range(branch),
            Node::Branch(branch) => self.branch(branch),
            Node::Call(call) => self.call(call),
            Node::Break(_) => self.leave_range(false),
            Node::Continue(_) => self.leave_range(true),
        }
    }

    fn pipeline(&mut self, pipe: &'t Pipe) -> Eval<Value> {
        let dot = self.frames.last().map_or(&Value::Nil, |frame| &frame.dot);
        self.state.pipeline(dot, pipe)
    }

    fn write(&mut self, text: &str) -> Eval<()> {
        let limit = self.state.context.scope.limits.output;
        if self.out.len() + text.len() > limit {
            return Err(self.state.error(too_long(limit)));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn print(&mut self, value: &Value, escapers: &[Escaper]) -> Eval<()> {
        let limit = self.state.context.scope.limits.output;
        if !escapers.is_empty() {
            let before = self.out.len();
            push_escaped(escapers, value, &mut self.out, limit)
                .map_err(|message| self.state.error(message))?;
            return self.state.charge((self.out.len() - before) / 8);
        }
        match value {
            Value::Str(text) | Value::Safe(_, text) => self.write(text),
            Value::Nil => self.write("<no value>"),
            _ => {
                let before = self.out.len();
                printf::display(value, &mut self.out, limit)
                    .map_err(|message| self.state.error(message))?;
                self.state.charge((self.out.len() - before) / 8)
            }
        }
    }

    fn dot(&self) -> Value {
        self.frames
            .last()
            .map(|frame| frame.dot.clone())
            .unwrap_or_default()
    }

    fn enter(&mut self, list: &'t List, dot: Value, mark: usize) {
        self.frames.push(Frame {
            nodes: list.nodes.iter(),
            dot,
            mark,
            kind: FrameKind::List,
        });
    }

    fn branch(&mut self, branch: &'t Branch) -> Eval<()> {
        let mark = self.state.variables.len();
        for arm in &branch.arms {
            let value = self.pipeline(&arm.pipe)?;
            if value.is_true() {
                let dot = match branch.kind {
                    BranchKind::With => value,
                    BranchKind::If | BranchKind::Range => self.dot(),
                };
                self.enter(&arm.list, dot, mark);
                return Ok(());
            }
        }
        match &branch.otherwise {
            Some(list) => {
                let dot = self.dot();
                self.enter(list, dot, mark);
            }
            None => self.state.variables.truncate(mark),
        }
        Ok(())
    }

    fn range(&mut self, branch: &'t Branch) -> Eval<()> {
        let Some(arm) = branch.arms.first() else {
            return Ok(());
        };
        let mark = self.state.variables.len();
        let items = match Items::of(self.pipeline(&arm.pipe)?) {
            Ok(items) => Some(items),
            Err(Value::Nil | Value::NilAny) => None,
            Err(other) => {
                let mut shown = String::new();
                printf::display(&other, &mut shown, 1000).ok();
                return Err(self
                    .state
                    .error(format!("range can't iterate over {shown}")));
            }
        };
        if let Some(items) = &items
            && items.is_number()
            && arm.pipe.variables.len() > 1
        {
            let count = self.state.variables.last().map(|(_, value)| value.clone());
            let mut shown = String::new();
            printf::display(&count.unwrap_or_default(), &mut shown, 1000).ok();
            return Err(self.state.error(format!(
                "can't use {shown} to iterate over more than one variable"
            )));
        }
        let Some(items) = items.filter(|items| items.get(0).is_some()) else {
            match &branch.otherwise {
                Some(list) => {
                    let dot = self.dot();
                    self.enter(list, dot, mark);
                }
                None => self.state.variables.truncate(mark),
            }
            return Ok(());
        };
        self.frames.push(Frame {
            nodes: [].iter(),
            dot: Value::Nil,
            mark,
            kind: FrameKind::Range(Box::new(Range {
                pipe: &arm.pipe,
                body: &arm.list,
                items,
                next: 0,
                mark: self.state.variables.len(),
            })),
        });
        Ok(())
    }

    fn call(&mut self, call: &'t Call) -> Eval<()> {
        let Some(tree) = self.trees.get(&call.name) else {
            let name = go_quote(&call.name);
            return Err(self.state.error(format!("template {name} not defined")));
        };
        let limit = self.state.context.scope.limits.depth;
        if self.depth >= limit {
            return Err(self
                .state
                .error(format!("exceeded maximum template depth ({limit})")));
        }
        let dot = match &call.pipe {
            Some(pipe) => self.pipeline(pipe)?,
            None => Value::Nil,
        };
        // Variables that the pipeline declares stay until the end of the block around the call.
        let mark = self.state.variables.len();
        self.depth += 1;
        self.frames.push(Frame {
            nodes: tree.root.nodes.iter(),
            dot: dot.clone(),
            mark,
            kind: FrameKind::Call {
                tree: self.state.tree,
                base: self.state.base,
            },
        });
        self.state.tree = tree;
        self.state.base = self.state.variables.len();
        self.state.variables.push(("$", dot));
        Ok(())
    }

    /// Ends the innermost list, or begins it again with the next element.
    fn leave(&mut self) -> Eval<()> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        match &mut frame.kind {
            FrameKind::List => {}
            FrameKind::Call { tree, base } => {
                self.state.tree = tree;
                self.state.base = *base;
                self.depth -= 1;
            }
            FrameKind::Range(range) => {
                self.state.variables.truncate(range.mark);
                if let Some((key, value)) = range.items.get(range.next) {
                    range.next += 1;
                    let (pipe, body) = (range.pipe, range.body);
                    frame.nodes = body.nodes.iter();
                    frame.dot = value.clone();
                    self.state.step()?;
                    return self.bind(pipe, key, value);
                }
            }
        }
        self.state.variables.truncate(frame.mark);
        self.frames.pop();
        Ok(())
    }

    /// Gives the variables of `range` their values for an element.
    fn bind(&mut self, pipe: &'t Pipe, key: Value, value: Value) -> Eval<()> {
        let (first, second) = match &pipe.variables[..] {
            [] => return Ok(()),
            [only] => (None, only),
            [first, second, ..] => (Some(first), second),
        };
        if pipe.assigns {
            if let Some(first) = first {
                self.state.assign(&first.name, key)?;
            }
            return self.state.assign(&second.name, value);
        }
        let variables = &mut self.state.variables;
        let top = variables.len();
        if let Some((_, slot)) = variables.get_mut(top.wrapping_sub(1)) {
            *slot = value;
        }
        if first.is_some()
            && let Some((_, slot)) = variables.get_mut(top.wrapping_sub(2))
        {
            *slot = key;
        }
        Ok(())
    }

    /// `break`, or `continue` if `again`.
    fn leave_range(&mut self, again: bool) -> Eval<()> {
        while let Some(frame) = self.frames.last_mut() {
            if let FrameKind::Range(range) = &mut frame.kind {
                frame.nodes = [].iter();
                if !again {
                    range.next = usize::MAX;
                }
                return Ok(());
            }
            if let FrameKind::Call { .. } = frame.kind {
                break;
            }
            self.frames.pop();
        }
        Ok(())
    }
}
