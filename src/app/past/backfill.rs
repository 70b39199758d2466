//! What rules would have recorded, written to databases.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::runtime;

use super::{
    course::Course,
    open_metrics::OpenMetrics,
    rules::{Ground, Past, PastError},
};
use crate::{
    config::{RuleFile, RuleKind},
    io::{
        HttpClients,
        remote_write::{DropReason, RemoteWriter, TargetStats},
    },
    promql::Sample,
    ruler::Written,
};

/// Samples that may wait for a server before evaluation waits for it.
const WAITING: u64 = 100_000;

/// How often it is looked whether a server took what waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a server may take nothing at all.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where samples go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file of OpenMetrics text.
    OpenMetrics(PathBuf),
    /// `remote_write` of the ruler's file.
    RemoteWrite,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Samples that a file or all servers took.
    pub samples: u64,
    /// Evaluations of all rules.
    pub evaluations: u64,
    /// What is not there, and why, line by line.
    pub problems: Vec<String>,
}

/// Evaluates recording rules over a time that is past, and alerting rules as well if `alerts` says so.
///
/// # Errors
/// When files cannot be read or written.
pub async fn backfill(past: &Past, target: &Target, alerts: bool) -> Result<Backfilled, PastError> {
    let mut ground = past.read()?;
    let mut files = std::mem::take(&mut ground.files);
    if !alerts {
        files.iter_mut().for_each(leave_recording);
    }
    let mut all = files.iter().flat_map(|file| &file.groups);
    if all.all(|group| group.rules.is_empty()) {
        return Err(PastError::NoRules);
    }
    let mut place = Place::open(target, &ground)?;
    let set = past.set(&ground.config, files);
    let mut course = Course::new(set, Arc::clone(&ground.federation), (past.from, past.to));
    let mut done = Backfilled::default();
    while let Some(happened) = course.advance().await? {
        for word in happened.said {
            if let crate::ruler::Word::Failed {
                group,
                rule,
                reason,
                ..
            } = word
            {
                done.problems.push(format!("{group}: {rule}: {reason}"));
            }
        }
        place.write(happened.written).await?;
    }
    for state in course
        .ruler()
        .states()
        .groups
        .iter()
        .flat_map(|group| &group.rules)
    {
        done.evaluations += state.evaluations;
        for one in &state.missing {
            if !done.problems.contains(one) {
                done.problems.push(one.clone());
            }
        }
    }
    place.finish(&mut done).await?;
    Ok(done)
}

fn leave_recording(file: &mut RuleFile) {
    for group in &mut file.groups {
        group
            .rules
            .retain(|rule| matches!(rule.kind, RuleKind::Recording { .. }));
    }
}

enum Place {
    File {
        path: PathBuf,
        text: OpenMetrics,
    },
    Servers {
        writer: RemoteWriter,
        queue: PathBuf,
    },
}

impl Place {
    fn open(target: &Target, ground: &Ground) -> Result<Self, PastError> {
        match target {
            Target::OpenMetrics(path) => Ok(Self::File {
                text: OpenMetrics::create(path).map_err(|source| failed("create", path, source))?,
                path: path.clone(),
            }),
            Target::RemoteWrite => Self::servers(ground),
        }
    }

    fn servers(ground: &Ground) -> Result<Self, PastError> {
        let mut targets = ground.config.remote_write.clone();
        if targets.is_empty() {
            return Err(PastError::NoTarget);
        }
        for target in &mut targets {
            // All of it is old.
            target.queue.sample_age_limit = Duration::ZERO;
            // Nothing comes after the last.
            target.queue.batch_send_deadline = LOOK_EVERY;
        }
        let unique = format!(
            "watchfire-backfill-{}",
            uuid::Uuid::from_u64_pair(
                u64::from(std::process::id()),
                ground.clock.now().wall.unix_millis().unsigned_abs(),
            )
        );
        let queue = std::env::temp_dir().join(unique);
        let writer = RemoteWriter::open(
            &targets,
            &ground.config.external_labels,
            &queue,
            Arc::new(HttpClients::new(ground.clock)),
            ground.clock,
            runtime::Handle::current(),
        )?;
        Ok(Self::Servers { writer, queue })
    }

    async fn write(&mut self, written: Vec<Written>) -> Result<(), PastError> {
        match self {
            Self::File { path, text } => text
                .write(&written)
                .map_err(|source| failed("write", path, source)),
            Self::Servers { writer, .. } => {
                let sample = |one: Written| Sample {
                    labels: one.labels,
                    time: one.time,
                    point: one.point,
                };
                writer.append(written.into_iter().map(sample).collect());
                wait(writer, WAITING).await;
                Ok(())
            }
        }
    }

    async fn finish(self, done: &mut Backfilled) -> Result<(), PastError> {
        match self {
            Self::File { path, text } => {
                done.samples = text.samples;
                if text.left_out > 0 {
                    done.problems.push(format!(
                        "{} native histograms were left out: OpenMetrics text has no words for them",
                        text.left_out
                    ));
                }
                text.finish()
                    .map_err(|source| failed("write", &path, source))
            }
            Self::Servers { writer, queue } => {
                writer.sync().await;
                wait(&writer, 0).await;
                let stats = writer.stats();
                done.samples = stats.samples_in.load(Relaxed);
                for target in stats.targets() {
                    lost(&target, done);
                }
                writer.close(Duration::from_secs(1)).await;
                // What is left of the queue is of no use to anybody.
                let _ = std::fs::remove_dir_all(queue);
                Ok(())
            }
        }
    }
}

/// Waits until no more than so many samples wait for any server, or one takes nothing for too long.
async fn wait(writer: &RemoteWriter, most: u64) {
    let stats = writer.stats();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let (mut before, mut still) = (u64::MAX, Duration::ZERO);
    loop {
        let targets = stats.targets();
        let waiting = targets.iter().map(|one| one.pending.load(Relaxed)).max();
        let waiting = waiting.unwrap_or(0);
        if waiting <= most || still > PATIENCE {
            return;
        }
        still = if waiting < before {
            Duration::ZERO
        } else {
            still + LOOK_EVERY
        };
        before = waiting;
        ticks.tick().await;
    }
}

fn lost(target: &TargetStats, done: &mut Backfilled) {
    let mut of = |count: u64, what: &str| {
        if count > 0 {
            let name = &target.name;
            done.problems
                .push(format!("{name}: {count} samples {what}"));
            done.samples = done.samples.saturating_sub(count);
        }
    };
    let failed = target.failed.numbers.load(Relaxed) + target.failed.histograms.load(Relaxed);
    of(failed, "were refused");
    of(target.pending.load(Relaxed), "were not taken in time");
    for reason in DropReason::ALL {
        of(
            target.dropped(reason),
            &format!("were dropped: {}", reason.as_str()),
        );
    }
}

fn failed(what: &str, path: &Path, source: std::io::Error) -> PastError {
    PastError::Io {
        what: format!("{what} {}", path.display()),
        source,
    }
}
