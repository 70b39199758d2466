//! A command line read with the habits of kingpin v2, which Alertmanager and amtool use: `--flag value`, `--flag=value`,
//! `--[no-]switch`, repeatable flags, flags between arguments, `--`, `-sVALUE`, and `@file`.
//!
//! Commands are tables of [`Flag`]s; this module does not know any of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use crate::time::{DurationError, parse_go_duration};

/// A flag of a command.
pub(crate) struct Flag {
    /// Without the dashes.
    pub(crate) name: &'static str,
    /// A one-letter form.
    pub(crate) short: Option<char>,
    /// What it takes.
    pub(crate) kind: Kind,
    /// As it would be typed; empty for none.
    pub(crate) default: &'static str,
    /// For `--help`; empty hides the flag.
    pub(crate) help: &'static str,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing; `--no-x` takes it back.
    Switch,
    /// A text.
    Text,
    /// A text, each time it is given one more.
    Texts,
    /// A Go duration, with `d` and `w`.
    Duration,
    /// A duration, or `inf`: [`Duration::MAX`].
    DurationOrInf,
    /// A Go duration with a sign that matters.
    SignedDuration,
    /// A Go duration, or a whole number of seconds (prometheus-operator writes `--web.timeout=30`).
    Seconds,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A number of bytes, with an optional unit (`64MiB`).
    Bytes,
    /// One of a few words.
    OneOf {
        /// The words.
        words: &'static [&'static str],
        /// What the error calls them.
        what: &'static str,
    },
}

/// A value as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Of `Switch`.
    Switch(bool),
    /// Of `Text`, `Texts` and `OneOf`.
    Text(String),
    /// Of the durations; `true` if it is below zero.
    Duration(Duration, bool),
    /// Of `Int` and `Bytes`.
    Int(i64),
    /// Of `Float`.
    Float(f64),
}

/// A command line that cannot be read; each message is kingpin's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("unknown long flag '--{0}'")]
    UnknownLong(String),
    #[error("unknown short flag '-{0}'")]
    UnknownShort(char),
    #[error("expected argument for flag '{0}'")]
    MissingValue(String),
    #[error("flag '{0}' cannot be repeated")]
    Repeated(&'static str),
    #[error("unexpected {0}")]
    Unexpected(String),
    #[error("required flag --{0} not provided")]
    Required(&'static str),
    #[error("expected command but got {0:?}")]
    NoCommand(String),
    #[error("required argument '{0}' not provided")]
    MissingArgument(&'static str),
    #[error("path '{0}' does not exist")]
    NoSuchPath(String),
    #[error("expected @ file to expand arguments from")]
    NoFile,
    #[error("failed to open arguments file {path:?}: {reason}")]
    File { path: String, reason: String },
    #[error("arguments files are nested too deeply at {0:?}")]
    Nested(String),
    #[error("strconv.ParseFloat: parsing {0:?}: invalid syntax")]
    Number(String),
    #[error("{0:?} is not a size in bytes, write it like 64MiB")]
    Size(String),
    #[error("unrecognized {what} {text}")]
    Word { what: &'static str, text: String },
    #[error(transparent)]
    Duration(#[from] DurationError),
}

/// What was given.
#[derive(Debug)]
pub(crate) struct Parsed {
    values: BTreeMap<&'static str, Vec<Value>>,
    given: BTreeSet<&'static str>,
    /// Everything that is no flag, in order.
    pub(crate) words: Vec<String>,
}

/// More files than this inside one another are a loop.
const MAX_FILE_DEPTH: usize = 16;

/// Reads `args` (without the program's name) as `flags` and words, after `@file`s are put in their place.
///
/// # Errors
/// The first error in the order of the command line; wrong flags come before wrong values, as in kingpin.
pub(crate) fn parse(flags: &[Flag], args: &[String]) -> Result<Parsed, UsageError> {
    let mut given: Vec<(&Flag, String)> = Vec::new();
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            words.extend(rest.by_ref().cloned());
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (flag, on) = find_long(flags, name)?;
            if flag.kind == Kind::Switch {
                given.push((flag, on.to_string()));
                words.extend(value);
            } else {
                given.push((flag, take_value(value, &mut rest, || format!("--{name}"))?));
            }
        } else if let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            short_flags(flags, letters, &mut rest, &mut given)?;
        } else {
            words.push(arg.clone());
        }
    }
    let mut values: BTreeMap<&'static str, Vec<Value>> = BTreeMap::new();
    for (flag, text) in given {
        let slot = values.entry(flag.name).or_default();
        if !slot.is_empty() && flag.kind != Kind::Texts {
            return Err(UsageError::Repeated(flag.name));
        }
        slot.push(read(flag.kind, &text)?);
    }
    let given = values.keys().copied().collect();
    for flag in flags {
        if !values.contains_key(flag.name) && (!flag.default.is_empty() || flag.kind == Kind::Text)
        {
            values.insert(flag.name, vec![read(flag.kind, flag.default)?]);
        }
    }
    Ok(Parsed {
        values,
        given,
        words,
    })
}

/// Puts the lines of files in place of `@file` arguments; `read` gives a file's text.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn expand_files(
    args: Vec<String>,
    read: &dyn Fn(&Path) -> std::io::Result<String>,
) -> Result<Vec<String>, UsageError> {
    let mut out = Vec::new();
    let mut literal = false;
    for arg in args {
        expand_one(arg, read, 0, &mut literal, &mut out)?;
    }
    Ok(out)
}

