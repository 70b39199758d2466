//! The whole node as one deterministic state machine: inputs in, effects out, `now` given.

mod effect;
mod input;
mod machine;
mod mesh;
mod mutations;
mod phase;
mod sizes;

pub use effect::{Effect, NotifyAttempt, PortableFile, SaveBatch, StoreOp};
pub use input::{Input, Reply, ReplyTo, Request, Ticket};
pub use machine::Node;
pub use mesh::MESH_FACT;
#[doc(hidden)]
pub use mutations::Mutations;
