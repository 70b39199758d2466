//! Configurations for the simulated world, with short intervals.

use std::{sync::Arc, time::Duration};

use watchfire::{
    config::{
        Ambiguous, Config, Delivery, GroupBy, InhibitRule, Integration, IntegrationKind, Receiver,
        Route, Secret, Settings, WebhookConfig,
    },
    labels::{MatchOp, Matcher},
};

/// Builds a configuration: group wait 10 s, group interval 60 s, repeat 10 min, grouped by nothing, one webhook.
pub(crate) struct ConfigBuilder {
    config: Config,
    integrations: Vec<Arc<Integration>>,
}

/// An integration that is told of resolves.
pub(crate) fn integration(kind: IntegrationKind, index: u32) -> Integration {
    let webhook = WebhookConfig {
        url: Secret::new("http://receiver.test/"),
        ..WebhookConfig::default()
    };
    Integration {
        kind,
        index,
        send_resolved: true,
        resolve_when_muted: true,
        delivery: Delivery {
            minority_delay: None,
            ambiguous: Ambiguous::Retry,
            idempotent: false,
        },
        rate_limit: None,
        fallback_text: true,
        settings: Settings::Webhook(webhook),
    }
}

impl ConfigBuilder {
    pub(crate) fn new() -> Self {
        let route = Route {
            receiver: "page".into(),
            group_by: GroupBy::Labels(Arc::default()),
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(60),
            repeat_interval: Duration::from_secs(600),
            ..Route::default()
        };
        let integrations = vec![Arc::new(integration(IntegrationKind::Webhook, 0))];
        Self {
            config: Config {
                route,
                ..Config::default()
            },
            integrations,
        }
    }

    pub(crate) fn integrations(mut self, list: Vec<Integration>) -> Self {
        self.integrations = list.into_iter().map(Arc::new).collect();
        self
    }

    pub(crate) fn group_by(mut self, labels: &[&str]) -> Self {
        self.config.route.group_by =
            GroupBy::Labels(labels.iter().map(|label| Arc::from(*label)).collect());
        self
    }

    /// Told so long after it comes, its changes so far apart, and again after four hours.
    pub(crate) fn paced(mut self, group_wait: Duration, group_interval: Duration) -> Self {
        let route = &mut self.config.route;
        route.group_wait = group_wait;
        route.group_interval = group_interval;
        route.repeat_interval = Duration::from_secs(4 * 3600);
        self
    }

    /// Alerts named `target` are muted while one named `source` fires.
    pub(crate) fn inhibit(mut self, source: &str, target: &str) -> Self {
        let named = |name| vec![Matcher::new(MatchOp::Equal, "alertname", name).unwrap()];
        let rule = InhibitRule {
            name: "".into(),
            source: named(source),
            target: named(target),
            equal: Arc::default(),
        };
        self.config.inhibit_rules.push(Arc::new(rule));
        self
    }

    /// Adds a route for alerts of that name, otherwise like the root.
    pub(crate) fn route(mut self, name: &str) -> Self {
        let matchers = vec![Matcher::new(MatchOp::Equal, "alertname", name).unwrap()];
        let route = Route {
            matchers,
            routes: vec![],
            ..self.config.route.clone()
        };
        self.config.route.routes.push(route);
        self
    }

    pub(crate) fn edit(mut self, edit: impl FnOnce(&mut Config)) -> Self {
        edit(&mut self.config);
        self
    }

    pub(crate) fn build(mut self) -> Arc<Config> {
        let receiver = Receiver {
            name: "page".into(),
            labels: Default::default(),
            integrations: self.integrations,
        };
        self.config.receivers.push(Arc::new(receiver));
        Arc::new(self.config)
    }
}
