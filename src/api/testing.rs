//! A node for tests of the handlers: one tenant behind a lock, at a fixed time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request as HttpRequest, StatusCode},
};
use tower::ServiceExt;

use super::{
    About, ApiState, Backend, Sources,
    prometheus::{
        Answering, ApiFailure, ErrorType, Found, GlobalAnswer, GlobalQuery, Lookup, LookupScope,
        Querier,
    },
    router,
};
use crate::{
    cluster::MeshStatus,
    config::{Config, GroupBy, InhibitRule, OnPartial, Receiver, Route, RuleOptions, load_rules},
    io::federation::{DiscoveryStatus, EndpointStatus, FederationStatus, PartitionStatus},
    labels::{LabelSet, MatchOp, Matcher, MatcherMode},
    node::{Reply, Request},
    promql::{Language, engine::Options},
    rng::Rng,
    ruler::{RuleSet, Settings as RuleSettings},
    silence::SilenceLimits,
    tenant::{Saved, Tenant, TenantSettings, View},
    time::{Now, Timestamp},
};

/// When everything happens: 2026-11-21T19:00:00Z.
pub(super) fn now() -> Now {
    Now {
        mono: Duration::from_secs(100),
        wall: Timestamp::from_unix(1_795_287_600, 0),
    }
}

pub(super) struct TestNode {
    pub(super) tenant: Mutex<Tenant>,
    /// Changes views before they are handed out.
    pub(super) adorn: fn(&mut View),
}

/// A node alone in its mesh.
pub(super) fn alone(view: &mut View) {
    view.mesh = Some(Arc::new(MeshStatus {
        name: "n1".into(),
        advertise: "127.0.0.1:9094".into(),
        electors: vec!["n1".into()],
        epoch: 1,
        has_quorum: true,
        ..MeshStatus::default()
    }));
}

impl Backend for TestNode {
    fn request(&self, request: Request) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        let mut tenant = self.tenant.lock().unwrap();
        let reply = match request {
            Request::PostAlerts { alerts, .. } => {
                for alert in alerts {
                    tenant.post(alert, now());
                }
                Reply::AlertsStored
            }
            Request::SetSilence(draft) => {
                Reply::SilenceSet(tenant.set_silence(draft, now()).map(|(id, _)| id))
            }
            Request::ExpireSilence(id) => {
                Reply::SilenceExpired(tenant.expire_silence(&id, now()).map(|_| ()))
            }
            Request::View => {
                let mut view = tenant.view(now());
                (self.adorn)(&mut view);
                Reply::View(Arc::new(view))
            }
            Request::Reload(_) => Reply::Refused("not here".to_owned()),
        };
        Box::pin(std::future::ready(reply))
    }
}

/// Two receivers, one route for `team="db"`, and critical inhibits warning.
pub(super) fn config() -> Config {
    let matcher = |name: &str, value: &str| Matcher::new(MatchOp::Equal, name, value).unwrap();
    let receiver = |name: &str| {
        Arc::new(Receiver {
            name: name.into(),
            labels: [("name".into(), name.into())].into(),
            integrations: Vec::new(),
        })
    };
    let route = |receiver: &str, matchers: Vec<Matcher>| Route {
        receiver: receiver.into(),
        group_by: GroupBy::Labels(Arc::from([Arc::from("alertname")])),
        matchers,
        ..Route::default()
    };
    Config {
        route: Route {
            routes: vec![route("dbhook", vec![matcher("team", "db")])],
            ..route("hook", vec![])
        },
        receivers: vec![receiver("hook"), receiver("dbhook")],
        inhibit_rules: vec![Arc::new(InhibitRule {
            name: "crit".into(),
            source: vec![matcher("severity", "critical")],
            target: vec![matcher("severity", "warning")],
            equal: Arc::from([Arc::from("alertname")]),
        })],
        original: "route:\n  receiver: hook\n".to_owned(),
        ..Config::default()
    }
}

pub(super) fn tenant(config: Config) -> Tenant {
    let settings = TenantSettings {
        tenant: "anonymous".into(),
        node: "n1".into(),
        retention: Duration::from_secs(3600),
        maintenance_interval: Duration::from_secs(900),
        gc_interval: Duration::from_secs(1800),
        per_alertname_limit: 0,
        silence_limits: SilenceLimits::default(),
        log_silences: false,
        start_delay: Duration::ZERO,
        external_url: "http://am".into(),
        cluster_label: "".into(),
        history_limits: Default::default(),
    };
    let rng = Rng::from_seed(1);
    Tenant::new(settings, Arc::new(config), Saved::default(), rng, now())
}

/// The whole API over a tenant.
pub(super) fn api_over(tenant: Tenant) -> (ApiState, Router) {
    api_with_views(tenant, alone, false)
}

/// The whole API over a tenant whose views are changed; `ready_always` as the flag.
pub(super) fn api_with_views(
    tenant: Tenant,
    adorn: fn(&mut View),
    ready_always: bool,
) -> (ApiState, Router) {
    let about = About {
        started_at: now().wall,
        matcher_mode: MatcherMode::Fallback,
        warnings: vec!["a warning".to_owned()],
        ready_always,
        language: Language::default(),
    };
    let state = ApiState::new(
        Arc::new(TestNode {
            tenant: Mutex::new(tenant),
            adorn,
        }),
        now,
        about,
        Sources::default(),
    );
    (state.clone(), router(state))
}

