//! `watchfire template render`: amtool's command, and what a receiver would get.

use std::fs;

use jiff::{SignedDuration, tz::TimeZone};

use super::{
    args::{self, Flag, Kind, Parsed, UsageError},
    help,
    receiver::{read_json, receiver},
    run::{Failure, say},
};
use crate::{
    io::{Clock, glob},
    notify::sample,
    template::{Data, Language, Library, Mode, Scope},
    time::Timestamp,
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
        name: "template.glob",
        short: None,
        kind: Kind::Texts,
        default: "",
        help: "Glob of template files; may be given more than once.",
    },
    Flag {
        name: "template.text",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "The template to render.",
    },
    Flag {
        name: "template.type",
        short: None,
        kind: Kind::OneOf {
            words: &["html", "text"],
            what: "template type",
        },
        default: "text",
        help: "text, or html to escape what is rendered.",
    },
    Flag {
        name: "template.data",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "A JSON file with the data; some alerts of our own if there is none.",
    },
    Flag {
        name: "receiver",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "Render all fields of this receiver of --config.file, with the alerts of --template.data.",
    },
    Flag {
        name: "config.file",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "The configuration file with the receiver.",
    },
];

/// `template …`
pub(super) fn template(args: &[String]) -> Result<(), Failure> {
    let parsed = args::parse(FLAGS, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire template render --template.glob=GLOB --template.text=TEXT [<flags>]",
            "Renders a template over the files given, with the built-in templates below them; with --receiver, what a \
             receiver of --config.file would get.",
            FLAGS,
            &[],
        ));
    }
    let words: Vec<&str> = parsed.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["render"] => render(&parsed),
        ["render", more, ..] => Err(UsageError::Unexpected((*more).to_owned()).into()),
        [word, ..] => Err(UsageError::NoCommand((*word).to_owned()).into()),
        [] => Err(UsageError::NoCommand(String::new()).into()),
    }
}

/// What a receiver would get is what a dry run shows.
fn render_receiver(name: String, parsed: &Parsed) -> Result<(), Failure> {
    let mut args = vec!["test".to_owned(), name, "--dry-run".to_owned()];
    for (flag, value) in [
        ("config.file", parsed.text("config.file")),
        ("alerts", parsed.text("template.data")),
    ] {
        if !value.is_empty() {
            args.push(format!("--{flag}={value}"));
        }
    }
    receiver(&args)
}

fn render(parsed: &Parsed) -> Result<(), Failure> {
    let name = parsed.text("receiver");
    if !name.is_empty() {
        return render_receiver(name, parsed);
    }
    let globs = parsed.texts("template.glob");
    if globs.is_empty() {
        return Err(UsageError::Required("template.glob").into());
    }
    let text = parsed.text("template.text");
    if text.is_empty() {
        return Err(UsageError::Required("template.text").into());
    }
    let mode = match parsed.text("template.type").as_str() {
        "html" => Mode::Html,
        _ => Mode::Text,
    };
    let now = Clock::start(SignedDuration::ZERO).now().wall;
    let library = library(&globs)?;
    let scope = Scope {
        zone: TimeZone::system(),
        local: TimeZone::system(),
        ..Scope::new(data(&parsed.text("template.data"), now)?, now)
    };
    let rendered = library
        .compile("", &text, mode)
        .and_then(|template| template.render(&scope))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    // amtool ends with what was rendered, not with a line feed.
    say(&rendered)
}

fn library(globs: &[String]) -> Result<Library, Failure> {
    let mut files = Vec::new();
    for pattern in globs {
        let Some(paths) = glob(pattern) else {
            return Err(anyhow::anyhow!("{pattern}: syntax error in pattern").into());
        };
        for path in paths {
            let name = path.to_string_lossy().into_owned();
            let text = fs::read_to_string(&path)
                .map_err(|error| anyhow::anyhow!("open {name}: {error}"))?;
            files.push((name, text));
        }
    }
    let files = files.iter().map(|(name, text)| (&**name, &**text));
    Library::new(Language::English, files).map_err(|errors| {
        let texts: Vec<String> = errors.iter().map(|(_, error)| error.to_string()).collect();
        anyhow::anyhow!("{}", texts.join("\n")).into()
    })
}

fn data(file: &str, now: Timestamp) -> Result<Data, Failure> {
    if file.is_empty() {
        return Ok(sample::sample_data(now));
    }
    let data = sample::data(&read_json(file)?, now);
    Ok(data.map_err(|error| anyhow::anyhow!("{file}: {error}"))?)
}
