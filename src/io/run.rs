//! The one loop: the only thread that touches the node.
//!
//! It sits on a thread of its own, so that no client and no disk delays it, measures each step, and takes many inputs
//! per wake. A panic in it ends the process: the service manager starts it again, and the store has its state.

use std::{
    collections::BTreeMap,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    clock::Clock,
    handle::{Inbox, Message},
    mesh::MeshInbox,
    stats::LoopStats,
    task,
};
use crate::{
    node::{Effect, Input, Reply, ReplyTo},
    time::Now,
};

/// Inputs that are taken per wake before the timers are looked at again.
const INPUTS_PER_WAKE: usize = 256;

/// Inputs of the mesh that are taken before each other one, and per wake without one.
const MESH_INPUTS: usize = 64;

/// A step that takes longer is told in the log.
const STALL: Duration = Duration::from_millis(100);

/// A timer that is due again and again, neither moving nor having an effect, is let run this often before the loop slows
/// it down. A post of very many alerts takes thousands of steps.
const MAX_SPINS: u32 = 10_000;
const SPIN_PAUSE: Duration = Duration::from_millis(10);

/// What the loop drives: `node::Node`, or a double in tests.
pub trait StateMachine: Send + 'static {
    /// Takes in what happened.
    fn handle(&mut self, input: Input, now: Now);
    /// Does what is due.
    fn handle_timeout(&mut self, now: Now);
    /// When something is due next, and what.
    fn poll_timeout(&self) -> Option<(Duration, &'static str)>;
    /// The next thing to do.
    fn poll_effect(&mut self) -> Option<Effect>;
}

/// Carries out effects. `Reply` and `Stopped` are the loop's own.
pub trait World: Send + 'static {
    /// Begins to carry out an effect; must not wait.
    fn perform(&mut self, effect: Effect);
    /// Waits until what must not be lost is done; the loop has ended.
    fn finish(self);
}

/// Starts the loop on its own thread, which ends after [`Effect::Stopped`] or with the last [`super::Handle`].
///
/// # Errors
/// When the system has no thread left.
pub fn start(
    machine: impl StateMachine,
    world: impl World,
    clock: Clock,
    inbox: Inbox,
    stats: Arc<LoopStats>,
) -> io::Result<thread::JoinHandle<()>> {
    let timer = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let looping = Loop {
        machine,
        world,
        clock,
        stats,
        waiting: BTreeMap::new(),
        next_reply: 0,
        spins: 0,
    };
    task::spawn_thread("loop", move || {
        let run = AssertUnwindSafe(|| {
            timer.block_on(looping.run(inbox)).finish();
        });
        if catch_unwind(run).is_err() {
            end_process();
        }
    })
}

#[expect(
    clippy::exit,
    reason = "a node whose state is in doubt must not go on, whatever other threads do"
)]
fn end_process() {
    tracing::error!("this is a bug: the node panicked; the process ends so that it starts afresh");
    std::process::exit(1);
}

struct Loop<M, W> {
    machine: M,
    world: W,
    clock: Clock,
    stats: Arc<LoopStats>,
    /// Clients that wait, with their places in the queue.
    waiting: BTreeMap<ReplyTo, (oneshot::Sender<Reply>, OwnedSemaphorePermit)>,
    next_reply: u64,
    /// How often in a row the same timer was due.
    spins: u32,
}

impl<M: StateMachine, W: World> Loop<M, W> {
    async fn run(mut self, mut inbox: Inbox) -> W {
        let mut messages = Vec::with_capacity(INPUTS_PER_WAKE);
        while self.turn(&mut inbox, &mut messages).await.is_continue() {}
        self.world
    }

    /// One wake: effects, timers, inputs.
    async fn turn(&mut self, inbox: &mut Inbox, messages: &mut Vec<Message>) -> ControlFlow<()> {
        self.perform_all()?;
        let wake = self.run_timers()?;

        if inbox.mesh.is_empty() {
            let receive = inbox.queue.recv_many(messages, INPUTS_PER_WAKE);
            let received = match wake {
                Some(at) => tokio::time::timeout_at(self.clock.instant(at), receive).await,
                None => Ok(receive.await),
            };
            if received == Ok(0) {
                return ControlFlow::Break(());
            }
        } else {
            while messages.len() < INPUTS_PER_WAKE
                && let Ok(message) = inbox.queue.try_recv()
            {
                messages.push(message);
            }
        }
        self.take_mesh(&inbox.mesh)?;
        for message in messages.drain(..) {
            self.take(message);
            self.perform_all()?;
            self.take_mesh(&inbox.mesh)?;
        }
        ControlFlow::Continue(())
    }

