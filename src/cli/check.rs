//! `watchfire check …`, and what checks `config`, `web-config` and `query-config`: the words and exit codes of amtool and promtool.

use std::{
    io::{self, IsTerminal, Read, Write},
    path::Path,
};

use super::{
    args::{self, Flag, Kind, UsageError},
    check_rules, help,
    run::{Failure, say},
};
use crate::{
    app::{ConfigError, ConfigFile, read_query_file},
    config::{Config, Warning},
    io::server::WebFile,
};

/// Where amtool says that standard input is.
const STDIN: &str = "/dev/stdin";
/// More than this on standard input is no configuration.
const MAX_STDIN: u64 = 16 << 20;

const FLAGS: &[Flag] = &[Flag {
    name: "help",
    short: Some('h'),
    kind: Kind::Switch,
    default: "",
    help: "Show this help.",
}];

/// `check …`
pub(super) fn check(args: &[String]) -> Result<(), Failure> {
    match args.split_first() {
        Some((what, rest)) if what == "rules" => return check_rules::rules(rest),
        Some((what, rest)) if what == "ruler-config" => return check_rules::ruler_config(rest),
        Some(_) | None => {}
    }
    let parsed = args::parse(FLAGS, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire check config|web-config|query-config|rules|ruler-config [<files>...]",
            "Checks files and says everything that is wrong with them; exits with 1 if anything is.",
            FLAGS,
            &[],
        ));
    }
    match parsed.words.split_first() {
        Some((what, files)) if what == "config" => config(files),
        Some((what, files)) if what == "web-config" => web_config(files),
        Some((what, files)) if what == "query-config" => query_config(files),
        Some((what, _)) => Err(UsageError::NoCommand(what.clone()).into()),
        None => Err(UsageError::NoCommand(String::new()).into()),
    }
}

fn config(files: &[String]) -> Result<(), Failure> {
    for file in files {
        exists(file)?;
    }
    let mut failed = 0;
    if files.is_empty() {
        failed += one_config(STDIN, read_stdin()?)?;
    }
    for file in files {
        failed += one_config(file, ConfigFile::at(Path::new(file)).load())?;
    }
    if failed > 0 {
        return Err(anyhow::anyhow!("failed to validate {failed} file(s)").into());
    }
    Ok(())
}

/// As kingpin checks arguments that must be files.
pub(super) fn exists(file: &str) -> Result<(), Failure> {
    if Path::new(file).exists() {
        return Ok(());
    }
    Err(UsageError::NoSuchPath(file.to_owned()).into())
}

fn read_stdin() -> Result<Result<Config, ConfigError>, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(anyhow::anyhow!("Failed to read from standard input").into());
    }
    let mut bytes = Vec::new();
    stdin.lock().take(MAX_STDIN).read_to_end(&mut bytes)?;
    Ok(ConfigFile::at(Path::new(STDIN)).parse(&bytes))
}

/// Prints what amtool prints about a file; what amtool does not know goes to stderr or stands after its words.
fn one_config(name: &str, loaded: Result<Config, ConfigError>) -> Result<usize, Failure> {
    let mut out = format!("Checking '{name}'");
    let failed = match loaded {
        Ok(config) => {
            let (failing, warnings): (Vec<_>, Vec<_>) =
                config.warnings.iter().partition(|warning| warning.fails);
            out.push_str("  SUCCESS\n");
            out.push_str(&found(&config, failing.is_empty()));
            for warning in &failing {
                out.push_str(&format!("  FAILED: {}\n", told(name, warning, "")));
            }
            for warning in warnings {
                // Nothing can be done about a warning that cannot be told.
                let _ = writeln!(io::stderr().lock(), "{}", told(name, warning, "warning: "));
            }
            usize::from(!failing.is_empty())
        }
        Err(ConfigError::Templates { errors, config }) => {
            out.push_str("  SUCCESS\n");
            out.push_str(&found(&config, false));
            out.push_str(&format!("  FAILED: {}\n", errors.upstream()));
            for error in &errors.0 {
                out.push_str(&format!("  {error}\n"));
            }
            1
        }
        Err(error) => {
            out.push_str(&format!("  FAILED: {}\n", first_line(&error)));
            for line in all_lines(&error) {
                out.push_str(&format!("  {line}\n"));
            }
            1
        }
    };
    out.push('\n');
    say(&out)?;
    Ok(failed)
}

fn told(file: &str, warning: &Warning, what: &str) -> String {
    let message = &warning.message;
    if warning.line > 0 {
        return format!(
            "{file}:{}:{}: {what}{message}",
            warning.line, warning.column
        );
    }
    format!("{file}: {what}{message}")
}

fn found(config: &Config, sound: bool) -> String {
    let templates = config.templates.len();
    let parsed = if templates > 0 && sound {
        "  SUCCESS\n"
    } else {
        ""
    };
    format!(
        "Found:\n - global config\n - route\n - {} inhibit rules\n - {} receivers\n - {templates} templates\n{parsed}",
        config.inhibit_rules.len(),
        config.receivers.len(),
    )
}

/// What amtool would say: the first mistake.
fn first_line(error: &ConfigError) -> String {
    match error {
        ConfigError::Invalid(errors) | ConfigError::Templates { errors, .. } => errors.upstream(),
        ConfigError::Read { .. } | ConfigError::Refused(_) => error.to_string(),
    }
}

/// Every mistake with its place, one a line.
fn all_lines(error: &ConfigError) -> Vec<String> {
    match error {
        ConfigError::Invalid(errors) | ConfigError::Templates { errors, .. } => {
            errors.0.iter().map(ToString::to_string).collect()
        }
        ConfigError::Read { .. } | ConfigError::Refused(_) => Vec::new(),
    }
}

fn web_config(files: &[String]) -> Result<(), Failure> {
    each(files, "web-config-files", |file| {
        match WebFile::open(file) {
            Ok(_) => Ok(" SUCCESS\n".to_owned()),
            Err(error) => Err(format!(" FAILED: {error}\n")),
        }
    })
}

/// `check query-config …`: files of endpoints.
fn query_config(files: &[String]) -> Result<(), Failure> {
    each(files, "query-config-files", |file| {
        match read_query_file(file) {
            Ok(config) => {
                let entries = config.endpoints.len();
                Ok(format!(" SUCCESS: {entries} entries of endpoints found\n"))
            }
            Err(error) => {
                let error = error.to_string();
                let lines = error.lines().map(|line| format!("  {line}\n"));
                Err(format!(" FAILED:\n{}", lines.collect::<String>()))
            }
        }
    })
}

/// Says of each file what `check` makes of it; fails if that fails for any.
fn each(
    files: &[String],
    argument: &'static str,
    check: impl Fn(&Path) -> Result<String, String>,
) -> Result<(), Failure> {
    if files.is_empty() {
        return Err(UsageError::MissingArgument(argument).into());
    }
    for file in files {
        exists(file)?;
    }
    let mut failed = false;
    for file in files {
        let verdict = check(Path::new(file)).unwrap_or_else(|verdict| {
            failed = true;
            verdict
        });
        say(&format!("{file}{verdict}"))?;
    }
    if failed { Err(Failure::Silent) } else { Ok(()) }
}
