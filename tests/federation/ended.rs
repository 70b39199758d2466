//! Series that ended: `VictoriaMetrics` shows the marks of their ends among the samples of a window, where Prometheus has
//! none; what is computed of them here is the same.

use std::{path::Path, time::Duration};

use watchfire::{
    labels::LabelSet,
    promql::{Point, STALE, Sample},
};

use crate::{
    api::{self, When},
    http::RUNTIME,
    needed,
    node::Node,
    over::node_over,
    process::{SOON, wait_for},
    remote_write::{listening, now, receiver, victoria_metrics, writer},
};

/// The rate of two pods, of which one ended, and another one that was away for a minute; seven milliseconds off the second.
fn samples(end: i64) -> Vec<Sample> {
    let sample = |pod: &str, slot: i64, value: f64| Sample {
        labels: LabelSet::from_pairs([("__name__", "errs_total"), ("pod", pod)]),
        time: (end - 600 + slot * 15) * 1000 + 7,
        point: Point::Float(value),
    };
    let mut all = Vec::new();
    for slot in 0..40 {
        let value = f64::from(i32::try_from(slot).unwrap());
        all.push(sample("stays", slot, value * 2.0));
        match slot {
            0..30 => all.push(sample("ends", slot, value)),
            30 => all.push(sample("ends", slot, STALE)),
            _ => {}
        }
        match slot {
            30 => all.push(sample("returns", slot, STALE)),
            31..34 => {}
            _ => all.push(sample("returns", slot, value)),
        }
    }
    all
}

fn node(directory: &Path, address: &str) -> Node {
    let text = format!(
        "endpoints:\n- {{name: eu, url: 'http://{address}', kind: victoriametrics, partition: {{cluster: eu}}, partition_label_mode: present}}\n"
    );
    node_over(directory, &text, &[])
}

#[test]
fn marks_of_ended_series_are_no_samples() {
    let (Some(prometheus), Some(victoria)) = (
        needed::installed_or_skip("prometheus"),
        needed::installed_or_skip("victoria-metrics"),
    ) else {
        return;
    };
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let servers = [
        receiver(&prometheus, directories[0].path()),
        victoria_metrics(&victoria, directories[1].path()),
    ];
    let bases = servers.each_ref().map(listening);
    let end = now() / 1000 - 60;
    for (base, directory) in bases.iter().zip(&directories) {
        let writer = writer(&format!("http://{base}/api/v1/write"), directory.path());
        for sample in samples(end) {
            writer.append(vec![sample]);
        }
        wait_for("the last sample", SOON, || {
            let query = r#"count_over_time(errs_total{pod="stays"}[10m])"#;
            let found = api::ask(&format!("http://{base}"), query, When::At(end)).ok()?;
            let values = found.elements.values().next()?;
            (values[0].1 > 39.5).then_some(())
        });
        RUNTIME.block_on(writer.close(Duration::from_secs(5)));
    }
    let node = node(directories[2].path(), &bases[1]);
    for query in [
        "sum(rate(errs_total[5m]))",
        "sum by (pod) (count_over_time(errs_total[5m]))",
        "sum(increase(errs_total[2m]))",
        "max_over_time(errs_total[150s])",
        "count(errs_total)",
    ] {
        for when in [
            When::At(end),
            When::Range {
                start: end - 300,
                end,
                step: 60,
            },
        ] {
            let found = api::ask(&node.url("/prometheus"), query, when).unwrap();
            assert_eq!(found.warnings, Vec::<String>::new(), "{query}");
            let expected = api::ask(&format!("http://{}", bases[0]), query, when).unwrap();
            let different = api::difference(&expected, &found);
            assert_eq!(different, None, "{query} {when:?}");
        }
    }
}
