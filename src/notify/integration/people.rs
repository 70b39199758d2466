//! Whom a message mentions: the lists of the settings, which are templates, and `global.mention_map`.

use std::sync::Arc;

use crate::notify::{Renderer, Verdict};

/// More mentions than these would leave no room for the message.
const MOST: usize = 100;

/// The people of a list, each once: entries are templates, and one entry may name several with commas between them.
/// An entry whose template fails mentions nobody.
pub(super) fn listed(
    render: &Renderer<'_>,
    field: &str,
    sources: &[String],
    mapped: &[Arc<str>],
) -> Result<Vec<String>, Verdict> {
    let mut people = Vec::new();
    for source in sources {
        let rendered = render.detail(field, source)?;
        for one in rendered.split([',', '，', ';', '|', '\n']) {
            add(&mut people, one);
        }
    }
    for one in mapped {
        add(&mut people, one);
    }
    Ok(people)
}

fn add(people: &mut Vec<String>, one: &str) {
    let one = one.trim();
    let one = one.strip_prefix('@').unwrap_or(one);
    if !one.is_empty() && people.len() < MOST && !people.iter().any(|known| known == one) {
        people.push(one.to_owned());
    }
}

/// Whether a user of `mention_map` is one of Feishu: by the application's own or the developer's name for people.
pub(super) fn is_of_feishu(user: &str) -> bool {
    user.starts_with("ou_") || user.starts_with("on_")
}

/// The users of `mention_map` that are not Feishu's; those of DingTalk and WeCom cannot be told apart.
pub(super) fn not_of_feishu(users: &[Arc<str>]) -> Vec<Arc<str>> {
    let others = users.iter().filter(|user| !is_of_feishu(user));
    others.cloned().collect()
}

/// Takes out the words for everybody; whether there was one.
pub(super) fn take_all(people: &mut Vec<String>) -> bool {
    let before = people.len();
    people.retain(|one| !matches!(&**one, "all" | "ALL" | "所有人"));
    people.len() < before
}

/// Whether the text mentions somebody in so many letters already.
pub(super) fn mentions(text: &str, mention: &str) -> bool {
    text.match_indices(mention).any(|(at, _)| {
        let next = text[at + mention.len()..].chars().next();
        !next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_end_where_names_end() {
        for (text, expect) in [
            ("call @13800000000 now", true),
            ("call @138000000001", false),
            ("call @138000000001 or @13800000000", true),
            ("@13800000000", true),
            ("13800000000", false),
        ] {
            assert_eq!(mentions(text, "@13800000000"), expect, "{text}");
        }
    }

    #[test]
    fn everybody_is_one_word() {
        let mut people = vec!["all".to_owned(), "u1".to_owned()];
        assert!(take_all(&mut people));
        assert!(!take_all(&mut people));
        assert_eq!(people, ["u1"]);
    }
}
