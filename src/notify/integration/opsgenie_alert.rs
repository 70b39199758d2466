//! The alert that is created at Opsgenie, in upstream's order and within Opsgenie's limits.

use std::collections::BTreeMap;

use super::opsgenie::MESSAGE;
use crate::{
    config::{OpsgenieConfig, OpsgenieResponder},
    json,
    notify::{Limit, Renderer, Verdict},
};

/// The lengths of other texts; Opsgenie refuses longer ones.
const DESCRIPTION: Limit = Limit::Chars(15_000);
const NOTE: Limit = Limit::Chars(25_000);
const ENTITY: Limit = Limit::Chars(512);

/// The length of all details together, names included.
const DETAILS: usize = 8_000;

/// The rendered alert.
#[derive(Debug)]
pub(super) struct NewAlert {
    pub(super) message: String,
    pub(super) description: String,
    details: BTreeMap<String, String>,
    source: String,
    responders: Vec<OpsgenieResponder>,
    tags: Vec<String>,
    note: String,
    priority: String,
    entity: String,
    actions: Vec<String>,
}

impl NewAlert {
    /// Renders it; the details are the common labels and, before them, those of the configuration.
    pub(super) fn new(
        config: &OpsgenieConfig,
        common_labels: &[(&str, &str)],
        render: &Renderer<'_>,
    ) -> Result<Self, Verdict> {
        let labels = common_labels.iter();
        let mut details: BTreeMap<String, String> = labels
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for (name, source) in &config.details {
            let value = render.detail(&format!("details.{name}"), source)?;
            details.insert(name.clone(), value);
        }
        shorten(&mut details);
        Ok(Self {
            message: MESSAGE.cut(&render.title("message", &config.message)?),
            description: render.body_within("description", &config.description, DESCRIPTION)?,
            details,
            source: render.detail("source", &config.source)?,
            responders: responders(config, render)?,
            tags: split(&render.detail("tags", &config.tags)?),
            note: NOTE.cut(&render.detail("note", &config.note)?),
            priority: render.detail("priority", &config.priority)?,
            entity: ENTITY.cut(&render.detail("entity", &config.entity)?),
            actions: split(&render.detail("actions", &config.actions)?),
        })
    }

    /// The body of the request that creates it.
    pub(super) fn body(&self, alias: &str) -> String {
        json::document(|alert| {
            alert
                .text("alias", alias)
                .text("message", &self.message)
                .text_if_any("description", &self.description)
                .pairs("details", &self.details)
                .text("source", &self.source);
            if !self.responders.is_empty() {
                alert.array("responders", |list| {
                    for responder in &self.responders {
                        list.object(|object| {
                            object
                                .text_if_any("id", &responder.id)
                                .text_if_any("name", &responder.name)
                                .text_if_any("username", &responder.username)
                                .text("type", &responder.kind);
                        });
                    }
                });
            }
            if !self.tags.is_empty() {
                alert.texts("tags", &self.tags);
            }
            alert
                .text_if_any("note", &self.note)
                .text_if_any("priority", &self.priority)
                .text_if_any("entity", &self.entity);
            if !self.actions.is_empty() {
                alert.texts("actions", &self.actions);
            }
        })
    }
}

/// The responders; those of whom only the type is left are left out, for Opsgenie refuses the alert then, and `teams` becomes one for each of its names.
fn responders(
    config: &OpsgenieConfig,
    render: &Renderer<'_>,
) -> Result<Vec<OpsgenieResponder>, Verdict> {
    let mut responders = Vec::new();
    for responder in &config.responders {
        let rendered = OpsgenieResponder {
            id: render.detail("responders.id", &responder.id)?,
            name: render.detail("responders.name", &responder.name)?,
            username: render.detail("responders.username", &responder.username)?,
            kind: render.detail("responders.type", &responder.kind)?,
        };
        if rendered.id.is_empty() && rendered.name.is_empty() && rendered.username.is_empty() {
            continue;
        }
        if rendered.kind == "teams" {
            responders.extend(
                split(&rendered.name)
                    .into_iter()
                    .map(|name| OpsgenieResponder {
                        name,
                        kind: "team".to_owned(),
                        ..OpsgenieResponder::default()
                    }),
            );
        } else {
            responders.push(rendered);
        }
    }
    Ok(responders)
}

/// What stands between commas and is not empty.
fn split(text: &str) -> Vec<String> {
    let parts = text.trim().split(',').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// Cuts the longest values until all details together are short enough.
fn shorten(details: &mut BTreeMap<String, String>) {
    let names: usize = details.keys().map(|name| name.chars().count()).sum();
    let mut lengths: Vec<_> = details
        .values()
        .map(|value| value.chars().count())
        .collect();
    let room = DETAILS.saturating_sub(names);
    if lengths.iter().sum::<usize>() <= room {
        return;
    }
    // Short values leave their share to longer ones.
    lengths.sort_unstable();
    let (mut left, mut count) = (room, lengths.len());
    for length in lengths {
        if length > left / count {
            break;
        }
        left -= length;
        count -= 1;
    }
    let most = Limit::Chars(left / count.max(1));
    for value in details.values_mut() {
        *value = most.cut(value);
    }
}
