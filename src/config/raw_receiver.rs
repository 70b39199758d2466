//! `receivers` as they are written.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    IntegrationKind, Receiver,
    global::Global,
    read::{Content, Cursor, Place, Position, Reader, Section, print_key, read},
    settings::{RawIntegration, read_integration},
};
use crate::{labels::go_quote, yaml::Value};

/// The order in which upstream's `Config.UnmarshalYAML` looks at the lists of a receiver; ours follow.
const CHECK_ORDER: [IntegrationKind; 22] = {
    use IntegrationKind as Kind;
    [
        Kind::Webhook,
        Kind::Email,
        Kind::Slack,
        Kind::Pushover,
        Kind::PagerDuty,
        Kind::IncidentIo,
        Kind::Opsgenie,
        Kind::Wechat,
        Kind::VictorOps,
        Kind::Sns,
        Kind::Telegram,
        Kind::Discord,
        Kind::Webex,
        Kind::MsTeams,
        Kind::MsTeamsV2,
        Kind::Jira,
        Kind::Rocketchat,
        Kind::Mattermost,
        Kind::DingTalk,
        Kind::WecomRobot,
        Kind::Feishu,
        Kind::Falcon,
    ]
};

/// The order of the lists in upstream's `Receiver`, in which they are printed; ours follow.
const PRINT_ORDER: [IntegrationKind; 22] = {
    use IntegrationKind as Kind;
    [
        Kind::Discord,
        Kind::Email,
        Kind::IncidentIo,
        Kind::PagerDuty,
        Kind::Slack,
        Kind::Webhook,
        Kind::Opsgenie,
        Kind::Wechat,
        Kind::Pushover,
        Kind::VictorOps,
        Kind::Sns,
        Kind::Telegram,
        Kind::Webex,
        Kind::MsTeams,
        Kind::MsTeamsV2,
        Kind::Jira,
        Kind::Rocketchat,
        Kind::Mattermost,
        Kind::DingTalk,
        Kind::WecomRobot,
        Kind::Feishu,
        Kind::Falcon,
    ]
};

/// `Receiver` of upstream's config/config.go.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RawReceiver {
    pub(crate) name: String,
    labels: BTreeMap<String, String>,
    integrations: BTreeMap<IntegrationKind, Vec<RawIntegration>>,
}

impl Section for RawReceiver {
    const GO: &'static str = "config.plain";

    fn keys() -> Vec<&'static str> {
        vec!["name", "labels"]
    }

    fn read_key(&mut self, key: &str, node: Cursor<'_>, reader: &mut Reader<'_>) -> bool {
        match (key, IntegrationKind::of_key(key)) {
            ("name", _) => self.name = read::<String>(node, reader).unwrap_or_default(),
            ("labels", _) => {
                self.labels = read::<BTreeMap<String, String>>(node, reader).unwrap_or_default();
            }
            (_, Some(kind)) => {
                if let Some(list) = read_list(kind, node, reader) {
                    self.integrations.insert(kind, list);
                }
            }
            (_, None) => return false,
        }
        true
    }

    fn print_keys(&self, out: &mut Vec<(Value, Value)>) {
        print_key::<String>("name", &self.name, None, out);
        print_key::<BTreeMap<String, String>>("labels", &self.labels, None, out);
        for kind in PRINT_ORDER {
            if let Some(list) = self.integrations.get(&kind).filter(|list| !list.is_empty()) {
                let key = format!("{}_configs", kind.as_str());
                let list = list.iter().map(RawIntegration::print).collect();
                out.push((Value::from(&*key), Value::Sequence(list)));
            }
        }
    }

    fn check(&mut self, place: &Place, reader: &mut Reader<'_>) {
        if self.name.is_empty() {
            reader.deny(place.at, "missing name in receiver");
            return;
        }
        let name = &self.name;
        if let Some(other) = self.labels.get("name").filter(|label| *label != name) {
            let message = format!(
                "receiver label \"name\" must match receiver name {}, got {}",
                go_quote(name),
                go_quote(other)
            );
            reader.deny(place.of("labels"), message);
        }
        self.labels.insert("name".to_owned(), name.clone());
    }

    fn unknown(key: &str, at: Position, reader: &mut Reader<'_>) {
        reader.unknown_key(key, Self::GO, at, hint(key));
    }
}

/// What is meant by names that people make up, or that other notifiers have.
fn hint(key: &str) -> Option<String> {
    let key = key.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| key.contains(word));
    let right = if has(&["ding"]) {
        "dingtalk_configs: [{webhook_url: …, secret: …}]"
    } else if has(&["feishu", "lark"]) {
        "feishu_configs: [{webhook_url: …, secret: …}]"
    } else if has(&["robot", "wecom", "qywx", "workwx", "weixin"]) {
        "wecom_robot_configs: [{webhook_url: …}], or wechat_configs for an application"
    } else if has(&["falcon"]) {
        "falcon_configs: [{url: …}]"
    } else {
        let near = IntegrationKind::ALL.iter().find(|kind| {
            let name = kind.as_str().replace('_', "");
            key.replace(['_', '-'], "").starts_with(&name)
        })?;
        return Some(format!("write {}_configs", near.as_str()));
    };
    Some(format!("write {right}"))
}

fn read_list(
    kind: IntegrationKind,
    node: Cursor<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<RawIntegration>> {
    let items = match node.content() {
        Content::List(items) => items,
        Content::Scalar(..) if node.is_null() => return Some(Vec::new()),
        Content::Scalar(..) | Content::Map(_) | Content::Cycle(_) => {
            reader.mismatch(node, kind.go_list());
            return None;
        }
    };
    let mut list = Vec::new();
    reader.nested(node, |reader| {
        for &item in items {
            list.extend(read_integration(kind, node.at(item), reader));
        }
    });
    Some(list)
}

impl RawReceiver {
    /// Fills in what the entries inherit and checks them, in upstream's order.
    pub(crate) fn inherit(
        &mut self,
        global: &Global,
        global_is_sound: bool,
        reader: &mut Reader<'_>,
    ) {
        for kind in CHECK_ORDER {
            for entry in self.integrations.get_mut(&kind).into_iter().flatten() {
                if entry.null && !kind.takes_null() {
                    let message = format!("missing {} config", kind.as_str());
                    reader.deny(entry.place.at, message);
                    continue;
                }
                let before = reader.problems.len();
                entry.settings.inherit(global, &entry.place, reader);
                // What is missing may be missing because something else is wrong.
                if !(entry.place.sound && global_is_sound) {
                    reader.problems.truncate(before);
                }
            }
        }
    }

    /// The integrations with their places in the file.
    pub(crate) fn integrations(&self) -> impl Iterator<Item = &RawIntegration> {
        self.integrations.values().flatten()
    }

    /// The receiver as it is kept.
    pub(crate) fn receiver(self) -> Receiver {
        let mut integrations = Vec::new();
        for list in self.integrations.into_values() {
            for (index, entry) in (0..).zip(list) {
                integrations.push(Arc::new(entry.integration(index)));
            }
        }
        let labels = self.labels.into_iter();
        Receiver {
            name: Arc::from(self.name),
            labels: labels
                .map(|(name, value)| (Arc::from(name), Arc::from(value)))
                .collect(),
            integrations,
        }
    }
}
