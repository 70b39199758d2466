//! Whether endpoints answer while nobody asks.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{client::Federation, question::Ask};

/// How long an endpoint may take to tell what it is.
const PATIENCE: Duration = Duration::from_secs(5);

impl Federation {
    /// Asks every endpoint that was not asked for as long as the file's `probe_interval` something that costs nothing; to
    /// be called again and again.
    pub async fn probe(&self) {
        let pause = self.discovery.probe_interval();
        if !pause.is_zero() {
            self.probe_idle(pause).await;
        }
    }

    /// The same, for as long as `pause`.
    pub(super) async fn probe_idle(&self, pause: Duration) {
        let now = Instant::now();
        let deadline = now + PATIENCE;
        let context = self.context(1, self.limits.own_budget());
        let endpoints = self.endpoints();
        let mut asked = JoinSet::new();
        for endpoint in endpoints.all() {
            if !endpoint.is_idle(now, pause) {
                continue;
            }
            let (endpoint, context) = (Arc::clone(endpoint), Arc::clone(&context));
            asked.spawn(async move {
                endpoint.learn(&context, deadline).await;
                let time = context.clock.now().wall.unix_millis();
                let ask = Arc::new(Ask::nothing(time, endpoint.lookback()));
                // What came of it is noted by the endpoint, which is to find out whether it hangs.
                let deadline = Instant::now() + endpoint.patience() * 2;
                let _ = endpoint.ask(&context, &ask, deadline).await;
            });
        }
        while asked.join_next().await.is_some() {}
    }
}
