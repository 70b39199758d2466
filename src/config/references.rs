//! The files and templates a configuration names, and what is missing among them.
//!
//! The core reads no file: the shell looks at what [`References::files`] names and answers through [`FileFacts`].

use std::sync::Arc;

use super::{Config, LoadError, LoadErrors, Warning};

/// The files and templates a configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Every file and glob, in the order of the file.
    pub files: Vec<FileRef>,
    /// Texts of the file that are templates, in the order of the file.
    pub(crate) templates: Vec<TemplateText>,
}

/// A file that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// What it is for.
    pub kind: FileKind,
    /// The path or glob; relative ones are relative to the working directory.
    pub path: String,
    /// Where the file would be if the path were relative to the directory of the configuration file, if that differs.
    pub beside: Option<String>,
    /// One-based line in the configuration file.
    pub line: usize,
    /// One-based column in the configuration file.
    pub column: usize,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A glob of `templates`.
    Templates,
    /// A certificate, key, password, token or address.
    Content,
}

/// A text of the file that is a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateText {
    pub(crate) text: Arc<str>,
    /// Whether it must not be printed.
    pub(crate) secret: bool,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What the shell found on disk.
pub trait FileFacts {
    /// Whether a file of that path can be read.
    fn is_readable(&self, path: &str) -> bool;

    /// Each file that a glob matches, by path, with its content or why it cannot be read; `None` if the glob is
    /// malformed.
    fn glob(&self, pattern: &str) -> Option<Vec<(String, Result<String, String>)>>;
}

impl Config {
    /// Brings in the files that it names: reads the templates, and warns about what is missing. To be called once after
    /// loading.
    ///
    /// # Errors
    /// If template files cannot be read or parsed; upstream refuses the configuration then.
    pub fn complete(&mut self, facts: &dyn FileFacts) -> Result<(), LoadErrors> {
        let (mut templates, mut errors) = (Vec::new(), Vec::new());
        for file in &self.references.files {
            let problem = match file.kind {
                FileKind::Content => check_file(file, facts),
                FileKind::Templates => read_templates(file, facts, &mut templates, &mut errors),
            };
            self.warnings.extend(problem.map(|message| Warning {
                line: file.line,
                column: file.column,
                message,
                fails: false,
            }));
        }
        if !errors.is_empty() {
            return Err(LoadErrors(errors));
        }
        self.word(&templates)?;
        self.warnings
            .sort_by_key(|warning| (warning.line, warning.column));
        Ok(())
    }
}

/// Reads what a glob matches; the answer is a warning.
fn read_templates(
    glob: &FileRef,
    facts: &dyn FileFacts,
    templates: &mut Vec<(String, String)>,
    errors: &mut Vec<LoadError>,
) -> Option<String> {
    let Some(found) = facts.glob(&glob.path) else {
        errors.push(LoadError::unplaced("syntax error in pattern", &glob.path));
        return None;
    };
    if found.is_empty() {
        return Some(format!(
            "no file matches {:?}, so no templates come from it",
            glob.path
        ));
    }
    for (path, content) in found {
        match content {
            Ok(text) => templates.push((path, text)),
            Err(reason) => errors.push(LoadError::unplaced(
                &format!("open {path}: {reason}"),
                &path,
            )),
        }
    }
    None
}

fn check_file(file: &FileRef, facts: &dyn FileFacts) -> Option<String> {
    if facts.is_readable(&file.path) {
        return None;
    }
    let beside = file.beside.as_deref();
    Some(match beside.filter(|path| facts.is_readable(path)) {
        Some(beside) => format!(
            "file {:?} cannot be read: relative paths of this key are relative to the working directory; write {beside:?}",
            file.path
        ),
        None => format!(
            "file {:?} cannot be read; notifications that need it fail until it is there",
            file.path
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadEnv, load};

    /// A directory in memory; the shell looks at the real one in the same way.
    struct Files(Vec<(&'static str, &'static str)>);

    impl FileFacts for Files {
        fn is_readable(&self, path: &str) -> bool {
            self.0.iter().any(|(name, _)| *name == path)
        }

        fn glob(&self, pattern: &str) -> Option<Vec<(String, Result<String, String>)>> {
            let (before, after) = pattern.split_once('*')?;
            let matching = self
                .0
                .iter()
                .filter(|(name, _)| name.starts_with(before) && name.ends_with(after));
            Some(
                matching
                    .map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned())))
                    .collect(),
            )
        }
    }

    #[test]
    fn missing_files_and_templates_are_told() {
        let text = "\
templates: ['t/*.tmpl', 'none/*.tmpl']
route: {receiver: a}
receivers:
- name: a
  webhook_configs:
  - {url_file: there.txt}
  - {url_file: beside.txt}
  - {url_file: gone.txt, http_config: {bearer_token_file: token}}
  discord_configs:
  - {webhook_url: 'http://a', title: '{{ template \"mine\" . }}{{ template \"typo\" . }}'}
";
        let mut config = load(text.as_bytes(), &LoadEnv::for_file("/etc/am/a.yml")).unwrap();
        config.warnings.clear();
        config
            .complete(&Files(vec![
                ("/etc/am/t/a.tmpl", "{{ define \"mine\" }}{{ end }}"),
                ("there.txt", ""),
                ("/etc/am/beside.txt", ""),
                ("/etc/am/token", ""),
            ]))
            .unwrap();
        let shown: Vec<String> = config
            .warnings
            .iter()
            .map(|warning| format!("{}:{} {}", warning.line, warning.column, warning.message))
            .collect();
        expect_test::expect![[r#"
            1:25 no file matches "/etc/am/none/*.tmpl", so no templates come from it
            7:16 file "beside.txt" cannot be read: relative paths of this key are relative to the working directory; write "/etc/am/beside.txt"
            8:16 file "gone.txt" cannot be read; notifications that need it fail until it is there
            10:38 notifications that need this template fail or go out in plain words: template: :1:35: executing "" at <{{template "typo" .}}>: template "typo" not defined"#]].assert_eq(&shown.join("\n"));
    }
}
