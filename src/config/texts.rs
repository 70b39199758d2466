//! What notifications are worded with: the templates, the language, the time zone, and whom to mention.

use std::{collections::BTreeMap, sync::Arc};

use jiff::tz::TimeZone;

use super::Mention;
use crate::template::{Language, Library, Mode, Template, TemplateError};

/// Everything that puts notifications into words; cheap to share, never changes.
#[derive(Debug)]
pub struct Texts {
    library: Library,
    compiled: BTreeMap<(Mode, Arc<str>), Template>,
    timezone: TimeZone,
    language: Language,
    mentions: Vec<Mention>,
}

/// The built-in templates, in English and UTC.
impl Default for Texts {
    fn default() -> Self {
        Self::new(
            Library::built_in(Language::English),
            TimeZone::UTC,
            Language::English,
            Vec::new(),
        )
    }
}

impl Texts {
    /// Words with the templates of `library`.
    #[must_use]
    pub fn new(
        library: Library,
        timezone: TimeZone,
        language: Language,
        mentions: Vec<Mention>,
    ) -> Self {
        Self {
            library,
            compiled: BTreeMap::new(),
            timezone,
            language,
            mentions,
        }
    }

    /// The template of a field.
    ///
    /// # Errors
    /// If it cannot be parsed.
    pub fn template(&self, source: &str, mode: Mode) -> Result<Template, TemplateError> {
        match self.compiled.get(&(mode, Arc::from(source))) {
            Some(template) => Ok(template.clone()),
            None => self.library.compile("", source, mode),
        }
    }

    /// The zone of `localTime`.
    #[must_use]
    pub fn timezone(&self) -> &TimeZone {
        &self.timezone
    }

    /// The language of the default templates.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Whom alerts concern.
    #[must_use]
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }
}
