//! The escape pass: follows the context through a template and all that it calls, and notes the edits.
//!
//! A template is escaped once for each context that it is called in. What its end context is when it calls itself is
//! guessed and then checked, as in Go, so some of the work is done to be thrown away: all that is learned stands in
//! journals that can be wound back. Blocks and calls are kept on a stack of our own, since calls may be thousands deep.

use std::{
    collections::{BTreeMap, HashMap},
    ptr,
    sync::Arc,
};

use super::{
    context::{Context, State},
    error::{EscapeError, Place},
    join::{join, nudge},
    pipeline::{self, ActionEdit, Refused},
    text::escape_text,
};
use crate::{
    labels::go_quote,
    template::{
        ast::{Action, Arm, Branch, BranchKind, Call, List, Node, Pos, Text, Tree},
        library::Trees,
    },
};

/// Bounds of the pass. Go has none: it runs until its memory or its stack is used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many templates there may be, counting each context that one is called in.
    pub(super) variants: usize,
    /// How many nodes may be visited, where 64 bytes of text count as a node.
    pub(super) steps: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            variants: 20_000,
            steps: 1_000_000,
        }
    }
}

/// What becomes of a node.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Text(String),
    Action(ActionEdit),
    /// The call is of the template of this name.
    Call(Arc<str>),
}

/// A template in one context.
#[derive(Debug)]
pub(super) struct Variant<'t> {
    pub(super) name: Arc<str>,
    pub(super) tree: &'t Tree,
    /// The context at its end, or what is guessed of it.
    output: Option<Context>,
    /// Where in the journal of calls it was called last.
    called: Option<usize>,
}

/// What the pass has found: the templates to build, by name, with the edits of each.
pub(super) struct Walked<'t> {
    pub(super) variants: Vec<Variant<'t>>,
    /// By variant and address of the node.
    pub(super) edits: HashMap<(usize, usize), Edit>,
}

/// The address of a node or a part of one, which tells it from all others of its tree.
pub(super) fn address<T>(node: &T) -> usize {
    ptr::from_ref(node).addr()
}

/// Follows the template and all that it reaches.
pub(super) fn walk<'t>(
    root: &'t Tree,
    trees: &'t Trees,
    bounds: Bounds,
) -> Result<Walked<'t>, Box<EscapeError>> {
    let mut walk = Walk {
        root,
        trees,
        bounds,
        variants: Vec::new(),
        by_name: BTreeMap::new(),
        journal: Journal::default(),
        frames: Vec::new(),
        exits: Vec::new(),
        at: Position {
            variant: 0,
            tree: root,
        },
        c: Context::default(),
    };
    walk.enter(&root.name, root.root.pos, None);
    walk.run();
    if let Some(error) = walk.c.error.take() {
        return Err(error);
    }
    if walk.c.state != State::Text {
        return Err(Box::new(EscapeError::of_text(format!(
            "ends in a non-text context: {}",
            walk.c
        ))));
    }
    let edits = walk
        .journal
        .edits
        .into_iter()
        .map(|(variant, node, edit)| ((variant, node), edit))
        .collect();
    Ok(Walked {
        variants: walk.variants,
        edits,
    })
}

impl Variant<'_> {
    /// Whether it was escaped in earnest and not only in an attempt that failed.
    pub(super) fn is_used(&self) -> bool {
        self.output.is_some()
    }
}

struct Walk<'t> {
    root: &'t Tree,
    trees: &'t Trees,
    bounds: Bounds,
    variants: Vec<Variant<'t>>,
    by_name: BTreeMap<Arc<str>, usize>,
    journal: Journal,
    frames: Vec<Frame<'t>>,
    /// The contexts at `break` and `continue`, for each loop that is open.
    exits: Vec<Exits>,
    at: Position<'t>,
    /// Where the pass is.
    c: Context,
}

/// What was learned, in order.
#[derive(Default)]
struct Journal {
    /// A variant, and what its output was before.
    outputs: Vec<(usize, Option<Context>)>,
    /// A variant, and where it was called before.
    calls: Vec<(usize, Option<usize>)>,
    /// A variant, the address of one of its nodes, and the edit.
    edits: Vec<(usize, usize, Edit)>,
}

/// How long the journals were.
#[derive(Clone, Copy)]
struct Mark {
    outputs: usize,
    calls: usize,
    edits: usize,
}

#[derive(Clone, Copy)]
struct Position<'t> {
    variant: usize,
    tree: &'t Tree,
}

#[derive(Default)]
struct Exits {
    breaks: Vec<(Context, Pos)>,
    continues: Vec<(Context, Pos)>,
}

