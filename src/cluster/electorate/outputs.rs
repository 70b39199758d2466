//! What the electorate asks for, in order, held back behind what must be durable first.

use std::{collections::VecDeque, sync::Arc};

use super::Electors;
use crate::cluster::NodeName;

/// What the electorate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElectorateOutput {
    /// Send a message, at most 16 KiB.
    Send {
        /// To whom.
        to: NodeName,
        /// What.
        bytes: Vec<u8>,
    },
    /// Save this durably; outputs behind it wait for [`super::Electorate::saved`].
    Save(Vec<u8>),
    /// Who votes has changed.
    Changed,
}

/// Messages beyond this many are dropped, as a network would, while a save takes long.
const MAX_QUEUED: usize = 1024;

#[derive(Debug)]
enum Queued {
    Send(NodeName, Vec<u8>),
    Save(Vec<u8>),
    Changed(Arc<Electors>),
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<Queued>,
    saving: bool,
    /// Who votes, as far as it is durable.
    pub electors: Option<Arc<Electors>>,
}

impl Outputs {
    pub(super) fn send(&mut self, to: &NodeName, bytes: Vec<u8>) {
        if self.queue.len() < MAX_QUEUED {
            self.queue.push_back(Queued::Send(to.clone(), bytes));
        }
    }

    pub(super) fn save(&mut self, bytes: Vec<u8>) {
        if self.queue.len() >= MAX_QUEUED {
            // Each save holds everything: only the last one counts once the messages between them are dropped.
            self.queue
                .retain(|queued| matches!(queued, Queued::Changed(_)));
            self.queue.push_front(Queued::Save(bytes));
            return;
        }
        if let Some(Queued::Save(last)) = self.queue.back_mut() {
            *last = bytes;
        } else {
            self.queue.push_back(Queued::Save(bytes));
        }
    }

    pub(super) fn changed(&mut self, electors: Arc<Electors>) {
        self.queue.push_back(Queued::Changed(electors));
    }

    pub(super) fn poll(&mut self) -> Option<ElectorateOutput> {
        if self.saving {
            return None;
        }
        Some(match self.queue.pop_front()? {
            Queued::Send(to, bytes) => ElectorateOutput::Send { to, bytes },
            Queued::Save(bytes) => {
                self.saving = true;
                ElectorateOutput::Save(bytes)
            }
            Queued::Changed(electors) => {
                self.electors = Some(electors);
                ElectorateOutput::Changed
            }
        })
    }

    pub(super) fn saved(&mut self) {
        self.saving = false;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.saving
    }
}
