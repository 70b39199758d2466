//! The text of what a partition is asked: without the labels that are attached here, in the words of its dialect.

use std::convert::Infallible;

use super::{Partition, dialect, prune};
use crate::promql::{
    ast::{Duration, Expr, ExprKind},
    with_room,
};

/// An expression that [may be asked](dialect::Habits::may_ask) as it is asked of a partition.
pub(super) fn asked(partition: &Partition, expr: &Expr) -> Expr {
    let child = |child: &Expr| Ok::<_, Infallible>(asked(partition, child));
    let Ok(mut expr) = with_room(|| expr.with_children(child));
    let shorten = |range: &mut Duration| {
        if let Some(window) = dialect::shortened(partition.dialect, range) {
            *range = window;
        }
    };
    let select = |matchers: &mut Vec<_>| *matchers = prune::matchers(partition, matchers);
    match &mut expr.kind {
        // Durations as numbers are younger than 3.0.
        ExprKind::Number(number) => number.duration = false,
        ExprKind::Vector(selector) => select(&mut selector.matchers),
        ExprKind::Matrix(matrix) => {
            select(&mut matrix.selector.matchers);
            shorten(&mut matrix.range);
        }
        ExprKind::Subquery(subquery) => shorten(&mut subquery.range),
        ExprKind::Binary(binary) => {
            if let Some(matching) = &mut binary.matching {
                matching.labels = labels(partition, &matching.labels, !matching.on);
                matching.include = labels(partition, &matching.include, false);
            }
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.grouping = labels(partition, &aggregate.grouping, aggregate.without);
        }
        ExprKind::String(_)
        | ExprKind::Fragment(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Call(_) => {}
    }
    expr
}

/// Labels that are kept or compared, or with `but` those that are not: attached ones never are.
fn labels(partition: &Partition, labels: &[String], but: bool) -> Vec<String> {
    let attached = partition.attached();
    let known = labels
        .iter()
        .filter(|name| attached.get(name).is_none() && !prune::lacks(partition.dialect, name));
    let mut asked: Vec<String> = known.cloned().collect();
    if but {
        asked.extend(attached.iter().map(|(name, _)| name.to_owned()));
    }
    asked
}
