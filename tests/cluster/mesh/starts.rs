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

/// A request that was announced and never made.
#[derive(Debug)]
struct Unmade {
    told: Told,
    /// When it was announced.
    said: Duration,
    /// Which alerts fired then.
    firing: Vec<String>,
}

fn concerns(key: &str, name: &str) -> bool {
    key.contains(&format!("\"{name}\""))
}

/// What was said, by host and process.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    open: BTreeMap<(usize, u64, Told), (Duration, Vec<String>)>,
    unmade: Vec<Unmade>,
}

fn told(key: &LogKey) -> Told {
    (key.receiver.index, (*key.group_key).to_owned())
}

impl Starts {
    /// Whether a request about an alert was announced since then by a process that ended before it made it.
    pub(crate) fn was_cut_short(&self, integration: usize, name: &str, since: Duration) -> bool {
        self.cut_short(integration, name).any(|it| it.said >= since)
    }

    /// When the last request about an alert was announced by a process that ended before it made it, and whether the alert
    /// fired then.
    pub(crate) fn last_cut_short(
        &self,
        integration: usize,
        name: &str,
    ) -> Option<(Duration, bool)> {
        let last = self.cut_short(integration, name).max_by_key(|it| it.said);
        last.map(|it| (it.said, it.firing.iter().any(|firing| firing == name)))
    }

    fn cut_short<'a>(
        &'a self,
        integration: usize,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Unmade> {
        self.unmade.iter().filter(move |it| {
            let (index, key) = &it.told;
            usize::try_from(*index).unwrap() == integration && concerns(key, name)
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
        self.open
            .iter()
            .any(|((host, _, (index, key)), (said, _))| {
                usize::try_from(*index).unwrap() == integration
                    && concerns(key, name)
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
            let firing = self.firing_of(&key);
            let said = (host, life, told(&key));
            let open = self.starts.open.entry(said);
            open.or_insert((self.clock, firing));
        }
    }

    /// Which alerts of a group fire now.
    fn firing_of(&self, key: &LogKey) -> Vec<String> {
        let names = self.sources.iter().flat_map(|source| {
            let names = source.alerts.keys();
            names.filter(|name| source.fires(name))
        });
        let names = names.filter(|name| concerns(&key.group_key, name));
        names.cloned().collect()
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
        let said = said.map(|((_, _, told), (said, firing))| Unmade {
            told: told.clone(),
            said: *said,
            firing: firing.clone(),
        });
        // Alone, a node says it to its own disk only.
        let saved = self.hosts[host].disk.load().promises.into_iter();
        let saved = saved.filter(|(_, promise)| {
            let started = promise.started.as_ref();
            started.is_some_and(|started| started.owner == *name)
        });
        let saved = saved.map(|(key, _)| Unmade {
            told: told(&key),
            said: self.clock,
            firing: self.firing_of(&key),
        });
        let unmade: Vec<_> = said.chain(saved).collect();
        self.starts.unmade.extend(unmade);
    }
}
