//! The configuration file as a whole, as it is written.

use super::{
    FileKind, FileRef,
    global::Global,
    raw_inhibit::RawInhibitRule,
    raw_interval::{RawMuteTimeInterval, RawTimeInterval},
    raw_receiver::RawReceiver,
    raw_route::RawRoute,
    raw_tracing::{RawEventRecorder, RawTracing},
    read::{Codec, Cursor, Placed, Reader, Shown, join},
    section::section,
};
use crate::yaml::Value;

section! {
    /// `Config` of upstream's config/config.go.
    pub(crate) RawConfig in "config.plain" {
        global: Option<Placed<Global>>,
        route: Option<Placed<RawRoute>>,
        inhibit_rules: Vec<RawInhibitRule>,
        receivers: Vec<Placed<RawReceiver>>,
        templates: Vec<String> as Shown<Vec<TemplateGlob>>,
        /// Deprecated; the same as `time_intervals`.
        mute_time_intervals: Vec<Placed<RawMuteTimeInterval>>,
        time_intervals: Vec<Placed<RawTimeInterval>>,
        tracing: Option<Placed<RawTracing>>,
        event_recorder: Option<Placed<RawEventRecorder>>,
    }
}

/// A glob of `templates`, relative to the directory of the file.
pub(crate) struct TemplateGlob;

impl Codec for TemplateGlob {
    type Value = String;

    fn go_type() -> String {
        String::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let typed = reader.text(node, "string")?;
        let path = join(&reader.env.directory, &typed);
        let at = node.position();
        if !is_glob(&path) {
            reader.deny(at, "syntax error in pattern");
            return None;
        }
        let (line, column) = at.pair();
        reader.references.files.push(FileRef {
            kind: FileKind::Templates,
            path: path.clone(),
            beside: None,
            line,
            column,
        });
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

/// Whether Go's `filepath.Match` takes a pattern: brackets are closed and hold something, escapes escape something.
fn is_glob(pattern: &str) -> bool {
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => return false,
            '[' => {
                chars.next_if_eq(&'^');
                let mut items = 0;
                loop {
                    match chars.next() {
                        None => return false,
                        Some(']') if items > 0 => break,
                        Some('\\') if chars.next().is_none() => return false,
                        Some(_) => items += 1,
                    }
                }
            }
            _ => {}
        }
    }
    true
}
