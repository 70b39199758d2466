//! Relabelling: rules that change label sets or drop them (`model/relabel` of Prometheus 3.14).

use std::fmt;

use md5::{Digest as _, Md5};
use regex::Captures;

use super::{LabelSet, go_lower, go_upper};
use crate::regex::{RegexError, compile, expand, expand_with};

/// The pattern that is meant where none is given.
const ANYTHING: &str = "(.*)";

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Relabel {
    /// Labels whose values, joined, are looked at.
    pub source_labels: Vec<String>,
    /// What stands between them.
    pub separator: String,
    /// What they must match.
    pub regex: RelabelRegex,
    /// What their hash is divided by, for [`RelabelAction::HashMod`]; not zero there.
    pub modulus: u64,
    /// The label that is written or compared; may refer to captures.
    pub target_label: String,
    /// What is written; may refer to captures.
    pub replacement: String,
    /// What is done.
    pub action: RelabelAction,
}

/// The defaults of Prometheus.
impl Default for Relabel {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: RelabelRegex::default(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: RelabelAction::Replace,
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelabelAction {
    /// Writes a label.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops what differs from the target.
    KeepEqual,
    /// Drops what equals the target.
    DropEqual,
    /// Writes the remainder of a hash.
    HashMod,
    /// Copies labels whose names match to other names.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Writes a label in lower case.
    Lowercase,
    /// Writes a label in upper case.
    Uppercase,
}

/// A pattern that must match a whole text, line breaks included.
#[derive(Clone)]
pub struct RelabelRegex {
    text: String,
    /// `None` for [`ANYTHING`].
    regex: Option<regex::Regex>,
}

impl RelabelRegex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When Go refuses the pattern, or when it is too large.
    pub fn new(text: &str) -> Result<Self, RegexError> {
        let regex = if text == ANYTHING {
            None
        } else {
            Some(compile(&format!("^(?s:{text})$"))?)
        };
        let text = text.to_owned();
        Ok(Self { text, regex })
    }

    /// The pattern as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn is_match(&self, value: &str) -> bool {
        self.regex
            .as_ref()
            .is_none_or(|regex| regex.is_match(value))
    }
}

impl Default for RelabelRegex {
    fn default() -> Self {
        Self {
            text: ANYTHING.to_owned(),
            regex: None,
        }
    }
}

impl PartialEq for RelabelRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for RelabelRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Applies the rules in their order; `None` if one of them drops the set. Labels with empty values go.
#[must_use]
pub fn relabel(rules: &[Relabel], labels: &LabelSet) -> Option<LabelSet> {
    let mut edit = Edit {
        pairs: labels.iter().map(|(n, v)| (n.into(), v.into())).collect(),
        changed: false,
    };
    for rule in rules {
        if !apply(rule, &mut edit) {
            return None;
        }
    }
    Some(if edit.changed {
        LabelSet::from_pairs(edit.pairs)
    } else {
        labels.clone()
    })
}

/// A set on its way through the rules.
struct Edit {
    pairs: Vec<(String, String)>,
    changed: bool,
}

