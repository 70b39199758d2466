//! Tasks and threads with names, whose panics are told; and the pool that runs the node's jobs.

use std::{
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Context, Poll},
    thread,
};

use tokio::runtime;

/// Runs a future on the runtime; if it panics, that is logged with the name and nothing else ends.
pub fn spawn(
    runtime: &runtime::Handle,
    name: &'static str,
    future: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    runtime.spawn(Guarded {
        name,
        future: Box::pin(future),
    })
}

/// Runs a function on its own thread.
///
/// # Errors
/// When the system has no thread left.
pub fn spawn_thread(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

struct Guarded<F> {
    name: &'static str,
    future: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Guarded<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let name = self.name;
        let future = self.future.as_mut();
        // A future that panicked is not polled again: this one is then ready.
        if let Ok(poll) = catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            return poll;
        }
        tracing::error!(
            task = name,
            "this is a bug: a task ended by a panic; the rest runs on"
        );
        Poll::Ready(())
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// Threads that run pure work beside the loop. Its queue is as long as the work that the node has begun.
#[derive(Debug)]
pub struct Pool {
    queue: mpsc::Sender<Work>,
}

impl Pool {
    /// Starts `threads` threads, at least one; they end when the pool is dropped and its queue is empty.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (queue, work) = mpsc::channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        for _ in 0..threads.max(1) {
            let work = Arc::clone(&work);
            spawn_thread("worker", move || {
                loop {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(next) = next else { return };
                    if catch_unwind(AssertUnwindSafe(next)).is_err() {
                        tracing::error!(
                            "this is a bug: a job panicked; what waits for it stays undone"
                        );
                    }
                }
            })?;
        }
        Ok(Self { queue })
    }

    /// Queues work.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        // The threads outlive the sender, so this cannot fail.
        let _ = self.queue.send(Box::new(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stops_neither_the_pool_nor_other_tasks() {
        let pool = Pool::start(1).unwrap();
        let (done, result) = mpsc::channel();
        pool.run(|| panic!("on purpose"));
        pool.run(move || done.send(7).unwrap());
        assert_eq!(result.recv(), Ok(7));

        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bad = spawn(runtime.handle(), "bad", async { panic!("on purpose") });
            assert!(bad.await.is_ok());
        });
    }
}
