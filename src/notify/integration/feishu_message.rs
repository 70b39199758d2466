//! Messages of Feishu: texts, posts and cards, each with its own way to mention people.

use super::people::{is_of_feishu, listed, take_all};
use crate::{
    alert::AlertStatus,
    config::{FeishuConfig, FeishuMessage, Language},
    json::{ArrayWriter, ObjectWriter},
    notify::{Limit, NotificationData, Renderer, Verdict},
};

/// A title is one line above the text and in the list of conversations.
const TITLE: usize = 256;

/// A message whose text is put in last.
#[derive(Debug)]
pub(super) struct Message {
    kind: FeishuMessage,
    title: String,
    users: Vec<String>,
    all: bool,
    fires: bool,
    language: Language,
}

impl Message {
    /// A message to those of the settings and of `mention_map`.
    pub(super) fn new(
        config: &FeishuConfig,
        data: &NotificationData,
        render: &Renderer<'_>,
    ) -> Result<Self, Verdict> {
        // Feishu refuses a whole card for a user whom it does not know.
        let mut mapped = render.mentions().user_ids;
        mapped.retain(|user| is_of_feishu(user));
        let mut users = listed(render, "at_user_ids", &config.at_user_ids, &mapped)?;
        let all = take_all(&mut users) | config.at_all;
        let title = render.title("title", &config.title)?;
        let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self {
            kind: config.message_type,
            title: Limit::Chars(TITLE).cut(&line),
            users,
            all,
            fires: data.status() == AlertStatus::Firing,
            language: render.language(),
        })
    }

    /// The type's name.
    pub(super) fn kind(&self) -> &'static str {
        match self.kind {
            FeishuMessage::Interactive => "interactive",
            FeishuMessage::Post => "post",
            FeishuMessage::Text => "text",
        }
    }

    /// The members of a text, of a post by language, or of a card.
    pub(super) fn write(&self, object: &mut ObjectWriter<'_>, text: &str) {
        match self.kind {
            FeishuMessage::Text => {
                let mentions = self.tags("user_id", true);
                object.text("text", &format!("{}\n{text}{mentions}", self.title));
            }
            FeishuMessage::Post => {
                let language = match self.language {
                    Language::English => "en_us",
                    Language::Chinese => "zh_cn",
                };
                object.object(language, |post| {
                    post.text("title", &self.title)
                        .array("content", |lines| self.lines(lines, text));
                });
            }
            FeishuMessage::Interactive => {
                let text = format!("{text}{}", self.tags("id", false));
                self.card(object, &text);
            }
        }
    }

    fn card(&self, card: &mut ObjectWriter<'_>, text: &str) {
        card.object("config", |config| {
            config.flag("wide_screen_mode", true);
        });
        card.object("header", |header| {
            header
                .object("title", |title| {
                    title.text("tag", "plain_text").text("content", &self.title);
                })
                .text("template", if self.fires { "red" } else { "green" });
        });
        card.array("elements", |elements| {
            elements.object(|element| {
                element.text("tag", "markdown").text("content", text);
            });
        });
    }

    /// A paragraph for each line, the last one for mentions.
    fn lines(&self, lines: &mut ArrayWriter<'_>, text: &str) {
        for line in text.lines() {
            lines.array(|parts| {
                parts.object(|part| {
                    part.text("tag", "text").text("text", line);
                });
            });
        }
        if self.all || !self.users.is_empty() {
            lines.array(|parts| {
                for user in self.mentioned() {
                    parts.object(|part| {
                        part.text("tag", "at").text("user_id", user);
                    });
                }
            });
        }
    }

    fn mentioned(&self) -> impl Iterator<Item = &str> {
        let all = self.all.then_some("all");
        all.into_iter().chain(self.users.iter().map(|user| &**user))
    }

    /// Mentions as tags on a line of their own; cards want them without quotation marks.
    fn tags(&self, attribute: &str, quoted: bool) -> String {
        let quote = if quoted { "\"" } else { "" };
        let mut out = String::new();
        for user in self.mentioned() {
            // What would end the tag is in nobody's name.
            let user: String = user
                .chars()
                .filter(|c| !matches!(c, '<' | '>' | '"' | '\'') && !c.is_whitespace())
                .collect();
            out.push(if out.is_empty() { '\n' } else { ' ' });
            out.push_str(&format!("<at {attribute}={quote}{user}{quote}></at>"));
        }
        out
    }
}
