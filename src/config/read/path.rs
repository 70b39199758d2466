//! Paths of files. The core opens none of them; it remembers them for the shell.

use super::{Codec, Cursor, Reader};
use crate::{
    config::{FileKind, FileRef, Secret},
    yaml::Value,
};

/// The path of a file: relative to the working directory, or inside [`Beside`] to that of the configuration file.
pub(crate) struct FilePath;

impl Codec for FilePath {
    type Value = String;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let typed = reader.text(node, "string")?.into_owned();
        let joined = join(&reader.env.directory, &typed);
        let (path, beside) = if reader.beside || joined == typed {
            (joined, None)
        } else {
            (typed, Some(joined))
        };
        // Templated paths are known at the time of a notification only.
        if !path.is_empty() && !path.contains("{{") {
            let (line, column) = node.position().pair();
            reader.references.files.push(FileRef {
                kind: FileKind::Content,
                path: path.clone(),
                beside,
                line,
                column,
            });
        }
        Some(path)
    }

    fn null() -> String {
        String::new()
    }

    fn print(path: &String) -> Value {
        Value::from(&**path)
    }

    fn is_empty(path: &String) -> bool {
        path.is_empty()
    }
}

/// Where relative paths are relative to the directory of the configuration file, as in `http_config`.
pub(crate) struct Beside<C>(C);

impl<C: Codec> Codec for Beside<C> {
    type Value = C::Value;

    fn go_type() -> String {
        C::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<C::Value> {
        let before = std::mem::replace(&mut reader.beside, true);
        let value = C::read(node, reader);
        reader.beside = before;
        value
    }

    fn null() -> C::Value {
        C::null()
    }

    fn print(value: &C::Value) -> Value {
        C::print(value)
    }

    fn is_empty(value: &C::Value) -> bool {
        C::is_empty(value)
    }

    fn secrets(value: &C::Value, out: &mut Vec<Secret>) {
        C::secrets(value, out);
    }
}

/// Joins a path with a directory unless it is absolute or empty, as Go's `JoinDir` does: cleaned.
pub(crate) fn join(directory: &str, path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    let absolute = directory.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let clean = parts.join("/");
    match (absolute, clean.is_empty()) {
        (true, _) => format!("/{clean}"),
        (false, true) => ".".to_owned(),
        (false, false) => clean,
    }
}
