//! Which results can only gain elements when more of the world is seen: a condition that holds on a part of it holds on the
//! whole, so that an alert may fire though partitions are missing. Counters are taken not to be below zero, values not to
//! be NaN.

use crate::promql::{
    FunctionId,
    ast::{
        AggregateOp, Binary, BinaryOp, Call, Expr, ExprKind, UnaryOp, ValueType, VectorMatching,
    },
};

/// Whether each element of the expression's result over some of the partitions is an element of its result over all of
/// them, whatever the data. Values may differ.
#[must_use]
pub fn keeps_elements(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Vector(_) => true,
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => keeps_elements(inner),
        ExprKind::Call(call) => by_series(call) && arguments_keep(call),
        ExprKind::Aggregate(aggregate) => {
            use AggregateOp::{Avg, Count, Group, Max, Min, Stddev, Stdvar, Sum};
            let of_any = matches!(
                aggregate.op,
                Avg | Count | Group | Max | Min | Stddev | Stdvar | Sum
            );
            of_any && keeps_elements(&aggregate.expr)
        }
        ExprKind::Binary(binary) => binary_keeps_elements(binary),
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Matrix(_)
        | ExprKind::Subquery(_)
        | ExprKind::Fragment(_) => false,
    }
}

fn arguments_keep(call: &Call) -> bool {
    let data = |arg: &&Expr| matches!(arg.value_type(), ValueType::Vector | ValueType::Matrix);
    let mut data = call.args.iter().filter(data);
    let one = data.next().is_some_and(|arg| match &arg.kind {
        ExprKind::Matrix(_) => true,
        ExprKind::Subquery(subquery) => keeps_values(&subquery.expr),
        _ => keeps_elements(arg),
    });
    let constant = |arg: &Expr| arg.value_type() != ValueType::Scalar || is_number(arg);
    one && data.next().is_none() && call.args.iter().all(constant)
}

fn binary_keeps_elements(binary: &Binary) -> bool {
    let Binary {
        op,
        lhs,
        rhs,
        return_bool,
        ..
    } = binary;
    let trims = matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
    let mixed = !trims && is_number(lhs) != is_number(rhs);
    match op {
        BinaryOp::And => keeps_elements(lhs) && keeps_elements(rhs),
        // With `on`, an element of the left side that is not seen yet takes the place of others.
        BinaryOp::Or => {
            let whole = |matching: &VectorMatching| matching.labels.is_empty() && !matching.on;
            let whole = binary.matching.as_ref().is_none_or(whole);
            whole && keeps_elements(lhs) && keeps_elements(rhs)
        }
        _ if mixed && (!op.is_comparison() || *return_bool) => {
            keeps_elements(if is_number(lhs) { rhs } else { lhs })
        }
        _ if is_number(rhs) && keeps_values(lhs) => true,
        _ if is_number(lhs) && keeps_values(rhs) => true,
        BinaryOp::Greater | BinaryOp::GreaterOrEqual if is_number(rhs) => grows(lhs),
        BinaryOp::Less | BinaryOp::LessOrEqual if is_number(lhs) => grows(rhs),
        _ => false,
    }
}

/// Whether elements stay, and their values, too: each is made of one series.
fn keeps_values(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Vector(_) => true,
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => keeps_values(inner),
        ExprKind::Call(call) => {
            let exact = |arg: &Expr| match arg.value_type() {
                ValueType::Vector => keeps_values(arg),
                ValueType::Matrix => match &arg.kind {
                    ExprKind::Subquery(subquery) => keeps_values(&subquery.expr),
                    _ => true,
                },
                ValueType::Scalar => is_number(arg),
                ValueType::String => true,
            };
            by_series(call) && call.args.iter().all(exact)
        }
        ExprKind::Binary(binary) => {
            let one = |vector: &Expr, number: &Expr| is_number(number) && keeps_values(vector);
            one(&binary.lhs, &binary.rhs) || one(&binary.rhs, &binary.lhs)
        }
        _ => false,
    }
}

