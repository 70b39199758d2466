//! Random expressions over random series.

use watchfire::{
    labels::LabelSet,
    promql::{
        FunctionId,
        ast::{AggregateOp, BinaryOp, Expr, ExprKind},
        parse::{Features, parse},
    },
};

use crate::{
    api::When,
    data::Line,
    expressions::Chance,
    servers,
    side_by_side::{Plan, SideBySide, Verdict, expect_same},
};

/// The first sample; Unix seconds.
const START: i64 = 1_700_000_400;

/// Seconds between samples.
const INTERVAL: i64 = 15;

#[test]
fn random_expressions_give_what_one_prometheus_gives() {
    let Some(()) = servers::installed() else {
        return;
    };
    let seed = servers::number("FEDERATION_SEED", 1);
    let many = servers::number("FEDERATION_QUERIES", 400);
    let mut chance = Chance::new(seed).naming(START + 600);
    let place = tempfile::tempdir().unwrap();
    let plan = Plan {
        label: "shard",
        parts: ["s0", "s1", "s2"].map(|name| (name, lines(&mut chance, name != "s2"))),
        gap: ((START + 500) * 1000, (START + 700) * 1000),
        pushdown: "aggregate",
    };
    let world = SideBySide::start(place.path(), &plan);
    let mut questions = Vec::new();
    while questions.len() < usize::try_from(many).unwrap() {
        let depth = u32::try_from(chance.below(4)).unwrap();
        let query = chance.vector(depth);
        // Off the multiples of the steps of subqueries, at which their windows would begin.
        let when = if chance.one_in(2) {
            When::At(START + 603 + i64::try_from(chance.below(20)).unwrap() * INTERVAL)
        } else {
            When::Range {
                start: START + 303,
                end: START + 903,
                step: 60,
            }
        };
        let known = parse(&query, Features::none()).is_ok_and(|expr| is_old(&expr, false));
        if known {
            questions.push((query, when));
        }
    }
    let verdicts = world.compare_all(&questions);
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|one| wanted(one)).count();
    println!(
        "seed {seed}: of {} queries {} give the same elements, {} none, {} are refused by both",
        questions.len(),
        count(|verdict| matches!(verdict, Verdict::Same { empty: false })),
        count(|verdict| matches!(verdict, Verdict::Same { empty: true })),
        count(|verdict| matches!(verdict, Verdict::Refused(_))),
    );
    expect_same(&questions, &verdicts);
}

/// Whether Prometheus 2.42 knows all of an expression and means the same by it. A subquery in a subquery begins where its
/// window does; how rates of what is near 0 are extrapolated, and what comes of deviations and parameters
/// that are no numbers, have changed; which of equal elements are the largest is open.
fn is_old(expr: &Expr, in_subquery: bool) -> bool {
    use AggregateOp::{Bottomk, Stddev, Stdvar, Topk};
    use FunctionId::{FirstOverTime, Increase, Rate};
    let known = match &expr.kind {
        ExprKind::Number(number) => !number.duration,
        ExprKind::Subquery(_) => !in_subquery,
        ExprKind::Call(call) if call.function.id == FirstOverTime => false,
        ExprKind::Call(call) if matches!(call.function.id, Rate | Increase) => {
            call.args.iter().all(is_counter)
        }
        ExprKind::Aggregate(aggregate) if matches!(aggregate.op, Stddev | Stdvar) => {
            is_finite(&aggregate.expr)
        }
        ExprKind::Aggregate(aggregate) if matches!(aggregate.op, Topk | Bottomk) => {
            let param = aggregate.param.as_ref().map(|param| &param.kind);
            matches!(param, Some(ExprKind::Number(_))) && is_varied(&aggregate.expr)
        }
        ExprKind::String(_)
        | ExprKind::Vector(_)
        | ExprKind::Matrix(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Binary(_)
        | ExprKind::Aggregate(_)
        | ExprKind::Call(_)
        | ExprKind::Fragment(_) => true,
    };
    let inside = in_subquery || matches!(expr.kind, ExprKind::Subquery(_));
    known
        && expr
            .children()
            .into_iter()
            .all(|child| is_old(child, inside))
}

fn is_counter(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Matrix(matrix) if matches!(&*matrix.selector.name, "c_total" | "h_bucket"))
}

