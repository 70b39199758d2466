//! Who is mentioned in messages, and in which language they are (`global.mention_map`, `global.language`).

use std::sync::Arc;

use crate::labels::Matcher;

/// The language of the default templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// `en`
    #[default]
    English,
    /// `zh-CN`
    Chinese,
}

impl Language {
    /// Every language with its name in the file.
    pub(crate) const NAMES: [(&'static str, Self); 2] =
        [("en", Self::English), ("zh-CN", Self::Chinese)];
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
