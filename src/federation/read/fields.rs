//! The fields of a message one by one, so that what is made of a large one is counted on the way.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::Malformed;

/// The fields of a message that are messages or texts; others are passed over.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn read(&mut self) -> Result<Option<(u32, &'a [u8])>, Malformed> {
        while !self.rest.is_empty() {
            let (tag, kind) = decode_key(&mut self.rest)?;
            if kind != WireType::LengthDelimited {
                skip_field(kind, tag, &mut self.rest, DecodeContext::default())?;
                continue;
            }
            let length = usize::try_from(decode_varint(&mut self.rest)?).unwrap_or(usize::MAX);
            let (field, rest) = self
                .rest
                .split_at_checked(length)
                .ok_or(Malformed::ENDS_EARLY)?;
            self.rest = rest;
            return Ok(Some((tag, field)));
        }
        Ok(None)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        read.transpose()
    }
}
