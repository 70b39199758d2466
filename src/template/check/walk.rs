//! Walks over all templates that are reached, each with every type of dot that it is called with.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    super::{
        ast::{Branch, BranchKind, List, Node, Pos, Tree},
        error::TemplateError,
        library::Trees,
    },
    shape::Shape,
};
use crate::labels::go_quote;

/// Findings that are told of one set of templates.
const MAX_FINDINGS: usize = 100;

/// What is wrong in templates, given with the types of their dots, and in those that they call.
pub(crate) fn check<'t>(
    roots: impl IntoIterator<Item = (&'t Tree, Shape)>,
    trees: &'t Trees,
) -> Vec<TemplateError> {
    let mut check = Check {
        trees,
        tree: None,
        variables: Vec::new(),
        assigned: BTreeSet::new(),
        waiting: VecDeque::new(),
        seen: BTreeSet::new(),
        told: BTreeSet::new(),
        findings: Vec::new(),
    };
    for (tree, dot) in roots {
        check.visit(tree, dot);
    }
    while let Some((tree, dot)) = check.waiting.pop_front() {
        if check.findings.len() >= MAX_FINDINGS {
            break;
        }
        check.tree(tree, dot);
    }
    check.findings
}

pub(super) struct Check<'t> {
    trees: &'t Trees,
    tree: Option<&'t Tree>,
    pub(super) variables: Vec<(&'t str, Shape)>,
    /// The variables that the template assigns to somewhere.
    pub(super) assigned: BTreeSet<&'t str>,
    waiting: VecDeque<(&'t Tree, Shape)>,
    seen: BTreeSet<(*const Tree, Shape)>,
    told: BTreeSet<(Arc<str>, Pos, String)>,
    findings: Vec<TemplateError>,
}

impl<'t> Check<'t> {
    /// Notes that a template is called with such a dot.
    fn visit(&mut self, tree: &'t Tree, dot: Shape) {
        if self.seen.insert((std::ptr::from_ref(tree), dot)) {
            self.waiting.push_back((tree, dot));
        }
    }

    fn tree(&mut self, tree: &'t Tree, dot: Shape) {
        self.tree = Some(tree);
        self.variables.clear();
        self.variables.push(("$", dot));
        self.assigned.clear();
        self.collect_assigned(&tree.root);
        self.list(dot, &tree.root);
    }

    fn collect_assigned(&mut self, list: &'t List) {
        for node in &list.nodes {
            match node {
                Node::Action(action) if action.pipe.assigns => {
                    let names = action.pipe.variables.iter();
                    self.assigned.extend(names.map(|variable| &*variable.name));
                }
                Node::Branch(branch) => {
                    for arm in &branch.arms {
                        if arm.pipe.assigns {
                            let names = arm.pipe.variables.iter();
                            self.assigned.extend(names.map(|variable| &*variable.name));
                        }
                        self.collect_assigned(&arm.list);
                    }
                    if let Some(list) = &branch.otherwise {
                        self.collect_assigned(list);
                    }
                }
                Node::Text(_)
                | Node::Action(_)
                | Node::Call(_)
                | Node::Break(_)
                | Node::Continue(_) => {}
            }
        }
    }

    fn list(&mut self, dot: Shape, list: &'t List) {
        for node in &list.nodes {
            match node {
                Node::Action(action) => {
                    self.pipeline(dot, &action.pipe);
                }
                Node::Branch(branch) => self.branch(dot, branch),
                Node::Call(call) => {
                    let dot = match &call.pipe {
                        Some(pipe) => self.pipeline(dot, pipe),
                        None => Shape::Unknown,
                    };
                    match self.trees.get(&call.name) {
                        Some(tree) => self.visit(tree, dot),
                        None => {
                            let name = go_quote(&call.name);
                            self.tell(call.pos, call, format!("template {name} not defined"));
                        }
                    }
                }
                Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
            }
        }
    }

    fn branch(&mut self, dot: Shape, branch: &'t Branch) {
        let mark = self.variables.len();
        for arm in &branch.arms {
            let shape = self.pipeline(dot, &arm.pipe);
            let own = self.variables.len();
            let inner = match branch.kind {
                BranchKind::If => dot,
                BranchKind::With => shape,
                BranchKind::Range => match shape.elements() {
                    Some((key, value)) => {
                        self.bind(arm.pipe.variables.len(), key, value);
                        value
                    }
                    None => {
                        let message = format!("range can't iterate over {}", shape.name());
                        self.tell(arm.pipe.pos, &arm.pipe, message);
                        Shape::Unknown
                    }
                },
            };
            self.list(inner, &arm.list);
            self.variables.truncate(own);
        }
        if let Some(list) = &branch.otherwise {
            self.list(dot, list);
        }
        self.variables.truncate(mark);
    }

    /// The variables of a `range`: the value, or the key and the value.
    fn bind(&mut self, count: usize, key: Shape, value: Shape) {
        let top = self.variables.len();
        let shapes = match count {
            0 => return,
            1 => [None, Some(value)],
            _ => [Some(key), Some(value)],
        };
        for (below, shape) in [2, 1].into_iter().zip(shapes) {
            let slot = self.variables.get_mut(top.wrapping_sub(below));
            if let (Some((name, slot)), Some(shape)) = (slot, shape)
                && !self.assigned.contains(*name)
            {
                *slot = shape;
            }
        }
    }

    pub(super) fn report(&mut self, pos: Pos, part: String, message: String) {
        let Some(tree) = self.tree else {
            return;
        };
        let known = (Arc::clone(&tree.file), pos, message.clone());
        if self.findings.len() >= MAX_FINDINGS || !self.told.insert(known) {
            return;
        }
        let (line, column) = tree.place(pos);
        let mut part = part;
        if part.len() > 200 {
            let end = (0..=200).rev().find(|at| part.is_char_boundary(*at));
            part.truncate(end.unwrap_or_default());
            part.push('…');
        }
        self.findings.push(TemplateError::execute(
            &tree.name,
            (&tree.file, line, column),
            part,
            message,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Language, Library, Mode};

    fn found(source: &str) -> Vec<String> {
        let library = Library::built_in(Language::English);
        let template = library.compile("", source, Mode::Text).unwrap();
        template.check().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_go_finds_while_rendering_is_found_before() {
        for (source, expect) in [
            (
                "{{ if .Status }}{{ template \"nope\" . }}{{ end }}",
                "template: :1:28: executing \"\" at <{{template \"nope\" .}}>: template \"nope\" not defined",
            ),
            (
                "[{{ .Nope }}]",
                "template: :1:4: executing \"\" at <.Nope>: can't evaluate field Nope in type *template.Data",
            ),
            (
                "{{ range .Alerts.Firing }}{{ with .Labels.SortedPairs }}{{ range . }}{{ .Key }}{{ end }}{{ end }}{{ end }}",
                "template: :1:72: executing \"\" at <.Key>: can't evaluate field Key in type template.Pair",
            ),
            (
                "{{ define \"x\" }}{{ .Alerts }}{{ end }}{{ range $i, $a := .Alerts }}{{ template \"x\" $a }}{{ end }}",
                "template: :1:19: executing \"x\" at <.Alerts>: can't evaluate field Alerts in type template.Alert",
            ),
            (
                "{{ .CommonLabels | toUpper }}",
                "template: :1:19: executing \"\" at <toUpper>: wrong type for value; expected string; got template.KV",
            ),
            (
                "{{ join \",\" }}",
                "template: :1:3: executing \"\" at <join>: wrong number of args for join: want 2 got 1",
            ),
            (
                "{{ (index .Alerts 0).StartsAt.Add \"1h\" }}",
                "template: :1:34: executing \"\" at <\"1h\">: can't handle \"1h\" for arg of type time.Duration",
            ),
            (
                "{{ range .Status }}{{ end }}",
                "template: :1:9: executing \"\" at <.Status>: range can't iterate over string",
            ),
        ] {
            assert_eq!(found(source), [expect], "{source}");
        }
    }

    #[test]
    fn what_may_be_right_is_not_told() {
        for source in [
            "{{ template \"__subject\" . }}{{ template \"slack.default.text\" . }}",
            "{{ (dict \"a\" .).a.Whatever }}{{ $x := .Status }}{{ $x = .Alerts }}{{ $x.Firing }}",
            "{{ range $k, $v := .CommonLabels }}{{ toUpper $k }}{{ toUpper $v }}{{ end }}",
            "{{ (index .Alerts.Firing 0).Labels.foo | toUpper }}{{ .CommonLabels.Values.Join \",\" }}",
            "{{ or .CommonLabels.x .Status | toUpper }}{{ (.EndsAtX) }}",
            "{{ range .Alerts }}{{ .StartsAt.Format \"15:04\" | toUpper }}{{ .EndsAt.Sub .StartsAt }}{{ end }}",
            "{{ block \"b\" .Alerts }}{{ len . }}{{ end }}{{ printf \"%d\" 1 nil }}",
        ] {
            let found = found(source);
            let expected = usize::from(source.contains("EndsAtX"));
            assert_eq!(found.len(), expected, "{source}: {found:?}");
        }
    }

    #[test]
    fn the_built_in_templates_are_right() {
        let library = Library::built_in(Language::English);
        assert_eq!(library.check(), []);
    }
}
