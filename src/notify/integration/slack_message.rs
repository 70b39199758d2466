//! The rendered message of Slack: its attachment with fields and buttons, in upstream's order (`notify/slack/types.go`).

use crate::{
    config::{SlackAction, SlackConfig, SlackConfirm, SlackField},
    json::{self, ArrayWriter, ObjectWriter},
    notify::{Limit, Renderer, Verdict},
};

/// Slack cuts longer titles off.
const TITLE: Limit = Limit::Chars(1024);

/// The fields whose markup Slack is to read unless the configuration says otherwise.
const MARKED_UP: [&str; 3] = ["fallback", "pretext", "text"];

/// A message without its place.
#[derive(Debug)]
pub(super) struct Message {
    username: String,
    icon_emoji: String,
    icon_url: String,
    link_names: bool,
    text: String,
    /// The attachment as JSON.
    attachment: String,
}

impl Message {
    /// Renders it; `limit` is that of each text.
    pub(super) fn new(
        config: &SlackConfig,
        render: &Renderer<'_>,
        limit: Limit,
    ) -> Result<Self, Verdict> {
        Ok(Self {
            username: render.detail("username", &config.username)?,
            icon_emoji: render.detail("icon_emoji", &config.icon_emoji)?,
            icon_url: render.detail("icon_url", &config.icon_url)?,
            link_names: config.link_names,
            text: render.body_within("message_text", &config.message_text, limit)?,
            attachment: attachment(config, render, limit)?,
        })
    }

    /// The body for a channel; `ts` names the message that is changed.
    pub(super) fn body(&self, channel: &str, ts: &str) -> String {
        json::document(|message| {
            message
                .text_if_any("channel", channel)
                .text_if_any("ts", ts)
                .text_if_any("username", &self.username)
                .text_if_any("icon_emoji", &self.icon_emoji)
                .text_if_any("icon_url", &self.icon_url)
                .flag_if_set("link_names", self.link_names)
                .text_if_any("text", &self.text)
                .array("attachments", |list| {
                    list.raw(&self.attachment);
                });
        })
    }
}

fn attachment(
    config: &SlackConfig,
    render: &Renderer<'_>,
    limit: Limit,
) -> Result<String, Verdict> {
    let title = TITLE.cut(&render.title("title", &config.title)?);
    let title_link = render.detail("title_link", &config.title_link)?;
    let pretext = limit.cut(&render.detail("pretext", &config.pretext)?);
    let text = render.body_within("text", &config.text, limit)?;
    let fallback = limit.cut(&render.title("fallback", &config.fallback)?);
    let callback_id = render.detail("callback_id", &config.callback_id)?;
    let fields = fields(config, render, limit)?;
    let actions = actions(&config.actions, render)?;
    let image_url = render.detail("image_url", &config.image_url)?;
    let thumb_url = render.detail("thumb_url", &config.thumb_url)?;
    let footer = render.detail("footer", &config.footer)?;
    let color = render.detail("color", &config.color)?;
    let mut out = String::new();
    json::push_object(&mut out, |attachment| {
        attachment
            .text_if_any("title", &title)
            .text_if_any("title_link", &title_link)
            .text_if_any("pretext", &pretext)
            .text("text", &text)
            .text("fallback", &fallback)
            .text("callback_id", &callback_id);
        if let Some(fields) = &fields {
            attachment.raw("fields", fields);
        }
        if let Some(actions) = &actions {
            attachment.raw("actions", actions);
        }
        attachment
            .text_if_any("image_url", &image_url)
            .text_if_any("thumb_url", &thumb_url)
            .text("footer", &footer)
            .text_if_any("color", &color);
        if config.mrkdwn_in.is_empty() {
            attachment.texts("mrkdwn_in", MARKED_UP);
        } else {
            attachment.texts("mrkdwn_in", &config.mrkdwn_in);
        }
    });
    Ok(out)
}

fn fields(
    config: &SlackConfig,
    render: &Renderer<'_>,
    limit: Limit,
) -> Result<Option<String>, Verdict> {
    list(&config.fields, |array, field: &SlackField| {
        let title = render.detail("fields.title", &field.title)?;
        let value = render.body_within("fields.value", &field.value, limit)?;
        array.object(|object| {
            object
                .text_if_any("title", &title)
                .text_if_any("value", &value)
                .flag("short", field.short.unwrap_or(config.short_fields));
        });
        Ok(())
    })
}

fn actions(actions: &[SlackAction], render: &Renderer<'_>) -> Result<Option<String>, Verdict> {
    list(actions, |array, action| {
        let texts = [
            ("type", render.detail("actions.type", &action.kind)?),
            ("text", render.detail("actions.text", &action.text)?),
            ("url", render.detail("actions.url", &action.url)?),
            ("style", render.detail("actions.style", &action.style)?),
            ("name", render.detail("actions.name", &action.name)?),
            ("value", render.detail("actions.value", &action.value)?),
        ];
        let confirm = match &action.confirm {
            Some(confirm) => Some(confirm_texts(confirm, render)?),
            None => None,
        };
        array.object(|object| {
            some_texts(object, &texts);
            if let Some(confirm) = &confirm {
                object.object("confirm", |object| some_texts(object, confirm));
            }
        });
        Ok(())
    })
}

fn confirm_texts(
    confirm: &SlackConfirm,
    render: &Renderer<'_>,
) -> Result<[(&'static str, String); 4], Verdict> {
    Ok([
        (
            "text",
            render.detail("actions.confirm.text", &confirm.text)?,
        ),
        (
            "title",
            render.detail("actions.confirm.title", &confirm.title)?,
        ),
        (
            "ok_text",
            render.detail("actions.confirm.ok_text", &confirm.ok_text)?,
        ),
        (
            "dismiss_text",
            render.detail("actions.confirm.dismiss_text", &confirm.dismiss_text)?,
        ),
    ])
}

fn some_texts(object: &mut ObjectWriter<'_>, texts: &[(&str, String)]) {
    for (name, text) in texts {
        object.text_if_any(name, text);
    }
}

/// The list as JSON; `None` if there is nothing in it, which is left out.
fn list<T>(
    items: &[T],
    mut write: impl FnMut(&mut ArrayWriter<'_>, &T) -> Result<(), Verdict>,
) -> Result<Option<String>, Verdict> {
    if items.is_empty() {
        return Ok(None);
    }
    let mut out = String::new();
    let mut result = Ok(());
    json::push_array(&mut out, |array| {
        result = items.iter().try_for_each(|item| write(array, item));
    });
    result.map(|()| Some(out))
}
