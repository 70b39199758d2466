//! The node in its mesh: payloads to their readers, events to those whom they concern.

use std::{collections::VecDeque, time::Duration};

use super::{Effect, Node, machine::Waiting, phase::Rising};
use crate::{
    cluster::{Lane, Mesh, MeshEvent, MeshInput, NodeName},
    storage::Key,
    tenant::{CLAIM_PAYLOAD, FACTS_PAYLOAD, REPLICATION_PAYLOAD},
    time::Now,
};

/// The name of the fact that holds what the mesh saved last; it is handed to [`Node::with_mesh`] at the next start.
pub const MESH_FACT: &str = "mesh";

/// Payloads taken in by one step of the loop, of those that had to wait for a new configuration.
const PAYLOADS_PER_STEP: usize = 16;

/// Bytes of payloads that wait for a new configuration; what is more is lost and repaired.
const MAX_WAITING: usize = 64 * 1024 * 1024;

/// How long after a failure the mesh's state is saved again.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// The mesh and what the node keeps beside it.
#[derive(Debug)]
pub(super) struct MeshSide {
    pub(super) mesh: Mesh,
    pub(super) rising: Rising,
    /// Messages of replication that wait while a configuration is applied.
    waiting: VecDeque<(NodeName, Vec<u8>)>,
    waiting_bytes: usize,
    /// What could not be saved, and when it is tried again.
    unsaved: Option<(Duration, Vec<u8>)>,
    /// Whether the mesh knows that this node has what its peers have.
    pub(super) synchronised: bool,
    /// Whether goodbye is being said.
    leaving: bool,
}

impl MeshSide {
    pub(super) fn new(mesh: Mesh, rising: Rising) -> Self {
        Self {
            mesh,
            rising,
            leaving: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            unsaved: None,
            synchronised: false,
        }
    }

    pub(super) fn sizes(&self) -> [(&'static str, usize); 2] {
        [
            ("waiting payloads", self.waiting.len()),
            ("waiting payload bytes", self.waiting_bytes),
        ]
    }
}

impl Node {
    /// Takes in what the mesh's sockets tell.
    pub(super) fn mesh_input(&mut self, input: MeshInput, now: Now) {
        if let Some(side) = &mut self.mesh {
            side.mesh.handle(input, now);
        }
    }

    /// Does what is due for the mesh.
    pub(super) fn mesh_timeout(&mut self, by_own_clock: Now, now: Now) {
        let reloads = self.is_reloading();
        let Some(side) = &mut self.mesh else { return };
        if side
            .mesh
            .poll_timeout()
            .is_some_and(|(due, _)| due <= now.mono)
        {
            side.mesh.handle_timeout(by_own_clock);
        }
        if let Some((_, bytes)) = side.unsaved.take_if(|(due, _)| *due <= now.mono) {
            self.save_mesh(bytes);
        }
        for _ in 0..PAYLOADS_PER_STEP {
            let Some(side) = self.mesh.as_mut().filter(|_| !reloads) else {
                return;
            };
            let Some((from, bytes)) = side.waiting.pop_front() else {
                return;
            };
            side.waiting_bytes -= bytes.len();
            self.tenant.replica_payload(&from, &bytes, now);
        }
    }

    /// When something is due for the mesh.
    pub(super) fn mesh_due(&self) -> Option<(Duration, &'static str)> {
        let side = self.mesh.as_ref()?;
        let waits = !side.waiting.is_empty() && !self.is_reloading();
        let waits = waits.then_some((Duration::ZERO, "take in changes of other nodes"));
        let unsaved = side.unsaved.as_ref();
        let unsaved = unsaved.map(|(due, _)| (*due, "save the mesh"));
        let rising = side.rising.due().map(|due| (due, "be ready"));
        let dues = [side.mesh.poll_timeout(), waits, unsaved, rising];
        dues.into_iter().flatten().min()
    }

    /// Hands out what the mesh asks for, and its events to those whom they concern. Tells whether there was one.
    pub(super) fn collect_mesh(&mut self, now: Now) -> bool {
        let Some(side) = &mut self.mesh else {
            return false;
        };
        if let Some(beat) = self.tenant.take_beat() {
            side.mesh.set_beat(beat);
        }
        while let Some(effect) = side.mesh.poll_effect() {
            self.effects.push_back(Effect::Mesh(effect));
        }
        let event = side.mesh.poll_event();
        let some = event.is_some();
        if let Some(event) = event {
            self.mesh_event(event, now);
        }
        self.check_synchronised(now);
        self.check_phase(now);
        self.check_vote(now);
        some
    }

