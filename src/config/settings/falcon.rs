//! `falcon_configs`: metrics pushed to an Open-Falcon agent, or a Falcon-style gateway. Watchfire's own.

use std::{sync::Arc, time::Duration};

use super::entry::{HttpField, Inherit, inherit_http};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{HiddenUrl, Name, Named, Place, PromDuration, Reader},
    section::section,
};

section! {
    /// `falcon_configs[]`
    pub FalconConfig in "config.FalconConfig", check check_falcon {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The agent or gateway.
        url: Secret as HiddenUrl,
        /// What is sent.
        mode: FalconMode as Name<FalconMode>,
        /// The endpoint of a metric.
        endpoint: String = r#"{{ template "falcon.default.endpoint" . }}"#,
        /// The name of a metric.
        metric: String = r#"{{ template "falcon.default.metric" . }}"#,
        /// The distance of a metric's points.
        step: Duration as PromDuration = Duration::from_secs(60),
        /// The tags of a metric, `k=v,k2=v2`.
        tags: String = r#"{{ template "falcon.default.tags" . }}"#,
        /// Who is told through a gateway, separated by commas.
        tos: String,
        /// The subject of a mail through a gateway; none is sent if empty.
        subject: String,
        /// The text of a message through a gateway.
        content: String = r#"{{ template "falcon.default.content" . }}"#,
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FalconMode {
    /// `push`: a metric to an agent.
    #[default]
    Push,
    /// `form`: a message to a gateway.
    Form,
}

impl Named for FalconMode {
    const NAMES: &'static [(&'static str, Self)] = &[("push", Self::Push), ("form", Self::Form)];

    fn unknown(word: &str) -> String {
        format!("mode of falcon_configs must be push or form, not {word:?}")
    }
}

fn check_falcon(config: &mut FalconConfig, place: &Place, reader: &mut Reader<'_>) {
    if config.url.is_empty() {
        reader.deny(place.at, "missing url in falcon_configs");
    } else if config.mode == FalconMode::Form && config.tos.is_empty() {
        reader.deny(place.at, "missing tos in falcon_configs with mode form");
    } else if config.step.is_zero() {
        reader.deny(place.of("step"), "step of falcon_configs cannot be zero");
    }
}

impl Inherit for FalconConfig {
    fn meant(key: &str) -> Option<&'static str> {
        Some(match key {
            "apiurl" | "webhookurl" | "address" | "agent" => "url: 'http://127.0.0.1:1988/v1/push'",
            "to" | "receivers" | "users" => "tos",
            "message" | "text" | "body" => "content",
            "title" => "subject",
            _ => return None,
        })
    }

    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }
}