impl Edit {
    fn get(&self, name: &str) -> &str {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.changed = true;
        let place = self.pairs.iter().position(|(known, _)| known == name);
        match place.and_then(|place| self.pairs.get_mut(place)) {
            _ if value.is_empty() => self.pairs.retain(|(known, _)| known != name),
            Some((_, old)) => value.clone_into(old),
            None => self.pairs.push((name.to_owned(), value.to_owned())),
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        let before = self.pairs.len();
        self.pairs.retain(|(name, _)| keep(name));
        self.changed |= self.pairs.len() != before;
    }
}

/// False if the rule drops the set.
fn apply(rule: &Relabel, edit: &mut Edit) -> bool {
    let values: Vec<&str> = rule.source_labels.iter().map(|n| edit.get(n)).collect();
    let value = values.join(&rule.separator);
    let target = &rule.target_label;
    match rule.action {
        RelabelAction::Drop => return !rule.regex.is_match(&value),
        RelabelAction::Keep => return rule.regex.is_match(&value),
        RelabelAction::DropEqual => return edit.get(target) != value,
        RelabelAction::KeepEqual => return edit.get(target) == value,
        RelabelAction::Replace => replace(rule, &value, edit),
        RelabelAction::Lowercase => edit.set(target, &go_lower(&value)),
        RelabelAction::Uppercase => edit.set(target, &go_upper(&value)),
        RelabelAction::HashMod => {
            let remainder = hash(&value).checked_rem(rule.modulus).unwrap_or(0);
            edit.set(target, &remainder.to_string());
        }
        RelabelAction::LabelMap => map_names(rule, edit),
        RelabelAction::LabelDrop => edit.retain(|name| !rule.regex.is_match(name)),
        RelabelAction::LabelKeep => edit.retain(|name| rule.regex.is_match(name)),
    }
    true
}

fn replace(rule: &Relabel, value: &str, edit: &mut Edit) {
    let (target, replacement) = (&rule.target_label, &rule.replacement);
    let Some(regex) = &rule.regex.regex else {
        return edit.write(&whole(target, value), &whole(replacement, value));
    };
    if let Some(captures) = regex.captures(value) {
        edit.write(
            &expanded(target, &captures),
            &expanded(replacement, &captures),
        );
    }
}

impl Edit {
    /// Writes a label whose name was made up, if it is a name.
    fn write(&mut self, name: &str, value: &str) {
        if !name.is_empty() {
            self.set(name, value);
        }
    }
}

/// A template over a value that [`ANYTHING`] captured.
fn whole(template: &str, value: &str) -> String {
    let mut out = String::new();
    expand_with(&mut out, template, |name| match name {
        "0" | "1" => value,
        _ => "",
    });
    out
}

fn expanded(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    expand(&mut out, template, captures);
    out
}

fn map_names(rule: &Relabel, edit: &mut Edit) {
    let before = edit.pairs.clone();
    for (name, value) in before {
        let mapped = match &rule.regex.regex {
            None => whole(&rule.replacement, &name),
            Some(regex) => match regex.captures(&name) {
                Some(captures) => expanded(&rule.replacement, &captures),
                None => continue,
            },
        };
        edit.write(&mapped, &value);
    }
}

/// The last eight bytes of the MD5 of a value.
fn hash(value: &str) -> u64 {
    let digest: [u8; 16] = Md5::digest(value.as_bytes()).into();
    let last = digest.last_chunk::<8>();
    last.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: RelabelAction, sources: &[&str]) -> Relabel {
        Relabel {
            source_labels: sources.iter().map(|&name| name.to_owned()).collect(),
            action,
            ..Relabel::default()
        }
    }

    fn regex(text: &str) -> RelabelRegex {
        RelabelRegex::new(text).unwrap()
    }

    /// The set `{a="foo", b="bar", c="Baz\n"}` after the rules.
    fn after(rules: &[Relabel]) -> String {
        let labels = LabelSet::from_pairs([("a", "foo"), ("b", "bar"), ("c", "Baz\n")]);
        relabel(rules, &labels).map_or_else(|| "dropped".to_owned(), |labels| labels.to_string())
    }

