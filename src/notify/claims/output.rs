//! What claims ask of the node, and what tests may leave out of them.

use super::message::ClaimMessage;
use crate::{cluster::NodeName, nflog::LogKey};

/// What claims ask for.
#[derive(Debug)]
pub enum ClaimOutput {
    /// Send a message.
    Send {
        /// To whom.
        to: NodeName,
        /// What.
        message: ClaimMessage,
    },
    /// Save a promise durably, or delete it; then send, or hand back to [`super::Claims::handle`] what is for this node.
    Save {
        /// The promise's key.
        key: LogKey,
        /// Its bytes.
        promise: Option<Vec<u8>>,
        /// What may be said once it is durable.
        then: Option<(NodeName, ClaimMessage)>,
    },
}

/// What tests leave out of the protocol, to see that they notice.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Skips {
    /// Nobody is asked.
    pub asking: bool,
    /// This node alone acknowledges that something is started.
    pub started: bool,
    /// A lease is not renewed.
    pub renewal: bool,
    /// A claim stays when it is done.
    pub release: bool,
}
