//! Collects what is wrong while sections are read.

use super::{Content, Cursor, Place, Position, Section};
use crate::{
    config::{LoadEnv, References, Warning, references::TemplateText},
    yaml::{Document, MAX_DEPTH, NodeId, Resolved, shown_tag},
};

/// Most values that are read through aliases, one alias after the other; the yaml module bounds the others.
const MAX_ALIASED: u32 = 300_000;

/// When upstream finds a mistake; what it finds first it reports alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// In an `UnmarshalYAML` method of a part.
    Part,
    /// In the types and names of fields.
    Type,
    /// Where the parts meet: globals, receivers, routes.
    Whole,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) stage: Stage,
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Reads nodes and notes what is wrong.
pub(crate) struct Reader<'e> {
    pub(crate) env: &'e LoadEnv,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) references: References,
    /// [`Stage::Part`] while the file is read, then [`Stage::Whole`].
    pub(crate) stage: Stage,
    /// Whether relative paths are relative to the directory of the file, not to the working directory.
    pub(crate) beside: bool,
    /// Whether keys that a section does not have are passed over.
    pub(crate) ignore_unknown: bool,
    type_errors: usize,
    /// Mistakes in the section that is being read, those of sections inside it left out.
    own_problems: usize,
    depth: usize,
    /// Whether an alias led to what is read.
    aliased: bool,
    budget: u32,
}

impl<'e> Reader<'e> {
    /// A reader that has read nothing.
    pub(crate) fn new(env: &'e LoadEnv) -> Self {
        Self {
            env,
            problems: Vec::new(),
            warnings: Vec::new(),
            references: References::default(),
            stage: Stage::Part,
            beside: false,
            ignore_unknown: false,
            type_errors: 0,
            own_problems: 0,
            depth: 0,
            aliased: false,
            budget: MAX_ALIASED,
        }
    }

    /// Reads the whole document as a section; defaults if it is empty.
    pub(crate) fn document<S: Section>(&mut self, document: &Document, section: &mut S) -> Place {
        match Cursor::root(document) {
            Some(root) if !root.is_null() => self.section(root, section),
            _ => Place::default(),
        }
    }

    /// Reads a node into a section, then checks the section if its values could be read, as upstream does.
    pub(crate) fn section<S: Section>(&mut self, node: Cursor<'_>, section: &mut S) -> Place {
        let types = self.type_errors;
        let around = std::mem::take(&mut self.own_problems);
        let mut place = Place {
            at: node.position(),
            ..Place::default()
        };
        self.nested(node, |reader| reader.keys(node, section, &mut place));
        place.sound = self.own_problems == 0 && types == self.type_errors;
        if place.sound {
            section.check(&place, self);
        }
        self.own_problems = around;
        place
    }

    fn keys<S: Section>(&mut self, node: Cursor<'_>, section: &mut S, place: &mut Place) {
        let Content::Map(entries) = node.content() else {
            self.mismatch(node, S::GO);
            return;
        };
        let mut done: Vec<&str> = Vec::new();
        for (key, value) in pairs(node, entries) {
            if key.is_merge() {
                self.merge(value, section, place);
                continue;
            }
            let Content::Scalar(name, _) = key.content() else {
                self.mismatch(key, "string");
                continue;
            };
            let at = key.position();
            if done.contains(&name) {
                self.type_error(at, format!("field {name} already set in type {}", S::GO));
                continue;
            }
            done.push(name);
            if section.read_key(name, value, self) {
                if !value.is_null() {
                    place.keys.insert(name.to_owned(), at);
                }
            } else {
                S::unknown(name, at, self);
            }
        }
    }

    /// `<<: *anchor` or `<<: [*a, *b]`, where the first of the list wins.
    fn merge<S: Section>(&mut self, node: Cursor<'_>, section: &mut S, place: &mut Place) {
        match node.content() {
            Content::Map(_) => self.nested(node, |reader| reader.keys(node, section, place)),
            Content::List(items) => {
                for &item in items.iter().rev() {
                    let item = node.at(item);
                    if matches!(item.content(), Content::Map(_)) {
                        self.nested(item, |reader| reader.keys(item, section, place));
                    } else {
                        self.bad_merge(item);
                    }
                }
            }
            Content::Scalar(..) | Content::Cycle(_) => self.bad_merge(node),
        }
    }

    pub(super) fn bad_merge(&mut self, node: Cursor<'_>) {
        self.type_error(
            node.position(),
            "map merge requires map or sequence of maps as the value".to_owned(),
        );
    }

    /// Goes one level down, unless the file is too deep or, by its aliases, too large.
    pub(crate) fn nested(&mut self, node: Cursor<'_>, inside: impl FnOnce(&mut Self)) {
        let around = self.aliased;
        self.aliased |= node.is_alias();
        if self.spend(node) {
            self.one_level_down(node, inside);
        }
        self.aliased = around;
    }

    fn one_level_down(&mut self, node: Cursor<'_>, inside: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_DEPTH {
            let message = format!("exceeded max depth of {MAX_DEPTH}");
            self.type_error(node.position(), message);
            return;
        }
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    /// Counts a value that is read through aliases; false when there have been too many, which is noted once.
    pub(crate) fn spend(&mut self, node: Cursor<'_>) -> bool {
        if !self.aliased {
            return true;
        }
        match self.budget {
            0 => return false,
            1 => self.type_error(
                node.position(),
                "document contains excessive aliasing".to_owned(),
            ),
            _ => {}
        }
        self.budget -= 1;
        true
    }

