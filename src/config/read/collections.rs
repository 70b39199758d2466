//! Lists, maps and optional values.

use std::{collections::BTreeMap, sync::Arc};

use super::{Codec, Content, Cursor, Place, Reader, Section, codec::read, reader::pairs};
use crate::{config::Secret, yaml::Value};

/// A section with its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Placed<S> {
    pub(crate) value: S,
    pub(crate) place: Place,
}

impl<S: Section> Codec for Placed<S> {
    type Value = Self;

    fn go_type() -> String {
        S::GO.to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let mut value = S::default();
        let place = reader.section(node, &mut value);
        Some(Self { value, place })
    }

    fn null() -> Self {
        Self {
            value: S::default(),
            place: Place::default(),
        }
    }

    fn print(placed: &Self) -> Value {
        let mut out = Vec::new();
        placed.value.print_keys(&mut out);
        Value::Mapping(out)
    }

    fn is_empty(_placed: &Self) -> bool {
        false
    }

    fn secrets(placed: &Self, out: &mut Vec<Secret>) {
        placed.value.add_secrets(out);
    }
}

impl<C: Codec> Codec for Option<C> {
    type Value = Option<C::Value>;

    fn go_type() -> String {
        format!("*{}", C::go_type())
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self::Value> {
        C::read(node, reader).map(Some)
    }

    fn null() -> Self::Value {
        None
    }

    fn print(value: &Self::Value) -> Value {
        value.as_ref().map_or(Value::Null, C::print)
    }

    fn is_empty(value: &Self::Value) -> bool {
        value.is_none()
    }

    fn secrets(value: &Self::Value, out: &mut Vec<Secret>) {
        if let Some(value) = value {
            C::secrets(value, out);
        }
    }
}

/// A boxed value.
pub(crate) struct Boxed<C>(C);

macro_rules! pointer {
    ($($codec:ident is $pointer:ident,)*) => {$(
        impl<C: Codec> Codec for $codec<C> {
            type Value = $pointer<C::Value>;

            fn go_type() -> String {
                C::go_type()
            }

            fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self::Value> {
                C::read(node, reader).map($pointer::new)
            }

            fn null() -> Self::Value {
                $pointer::new(C::null())
            }

            fn print(value: &Self::Value) -> Value {
                C::print(value)
            }

            fn is_empty(value: &Self::Value) -> bool {
                C::is_empty(value)
            }

            fn secrets(value: &Self::Value, out: &mut Vec<Secret>) {
                C::secrets(value, out);
            }
        }
    )*};
}

pointer! { Boxed is Box, Arc is Arc, }

impl<C: Codec> Codec for Vec<C> {
    type Value = Vec<C::Value>;

    fn go_type() -> String {
        format!("[]{}", C::go_type())
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Content::List(items) = node.content() else {
            reader.mismatch(node, &Self::go_type());
            return None;
        };
        let mut list = Vec::new();
        reader.nested(node, |reader| {
            for &item in items {
                let item = node.at(item);
                if reader.spend(item) {
                    list.extend(read::<C>(item, reader));
                }
            }
        });
        Some(list)
    }

    fn null() -> Self::Value {
        Vec::new()
    }

    fn print(list: &Self::Value) -> Value {
        Value::Sequence(list.iter().map(C::print).collect())
    }

    fn is_empty(list: &Self::Value) -> bool {
        list.is_empty()
    }

    fn secrets(list: &Self::Value, out: &mut Vec<Secret>) {
        for value in list {
            C::secrets(value, out);
        }
    }
}

impl<C: Codec> Codec for BTreeMap<String, C> {
    type Value = BTreeMap<String, C::Value>;

    fn go_type() -> String {
        format!("map[string]{}", C::go_type())
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Self::Value> {
        if !matches!(node.content(), Content::Map(_)) {
            reader.mismatch(node, &Self::go_type());
            return None;
        }
        let mut map = Self::Value::new();
        read_map::<C>(node, reader, &mut map);
        Some(map)
    }

    fn null() -> Self::Value {
        BTreeMap::new()
    }

    fn print(map: &Self::Value) -> Value {
        let entries = map.iter();
        Value::Mapping(
            entries
                .map(|(key, value)| (Value::from(&**key), C::print(value)))
                .collect(),
        )
    }

    fn is_empty(map: &Self::Value) -> bool {
        map.is_empty()
    }

    fn secrets(map: &Self::Value, out: &mut Vec<Secret>) {
        for value in map.values() {
            C::secrets(value, out);
        }
    }
}

fn read_map<C: Codec>(
    node: Cursor<'_>,
    reader: &mut Reader<'_>,
    map: &mut BTreeMap<String, C::Value>,
) {
    let Content::Map(entries) = node.content() else {
        reader.bad_merge(node);
        return;
    };
    reader.nested(node, |reader| {
        let mut done: Vec<String> = Vec::new();
        for (key, value) in pairs(node, entries) {
            if !reader.spend(key) {
                return;
            }
            if key.is_merge() {
                match value.content() {
                    Content::List(items) => {
                        for &item in items.iter().rev() {
                            read_map::<C>(node.at(item), reader, map);
                        }
                    }
                    Content::Map(_) | Content::Scalar(..) | Content::Cycle(_) => {
                        read_map::<C>(value, reader, map);
                    }
                }
                continue;
            }
            let Some(name) = reader.text(key, "string") else {
                continue;
            };
            if done.iter().any(|seen| *seen == *name) {
                let message = format!("key {} already set in map", crate::labels::go_quote(&name));
                reader.type_error(key.position(), message);
                continue;
            }
            done.push(name.clone().into_owned());
            if let Some(value) = read::<C>(value, reader) {
                map.insert(name.into_owned(), value);
            }
        }
    });
}
