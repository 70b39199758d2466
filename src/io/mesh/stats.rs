//! What the sockets of the mesh count, and what was said of whom already.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::refusal::{Dropped, Refusal};

/// Counters of the sockets since the start.
#[derive(Debug, Default)]
pub struct MeshSocketStats {
    refused: [AtomicU64; Refusal::ALL.len()],
    dropped: [AtomicU64; Dropped::ALL.len()],
    overflowed: AtomicU64,
    queued: Arc<AtomicU64>,
    told: Mutex<BTreeMap<IpAddr, BTreeSet<Refusal>>>,
}

/// Addresses whose troubles are remembered, so that each is logged once; beyond, all is forgotten and logged again.
const MAX_TOLD: usize = 1024;

impl MeshSocketStats {
    /// Connections that were refused, by what was wrong with the other side.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL
            .into_iter()
            .zip(&self.refused)
            .map(|(why, count)| (why.as_str(), count.load(Relaxed)))
    }

    /// Datagrams that were dropped, by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Dropped::ALL
            .into_iter()
            .zip(&self.dropped)
            .map(|(why, count)| (why.as_str(), count.load(Relaxed)))
    }

    /// Connections and datagrams of Alertmanagers.
    #[must_use]
    pub fn foreign(&self) -> u64 {
        self.refused()
            .chain(self.dropped())
            .filter(|(why, _)| *why == "foreign")
            .map(|(_, count)| count)
            .sum()
    }

    /// Streams that were closed because the other side did not take what was sent.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Relaxed)
    }

    /// Frames that wait to be written.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    pub(super) fn queue(&self) -> &Arc<AtomicU64> {
        &self.queued
    }

    pub(super) fn count_overflow(&self) {
        self.overflowed.fetch_add(1, Relaxed);
    }

    pub(super) fn count_dropped(&self, why: Dropped) {
        for (of, count) in Dropped::ALL.into_iter().zip(&self.dropped) {
            if of == why {
                count.fetch_add(1, Relaxed);
            }
        }
    }

    /// Counts a refusal; says whether it is new that this address is refused for this.
    pub(super) fn count_refused(&self, from: IpAddr, why: Refusal) -> bool {
        for (of, count) in Refusal::ALL.into_iter().zip(&self.refused) {
            if of == why {
                count.fetch_add(1, Relaxed);
            }
        }
        self.is_new(from, why)
    }

    /// Whether it was not yet said of this address.
    pub(super) fn is_new(&self, from: IpAddr, why: Refusal) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MAX_TOLD && !told.contains_key(&from) {
            told.clear();
        }
        told.entry(from).or_default().insert(why)
    }

    /// A stream to this address works: what goes wrong from now on is new.
    pub(super) fn works(&self, address: IpAddr) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // That an Alertmanager speaks from there as well stays known.
        if let Some(of) = told.get_mut(&address) {
            of.retain(|why| *why == Refusal::Foreign);
        }
    }
}
