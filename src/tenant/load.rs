//! From the bytes of the store to what a tenant continues from. Nothing here stops a start: what cannot be read is named
//! and left out.

use super::Saved;
use crate::{
    notify::claims::Promise,
    storage::{
        AlertJournal, Joiner, Key, Map, decode_heartbeat, decode_history, decode_nflog,
        decode_rule, decode_schedules, decode_silence,
    },
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
        let mut joiner = Joiner::default();
        for (key, value) in records {
            if let Some((key, value)) = joiner.push(key, value) {
                saved.read(&key, value, tenant, &mut batches, &mut damaged);
            }
        }
        let joined = joiner.finish();
        for (key, value) in joined.records {
            saved.read(&key, value, tenant, &mut batches, &mut damaged);
        }
        saved.parts = joined.parts;
        let lost = joined.damaged.iter().filter_map(|key| Key::decode(key));
        damaged.extend(lost.map(|key| Damaged {
            map: key.map,
            error: "a part of a large value is missing".to_owned(),
        }));
        let load = AlertJournal::load(batches.iter().map(|(seq, bytes)| (*seq, bytes.as_slice())));
        saved.alerts = load.alerts;
        saved.journal = load.journal;
        damaged.extend(load.errors.into_iter().map(|(seq, error)| Damaged {
            map: Map::Alerts,
            error: format!("batch {seq}: {error}"),
        }));
        (saved, damaged)
    }

    fn read(
        &mut self,
        key: &[u8],
        value: Vec<u8>,
        tenant: &str,
        batches: &mut Vec<(u64, Vec<u8>)>,
        damaged: &mut Vec<Damaged>,
    ) {
        let Some(key) = Key::decode(key).filter(|key| *key.tenant == *tenant) else {
            return;
        };
        if key.map == Map::Alerts {
            batches.extend(key.batch_seq().map(|seq| (seq, value)));
        } else if let Err(error) = self.add(&key, &value) {
            damaged.push(Damaged {
                map: key.map,
                error,
            });
        }
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
            Map::Promises => {
                let promise = Promise::decode(value).ok_or("damaged")?;
                self.promises.push(promise);
            }
            Map::Rules => self.rules.push(decode_rule(value).map_err(text)?.1),
            Map::Heartbeat => self.heartbeat = Some(decode_heartbeat(value).map_err(text)?),
            // Alerts are read as a whole; facts belong to the shell.
            Map::Alerts | Map::Facts => {}
        }
        Ok(())
    }
}