    #[test]
    fn replacing() {
        let replace = |sources: &[&str], pattern: &str, target: &str, replacement: &str| {
            after(&[Relabel {
                regex: regex(pattern),
                target_label: target.into(),
                replacement: replacement.into(),
                ..rule(RelabelAction::Replace, sources)
            }])
        };
        for (sources, pattern, target, replacement, expect) in [
            (
                &["a", "b"][..],
                "f(.*);(.*)r",
                "a",
                "b${1}${2}m",
                r#"{a="boobam", b="bar", c="Baz\n"}"#,
            ),
            (
                &["a"],
                "(.*)",
                "d",
                "$1",
                r#"{a="foo", b="bar", c="Baz\n", d="foo"}"#,
            ),
            (
                &["c"],
                "Baz.",
                "d",
                "x",
                r#"{a="foo", b="bar", c="Baz\n", d="x"}"#,
            ),
            (&["a"], "o+", "d", "x", r#"{a="foo", b="bar", c="Baz\n"}"#),
            (
                &["none"],
                "(.*)",
                "d",
                "$1",
                r#"{a="foo", b="bar", c="Baz\n"}"#,
            ),
            (&["none"], "(.*)", "a", "", r#"{b="bar", c="Baz\n"}"#),
            (
                &[],
                "(.*)",
                "d",
                "plain $$1 $2|$1",
                r#"{a="foo", b="bar", c="Baz\n", d="plain $1 |"}"#,
            ),
            (
                &["a", "b"],
                "(.*);(?P<n>.*)",
                "${1}_x",
                "${n}",
                r#"{a="foo", b="bar", c="Baz\n", foo_x="bar"}"#,
            ),
            (
                &["a"],
                "(f)?(.*)",
                "$3",
                "x",
                r#"{a="foo", b="bar", c="Baz\n"}"#,
            ),
        ] {
            let found = replace(sources, pattern, target, replacement);
            assert_eq!(
                found, expect,
                "{sources:?} {pattern} {target} {replacement}"
            );
        }
    }

    #[test]
    fn keeping_and_dropping() {
        let with = |action, sources: &[&str], pattern: &str, target: &str| {
            after(&[Relabel {
                regex: regex(pattern),
                target_label: target.into(),
                ..rule(action, sources)
            }])
        };
        let all = r#"{a="foo", b="bar", c="Baz\n"}"#;
        for (found, expect) in [
            (with(RelabelAction::Drop, &["a"], ".*o.*", ""), "dropped"),
            (with(RelabelAction::Drop, &["a"], "f", ""), all),
            (with(RelabelAction::Keep, &["a", "b"], "foo;bar", ""), all),
            (with(RelabelAction::Keep, &["none"], "x", ""), "dropped"),
            (with(RelabelAction::KeepEqual, &["a"], "(.*)", "a"), all),
            (
                with(RelabelAction::KeepEqual, &["a"], "(.*)", "b"),
                "dropped",
            ),
            (
                with(RelabelAction::DropEqual, &["a"], "(.*)", "a"),
                "dropped",
            ),
            (with(RelabelAction::DropEqual, &["a"], "(.*)", "b"), all),
            (
                with(RelabelAction::LabelDrop, &[], "a|b", ""),
                r#"{c="Baz\n"}"#,
            ),
            (
                with(RelabelAction::LabelKeep, &[], "a|b", ""),
                r#"{a="foo", b="bar"}"#,
            ),
            (
                with(RelabelAction::Uppercase, &["a"], "(.*)", "a"),
                r#"{a="FOO", b="bar", c="Baz\n"}"#,
            ),
            (
                with(RelabelAction::Lowercase, &["c"], "(.*)", "c"),
                r#"{a="foo", b="bar", c="baz\n"}"#,
            ),
        ] {
            assert_eq!(found, expect);
        }
    }

    #[test]
    fn names_and_hashes() {
        let map = Relabel {
            regex: regex("(a|b)"),
            replacement: "${1}_x".into(),
            ..rule(RelabelAction::LabelMap, &[])
        };
        assert_eq!(
            after(&[map]),
            r#"{a="foo", a_x="foo", b="bar", b_x="bar", c="Baz\n"}"#
        );
        let hashed = Relabel {
            target_label: "d".into(),
            modulus: 1000,
            ..rule(RelabelAction::HashMod, &["c"])
        };
        let labels = LabelSet::from_pairs([("c", "baz")]);
        // The case `hashmod` of Prometheus's tests.
        assert_eq!(relabel(&[hashed], &labels).unwrap().value("d"), "976");
    }

    #[test]
    fn rules_follow_each_other_and_a_drop_ends_them() {
        let write = |target: &str, replacement: &str| Relabel {
            target_label: target.into(),
            replacement: replacement.into(),
            ..rule(RelabelAction::Replace, &["a"])
        };
        let drop = Relabel {
            regex: regex("x"),
            ..rule(RelabelAction::Drop, &["d"])
        };
        assert_eq!(
            after(&[write("d", "x"), drop.clone(), write("e", "y")]),
            "dropped"
        );
        assert_eq!(
            after(&[write("d", "z"), drop, write("a", "")]),
            r#"{b="bar", c="Baz\n", d="z"}"#
        );
        assert_eq!(after(&[]), r#"{a="foo", b="bar", c="Baz\n"}"#);
    }
}