fn is_finite(expr: &Expr) -> bool {
    let here = match &expr.kind {
        ExprKind::Vector(selector) => selector.name != "b",
        ExprKind::Matrix(matrix) => matrix.selector.name != "b",
        ExprKind::Call(call) => {
            !matches!(call.function.name, "scalar" | "exp" | "timestamp" | "deriv")
        }
        ExprKind::Binary(binary) => !matches!(binary.op, BinaryOp::Div | BinaryOp::Mod),
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Aggregate(_)
        | ExprKind::Subquery(_)
        | ExprKind::Fragment(_) => true,
    };
    here && expr.children().into_iter().all(is_finite)
}

/// Whether hardly two values are equal, of which either may be the largest.
fn is_varied(expr: &Expr) -> bool {
    match &expr.unwrap_parens().kind {
        ExprKind::Vector(_) | ExprKind::Matrix(_) => true,
        ExprKind::Call(call) => {
            let keeps = [
                "rate",
                "increase",
                "avg_over_time",
                "last_over_time",
                "label_replace",
                "label_join",
                "abs",
            ];
            keeps.contains(&call.function.name) && is_varied(&call.args[0])
        }
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Binary(_)
        | ExprKind::Aggregate(_)
        | ExprKind::Subquery(_)
        | ExprKind::Fragment(_) => false,
    }
}

fn lines(chance: &mut Chance, with_nan: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |name: &str, pairs: &[(&str, &str)], samples| {
        let pairs = pairs.iter().copied().chain([("__name__", name)]);
        lines.push(Line {
            labels: LabelSet::from_pairs(pairs),
            samples,
        });
    };
    for job in ["x", "y"] {
        for instance in ["1", "2", "3"] {
            for name in ["a", "b", "up"] {
                let gauge = gauge(chance, with_nan && name == "b");
                add(name, &[("job", job), ("instance", instance)], gauge);
            }
            add(
                "c_total",
                &[("job", job), ("instance", instance)],
                counter(chance),
            );
            for le in ["1", "5", "+Inf"] {
                let labels = [("job", job), ("instance", instance), ("le", le)];
                add("h_bucket", &labels, counter(chance));
            }
        }
    }
    lines
}

/// Times with gaps, some as long as windows.
fn times(chance: &mut Chance) -> Vec<i64> {
    let pause = i64::try_from(chance.below(200)).unwrap();
    let mut times = Vec::new();
    for at in 0..80 {
        if chance.one_in(9) || (pause..pause + 12).contains(&at) {
            continue;
        }
        let late = i64::from(chance.one_in(6)) * 3;
        times.push((START + at * INTERVAL) * 1000 + 7 + late);
    }
    times
}

/// Values of which hardly two are the same, so that it is clear which are the largest, whose sums are exact, and which
/// `VictoriaMetrics` does not round.
fn gauge(chance: &mut Chance, with_nan: bool) -> Vec<(i64, f64)> {
    let mut samples = Vec::new();
    for time in times(chance) {
        let value = chance.below(320 << 8) as f64 / 256.0;
        let value = if with_nan && chance.one_in(40) {
            f64::NAN
        } else {
            value
        };
        samples.push((time, value));
    }
    samples
}

/// Far from 0, also after its one reset: how Prometheus extrapolates what may have begun at 0 has changed.
fn counter(chance: &mut Chance) -> Vec<(i64, f64)> {
    let mut value = 1e6 + chance.below(1 << 20) as f64;
    let mut was_reset = false;
    let mut samples = Vec::new();
    for time in times(chance) {
        let step = chance.below(20);
        if step == 0 && !was_reset {
            was_reset = true;
            value = 500_000.0 + chance.below(90_000) as f64;
        }
        value += step as f64;
        samples.push((time, value));
    }
    samples
}
