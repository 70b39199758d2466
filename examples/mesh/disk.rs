//! How long a disk takes to make something durable.

use std::{
    io::{Seek as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

const WRITES: usize = 300;

/// Writes and syncs 4 KiB again and again; says what that takes.
pub(crate) fn fsync(directory: &Path) -> Result<String> {
    let mut file = tempfile::tempfile_in(directory)?;
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let started = Instant::now();
        file.rewind()?;
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    let [half, most] = percentiles(&mut times);
    let directory = directory.display();
    Ok(format!(
        "fsync of 4 KiB in {directory}: p50 {} ms, p99 {} ms",
        millis(half),
        millis(most)
    ))
}

/// The 50th and the 99th percentile.
pub(crate) fn percentiles(times: &mut [Duration]) -> [Duration; 2] {
    times.sort_unstable();
    [50, 99].map(|percent| {
        let position = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(position).copied().unwrap_or_default()
    })
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
