//! Sources of alerts that post as Prometheus does.

use std::{collections::BTreeMap, time::Duration};

use watchfire::{alert::Alert, labels::LabelSet, time::Timestamp};

/// A resolved alert is posted again for so long.
const RESOLVED_FOR: Duration = Duration::from_secs(15 * 60);

/// To whom a source posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Targets {
    All,
    Some(Vec<usize>),
    /// To one that answers, each time another.
    Balanced,
}

/// One alert at its source.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) starts_at: Timestamp,
    /// When it resolved, by the simulation's clock and by the wall's.
    pub(crate) ended: Option<(Duration, Timestamp)>,
    /// Since when, by the simulation's clock, it is as it is.
    pub(crate) since: Duration,
}

/// A source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) targets: Targets,
    pub(crate) refresh: Duration,
    /// Tells resolves; one that does not just stops.
    pub(crate) tells_resolves: bool,
    pub(crate) alerts: BTreeMap<String, Active>,
    /// When it posted, and to whom.
    pub(crate) posts: Vec<(Duration, usize)>,
}

impl Source {
    pub(crate) fn new(targets: Targets, refresh: Duration) -> Self {
        Self {
            targets,
            refresh,
            tells_resolves: true,
            alerts: BTreeMap::new(),
            posts: Vec::new(),
        }
    }

    /// For how long a post says that an alert fires.
    pub(crate) fn life(&self) -> Duration {
        self.refresh * 4
    }

    pub(crate) fn fire(&mut self, name: &str, clock: Duration, wall: Timestamp) {
        let fires = self
            .alerts
            .get(name)
            .is_some_and(|alert| alert.ended.is_none());
        if !fires {
            let alert = Active {
                starts_at: wall,
                ended: None,
                since: clock,
            };
            self.alerts.insert(name.to_owned(), alert);
        }
    }

    pub(crate) fn resolve(&mut self, name: &str, clock: Duration, wall: Timestamp) {
        if let Some(alert) = self.alerts.get_mut(name)
            && alert.ended.is_none()
        {
            alert.ended = Some((clock, wall));
            alert.since = clock;
        }
    }

    pub(crate) fn fires(&self, name: &str) -> bool {
        self.alerts
            .get(name)
            .is_some_and(|alert| alert.ended.is_none())
    }

    /// What is posted now, as the interface of a node hands it on.
    pub(crate) fn post(
        &self,
        clock: Duration,
        wall: Timestamp,
        receiver_wall: Timestamp,
    ) -> Vec<Alert> {
        let mut posted = Vec::new();
        for (name, alert) in &self.alerts {
            let ends_at = match alert.ended {
                None => wall.plus(self.life()),
                Some((at, ended)) if self.tells_resolves && at + RESOLVED_FOR > clock => ended,
                Some(_) => continue,
            };
            let labels = LabelSet::from_pairs([("alertname", name.as_str())]);
            posted.push(Alert {
                fingerprint: labels.fingerprint(),
                labels,
                annotations: LabelSet::empty(),
                generator_url: "".into(),
                starts_at: alert.starts_at,
                ends_at,
                updated_at: receiver_wall,
                timeout: false,
            });
        }
        posted
    }
}