    /// Other nodes wait for what the mesh brings, with notifications of theirs: it never stands behind clients.
    fn take_mesh(&mut self, mesh: &MeshInbox) -> ControlFlow<()> {
        for _ in 0..MESH_INPUTS {
            let Some((input, _credit)) = mesh.pop() else {
                break;
            };
            self.handle(Input::Mesh(input));
            self.perform_all()?;
        }
        ControlFlow::Continue(())
    }

    /// Runs what is due and says when to wake next.
    fn run_timers(&mut self) -> ControlFlow<(), Option<Duration>> {
        let Some((due, name)) = self.machine.poll_timeout() else {
            return ControlFlow::Continue(None);
        };
        let now = self.clock.now();
        if due > now.mono {
            return ControlFlow::Continue(Some(due));
        }
        self.machine.handle_timeout(now);
        self.measure(now, name);
        self.perform_all()?;

        let next = self.machine.poll_timeout();
        self.spins = match next {
            Some(next) if next == (due, name) => self.spins + 1,
            Some(_) | None => 0,
        };
        if self.spins < MAX_SPINS {
            return ControlFlow::Continue(next.map(|(next, _)| next));
        }
        if self.spins.is_multiple_of(MAX_SPINS) {
            tracing::error!(
                timer = name,
                spins = self.spins,
                "this is a bug: a timer does not advance; the loop slows it down"
            );
        }
        ControlFlow::Continue(Some(now.mono + SPIN_PAUSE))
    }

    fn take(&mut self, message: Message) {
        let input = match message {
            Message::Ping(answer) => {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(());
                return;
            }
            Message::Mesh => return,
            Message::Input(input) => *input,
            Message::Request {
                request,
                answer,
                permit,
            } => {
                let reply_to = ReplyTo(self.next_reply);
                self.next_reply += 1;
                self.waiting.insert(reply_to, (answer, permit));
                Input::Command { request, reply_to }
            }
        };
        self.handle(input);
    }

    fn handle(&mut self, input: Input) {
        let name = input.name();
        let now = self.clock.now();
        self.machine.handle(input, now);
        self.measure(now, name);
    }

    fn perform_all(&mut self) -> ControlFlow<()> {
        while let Some(effect) = self.machine.poll_effect() {
            self.spins = 0;
            match effect {
                Effect::Reply { to, reply } => {
                    if let Some((answer, _permit)) = self.waiting.remove(&to) {
                        // A client that went away needs no answer.
                        let _ = answer.send(reply);
                    }
                }
                Effect::Stopped => return ControlFlow::Break(()),
                other @ (Effect::Save(_)
                | Effect::WriteFile { .. }
                | Effect::Run(_)
                | Effect::Notify(_)
                | Effect::Ruler(_)
                | Effect::Mesh(_)
                | Effect::Ready) => self.world.perform(other),
            }
        }
        ControlFlow::Continue(())
    }

    fn measure(&self, began: Now, name: &'static str) {
        let took = self.clock.now().mono.saturating_sub(began.mono);
        self.stats.steps.observe(took);
        if took > STALL {
            self.stats.stalls.fetch_add(1, Relaxed);
            tracing::warn!(step = name, took = ?took, "a step of the node took long; everything else waited");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex};

    use jiff::SignedDuration;

    use super::*;
    use crate::{
        io::handle::{self, Handle},
        node::{Request, SaveBatch, Ticket},
    };

    /// Saves for each silence that is to end and answers once that is saved; refuses everything else at once.
    #[derive(Default)]
    struct Double {
        effects: VecDeque<Effect>,
        saving: Vec<ReplyTo>,
        due: Option<Duration>,
        fired: Arc<Mutex<Vec<Duration>>>,
        stuck: bool,
        /// Whether each timer has an effect.
        busy: bool,
    }

    impl StateMachine for Double {
        fn handle(&mut self, input: Input, _now: Now) {
            match input {
                Input::Command {
                    request: Request::ExpireSilence(_),
                    reply_to,
                } => {
                    self.saving.push(reply_to);
                    self.effects.push_back(Effect::Save(SaveBatch {
                        ticket: Some(Ticket(reply_to.0)),
                        durable: true,
                        ops: Vec::new(),
                    }));
                }
                Input::Saved { .. } => {
                    for to in self.saving.drain(..) {
                        self.effects.push_back(Effect::Reply {
                            to,
                            reply: Reply::SilenceExpired(Ok(())),
                        });
                    }
                }
                Input::Command { reply_to: to, .. } => self.effects.push_back(Effect::Reply {
                    to,
                    reply: Reply::Refused("no".to_owned()),
                }),
                Input::Shutdown => self.effects.push_back(Effect::Stopped),
                Input::JobDone(_)
                | Input::NotifyFinished { .. }
                | Input::FileWritten { .. }
                | Input::DiskAils { .. }
                | Input::DescribeRules(_)
                | Input::KeepRules(_)
                | Input::Mesh(_) => {}
            }
        }

        fn handle_timeout(&mut self, now: Now) {
            self.fired.lock().unwrap().push(now.mono);
            if !self.stuck {
                self.due = None;
            }
            if self.busy {
                let (to, reply) = (ReplyTo(u64::MAX), Reply::AlertsStored);
                self.effects.push_back(Effect::Reply { to, reply });
            }
        }

        fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
            self.due.map(|due| (due, "double"))
        }

        fn poll_effect(&mut self) -> Option<Effect> {
            self.effects.pop_front()
        }
    }

