//! The signals of the process.

use std::{future::Future, io};

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::spawn;

/// Runs `reload` for each `SIGHUP`; those that come during a run are one.
///
/// # Errors
/// When the system refuses.
pub fn on_hangup<F>(
    runtime: &runtime::Handle,
    mut reload: impl FnMut() -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send,
{
    let _entered = runtime.enter();
    let mut hangups = signal(SignalKind::hangup())?;
    spawn(runtime, "signals", async move {
        while hangups.recv().await.is_some() {
            reload().await;
        }
    });
    Ok(())
}

/// Yields once for each `SIGTERM` and `SIGINT`.
#[derive(Debug)]
pub struct StopSignals(mpsc::Receiver<()>);

impl StopSignals {
    /// Takes the signals from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen(runtime: &runtime::Handle) -> io::Result<Self> {
        let _entered = runtime.enter();
        let (sender, receiver) = mpsc::channel(2);
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let mut signals = signal(kind)?;
            let sender = sender.clone();
            spawn(runtime, "signals", async move {
                while signals.recv().await.is_some() {
                    // A third signal says nothing new.
                    let _ = sender.try_send(());
                }
            });
        }
        Ok(Self(receiver))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
