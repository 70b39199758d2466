//! What is wrong with a template, where, in Go's words.

use std::{fmt, sync::Arc};

use crate::labels::go_quote;

/// A template that cannot be parsed, escaped or rendered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateError {
    /// The file's name, or the name that the text was compiled under.
    pub file: Arc<str>,
    /// Counts from 1; 0 where Go names no line.
    pub line: usize,
    /// Bytes before the place in its line, as Go counts; `None` where it is not known.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Parse,
    /// The template that was executed, and the part of it.
    Execute {
        template: Arc<str>,
        context: String,
    },
    Escape,
}

impl TemplateError {
    /// Go's `template: FILE:LINE: MESSAGE`.
    pub(crate) fn parse(file: &Arc<str>, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: Arc::clone(file),
            line,
            column: None,
            message: message.into(),
            origin: Origin::Parse,
        }
    }

    /// Go's `template: FILE:LINE:COLUMN: executing "TEMPLATE" at <CONTEXT>: MESSAGE`.
    pub(crate) fn execute(
        template: &Arc<str>,
        place: (&Arc<str>, usize, usize),
        context: String,
        message: impl Into<String>,
    ) -> Self {
        let (file, line, column) = place;
        Self {
            file: Arc::clone(file),
            line,
            column: Some(column),
            message: message.into(),
            origin: Origin::Execute {
                template: Arc::clone(template),
                context,
            },
        }
    }

    /// Go's `html/template:FILE:LINE:COLUMN: MESSAGE`; line 0 and column `None` are left out, as is an empty name alone.
    pub(crate) fn escape(
        file: &Arc<str>,
        line: usize,
        column: Option<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: Arc::clone(file),
            line,
            column,
            message: message.into(),
            origin: Origin::Escape,
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            origin,
        } = self;
        let column = column.map_or_else(String::new, |column| format!(":{column}"));
        match origin {
            // Go names no column here.
            Origin::Parse => write!(f, "template: {file}:{line}: {message}"),
            Origin::Execute { template, context } => write!(
                f,
                "template: {file}:{line}{column}: executing {} at <{context}>: {message}",
                go_quote(template)
            ),
            Origin::Escape if *line > 0 => {
                write!(f, "html/template:{file}:{line}{column}: {message}")
            }
            Origin::Escape if file.is_empty() => write!(f, "html/template: {message}"),
            Origin::Escape => write!(f, "html/template:{file}: {message}"),
        }
    }
}

impl std::error::Error for TemplateError {}