fn expand_one(
    arg: String,
    read: &dyn Fn(&Path) -> std::io::Result<String>,
    depth: usize,
    literal: &mut bool,
    out: &mut Vec<String>,
) -> Result<(), UsageError> {
    let Some(path) = arg.strip_prefix('@').filter(|_| !*literal) else {
        *literal |= arg == "--";
        out.push(arg);
        return Ok(());
    };
    if path.is_empty() {
        return Err(UsageError::NoFile);
    }
    if depth == MAX_FILE_DEPTH {
        return Err(UsageError::Nested(path.to_owned()));
    }
    let text = read(Path::new(path)).map_err(|error| UsageError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    for line in text.lines() {
        if !line.starts_with('#') && !line.trim().is_empty() {
            expand_one(line.to_owned(), read, depth + 1, literal, out)?;
        }
    }
    Ok(())
}

fn find_long<'f>(flags: &'f [Flag], name: &str) -> Result<(&'f Flag, bool), UsageError> {
    let find = |name: &str| flags.iter().find(|flag| flag.name == name);
    if let Some(flag) = find(name) {
        return Ok((flag, true));
    }
    name.strip_prefix("no-")
        .and_then(find)
        .filter(|flag| flag.kind == Kind::Switch)
        .map(|flag| (flag, false))
        .ok_or_else(|| UsageError::UnknownLong(name.to_owned()))
}

fn short_flags<'f>(
    flags: &'f [Flag],
    letters: &str,
    rest: &mut std::slice::Iter<'_, String>,
    given: &mut Vec<(&'f Flag, String)>,
) -> Result<(), UsageError> {
    let mut chars = letters.chars();
    while let Some(letter) = chars.next() {
        let flag = flags
            .iter()
            .find(|flag| flag.short == Some(letter))
            .ok_or(UsageError::UnknownShort(letter))?;
        if flag.kind == Kind::Switch {
            given.push((flag, "true".to_owned()));
            continue;
        }
        let joined = chars.as_str();
        let joined = (!joined.is_empty()).then(|| joined.to_owned());
        given.push((flag, take_value(joined, rest, || format!("-{letter}"))?));
        break;
    }
    Ok(())
}

/// The value after `=`, or the next argument if that is no flag itself.
fn take_value(
    joined: Option<String>,
    rest: &mut std::slice::Iter<'_, String>,
    flag: impl Fn() -> String,
) -> Result<String, UsageError> {
    if let Some(value) = joined {
        return Ok(value);
    }
    match rest.as_slice().first() {
        Some(next) if !next.starts_with('-') || next == "-" => {
            rest.next();
            Ok(next.clone())
        }
        Some(_) | None => Err(UsageError::MissingValue(flag())),
    }
}

