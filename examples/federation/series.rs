//! Counters of many instances, each with ten codes.

use watchfire::labels::LabelSet;

use crate::data::Line;

/// When queries are evaluated; Unix seconds.
pub(crate) const NOW: i64 = 1_700_000_400;

/// Samples of each series, every 15 seconds.
pub(crate) const SAMPLES: i64 = 21;

const JOBS: usize = 30;

pub(crate) const CODES: usize = 10;

pub(crate) fn lines(partition: &str, series: usize) -> Vec<Line> {
    let line = |at: usize| {
        let (instance, code) = (at / CODES, at % CODES);
        let (job, code) = (format!("job-{}", instance % JOBS), format!("{code}"));
        let instance = format!("host-{instance}.{partition}.example.org:9100");
        let pairs = [
            ("__name__", "x_total"),
            ("job", &job),
            ("instance", &instance),
            ("host", &host(at / CODES)),
            ("code", &code),
        ];
        let times = (0..SAMPLES).map(|sample| (NOW - 300 + sample * 15) * 1000 - 5993);
        Line {
            labels: LabelSet::from_pairs(pairs),
            samples: times
                .map(|time| {
                    (
                        time,
                        ((time / 15_000) % 100_000 * (at as i64 % 97 + 1)) as f64,
                    )
                })
                .collect(),
        }
    };
    (0..series).map(line).collect()
}

/// What the instances of this number have in common in all partitions.
pub(crate) fn host(number: usize) -> String {
    format!("h{number}")
}
