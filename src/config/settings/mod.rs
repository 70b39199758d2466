//! The fields of every type of integration: one family a file, with its defaults, its checks and what it inherits.

mod address;
mod entry;
mod kinds;
mod rate;

mod dingtalk;
mod discord;
mod email;
mod falcon;
mod feishu;
mod incidentio;
mod jira;
mod mattermost;
mod msteams;
mod opsgenie;
mod pagerduty;
mod pushover;
mod robot;
mod rocketchat;
mod slack;
mod slack_parts;
mod sns;
mod telegram;
mod victorops;
mod webex;
mod webhook;
mod wechat;
mod wecom_robot;

pub(crate) use address::warn_robot;
pub use dingtalk::{DingTalkAt, DingTalkButton, DingTalkConfig, DingTalkMessage};
pub use discord::DiscordConfig;
pub use email::{EmailConfig, HostPort, Threading};
pub(crate) use entry::{HttpField, RawIntegration};
pub use falcon::{FalconConfig, FalconMode};
pub use feishu::{FeishuConfig, FeishuMessage};
pub use incidentio::IncidentIoConfig;
pub use jira::{JiraApi, JiraConfig, JiraField};
pub(crate) use kinds::read_integration;
pub use kinds::{IntegrationKind, Settings};
pub use mattermost::{
    MattermostAttachment, MattermostConfig, MattermostField, MattermostPriority, MattermostProps,
};
pub use msteams::{MsTeamsConfig, MsTeamsV2Config};
pub use opsgenie::{OpsgenieConfig, OpsgenieResponder};
pub use pagerduty::{PagerDutyConfig, PagerDutyImage, PagerDutyLink};
pub use pushover::PushoverConfig;
pub use rocketchat::{RocketchatAction, RocketchatConfig, RocketchatField};
pub use slack::SlackConfig;
pub use slack_parts::{SlackAction, SlackConfirm, SlackField};
pub use sns::{SigV4Config, SnsConfig};
pub use telegram::TelegramConfig;
pub use victorops::VictorOpsConfig;
pub use webex::WebexConfig;
pub use webhook::WebhookConfig;
pub use wechat::{WechatConfig, WechatMessage};
pub use wecom_robot::{WecomRobotConfig, WecomRobotMessage};
