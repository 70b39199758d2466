//! The files and templates a configuration names, and what is missing among them.
//!
//! The core reads no file: the shell looks at what [`References::files`] names and answers through [`FileFacts`].

use std::collections::BTreeSet;

use super::{
    Config, Warning,
    templates::{Use, is_built_in, names},
};

/// The files and templates a configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Every file and glob, in the order of the file.
    pub files: Vec<FileRef>,
    /// Templates that texts of the file call, in the order of the file.
    pub(crate) templates: Vec<TemplateCall>,
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

/// `{{ template "name" }}` in a text of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateCall {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What the shell found on disk.
pub trait FileFacts {
    /// Whether a file of that path can be read.
    fn is_readable(&self, path: &str) -> bool;

    /// The content of each file that a glob matches, by path; `None` if the glob is malformed.
    fn glob(&self, pattern: &str) -> Option<Vec<(String, String)>>;
}

impl Config {
    /// Warns about files that are not there and templates that nobody defines. To be called once after loading.
    pub fn check_files(&mut self, facts: &dyn FileFacts) {
        let mut defined: BTreeSet<String> = BTreeSet::new();
        let mut found = Vec::new();
        for file in &self.references.files {
            let problem = match file.kind {
                FileKind::Templates => check_glob(file, facts, &mut defined),
                FileKind::Content => check_file(file, facts),
            };
            found.extend(problem.map(|message| (file.line, file.column, message)));
        }
        for TemplateCall { name, line, column } in &self.references.templates {
            if !is_built_in(name) && !defined.contains(name) {
                let message = format!(
                    "template {name:?} is neither built in nor defined in a file of templates: notifications that \
                     need it fail"
                );
                found.push((*line, *column, message));
            }
        }
        self.warnings
            .extend(found.into_iter().map(|(line, column, message)| Warning {
                line,
                column,
                message,
            }));
        self.warnings
            .sort_by_key(|warning| (warning.line, warning.column));
    }
}

fn check_glob(
    file: &FileRef,
    facts: &dyn FileFacts,
    defined: &mut BTreeSet<String>,
) -> Option<String> {
    let contents = facts.glob(&file.path).unwrap_or_default();
    for (_, text) in &contents {
        let names = names(text).filter(|(what, _)| *what == Use::Defines);
        defined.extend(names.map(|(_, name)| name.to_owned()));
    }
    contents.is_empty().then(|| {
        format!(
            "no file matches {:?}, so no templates come from it",
            file.path
        )
    })
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

        fn glob(&self, pattern: &str) -> Option<Vec<(String, String)>> {
            let (before, after) = pattern.split_once('*')?;
            let matching = self
                .0
                .iter()
                .filter(|(name, _)| name.starts_with(before) && name.ends_with(after));
            Some(
                matching
                    .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
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
        config.check_files(&Files(vec![
            ("/etc/am/t/a.tmpl", "{{ define \"mine\" }}{{ end }}"),
            ("there.txt", ""),
            ("/etc/am/beside.txt", ""),
            ("/etc/am/token", ""),
        ]));
        let shown: Vec<String> = config
            .warnings
            .iter()
            .map(|warning| format!("{}:{} {}", warning.line, warning.column, warning.message))
            .collect();
        expect_test::expect![[r#"
            1:25 no file matches "/etc/am/none/*.tmpl", so no templates come from it
            7:16 file "beside.txt" cannot be read: relative paths of this key are relative to the working directory; write "/etc/am/beside.txt"
            8:16 file "gone.txt" cannot be read; notifications that need it fail until it is there
            10:38 template "typo" is neither built in nor defined in a file of templates: notifications that need it fail"#]].assert_eq(&shown.join("\n"));
    }
}
