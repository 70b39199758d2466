//! Which command is meant, and how the process ends.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use super::{
    args::{self, UsageError},
    check, flags, help, past, receiver, routes, serve, template, test_rules,
    version::BUILD,
};

/// Why a command failed, in the words that go to stderr.
pub(super) enum Failure {
    /// The command line is wrong.
    Usage(UsageError),
    /// The command line is right and the command failed.
    Command(anyhow::Error),
    /// Everything was said already.
    Silent,
    /// Likewise, and the process ends with this code.
    Code(u8),
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Command(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Command(error.into())
    }
}

/// Runs the command line and says how the process ends.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned());
    let program = args.next().unwrap_or_default();
    let called = program.rsplit('/').next().unwrap_or_default();
    let ended = match called {
        "amtool" => amtool(args.collect()),
        _ => command(args.collect()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Code(code)) => ExitCode::from(code),
        Err(failure) => {
            let line = match failure {
                Failure::Usage(error) => format!("watchfire: error: {error}, try --help\n"),
                Failure::Command(error) => format!("watchfire: error: {error:#}\n"),
                Failure::Silent | Failure::Code(_) => String::new(),
            };
            // Nothing can be done about an error that cannot be told.
            let _ = io::stderr().lock().write_all(line.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The program under the name of Alertmanager's own tool, with those of its commands that need no server.
fn amtool(args: Vec<String>) -> Result<(), Failure> {
    let args = args::expand_files(args, &|path: &Path| std::fs::read_to_string(path))?;
    let (first, rest) = match args.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => ("--help", &[][..]),
    };
    match first {
        "check-config" => check::check(&[&["config".to_owned()], rest].concat()),
        "config" => routes::config(rest),
        "template" => template::template(rest),
        "--version" => say(&BUILD.print()),
        "--help" | "-h" => say(&help::print(
            "amtool <command>",
            "Those of amtool's commands that need no server; for the others use amtool itself or the API.",
            &[],
            AMTOOL,
        )),
        other => Err(UsageError::NoCommand(other.to_owned()).into()),
    }
}

const AMTOOL: &[(&str, &str)] = &[
    (
        "check-config [<files>...]",
        "Check configuration files, or standard input.",
    ),
    (
        "config routes show|test",
        "Look at the routing tree of --config.file.",
    ),
    ("template render", "Render a template."),
];

fn command(args: Vec<String>) -> Result<(), Failure> {
    let args = args::expand_files(args, &|path: &Path| std::fs::read_to_string(path))?;
    match args.first().map(String::as_str) {
        Some("check") => check::check(&args[1..]),
        Some("config") => routes::config(&args[1..]),
        Some("receiver") => receiver::receiver(&args[1..]),
        Some("rules") => past::rules(&args[1..]),
        Some("template") => template::template(&args[1..]),
        Some("test") => test_rules::test(&args[1..]),
        Some("serve") => serve_command(&args[1..]),
        Some(_) | None => serve_command(&args),
    }
}

/// Prints to stdout; a reader that went away is no error.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

const ABOUT: &str = "Takes alerts from Prometheus and every other client of Alertmanager's API, groups, silences and \
    inhibits them, and notifies receivers.";

const COMMANDS: &[(&str, &str)] = &[
    ("serve [<flags>]", "Run a node; also without the word."),
    (
        "check config [<files>...]",
        "Check configuration files, or standard input.",
    ),
    (
        "check web-config <files>...",
        "Check web configuration files.",
    ),
    ("check query-config <files>...", "Check files of endpoints."),
    (
        "check rules [<files>...]",
        "Check files of rules, or standard input, as promtool does.",
    ),
    (
        "check ruler-config <files>...",
        "Check files of the ruler and the files of rules that they name.",
    ),
    (
        "config routes show --config.file=FILE",
        "Draw the routing tree.",
    ),
    (
        "config routes test --config.file=FILE [<labels>...]",
        "Say which receivers an alert with these labels reaches.",
    ),
    (
        "receiver test NAME --config.file=FILE [--dry-run]",
        "Send a marked test notification to a receiver, or print it.",
    ),
    (
        "rules replay --from=TIME [<rule-files>...]",
        "Say which alerts would have fired.",
    ),
    (
        "rules backfill --from=TIME [<rule-files>...]",
        "Record what rules would have recorded.",
    ),
    (
        "test rules <files>...",
        "Run tests of rules, as promtool does.",
    ),
    (
        "template render --template.glob=GLOB --template.text=TEXT",
        "Render a template.",
    ),
];

fn serve_command(args: &[String]) -> Result<(), Failure> {
    // Kingpin acts on --help and --version before it minds anything else.
    let parsed = args::parse(flags::SERVE, args)?;
    if parsed.switch("help") || parsed.switch("help-long") || parsed.switch("help-man") {
        return say(&help::print(
            "watchfire [<flags>] | <command>",
            ABOUT,
            flags::SERVE,
            COMMANDS,
        ));
    }
    if parsed.switch("version") {
        return say(&BUILD.print());
    }
    if let Some(word) = parsed.words.first() {
        return Err(UsageError::Unexpected(word.clone()).into());
    }
    serve::serve(&parsed)
}
