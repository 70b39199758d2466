//! The configuration file: what was typed, what it means, and everything that is wrong with it.
//!
//! A file becomes a tree (`yaml`), the tree becomes sections (`read`, one `section!` declaration each), sections inherit
//! and are checked where they meet (`load`), and the immutable [`Config`] comes out. Reading files is the shell's part:
//! [`References`] name what it should look at.

mod section;

mod read;

mod http;
mod matching;
mod mention;
mod secret;

mod global;
mod settings;

mod file;
mod raw_inhibit;
mod raw_interval;
mod raw_receiver;
mod raw_route;
mod raw_tracing;

mod env;
mod error;
mod load;
mod print;
mod references;
mod texts;
mod warn;
mod wording;

mod configuration;
mod inhibit;
mod receiver;
mod route;

mod cluster_tls;
mod query;
mod relabel;
mod rule_tests;
mod ruler;
mod rules;
mod web;

pub use cluster_tls::{ClusterTlsConfig, load_cluster_tls};
pub use configuration::{Config, Warning};
pub use env::LoadEnv;
pub use error::{LoadError, LoadErrors};
pub use http::{
    Authorization, BasicAuth, HttpConfig, HttpHeader, OAuth2, ProxyConfig, TlsConfig, TlsVersion,
};
pub use inhibit::InhibitRule;
pub use load::load;
pub use mention::Mention;
pub use query::{
    CacheConfig, DiscoveryConfig, DnsConfig, EndpointConfig, EndpointKind, LabelMode, LimitsConfig,
    PushdownLevel, QueryConfig, RecordType, RemoteRead, Target, TimeRange, check_endpoints,
    load_query, read_targets,
};
pub use read::HttpUrl;
pub use receiver::{Ambiguous, Delivery, Integration, RateLimit, Receiver};
pub use references::{FileFacts, FileKind, FileRef, References};
pub use route::{GroupBy, Route};
pub use rule_tests::{
    AlertTest, ExpectedAlert, ExpectedSample, ExpressionTest, RuleTest, RuleTestFile, TestAbsence,
    TestEndpoint, TestSeries, load_rule_tests,
};
pub use ruler::{
    AlertmanagerApi, AlertmanagerConfig, RemoteWriteConfig, RemoteWriteMessage, RemoteWriteQueue,
    RulerConfig, TargetFiles, TargetGroup, TargetScheme, load_ruler,
};
pub use rules::{OnPartial, Rule, RuleFile, RuleGroup, RuleKind, RuleOptions, load_rules};
pub use secret::Secret;
pub use settings::{
    DingTalkAt, DingTalkButton, DingTalkConfig, DingTalkMessage, DiscordConfig, EmailConfig,
    FalconConfig, FalconMode, FeishuConfig, FeishuMessage, HostPort, IncidentIoConfig,
    IntegrationKind, JiraApi, JiraConfig, JiraField, MattermostAttachment, MattermostConfig,
    MattermostField, MattermostPriority, MattermostProps, MsTeamsConfig, MsTeamsV2Config,
    OpsgenieConfig, OpsgenieResponder, PagerDutyConfig, PagerDutyImage, PagerDutyLink,
    PushoverConfig, RocketchatAction, RocketchatConfig, RocketchatField, Settings, SigV4Config,
    SlackAction, SlackConfig, SlackConfirm, SlackField, SnsConfig, TelegramConfig, Threading,
    VictorOpsConfig, WebexConfig, WebhookConfig, WechatConfig, WechatMessage, WecomRobotConfig,
    WecomRobotMessage,
};
pub use texts::Texts;
pub use web::{
    ClientAuth, HttpServerConfig, RateLimitConfig, ServerTlsConfig, WebConfig, load_web,
};

pub use crate::template::Language;
