//! What is asked of whom, and what is computed here.

use crate::{
    federation::{Dialect, Partition, PartitionMode, Plan, Pushdown, World, plan},
    labels::LabelSet,
    promql::{
        engine::{Options, Steps},
        parse::{Features, parse},
    },
};

const OPTIONS: Options = Options {
    lookback: 300_000,
    subquery_step: 60_000,
    max_samples: 1_000_000,
    delayed_name_removal: false,
    use_start_timestamps: false,
    type_and_unit_labels: false,
};

fn partition(cluster: &str, mode: PartitionMode, dialect: Dialect) -> Partition {
    Partition {
        labels: LabelSet::from_pairs([("cluster", cluster)]),
        mode,
        dialect,
        pushdown: Pushdown::Aggregate,
        lookback: 300_000,
        optional: false,
        overlap: false,
    }
}

fn world(mode: PartitionMode) -> World {
    let partition = |cluster| partition(cluster, mode, Dialect::Prometheus3);
    World {
        partitions: vec![partition("a"), partition("b"), partition("c")],
    }
}

fn planned(world: &World, query: &str) -> Plan {
    let expr = parse(query, Features::all()).unwrap();
    plan(&expr, Steps::instant(100_000), OPTIONS, world).unwrap()
}

/// What is computed here, and each fragment as it is asked of its first partition, with the partitions.
fn cut(world: &World, query: &str) -> String {
    let plan = planned(world, query);
    let mut text = plan.local.to_string();
    for fragment in &plan.fragments {
        let places: String = fragment
            .questions
            .iter()
            .map(|question| question.partition.to_string())
            .collect();
        let first = fragment.questions.first();
        let query = first.map_or("", |question| &question.query);
        text = format!("{text} | {places}: {query}");
    }
    text
}

fn check(world: &World, cases: &[(&str, &str)]) {
    for (query, wanted) in cases {
        assert_eq!(cut(world, query), *wanted, "{query}");
    }
}

#[test]
fn partitions_compute_what_their_data_suffices_for() {
    check(
        &world(PartitionMode::Attach),
        &[
            ("rate(x[5m])", "<fragment 0> | 012: rate(x[5m])"),
            (
                "sum(rate(x[5m]))",
                "sum(<fragment 0>) | 012: sum(rate(x[5m]))",
            ),
            (
                "sum by (job, cluster) (x) > 5",
                "<fragment 0> | 012: sum by (job) (x) > 5",
            ),
            (
                "sum without (job) (x)",
                "<fragment 0> | 012: sum without (job, cluster) (x)",
            ),
            (
                "count(up == 0) > 2",
                "sum(<fragment 0>) > 2 | 012: count(up == 0)",
            ),
            (
                "avg by (job) (x)",
                "sum by (job) (<fragment 0>) / sum by (job) (<fragment 1>) | 012: sum by (job) (x) | 012: count by (job) (x)",
            ),
            ("topk(3, x)", "topk(3, <fragment 0>) | 012: topk(3, x)"),
            ("topk by (cluster) (3, x)", "<fragment 0> | 012: topk(3, x)"),
            ("quantile(0.9, x)", "quantile(0.9, <fragment 0>) | 012: x"),
            ("stddev by (cluster) (x)", "<fragment 0> | 012: stddev(x)"),
            (
                "count_values(\"v\", x)",
                "sum by (v) (<fragment 0>) | 012: count_values(\"v\", x)",
            ),
            ("a / b", "<fragment 0> | 012: a / ignoring (cluster) b"),
            (
                "a / on (job) b",
                "<fragment 0> / on (job) <fragment 1> | 012: a | 012: b",
            ),
            (
                "a / on (job, cluster) b",
                "<fragment 0> | 012: a / on (job) b",
            ),
            (
                "a and on () hour() > 8",
                "<fragment 0> | 012: a and on () hour() > 8",
            ),
            ("a or vector(0)", "<fragment 0> or vector(0) | 012: a"),
            (
                "a > scalar(b)",
                "<fragment 0> > scalar(<fragment 1>) | 012: a | 012: b",
            ),
            (
                "histogram_quantile(0.9, sum by (le) (rate(x[5m])))",
                "histogram_quantile(0.9, sum by (le) (<fragment 0>)) | 012: sum by (le) (rate(x[5m]))",
            ),
            (
                "histogram_quantile(0.9, sum by (le, cluster) (rate(x[5m])))",
                "<fragment 0> | 012: histogram_quantile(0.9, sum by (le) (rate(x[5m])))",
            ),
            (
                "label_replace(x, \"dst\", \"$1\", \"src\", \"(.*)\")",
                "<fragment 0> | 012: label_replace(x, \"dst\", \"$1\", \"src\", \"(.*)\")",
            ),
            (
                "label_replace(x, \"dst\", \"$1\", \"cluster\", \"(.*)\")",
                "label_replace(<fragment 0>, \"dst\", \"$1\", \"cluster\", \"(.*)\") | 012: x",
            ),
            (
                "absent(x{job=\"$a\"})",
                "label_replace(absent(<fragment 0>), \"job\", \"$$a\", \"job\", \"\") | 012: group(x{job=\"$a\"})",
            ),
            (
                "max_over_time(x[1h:])",
                "<fragment 0> | 012: max_over_time(x[1h:1m])",
            ),
            (
                "x offset 5m @ end()",
                "<fragment 0> | 012: x @ 100.000 offset 5m",
            ),
            ("sort(x)", "sort(<fragment 0>) | 012: x"),
            ("vector(1)", "vector(1)"),
            ("x[5m]", "x[5m]"),
            ("first_over_time(x[5m])", "first_over_time(x[5m])"),
        ],
    );
}

#[test]
fn a_single_partition_is_asked_for_everything() {
    check(
        &world(PartitionMode::Attach),
        &[
            (
                "quantile(0.9, x{cluster=\"b\"})",
                "<fragment 0> | 1: quantile(0.9, x)",
            ),
            (
                "x{cluster=\"b\"} > scalar(y{cluster=\"b\"})",
                "<fragment 0> | 1: x > scalar(y)",
            ),
            (
                "absent(x{cluster=\"b\"})",
                "label_replace(absent(<fragment 0>), \"cluster\", \"b\", \"cluster\", \"\") | 1: group(x)",
            ),
            (
                "{cluster=~\"a|b\",job=\"\"}",
                "<fragment 0> | 01: {__name__!=\"\",job=\"\"}",
            ),
            ("sum(x{cluster=\"none\"})", "<fragment 0> | : "),
            (
                "absent(x{cluster=\"none\"})",
                "label_replace(absent(<fragment 0>), \"cluster\", \"none\", \"cluster\", \"\") | : ",
            ),
        ],
    );
    check(
        &world(PartitionMode::Present),
        &[
            (
                "absent(x{cluster=\"b\"})",
                "<fragment 0> | 1: absent(x{cluster=\"b\"})",
            ),
            (
                "sum by (cluster) (x)",
                "<fragment 0> | 012: sum by (cluster) (x)",
            ),
            (
                "a{cluster=\"a\"} unless b",
                "<fragment 0> unless <fragment 1> | 0: a{cluster=\"a\"} | 012: b",
            ),
        ],
    );
}
