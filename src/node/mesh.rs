//! The node in its mesh: payloads to their readers, events to those whom they concern.

use super::{Effect, Node};
use crate::{cluster::MeshInput, time::Now};

impl Node {
    /// Takes in what the mesh's sockets tell.
    pub(super) fn mesh_input(&mut self, input: MeshInput, now: Now) {
        if let Some(mesh) = &mut self.mesh {
            mesh.handle(input, now);
        }
        self.collect_mesh(now);
    }

    /// Hands out what the mesh asks for.
    pub(super) fn collect_mesh(&mut self, _now: Now) {
        let Some(mesh) = &mut self.mesh else { return };
        while let Some(effect) = mesh.poll_effect() {
            self.effects.push_back(Effect::Mesh(effect));
        }
        while mesh.poll_event().is_some() {}
    }
}
