//! `slack_configs`: messages of Slack, by webhook or by application.

use std::{sync::Arc, time::Duration};

use super::{
    SlackAction, SlackField,
    entry::{HttpField, Inherit, inherit_http, or_global},
};
use crate::config::{
    Authorization, HttpConfig, HttpUrl, Secret,
    global::Global,
    read::{FilePath, GoDuration, HiddenUrl, Place, Reader, Shown, TOKEN},
    section::section,
};

section! {
    /// `slack_configs[]`. With a token, `api_url` is `app_url` and `http` authorizes with the token.
    pub SlackConfig in "config.plain", check check_slack {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The webhook; empty if `api_url_file` is given.
        api_url: Secret as HiddenUrl,
        /// A file with the webhook.
        api_url_file: String as FilePath,
        /// The application's token; empty if `app_token_file` is given.
        app_token: Secret,
        /// A file with the application's token.
        app_token_file: String as FilePath,
        /// Where an application sends.
        app_url: HttpUrl,
        /// The channel or user.
        channel: String,
        /// The sender's name.
        username: String = r#"{{ template "slack.default.username" . }}"#,
        /// The colour of the bar.
        color: String = r#"{{ template "slack.default.color" . }}"#,
        /// The title.
        title: String = r#"{{ template "slack.default.title" . }}"#,
        /// Where the title leads.
        title_link: String = r#"{{ template "slack.default.titlelink" . }}"#,
        /// What stands above.
        pretext: String = r#"{{ template "slack.default.pretext" . }}"#,
        /// The text of the attachment.
        text: String = r#"{{ template "slack.default.text" . }}"#,
        /// The text of the message itself.
        message_text: String,
        /// Fields in a table.
        fields: Vec<SlackField>,
        /// Whether fields stand beside each other unless they say otherwise.
        short_fields: bool as Shown<bool>,
        /// What stands below.
        footer: String = r#"{{ template "slack.default.footer" . }}"#,
        /// What simple clients show.
        fallback: String = r#"{{ template "slack.default.fallback" . }}"#,
        /// The identifier of interactive messages.
        callback_id: String = r#"{{ template "slack.default.callbackid" . }}"#,
        /// The sender's emoji.
        icon_emoji: String = r#"{{ template "slack.default.iconemoji" . }}"#,
        /// The sender's picture.
        icon_url: String = r#"{{ template "slack.default.iconurl" . }}"#,
        /// A picture.
        image_url: String,
        /// A small picture.
        thumb_url: String,
        /// Whether names become links.
        link_names: bool as Shown<bool>,
        /// Fields that hold markup; upstream's three if empty.
        mrkdwn_in: Vec<String>,
        /// Buttons.
        actions: Vec<SlackAction>,
        /// Whether the message of a group is brought up to date rather than repeated.
        update_message: bool as Shown<bool>,
        /// Bound on one request; zero for none but that of the flush.
        timeout: Duration as Shown<GoDuration>,
    }
}

/// The only address with which messages can be updated.
const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

fn check_slack(config: &mut SlackConfig, place: &Place, reader: &mut Reader<'_>) {
    let url = !config.api_url.is_empty();
    let url_file = !config.api_url_file.is_empty();
    let token = !config.app_token.is_empty();
    let token_file = !config.app_token_file.is_empty();
    let sound = reader.at_most_one(place, &[("api_url", url), ("api_url_file", url_file)])
        && reader.at_most_one(
            place,
            &[("app_token", token), ("app_token_file", token_file)],
        )
        && reader.at_most_one(
            place,
            &[
                ("api_url/api_url_file", url || url_file),
                ("app_token/app_token_file", token || token_file),
            ],
        );
    // Upstream reads the address of a nil URL here and ends (alertmanager#5164).
    let hidden = config.api_url.reveal() == TOKEN;
    if sound && config.update_message && !hidden && config.api_url.reveal() != POST_MESSAGE {
        reader.deny(
            place.of("update_message"),
            "update_message can only be used with bot tokens. api_url must be set to https://slack.com/api/chat.postMessage",
        );
    }
}

impl Inherit for SlackConfig {
    const SEND_RESOLVED: bool = false;

    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        or_global(&mut self.app_url, &global.slack_app_url);
        if self.app_url.is_empty() {
            reader.deny(place.at, "no global Slack App URL set");
            return;
        }
        let own_http = place.has("http_config");
        let authorized = own_http && self.http.authorization.is_some();
        if self.app_token.is_empty()
            && self.app_token_file.is_empty()
            && !authorized
            && self.api_url.is_empty()
        {
            self.app_token = global.slack_app_token.clone();
            self.app_token_file.clone_from(&global.slack_app_token_file);
        }
        if self.api_url.is_empty() && self.api_url_file.is_empty() {
            self.api_url = global.slack_api_url.clone();
            self.api_url_file.clone_from(&global.slack_api_url_file);
        }
        let by_token = !self.app_token.is_empty() || !self.app_token_file.is_empty();
        if self.api_url.is_empty() && self.api_url_file.is_empty() && !by_token {
            reader.deny(
                place.at,
                "no Slack API URL nor App token set either inline or in a file",
            );
            return;
        }
        inherit_http(&mut self.http, global, place);
        if by_token && self.http.authorization.is_some() {
            reader.deny(
                place.of("http_config"),
                "http authorization can't be set when using Slack App tokens",
            );
        }
        if by_token {
            self.api_url = Secret::default();
            self.api_url_file.clear();
        }
    }
}

impl SlackConfig {
    /// Makes a token the authorization, and its address that of messages. Upstream prints the configuration after it
    /// did so, which then cannot be loaded again; here it comes after printing.
    pub(super) fn authorize(&mut self) {
        if self.app_token.is_empty() && self.app_token_file.is_empty() {
            return;
        }
        Arc::make_mut(&mut self.http).authorization = Some(Authorization {
            credentials: self.app_token.clone(),
            credentials_file: self.app_token_file.clone(),
            ..Authorization::default()
        });
        self.api_url = Secret::new(self.app_url.as_str());
    }
}
