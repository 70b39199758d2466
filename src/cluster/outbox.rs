//! What the mesh wants done and known, in order.

use std::{collections::VecDeque, sync::Arc};

use super::{ConnId, Lane, MeshEffect, MeshEvent, MeshStats, frame::Frame};

/// Effects, events and counters.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) effects: VecDeque<MeshEffect>,
    events: VecDeque<(MeshEvent, Option<(ConnId, usize)>)>,
    pub(super) stats: MeshStats,
}

impl Outbox {
    /// Sends a frame that overtakes bulk ones.
    pub(super) fn frame(&mut self, conn: ConnId, frame: Frame) {
        self.bytes(conn, true, frame.encode().into());
    }

    pub(super) fn bytes(&mut self, conn: ConnId, urgent: bool, bytes: Arc<[u8]>) {
        count(&mut self.stats.sent, bytes.len());
        if !urgent {
            count(&mut self.stats.sent_bulk, bytes.len());
        }
        self.effects.push_back(MeshEffect::Frame {
            conn,
            urgent,
            bytes,
        });
    }

    pub(super) fn datagram(&mut self, conn: ConnId, to: Arc<str>, bytes: Vec<u8>) {
        count(&mut self.stats.sent, bytes.len());
        self.effects
            .push_back(MeshEffect::Datagram { conn, to, bytes });
    }

    pub(super) fn event(&mut self, event: MeshEvent) {
        self.events.push_back((event, None));
    }

    /// Hands on a payload; bulk ones are credited once they are taken.
    pub(super) fn payload(&mut self, event: MeshEvent, conn: ConnId, lane: Lane, size: usize) {
        let credit = match lane {
            Lane::Urgent => None,
            Lane::Bulk => {
                count(&mut self.stats.received_bulk, size);
                Some((conn, size))
            }
        };
        self.events.push_back((event, credit));
    }

    pub(super) fn next_event(&mut self) -> Option<(MeshEvent, Option<(ConnId, usize)>)> {
        self.events.pop_front()
    }

    /// Effects and events that wait to be taken.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.effects.len(), self.events.len())
    }

    pub(super) fn received(&mut self, size: usize) {
        count(&mut self.stats.received, size);
    }

    /// Counts a refusal by its reason.
    pub(super) fn rejected(&mut self, reason: &str) {
        *self.stats.rejected.entry(reason.into()).or_default() += 1;
    }
}

fn count(counter: &mut (u64, u64), size: usize) {
    counter.0 += 1;
    counter.1 += u64::try_from(size).unwrap_or(0);
}