fn read(kind: Kind, text: &str) -> Result<Value, UsageError> {
    Ok(match kind {
        Kind::Switch => Value::Switch(text == "true"),
        Kind::Text | Kind::Texts => Value::Text(text.to_owned()),
        Kind::Duration => duration(text)?,
        Kind::DurationOrInf if text == "inf" => Value::Duration(Duration::MAX, false),
        Kind::DurationOrInf => duration(text)?,
        Kind::SignedDuration => {
            let (magnitude, _) = parse_go_duration(text.strip_prefix('-').unwrap_or(text), true)?;
            Value::Duration(magnitude, text.starts_with('-'))
        }
        Kind::Seconds => match text.parse::<u32>() {
            Ok(seconds) => Value::Duration(Duration::from_secs(seconds.into()), false),
            Err(_) => duration(text)?,
        },
        Kind::Int => Value::Int(int(number(text)?)),
        Kind::Float => Value::Float(number(text)?),
        Kind::Bytes => Value::Int(bytes(text)?),
        Kind::OneOf { words, what } => {
            let word = text.to_ascii_lowercase();
            if !words.contains(&word.as_str()) {
                return Err(UsageError::Word {
                    what,
                    text: text.to_owned(),
                });
            }
            Value::Text(word)
        }
    })
}

fn duration(text: &str) -> Result<Value, UsageError> {
    let (duration, negative) = parse_go_duration(text, true)?;
    Ok(Value::Duration(duration, negative))
}

fn number(text: &str) -> Result<f64, UsageError> {
    text.parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .ok_or_else(|| UsageError::Number(text.to_owned()))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "kingpin reads whole numbers as floats and cuts them; a Rust cast saturates"
)]
fn int(number: f64) -> i64 {
    number as i64
}

fn bytes(text: &str) -> Result<i64, UsageError> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(UsageError::Size(text.to_owned())),
    };
    count
        .parse::<i64>()
        .ok()
        .and_then(|count| count.checked_mul(1 << shift))
        .ok_or_else(|| UsageError::Size(text.to_owned()))
}

impl Parsed {
    fn one(&self, name: &str) -> Option<&Value> {
        self.values.get(name).and_then(|values| values.first())
    }

    /// Whether the flag stood on the command line.
    pub(crate) fn was_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Whether a switch is on.
    pub(crate) fn switch(&self, name: &str) -> bool {
        matches!(self.one(name), Some(Value::Switch(true)))
    }

