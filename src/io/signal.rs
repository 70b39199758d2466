//! SIGTERM and SIGINT to stop, SIGHUP to reload.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

use super::task;

/// What the process is told from outside.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<Notify>,
    reload: Arc<Notify>,
}

impl Signals {
    /// Takes the signals over. A second one to stop ends the process at once, as it does Alertmanager.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen(runtime: &runtime::Handle) -> io::Result<Self> {
        let _context = runtime.enter();
        let stop = Arc::<Notify>::default();
        let reload = Arc::<Notify>::default();
        let asked = Arc::<AtomicBool>::default();
        for (kind, code) in [
            (SignalKind::terminate(), 143),
            (SignalKind::interrupt(), 130),
        ] {
            let signals = signal(kind)?;
            let stopping = stopping(signals, Arc::clone(&stop), Arc::clone(&asked), code);
            task::spawn(runtime, "signals", stopping);
        }
        let hangups = signal(SignalKind::hangup())?;
        task::spawn(runtime, "signals", reloading(hangups, Arc::clone(&reload)));
        Ok(Self { stop, reload })
    }

    /// Waits for SIGTERM or SIGINT.
    pub async fn stop(&self) {
        self.stop.notified().await;
    }

    /// Waits for SIGHUP; those that come while one is worked on count as one.
    pub async fn reload(&self) {
        self.reload.notified().await;
    }
}

async fn stopping(mut signals: Signal, stop: Arc<Notify>, asked: Arc<AtomicBool>, code: i32) {
    while signals.recv().await.is_some() {
        if asked.swap(true, Relaxed) {
            end(code);
        }
        stop.notify_one();
    }
}

#[expect(clippy::exit, reason = "a second signal means at once")]
fn end(code: i32) {
    std::process::exit(code);
}

async fn reloading(mut signals: Signal, reload: Arc<Notify>) {
    while signals.recv().await.is_some() {
        reload.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_wake_who_waits_for_them() {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let signals = Signals::listen(&runtime::Handle::current()).unwrap();
            let raise = async |name: &str| {
                let pid = std::process::id().to_string();
                let command = format!("kill -{name} {pid}");
                let status = std::process::Command::new("sh")
                    .args(["-c", &command])
                    .status();
                assert!(status.unwrap().success());
            };
            raise("HUP").await;
            raise("HUP").await;
            signals.reload().await;
            raise("TERM").await;
            signals.stop().await;
        });
    }
}
