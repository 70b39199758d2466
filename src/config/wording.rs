//! Puts the templates together: the built-in ones, those of files, and the texts of the configuration itself.
//!
//! What Go refuses in a file is an error. In a text of the configuration upstream finds mistakes only when a notification
//! needs it; here they are told when the configuration is loaded.

use std::{collections::BTreeSet, sync::Arc};

use super::{Config, LoadErrors, Settings, Texts, Warning, references::TemplateText};
use crate::{
    template::{Library, Mode, TemplateError},
    yaml::Value,
};

impl Config {
    /// Reads template files, by path and content in their order, and compiles every text of the configuration over them.
    pub(super) fn word(&mut self, files: &[(String, String)]) -> Result<(), LoadErrors> {
        let sources = files.iter().map(|(path, text)| (&**path, &**text));
        let library =
            Library::new(self.texts.language(), sources).map_err(LoadErrors::in_templates)?;
        let mut texts = self.texts.with_library(library);
        let settings: Vec<&Settings> = self
            .receivers
            .iter()
            .flat_map(|receiver| &receiver.integrations)
            .map(|integration| &integration.settings)
            .collect();
        let html: BTreeSet<&str> = settings.iter().filter_map(|entry| html(entry)).collect();
        for entry in &settings {
            compile_defaults(entry, &html, &mut texts);
        }
        let mut told = BTreeSet::new();
        for text in &self.references.templates {
            if told.insert((text.line, text.column, &text.text))
                && let Err(error) = compile(&text.text, &html, &mut texts)
            {
                self.warnings.push(does_not_parse(text, &error));
            }
        }
        self.texts = Arc::new(texts);
        Ok(())
    }
}

/// The text that is rendered as HTML, escaped by its contexts.
fn html(settings: &Settings) -> Option<&str> {
    match settings {
        Settings::Email(email) => Some(&email.html),
        Settings::Pushover(pushover) if pushover.html => Some(&pushover.message),
        Settings::Telegram(telegram) if telegram.parse_mode == "HTML" => Some(&telegram.message),
        _ => None,
    }
}

fn compile(
    source: &Arc<str>,
    html: &BTreeSet<&str>,
    texts: &mut Texts,
) -> Result<(), TemplateError> {
    texts.compile(source, Mode::Text)?;
    if html.contains(&**source) {
        texts.compile(source, Mode::Html)?;
    }
    Ok(())
}

/// Compiles the texts that an entry has by default; mistakes in its own are told with their places.
fn compile_defaults(settings: &Settings, html: &BTreeSet<&str>, texts: &mut Texts) {
    let mut keys = Vec::new();
    settings.print_keys(&mut keys);
    let mut left = vec![Value::Mapping(keys)];
    while let Some(value) = left.pop() {
        match value {
            Value::String { text, .. } if text.contains("{{") => {
                let _ = compile(&text.into(), html, texts);
            }
            Value::Sequence(items) => left.extend(items),
            Value::Mapping(entries) => left.extend(entries.into_iter().map(|(_, value)| value)),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Float(_)
            | Value::String { .. } => {}
        }
    }
}

fn does_not_parse(text: &TemplateText, error: &TemplateError) -> Warning {
    let error = if text.secret {
        "its words are secret, so the error is not shown".to_owned()
    } else {
        error.to_string()
    };
    Warning {
        line: text.line,
        column: text.column,
        message: format!(
            "this template cannot be read, so notifications that need it fail or go out in plain words: {error}"
        ),
        fails: true,
    }
}
