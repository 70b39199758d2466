//! Everything that is wrong with a file, each with its place.

use std::fmt;

use super::read::{Problem, Reader, Stage};

/// Most mistakes that are shown of one file; a file with more is not what it is taken for.
const MAX_SHOWN: usize = 1000;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file.
    pub file: String,
    /// One-based line; 0 if it concerns no single line.
    pub line: usize,
    /// One-based column; 0 if it concerns no single line.
    pub column: usize,
    /// What is wrong, in upstream's words where upstream refuses it too.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether a type or a name is wrong; upstream reports all of these together.
    pub(crate) of_type: bool,
}

/// `alertmanager.yml:5:3: field foo not found in type config.plain`, without the position where there is none.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
        }
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.file.is_empty() || self.line > 0 {
            f.write_str(" ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// All mistakes of a file; the first is the one that upstream would report. Printed one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<LoadError>);

impl LoadErrors {
    /// A file that is no YAML.
    pub(super) fn syntax(file: &str, error: &crate::yaml::Error) -> Self {
        let prefix = if error.line > 0 {
            format!("yaml: line {}: ", error.line)
        } else {
            "yaml: ".to_owned()
        };
        Self(vec![LoadError {
            file: file.to_owned(),
            line: error.line as usize,
            column: error.column as usize,
            message: prefix + &error.message,
            hint: None,
            of_type: false,
        }])
    }

    /// The only message that Alertmanager and amtool print for this file.
    #[must_use]
    pub fn upstream(&self) -> String {
        let Some(first) = self.0.first() else {
            return String::new();
        };
        if !first.of_type {
            return first.message.clone();
        }
        let lines = self.0.iter().filter(|error| error.of_type);
        lines.fold("yaml: unmarshal errors:".to_owned(), |text, error| {
            format!("{text}\n  line {}: {}", error.line, error.message)
        })
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let separator = if i > 0 { "\n" } else { "" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}

impl Reader<'_> {
    /// The mistakes in upstream's order; `None` if there are none.
    pub(super) fn errors(&mut self) -> Option<LoadErrors> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| problem.stage);
        problems.truncate(MAX_SHOWN);
        let file = &self.env.file;
        let errors: Vec<_> = problems
            .into_iter()
            .map(|problem| load_error(file, problem))
            .collect();
        (!errors.is_empty()).then_some(LoadErrors(errors))
    }
}

fn load_error(file: &str, problem: Problem) -> LoadError {
    let (line, column) = problem.at.pair();
    LoadError {
        file: file.to_owned(),
        line,
        column,
        message: problem.message,
        hint: problem.hint,
        of_type: problem.stage == Stage::Type,
    }
}