/// Whether elements stay and their values can only become greater.
fn grows(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => grows(inner),
        ExprKind::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Count | AggregateOp::Group => keeps_elements(&aggregate.expr),
            AggregateOp::Max => keeps_values(&aggregate.expr) || grows(&aggregate.expr),
            AggregateOp::Sum => {
                let of = &aggregate.expr;
                (keeps_values(of) || grows(of)) && is_positive(of)
            }
            _ => false,
        },
        ExprKind::Binary(binary) => {
            let (vector, number) = if is_number(&binary.rhs) {
                (&binary.lhs, &binary.rhs)
            } else {
                (&binary.rhs, &binary.lhs)
            };
            let positive = value(number).is_some_and(|value| value > 0.0);
            match binary.op {
                BinaryOp::Add => value(number).is_some() && grows(vector),
                BinaryOp::Sub => is_number(&binary.rhs) && grows(&binary.lhs),
                BinaryOp::Mul => positive && grows(vector),
                BinaryOp::Div => is_number(&binary.rhs) && positive && grows(&binary.lhs),
                _ => false,
            }
        }
        _ => false,
    }
}

/// Whether no value can be below zero, whatever the data; NaN is not below.
fn is_positive(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) => is_positive(inner),
        ExprKind::Call(call) => matches!(
            call.function.id,
            FunctionId::Changes
                | FunctionId::CountOverTime
                | FunctionId::Increase
                | FunctionId::Irate
                | FunctionId::PresentOverTime
                | FunctionId::Rate
                | FunctionId::Resets
        ),
        ExprKind::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Count | AggregateOp::Group => true,
            AggregateOp::Sum | AggregateOp::Max => is_positive(&aggregate.expr),
            _ => false,
        },
        ExprKind::Binary(binary) => binary.op.is_comparison() && binary.return_bool,
        _ => false,
    }
}

/// Whether each element is made of one series alone.
fn by_series(call: &Call) -> bool {
    use FunctionId::{
        Absent, AbsentOverTime, HistogramFraction, HistogramQuantile, HistogramQuantiles, Info,
        LabelJoin, LabelReplace, Scalar, Vector,
    };
    !matches!(
        call.function.id,
        Absent
            | AbsentOverTime
            | HistogramFraction
            | HistogramQuantile
            | HistogramQuantiles
            | Info
            | LabelJoin
            | LabelReplace
            | Scalar
            | Vector
    )
}

fn is_number(expr: &Expr) -> bool {
    value(expr).is_some()
}

fn value(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Number(number) => Some(number.value),
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => value(inner),
        ExprKind::Unary(UnaryOp::Minus, inner) => value(inner).map(|value| -value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::keeps_elements;
    use crate::promql::parse::{Features, parse};

    #[test]
    fn what_holds_on_a_part_holds_on_the_whole() {
        for (text, holds) in [
            ("up == 0", true),
            ("count(up == 0) > 2", true),
            ("2 < count by (job) (up == 0)", true),
            ("max(x) >= 5", true),
            ("sum(rate(x_total[5m])) * 8 > 100", true),
            ("sum by (job) (count_over_time(x[5m])) + 1 > 2", true),
            ("sum(x == bool 1) >= 3", true),
            ("x > 1 and on (job) y", true),
            ("x > 1 or y", true),
            ("max(sum by (cluster) (rate(x_total[5m]))) > 1", true),
            ("up", true),
            ("rate(x_total[5m]) < 1", true),
            ("count(up == 1) < 3", false),
            ("sum(x) > 5", false),
            ("min(x) > 5", false),
            ("avg(x) > 5", false),
            ("count(x) == 3", false),
            ("-count(x) > -3", false),
            ("3 - count(x) > 1", false),
            ("absent(x)", false),
            ("x unless y", false),
            ("x > 1 or on (job) y", false),
            ("count(a) / count(b) > 0.5", false),
            ("count(count(x) < 3) > 0", false),
            ("vector(scalar(x)) > 1", false),
            ("vector(1)", false),
            ("topk(1, x) > 3", false),
            ("histogram_quantile(0.9, x_bucket) > 1", false),
        ] {
            let expr = parse(text, Features::default());
            let expr = expr.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(keeps_elements(&expr), holds, "{text}");
        }
    }
}
