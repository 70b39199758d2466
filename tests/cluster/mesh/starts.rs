//! Who said that it is about to send something, and did not live to do it: nobody can know that it did not.

use std::{collections::BTreeMap, time::Duration};

use watchfire::{
    cluster::MeshEffect, nflog::LogKey, node::NotifyAttempt, notify::claims::ClaimMessage,
    tenant::CLAIM_PAYLOAD,
};

use super::{ledger::Ledger, world::World};

/// The last byte of a frame with an urgent payload.
const URGENT: u8 = 5;

/// For how long the others wait for whoever said that it starts.
const LEASE: Duration = Duration::from_secs(15);

/// The integration, by its place, and the group.
type Told = (u32, String);

/// What was said, by host and process.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    open: BTreeMap<(usize, u64, Told), Duration>,
    /// What never came to be, with the time at which it was said.
    unmade: Vec<(Told, Duration)>,
}

fn told(key: &LogKey) -> Told {
    (key.receiver.index, (*key.group_key).to_owned())
}

impl Starts {
    /// Whether a request about an alert was announced since then by a process that ended before it made it.
    pub(crate) fn was_cut_short(&self, integration: usize, name: &str, since: Duration) -> bool {
        let group = format!("\"{name}\"");
        self.unmade.iter().any(|((index, key), said)| {
            usize::try_from(*index).unwrap() == integration
                && key.contains(&group)
                && *said >= since
        })
    }
}

impl Starts {
    /// Whether a request about an alert was announced since then by a node that was cut off before it made it: the others
    /// cannot ask it, so that it counts as sent.
    pub(crate) fn was_cut_off(
        &self,
        (integration, name): (usize, &str),
        since: Duration,
        ledger: &Ledger,
    ) -> bool {
        let group = format!("\"{name}\"");
        self.open.iter().any(|((host, _, (index, key)), said)| {
            usize::try_from(*index).unwrap() == integration
                && key.contains(&group)
                && *said >= since
                && ledger.cut_off_within(*host, *said, LEASE)
        })
    }
}

impl World {
    /// A host says something to another.
    pub(super) fn note_said(&mut self, host: usize, effect: &MeshEffect) {
        let MeshEffect::Frame { bytes, .. } = effect else {
            return;
        };
        let Some((&URGENT, [CLAIM_PAYLOAD, message @ ..])) = bytes.split_last() else {
            return;
        };
        if let Ok(Some(ClaimMessage::Starting { key, .. })) = ClaimMessage::decode(message) {
            let life = self.hosts[host].life;
            let said = (host, life, told(&key));
            self.starts.open.entry(said).or_insert(self.clock);
        }
    }

    /// A host makes a request.
    pub(super) fn note_made(&mut self, host: usize, attempt: &NotifyAttempt) {
        let made = (
            attempt.integration.index,
            attempt.data.group_key.to_string(),
        );
        let life = self.hosts[host].life;
        self.starts.open.remove(&(host, life, made));
    }

    /// A process ends without warning.
    pub(super) fn note_unmade(&mut self, host: usize) {
        let (life, name) = (self.hosts[host].life, &self.hosts[host].name);
        let open = self.starts.open.iter();
        let said = open.filter(|((by, in_life, _), _)| (*by, *in_life) == (host, life));
        let said = said.map(|((_, _, told), at)| (told.clone(), *at));
        // Alone, a node says it to its own disk only.
        let saved = self.hosts[host].disk.load().promises.into_iter();
        let saved = saved.filter(|(_, promise)| {
            let started = promise.started.as_ref();
            started.is_some_and(|started| started.owner == *name)
        });
        let saved = saved.map(|(key, _)| (told(&key), self.clock));
        let unmade: Vec<_> = said.chain(saved).collect();
        self.starts.unmade.extend(unmade);
    }
}