pub(super) fn api() -> Router {
    api_over(tenant(config())).1
}

/// The whole API over a node whose receiver `team` has these integrations, and that may try them out.
pub(super) fn api_with_receiver(integrations: &str) -> Router {
    let text = format!("route: {{receiver: team}}\nreceivers:\n- name: team\n  {integrations}\n");
    let config = crate::config::load(text.as_bytes(), &Default::default()).unwrap();
    let (state, _) = api_over(tenant(config));
    let clock = crate::io::Clock::start(jiff::SignedDuration::ZERO);
    router(state.with_trials(crate::api::Trials {
        senders: Arc::new(crate::io::Senders::new(clock)),
        external_url: "http://am".into(),
        running: Arc::new(tokio::sync::Semaphore::new(1)),
    }))
}

/// Endpoints of which this is known, and that answer nothing.
struct Known(FederationStatus);

impl Known {
    fn refuse<T: Send + 'static>() -> Answering<'static, T> {
        let failure = ApiFailure::new(ErrorType::Unavailable, "not here");
        Box::pin(std::future::ready(Err(failure)))
    }
}

impl Querier for Known {
    fn query(&self, _query: GlobalQuery) -> Answering<'_, GlobalAnswer> {
        Self::refuse()
    }

    fn lookup(&self, _: Lookup, _: LookupScope) -> Answering<'_, (Found, Vec<String>)> {
        Self::refuse()
    }

    fn metadata(&self, _: Option<String>) -> Answering<'_, (serde_json::Value, Vec<String>)> {
        Self::refuse()
    }

    fn exemplars(&self, _: LookupScope) -> Answering<'_, (serde_json::Value, Vec<String>)> {
        Self::refuse()
    }

    fn status(&self) -> FederationStatus {
        self.0.clone()
    }
}

/// The whole API over a node whose endpoints do like this.
pub(super) fn querying(status: FederationStatus) -> Router {
    let (state, _) = api_over(tenant(config()));
    router(state.with_querier(Arc::new(Known(status))))
}

/// A partition that is well but for a replica, one that is missing, one that is optional, and one that nobody asked yet.
pub(super) fn endpoint_status() -> FederationStatus {
    let endpoint = |name: &str, up: Option<bool>| EndpointStatus {
        name: name.to_owned(),
        replica: "r".to_owned(),
        url: "http://a:9090".to_owned(),
        kind: "prometheus",
        version: "3.14.0".to_owned(),
        preferred: true,
        up,
        last_answer: Some(now().wall),
        last_error: (up == Some(false)).then(|| (now().wall, "it answers 500".to_owned())),
        requests: Arc::default(),
    };
    let partition = |cluster: &str, up, optional, endpoints| PartitionStatus {
        labels: LabelSet::from_pairs([("cluster", cluster)]),
        optional,
        up,
        endpoints,
    };
    let pair = vec![endpoint("eu-a", Some(true)), endpoint("eu-b", Some(false))];
    FederationStatus {
        partitions: vec![
            partition("eu", Some(true), false, pair),
            partition("us", Some(false), false, vec![endpoint("us", Some(false))]),
            partition("old", Some(false), true, vec![endpoint("old", Some(false))]),
            partition("new", None, false, vec![endpoint("new", None)]),
        ],
        discoveries: vec![DiscoveryStatus {
            name: "thanos".to_owned(),
            endpoints: Some(2),
            error: Some("a.yml: it is gone".to_owned()),
            failures: 3,
        }],
        remarks: vec!["it counts twice".to_owned()],
        ..FederationStatus::default()
    }
}

/// An answer, its body as text.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

pub(super) async fn ask(
    api: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = HttpRequest::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = api.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(super) async fn get(api: &Router, path: &str) -> Answer {
    ask(api, "GET", path, &[], "").await
}

pub(super) async fn post(api: &Router, path: &str, body: &str) -> Answer {
    let json = [("content-type", "application/json")];
    ask(api, "POST", path, &json, body).await
}

/// Rules of one file under the ruler's defaults.
pub(super) fn rule_set(text: &str) -> Arc<RuleSet> {
    rule_set_of(&[("rules.yml", text)])
}

/// The same of files, by their paths.
pub(super) fn rule_set_of(files: &[(&str, &str)]) -> Arc<RuleSet> {
    let options = RuleOptions::default();
    let files = files.iter();
    let files = files.map(|(path, text)| load_rules(path, text.as_bytes(), &options).unwrap());
    let settings = RuleSettings {
        interval: Duration::from_secs(60),
        query_offset: Duration::ZERO,
        on_partial: OnPartial::Hold,
        hold_for: Duration::from_secs(3600),
        resend_delay: Duration::from_secs(60),
        look_back: false,
        external_labels: LabelSet::empty(),
        copied: LabelSet::empty(),
        external_url: "http://am".into(),
        options: Options {
            lookback: 300_000,
            subquery_step: 60_000,
            max_samples: 1_000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
        },
        features: Language::default().features,
    };
    Arc::new(RuleSet::new(files.collect(), settings))
}
