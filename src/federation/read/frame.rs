//! A stream of frames: length, checksum, message (`storage/remote/chunked.go`).

use super::Malformed;

/// Prometheus's clients take no larger frame either.
const MAX_FRAME: u64 = 50_000_000;

/// The messages of a stream, each with the right checksum.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Self { rest: stream }
    }

    fn read(&mut self) -> Result<&'a [u8], Malformed> {
        let length = prost::encoding::decode_varint(&mut self.rest)?;
        if length > MAX_FRAME {
            return Err(Malformed::new(format!("a frame has {length} bytes")));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (sum, rest) = self.rest.split_first_chunk().ok_or(Malformed::ENDS_EARLY)?;
        let (message, rest) = rest.split_at_checked(length).ok_or(Malformed::ENDS_EARLY)?;
        self.rest = rest;
        if crc32c::crc32c(message) != u32::from_be_bytes(*sum) {
            return Err(Malformed::new("a frame has another checksum"));
        }
        Ok(message)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}
