//! Who is mentioned in messages, and in which language they are (`global.mention_map`, `global.language`).

use std::sync::Arc;

use super::{
    matching::Matchers,
    read::{Named, Place, Reader},
    section::section,
};
use crate::{labels::Matcher, template::Language};

impl Named for Language {
    const NAMES: &'static [(&'static str, Self)] =
        &[("en", Self::English), ("zh-CN", Self::Chinese)];

    fn unknown(word: &str) -> String {
        format!("language must be en or zh-CN, not {word:?}")
    }
}

section! {
    /// `global.mention_map[]`
    #[derive(Eq)]
    pub(crate) RawMention in "config.Mention", check check_mention {
        /// All must match.
        matchers: Vec<Matcher> as Matchers,
        mobiles: Vec<String>,
        user_ids: Vec<String>,
        emails: Vec<String>,
    }
}

fn check_mention(mention: &mut RawMention, place: &Place, reader: &mut Reader<'_>) {
    if mention.mobiles.is_empty() && mention.user_ids.is_empty() && mention.emails.is_empty() {
        reader.deny(
            place.at,
            "an entry of mention_map needs mobiles, user_ids or emails",
        );
    }
}

impl RawMention {
    /// The entry as it is kept.
    pub(crate) fn mention(self) -> Mention {
        let shared = |list: Vec<String>| list.into_iter().map(Arc::from).collect();
        Mention {
            matchers: self.matchers,
            mobiles: shared(self.mobiles),
            user_ids: shared(self.user_ids),
            emails: shared(self.emails),
        }
    }
}

/// An entry of `global.mention_map`: these people are mentioned for alerts that pass the matchers.
#[derive(Debug, Clone)]
pub struct Mention {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Telephone numbers.
    pub mobiles: Vec<Arc<str>>,
    /// The receiver's own names of people.
    pub user_ids: Vec<Arc<str>>,
    /// Addresses.
    pub emails: Vec<Arc<str>>,
}
