//! The whole node as one deterministic state machine: inputs in, effects out, `now` given.

mod effect;
mod input;

pub use effect::{Effect, Job, JobDone, NotifyAttempt, PortableFile, SaveBatch, StoreOp};
pub use input::{Input, Reply, ReplyTo, Request, Ticket};