    /// Notes that a node is not what is wanted, in `yaml.v2`'s words.
    pub(crate) fn mismatch(&mut self, node: Cursor<'_>, wanted: &str) {
        let (tag, shown) = match node.content() {
            Content::Scalar(text, Ok(resolved)) => {
                let start: String = text.chars().take(7).collect();
                let shown = if text.len() > 10 {
                    format!(" `{start}...`")
                } else {
                    format!(" `{text}`")
                };
                (shown_tag(&resolved, None), shown)
            }
            Content::Scalar(_, Err(mismatch)) => {
                return self.type_error(node.position(), mismatch.0);
            }
            Content::List(_) => ("!!seq".to_owned(), String::new()),
            Content::Map(_) => ("!!map".to_owned(), String::new()),
            Content::Cycle(name) => {
                let message = format!("anchor '{name}' value contains itself");
                return self.type_error(node.position(), message);
            }
        };
        let message = format!("cannot unmarshal {tag}{shown} into {wanted}");
        self.type_error(node.position(), message);
    }

    /// Notes a mistake in a type or a name.
    pub(crate) fn type_error(&mut self, at: Position, message: String) {
        self.type_errors += 1;
        self.problems.push(Problem {
            stage: Stage::Type,
            at,
            message,
            hint: None,
        });
    }

    /// Notes a key that a section does not have.
    pub(crate) fn unknown_key(&mut self, key: &str, go: &str, at: Position, hint: Option<String>) {
        if self.ignore_unknown {
            return;
        }
        self.type_error(at, format!("field {key} not found in type {go}"));
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = hint;
        }
    }

    /// Notes that something is not allowed.
    pub(crate) fn deny(&mut self, at: Position, message: impl Into<String>) {
        self.own_problems += 1;
        self.problems.push(Problem {
            stage: self.stage,
            at,
            message: message.into(),
            hint: None,
        });
    }

    /// As [`Self::deny`], with a word on what to do.
    pub(crate) fn deny_with_hint(
        &mut self,
        at: Position,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.deny(at, message);
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = Some(hint.into());
        }
    }

    /// Notes what loads but deserves a word.
    pub(crate) fn warn(&mut self, at: Position, message: impl Into<String>) {
        let (line, column) = at.pair();
        self.warnings.push(Warning {
            line,
            column,
            message: message.into(),
            fails: false,
        });
    }

    /// The text of a scalar, whatever type it looks like; notes a mismatch otherwise.
    pub(crate) fn text<'d>(
        &mut self,
        node: Cursor<'d>,
        wanted: &str,
    ) -> Option<std::borrow::Cow<'d, str>> {
        match node.content() {
            Content::Scalar(_, Ok(Resolved::Binary(decoded))) => Some(decoded.into()),
            Content::Scalar(text, Ok(_)) => Some(text.into()),
            Content::Scalar(_, Err(_)) | Content::List(_) | Content::Map(_) | Content::Cycle(_) => {
                self.mismatch(node, wanted);
                None
            }
        }
    }

    /// Remembers a text that is a template; the template files that it needs are not there yet.
    pub(crate) fn note_template(&mut self, text: &str, at: Position) {
        self.note(text, at, false);
    }

    /// Likewise for a text that must not be printed.
    pub(crate) fn note_secret_template(&mut self, text: &str, at: Position) {
        self.note(text, at, true);
    }

    fn note(&mut self, text: &str, at: Position, secret: bool) {
        if !text.contains("{{") {
            return;
        }
        let (line, column) = at.pair();
        self.references.templates.push(TemplateText {
            text: text.into(),
            secret,
            line,
            column,
        });
    }

    /// Denies that none or more than one of `keys` is set: `one of a or b must be configured`.
    pub(crate) fn exactly_one(&mut self, place: &Place, keys: &[(&str, bool)]) -> bool {
        if keys.iter().any(|(_, set)| *set) {
            return self.at_most_one(place, keys);
        }
        let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
        let message = format!("one of {} must be configured", names.join(" or "));
        self.deny(place.at, message);
        false
    }

    /// Denies that more than one of `keys` is set: `at most one of a & b must be configured`.
    pub(crate) fn at_most_one(&mut self, place: &Place, keys: &[(&str, bool)]) -> bool {
        let mut set = keys.iter().filter(|(_, set)| *set);
        let (Some(_), Some((second, _))) = (set.next(), set.next()) else {
            return true;
        };
        let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
        let message = format!("at most one of {} must be configured", names.join(" & "));
        self.deny(place.of(second), message);
        false
    }
}

/// The keys and values of a mapping.
pub(crate) fn pairs<'d>(
    node: Cursor<'d>,
    entries: &'d [NodeId],
) -> impl Iterator<Item = (Cursor<'d>, Cursor<'d>)> {
    entries.chunks_exact(2).filter_map(move |pair| match pair {
        &[key, value] => Some((node.at(key), node.at(value))),
        _ => None,
    })
}
