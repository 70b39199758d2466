//! What the service manager is told: ready, reloading, stopping, and that the loop turns.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime;

use super::{Handle, spawn};

/// Everything is loaded and listening.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A new configuration is being read; [`ready`] ends that.
pub fn reloading() {
    if let Ok(since) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, since]);
    }
}

/// The process is going down.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the service manager that the node lives, for as long as its loop answers; without a watchdog, nothing.
pub fn watch(runtime: &runtime::Handle, node: Handle) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let period = (limit / 3).max(Duration::from_millis(100));
    spawn(runtime, "watchdog", async move {
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            if !node.ping().await {
                return;
            }
            tell(&[NotifyState::Watchdog]);
        }
    });
}

fn tell(state: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(state);
}
