//! Alertmanager's snapshot files `nflog` and `silences`: messages one after the other, each behind its length as a varint.
//!
//! Alertmanager refuses to start on a damaged file. Here the part before the damage is used, with a warning; a silence
//! that does not compile is left out, with a warning (Alertmanager v0.34 keeps such a silence forever, unused).

use std::{fmt, time::Duration};

use prost::Message;

use crate::{
    nflog::{NflogEntry, wire::MeshEntry},
    silence::{Silence, wire::MeshSilence},
};

/// What was read from a file.
#[derive(Debug)]
pub struct Imported<T> {
    /// What can be used, in the order of the file.
    pub items: Vec<T>,
    /// What cannot, for the log.
    pub warnings: Vec<String>,
}

/// Reads a file `silences`.
#[must_use]
pub fn read_silences_file(bytes: &[u8]) -> Imported<Silence> {
    read("silences", bytes, |mesh: MeshSilence| mesh.try_into())
}

/// Reads a file `nflog`.
#[must_use]
pub fn read_nflog_file(bytes: &[u8]) -> Imported<NflogEntry> {
    read("nflog", bytes, MeshEntry::into_entry)
}

/// Writes a file `silences` that Alertmanager 0.25 to 0.34 reads.
pub fn write_silences_file<'a>(silences: impl IntoIterator<Item = &'a Silence>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for silence in silences {
        append(&MeshSilence::from(silence), &mut bytes);
    }
    bytes
}

/// Writes a file `nflog` that Alertmanager 0.25 to 0.34 reads. Entries carry the expiry that Alertmanager gives them:
/// `retention` or twice the repeat interval, whichever is sooner.
pub fn write_nflog_file<'a>(
    entries: impl IntoIterator<Item = &'a NflogEntry>,
    retention: Duration,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        append(
            &MeshEntry::new(entry, entry.upstream_expiry(retention)),
            &mut bytes,
        );
    }
    bytes
}

fn append(message: &impl Message, bytes: &mut Vec<u8>) {
    prost::encode_length_delimiter(message.encoded_len(), bytes)
        .expect("a Vec grows as far as needed");
    message.encode_raw(bytes);
}

fn read<M: Message + Default, T, E: fmt::Display>(
    file: &str,
    bytes: &[u8],
    make: impl Fn(M) -> Result<T, E>,
) -> Imported<T> {
    let mut rest = bytes;
    let mut items = Vec::new();
    let mut warnings = Vec::new();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match M::decode_length_delimited(&mut rest) {
            Ok(message) => match make(message) {
                Ok(item) => items.push(item),
                Err(error) => warnings.push(format!(
                    "{file} file, record at byte {at} left out: {error}"
                )),
            },
            Err(error) => {
                warnings.push(format!(
                    "{file} file is damaged from byte {at} of {} on, the {} records before it are used: {error}",
                    bytes.len(),
                    items.len(),
                ));
                break;
            }
        }
    }
    Imported { items, warnings }
}