/// What is left to do after what is done.
enum Frame<'t> {
    /// The nodes from the given one on.
    List(&'t List, usize),
    /// An `if` or `with`: the contexts after the arms that are done.
    Arms {
        branch: &'t Branch,
        start: Context,
        ends: Vec<Context>,
    },
    /// The body of a `range` was followed once.
    Once { branch: &'t Branch, start: Context },
    /// The body of a `range` was followed again, from the context after the first time.
    Again {
        branch: &'t Branch,
        start: Context,
        first: Context,
        mark: Mark,
    },
    /// The `else` of a `range` was followed.
    Otherwise { branch: &'t Branch, body: Context },
    /// The body of a template was followed.
    Body(Body<'t>),
}

struct Body<'t> {
    variant: usize,
    caller: Position<'t>,
    /// What was taken for its output.
    assumed: Context,
    mark: Mark,
    /// The output that the first attempt gave, in the second.
    first: Option<Context>,
}

impl Place {
    fn of(tree: &Tree, pos: Pos) -> Self {
        let (line, column) = tree.place(pos);
        Self {
            file: Arc::clone(&tree.file),
            line,
            column,
        }
    }
}

impl<'t> Walk<'t> {
    fn run(&mut self) {
        while let Some(frame) = self.frames.pop() {
            match frame {
                Frame::List(list, next) => self.list(list, next),
                Frame::Arms {
                    branch,
                    start,
                    ends,
                } => self.arms(branch, start, ends),
                Frame::Once { branch, start } => self.once(branch, start),
                Frame::Again {
                    branch,
                    start,
                    first,
                    mark,
                } => self.again(branch, start, first, mark),
                Frame::Otherwise { branch, body } => {
                    let c = std::mem::take(&mut self.c);
                    let arm = &branch.arms[0];
                    self.c = join(body, c, || self.place(arm.pos), "range");
                }
                Frame::Body(body) => self.body_done(body),
            }
            if self.bounds.steps == 0 {
                self.stop("escaping the template takes too long");
            }
        }
    }

    /// Gives up.
    fn stop(&mut self, why: &str) {
        self.frames.clear();
        self.c = Context::failed(EscapeError::of_text(why.to_owned()));
    }

    fn spend(&mut self, steps: usize) {
        self.bounds.steps = self.bounds.steps.saturating_sub(steps);
    }

    fn place(&self, pos: Pos) -> Place {
        Place::of(self.at.tree, pos)
    }

    fn list(&mut self, list: &'t List, mut next: usize) {
        while let Some(node) = list.nodes.get(next)
            && self.c.state != State::Dead
            && self.bounds.steps > 0
        {
            next += 1;
            self.spend(1);
            match node {
                Node::Text(text) => self.text(text),
                Node::Action(action) => self.action(action),
                Node::Break(pos) => self.leave(*pos, |exits| &mut exits.breaks),
                Node::Continue(pos) => self.leave(*pos, |exits| &mut exits.continues),
                Node::Branch(branch) => {
                    self.frames.push(Frame::List(list, next));
                    return self.branch(branch);
                }
                Node::Call(call) => {
                    self.frames.push(Frame::List(list, next));
                    return self.call(call);
                }
            }
        }
    }

    fn text(&mut self, text: &'t Text) {
        self.spend(text.text.len() / 64);
        let (after, edited) = escape_text(std::mem::take(&mut self.c), &text.text);
        self.c = after;
        if let Some(edited) = edited {
            self.edit(address(text), Edit::Text(edited));
        }
    }

    fn action(&mut self, action: &'t Action) {
        if !action.pipe.variables.is_empty() {
            // It prints nothing.
            return;
        }
        let mut c = nudge(std::mem::take(&mut self.c));
        if let Some(refused) = pipeline::misplaced(&action.pipe, &c) {
            self.c = self.refused(action, refused);
            return;
        }
        if c.is_error() {
            self.c = c;
            return;
        }
        match pipeline::escapers(&c) {
            Ok(escapers) => {
                let edit = pipeline::edit(&action.pipe, escapers);
                self.edit(address(action), Edit::Action(edit));
                if c.state == State::Js {
                    // A value may be divided.
                    c.slash = super::context::Slash::Division;
                }
                self.c = c;
            }
            Err(refused) => self.c = self.refused(action, refused),
        }
    }

    fn refused(&self, action: &Action, refused: Refused) -> Context {
        let message = match refused {
            Refused::Predefined(name) => {
                format!("predefined escaper \"{name}\" disallowed in template")
            }
            Refused::AmbiguousUrl => format!(
                "{{{{{}}}}} appears in an ambiguous context within a URL",
                action.pipe
            ),
        };
        Context::failed(EscapeError::at(self.place(action.pos), message))
    }

    fn leave(&mut self, pos: Pos, exits: impl Fn(&mut Exits) -> &mut Vec<(Context, Pos)>) {
        let c = std::mem::replace(&mut self.c, Context::of(State::Dead));
        // The parser refuses both outside of loops.
        if let Some(open) = self.exits.last_mut() {
            exits(open).push((c, pos));
        }
    }

    fn branch(&mut self, branch: &'t Branch) {
        let start = self.c.clone();
        match branch.kind {
            BranchKind::If | BranchKind::With => self.frames.push(Frame::Arms {
                branch,
                start,
                ends: Vec::with_capacity(branch.arms.len() + 1),
            }),
            BranchKind::Range => {
                self.exits.push(Exits::default());
                self.frames.push(Frame::Once { branch, start });
            }
        }
        self.frames.push(Frame::List(&branch.arms[0].list, 0));
    }

    fn arms(&mut self, branch: &'t Branch, start: Context, mut ends: Vec<Context>) {
        ends.push(std::mem::take(&mut self.c));
        let next = match branch.arms.get(ends.len()) {
            Some(arm) => Some(&arm.list),
            None if ends.len() == branch.arms.len() => branch.otherwise.as_ref(),
            None => None,
        };
        if let Some(list) = next {
            self.c = start.clone();
            self.frames.push(Frame::Arms {
                branch,
                start,
                ends,
            });
            self.frames.push(Frame::List(list, 0));
            return;
        }
        // `else if` is an `if` within the `else`: the last branches are joined first.
        let last = match ends.len() > branch.arms.len() {
            true => ends.pop().unwrap_or_default(),
            false => start,
        };
        let keyword = match branch.kind {
            BranchKind::With => "with",
            BranchKind::If | BranchKind::Range => "if",
        };
        self.spend(branch.arms.len());
        self.c = branch
            .arms
            .iter()
            .zip(ends)
            .rev()
            .fold(last, |c, (arm, end)| {
                join(end, c, || self.place(arm.pos), keyword)
            });
    }

    fn once(&mut self, branch: &'t Branch, start: Context) {
        let exits = self.exits.pop().unwrap_or_default();
        let end = std::mem::take(&mut self.c);
        let first = match end.is_error() {
            true => end.clone(),
            false => self.with_exits(end.clone(), &exits),
        };
        if first.is_error() {
            self.c = first;
            return;
        }
        if first == start {
            // Following the body again would find the same.
            return self.looped(branch, start, first, end, &exits);
        }
        self.exits.push(Exits::default());
        self.c = first.clone();
        self.frames.push(Frame::Again {
            branch,
            start,
            first,
            mark: self.journal.mark(),
        });
        self.frames.push(Frame::List(&branch.arms[0].list, 0));
    }

    fn again(&mut self, branch: &'t Branch, start: Context, first: Context, mark: Mark) {
        self.wind_back(mark);
        let exits = self.exits.pop().unwrap_or_default();
        let second = std::mem::take(&mut self.c);
        self.looped(branch, start, first, second, &exits);
    }

    /// After both passes over the body of a `range`.
    fn looped(
        &mut self,
        branch: &'t Branch,
        start: Context,
        first: Context,
        second: Context,
        exits: &Exits,
    ) {
        let arm: &Arm = &branch.arms[0];
        let mut body = join(first, second, || self.place(arm.pos), "range");
        if let Some(error) = &mut body.error {
            error.line = arm.line;
            error.message = format!("on range loop re-entry: {}", error.message);
        } else {
            body = self.with_exits(body, exits);
        }
        if body.is_error() {
            self.c = body;
            return;
        }
        self.c = start;
        self.frames.push(Frame::Otherwise { branch, body });
        if let Some(list) = &branch.otherwise {
            self.frames.push(Frame::List(list, 0));
        }
    }

    /// Joins the contexts at `break` and `continue`, which both lead to the end of the body.
    fn with_exits(&self, mut c: Context, exits: &Exits) -> Context {
        for (all, name) in [(&exits.breaks, "break"), (&exits.continues, "continue")] {
            for (exit, pos) in all {
                c = join(c, exit.clone(), || self.place(*pos), "range");
                if let Some(error) = &mut c.error {
                    error.line = self.at.tree.place(*pos).0;
                    error.message = format!("at range loop {name}: {}", error.message);
                    return c;
                }
            }
        }
        c
    }

    fn call(&mut self, call: &'t Call) {
        self.enter(&call.name, call.pos, Some(address(call)));
    }

    /// Goes through a template in the present context. `call` is the node that calls it, at `pos`.
    fn enter(&mut self, name: &str, pos: Pos, call: Option<usize>) {
        let tree: &'t Tree = match self.trees.get(name) {
            _ if *name == *self.root.name => self.root,
            Some(tree) => tree,
            None => {
                let message = format!("no such template {}", go_quote(name));
                self.c = Context::failed(EscapeError::at(self.place(pos), message));
                return;
            }
        };
        if self.c.is_error() {
            // Go goes on in search of further errors.
            return;
        }
        let Some(variant) = self.variant(self.c.mangle(name), tree) else {
            self.stop("the template calls too many others, or one in too many contexts");
            return;
        };
        let known = &mut self.variants[variant];
        let before = known.called.replace(self.journal.calls.len());
        self.journal.calls.push((variant, before));
        if let Some(call) = call
            && *known.name != *name
        {
            let name = Arc::clone(&known.name);
            self.edit(call, Edit::Call(name));
        }
        match &self.variants[variant].output {
            Some(output) => self.c = output.clone(),
            None => self.body(variant, self.at, None),
        }
    }

    /// The template under the name of its context; `None` if there are too many.
    fn variant(&mut self, name: String, tree: &'t Tree) -> Option<usize> {
        if let Some(variant) = self.by_name.get(name.as_str()) {
            return Some(*variant);
        }
        let variant = self.variants.len();
        if variant == self.bounds.variants {
            return None;
        }
        let name: Arc<str> = name.into();
        self.by_name.insert(Arc::clone(&name), variant);
        self.variants.push(Variant {
            name,
            tree,
            output: None,
            called: None,
        });
        Some(variant)
    }

    /// Follows the body of a template. To end calls of itself, the output is taken to be the context at its beginning,
    /// and in a second attempt the one that the first gave, from which it also sets out, as in Go.
    fn body(&mut self, variant: usize, caller: Position<'t>, first: Option<Context>) {
        let assumed = first.clone().unwrap_or_else(|| self.c.clone());
        self.set_output(variant, assumed.clone());
        self.c = assumed.clone();
        self.frames.push(Frame::Body(Body {
            variant,
            caller,
            assumed,
            mark: self.journal.mark(),
            first,
        }));
        let tree = self.variants[variant].tree;
        self.at = Position { variant, tree };
        self.frames.push(Frame::List(&tree.root, 0));
    }

    fn body_done(&mut self, body: Body<'t>) {
        let Body {
            variant,
            caller,
            assumed,
            mark,
            first,
        } = body;
        let calls_itself = self.variants[variant]
            .called
            .is_some_and(|at| at >= mark.calls);
        let holds = !self.c.is_error() && (!calls_itself || self.c == assumed);
        let tree = self.at.tree;
        self.at = caller;
        if holds {
            let output = self.c.clone();
            // A template that does not call itself was right to assume anything.
            if output != assumed {
                self.set_output(variant, output);
            }
            return;
        }
        self.wind_back(mark);
        match first {
            None if self.c.is_error() => self.set_output(variant, self.c.clone()),
            None => {
                let output = self.c.clone();
                self.body(variant, caller, Some(output));
            }
            Some(first) if first.is_error() => self.c = first,
            Some(_) => {
                let message = format!(
                    "cannot compute output context for template {}",
                    self.variants[variant].name
                );
                let place = Place::of(tree, tree.root.pos);
                self.c = Context::failed(EscapeError::at(place, message));
            }
        }
    }

    fn set_output(&mut self, variant: usize, output: Context) {
        let before = self.variants[variant].output.replace(output);
        self.journal.outputs.push((variant, before));
    }

    fn edit(&mut self, node: usize, edit: Edit) {
        self.journal.edits.push((self.at.variant, node, edit));
    }

    fn wind_back(&mut self, to: Mark) {
        for (variant, before) in self.journal.outputs.drain(to.outputs..).rev() {
            self.variants[variant].output = before;
        }
        for (variant, before) in self.journal.calls.drain(to.calls..).rev() {
            self.variants[variant].called = before;
        }
        self.journal.edits.truncate(to.edits);
    }
}

impl Journal {
    fn mark(&self) -> Mark {
        Mark {
            outputs: self.outputs.len(),
            calls: self.calls.len(),
            edits: self.edits.len(),
        }
    }
}
