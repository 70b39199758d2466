//! `watchfire test rules`: promtool's unit tests of rules, run by the ruler itself.

use std::{
    fs,
    io::{self, Write},
};

use regex::Regex;

use super::{
    args::{self, Flag, Kind, UsageError},
    check::exists,
    check_rules::{FEATURES, language},
    help,
    run::{Failure, say},
    test_report::{Case, Suite, junit},
};
use crate::{
    app::{expand_patterns, query_options, read_rule_file, read_rule_tests},
    config::{RuleFile, RuleOptions, RuleTest, RuleTestFile},
    promql::{Language, engine::Options},
    ruletest::{self, Setting},
};

/// Samples that an expression of a test may hold.
const MAX_SAMPLES: usize = 50_000_000;

const FLAGS: &[Flag] = &[
    Flag {
        name: "help",
        short: Some('h'),
        kind: Kind::Switch,
        default: "",
        help: "Show this help.",
    },
    Flag {
        name: "run",
        short: None,
        kind: Kind::Texts,
        default: "",
        help: "Run only tests whose name matches this regular expression; repeatable.",
    },
    Flag {
        name: "diff",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Show what is missing and what is too much in place of both lists.",
    },
    Flag {
        name: "debug",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Tell what rules write, slot by slot.",
    },
    Flag {
        name: "junit",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "Write the results to this file as JUnit's XML.",
    },
    Flag {
        name: "ignore-unknown-fields",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Pass over keys of files of rules that do not exist; the ruler does not.",
    },
    FEATURES,
];

/// How tests are run.
struct Manner {
    /// Those that are run; all if there is none.
    names: Option<Regex>,
    diff: bool,
    debug: bool,
    options: RuleOptions,
    language: Language,
}

/// `test …`; as in promtool, flags may stand before the word `rules`.
pub(super) fn test(args: &[String]) -> Result<(), Failure> {
    let mut parsed = args::parse(FLAGS, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire test rules <test-files>...",
            "Runs tests of rules, in promtool's format; exits with 1 if anything is not as expected.",
            FLAGS,
            &[],
        ));
    }
    match parsed.words.first().map(String::as_str) {
        Some("rules") => parsed.words.remove(0),
        Some(other) => return Err(UsageError::NoCommand(other.to_owned()).into()),
        None => return Err(UsageError::NoCommand(String::new()).into()),
    };
    if parsed.words.is_empty() {
        return Err(UsageError::MissingArgument("test-rule-file").into());
    }
    for file in &parsed.words {
        exists(file)?;
    }
    let names = parsed.texts("run");
    let names = (!names.is_empty()).then(|| crate::regex::compile(&names.join("|")));
    let language = language(&parsed);
    let manner = Manner {
        language,
        names: names.transpose().map_err(anyhow::Error::new)?,
        diff: parsed.switch("diff"),
        debug: parsed.switch("debug"),
        options: RuleOptions {
            features: language.features,
            ignore_unknown_fields: parsed.switch("ignore-unknown-fields"),
            interval: None,
        },
    };
    let report = parsed.text("junit");
    if !report.is_empty() {
        // Better told before the tests than after them.
        fs::write(&report, "")?;
    }
    let mut suites = Vec::new();
    for file in &parsed.words {
        suites.push(one_file(file, &manner)?);
    }
    if !report.is_empty() {
        fs::write(&report, junit(&suites))?;
    }
    if suites.iter().any(Suite::failed) {
        return Err(Failure::Silent);
    }
    Ok(())
}

fn one_file(path: &str, manner: &Manner) -> Result<Suite, Failure> {
    say(&format!("Unit Testing:  {path}\n"))?;
    let mut suite = Suite::new(path);
    match read_rule_tests(path) {
        Ok(file) => run_tests(&file, manner, &mut suite)?,
        Err(error) => suite.error = error.to_string(),
    }
    if !suite.failed() {
        say("  SUCCESS\n\n")?;
        return Ok(suite);
    }
    let mut text = "  FAILED:\n".to_owned();
    let failures = suite.cases.iter().flat_map(|case| &case.failures);
    for failure in [&suite.error].into_iter().chain(failures) {
        if !failure.is_empty() {
            text.push_str(&format!("{failure}\n\n"));
        }
    }
    // Nothing can be done about what cannot be told.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    say("\n")?;
    Ok(suite)
}

fn run_tests(file: &RuleTestFile, manner: &Manner, suite: &mut Suite) -> Result<(), Failure> {
    let wanted = |test: &&RuleTest| {
        let names = manner.names.as_ref();
        names.is_none_or(|names| names.is_match(&test.name))
    };
    let tests: Vec<(usize, &RuleTest)> = file.tests.iter().enumerate().collect();
    let tests: Vec<_> = tests.into_iter().filter(|(_, test)| wanted(test)).collect();
    if tests.is_empty() {
        return Ok(());
    }
    let rules = match read_rules(file, &manner.options) {
        Ok(rules) => rules,
        Err(error) => {
            suite.error = error;
            return Ok(());
        }
    };
    for (number, test) in tests {
        let name = match test.name.as_str() {
            "" => format!("unnamed#{number}"),
            name => name.to_owned(),
        };
        let setting = Setting {
            file,
            rules: &rules,
            options: Options {
                max_samples: MAX_SAMPLES,
                ..query_options(manner.language)
            },
            features: manner.options.features,
            debug: manner.debug,
        };
        let tested = ruletest::run(test, setting);
        if manner.debug {
            say(&format!("DEBUG: test {name}\n"))?;
            for line in &tested.story {
                say(&format!("DEBUG:   {line}\n"))?;
            }
        }
        let of_test = match test.name.as_str() {
            "" => String::new(),
            name => format!("    name: {name},\n"),
        };
        let failures = tested.failures.iter().map(|failure| match manner.diff {
            true => format!("{of_test}{}", failure.diff()),
            false => format!("{of_test}{failure}"),
        });
        suite.cases.push(Case {
            name,
            failures: failures.collect(),
        });
    }
    Ok(())
}

/// Reads the rules of a file of tests, or says all that is wrong with them.
fn read_rules(file: &RuleTestFile, options: &RuleOptions) -> Result<Vec<RuleFile>, String> {
    let (paths, none) = expand_patterns(&file.rule_files);
    for pattern in none {
        let line = format!("  WARNING: no file match pattern {pattern}\n");
        // Nothing can be done about a warning that cannot be told.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        match read_rule_file(&path, options) {
            Ok(file) => files.push(file),
            Err(error) => errors.push(error.to_string()),
        }
    }
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(errors.join("\n"))
    }
}
