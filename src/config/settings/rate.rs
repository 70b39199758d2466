//! How often vendors take messages, and what they count by.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{IntegrationKind, Settings, WechatConfig};
use crate::config::{RateLimit, Secret};

impl Settings {
    /// What the vendor takes where the file says nothing: 20 a minute for the robots of DingTalk and WeCom, which shut a
    /// robot out for minutes beyond it, and 100 a minute for those of Feishu, at most five in a second.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few vendors say how much they take"
    )]
    pub fn default_rate_limit(&self) -> Option<RateLimit> {
        let (messages, seconds) = match self {
            Self::DingTalk(config) if config.app_key.is_empty() => (20, 60),
            Self::WecomRobot(_) => (20, 60),
            // Its first half may go within one second.
            Self::Feishu(config) if config.app_id.is_empty() => (10, 6),
            _ => return None,
        };
        Some(RateLimit {
            messages,
            per: Duration::from_secs(seconds),
        })
    }

    /// Whether templates decide who is told: two groups may then be told to different people.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are told at an address that is no template"
    )]
    pub fn chooses_who_is_told(&self) -> bool {
        let texts: Vec<&str> = match self {
            Self::Email(config) => vec![&config.to, &config.from],
            Self::Wechat(config) => {
                // The default ones are templates that name the same people for every group.
                let default = WechatConfig::default();
                let whom = [
                    (&config.to_user, &default.to_user),
                    (&config.to_party, &default.to_party),
                    (&config.to_tag, &default.to_tag),
                    (&config.agent_id, &default.agent_id),
                    (&config.corp_id, &default.corp_id),
                ];
                let changed = whom.into_iter().filter(|(text, default)| text != default);
                changed.map(|(text, _)| text.as_str()).collect()
            }
            Self::Slack(config) => vec![&config.channel],
            Self::Pushover(config) => vec![
                config.user_key.reveal(),
                config.token.reveal(),
                &config.device,
            ],
            Self::Sns(config) => vec![
                &config.api_url,
                &config.topic_arn,
                &config.phone_number,
                &config.target_arn,
            ],
            Self::Webex(config) => vec![&config.room_id],
            Self::Rocketchat(config) => vec![&config.channel],
            Self::Mattermost(config) => vec![&config.channel],
            Self::DingTalk(config) => {
                let users = config.user_ids.iter().map(String::as_str);
                users.chain([&*config.open_conversation_id]).collect()
            }
            Self::Feishu(config) => vec![&config.receive_id],
            _ => Vec::new(),
        };
        texts.iter().any(|text| text.contains("{{"))
    }

    /// The address that the vendor counts by, hashed; `None` where each integration is counted by itself.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few vendors count by address"
    )]
    pub fn counted_address(&self) -> Option<[u8; 32]> {
        let (secrets, file): (Vec<&Secret>, [&String; 2]) = match self {
            Self::DingTalk(config) => (
                vec![&config.webhook_url, &config.access_token],
                [&config.webhook_url_file, &config.access_token_file],
            ),
            Self::WecomRobot(config) => (
                vec![&config.webhook_url, &config.key],
                [&config.webhook_url_file, &config.key_file],
            ),
            Self::Feishu(config) => (
                vec![&config.webhook_url],
                [&config.webhook_url_file, &config.webhook_url_file],
            ),
            _ => return None,
        };
        let texts: Vec<&str> = secrets
            .iter()
            .map(|secret| secret.reveal())
            .chain(file.iter().map(|file| file.as_str()))
            .collect();
        if texts.iter().all(|text| text.is_empty()) {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(self.kind().as_str());
        for text in texts {
            hash.update([0]);
            hash.update(text);
        }
        Some(hash.finalize().into())
    }
}

impl IntegrationKind {
    /// Whether several notifications may become one message. Where the receiver keeps an incident for each group, or a
    /// program reads the group's key, they may only wait.
    #[must_use]
    pub fn takes_digests(self) -> bool {
        !matches!(
            self,
            Self::Webhook
                | Self::PagerDuty
                | Self::Opsgenie
                | Self::VictorOps
                | Self::Jira
                | Self::IncidentIo
                | Self::Falcon
        )
    }
}
