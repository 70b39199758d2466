//! Samples as OpenMetrics text, which `promtool tsdb create-blocks-from openmetrics` makes blocks of.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::{
    labels::{LabelSet, MatcherMode, is_valid_label_name},
    promql::{Point, is_stale},
    ruler::Written,
};

/// A file that samples are written to.
pub(super) struct OpenMetrics {
    file: BufWriter<File>,
    /// Samples that were written.
    pub(super) samples: u64,
    /// Native histograms, which the text has no words for.
    pub(super) left_out: u64,
}

impl OpenMetrics {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create(path)?),
            samples: 0,
            left_out: 0,
        })
    }

    pub(super) fn write(&mut self, written: &[Written]) -> io::Result<()> {
        for one in written {
            match &one.point {
                // The text has no marks of ends: a series ends by the lookback.
                Point::Float(value) if is_stale(*value) => {}
                Point::Float(value) => {
                    self.samples += 1;
                    let line = line(&one.labels, *value, one.time);
                    self.file.write_all(line.as_bytes())?;
                }
                Point::Histogram(_) => self.left_out += 1,
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.write_all(b"# EOF\n")?;
        self.file.flush()
    }
}

fn line(labels: &LabelSet, value: f64, time: i64) -> String {
    let classic = |name: &str| is_valid_label_name(&name.replace(':', "_"), MatcherMode::Classic);
    let name = labels.value("__name__");
    let mut parts = Vec::new();
    if !classic(name) {
        parts.push(quoted(name));
    }
    for (label, value) in labels.iter().filter(|(label, _)| *label != "__name__") {
        let label = if is_valid_label_name(label, MatcherMode::Classic) {
            label.to_owned()
        } else {
            quoted(label)
        };
        parts.push(format!("{label}={}", quoted(value)));
    }
    let mut line = if classic(name) {
        name.to_owned()
    } else {
        String::new()
    };
    if !parts.is_empty() {
        line.push_str(&format!("{{{}}}", parts.join(",")));
    }
    let value = match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => format!("{value:e}"),
    };
    let (seconds, millis) = (time.div_euclid(1000), time.rem_euclid(1000));
    let time = match millis {
        0 => seconds.to_string(),
        // promtool cuts off what is below a millisecond, and as a double 0.007 is a little less than that.
        millis => format!("{seconds}.{millis:03}5"),
    };
    line.push_str(&format!(" {value} {time}\n"));
    line
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_open_metrics() {
        let of = |pairs: &[(&str, &str)], value, time| {
            line(&LabelSet::from_pairs(pairs.iter().copied()), value, time)
        };
        assert_eq!(
            of(&[("__name__", "a:b")], 1.5, 1_700_000_000_123),
            "a:b 1.5e0 1700000000.1235\n"
        );
        assert_eq!(
            of(
                &[("__name__", "a"), ("x", "1\"\\\n2"), ("y", "")],
                f64::NAN,
                1000
            ),
            "a{x=\"1\\\"\\\\\\n2\",y=\"\"} NaN 1\n"
        );
        assert_eq!(
            of(&[("__name__", "a.b"), ("c d", "e")], f64::NEG_INFINITY, 5),
            "{\"a.b\",\"c d\"=\"e\"} -Inf 0.0055\n"
        );
    }
}
