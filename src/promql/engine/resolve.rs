//! Expressions whose times are numbers, so that they mean the same wherever they are evaluated.

use super::{EvalError, Options, Steps, plan::Planner};
use crate::promql::{
    ast::{
        At, Duration, Expr, ExprKind, MatrixSelector, NumberLiteral, Subquery, TimeShift,
        VectorSelector,
    },
    with_room,
};

/// Puts numbers in the place of what depends on the range of the query: `@ start()`, `step()`, durations that are
/// computed, and the steps of subqueries that name none.
///
/// # Errors
/// When a duration expression has no value, or one out of range.
pub fn resolve(expr: &Expr, steps: Steps, options: Options) -> Result<Expr, EvalError> {
    Resolver {
        planner: Planner::new(steps, options),
        options,
    }
    .expr(expr)
}

struct Resolver {
    planner: Planner,
    options: Options,
}

impl Resolver {
    fn expr(&self, expr: &Expr) -> Result<Expr, EvalError> {
        with_room(|| self.resolved(expr))
    }

    fn resolved(&self, expr: &Expr) -> Result<Expr, EvalError> {
        let kind = match &expr.kind {
            ExprKind::Vector(selector) => ExprKind::Vector(self.selector(selector)?),
            ExprKind::Matrix(matrix) => ExprKind::Matrix(MatrixSelector {
                selector: self.selector(&matrix.selector)?,
                selector_span: matrix.selector_span,
                range: Duration::Fixed(self.planner.length(&matrix.range)?),
            }),
            ExprKind::Subquery(subquery) => self.subquery(subquery)?,
            ExprKind::Call(call) => match self.planner.folded(call.function.id) {
                Some(value) => number(expr, value),
                None => return expr.with_children(|child| self.expr(child)),
            },
            _ => return expr.with_children(|child| self.expr(child)),
        };
        Ok(expr.of_kind(kind))
    }

    fn selector(&self, selector: &VectorSelector) -> Result<VectorSelector, EvalError> {
        Ok(VectorSelector {
            shift: self.shift(&selector.shift)?,
            ..selector.clone()
        })
    }

    fn subquery(&self, subquery: &Subquery) -> Result<ExprKind, EvalError> {
        let step = match &subquery.step {
            Some(step) => self.planner.length(step)?,
            None => self.options.subquery_step,
        };
        Ok(ExprKind::Subquery(Box::new(Subquery {
            expr: self.expr(&subquery.expr)?,
            range: Duration::Fixed(self.planner.length(&subquery.range)?),
            step: Some(Duration::Fixed(step)),
            shift: self.shift(&subquery.shift)?,
        })))
    }

    fn shift(&self, shift: &TimeShift) -> Result<TimeShift, EvalError> {
        let shift = self.planner.shift(shift)?;
        Ok(TimeShift {
            at: shift.at.map(At::Time),
            offset: Duration::Fixed(shift.offset),
        })
    }
}

/// A number in the place of an expression; a sign would bind to what follows.
fn number(expr: &Expr, value: f64) -> ExprKind {
    let literal = ExprKind::Number(NumberLiteral {
        value,
        duration: false,
    });
    if value < 0.0 {
        ExprKind::Paren(Box::new(expr.of_kind(literal)))
    } else {
        literal
    }
}
