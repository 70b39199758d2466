//! From the bytes of the store to what a tenant continues from. Nothing here stops a start: what cannot be read is named
//! and left out.

use super::Saved;
use crate::storage::{
    AlertJournal, Key, Map, decode_heartbeat, decode_history, decode_nflog, decode_schedules,
    decode_silence,
};

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Which map it is of.
    pub map: Map,
    /// What is wrong with it.
    pub error: String,
}

impl Saved {
    /// Reads all records of a tenant, in the order of their keys within each map.
    #[must_use]
    pub fn decode(
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        tenant: &str,
    ) -> (Self, Vec<Damaged>) {
        let mut saved = Self::default();
        let mut damaged = Vec::new();
        let mut batches = Vec::new();
        for (key, value) in records {
            let Some(key) = Key::decode(&key).filter(|key| *key.tenant == *tenant) else {
                continue;
            };
            if key.map == Map::Alerts {
                batches.extend(key.batch_seq().map(|seq| (seq, value)));
            } else if let Err(error) = saved.add(&key, &value) {
                damaged.push(Damaged {
                    map: key.map,
                    error,
                });
            }
        }
        let load = AlertJournal::load(batches.iter().map(|(seq, bytes)| (*seq, bytes.as_slice())));
        saved.alerts = load.alerts;
        saved.journal = load.journal;
        damaged.extend(load.errors.into_iter().map(|(seq, error)| Damaged {
            map: Map::Alerts,
            error: format!("batch {seq}: {error}"),
        }));
        (saved, damaged)
    }

    fn add(&mut self, key: &Key, value: &[u8]) -> Result<(), String> {
        let text = |error: crate::storage::RecordError| error.to_string();
        match key.map {
            Map::Silences => self.silences.push(decode_silence(value).map_err(text)?.1),
            Map::Nflog => self.nflog.push(decode_nflog(value).map_err(text)?.1),
            Map::Schedules => self
                .schedules
                .extend(decode_schedules(value).map_err(text)?),
            Map::History => {
                let entries = decode_history(value).map_err(text)?;
                self.history
                    .extend(key.batch_seq().map(|seq| (seq, entries)));
            }
            Map::Heartbeat => self.heartbeat = Some(decode_heartbeat(value).map_err(text)?),
            // Alerts are read as a whole; facts belong to the shell.
            Map::Alerts | Map::Facts => {}
        }
        Ok(())
    }
}
