//! How values of the file become fields and fields become text again.

use super::{Cursor, Place, Position, Reader, near::nearest};
use crate::{config::Secret, yaml::Value};

/// A notation of the file.
pub(crate) trait Codec {
    /// What is kept of it.
    type Value;

    /// Upstream's Go type, for messages.
    fn go_type() -> String;

    /// Reads a node that is not null. `None` after a mistake, which is noted.
    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self::Value>;

    /// What an explicit null means: Go's zero value, not the default.
    fn null() -> Self::Value;

    /// The value as `/api/v2/status` shows it, secrets hidden.
    fn print(value: &Self::Value) -> Value;

    /// Whether `omitempty` leaves it out.
    fn is_empty(value: &Self::Value) -> bool;

    /// Collects the secrets in it.
    fn secrets(_value: &Self::Value, _out: &mut Vec<Secret>) {}

    /// The keys of a section that has no key of its own.
    fn inline_keys() -> Vec<&'static str> {
        Vec::new()
    }

    /// Reads a key of a section that has no key of its own; false if it has no such key.
    fn read_inline(
        _value: &mut Self::Value,
        _key: &str,
        _node: Cursor<'_>,
        _reader: &mut Reader<'_>,
    ) -> bool {
        false
    }
}

/// Reads a node, null or not.
pub(crate) fn read<C: Codec>(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<C::Value> {
    if node.is_null() {
        return Some(C::null());
    }
    C::read(node, reader)
}

/// A mapping of the file with keys that are known beforehand.
pub(crate) trait Section: Default {
    /// Upstream's Go type, for messages.
    const GO: &'static str;

    /// Its keys.
    fn keys() -> Vec<&'static str>;

    /// Reads the value of a key; false if there is no such key.
    fn read_key(&mut self, key: &str, node: Cursor<'_>, reader: &mut Reader<'_>) -> bool;

    /// Prints its keys in upstream's order.
    fn print_keys(&self, out: &mut Vec<(Value, Value)>);

    /// Collects the secrets of its keys.
    fn add_secrets(&self, _out: &mut Vec<Secret>) {}

    /// Checks what the keys must fulfil together, and completes them.
    fn check(&mut self, _place: &Place, _reader: &mut Reader<'_>) {}

    /// Notes a key that it does not have.
    fn unknown(key: &str, at: Position, reader: &mut Reader<'_>) {
        let near = nearest(key, &Self::keys()).map(|near| format!("did you mean {near}?"));
        reader.unknown_key(key, Self::GO, at, near);
    }
}

impl<S: Section + PartialEq> Codec for S {
    type Value = Self;

    fn go_type() -> String {
        Self::GO.to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let mut section = Self::default();
        reader.section(node, &mut section);
        Some(section)
    }

    fn null() -> Self {
        Self::default()
    }

    fn print(section: &Self) -> Value {
        let mut out = Vec::new();
        section.print_keys(&mut out);
        Value::Mapping(out)
    }

    fn is_empty(section: &Self) -> bool {
        *section == Self::default()
    }

    fn secrets(section: &Self, out: &mut Vec<Secret>) {
        section.add_secrets(out);
    }
}

/// A section whose keys stand among those of the section around it.
pub(crate) struct Inline<S>(S);

impl<S: Section + PartialEq> Codec for Inline<S> {
    type Value = S;

    fn go_type() -> String {
        S::GO.to_owned()
    }

    fn read(_node: Cursor<'_>, _reader: &mut Reader<'_>) -> Option<S> {
        None
    }

    fn null() -> S {
        S::default()
    }

    fn print(section: &S) -> Value {
        S::print(section)
    }

    fn is_empty(_section: &S) -> bool {
        false
    }

    fn secrets(section: &S, out: &mut Vec<Secret>) {
        section.add_secrets(out);
    }

    fn read_inline(section: &mut S, key: &str, node: Cursor<'_>, reader: &mut Reader<'_>) -> bool {
        section.read_key(key, node, reader)
    }
}

/// A value that is printed even where it is empty.
pub(crate) struct Shown<C>(C);

impl<C: Codec> Codec for Shown<C> {
    type Value = C::Value;

    fn go_type() -> String {
        C::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<C::Value> {
        C::read(node, reader)
    }

    fn null() -> C::Value {
        C::null()
    }

    fn print(value: &C::Value) -> Value {
        C::print(value)
    }

    fn is_empty(_value: &C::Value) -> bool {
        false
    }

    fn secrets(value: &C::Value, out: &mut Vec<Secret>) {
        C::secrets(value, out);
    }
}

/// One of a few words.
pub(crate) trait Named: Copy + PartialEq + 'static {
    /// The words.
    const NAMES: &'static [(&'static str, Self)];

    /// What is said of any other word.
    fn unknown(word: &str) -> String;
}

/// Reads a [`Named`] value; null and, unless it is a word, the empty text are the first word.
pub(crate) struct Name<N>(N);

impl<N: Named> Codec for Name<N> {
    type Value = N;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<N> {
        let word = reader.text(node, "string")?;
        let found = N::NAMES.iter().find(|(name, _)| *name == &*word);
        if found.is_none() {
            reader.deny(node.position(), N::unknown(&word));
        }
        found.map(|(_, value)| *value)
    }

    fn null() -> N {
        N::NAMES[0].1
    }

    fn print(value: &N) -> Value {
        let name = N::NAMES.iter().find(|(_, named)| named == value);
        name.map_or(Value::Null, |(name, _)| Value::from(*name))
    }

    fn is_empty(_value: &N) -> bool {
        false
    }
}

/// Prints a key and its value, unless `omitempty` leaves them out; the keys themselves for `"*"`.
///
/// An empty value whose default is not empty is printed, other than upstream does, so that it is read again as it is.
pub(crate) fn print_key<C: Codec>(
    key: &str,
    value: &C::Value,
    default: Option<&C::Value>,
    out: &mut Vec<(Value, Value)>,
) {
    if key == "*" {
        if let Value::Mapping(inner) = C::print(value) {
            out.extend(inner);
        }
    } else if !C::is_empty(value) || default.is_some_and(|default| !C::is_empty(default)) {
        out.push((Value::from(key), C::print(value)));
    }
}
