//! `mattermost_configs`: a Mattermost webhook.

use std::sync::Arc;

use super::entry::{HttpField, Inherit, inherit_http};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{FilePath, HiddenUrl, Place, Reader},
    section::section,
};

section! {
    /// `mattermost_configs[]`
    pub MattermostConfig in "mattermost.plain", check check_mattermost {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The webhook; empty if `webhook_url_file` is given.
        webhook_url: Secret as HiddenUrl,
        /// A file with the webhook.
        webhook_url_file: String as FilePath,
        /// The channel or user.
        channel: String,
        /// The sender's name.
        username: String = r#"{{ template "mattermost.default.username" . }}"#,
        /// The text of the first attachment.
        text: String = r#"{{ template "mattermost.default.text" . }}"#,
        /// What simple clients show.
        fallback: String = r#"{{ template "mattermost.default.fallback" . }}"#,
        /// The colour of the bar.
        color: String = r#"{{ template "mattermost.default.color" . }}"#,
        /// What stands above.
        pretext: String,
        /// The author.
        author_name: String,
        /// Where the author's name leads.
        author_link: String,
        /// The author's picture.
        author_icon: String,
        /// The title.
        title: String = r#"{{ template "mattermost.default.title" . }}"#,
        /// Where the title leads.
        title_link: String = r#"{{ template "mattermost.default.titlelink" . }}"#,
        /// Fields in a table.
        fields: Vec<MattermostField>,
        /// A small picture.
        thumb_url: String,
        /// What stands below.
        footer: String,
        /// The picture of the footer.
        footer_icon: String,
        /// A picture.
        image_url: String,
        /// The sender's picture.
        icon_url: String,
        /// The sender's emoji.
        icon_emoji: String,
        /// Further attachments.
        attachments: Vec<MattermostAttachment>,
        /// The type of the post.
        kind ["type"]: String,
        /// Properties of the post.
        props: Option<MattermostProps>,
        /// The priority of the post.
        priority: Option<MattermostPriority>,
    }

    /// A further attachment; its fields are those of the first.
    #[derive(Eq)]
    pub MattermostAttachment in "mattermost.MattermostAttachment" {
        /// What simple clients show.
        fallback: String,
        /// The colour of the bar.
        color: String,
        /// What stands above.
        pretext: String,
        /// The text.
        text: String,
        /// The author.
        author_name: String,
        /// Where the author's name leads.
        author_link: String,
        /// The author's picture.
        author_icon: String,
        /// The title.
        title: String,
        /// Where the title leads.
        title_link: String,
        /// Fields in a table.
        fields: Vec<MattermostField>,
        /// A small picture.
        thumb_url: String,
        /// What stands below.
        footer: String,
        /// The picture of the footer.
        footer_icon: String,
        /// A picture.
        image_url: String,
    }

    /// A field of a table.
    #[derive(Eq)]
    pub MattermostField in "mattermost.plain", check check_field {
        /// Its title.
        title: String,
        /// Its value.
        value: String,
        /// Whether it stands beside others.
        short: Option<bool>,
    }

    /// Properties of a post.
    #[derive(Eq)]
    pub MattermostProps in "mattermost.MattermostProps" {
        /// Markdown that is shown beside the post.
        card: String,
    }

    /// The priority of a post.
    #[derive(Eq)]
    pub MattermostPriority in "mattermost.MattermostPriority" {
        /// `urgent`, `important` or `standard`.
        priority: String,
        /// Whether readers are asked to acknowledge it.
        requested_ack: bool,
        /// Whether readers are told again until they do.
        persistent_notifications: bool,
    }
}

fn check_mattermost(config: &mut MattermostConfig, place: &Place, reader: &mut Reader<'_>) {
    let urls = [
        ("webhook_url", !config.webhook_url.is_empty()),
        ("webhook_url_file", !config.webhook_url_file.is_empty()),
    ];
    reader.at_most_one(place, &urls);
}

fn check_field(field: &mut MattermostField, place: &Place, reader: &mut Reader<'_>) {
    if field.title.is_empty() {
        reader.deny(place.at, "missing title in Mattermost field configuration");
    } else if field.value.is_empty() {
        reader.deny(place.at, "missing value in Mattermost field configuration");
    }
}

impl Inherit for MattermostConfig {
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        if self.webhook_url.is_empty() && self.webhook_url_file.is_empty() {
            self.webhook_url = global.mattermost_webhook_url.clone();
            self.webhook_url_file
                .clone_from(&global.mattermost_webhook_url_file);
        }
        if self.webhook_url.is_empty() && self.webhook_url_file.is_empty() {
            reader.deny(
                place.at,
                "missing webhook_url or webhook_url_file on mattermost_config",
            );
        }
    }
}
