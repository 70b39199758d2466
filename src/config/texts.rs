//! What notifications are worded with: the templates, the language, the time zone, and whom to mention.

use std::{collections::BTreeMap, sync::Arc};

use jiff::tz::TimeZone;

use super::Mention;
use crate::template::{Language, Library, Mode, Template, TemplateError};

/// Everything that puts notifications into words; cheap to share, never changes once the configuration is in force.
#[derive(Clone, Debug)]
pub struct Texts {
    library: Library,
    text: BTreeMap<Arc<str>, Template>,
    html: BTreeMap<Arc<str>, Template>,
    timezone: TimeZone,
    language: Language,
    mentions: Arc<[Mention]>,
}

/// The built-in templates, in English and UTC.
impl Default for Texts {
    fn default() -> Self {
        Self::new(TimeZone::UTC, Language::English, Vec::new())
    }
}

impl Texts {
    /// Words with the built-in templates.
    #[must_use]
    pub fn new(timezone: TimeZone, language: Language, mentions: Vec<Mention>) -> Self {
        Self {
            library: Library::built_in(language),
            text: BTreeMap::new(),
            html: BTreeMap::new(),
            timezone,
            language,
            mentions: mentions.into(),
        }
    }

    /// The same with other templates; what was compiled before is forgotten.
    pub(super) fn with_library(&self, library: Library) -> Self {
        Self {
            library,
            text: BTreeMap::new(),
            html: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// Compiles the template of a field ahead of its use.
    pub(super) fn compile(
        &mut self,
        source: &Arc<str>,
        mode: Mode,
    ) -> Result<Template, TemplateError> {
        let template = self.template(source, mode)?;
        let compiled = match mode {
            Mode::Text => &mut self.text,
            Mode::Html => &mut self.html,
        };
        compiled.insert(Arc::clone(source), template.clone());
        Ok(template)
    }

    /// The template of a field.
    ///
    /// # Errors
    /// If it cannot be parsed.
    pub fn template(&self, source: &str, mode: Mode) -> Result<Template, TemplateError> {
        let compiled = match mode {
            Mode::Text => &self.text,
            Mode::Html => &self.html,
        };
        match compiled.get(source) {
            Some(template) => Ok(template.clone()),
            None => self.library.compile("", source, mode),
        }
    }

    /// The named templates.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
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
