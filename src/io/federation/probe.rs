//! Whether endpoints answer while nobody asks.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{
    client::Federation,
    context::Context,
    question::{Ask, Times},
};

/// How long an endpoint may take to answer next to nothing.
const PATIENCE: Duration = Duration::from_secs(5);

impl Federation {
    /// Asks every endpoint that was not asked for as long as `pause` something that costs nothing.
    pub async fn probe(&self, pause: Duration) {
        let now = Instant::now();
        let deadline = now + PATIENCE;
        let context = Arc::new(Context {
            http: Arc::clone(&self.http),
            clock: self.clock,
            max_samples: 1,
        });
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
                let lookback = endpoint.config.lookback.as_millis();
                let ask = Ask {
                    partition: 0,
                    query: "vector(1)".to_owned(),
                    times: Times::At(time),
                    lookback: i64::try_from(lookback).unwrap_or(i64::MAX),
                    selects: false,
                    marks: false,
                };
                // What came of it is noted by the endpoint.
                let _ = endpoint.ask(&context, &ask, deadline).await;
            });
        }
        while asked.join_next().await.is_some() {}
    }
}
