//! One walk over a tree: finds scalars, fields and entries, notes mistakes, and holds the bounds.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
};

use serde::de::Visitor;

use super::{
    Error,
    access::{Entries, Items},
    node::{Document, Kind, MAX_DEPTH, Node, NodeId},
    resolve::{Resolved, TagMismatch, resolve, short_tag, shown_tag},
};

/// Most mistakes that are reported of one file; a file with more is not what it is taken for.
const MAX_ERRORS: usize = 1000;

/// What is shared by all steps of one walk.
pub(super) struct Walk {
    pub(super) document: Document,
    pub(super) errors: RefCell<Vec<Error>>,
    visits: Cell<u32>,
    alias_visits: Cell<u32>,
}

impl Walk {
    pub(super) fn new(document: Document) -> Self {
        Self {
            document,
            errors: RefCell::default(),
            visits: Cell::new(0),
            alias_visits: Cell::new(0),
        }
    }

    pub(super) fn note(&self, error: Error) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < MAX_ERRORS {
            errors.push(error);
        }
    }

    pub(super) fn note_failure(&self, failure: Failure, id: NodeId) {
        self.note(failure.at(self.document.node(id)).0);
    }

    /// Counts one visit; false when most of the work comes from aliases. The limits are those of `yaml.v2`.
    fn count(&self, aliased: bool) -> bool {
        let visits = self.visits.get().saturating_add(1);
        self.visits.set(visits);
        if aliased {
            self.alias_visits.set(self.alias_visits.get() + 1);
        }
        let (visits, aliases) = (f64::from(visits), f64::from(self.alias_visits.get()));
        let (low, high) = (400_000.0, 4_000_000.0);
        let allowed = 0.99 - 0.89 * ((visits - low) / (high - low)).clamp(0.0, 1.0);
        !(aliases > 100.0 && visits > 1000.0 && aliases / visits > allowed)
    }
}

/// Why a value could not be read at all; the position is added where it passes a list, a map or the top.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Error);

impl Failure {
    pub(super) fn at(mut self, node: &Node) -> Self {
        if self.0.line == 0 {
            (self.0.line, self.0.column) = (node.line, node.column);
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Error {
            line: 0,
            column: 0,
            message: message.to_string(),
            fatal: false,
        })
    }
}

/// One node on the way to a Rust value.
#[derive(Clone, Copy)]
pub(super) struct De<'de> {
    pub(super) walk: &'de Walk,
    pub(super) id: NodeId,
    /// Containers around this node, through aliases too.
    pub(super) depth: usize,
    /// Whether an alias led here.
    pub(super) aliased: bool,
}

/// A scalar with its meaning.
pub(super) struct Scalar<'de> {
    pub(super) text: &'de str,
    pub(super) tag: Option<&'de str>,
    pub(super) plain: bool,
    pub(super) meaning: Resolved,
}

