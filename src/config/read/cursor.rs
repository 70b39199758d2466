//! A node of the YAML tree with aliases followed.

use super::Position;
use crate::yaml::{Document, Kind, NodeId, Resolved, TagMismatch, resolve};

/// A node of a document.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'d> {
    document: &'d Document,
    id: NodeId,
}

/// What a node holds.
pub(crate) enum Content<'d> {
    /// A scalar: its text and its meaning.
    Scalar(&'d str, Result<Resolved, TagMismatch>),
    /// A list.
    List(&'d [NodeId]),
    /// Keys and values in turn.
    Map(&'d [NodeId]),
    /// An alias to something it is part of.
    Cycle(&'d str),
}

impl<'d> Cursor<'d> {
    /// The root of a document; `None` if it is empty.
    pub(crate) fn root(document: &'d Document) -> Option<Self> {
        document.root.map(|id| Self { document, id })
    }

    /// Another node of the same document.
    pub(crate) fn at(self, id: NodeId) -> Self {
        Self { id, ..self }
    }

    /// Where it stands; for an alias, where what it refers to stands.
    pub(crate) fn position(self) -> Position {
        let node = self.document.node(self.id);
        if let Kind::Alias {
            target,
            cyclic: false,
            ..
        } = node.kind
        {
            return self.at(target).position();
        }
        Position {
            line: node.line,
            column: node.column,
        }
    }

    /// What it holds, aliases followed. An alias never refers to an alias.
    pub(crate) fn content(self) -> Content<'d> {
        match &self.document.node(self.id).kind {
            Kind::Scalar { value, tag, plain } => {
                Content::Scalar(value, resolve(value, tag.as_deref(), *plain))
            }
            Kind::Sequence(items) => Content::List(items),
            Kind::Mapping(entries) => Content::Map(entries),
            Kind::Alias {
                name, cyclic: true, ..
            } => Content::Cycle(name),
            Kind::Alias { target, .. } => self.at(*target).content(),
        }
    }

    /// Whether it refers to another node.
    pub(crate) fn is_alias(self) -> bool {
        matches!(self.document.node(self.id).kind, Kind::Alias { .. })
    }

    /// Whether it is `null`, `~` or nothing.
    pub(crate) fn is_null(self) -> bool {
        matches!(self.content(), Content::Scalar(_, Ok(Resolved::Null)))
    }

    /// Whether it is the key `<<`, unquoted.
    pub(crate) fn is_merge(self) -> bool {
        matches!(
            &self.document.node(self.id).kind,
            Kind::Scalar { value, plain: true, .. } if **value == *"<<"
        )
    }

    /// Whether scalars are written without quotes.
    pub(crate) fn is_plain(self) -> bool {
        match &self.document.node(self.id).kind {
            Kind::Scalar { plain, .. } => *plain,
            Kind::Alias {
                target,
                cyclic: false,
                ..
            } => self.at(*target).is_plain(),
            Kind::Alias { .. } | Kind::Sequence(_) | Kind::Mapping(_) => false,
        }
    }
}
