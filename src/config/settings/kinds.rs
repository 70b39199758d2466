//! The types of integrations.

use super::{
    DingTalkConfig, DiscordConfig, EmailConfig, FalconConfig, FeishuConfig, IncidentIoConfig,
    JiraConfig, MattermostConfig, MsTeamsConfig, MsTeamsV2Config, OpsgenieConfig, PagerDutyConfig,
    PushoverConfig, RocketchatConfig, SlackConfig, SnsConfig, TelegramConfig, VictorOpsConfig,
    WebexConfig, WebhookConfig, WechatConfig, WecomRobotConfig,
    entry::{Entry, Inherit, RawIntegration, read_entry},
};
use crate::{
    config::{
        Secret,
        global::Global,
        read::{Cursor, Place, Reader, Section},
    },
    yaml::Value,
};

macro_rules! kinds {
    ($($variant:ident($config:ident) = $name:literal, $go:literal, $doc:literal;)*) => {
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

            /// Upstream's Go type of the list of this type, for messages.
            pub(crate) fn go_list(self) -> &'static str {
                match self { $(Self::$variant => concat!("[]*", $go),)* }
            }
        }

        /// The fields of an integration by type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Settings { $(#[doc = $doc] $variant($config),)* }

        impl Settings {
            /// The type.
            #[must_use]
            pub fn kind(&self) -> IntegrationKind {
                match self { $(Self::$variant(_) => IntegrationKind::$variant,)* }
            }

            /// Whether the receiver recognises repeats by their key, unless the file says otherwise.
            pub(crate) fn is_idempotent(&self) -> bool {
                match self { $(Self::$variant(config) => config.is_idempotent(),)* }
            }

            /// Takes what the entry leaves out from `global`, and checks that it is complete then.
            pub(crate) fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
                match self { $(Self::$variant(config) => config.inherit(global, place, reader),)* }
            }

            /// Every secret that the file gives it, those of `http_config` among them.
            #[must_use]
            pub fn secrets(&self) -> Vec<Secret> {
                let mut secrets = Vec::new();
                match self { $(Self::$variant(config) => config.add_secrets(&mut secrets),)* }
                secrets.retain(|secret| !secret.is_empty());
                secrets
            }

            /// Prints its keys in upstream's order.
            pub(crate) fn print_keys(&self, out: &mut Vec<(Value, Value)>) {
                match self { $(Self::$variant(config) => config.print_keys(out),)* }
            }
        }

        #[cfg(test)]
        impl IntegrationKind {
            /// The keys of an entry of this type.
            pub(crate) fn keys(self) -> Vec<&'static str> {
                match self { $(Self::$variant => Entry::<$config>::keys(),)* }
            }
        }

        $(impl From<$config> for Settings {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        })*

        /// Reads one entry of the list of a type; `None` after a mistake that leaves nothing of it.
        pub(crate) fn read_integration(
            kind: IntegrationKind,
            node: Cursor<'_>,
            reader: &mut Reader<'_>,
        ) -> Option<RawIntegration> {
            match kind {
                $(IntegrationKind::$variant => read_entry(node, reader, Entry::<$config>::default()),)*
            }
        }
    };
}

kinds! {
    Webhook(WebhookConfig) = "webhook", "webhook.WebhookConfig", "`webhook_configs`";
    Email(EmailConfig) = "email", "config.EmailConfig", "`email_configs`";
    PagerDuty(PagerDutyConfig) = "pagerduty", "pagerduty.PagerdutyConfig", "`pagerduty_configs`";
    Opsgenie(OpsgenieConfig) = "opsgenie", "opsgenie.OpsGenieConfig", "`opsgenie_configs`";
    Wechat(WechatConfig) = "wechat", "config.WechatConfig", "`wechat_configs`";
    Slack(SlackConfig) = "slack", "config.SlackConfig", "`slack_configs`";
    VictorOps(VictorOpsConfig) = "victorops", "config.VictorOpsConfig", "`victorops_configs`";
    Pushover(PushoverConfig) = "pushover", "pushover.PushoverConfig", "`pushover_configs`";
    Sns(SnsConfig) = "sns", "sns.SNSConfig", "`sns_configs`";
    Telegram(TelegramConfig) = "telegram", "telegram.TelegramConfig", "`telegram_configs`";
    Discord(DiscordConfig) = "discord", "discord.DiscordConfig", "`discord_configs`";
    Webex(WebexConfig) = "webex", "config.WebexConfig", "`webex_configs`";
    MsTeams(MsTeamsConfig) = "msteams", "msteams.MSTeamsConfig", "`msteams_configs`";
    MsTeamsV2(MsTeamsV2Config) = "msteamsv2", "msteamsv2.MSTeamsV2Config", "`msteamsv2_configs`";
    Jira(JiraConfig) = "jira", "jira.JiraConfig", "`jira_configs`";
    IncidentIo(IncidentIoConfig) = "incidentio", "incidentio.IncidentioConfig", "`incidentio_configs`";
    Rocketchat(RocketchatConfig) = "rocketchat", "rocketchat.RocketchatConfig", "`rocketchat_configs`";
    Mattermost(MattermostConfig) = "mattermost", "mattermost.MattermostConfig", "`mattermost_configs`";
    DingTalk(DingTalkConfig) = "dingtalk", "config.DingTalkConfig", "`dingtalk_configs`";
    WecomRobot(WecomRobotConfig) = "wecom_robot", "config.WecomRobotConfig", "`wecom_robot_configs`";
    Feishu(FeishuConfig) = "feishu", "config.FeishuConfig", "`feishu_configs`";
    Falcon(FalconConfig) = "falcon", "config.FalconConfig", "`falcon_configs`";
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

    /// The type whose list stands under this key of a receiver.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let name = key.strip_suffix("_configs")?;
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Whether upstream takes a null entry for one with defaults; it refuses it for other types.
    pub(crate) fn takes_null(self) -> bool {
        matches!(
            self,
            Self::Slack | Self::Opsgenie | Self::Wechat | Self::Rocketchat
        )
    }
}
