//! The files and templates a configuration names, and what is missing among them.
//!
//! The core reads no file: the shell looks at what [`References::files`] names and answers through [`FileFacts`].

/// The files and templates a configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Every file and glob, in the order of the file.
    pub files: Vec<FileRef>,
    /// Text with template syntax, in the order of the file.
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

/// Text of the configuration that holds a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateText {
    pub(crate) text: String,
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