    /// Tells every node what a tenant has to say.
    pub(super) fn tell(&mut self, bytes: Vec<u8>) {
        if let Some(side) = &mut self.mesh {
            side.mesh.broadcast(Lane::Urgent, bytes);
        }
    }

    /// Tells one node what a tenant has to say.
    pub(super) fn tell_one(&mut self, to: &NodeName, lane: Lane, bytes: Vec<u8>) {
        if let Some(side) = &mut self.mesh {
            side.mesh.send(to, lane, bytes);
        }
    }

    /// Takes in whether the mesh's state was saved.
    pub(super) fn mesh_saved(&mut self, bytes: Vec<u8>, result: Result<(), String>, now: Now) {
        let Some(side) = &mut self.mesh else { return };
        match result {
            Ok(()) => side.mesh.saved(now),
            Err(error) => {
                tracing::error!(
                    err = error,
                    "Who votes in the mesh cannot be saved; it is tried again"
                );
                side.unsaved = Some((now.mono + SAVE_AGAIN, bytes));
            }
        }
    }

    fn mesh_event(&mut self, event: MeshEvent, now: Now) {
        match event {
            MeshEvent::Joined { name, run } => {
                self.tenant.peer_joined(&name, run, now);
                self.tell_room(&name, now);
                self.refresh_quorum(now);
                self.tenant.greet(&name, now);
            }
            MeshEvent::Payload { from, bytes } => self.payload(from, bytes, now),
            MeshEvent::Room(name) => self.tell_room(&name, now),
            MeshEvent::Parted(name) => {
                self.tenant.peer_parted(&name, now);
                self.refresh_quorum(now);
            }
            MeshEvent::Ended { name, run, left } => {
                self.tenant.peer_ended(&name, left);
                self.run_ended(name, run);
                self.refresh_quorum(now);
            }
            MeshEvent::Visible { .. } | MeshEvent::ElectorsChanged => self.refresh_quorum(now),
            MeshEvent::Save(bytes) => self.save_mesh(bytes),
            MeshEvent::Beat { from, bytes } => {
                // Nothing may happen by a clock that is known to be wrong, least of all what waited for clocks to be known.
                self.check_clock();
                self.tenant.peer_beat(&from, &bytes, now);
            }
            MeshEvent::MetPeers => {}
        }
    }

    /// Hands a payload to its reader. Kinds that a later version knows are passed over.
    fn payload(&mut self, from: NodeName, bytes: Vec<u8>, now: Now) {
        match bytes.first() {
            Some(&REPLICATION_PAYLOAD) => {}
            Some(&CLAIM_PAYLOAD | &FACTS_PAYLOAD) => {
                self.tenant.claim_payload(&from, &bytes, now);
                return;
            }
            Some(_) | None => return,
        }
        let reloads = self.is_reloading();
        let Some(side) = &mut self.mesh else { return };
        // Alerts and schedules must not change under a configuration that is being applied; and what came first goes
        // first.
        if reloads || !side.waiting.is_empty() {
            if side.waiting_bytes + bytes.len() <= MAX_WAITING {
                side.waiting_bytes += bytes.len();
                side.waiting.push_back((from, bytes));
            }
            return;
        }
        self.tenant.replica_payload(&from, &bytes, now);
    }

    fn tell_room(&mut self, name: &NodeName, now: Now) {
        if let Some(side) = &self.mesh {
            let room = side.mesh.room(name);
            self.tenant.peer_room(name, room, now);
        }
    }

    fn check_synchronised(&mut self, now: Now) {
        if let Some(side) = &mut self.mesh
            && !side.synchronised
            && side.mesh.has_met_peers()
            && self.tenant.is_synchronised()
        {
            side.synchronised = true;
            side.mesh.synchronised(now);
            self.refresh_quorum(now);
        }
    }

    /// Says goodbye; tells whether it is said.
    pub(super) fn leave_mesh(&mut self, now: Now) -> bool {
        let Some(side) = &mut self.mesh else {
            return true;
        };
        if !std::mem::replace(&mut side.leaving, true) {
            side.mesh.leave(now);
        }
        side.mesh.has_left()
    }

    fn save_mesh(&mut self, bytes: Vec<u8>) {
        let key = Key::fact(self.tenant.name(), MESH_FACT);
        let record = (key, Some(bytes.clone()));
        self.save_for(Waiting::Mesh(bytes), true, vec![record]);
    }
}
