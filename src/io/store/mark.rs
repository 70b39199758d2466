//! The marks of the portable files, as records of the `state` database.

use super::Record;
use crate::{
    io::portable::FileMark,
    node::{PortableFile, SaveBatch, StoreOp},
};

const PREFIX: &[u8] = b"\0shell/";

fn key(file: PortableFile) -> Vec<u8> {
    [PREFIX, file.as_str().as_bytes()].concat()
}

/// The batch that remembers a written file.
pub(in crate::io) fn mark_batch(file: PortableFile, mark: &FileMark) -> SaveBatch {
    SaveBatch {
        ticket: None,
        durable: true,
        ops: vec![StoreOp::Put {
            key: key(file),
            value: mark.to_bytes(),
        }],
    }
}

/// Takes the shell's own records out of a chunk.
pub(super) fn take_marks(chunk: &mut Vec<Record>) -> Vec<(PortableFile, FileMark)> {
    let own = chunk.extract_if(.., |(key, _)| key.starts_with(PREFIX));
    own.filter_map(|(found, value)| {
        let file = PortableFile::ALL
            .into_iter()
            .find(|file| found == key(*file))?;
        Some((file, FileMark::from_bytes(&value)?))
    })
    .collect()
}
