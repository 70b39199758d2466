//! What the node measures of itself, for rules and queries.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::MissedTickBehavior;

use crate::{
    api::{ApiState, own_samples},
    federation::{OwnMetrics, PartitionsUp},
    io::{Clock, federation::Federation},
};

/// How often it is measured: four points in a window of a minute.
const EVERY: Duration = Duration::from_secs(15);

/// Measures as long as the federation is in use.
pub(super) async fn measure(state: ApiState, federation: Weak<Federation>, clock: Clock) {
    let mut own = OwnMetrics::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(federation) = federation.upgrade() else {
            return;
        };
        // A node that does not answer has other troubles; the series end by themselves.
        if let Some((samples, meanings)) = own_samples(&state).await {
            own.take(samples, clock.now().wall.unix_millis());
            let up = PartitionsUp::of(&own);
            federation.set_own(vec![Arc::new(own.clone()), Arc::new(up)], meanings);
        }
    }
}
