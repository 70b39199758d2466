//! What is asked of whom, and what is computed here.

use crate::{
    federation::{Dialect, Extent, Partition, PartitionMode, Plan, Pushdown, Speech, World, plan},
    labels::LabelSet,
    promql::{
        engine::{Options, Steps},
        parse::{Features, parse},
    },
};

pub(super) const OPTIONS: Options = Options {
    lookback: 300_000,
    subquery_step: 60_000,
    max_samples: 1_000_000,
    delayed_name_removal: false,
    use_start_timestamps: false,
    type_and_unit_labels: false,
};

pub(in crate::federation) fn partition(
    cluster: &str,
    mode: PartitionMode,
    dialect: Dialect,
) -> Partition {
    let speech = Speech {
        dialect,
        mode,
        pushdown: Pushdown::Aggregate,
    };
    Partition::new(LabelSet::from_pairs([("cluster", cluster)]), speech)
}

pub(super) fn world(mode: PartitionMode) -> World {
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
fn values_are_not_written_to_labels_that_are_attached() {
    let mut uneven = world(PartitionMode::Attach);
    uneven.partitions[0].labels = LabelSet::from_pairs([("cluster", "a"), ("zone", "z")]);
    let cases = [
        // Its elements have the label no more, but where it is attached a grouping leaves it out of what is asked.
        (
            "count_values without (job) (\"zone\", sum by (job, cluster) (x))",
            "count_values without (job) (\"zone\", <fragment 0>) | 012: sum by (job) (x)",
        ),
        (
            "count_values without (job, cluster) (\"zone\", sum by (job, cluster) (x))",
            "count_values without (job, cluster) (\"zone\", <fragment 0>) | 012: sum by (job) (x)",
        ),
        (
            "count_values without (job) (\"value\", sum by (job, cluster) (x))",
            "<fragment 0> | 012: count_values without (job, cluster, zone) (\"value\", sum by (job) (x))",
        ),
    ];
    check(&uneven, &cases);
    let mut single = uneven;
    single.partitions.truncate(1);
    let (query, _) = cases[0];
    assert_eq!(
        cut(&single, query),
        "count_values without (job) (\"zone\", <fragment 0>) | 0: sum by (job) (x)"
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
            ("sum(x{cluster=\"none\"})", "sum(<fragment 0>) | : "),
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

fn of_dialects(dialects: [Dialect; 3], pushdown: Pushdown) -> World {
    let mut world = world(PartitionMode::Attach);
    for (partition, dialect) in world.partitions.iter_mut().zip(dialects) {
        partition.dialect = dialect;
        partition.pushdown = pushdown;
    }
    world
}

#[test]
fn windows_of_prometheus_2_are_shortened_by_what_they_have_more() {
    let old = of_dialects([Dialect::Prometheus2; 3], Pushdown::Aggregate);
    check(
        &old,
        &[
            (
                "max_over_time(x[5m])",
                "<fragment 0> | 012: max_over_time(x[4m59s999ms])",
            ),
            ("rate(x[5m])", "rate(x[5m])"),
            (
                "max_over_time(x[1h:5m])",
                "<fragment 0> | 012: max_over_time(x[59m59s999ms:5m])",
            ),
            ("x{\"a.b\"!=\"c\"} > 5m", "<fragment 0> | 012: x > 300"),
            ("x{\"a.b\"=\"c\"}", "<fragment 0> | : "),
            (
                "sum by (\"a.b\", job) (x)",
                "sum by (\"a.b\", job) (<fragment 0>) | 012: sum by (job) (x)",
            ),
            (
                "label_replace(x, \"a.b\", \"\", \"\", \"\")",
                "label_replace(<fragment 0>, \"a.b\", \"\", \"\", \"\") | 012: x",
            ),
        ],
    );
    let plan = planned(&old, "x");
    assert_eq!(plan.fragments[0].questions[0].lookback, 299_999);
    let full = of_dialects([Dialect::Prometheus2; 3], Pushdown::Full);
    check(
        &full,
        &[("rate(x[5m])", "<fragment 0> | 012: rate(x[4m59s999ms])")],
    );
}

#[test]
fn what_means_something_else_to_an_old_version_does_not_travel() {
    let old = of_dialects([Dialect::Prometheus2; 3], Pushdown::Aggregate);
    check(
        &old,
        &[
            // It keeps the names.
            ("x atan2 2", "<fragment 0> atan2 2 | 012: x"),
            ("x * (1 atan2 2)", "<fragment 0> | 012: x * (1 atan2 2)"),
            // It passes over elements that are infinite.
            (
                "stddev by (cluster) (x)",
                "stddev by (cluster) (<fragment 0>) | 012: x",
            ),
            (
                "stdvar without (job) (x)",
                "stdvar without (job) (<fragment 0>) | 012: x",
            ),
            // Before 2.51 a window at a fixed time is that of the first step where another argument changes.
            (
                "predict_linear(x[5m] @ 100, 60)",
                "predict_linear(x[5m] @ 100.000, 60)",
            ),
            (
                "predict_linear(x[5m:1m] @ 100, 60)",
                "predict_linear(<fragment 0>[5m:1m] @ 100.000, 60) | 012: x",
            ),
            (
                "predict_linear(x[5m], 60)",
                "<fragment 0> | 012: predict_linear(x[4m59s999ms], 60)",
            ),
            (
                "quantile_over_time(time() % 2, x[5m] @ 100)",
                "quantile_over_time(time() % 2, x[5m] @ 100.000)",
            ),
            (
                "quantile_over_time(time() % 2, x[5m])",
                "<fragment 0> | 012: quantile_over_time(time() % 2, x[4m59s999ms])",
            ),
            (
                "quantile_over_time(1 - 0.5, x[5m] @ 100)",
                "<fragment 0> | 012: quantile_over_time(1 - 0.5, x[4m59s999ms] @ 100.000)",
            ),
            // Its labels are those of another grouping.
            (
                "count_values by (job) (\"job\", x)",
                "count_values by (job) (\"job\", <fragment 0>) | 012: x",
            ),
            (
                "count_values by (job) (\"value\", x)",
                "sum by (job, value) (<fragment 0>) | 012: count_values by (job) (\"value\", x)",
            ),
        ],
    );
    let full = of_dialects([Dialect::Prometheus2; 3], Pushdown::Full);
    check(
        &full,
        &[
            ("x atan2 2", "<fragment 0> | 012: x atan2 2"),
            (
                "predict_linear(x[5m] @ 100, 60)",
                "<fragment 0> | 012: predict_linear(x[4m59s999ms] @ 100.000, 60)",
            ),
        ],
    );
}

#[test]
fn parameters_that_change_do_not_travel() {
    // Prometheus before 3.5 takes the parameter of the first step for those of all.
    for dialect in [Dialect::Prometheus2, Dialect::Prometheus3, Dialect::Thanos] {
        check(
            &of_dialects([dialect; 3], Pushdown::Aggregate),
            &[
                (
                    "quantile by (cluster) (time() % 2, x)",
                    "quantile by (cluster) (time() % 2, <fragment 0>) | 012: x",
                ),
                (
                    "quantile by (cluster) (-(1 - 0.5), x)",
                    "<fragment 0> | 012: quantile(-(1 - 0.5), x)",
                ),
            ],
        );
    }
    // It drops elements that are no numbers.
    check(
        &of_dialects([Dialect::VictoriaMetrics; 3], Pushdown::Aggregate),
        &[
            (
                "quantile by (cluster) (NaN, x)",
                "quantile by (cluster) (NaN, <fragment 0>) | 012: default_rollup(x[5m])",
            ),
            (
                "quantile by (cluster) (0.5, x)",
                "<fragment 0> | 012: quantile(0.5, default_rollup(x[5m]))",
            ),
            (
                "count_values without (job) (\"job\", x)",
                "count_values without (job) (\"job\", <fragment 0>) | 012: default_rollup(x[5m])",
            ),
        ],
    );
}

#[test]
fn metrics_ql_is_asked_for_what_it_has_in_common() {
    let mixed = [
        Dialect::Prometheus3,
        Dialect::VictoriaMetrics,
        Dialect::Mimir,
    ];
    check(
        &of_dialects(mixed, Pushdown::Aggregate),
        &[
            (
                "sum by (job) (x)",
                "sum by (job) (<fragment 0>) | 012: sum by (job) (x)",
            ),
            ("sum(x > 1)", "sum(<fragment 0> > 1) | 012: x"),
            ("max_over_time(x[5m])", "max_over_time(x[5m])"),
            (
                "max_over_time(x{cluster=\"a\"}[5m])",
                "<fragment 0> | 0: max_over_time(x[5m])",
            ),
            ("timestamp(x)", "<fragment 0> | 012: timestamp(x)"),
        ],
    );
    check(
        &of_dialects(mixed, Pushdown::Full),
        &[("rate(x[5m])", "<fragment 0> | 012: rate(x[5m])")],
    );
    let own = of_dialects([Dialect::VictoriaMetrics; 3], Pushdown::Aggregate);
    check(
        &own,
        &[
            (
                "sum by (job) (x)",
                "sum by (job) (<fragment 0>) | 012: sum by (job) (default_rollup(x[5m]))",
            ),
            (
                "x{job=\"a\"} offset 1m",
                "<fragment 0> | 012: default_rollup(x{job=\"a\"}[5m] offset 1m)",
            ),
            (
                "sum(timestamp(x))",
                "sum(<fragment 0>) | 012: sum((timestamp(x[5m]) and default_rollup(x[5m])))",
            ),
        ],
    );
    check(
        &of_dialects([Dialect::Prometheus3; 3], Pushdown::Selector),
        &[
            ("sum(x)", "sum(<fragment 0>) | 012: x"),
            ("timestamp(x)", "<fragment 0> | 012: timestamp(x)"),
        ],
    );
}

#[test]
fn overlapping_partitions_are_asked_for_selectors() {
    let mut world = world(PartitionMode::Present);
    world.partitions[2].overlap = true;
    check(
        &world,
        &[
            ("sum(x)", "sum(<fragment 0>) | 012: x"),
            (
                "sum(x{cluster!=\"c\"})",
                "sum(<fragment 0>) | 01: sum(x{cluster!=\"c\"})",
            ),
            (
                "sum(x{cluster=\"c\"})",
                "<fragment 0> | 2: sum(x{cluster=\"c\"})",
            ),
        ],
    );
}

#[test]
fn partitions_that_nothing_keeps_apart_compute_no_groups_of_their_own() {
    let mut world = world(PartitionMode::Attach);
    world.partitions[1].labels = world.partitions[0].labels.clone();
    check(
        &world,
        &[
            (
                "sum by (cluster) (x)",
                "sum by (cluster) (<fragment 0>) | 012: sum(x)",
            ),
            ("a / b", "<fragment 0> / <fragment 1> | 012: a | 012: b"),
            ("rate(x[5m])", "<fragment 0> | 012: rate(x[5m])"),
        ],
    );
}

#[test]
fn replicas_that_are_spoken_to_otherwise_have_questions_of_their_own() {
    let mut world = World {
        partitions: vec![partition("a", PartitionMode::Attach, Dialect::Prometheus3)],
    };
    let speech = |dialect, mode| Speech {
        dialect,
        mode,
        pushdown: Pushdown::Aggregate,
    };
    world.partitions[0].others = vec![
        speech(Dialect::Prometheus2, PartitionMode::Attach),
        speech(Dialect::Thanos, PartitionMode::Present),
        speech(Dialect::VictoriaMetrics, PartitionMode::Attach),
    ];
    let asked = |world: &World, query: &str| {
        let plan = planned(world, query);
        let questions = plan.fragments.iter().flat_map(|one| &one.questions);
        let texts = questions.map(|question| {
            let others = question.others.iter();
            let others = others.map(|one| format!("{:?}: {}", one.speech.dialect, one.query));
            let all: Vec<String> = std::iter::once(question.query.to_string())
                .chain(others)
                .collect();
            all.join(" | ")
        });
        texts.collect::<Vec<_>>().join(" || ")
    };
    for (query, wanted) in [
        (
            "sum by (cluster) (x)",
            "sum(x) | Prometheus2: sum(x) | Thanos: sum by (cluster) (x{cluster=\"a\"}) | \
             VictoriaMetrics: sum(default_rollup(x[5m]))",
        ),
        (
            "rate(x{cluster=~\"a|b\"}[5m])",
            "rate(x[5m]) | Thanos: rate(x{cluster=\"a\"}[5m])",
        ),
        (
            "max_over_time(x[5m])",
            "max_over_time(x[5m]) | Prometheus2: max_over_time(x[4m59s999ms]) | \
             Thanos: max_over_time(x{cluster=\"a\"}[5m])",
        ),
        (
            "x{\"a.b\"=\"c\"}",
            "x{\"a.b\"=\"c\"} | Thanos: x{\"a.b\"=\"c\",cluster=\"a\"} | \
             VictoriaMetrics: default_rollup(x{\"a.b\"=\"c\"}[5m])",
        ),
    ] {
        assert_eq!(asked(&world, query), wanted, "{query}");
    }
    // What is of use for all of them.
    world.partitions[0].extent = Extent::Common;
    assert_eq!(asked(&world, "rate(x[5m])"), "");
    let sums = asked(&world, "sum(x)");
    assert_eq!(sums.matches("sum(").count(), 4, "{sums}");
    world.partitions[0].extent = Extent::Selectors;
    let sums = asked(&world, "sum(x)");
    assert_eq!(sums.matches("sum(").count(), 0, "{sums}");
    assert_eq!(sums.matches('|').count(), 3, "{sums}");
}

#[test]
fn deep_expressions_are_planned() {
    let world = world(PartitionMode::Attach);
    for (before, after) in [
        ("abs(", ")"),
        ("-(", ")"),
        ("sum(", ")"),
        ("absent(", ")"),
        ("x + (", ")"),
    ] {
        let query = format!("{}x{}", before.repeat(60), after.repeat(60));
        assert!(!planned(&world, &query).fragments.is_empty(), "{before}");
    }
}
