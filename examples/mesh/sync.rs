//! How long a fresh node takes until it has what another one knows.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use watchfire::{
    labels::{MatchOp, MatcherMode},
    nflog::{LogKey, NflogEntry, ReceiverKey, Trail},
    silence::{MatcherText, Silence, check_matcher_sets},
    storage::{write_nflog_file, write_silences_file},
    time::Timestamp,
};

use super::nodes::{Node, Place};

const DAY: Duration = Duration::from_hours(24);

const CONFIG: &str = "\
route:
  receiver: sink
receivers:
- name: sink
";

pub(crate) fn measure(program: &Path, storage: &Path, entries: u64, silences: u64) -> Result<()> {
    let directory = tempfile::tempdir_in(storage)?;
    let (full, fresh) = (
        directory.path().join("full"),
        directory.path().join("fresh"),
    );
    fill(&full.join("data"), entries, silences)?;
    let places = [Place::find()?, Place::find()?];
    let mut full = Node::start(program, &full, CONFIG, &places, 0)?;
    full.until("filled", |node| has(node, entries, silences))?;
    full.until_ready(1)?;
    full.until("at rest", |node| {
        Ok(node.metric("watchfire_store_queued_bytes")? < 1.0)
    })?;
    let started = Instant::now();
    let mut fresh = Node::start(program, &fresh, CONFIG, &places, 1)?;
    fresh.until("as full as the other", |node| has(node, entries, silences))?;
    let filled = started.elapsed();
    fresh.until_ready(2)?;
    println!(
        "{entries} log entries and {silences} silences: at the fresh node {:.2} s after its start, which is ready and \
         votes after {:.2} s",
        filled.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn has(node: &Node, entries: u64, silences: u64) -> Result<bool> {
    let wanted = |count: u64| -> Result<f64> { Ok(f64::from(u32::try_from(count)?)) };
    Ok(node.metric("watchfire_nflog_entries")? >= wanted(entries)?
        && node.metric("alertmanager_silences")? >= wanted(silences)?)
}

/// Writes the files that Alertmanager would leave behind.
fn fill(data: &Path, entries: u64, silences: u64) -> Result<()> {
    fs::create_dir_all(data)?;
    let seconds = i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_secs(),
    )?;
    let now = Timestamp::from_unix(seconds, 0);
    let log: Vec<NflogEntry> = (0..entries).map(|index| entry(index, now)).collect();
    fs::write(data.join("nflog"), write_nflog_file(&log, 5 * DAY))?;
    let all = (0..silences).map(|index| silence(index, now));
    let all: Vec<Silence> = all.collect::<Result<_>>()?;
    fs::write(data.join("silences"), write_silences_file(&all))?;
    Ok(())
}

fn entry(index: u64, now: Timestamp) -> NflogEntry {
    NflogEntry {
        key: LogKey {
            group_key: format!(
                "{{}}:{{alertname=\"InstanceDown\", cluster=\"eu-1\", instance=\"host-{index}:9100\"}}"
            )
            .into(),
            receiver: ReceiverKey {
                group_name: "team".into(),
                integration: "webhook".into(),
                index: 0,
            },
        },
        seq: 1,
        edit: 0,
        timestamp: now,
        firing: (0..3).map(|part| index * 10 + part).collect(),
        resolved: Arc::default(),
        held: Arc::default(),
        receiver_data: BTreeMap::new(),
        repeat_interval: Duration::from_hours(96),
        trail: Trail::default(),
        expires_at: now.plus(5 * DAY),
    }
}

fn silence(index: u64, now: Timestamp) -> Result<Silence> {
    let matcher = |name: &str, op: MatchOp, value: String| MatcherText {
        name: name.to_owned(),
        op,
        value,
    };
    let sets = check_matcher_sets(
        &[vec![
            matcher("alertname", MatchOp::Equal, "InstanceDown".to_owned()),
            matcher("instance", MatchOp::Regex, format!("host-{index}:.+")),
        ]],
        MatcherMode::Fallback,
    );
    Ok(Silence {
        id: uuid::Uuid::from_u128(u128::from(index)).to_string().into(),
        matcher_sets: sets.ok().context("matchers that are none")?,
        starts_at: now,
        ends_at: now.plus(DAY),
        updated_at: now,
        created_by: "mesh".to_owned(),
        comment: "while the host is moved".to_owned(),
        annotations: BTreeMap::new(),
        expires_at: now.plus(6 * DAY),
        rev: 1,
        expired_by_user: false,
    })
}
