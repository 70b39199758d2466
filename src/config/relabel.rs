//! Rules of relabelling (`relabel_configs` and its like) as they are written.

use super::{
    Secret,
    read::{Codec, Cursor, Place, Placed, Reader},
    section::section,
};
use crate::{
    labels::{Relabel, RelabelAction, RelabelRegex, go_quote},
    yaml::Value,
};

section! {
    pub(crate) RawRelabel in "relabel.plain", check check_relabel {
        source_labels: Vec<String>,
        separator: String = ";",
        regex: RelabelRegex as Pattern,
        modulus: u64,
        target_label: String,
        replacement: String = "$1",
        action: RelabelAction as Action,
    }
}

/// Reads a rule of relabelling.
pub(crate) struct RelabelRule;

impl Codec for RelabelRule {
    type Value = Relabel;

    fn go_type() -> String {
        "*relabel.Config".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Relabel> {
        let Placed { value: raw, .. } = <Placed<RawRelabel> as Codec>::read(node, reader)?;
        Some(Relabel {
            source_labels: raw.source_labels,
            separator: raw.separator,
            regex: raw.regex,
            modulus: raw.modulus,
            target_label: raw.target_label,
            replacement: raw.replacement,
            action: raw.action,
        })
    }

    fn null() -> Relabel {
        Relabel::default()
    }

    fn print(rule: &Relabel) -> Value {
        <Placed<RawRelabel> as Codec>::print(&Placed {
            value: RawRelabel {
                source_labels: rule.source_labels.clone(),
                separator: rule.separator.clone(),
                regex: rule.regex.clone(),
                modulus: rule.modulus,
                target_label: rule.target_label.clone(),
                replacement: rule.replacement.clone(),
                action: rule.action,
            },
            place: Place::default(),
        })
    }

    fn is_empty(_rule: &Relabel) -> bool {
        false
    }

    fn secrets(_rule: &Relabel, _out: &mut Vec<Secret>) {}
}

pub(crate) struct Pattern;

impl Codec for Pattern {
    type Value = RelabelRegex;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<RelabelRegex> {
        let text = reader.text(node, "string")?;
        match RelabelRegex::new(&text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                reader.deny(node.position(), error.to_string());
                None
            }
        }
    }

    fn null() -> RelabelRegex {
        RelabelRegex::default()
    }

    fn print(regex: &RelabelRegex) -> Value {
        Value::from(regex.as_str())
    }

    fn is_empty(_regex: &RelabelRegex) -> bool {
        false
    }
}

/// The words for what a rule does; their case does not matter.
const ACTIONS: [(&str, RelabelAction); 11] = [
    ("replace", RelabelAction::Replace),
    ("keep", RelabelAction::Keep),
    ("drop", RelabelAction::Drop),
    ("keepequal", RelabelAction::KeepEqual),
    ("dropequal", RelabelAction::DropEqual),
    ("hashmod", RelabelAction::HashMod),
    ("labelmap", RelabelAction::LabelMap),
    ("labeldrop", RelabelAction::LabelDrop),
    ("labelkeep", RelabelAction::LabelKeep),
    ("lowercase", RelabelAction::Lowercase),
    ("uppercase", RelabelAction::Uppercase),
];

fn word(action: RelabelAction) -> &'static str {
    let found = ACTIONS.iter().find(|(_, known)| *known == action);
    found.map_or("replace", |(word, _)| word)
}

pub(crate) struct Action;

impl Codec for Action {
    type Value = RelabelAction;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<RelabelAction> {
        let typed = reader.text(node, "string")?;
        let found = ACTIONS
            .iter()
            .find(|(word, _)| typed.eq_ignore_ascii_case(word));
        if found.is_none() {
            let message = format!("unknown relabel action {}", go_quote(&typed));
            reader.deny(node.position(), message);
        }
        found.map(|(_, action)| *action)
    }

    fn null() -> RelabelAction {
        RelabelAction::default()
    }

    fn print(action: &RelabelAction) -> Value {
        Value::from(word(*action))
    }

    fn is_empty(_action: &RelabelAction) -> bool {
        false
    }
}

/// As `relabel.Config.Validate` with names of UTF-8.
fn check_relabel(rule: &mut RawRelabel, place: &Place, reader: &mut Reader<'_>) {
    let name = word(rule.action);
    let (unused, complaint) = unused(rule.action);
    if let Some(key) = unused.iter().find(|key| is_set(rule, key, place)) {
        let message = complaint.replace("{}", name);
        reader.deny(place.of(key), message);
    }
    if writes_or_compares(rule.action) && rule.target_label.is_empty() {
        let message =
            format!("relabel configuration for {name} action requires 'target_label' value");
        reader.deny(place.at, message);
    }
    if rule.action == RelabelAction::HashMod && rule.modulus == 0 {
        let message = "relabel configuration for hashmod requires non-zero modulus";
        reader.deny(place.at, message);
    }
    if rule.action == RelabelAction::LabelMap && rule.replacement.is_empty() {
        let message = format!("\"\" is invalid 'replacement' for {name} action");
        reader.deny(place.of("replacement"), message);
    }
}

/// Keys that an action does not look at, and what is said of them.
fn unused(action: RelabelAction) -> (&'static [&'static str], &'static str) {
    match action {
        RelabelAction::LabelDrop | RelabelAction::LabelKeep => (
            &[
                "source_labels",
                "target_label",
                "modulus",
                "separator",
                "replacement",
            ],
            "{} action requires only 'regex', and no other fields",
        ),
        RelabelAction::KeepEqual | RelabelAction::DropEqual => (
            &["regex", "modulus", "separator", "replacement"],
            "{} action requires only 'source_labels' and `target_label`, and no other fields",
        ),
        RelabelAction::Lowercase | RelabelAction::Uppercase => (
            &["replacement"],
            "'replacement' can not be set for {} action",
        ),
        RelabelAction::Replace
        | RelabelAction::Keep
        | RelabelAction::Drop
        | RelabelAction::HashMod
        | RelabelAction::LabelMap => (&[], ""),
    }
}

fn writes_or_compares(action: RelabelAction) -> bool {
    matches!(
        action,
        RelabelAction::Replace
            | RelabelAction::KeepEqual
            | RelabelAction::DropEqual
            | RelabelAction::HashMod
            | RelabelAction::Lowercase
            | RelabelAction::Uppercase
    )
}

/// Whether a key has another value than its default; a pattern counts whatever it is.
fn is_set(rule: &RawRelabel, key: &str, place: &Place) -> bool {
    let default = RawRelabel::default();
    place.has(key)
        && match key {
            "modulus" => rule.modulus != default.modulus,
            "separator" => rule.separator != default.separator,
            "replacement" => rule.replacement != default.replacement,
            "target_label" => rule.target_label != default.target_label,
            _ => true,
        }
}
