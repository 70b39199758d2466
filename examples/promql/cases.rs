//! The queries of Prometheus's `BenchmarkRangeQuery` (`promql/bench_test.go`).

/// A query and for how many steps.
pub(crate) struct Case {
    pub(crate) expr: String,
    pub(crate) steps: i64,
}

/// `X` stands for the size of the metric; 0 steps stand for the usual ones.
const CASES: &[(&str, i64)] = &[
    ("a_X", 0),
    ("rate(a_X[1m])", 0),
    ("rate(a_X[1m])", 9000),
    ("rate(sparse[1m])", 9000),
    ("double_exponential_smoothing(a_X[1d], 0.3, 0.3)", 0),
    ("changes(a_X[1d])", 0),
    ("rate(a_X[1d])", 0),
    ("absent_over_time(a_X[1d])", 0),
    ("-a_X", 0),
    ("a_X - b_X", 0),
    ("a_X - b_X", 9000),
    ("a_X and b_X{l=~'.*[0-4]$'}", 0),
    ("a_X or b_X{l=~'.*[0-4]$'}", 0),
    ("a_X unless b_X{l=~'.*[0-4]$'}", 0),
    ("a_X and b_X{l='notfound'}", 0),
    ("abs(a_X)", 0),
    ("label_replace(a_X, 'l2', '$1', 'l', '(.*)')", 0),
    ("label_join(a_X, 'l2', '-', 'l', 'l')", 0),
    ("sum(a_X)", 0),
    ("avg(a_X)", 0),
    ("sum without (l)(h_X)", 0),
    ("sum without (le)(h_X)", 0),
    ("sum by (l)(h_X)", 0),
    ("sum by (le)(h_X)", 0),
    ("count_values('value', h_X)", 100),
    ("topk(1, a_X)", 0),
    ("topk(5, a_X)", 0),
    ("limitk(1, a_X)", 0),
    ("limitk(5, a_X)", 0),
    ("limit_ratio(0.1, a_X)", 0),
    ("limit_ratio(0.5, a_X)", 0),
    ("limit_ratio(-0.5, a_X)", 0),
    ("rate(a_X[1m]) + rate(b_X[1m])", 0),
    ("sum without (l)(rate(a_X[1m]))", 0),
    (
        "sum without (l)(rate(a_X[1m])) / sum without (l)(rate(b_X[1m]))",
        0,
    ),
    ("histogram_quantile(0.9, rate(h_X[5m]))", 0),
    ("a_X + on(l) group_right a_one", 0),
    ("count({__name__!=\"\"})", 1),
    ("count({__name__!=\"\",l=\"\"})", 1),
    ("timestamp(a_X)", 0),
];

pub(crate) fn all() -> Vec<Case> {
    let mut all = Vec::new();
    for (expr, steps) in CASES {
        let sizes: &[&str] = if expr.contains('X') {
            &["one", "hundred"]
        } else {
            &[""]
        };
        let usual = [1, 1000];
        let steps = if *steps == 0 {
            &usual[..]
        } else {
            std::slice::from_ref(steps)
        };
        for size in sizes {
            for steps in steps {
                all.push(Case {
                    expr: expr.replace('X', size),
                    steps: *steps,
                });
            }
        }
    }
    all
}
