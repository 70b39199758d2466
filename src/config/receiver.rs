//! Receivers and their integrations.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{HttpConfig, Secret};

/// A named set of integrations that are notified together.
#[derive(Debug)]
pub struct Receiver {
    /// Unique in the file.
    pub name: Arc<str>,
    /// Labels of the receiver itself; `name` is always among them.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// In upstream's order of types, then of the file.
    pub integrations: Vec<Arc<Integration>>,
}

/// One way of telling a receiver.
#[derive(Debug)]
pub struct Integration {
    /// Which type it is.
    pub kind: IntegrationKind,
    /// Its place among the integrations of its type in the receiver, from 0; part of notification-log keys.
    pub index: u32,
    /// Whether it is told of resolved alerts.
    pub send_resolved: bool,
    /// Whether a resolve that happened while muted is told when the mute ends.
    pub resolve_when_muted: bool,
    /// What to do where delivery is uncertain.
    pub delivery: Delivery,
    /// How often it may be told; `None` leaves it to the type.
    pub rate_limit: Option<RateLimit>,
    /// Whether a plain message is sent when its template fails.
    pub fallback_text: bool,
    /// The fields of the type.
    pub settings: Settings,
}

/// `delivery:` of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How long a node that sees no majority waits before it notifies anyway; `None` takes `--cluster.minority-delay`.
    pub minority_delay: Option<Duration>,
    /// What to do after a request whose outcome is unknown.
    pub ambiguous: Ambiguous,
    /// Whether the receiver recognises repeats by their key.
    pub idempotent: bool,
}

/// `rate_limit:` of an integration; what exceeds it is merged into one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many messages may be sent.
    pub messages: u32,
    /// In which time.
    pub per: Duration,
}

/// What to do after a request whose outcome is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ambiguous {
    /// Send again: rather twice than never.
    #[default]
    Retry,
    /// Take it as sent: rather never than twice.
    Drop,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// The types of integrations. `as_str` is the name in metrics, logs and notification-log keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum IntegrationKind { $(#[doc = $doc] $variant,)* }

        impl IntegrationKind {
            /// Every type, in the order in which upstream builds the integrations of a receiver, then ours.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, `webhook` for `webhook_configs`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    Webhook = "webhook", "`webhook_configs`";
    Email = "email", "`email_configs`";
    PagerDuty = "pagerduty", "`pagerduty_configs`";
    Opsgenie = "opsgenie", "`opsgenie_configs`";
    Wechat = "wechat", "`wechat_configs`";
    Slack = "slack", "`slack_configs`";
    VictorOps = "victorops", "`victorops_configs`";
    Pushover = "pushover", "`pushover_configs`";
    Sns = "sns", "`sns_configs`";
    Telegram = "telegram", "`telegram_configs`";
    Discord = "discord", "`discord_configs`";
    Webex = "webex", "`webex_configs`";
    MsTeams = "msteams", "`msteams_configs`";
    MsTeamsV2 = "msteamsv2", "`msteamsv2_configs`";
    Jira = "jira", "`jira_configs`";
    Rocketchat = "rocketchat", "`rocketchat_configs`";
    Mattermost = "mattermost", "`mattermost_configs`";
    IncidentIo = "incidentio", "`incidentio_configs`";
    DingTalk = "dingtalk", "`dingtalk_configs`";
    WecomRobot = "wecom_robot", "`wecom_robot_configs`";
    Feishu = "feishu", "`feishu_configs`";
    Falcon = "falcon", "`falcon_configs`";
}

impl IntegrationKind {
    /// Whether upstream has this type; its metrics are then there from the start.
    #[must_use]
    pub fn is_upstream(self) -> bool {
        !matches!(
            self,
            Self::DingTalk | Self::WecomRobot | Self::Feishu | Self::Falcon
        )
    }
}

/// The fields of an integration by type.
#[derive(Debug)]
pub enum Settings {
    /// `webhook_configs`
    Webhook(WebhookConfig),
    /// A type whose sender is not built; notifications fail loudly.
    NotBuilt,
}

/// `webhook_configs[]`
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The address, a template; empty if `url_file` is given.
    pub url: Secret,
    /// A file with the address, read for each notification; empty if `url` is given.
    pub url_file: String,
    /// Alerts beyond this number are cut and counted; 0 keeps all.
    pub max_alerts: u64,
    /// Bound on one request; zero for none but that of the flush.
    pub timeout: Duration,
    /// How to connect.
    pub http: Arc<HttpConfig>,
}
