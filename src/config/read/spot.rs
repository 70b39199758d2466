//! Values that keep where they stand, for mistakes that show only later.

use std::marker::PhantomData;

use super::{Codec, Cursor, Position, Reader};
use crate::{config::Secret, yaml::Value};

/// A value and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spotted<T> {
    pub(crate) value: T,
    pub(crate) at: Position,
}

/// Reads a value with its place.
pub(crate) struct Spot<C>(PhantomData<C>);

impl<C: Codec> Codec for Spot<C> {
    type Value = Spotted<C::Value>;

    fn go_type() -> String {
        C::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let value = C::read(node, reader)?;
        let at = node.position();
        Some(Spotted { value, at })
    }

    fn null() -> Self::Value {
        Spotted {
            value: C::null(),
            at: Position::default(),
        }
    }

    fn print(spotted: &Self::Value) -> Value {
        C::print(&spotted.value)
    }

    fn is_empty(spotted: &Self::Value) -> bool {
        C::is_empty(&spotted.value)
    }

    fn secrets(spotted: &Self::Value, out: &mut Vec<Secret>) {
        C::secrets(&spotted.value, out);
    }
}
