//! What the sockets of the mesh tell waits in a queue of its own, so that no client's request delays it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::cluster::MeshInput;

/// An input, with its place in what may wait.
type Waiting = (MeshInput, Option<OwnedSemaphorePermit>);

/// The queue. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::io) struct MeshInbox(Arc<Mutex<VecDeque<Waiting>>>);

impl MeshInbox {
    /// Queues an input; says whether it was empty, so that the loop must be woken.
    pub(in crate::io) fn push(
        &self,
        input: MeshInput,
        credit: Option<OwnedSemaphorePermit>,
    ) -> bool {
        let mut queue = self.lock();
        queue.push_back((input, credit));
        queue.len() == 1
    }

    /// Takes the oldest; its place is free once the permit is dropped.
    pub(in crate::io) fn pop(&self) -> Option<Waiting> {
        self.lock().pop_front()
    }

    pub(in crate::io) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
