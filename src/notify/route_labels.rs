//! Route labels: templates of the route, rendered once for each flush against all alerts of the group
//! (`renderRouteLabels` of `dispatch/dispatch.go`, v0.34).
//!
//! A label whose template fails is left out, as upstream does, and the notification says so.

use std::{cell::OnceCell, collections::BTreeMap, sync::Arc};

use crate::{
    alert::Alert,
    config::Texts,
    labels::LabelSet,
    template::{Limits, Scope},
    time::Timestamp,
};

/// Labels are short, and there is one rendering for each on the way of every notification.
const LIMITS: Limits = Limits {
    output: 64 << 10,
    steps: 2_000_000,
    depth: 100,
};

/// The labels of a route by name.
pub(crate) type Labels = Arc<BTreeMap<Arc<str>, Arc<str>>>;

/// The group whose route has labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// The route's.
    pub(crate) receiver: &'a str,
    /// What the group shares.
    pub(crate) group_labels: &'a LabelSet,
    /// As they are written.
    pub(crate) route_labels: &'a Labels,
    /// `--web.external-url` without a trailing slash.
    pub(crate) external_url: &'a Arc<str>,
    /// The words of the configuration.
    pub(crate) texts: &'a Texts,
    /// The alerts are seen at this time.
    pub(crate) at: Timestamp,
}

/// Renders the labels when the first asks for them.
#[derive(Debug)]
pub(super) struct Flush<'a> {
    batch: Batch<'a>,
    /// Empty where no label is a template.
    alerts: Vec<Arc<Alert>>,
    rendered: OnceCell<(Labels, Arc<str>)>,
}

impl<'a> Flush<'a> {
    pub(super) fn new(batch: Batch<'a>, alerts: &[Arc<Alert>]) -> Self {
        let alerts = if are_templates(batch.route_labels) {
            alerts.to_vec()
        } else {
            Vec::new()
        };
        Self {
            batch,
            alerts,
            rendered: OnceCell::new(),
        }
    }

    /// The labels, and which of them failed and how.
    pub(super) fn labels(&self) -> (Labels, Arc<str>) {
        let rendered = self
            .rendered
            .get_or_init(|| render(self.batch, self.alerts.iter()));
        rendered.clone()
    }
}

/// Renders the labels against the alerts of the group, which are sorted; says which of them failed and how.
pub(crate) fn render<'a>(
    batch: Batch<'_>,
    alerts: impl Iterator<Item = &'a Arc<Alert>>,
) -> (Labels, Arc<str>) {
    let labels = batch.route_labels;
    if !are_templates(labels) {
        return (Arc::clone(labels), Arc::default());
    }
    let scope = Scope {
        zone: batch.texts.timezone().clone(),
        limits: LIMITS,
        ..Scope::new(super::render::batch(batch, alerts), batch.at)
    };
    let written = LabelSet::from_pairs(labels.iter());
    let mut rendered = BTreeMap::clone(labels);
    let mut problems = Vec::new();
    for (name, value) in batch.texts.library().route_labels(&written, &scope) {
        match value {
            Ok(value) => {
                rendered.insert(name, value);
            }
            Err(error) => {
                rendered.remove(&name);
                problems.push(format!("route label {name} failed: {error}"));
            }
        }
    }
    (Arc::new(rendered), problems.join("; ").into())
}

fn are_templates(labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
    labels.values().any(|value| value.contains("{{"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadEnv, load};

    fn rendered(labels: &str) -> (String, String) {
        let text = format!(
            "route: {{receiver: 'a.b', group_by: [alertname], labels: {labels}}}\nreceivers: [{{name: 'a.b'}}]\n"
        );
        let config = load(text.as_bytes(), &LoadEnv::default()).unwrap();
        let alerts: Vec<Arc<Alert>> = ["x", "y"]
            .into_iter()
            .map(|instance| {
                let labels = LabelSet::from_pairs([("alertname", "A"), ("instance", instance)]);
                Arc::new(Alert {
                    fingerprint: labels.fingerprint(),
                    labels,
                    annotations: LabelSet::default(),
                    starts_at: Timestamp::ZERO,
                    ends_at: Timestamp::ZERO,
                    updated_at: Timestamp::ZERO,
                    generator_url: "".into(),
                    timeout: false,
                })
            })
            .collect();
        let batch = Batch {
            receiver: "a.b",
            group_labels: &LabelSet::from_pairs([("alertname", "A")]),
            route_labels: &config.route.labels,
            external_url: &"http://am".into(),
            texts: &config.texts,
            at: Timestamp::ZERO,
        };
        let (labels, problems) = render(batch, alerts.iter());
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        (labels.join(","), problems.to_string())
    }

    #[test]
    fn labels_refer_to_the_batch_and_to_each_other() {
        let cases = [
            ("{a: plain, b: ''}", "a=plain,b=", ""),
            (
                r#"{a: '{{ len .Alerts }} {{ .Receiver }} {{ .GroupLabels.alertname }} {{ .NotificationReason }}'}"#,
                r"a=2 a\.b A unknown",
                "",
            ),
            (
                r#"{a: '<{{ routeLabels "b" }}>', b: '{{ routeLabels "c" }}{{ routeLabels "none" }}', c: '{{ .Status }}'}"#,
                "a=<firing>,b=firing,c=firing",
                "",
            ),
        ];
        for (labels, expect, problems) in cases {
            assert_eq!(
                rendered(labels),
                (expect.to_owned(), problems.to_owned()),
                "{labels}"
            );
        }
    }

    #[test]
    fn a_label_that_fails_is_left_out_and_told() {
        let (labels, problems) = rendered(
            r#"{a: '{{ routeLabels "b" }}', b: '{{ routeLabels "a" }}', c: 'x{{ "y" }}'}"#,
        );
        assert_eq!(labels, "c=xy");
        assert!(
            problems.contains("route label cycle detected: a -> b -> a"),
            "{problems}"
        );
        assert!(problems.contains("route label b failed"), "{problems}");
        let chain: Vec<String> = (0..40)
            .map(|i| format!(r#"l{i:02}: '{{{{ routeLabels "l{:02}" }}}}'"#, i + 1))
            .collect();
        let (_, problems) = rendered(&format!("{{{}}}", chain.join(", ")));
        assert!(problems.contains("too deep"), "{problems}");
    }
}