impl<'de> De<'de> {
    pub(super) fn node(self) -> &'de Node {
        self.walk.document.node(self.id)
    }

    pub(super) fn child(self, id: NodeId) -> Self {
        Self {
            id,
            depth: self.depth + 1,
            ..self
        }
    }

    pub(super) fn fatal(self, message: impl Into<String>) -> Failure {
        let node = self.node();
        Failure(Error::fatal(node.line, node.column, message))
    }

    pub(super) fn note(self, message: String) {
        let node = self.node();
        self.walk.note(Error {
            line: node.line,
            column: node.column,
            message,
            fatal: false,
        });
    }

    /// Follows an alias.
    pub(super) fn followed(self) -> Self {
        match self.node().kind {
            Kind::Alias { target, .. } => Self {
                id: target,
                aliased: true,
                ..self
            },
            Kind::Scalar { .. } | Kind::Sequence(_) | Kind::Mapping(_) => self,
        }
    }

    /// Follows an alias and holds the bounds: work done for aliases, and depth.
    pub(super) fn entered(self) -> Result<Self, Failure> {
        if !self.walk.count(self.aliased) {
            return Err(self.fatal("document contains excessive aliasing"));
        }
        if self.depth > MAX_DEPTH {
            return Err(self.fatal(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        Ok(self.followed())
    }

    /// As [`De::entered`], where the content of a list or map is wanted.
    pub(super) fn entered_container(self) -> Result<Self, Failure> {
        if let Kind::Alias {
            name, cyclic: true, ..
        } = &self.node().kind
        {
            return Err(self.fatal(format!("anchor '{name}' value contains itself")));
        }
        self.entered()
    }

    /// The scalar here; `None` where there is a list or a map, or a scalar that contradicts its tag (which is noted).
    fn scalar(self) -> Option<Scalar<'de>> {
        let Kind::Scalar { value, tag, plain } = &self.node().kind else {
            return None;
        };
        let meaning = match resolve(value, tag.as_deref(), *plain) {
            Ok(meaning) => meaning,
            Err(TagMismatch(message)) => {
                self.note(message);
                Resolved::Null
            }
        };
        Some(Scalar {
            text: value,
            tag: tag.as_deref(),
            plain: *plain,
            meaning,
        })
    }

    pub(super) fn is_null(self) -> bool {
        match &self.followed().node().kind {
            Kind::Scalar { value, tag, plain } => {
                matches!(resolve(value, tag.as_deref(), *plain), Ok(Resolved::Null))
            }
            Kind::Sequence(_) | Kind::Mapping(_) | Kind::Alias { .. } => false,
        }
    }

    /// Notes that this node is no `go_type`.
    pub(super) fn mismatch(self, go_type: &str) {
        let found = match &self.node().kind {
            Kind::Sequence(_) => "!!seq".to_owned(),
            Kind::Mapping(_) | Kind::Alias { .. } => "!!map".to_owned(),
            Kind::Scalar { value, tag, plain } => {
                let tag = match resolve(value, tag.as_deref(), *plain) {
                    Ok(meaning) => shown_tag(&meaning, tag.as_deref()),
                    Err(TagMismatch(_)) => tag.as_deref().map_or_else(String::new, short_tag),
                };
                format!("{tag} `{}`", shortened(value))
            }
        };
        self.note(format!("cannot unmarshal {found} into {go_type}"));
    }

    pub(super) fn bool(self) -> Result<bool, Failure> {
        let de = self.entered()?;
        Ok(match de.scalar().map(|scalar| scalar.meaning) {
            Some(Resolved::Bool(value)) => value,
            Some(Resolved::Null) => false,
            _ => {
                de.mismatch("bool");
                false
            }
        })
    }

    pub(super) fn integer(self, go_type: &str, min: i128, max: i128) -> Result<i128, Failure> {
        let de = self.entered()?;
        let number = match de.scalar().map(|scalar| scalar.meaning) {
            Some(Resolved::Null) => return Ok(0),
            Some(Resolved::Int(value)) => Some(value.into()),
            Some(Resolved::Uint(value)) => Some(value.into()),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`yaml.v2` drops the fraction"
            )]
            Some(Resolved::Float(value)) if value.abs() < 1e20 => Some(value as i128),
            _ => None,
        };
        Ok(number
            .filter(|n| (min..=max).contains(n))
            .unwrap_or_else(|| {
                de.mismatch(go_type);
                0
            }))
    }

    pub(super) fn float(self) -> Result<f64, Failure> {
        let de = self.entered()?;
        Ok(match de.scalar().map(|scalar| scalar.meaning) {
            Some(Resolved::Float(value)) => value,
            #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
            Some(Resolved::Int(value)) => value as f64,
            #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
            Some(Resolved::Uint(value)) => value as f64,
            Some(Resolved::Null) => 0.0,
            _ => {
                de.mismatch("float64");
                0.0
            }
        })
    }

    /// The text of any scalar as it stands in the file; nothing for null.
    pub(super) fn text(self) -> Result<Cow<'de, str>, Failure> {
        let de = self.entered()?;
        Ok(match de.scalar() {
            None => {
                de.mismatch("string");
                Cow::Borrowed("")
            }
            Some(scalar) => match scalar.meaning {
                Resolved::Null => Cow::Borrowed(""),
                Resolved::Binary(content) => Cow::Owned(content),
                Resolved::Bool(_)
                | Resolved::Int(_)
                | Resolved::Uint(_)
                | Resolved::Float(_)
                | Resolved::Timestamp
                | Resolved::String
                | Resolved::Tagged => Cow::Borrowed(scalar.text),
            },
        })
    }

    fn is_merge(self) -> bool {
        matches!(&self.node().kind, Kind::Scalar { value, tag, plain }
            if &**value == "<<"
                && (*plain || tag.as_deref() == Some("tag:yaml.org,2002:merge")))
    }

    /// The maps that a `<<` key brings in; later ones override earlier ones.
    fn merged_maps(self) -> Result<Vec<Self>, Failure> {
        let parts = match &self.node().kind {
            Kind::Sequence(items) => items.iter().rev().map(|&id| self.child(id)).collect(),
            Kind::Scalar { .. } | Kind::Mapping(_) | Kind::Alias { .. } => vec![self],
        };
        let mut maps = Vec::with_capacity(parts.len());
        for part in parts {
            let map = part.entered_container()?;
            if !matches!(map.node().kind, Kind::Mapping(_)) {
                let message = "map merge requires map or sequence of maps as the value";
                return Err(part.fatal(message));
            }
            maps.push(map);
        }
        Ok(maps)
    }

    /// Key and value of every entry, `<<` keys as they stand; nothing where there is no map.
    fn pairs(self) -> impl Iterator<Item = (Self, Self)> {
        let children: &'de [NodeId] = match &self.node().kind {
            Kind::Mapping(children) => children,
            Kind::Scalar { .. } | Kind::Sequence(_) | Kind::Alias { .. } => &[],
        };
        children
            .chunks_exact(2)
            .map(move |pair| (self.child(pair[0]), self.child(pair[1])))
    }

    /// Finds the values of a struct's fields, by field; notes unknown and repeated keys.
    pub(super) fn find_fields(
        self,
        name: &str,
        fields: &'static [&'static str],
        values: &mut [Option<Self>],
    ) -> Result<(), Failure> {
        let mut done = vec![false; fields.len()];
        for (key, value) in self.pairs() {
            if key.is_merge() {
                for map in value.merged_maps()? {
                    map.find_fields(name, fields, values)?;
                }
                continue;
            }
            let text = key.text()?;
            match fields.iter().position(|field| *field == text) {
                None => key.note(format!("field {text} not found in type {name}")),
                Some(at) if done[at] => {
                    key.note(format!("field {text} already set in type {name}"));
                }
                Some(at) => {
                    done[at] = true;
                    values[at] = Some(value);
                }
            }
        }
        Ok(())
    }

    /// Collects the entries of a map; notes repeated keys. `typed` tells that keys are distinguished by their type.
    fn find_entries(
        self,
        typed: bool,
        seen: &mut BTreeSet<(String, String)>,
        entries: &mut Vec<(Self, Self)>,
    ) -> Result<(), Failure> {
        for (key, value) in self.pairs() {
            if key.is_merge() {
                for map in value.merged_maps()? {
                    map.find_entries(typed, seen, entries)?;
                }
                continue;
            }
            let target = key.followed();
            let Some(scalar) = target.scalar() else {
                if typed {
                    key.note("invalid map key: a list or a map".to_owned());
                } else {
                    target.mismatch("string");
                }
                continue;
            };
            let tag = if typed {
                shown_tag(&scalar.meaning, scalar.tag)
            } else {
                String::new()
            };
            let text = if scalar.meaning == Resolved::Null {
                ""
            } else {
                scalar.text
            };
            if seen.insert((tag, text.to_owned())) {
                entries.push((key, value));
            } else {
                key.note(format!("key {text:?} already set in map"));
            }
        }
        Ok(())
    }

    pub(super) fn visit_map_entries<V: Visitor<'de>>(
        self,
        typed: bool,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let mut entries = Vec::new();
        self.find_entries(typed, &mut BTreeSet::new(), &mut entries)?;
        visitor.visit_map(Entries {
            entries: entries.into_iter(),
            value: None,
        })
    }

    pub(super) fn visit_items<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let items: &'de [NodeId] = match &self.node().kind {
            Kind::Sequence(items) => items,
            Kind::Scalar { .. } | Kind::Mapping(_) | Kind::Alias { .. } => &[],
        };
        visitor.visit_seq(Items {
            parent: self,
            items: items.iter(),
        })
    }

    /// Gives the visitor whatever is here; [`super::Value`] wants to know which strings were plain.
    pub(super) fn visit_any<V: Visitor<'de>>(
        self,
        tell_plain: bool,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let de = self.entered_container()?;
        let Some(scalar) = de.scalar() else {
            return match de.node().kind {
                Kind::Sequence(_) => de.visit_items(visitor),
                Kind::Mapping(_) | Kind::Alias { .. } | Kind::Scalar { .. } => {
                    de.visit_map_entries(tell_plain, visitor)
                }
            };
        };
        match scalar.meaning {
            Resolved::Null => visitor.visit_unit(),
            Resolved::Bool(value) => visitor.visit_bool(value),
            Resolved::Int(value) => visitor.visit_i64(value),
            Resolved::Uint(value) => visitor.visit_u64(value),
            Resolved::Float(value) => visitor.visit_f64(value),
            Resolved::Binary(content) => visitor.visit_str(&content),
            Resolved::Timestamp | Resolved::String | Resolved::Tagged => {
                if tell_plain && scalar.plain {
                    visitor.visit_string(scalar.text.to_owned())
                } else {
                    visitor.visit_borrowed_str(scalar.text)
                }
            }
        }
    }
}

/// A value as `yaml.v2` quotes it: at most ten bytes, or seven and dots.
fn shortened(value: &str) -> Cow<'_, str> {
    if value.len() <= 10 {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("{}...", &value[..value.floor_char_boundary(7)]))
}
