//! `watchfire check rules` and `watchfire check ruler-config`: the words and exit codes of promtool.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::Path,
};

use super::{
    args::{self, Flag, Kind, Parsed},
    check::exists,
    help,
    run::{Failure, say},
};
use crate::{
    app::{RuleFileError, expand_patterns, may_count_twice, read_rule_file, read_ruler_file},
    config::{RuleFile, RuleOptions, Warning, load_rules},
    promql::Language,
};

/// promtool's exit code where lint finds something and `--lint-fatal` is given.
const LINT_ERROR: u8 = 3;
/// More than this on standard input is no file of rules.
const MAX_STDIN: u64 = 16 << 20;

/// The flag of the parts of PromQL that are off.
pub(super) const FEATURES: Flag = Flag {
    name: "enable-feature",
    short: None,
    kind: Kind::Texts,
    default: "",
    help: "Parts of PromQL that are off: promql-experimental-functions, promql-duration-expr, \
           promql-extended-range-selectors, promql-binop-fill-modifiers, promql-delayed-name-removal; \
           comma-separated.",
};

const FLAGS: &[Flag] = &[
    Flag {
        name: "help",
        short: Some('h'),
        kind: Kind::Switch,
        default: "",
        help: "Show this help.",
    },
    Flag {
        name: "lint",
        short: None,
        kind: Kind::Text,
        default: "duplicate-rules",
        help: "What is looked for besides mistakes: all, duplicate-rules, none; comma-separated.",
    },
    Flag {
        name: "lint-fatal",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Exit with 3 if lint finds something.",
    },
    Flag {
        name: "ignore-unknown-fields",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Pass over keys that do not exist; the ruler does not.",
    },
    FEATURES,
];

/// What is looked for.
struct Lint {
    duplicates: bool,
    fatal: bool,
}

/// What was found in the files.
#[derive(Default)]
struct Found {
    mistakes: bool,
    lint: bool,
}

impl Found {
    fn end(&self, lint: &Lint) -> Result<(), Failure> {
        if self.mistakes {
            Err(Failure::Silent)
        } else if self.lint && lint.fatal {
            Err(Failure::Code(LINT_ERROR))
        } else {
            Ok(())
        }
    }
}

/// `check rules …`
pub(super) fn rules(args: &[String]) -> Result<(), Failure> {
    let parsed = args::parse(FLAGS, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire check rules [<rule-files>...]",
            "Checks files of rules, or standard input, and says everything that is wrong with them; exits with 1 if anything is.",
            FLAGS,
            &[],
        ));
    }
    let (lint, options) = settings(&parsed)?;
    let mut found = Found::default();
    if parsed.words.is_empty() {
        say("Checking standard input\n")?;
        let mut text = Vec::new();
        io::stdin().lock().take(MAX_STDIN).read_to_end(&mut text)?;
        let loaded = load_rules("", &text, &options).map_err(RuleFileError::Invalid);
        one_file(loaded, &lint, &mut found)?;
    }
    for file in named(&parsed.words)? {
        say(&format!("Checking {file}\n"))?;
        one_file(read_rule_file(&file, &options), &lint, &mut found)?;
    }
    found.end(&lint)
}

/// `check ruler-config …`
pub(super) fn ruler_config(args: &[String]) -> Result<(), Failure> {
    let parsed = args::parse(FLAGS, args)?;
    if parsed.switch("help") || parsed.words.is_empty() {
        return say(&help::print(
            "watchfire check ruler-config <files>...",
            "Checks files of the ruler, and the files of rules that they name.",
            FLAGS,
            &[],
        ));
    }
    let (lint, options) = settings(&parsed)?;
    let mut found = Found::default();
    for file in &parsed.words {
        exists(file)?;
    }
    for file in &parsed.words {
        say(&format!("Checking {file}\n"))?;
        let config = match read_ruler_file(Path::new(file)) {
            Ok(config) => config,
            Err(error) => {
                found.mistakes = true;
                failed(&error.to_string());
                continue;
            }
        };
        let (files, none) = expand_patterns(&config.rule_files);
        say(&format!("  SUCCESS: {} rule files found\n", files.len()))?;
        for pattern in none {
            warn(&format!("{file}: no file matches {pattern:?}"));
        }
        say("\n")?;
        let mut sound = Vec::new();
        let options = RuleOptions {
            interval: Some(config.evaluation_interval),
            ..options
        };
        for file in files {
            say(&format!("Checking {file}\n"))?;
            let loaded = read_rule_file(&file, &options);
            sound.extend(loaded.as_ref().ok().cloned());
            one_file(loaded, &lint, &mut found)?;
        }
        if let Some(twice) = may_count_twice(&config, sound) {
            warn(&format!("{file}: {twice}"));
        }
    }
    found.end(&lint)
}

