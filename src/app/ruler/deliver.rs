//! Alerts of rules on their way into the node, in process, in order, without HTTP; and to other Alertmanagers.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::{
    alert::Alert,
    io::{Clock, Handle, alertmanagers::Alertmanagers},
    labels::{Relabel, relabel},
    node::{Reply, Request},
    ruler::Told,
};

/// Takes alerts of rules to the node.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    queue: mpsc::UnboundedSender<Vec<Told>>,
    relabel: Arc<Mutex<Arc<[Relabel]>>>,
}

impl Delivery {
    /// Delivers until all clones are gone; the future is to be spawned.
    pub(super) fn new(
        node: Handle,
        others: Arc<Alertmanagers>,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()>) {
        let (queue, mut told) = mpsc::unbounded_channel::<Vec<Told>>();
        let rules: Arc<Mutex<Arc<[Relabel]>>> = Arc::new(Mutex::new(Arc::new([])));
        let shared = Arc::clone(&rules);
        let deliver = async move {
            while let Some(told) = told.recv().await {
                let rules = Arc::clone(&shared.lock().unwrap_or_else(PoisonError::into_inner));
                let now = clock.now().wall;
                let alert = |told: Told| alert_of(told, &rules, now);
                let alerts: Vec<Alert> = told.into_iter().filter_map(alert).collect();
                if alerts.is_empty() {
                    continue;
                }
                others.tell(&alerts);
                let count = alerts.len();
                let request = Request::PostAlerts { alerts, invalid: 0 };
                if let Reply::Refused(reason) = node.request(request).await {
                    tracing::error!(
                        reason,
                        alerts = count,
                        "alerts of rules did not get to the notifications of this node: what fires is told again every \
                         resend_delay"
                    );
                }
            }
        };
        let delivery = Self {
            queue,
            relabel: rules,
        };
        (delivery, deliver)
    }

    /// Takes other `alert_relabel_configs`.
    pub(super) fn relabel_by(&self, rules: &[Relabel]) {
        let mut place = self.relabel.lock().unwrap_or_else(PoisonError::into_inner);
        *place = rules.into();
    }

    /// Delivers alerts after those before them.
    pub(super) fn tell(&self, told: Vec<Told>) {
        // Without a node there is nobody to tell.
        let _ = self.queue.send(told);
    }
}

fn alert_of(told: Told, rules: &[Relabel], now: crate::time::Timestamp) -> Option<Alert> {
    let labels = match rules {
        [] => told.labels,
        rules => relabel(rules, &told.labels)?,
    };
    Some(Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: told.annotations,
        generator_url: told.generator_url,
        starts_at: told.starts_at,
        ends_at: told.ends_at,
        updated_at: now,
        timeout: false,
    })
}
