//! What the service manager is told (systemd, `Type=notify`): ready, reloading, stopping, and that the node lives.
//!
//! Without a service manager nothing of it does anything.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime;

use super::{handle::Handle, task};

/// The node serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        // Without the time systemd 253 takes the reload as failed, so it is better not told.
        Err(error) => tracing::debug!(%error, "the service manager was not told of a reload"),
    }
}

/// The node goes down.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the service manager that the node lives, each time the loop answers; if it does not, the service is restarted.
/// Does nothing where no watchdog is asked for.
pub fn watch(runtime: &runtime::Handle, handle: Handle) {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return;
    };
    let period = (patience / 3).max(Duration::from_millis(100));
    task::spawn(runtime, "watchdog", async move {
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            if !handle.ping().await {
                return;
            }
            tell(&[NotifyState::Watchdog]);
        }
    });
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