    /// A text; empty if it was not given and has no default.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.one(name) {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Switch(_) | Value::Duration(..) | Value::Int(_) | Value::Float(_))
            | None => String::new(),
        }
    }

    /// All texts of a repeatable flag.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.values.get(name).map_or_else(Vec::new, |values| {
            values
                .iter()
                .filter_map(|value| match value {
                    Value::Text(text) => Some(text.clone()),
                    Value::Switch(_) | Value::Duration(..) | Value::Int(_) | Value::Float(_) => {
                        None
                    }
                })
                .collect()
        })
    }

    /// A duration; one below zero is zero.
    pub(crate) fn duration(&self, name: &str) -> Duration {
        match self.signed_duration(name) {
            (duration, false) => duration,
            (_, true) => Duration::ZERO,
        }
    }

    /// A duration, and whether it is below zero.
    pub(crate) fn signed_duration(&self, name: &str) -> (Duration, bool) {
        match self.one(name) {
            Some(Value::Duration(duration, negative)) => (*duration, *negative),
            Some(Value::Switch(_) | Value::Text(_) | Value::Int(_) | Value::Float(_)) | None => {
                (Duration::ZERO, false)
            }
        }
    }

    /// A whole number; `None` if it is zero or less, which means "no limit" throughout.
    pub(crate) fn limit(&self, name: &str) -> Option<usize> {
        match self.one(name) {
            Some(Value::Int(number)) => usize::try_from(*number).ok().filter(|n| *n > 0),
            Some(Value::Switch(_) | Value::Text(_) | Value::Duration(..) | Value::Float(_))
            | None => None,
        }
    }

    /// A number.
    pub(crate) fn float(&self, name: &str) -> f64 {
        match self.one(name) {
            Some(Value::Float(number)) => *number,
            Some(Value::Switch(_) | Value::Text(_) | Value::Duration(..) | Value::Int(_))
            | None => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn flag(name: &'static str, kind: Kind, default: &'static str) -> Flag {
        Flag {
            name,
            short: None,
            kind,
            default,
            help: "",
        }
    }

    const FLAGS: &[Flag] = &[
        flag("file", Kind::Text, "a.yml"),
        flag("peer", Kind::Texts, ""),
        flag("loud", Kind::Switch, ""),
        flag("keep", Kind::Duration, "120h"),
        flag("timeout", Kind::Seconds, "0"),
        flag("max", Kind::Int, "0"),
        flag("size", Kind::Bytes, "64MiB"),
        flag("offset", Kind::SignedDuration, "0s"),
        flag(
            "level",
            Kind::OneOf {
                words: &["debug", "info"],
                what: "log level",
            },
            "info",
        ),
        Flag {
            name: "receiver",
            short: Some('r'),
            kind: Kind::Text,
            default: "",
            help: "",
        },
        Flag {
            name: "quiet",
            short: Some('q'),
            kind: Kind::Switch,
            default: "",
            help: "",
        },
    ];

    fn run(line: &str) -> Result<Parsed, UsageError> {
        let args: Vec<String> = line
            .split(' ')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect();
        parse(FLAGS, &args)
    }

    #[test]
    fn values_stand_beside_or_after_the_flag() {
        let parsed = run("--file b.yml --peer=x --loud word --peer y --keep=5d --max -- --file")
            .unwrap_err();
        assert_eq!(parsed.to_string(), "expected argument for flag '--max'");
        let parsed =
            run("--file b.yml --peer=x --loud word --peer y --keep=5d --max=-1 -- --file").unwrap();
        assert_eq!(parsed.text("file"), "b.yml");
        assert_eq!(parsed.texts("peer"), ["x", "y"]);
        assert!(parsed.switch("loud"));
        assert_eq!(parsed.duration("keep"), Duration::from_secs(5 * 86_400));
        assert_eq!(parsed.limit("max"), None);
        assert_eq!(parsed.words, ["word", "--file"]);
        assert_eq!(parsed.limit("size"), Some(64 << 20));
        assert_eq!(run("--file=").unwrap().text("file"), "");
        assert!(!run("--no-loud").unwrap().switch("loud"));
        assert_eq!(
            run("--timeout=30").unwrap().duration("timeout"),
            Duration::from_secs(30)
        );
        assert_eq!(
            run("--timeout 1m").unwrap().duration("timeout"),
            Duration::from_mins(1)
        );
        assert_eq!(
            run("--offset=-2s").unwrap().signed_duration("offset"),
            (Duration::from_secs(2), true)
        );
        let parsed = run("-qrteam -q").unwrap_err();
        assert_eq!(parsed.to_string(), "flag 'quiet' cannot be repeated");
        assert_eq!(run("-qrteam").unwrap().text("receiver"), "team");
        assert_eq!(run("-r team").unwrap().text("receiver"), "team");
    }

    #[test]
    fn errors_are_those_of_kingpin() {
        for (line, expect) in [
            ("--x", "unknown long flag '--x'"),
            ("--x=1", "unknown long flag '--x'"),
            ("--no-file", "unknown long flag '--no-file'"),
            ("-z", "unknown short flag '-z'"),
            ("--file", "expected argument for flag '--file'"),
            ("--file --loud", "expected argument for flag '--file'"),
            ("--file a --file b", "flag 'file' cannot be repeated"),
            ("--keep 30", "time: missing unit in duration \"30\""),
            (
                "--max x",
                "strconv.ParseFloat: parsing \"x\": invalid syntax",
            ),
            ("--level loud", "unrecognized log level loud"),
            ("--keep 30 --x", "unknown long flag '--x'"),
        ] {
            assert_eq!(run(line).unwrap_err().to_string(), expect, "{line}");
        }
        assert_eq!(run("--loud=true").unwrap().words, ["true"]);
    }

    #[test]
    fn files_stand_for_their_lines() {
        let read = |path: &Path| match path.to_str() {
            Some("a") => Ok("--file\nb.yml\n# a comment\n\n@b\n".to_owned()),
            Some("b") => Ok("--peer=x".to_owned()),
            Some("loop") => Ok("@loop".to_owned()),
            Some(_) | None => Err(std::io::Error::other("not there")),
        };
        let expand = |args: &[&str]| {
            expand_files(args.iter().map(|s| (*s).to_owned()).collect(), &read)
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            expand(&["@a", "--loud", "--", "@a"]).unwrap(),
            ["--file", "b.yml", "--peer=x", "--loud", "--", "@a"]
        );
        assert_eq!(
            expand(&["@c"]).unwrap_err(),
            "failed to open arguments file \"c\": not there"
        );
        assert!(expand(&["@loop"]).unwrap_err().contains("nested"));
        assert!(expand(&["@"]).unwrap_err().contains("expected @ file"));
    }
}
