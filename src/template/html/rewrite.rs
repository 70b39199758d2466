//! Builds the escaped templates from what the pass over them has found.

use std::sync::Arc;

use super::{
    error::EscapeError,
    escaper::Escaper,
    walk::{Bounds, Edit, Variant, Walked, address, walk},
};
use crate::template::{
    ast::{Action, Arg, Arm, Branch, Call, Command, List, Node, Text, Tree},
    error::TemplateError,
    funcs::{FuncMap, Function},
    library::Trees,
};

/// The template and all that it calls, escaped. None of `trees` is in the result as it is unless it needs no edit.
///
/// # Errors
/// When Go's html/template would refuse the template, or when it takes too much work.
pub(in crate::template) fn escape(
    root: &Tree,
    trees: &Trees,
    functions: &FuncMap,
) -> Result<(Arc<Tree>, Trees), TemplateError> {
    bounded(root, trees, functions, Bounds::default())
}

fn bounded(
    root: &Tree,
    trees: &Trees,
    functions: &FuncMap,
    bounds: Bounds,
) -> Result<(Arc<Tree>, Trees), TemplateError> {
    let walked = walk(root, trees, bounds).map_err(|error| told(root, *error))?;
    let print = functions.find("print");
    let escaped: Trees = walked
        .variants
        .iter()
        .enumerate()
        .filter(|(_, variant)| variant.is_used())
        .map(|(i, variant)| {
            let tree = Rewrite {
                walked: &walked,
                variant: i,
                print,
            }
            .tree(variant);
            (Arc::clone(&variant.name), Arc::new(tree))
        })
        .collect();
    let root = Arc::clone(&escaped[&root.name]);
    Ok((root, escaped))
}

/// The error under the name of the template that is executed.
fn told(root: &Tree, error: EscapeError) -> TemplateError {
    match error.place {
        Some(place) => {
            TemplateError::escape(&place.file, place.line, Some(place.column), error.message)
        }
        None => TemplateError::escape(&root.name, error.line, None, error.message),
    }
}

struct Rewrite<'w> {
    walked: &'w Walked<'w>,
    variant: usize,
    /// What stands for the function of `html X Y` when the escaping is done by an escaper.
    print: Option<&'static Function>,
}

impl Rewrite<'_> {
    fn tree(&self, variant: &Variant<'_>) -> Tree {
        Tree {
            name: Arc::clone(&variant.name),
            file: Arc::clone(&variant.tree.file),
            source: Arc::clone(&variant.tree.source),
            root: self.list(&variant.tree.root),
        }
    }

    fn list(&self, list: &List) -> List {
        List {
            pos: list.pos,
            nodes: list.nodes.iter().map(|node| self.node(node)).collect(),
        }
    }

    fn edit(&self, node: usize) -> Option<&Edit> {
        self.walked.edits.get(&(self.variant, node))
    }

    fn node(&self, node: &Node) -> Node {
        match node {
            Node::Text(text) => match self.edit(address(text)) {
                Some(Edit::Text(edited)) => Node::Text(Text {
                    pos: text.pos,
                    text: edited.as_str().into(),
                }),
                _ => node.clone(),
            },
            Node::Action(action) => match self.edit(address(action)) {
                Some(Edit::Action(edit)) => {
                    let mut pipe = action.pipe.clone();
                    pipe.commands.truncate(edit.commands);
                    if edit.prints_arguments {
                        self.print_arguments(&mut pipe.commands);
                    }
                    Node::Action(Action {
                        pos: action.pos,
                        line: action.line,
                        pipe,
                        escapers: edit.escapers.as_slice().into(),
                    })
                }
                // It declares variables, or nothing leads to it.
                _ => Node::Action(Action {
                    escapers: Box::new([Escaper::Comment]),
                    ..action.clone()
                }),
            },
            Node::Branch(branch) => Node::Branch(Box::new(self.branch(branch))),
            Node::Call(call) => match self.edit(address(call)) {
                Some(Edit::Call(name)) => Node::Call(Call {
                    name: Arc::clone(name),
                    ..call.clone()
                }),
                _ => node.clone(),
            },
            Node::Break(_) | Node::Continue(_) => node.clone(),
        }
    }

    fn branch(&self, branch: &Branch) -> Branch {
        Branch {
            kind: branch.kind,
            arms: branch
                .arms
                .iter()
                .map(|arm| Arm {
                    pos: arm.pos,
                    line: arm.line,
                    pipe: arm.pipe.clone(),
                    list: self.list(&arm.list),
                })
                .collect(),
            otherwise: branch.otherwise.as_ref().map(|list| self.list(list)),
        }
    }

    fn print_arguments(&self, commands: &mut [Command]) {
        let function = commands
            .first_mut()
            .and_then(|command| command.args.first_mut());
        if let (Some(Arg::Function(_, function)), Some(print)) = (function, self.print) {
            *function = print;
        }
    }
}