    struct Saves {
        results: handle::Results,
        finished: Arc<Mutex<bool>>,
    }

    impl World for Saves {
        fn perform(&mut self, effect: Effect) {
            if let Effect::Save(SaveBatch {
                ticket: Some(ticket),
                ..
            }) = effect
            {
                self.results.send(Input::Saved {
                    ticket,
                    result: Ok(()),
                });
            }
        }

        fn finish(self) {
            *self.finished.lock().unwrap() = true;
        }
    }

    struct Running {
        handle: Handle,
        stats: Arc<LoopStats>,
        finished: Arc<Mutex<bool>>,
        thread: thread::JoinHandle<()>,
    }

    fn running(machine: Double) -> Running {
        let (handle, inbox) = handle::channel();
        let finished = Arc::default();
        let world = Saves {
            results: handle.results(),
            finished: Arc::clone(&finished),
        };
        let stats = Arc::<LoopStats>::default();
        let clock = Clock::start(SignedDuration::ZERO);
        let thread = start(machine, world, clock, inbox, Arc::clone(&stats)).unwrap();
        Running {
            handle,
            stats,
            finished,
            thread,
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn answers_requests_in_any_number_and_stops_when_told() {
        let running = running(Double::default());
        block_on(async {
            let asked: Vec<_> = (0..1000)
                .map(|i| {
                    let handle = running.handle.clone();
                    tokio::task::spawn(async move {
                        let request = if i % 2 == 0 {
                            Request::ExpireSilence("x".into())
                        } else {
                            Request::View
                        };
                        handle.request(request).await
                    })
                })
                .collect();
            let _ = asked;
        });
        block_on(async {
            for _ in 0..3 {
                let request = Request::ExpireSilence("x".into());
                let reply = running.handle.request(request).await;
                assert!(matches!(reply, Reply::SilenceExpired(Ok(()))), "{reply:?}");
            }
            assert!(running.handle.view().await.is_none());
            assert!(running.handle.ping().await);
            assert!(running.stats.steps.count() >= 7);
            running.handle.shut_down();
        });
        running.thread.join().unwrap();
        assert!(*running.finished.lock().unwrap());
        let late = block_on(running.handle.request(Request::View));
        assert!(matches!(late, Reply::Refused(_)));
        assert!(!block_on(running.handle.ping()));
    }

    #[test]
    fn ends_with_the_last_handle() {
        let Running { handle, thread, .. } = running(Double::default());
        drop(handle);
        thread.join().unwrap();
    }

    #[test]
    fn wakes_for_timers_not_before_they_are_due() {
        let fired = Arc::<Mutex<Vec<Duration>>>::default();
        let due = Duration::from_millis(30);
        let running = running(Double {
            due: Some(due),
            fired: Arc::clone(&fired),
            ..Double::default()
        });
        while fired.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        assert!(fired.lock().unwrap()[0] >= due);
        running.handle.shut_down();
        running.thread.join().unwrap();
    }

    #[test]
    fn a_timer_that_does_not_advance_does_not_stop_the_loop() {
        let fired = Arc::<Mutex<Vec<Duration>>>::default();
        let running = running(Double {
            due: Some(Duration::ZERO),
            fired: Arc::clone(&fired),
            stuck: true,
            ..Double::default()
        });
        while fired.lock().unwrap().len() < MAX_SPINS as usize {
            thread::yield_now();
        }
        assert!(block_on(running.handle.ping()));
        running.handle.shut_down();
        running.thread.join().unwrap();
    }

    #[test]
    fn work_that_takes_many_steps_is_not_slowed_down() {
        let fired = Arc::<Mutex<Vec<Duration>>>::default();
        let running = running(Double {
            due: Some(Duration::ZERO),
            fired: Arc::clone(&fired),
            stuck: true,
            busy: true,
            ..Double::default()
        });
        // At one step per pause this would take half an hour.
        while fired.lock().unwrap().len() < 20 * MAX_SPINS as usize {
            thread::yield_now();
        }
        running.handle.shut_down();
        running.thread.join().unwrap();
    }
}