fn settings(parsed: &Parsed) -> Result<(Lint, RuleOptions), Failure> {
    let mut lint = Lint {
        duplicates: false,
        fatal: parsed.switch("lint-fatal"),
    };
    let text = parsed.text("lint");
    for word in text.split(',').filter(|_| !text.is_empty()) {
        match word {
            "all" | "duplicate-rules" => lint.duplicates = true,
            "none" => {}
            word => say(&format!("WARNING: unknown lint option: {word:?}\n"))?,
        }
    }
    let options = RuleOptions {
        features: language(parsed).features,
        ignore_unknown_fields: parsed.switch("ignore-unknown-fields"),
        interval: None,
    };
    Ok((lint, options))
}

/// The parts of PromQL that `--enable-feature` turns on.
pub(super) fn language(parsed: &Parsed) -> Language {
    let mut language = Language::default();
    for list in parsed.texts("enable-feature") {
        for word in list.split(',').filter(|word| !word.is_empty()) {
            if !language.enable(word) {
                warn(&format!("unknown option for --enable-feature: {word:?}"));
            }
        }
    }
    language
}

/// The files that are named or that patterns match.
fn named(words: &[String]) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for word in words {
        if Path::new(word).exists() || !word.contains(['*', '?', '[']) {
            exists(word)?;
            files.push(word.clone());
            continue;
        }
        let (found, _) = expand_patterns(std::slice::from_ref(word));
        if found.is_empty() {
            exists(word)?;
        }
        files.extend(found);
    }
    Ok(files)
}

fn one_file(
    loaded: Result<RuleFile, RuleFileError>,
    lint: &Lint,
    found: &mut Found,
) -> Result<(), Failure> {
    let file = match loaded {
        Ok(file) => file,
        Err(error) => {
            found.mistakes = true;
            failed(&error.to_string());
            return say("\n");
        }
    };
    for warning in &file.warnings {
        warn(&told(&file.path, warning));
    }
    let duplicates = duplicates(&file);
    if lint.duplicates && !duplicates.is_empty() {
        found.lint = true;
        failed(&duplicates_text(&duplicates));
        return say("\n");
    }
    let rules: usize = file.groups.iter().map(|group| group.rules.len()).sum();
    say(&format!("  SUCCESS: {rules} rules found\n\n"))
}

fn told(file: &str, warning: &Warning) -> String {
    let Warning {
        line,
        column,
        message,
        ..
    } = warning;
    match (file.is_empty(), *line) {
        (true, 0) => message.clone(),
        (false, 0) => format!("{file}: {message}"),
        (true, _) => format!("{line}:{column}: {message}"),
        (false, _) => format!("{file}:{line}:{column}: {message}"),
    }
}

/// Nothing can be done about what cannot be told.
fn failed(text: &str) {
    let _ = writeln!(io::stderr().lock(), "  FAILED:\n{text}");
}

fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "WARNING: {text}");
}

/// What tells a rule from others: its name and its labels.
type Key<'f> = (&'f str, &'f BTreeMap<String, String>);

/// Rules of a file that have the same name and labels as others before them, each once.
fn duplicates(file: &RuleFile) -> Vec<Key<'_>> {
    let mut count: BTreeMap<Key<'_>, usize> = BTreeMap::new();
    for rule in file.groups.iter().flat_map(|group| &group.rules) {
        *count.entry((rule.name(), &rule.labels)).or_default() += 1;
    }
    let several = count.into_iter().filter(|(_, count)| *count > 1);
    several.map(|(key, _)| key).collect()
}

fn duplicates_text(duplicates: &[Key<'_>]) -> String {
    let mut text = format!("lint error {} duplicate rule(s) found.\n", duplicates.len());
    for (name, labels) in duplicates {
        text.push_str(&format!("Metric: {name}\nLabel(s):\n"));
        for (name, value) in *labels {
            text.push_str(&format!("\t{name}: {value}\n"));
        }
    }
    text + "Might cause inconsistency while recording expressions"
}
