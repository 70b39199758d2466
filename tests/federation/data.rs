//! Series, and the formats in which servers take them.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use serde_json::json;
use watchfire::labels::LabelSet;

use crate::process;

/// A series: its labels with its name, and its samples by Unix milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) labels: LabelSet,
    pub(crate) samples: Vec<(i64, f64)>,
}

impl Line {
    /// The same with more labels, as all data in one place has those of partitions.
    pub(crate) fn with(&self, pairs: &LabelSet) -> Self {
        Self {
            labels: LabelSet::from_pairs(self.labels.iter().chain(pairs.iter())),
            samples: self.samples.clone(),
        }
    }
}

/// Makes blocks of a Prometheus in `directory/data`.
pub(crate) fn make_blocks(lines: &[Line], directory: &Path) {
    let file = directory.join("data.om");
    fs::write(&file, open_metrics(lines)).unwrap();
    let promtool = process::installed("promtool").unwrap();
    let made = Command::new(promtool)
        .current_dir(directory)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        // The text is read once per block.
        .args(["--quiet", "--max-block-duration=8760h", "data.om", "data"])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::remove_file(file).unwrap();
}

fn open_metrics(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let labels = line.labels.iter().filter(|(name, _)| *name != "__name__");
        let labels: Vec<_> = labels
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let start = format!("{}{{{}}}", line.labels.value("__name__"), labels.join(","));
        for (time, value) in &line.samples {
            // promtool cuts what is below a millisecond off, and 0.007 is a little less than that.
            let (seconds, millis) = (time / 1000, time % 1000);
            let value = match value {
                value if value.is_nan() => "NaN".to_owned(),
                value if value.is_infinite() && *value > 0.0 => "+Inf".to_owned(),
                value if value.is_infinite() => "-Inf".to_owned(),
                value => value.to_string(),
            };
            writeln!(text, "{start} {value} {seconds}.{millis:03}5").unwrap();
        }
    }
    text.push_str("# EOF\n");
    text
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// What `VictoriaMetrics` imports: a JSON text per series.
pub(crate) fn json_lines(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let labels: serde_json::Map<_, _> = line
            .labels
            .iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let values: Vec<f64> = line.samples.iter().map(|(_, value)| *value).collect();
        let times: Vec<i64> = line.samples.iter().map(|(time, _)| *time).collect();
        let line = json!({"metric": labels, "values": values, "timestamps": times});
        writeln!(text, "{line}").unwrap();
    }
    text
}
