//! What serde asks while it fills lists, maps, structs and [`super::Spanned`].

use serde::de::{
    DeserializeSeed, MapAccess, SeqAccess,
    value::{BorrowedStrDeserializer, U32Deserializer},
};

use super::{
    node::NodeId,
    spanned,
    walk::{De, Failure},
};

/// The items of a list.
pub(super) struct Items<'de> {
    pub(super) parent: De<'de>,
    pub(super) items: std::slice::Iter<'de, NodeId>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some(&id) = self.items.next() else {
            return Ok(None);
        };
        match seed.deserialize(self.parent.child(id)) {
            Ok(item) => Ok(Some(item)),
            Err(failure) if failure.0.fatal => Err(failure),
            Err(failure) => {
                self.parent.walk.note_failure(failure, id);
                Ok(None)
            }
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a map.
pub(super) struct Entries<'de> {
    pub(super) entries: std::vec::IntoIter<(De<'de>, De<'de>)>,
    pub(super) value: Option<De<'de>>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(key)
            .map(Some)
            .map_err(|failure| failure.at(key.node()))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        deserialize_value(self.value.take(), seed)
    }
}

/// The fields of a struct that are present.
pub(super) struct Fields<'de> {
    pub(super) fields: std::iter::Zip<
        std::slice::Iter<'static, &'static str>,
        std::vec::IntoIter<Option<De<'de>>>,
    >,
    pub(super) value: Option<De<'de>>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        for (field, value) in self.fields.by_ref() {
            if value.is_some() {
                self.value = value;
                return seed
                    .deserialize(BorrowedStrDeserializer::new(field))
                    .map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        deserialize_value(self.value.take(), seed)
    }
}

fn deserialize_value<'de, S: DeserializeSeed<'de>>(
    value: Option<De<'de>>,
    seed: S,
) -> Result<S::Value, Failure> {
    let value = value.expect("serde asks for a key before its value");
    seed.deserialize(value)
        .map_err(|failure| failure.at(value.node()))
}

/// The position of a node and the node, for [`super::Spanned`].
pub(super) struct SpannedFields<'de> {
    pub(super) de: De<'de>,
    pub(super) next: usize,
}

impl<'de> MapAccess<'de> for SpannedFields<'de> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        match spanned::FIELDS.get(self.next) {
            Some(field) => seed
                .deserialize(BorrowedStrDeserializer::new(field))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let node = self.de.node();
        self.next += 1;
        match self.next {
            1 => seed.deserialize(U32Deserializer::new(node.line)),
            2 => seed.deserialize(U32Deserializer::new(node.column)),
            _ => seed
                .deserialize(self.de)
                .map_err(|failure| failure.at(node)),
        }
    }
}
