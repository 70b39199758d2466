//! The first document of a YAML file as a tree in one vector, every node with its position.
//!
//! Aliases stay references; nothing is expanded here. Size, nesting and the number of nodes are bounded, and neither
//! building nor dropping the tree recurses, so that a hostile file ends as an [`Error`].

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};

use super::{Error, source::Source};

/// Most values of a file; bounds the tree at about 130 MB where every value takes two bytes.
const MAX_NODES: usize = 2_000_000;
/// Deepest nesting, aliases included; a route tree of 60 levels has 120. Every level costs stack in the deserializer.
pub(crate) const MAX_DEPTH: usize = 128;

/// Index of a node in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Scalar {
        value: Box<str>,
        /// Explicit tag in its long form.
        tag: Option<Box<str>>,
        /// Whether it was written without quotes (and without a tag).
        plain: bool,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<NodeId>),
    Alias {
        name: Box<str>,
        target: NodeId,
        /// Whether the alias stands inside what it refers to.
        cyclic: bool,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Document {
    nodes: Vec<Node>,
    pub(crate) root: Option<NodeId>,
    /// Whether other documents follow, which are not read.
    pub(crate) more: bool,
}

impl Document {
    /// Reads the first document of a file; an empty file has no root.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let source = Source::read(bytes)?;
        let reached = Cell::new(Mark::default());
        // `libyaml-safer` 0.3.0 panics on a tag before a comma (`[!tag, a]`), where `yaml.v2` has the message below, and
        // a file must not end the process.
        let parsed = catch_unwind(AssertUnwindSafe(|| Self::build(&source, &reached)));
        parsed.unwrap_or_else(|_| {
            let (line, column) = position(reached.get());
            let message = "did not find expected whitespace or line break";
            Err(Error::fatal(line, column, message))
        })
    }

    fn build(source: &Source<'_>, reached: &Cell<Mark>) -> Result<Self, Error> {
        let mut text = source.text.as_bytes();
        let end = text.len() as u64;
        let mut parser = Parser::new();
        parser.set_input_string(&mut text);
        let mut builder = Builder::default();
        loop {
            let mut event = parser.parse().map_err(|error| syntax_error(&error))?;
            if let EventData::Scalar {
                value,
                style: ScalarStyle::Literal | ScalarStyle::Folded,
                ..
            } = &mut event.data
                && source.completed
                && event.end_mark.index == end
                && value.ends_with('\n')
            {
                value.pop();
            }
            reached.set(event.end_mark);
            let ends_document = matches!(event.data, EventData::DocumentEnd { .. });
            if builder.take(event)? {
                builder.document.more = ends_document && follows(&mut parser);
                return Ok(builder.document);
            }
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

/// Whether anything but the end of the file follows, right or wrong.
fn follows(parser: &mut Parser<&mut &[u8]>) -> bool {
    let next = catch_unwind(AssertUnwindSafe(|| parser.parse()));
    !matches!(next, Ok(Ok(event)) if matches!(event.data, EventData::StreamEnd))
}

#[derive(Default)]
struct Builder {
    document: Document,
    open: Vec<NodeId>,
    anchors: BTreeMap<String, NodeId>,
}

impl Builder {
    /// Adds what an event says; true when the document is complete.
    fn take(&mut self, event: Event) -> Result<bool, Error> {
        let mark = event.start_mark;
        match event.data {
            EventData::DocumentStart {
                version_directive: Some(version),
                ..
            } if (version.major, version.minor) != (1, 1) => {
                let (line, column) = position(mark);
                return Err(Error::fatal(
                    line,
                    column,
                    "found incompatible YAML document",
                ));
            }
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
            EventData::StreamEnd | EventData::DocumentEnd { .. } => return Ok(true),
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.open.pop();
            }
            EventData::Alias { anchor } => {
                let Some(&target) = self.anchors.get(&anchor) else {
                    let (line, column) = position(mark);
                    let message = format!("unknown anchor '{anchor}' referenced");
                    return Err(Error::fatal(line, column, message));
                };
                let cyclic = self.open.contains(&target);
                self.add(
                    mark,
                    None,
                    Kind::Alias {
                        name: anchor.into(),
                        target,
                        cyclic,
                    },
                )?;
            }
            EventData::Scalar {
                anchor,
                tag,
                value,
                plain_implicit,
                ..
            } => {
                let kind = Kind::Scalar {
                    value: value.into(),
                    tag: tag.map(Into::into),
                    plain: plain_implicit,
                };
                self.add(mark, anchor, kind)?;
            }
            EventData::SequenceStart { anchor, .. } => {
                self.open(mark, anchor, Kind::Sequence(Vec::new()))?;
            }
            EventData::MappingStart { anchor, .. } => {
                self.open(mark, anchor, Kind::Mapping(Vec::new()))?;
            }
        }
        Ok(false)
    }

    fn open(&mut self, mark: Mark, anchor: Option<String>, kind: Kind) -> Result<(), Error> {
        let id = self.add(mark, anchor, kind)?;
        self.open.push(id);
        if self.open.len() > MAX_DEPTH {
            let (line, column) = position(mark);
            let message = format!("exceeded max depth of {MAX_DEPTH}");
            return Err(Error::fatal(line, column, message));
        }
        Ok(())
    }

    fn add(&mut self, mark: Mark, anchor: Option<String>, kind: Kind) -> Result<NodeId, Error> {
        let (line, column) = position(mark);
        if self.document.nodes.len() >= MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values");
            return Err(Error::fatal(line, column, message));
        }
        let id = NodeId(u32::try_from(self.document.nodes.len()).unwrap_or(u32::MAX));
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        self.document.nodes.push(Node { line, column, kind });
        match self.open.last() {
            None => self.document.root = Some(id),
            Some(parent) => match &mut self.document.nodes[parent.0 as usize].kind {
                Kind::Sequence(children) | Kind::Mapping(children) => children.push(id),
                Kind::Scalar { .. } | Kind::Alias { .. } => {}
            },
        }
        Ok(id)
    }
}

fn position(mark: Mark) -> (u32, u32) {
    let number = |n: u64| u32::try_from(n.saturating_add(1)).unwrap_or(u32::MAX);
    (number(mark.line), number(mark.column))
}

/// The scanner's complaint. `yaml.v2` prints the line before in some cases; the position here is the true one.
fn syntax_error(error: &libyaml_safer::Error) -> Error {
    let (line, column) = error.problem_mark().map_or((0, 0), position);
    Error::fatal(line, column, error.problem())
}
