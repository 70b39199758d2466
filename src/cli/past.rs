//! `watchfire rules replay` and `watchfire rules backfill`.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use jiff::SignedDuration;

use super::{
    args::{self, Flag, Kind, Parsed, UsageError},
    check_rules::{FEATURES, language},
    help, past_text,
    run::{Failure, say},
};
use crate::{
    app::past::{Past, Target, backfill, replay},
    io::Clock,
    time::{Timestamp, parse_prom_duration},
};

const RULER: Flag = Flag {
    name: "ruler.config-file",
    short: None,
    kind: Kind::Text,
    default: "",
    help: "The file of the ruler: its rule_files, intervals, labels and remote_write.",
};

const QUERY: Flag = Flag {
    name: "query.config-file",
    short: None,
    kind: Kind::Text,
    default: "",
    help: "The file of endpoints that rules are evaluated over.",
};

const FROM: Flag = Flag {
    name: "from",
    short: None,
    kind: Kind::Text,
    default: "",
    help: "When to begin: RFC 3339, seconds since 1970, or how long ago (7d).",
};

const TO: Flag = Flag {
    name: "to",
    short: None,
    kind: Kind::Text,
    default: "0s",
    help: "When to end, likewise.",
};

const URL: Flag = Flag {
    name: "web.external-url",
    short: None,
    kind: Kind::Text,
    default: "http://localhost:9093",
    help: "What templates have as externalURL.",
};

const HELP: Flag = Flag {
    name: "help",
    short: Some('h'),
    kind: Kind::Switch,
    default: "",
    help: "Show this help.",
};

const REPLAY: &[Flag] = &[
    HELP,
    RULER,
    QUERY,
    FROM,
    TO,
    URL,
    FEATURES,
    Flag {
        name: "output",
        short: Some('o'),
        kind: Kind::OneOf {
            words: &["table", "json"],
            what: "output",
        },
        default: "table",
        help: "How alerts are shown: table or json.",
    },
];

const BACKFILL: &[Flag] = &[
    HELP,
    RULER,
    QUERY,
    FROM,
    TO,
    URL,
    FEATURES,
    Flag {
        name: "openmetrics",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "Write OpenMetrics text to this file, in place of remote_write of the ruler's file.",
    },
    Flag {
        name: "alerts",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Evaluate alerting rules as well, for ALERTS and ALERTS_FOR_STATE.",
    },
];

const COMMANDS: &[(&str, &str)] = &[
    (
        "rules replay --from=TIME [--to=TIME] [<rule-files>...]",
        "Say which alerts would have fired.",
    ),
    (
        "rules backfill --from=TIME [--to=TIME] [<rule-files>...]",
        "Record what rules would have recorded.",
    ),
];

/// `rules …`
pub(super) fn rules(args: &[String]) -> Result<(), Failure> {
    match args.split_first() {
        Some((word, rest)) if word == "replay" => replayed(rest),
        Some((word, rest)) if word == "backfill" => backfilled(rest),
        Some((word, _)) if word == "--help" || word == "-h" => say(&help::print(
            "watchfire rules <command>",
            "Evaluates rules over times that are past.",
            &[],
            COMMANDS,
        )),
        Some((word, _)) => Err(UsageError::NoCommand(word.clone()).into()),
        None => Err(UsageError::NoCommand(String::new()).into()),
    }
}

fn replayed(args: &[String]) -> Result<(), Failure> {
    let parsed = args::parse(REPLAY, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire rules replay --from=TIME [--to=TIME] [<rule-files>...]",
            "Says which alerts of rules would have fired, by evaluating the rules as the ruler does over what endpoints have of \
             that time. Rules are those of the ruler's file, or those that are named. At --from an \
             alert is as old as its condition, as far as its `for` looks back.",
            REPLAY,
            &[],
        ));
    }
    let past = past(&parsed)?;
    let replayed = runtime()?.block_on(replay(&past));
    let replayed = replayed.map_err(anyhow::Error::new)?;
    past_text::troubles(&replayed, &mut io::stderr().lock())?;
    match parsed.text("output").as_str() {
        "json" => say(&past_text::json(&past, &replayed)),
        _ => say(&past_text::table(&replayed)),
    }
}

fn backfilled(args: &[String]) -> Result<(), Failure> {
    let parsed = args::parse(BACKFILL, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire rules backfill --from=TIME [--to=TIME] [<rule-files>...]",
            "Writes what recording rules would have recorded, in the order in which they read each other, to remote_write of \
             the ruler's file or to a file of OpenMetrics text. Exits with 1 if anything is not there.",
            BACKFILL,
            &[],
        ));
    }
    let past = past(&parsed)?;
    let target = match parsed.text("openmetrics").as_str() {
        "" => Target::RemoteWrite,
        path => Target::OpenMetrics(PathBuf::from(path)),
    };
    let done = runtime()?.block_on(backfill(&past, &target, parsed.switch("alerts")));
    let done = done.map_err(anyhow::Error::new)?;
    say(&format!(
        "{} samples of {} evaluations were written\n",
        done.samples, done.evaluations
    ))?;
    let mut stderr = io::stderr().lock();
    for problem in &done.problems {
        writeln!(stderr, "WARNING: {problem}")?;
    }
    if done.problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::Silent)
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

fn past(parsed: &Parsed) -> Result<Past, Failure> {
    let from = parsed.text("from");
    if from.is_empty() {
        return Err(UsageError::Required("from").into());
    }
    let now = Clock::start(SignedDuration::ZERO).now().wall;
    Ok(Past {
        ruler_file: PathBuf::from(parsed.text("ruler.config-file")),
        query_file: PathBuf::from(parsed.text("query.config-file")),
        rule_files: parsed.words.clone(),
        external_url: parsed.text("web.external-url"),
        from: moment(&from, now)?,
        to: moment(&parsed.text("to"), now)?,
        language: language(parsed),
    })
}

/// A point in time as it is typed; Unix milliseconds.
fn moment(text: &str, now: Timestamp) -> Result<i64, Failure> {
    if let Ok(at) = Timestamp::parse(text)
        && !text.is_empty()
    {
        return Ok(at.unix_millis());
    }
    if let Some(seconds) = text.parse().ok().filter(|seconds: &f64| *seconds >= 0.0) {
        let since = Duration::try_from_secs_f64(seconds).map_err(anyhow::Error::new)?;
        return Ok(Timestamp::from_millis(0).plus(since).unix_millis());
    }
    match parse_prom_duration(text) {
        Ok(ago) => Ok(now.minus(ago).unix_millis()),
        Err(_) => Err(anyhow::anyhow!(
            "{text:?} is no time: write it like 2026-01-31T12:00:00Z, 1769860800 or, for how long ago, 7d"
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_points_in_time_or_how_long_ago() {
        let now = Timestamp::from_millis(1_000_000_000);
        let of = |text: &str| moment(text, now).ok();
        assert_eq!(of("1970-01-01T00:00:01.5Z"), Some(1500));
        assert_eq!(of("1769860800"), Some(1_769_860_800_000));
        assert_eq!(of("1.25"), Some(1250));
        assert_eq!(of("1h"), Some(1_000_000_000 - 3_600_000));
        assert_eq!(of("0s"), Some(1_000_000_000));
        for wrong in ["", "yesterday", "-1", "1e300"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
