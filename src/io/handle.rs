//! How the rest of the shell talks to the loop: requests with answers for clients, bare inputs for finished effects.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::mesh::{MeshInbox, TellMesh};
use crate::{
    cluster::MeshInput,
    node::{Input, Reply, Request},
    ruler::{RuleHashes, RuleRecord},
    tenant::View,
};

/// Requests of one kind that may wait in the node at one time; further clients wait before it. The queue is bounded by it,
/// since finished effects are as many as the node has begun.
const MAX_REQUESTS: usize = 256;

/// Asks the node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    queue: mpsc::UnboundedSender<Message>,
    mesh: MeshInbox,
    permits: Arc<Permits>,
}

/// Places in the queue by what a request waits for, so that a store that hangs stops no read and no alert.
#[derive(Debug)]
struct Permits {
    /// For the loop to come by.
    reads: Arc<Semaphore>,
    /// For their turn, and while a configuration is applied.
    posts: Arc<Semaphore>,
    /// For the store or a worker.
    changes: Arc<Semaphore>,
}

impl Permits {
    fn new() -> Self {
        let places = || Arc::new(Semaphore::new(MAX_REQUESTS));
        Self {
            reads: places(),
            posts: places(),
            changes: places(),
        }
    }

    fn of(&self, request: &Request) -> &Arc<Semaphore> {
        match request {
            Request::View => &self.reads,
            Request::PostAlerts { .. } => &self.posts,
            Request::SetSilence(_) | Request::ExpireSilence(_) | Request::Reload(_) => {
                &self.changes
            }
        }
    }
}

/// Hands finished effects back to the node. Cheap to clone; it does not keep the loop alive.
#[derive(Debug, Clone)]
pub struct Results {
    queue: mpsc::WeakUnboundedSender<Message>,
    mesh: MeshInbox,
}

/// The loop's end of the queue.
#[derive(Debug)]
pub struct Inbox {
    pub(super) queue: mpsc::UnboundedReceiver<Message>,
    /// What the mesh tells, taken before anything else.
    pub(super) mesh: MeshInbox,
}

/// What waits for the loop.
#[derive(Debug)]
pub(super) enum Message {
    /// A client's request.
    Request {
        request: Request,
        answer: oneshot::Sender<Reply>,
        permit: OwnedSemaphorePermit,
    },
    /// Anything without an answer.
    Input(Box<Input>),
    /// Answered at once; shows that the loop turns.
    Ping(oneshot::Sender<()>),
    /// The mesh has told something.
    Mesh,
}

/// Makes the queue before the loop.
#[must_use]
pub fn channel() -> (Handle, Inbox) {
    let (sender, queue) = mpsc::unbounded_channel();
    let mesh = MeshInbox::default();
    let handle = Handle {
        queue: sender,
        mesh: mesh.clone(),
        permits: Arc::new(Permits::new()),
    };
    (handle, Inbox { queue, mesh })
}

impl Handle {
    /// Asks and waits for the answer. A client that goes away before does not take its request back.
    pub async fn request(&self, request: Request) -> Reply {
        let gone = || Reply::Refused("the node is going down".to_owned());
        let places = Arc::clone(self.permits.of(&request));
        let Ok(permit) = places.acquire_owned().await else {
            return gone();
        };
        let (answer, reply) = oneshot::channel();
        let message = Message::Request {
            request,
            answer,
            permit,
        };
        if self.queue.send(message).is_err() {
            return gone();
        }
        reply.await.unwrap_or_else(|_closed| gone())
    }

    /// A consistent snapshot of everything; `None` while the node goes down.
    pub async fn view(&self) -> Option<Arc<View>> {
        match self.request(Request::View).await {
            Reply::View(view) => Some(view),
            Reply::AlertsStored
            | Reply::SilenceSet(_)
            | Reply::SilenceExpired(_)
            | Reply::Reloaded
            | Reply::Refused(_) => None,
        }
    }

    /// Says which rules the ruler has: it is told what is known of them and who is there.
    pub fn describe_rules(&self, hashes: RuleHashes) {
        self.input(Input::DescribeRules(hashes));
    }

    /// Says what became of rules, for the disk and other nodes.
    pub fn keep_rules(&self, records: Vec<RuleRecord>) {
        self.input(Input::KeepRules(records));
    }

    fn input(&self, input: Input) {
        // Without a loop there is nobody who needs it.
        let _ = self.queue.send(Message::Input(Box::new(input)));
    }

    /// Tells the node to finish and stop.
    pub fn shut_down(&self) {
        self.input(Input::Shutdown);
    }

    /// Waits until the loop comes by; `false` if there is none any more.
    pub async fn ping(&self) -> bool {
        let (answer, reply) = oneshot::channel();
        self.queue.send(Message::Ping(answer)).is_ok() && reply.await.is_ok()
    }

    /// For those who carry out effects.
    #[must_use]
    pub fn results(&self) -> Results {
        Results {
            queue: self.queue.downgrade(),
            mesh: self.mesh.clone(),
        }
    }
}

impl Results {
    /// Queues an input; after the loop's end nobody needs it.
    pub fn send(&self, input: Input) {
        if let Some(queue) = self.queue.upgrade() {
            let _ = queue.send(Message::Input(Box::new(input)));
        }
    }
}

impl TellMesh for Results {
    fn tell(&self, input: MeshInput, credit: Option<OwnedSemaphorePermit>) {
        if self.mesh.push(input, credit)
            && let Some(queue) = self.queue.upgrade()
        {
            // After the loop's end nobody needs it.
            let _ = queue.send(Message::Mesh);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn silences_that_wait_for_the_store_stop_no_read() {
        let (handle, mut inbox) = channel();
        let mut clients = JoinSet::new();
        for _ in 0..2 * MAX_REQUESTS {
            let handle = handle.clone();
            clients.spawn(async move {
                handle.request(Request::ExpireSilence("x".into())).await;
            });
        }
        // Nobody answers them, so only as many come as there are places.
        let mut waiting = Vec::new();
        while waiting.len() < MAX_REQUESTS {
            waiting.extend(inbox.queue.recv().await);
        }
        let reader = handle.clone();
        clients.spawn(async move {
            reader.view().await;
        });
        let next = inbox.queue.recv().await;
        let Some(Message::Request { request, .. }) = next else {
            panic!("no request came");
        };
        assert!(matches!(request, Request::View), "{request:?}");
    }
}
