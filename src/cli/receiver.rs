//! `watchfire receiver test`: a test notification to each integration of a receiver, sent or only shown.

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use jiff::SignedDuration;

use super::{
    args::{self, Flag, Kind, Parsed, UsageError},
    check::exists,
    help,
    run::{Failure, say},
};
use crate::{
    alert::Alert,
    app::ConfigFile,
    config::{Config, Integration},
    io::{Clock, Senders},
    node::NotifyAttempt,
    notify::{
        Memory, NotificationData, Verdict,
        integration::{Rehearsal, Shown},
        sample,
    },
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
        name: "config.file",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "The configuration file with the receiver.",
    },
    Flag {
        name: "dry-run",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Print the requests with secrets hidden, and send nothing.",
    },
    Flag {
        name: "integration",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "Only this integration, such as slack or slack[1].",
    },
    Flag {
        name: "alerts",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "A JSON file with alerts, as they are posted or as webhooks get them; a test alert if there is none.",
    },
    Flag {
        name: "web.external-url",
        short: None,
        kind: Kind::Text,
        default: "http://localhost:9093",
        help: "Where links in the notification lead.",
    },
];

/// A test does not wait longer for a receiver.
const TIMEOUT: Duration = Duration::from_secs(30);

/// `receiver …`
pub(super) fn receiver(args: &[String]) -> Result<(), Failure> {
    let parsed = args::parse(FLAGS, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire receiver test NAME --config.file=FILE [<flags>]",
            "Sends a marked test notification to each integration of a receiver; exits with 1 if one does not take it.",
            FLAGS,
            &[],
        ));
    }
    let words: Vec<&str> = parsed.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", name] => test(&parsed, name),
        ["test"] => Err(UsageError::MissingArgument("name").into()),
        ["test", _, more, ..] => Err(UsageError::Unexpected((*more).to_owned()).into()),
        [word, ..] => Err(UsageError::NoCommand((*word).to_owned()).into()),
        [] => Err(UsageError::NoCommand(String::new()).into()),
    }
}

fn test(parsed: &Parsed, name: &str) -> Result<(), Failure> {
    let config = load(parsed)?;
    let clock = Clock::start(SignedDuration::ZERO);
    let now = clock.now().wall;
    let data = notification(parsed, name, now)?;
    let chosen = chosen(&config, name, &parsed.text("integration"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let failed = runtime.block_on(async {
        let senders = Senders::new(clock);
        let mut failed = 0;
        for integration in chosen {
            let attempt = NotifyAttempt {
                attempt: 0,
                data: Arc::clone(&data),
                integration: Arc::clone(&integration),
                texts: Arc::clone(&config.texts),
                memory: Memory::new(),
                timeout: TIMEOUT,
            };
            let label = format!("{}[{}]", integration.kind.as_str(), integration.index);
            let ok = if parsed.switch("dry-run") {
                show(&label, senders.rehearse(attempt).await)?
            } else {
                tell(&label, &senders.notify(attempt).await)?
            };
            failed += usize::from(!ok);
        }
        Ok::<usize, Failure>(failed)
    })?;
    if failed > 0 {
        return Err(anyhow::anyhow!("{failed} integration(s) of receiver {name:?} failed").into());
    }
    Ok(())
}

fn load(parsed: &Parsed) -> Result<Config, Failure> {
    let file = parsed.text("config.file");
    if file.is_empty() {
        return Err(UsageError::Required("config.file").into());
    }
    exists(&file)?;
    let config = ConfigFile::at(Path::new(&file)).load();
    Ok(config.map_err(|error| anyhow::anyhow!("{error}"))?)
}

fn notification(
    parsed: &Parsed,
    name: &str,
    now: Timestamp,
) -> Result<Arc<NotificationData>, Failure> {
    let external_url = parsed.text("web.external-url");
    let external_url = external_url.trim_end_matches('/').into();
    let alerts = read_alerts(&parsed.text("alerts"), now)?;
    let unique = format!("{now}");
    let data = sample::notification(name, &external_url, alerts, &unique, now);
    Ok(Arc::new(data))
}

fn read_alerts(file: &str, now: Timestamp) -> Result<Vec<Alert>, Failure> {
    if file.is_empty() {
        return Ok(Vec::new());
    }
    let json = read_json(file)?;
    let alerts = sample::alerts(&json, now);
    Ok(alerts.map_err(|error| anyhow::anyhow!("{file}: {error}"))?)
}

/// Reads a JSON file that the user gives.
pub(super) fn read_json(file: &str) -> Result<serde_json::Value, Failure> {
    let text =
        std::fs::read_to_string(file).map_err(|error| anyhow::anyhow!("open {file}: {error}"))?;
    let json = serde_json::from_str(&text);
    Ok(json.map_err(|error| anyhow::anyhow!("{file} is no JSON: {error}"))?)
}

fn chosen(config: &Config, name: &str, wanted: &str) -> Result<Vec<Arc<Integration>>, Failure> {
    let Some(receiver) = config.receiver(name) else {
        let known: Vec<&str> = config
            .receivers
            .iter()
            .map(|receiver| &*receiver.name)
            .collect();
        let known = known.join(", ");
        return Err(anyhow::anyhow!("no receiver is called {name:?}; there are: {known}").into());
    };
    let chosen: Vec<_> = receiver
        .integrations
        .iter()
        .filter(|integration| {
            let kind = integration.kind.as_str();
            wanted.is_empty()
                || wanted == kind
                || wanted == format!("{kind}[{}]", integration.index)
        })
        .cloned()
        .collect();
    if chosen.is_empty() {
        return Err(anyhow::anyhow!("receiver {name:?} has no such integration").into());
    }
    Ok(chosen)
}

fn show(label: &str, rehearsal: Result<Rehearsal, Verdict>) -> Result<bool, Failure> {
    let rehearsal = match rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(verdict) => return tell(label, &verdict),
    };
    let mut out = format!("# {label}: nothing was sent\n");
    if !rehearsal.template_problems.is_empty() {
        out.push_str(&format!("# {}\n", rehearsal.template_problems));
    }
    for Shown {
        method,
        target,
        headers,
        body,
    } in &rehearsal.requests
    {
        out.push_str(&format!("{method} {target}\n"));
        for (name, value) in headers {
            out.push_str(&format!("{name}: {value}\n"));
        }
        out.push_str(&format!("\n{}\n\n", body.trim_end()));
    }
    say(&out)?;
    Ok(true)
}

fn tell(label: &str, verdict: &Verdict) -> Result<bool, Failure> {
    match verdict {
        Verdict::Sent(receipt) => {
            let notes = receipt.notes();
            let notes = if notes.is_empty() {
                notes
            } else {
                format!(" ({notes})")
            };
            say(&format!("{label}: sent{notes}\n"))?;
            Ok(true)
        }
        Verdict::Retry { error, .. } | Verdict::Permanent { error, .. } => {
            say(&format!("{label}: FAILED: {error}\n"))?;
            std::io::stdout().flush()?;
            Ok(false)
        }
    }
}
