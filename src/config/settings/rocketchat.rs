//! `rocketchat_configs`: messages of Rocket.Chat.

use std::sync::Arc;

use super::entry::{HttpField, Inherit, inherit_http, or_global};
use crate::config::{
    HttpConfig, HttpUrl, Secret,
    global::Global,
    read::{FilePath, Place, Reader, Shown},
    section::section,
};

section! {
    /// `rocketchat_configs[]`
    pub RocketchatConfig in "rocketchat.plain", check check_rocketchat {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The service.
        api_url: HttpUrl,
        /// The token's identifier; a file wins over it, as upstream's global file over an own token.
        token_id: Secret,
        /// A file with the token's identifier.
        token_id_file: String as FilePath,
        /// The token; a file wins over it.
        token: Secret,
        /// A file with the token.
        token_file: String as FilePath,
        /// The channel or user.
        channel: String,
        /// The colour of the bar.
        color: String = r#"{{ if eq .Status "firing" }}red{{ else }}green{{ end }}"#,
        /// The title.
        title: String = r#"{{ template "rocketchat.default.title" . }}"#,
        /// Where the title leads.
        title_link: String = r#"{{ template "rocketchat.default.titlelink" . }}"#,
        /// The text.
        text: String = r#"{{ template "rocketchat.default.text" . }}"#,
        /// Fields in a table.
        fields: Vec<RocketchatField>,
        /// Whether fields stand beside each other unless they say otherwise.
        short_fields: bool as Shown<bool>,
        /// The sender's emoji.
        emoji: String = r#"{{ template "rocketchat.default.emoji" . }}"#,
        /// The sender's picture.
        icon_url: String = r#"{{ template "rocketchat.default.iconurl" . }}"#,
        /// A picture.
        image_url: String,
        /// A small picture.
        thumb_url: String,
        /// Whether names become links.
        link_names: bool as Shown<bool>,
        /// Buttons.
        actions: Vec<RocketchatAction>,
    }

    /// A field of a table.
    #[derive(Eq)]
    pub RocketchatField in "rocketchat.RocketchatAttachmentField" {
        /// Whether it stands beside others; `short_fields` decides if `None`.
        short: Option<bool> as Shown<Option<bool>>,
        /// Its title.
        title: String as Shown<String>,
        /// Its value.
        value: String as Shown<String>,
    }

    /// A button. Upstream's keys are Go's lower-case names of the fields; those with underscores are taken too.
    #[derive(Eq)]
    pub RocketchatAction in "rocketchat.RocketchatAttachmentAction" {
        /// Ignored: it is a button.
        kind ["type"]: String as Shown<String>,
        /// Its text.
        text: String as Shown<String>,
        /// Where it leads.
        url: String as Shown<String>,
        /// Ignored.
        image_url ["imageurl"]: String as Shown<String>,
        /// Ignored.
        is_webview ["iswebview"]: bool as Shown<bool>,
        /// Ignored.
        webview_height_ratio ["webviewheightratio"]: String as Shown<String>,
        /// What is sent when it is pressed.
        msg: String as Shown<String>,
        /// Ignored.
        msg_in_chat_window ["msginchatwindow"]: bool as Shown<bool>,
        /// Ignored.
        msg_processing_type ["msgprocessingtype"]: String as Shown<String>,
        /// Ignored; a second spelling, as those after it.
        other_image_url ["image_url"]: String,
        /// Ignored.
        other_is_webview ["is_webview"]: bool,
        /// Ignored.
        other_webview_height_ratio ["webview_height_ratio"]: String,
        /// Ignored.
        other_msg_in_chat_window ["msg_in_chat_window"]: bool,
        /// Ignored.
        other_msg_processing_type ["msg_processing_type"]: String,
    }
}

fn check_rocketchat(config: &mut RocketchatConfig, place: &Place, reader: &mut Reader<'_>) {
    let tokens = [
        ("token", !config.token.is_empty()),
        ("token_file", !config.token_file.is_empty()),
    ];
    let ids = [
        ("token_id", !config.token_id.is_empty()),
        ("token_id_file", !config.token_id_file.is_empty()),
    ];
    let _ = reader.at_most_one(place, &tokens) && reader.at_most_one(place, &ids);
}

impl Inherit for RocketchatConfig {
    const SEND_RESOLVED: bool = false;

    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
        or_global(&mut self.api_url, &global.rocketchat_api_url);
        or_global(&mut self.token_id, &global.rocketchat_token_id);
        or_global(&mut self.token_id_file, &global.rocketchat_token_id_file);
        if self.token_id.is_empty() && self.token_id_file.is_empty() {
            reader.deny(
                place.at,
                "no global Rocketchat TokenID set either inline or in a file",
            );
            return;
        }
        or_global(&mut self.token, &global.rocketchat_token);
        or_global(&mut self.token_file, &global.rocketchat_token_file);
        if self.token.is_empty() && self.token_file.is_empty() {
            reader.deny(
                place.at,
                "no global Rocketchat Token set either inline or in a file",
            );
        }
    }
}
