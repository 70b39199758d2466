//! Fields and buttons of Slack messages.

use crate::config::{
    read::{Place, Reader},
    section::section,
};

section! {
    /// A field of a table.
    #[derive(Eq)]
    pub SlackField in "config.plain", check check_field {
        /// Its title.
        title: String,
        /// Its value.
        value: String,
        /// Whether it stands beside others; `short_fields` decides if `None`.
        short: Option<bool>,
    }

    /// A button, by `url` or, for interactive messages, by `name`.
    #[derive(Eq)]
    pub SlackAction in "config.plain", check check_action {
        /// `button`
        kind ["type"]: String,
        /// Its text.
        text: String,
        /// Where it leads.
        url: String,
        /// `primary`, `danger` or empty.
        style: String,
        /// Its name.
        name: String,
        /// What is sent when it is pressed.
        value: String,
        /// What is asked before.
        confirm: Option<SlackConfirm>,
    }

    /// A question before a button takes effect.
    #[derive(Eq)]
    pub SlackConfirm in "config.plain", check check_confirm {
        /// The question.
        text: String,
        /// Its title.
        title: String,
        /// The text for yes.
        ok_text: String,
        /// The text for no.
        dismiss_text: String,
    }
}

fn check_field(field: &mut SlackField, place: &Place, reader: &mut Reader<'_>) {
    if field.title.is_empty() {
        reader.deny(place.at, "missing title in Slack field configuration");
    } else if field.value.is_empty() {
        reader.deny(place.at, "missing value in Slack field configuration");
    }
}

fn check_action(action: &mut SlackAction, place: &Place, reader: &mut Reader<'_>) {
    if action.kind.is_empty() {
        reader.deny(place.at, "missing type in Slack action configuration");
    } else if action.text.is_empty() {
        reader.deny(place.at, "missing text in Slack action configuration");
    } else if !action.url.is_empty() {
        action.name.clear();
        action.value.clear();
        action.confirm = None;
    } else if action.name.is_empty() {
        reader.deny(
            place.at,
            "missing name or url in Slack action configuration",
        );
    }
}

fn check_confirm(confirm: &mut SlackConfirm, place: &Place, reader: &mut Reader<'_>) {
    if confirm.text.is_empty() {
        reader.deny(place.at, "missing text in Slack confirmation configuration");
    }
}
