//! What replication knows of another node that is there.

use super::parts::Assembler;

/// A node to which a stream is open.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its run.
    pub(super) run: u64,
    /// Bytes that the mesh takes for it now.
    pub(super) room: usize,
    pub(super) assembler: Assembler,
}

impl Peer {
    /// A node that came just now.
    pub(super) fn new(run: u64) -> Self {
        Self {
            run,
            room: 0,
            assembler: Assembler::default(),
        }
    }
}
