//! Expressions made of others by changing what is below them.

use crate::promql::ast::{Aggregate, Binary, Call, Expr, ExprKind, Subquery};

impl Expr {
    /// The expression with what `change` makes of each of the expressions directly below it.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn with_children<E>(
        &self,
        mut change: impl FnMut(&Self) -> Result<Self, E>,
    ) -> Result<Self, E> {
        let kind = match &self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Vector(_)
            | ExprKind::Fragment(_)
            | ExprKind::Matrix(_) => self.kind.clone(),
            ExprKind::Subquery(subquery) => ExprKind::Subquery(Box::new(Subquery {
                expr: change(&subquery.expr)?,
                range: subquery.range.clone(),
                step: subquery.step.clone(),
                shift: subquery.shift.clone(),
            })),
            ExprKind::Paren(inner) => ExprKind::Paren(Box::new(change(inner)?)),
            ExprKind::Unary(op, inner) => ExprKind::Unary(*op, Box::new(change(inner)?)),
            ExprKind::Binary(binary) => ExprKind::Binary(Box::new(Binary {
                op: binary.op,
                lhs: change(&binary.lhs)?,
                rhs: change(&binary.rhs)?,
                matching: binary.matching.clone(),
                return_bool: binary.return_bool,
            })),
            ExprKind::Aggregate(aggregate) => ExprKind::Aggregate(Box::new(Aggregate {
                op: aggregate.op,
                param: aggregate.param.as_ref().map(&mut change).transpose()?,
                expr: change(&aggregate.expr)?,
                grouping: aggregate.grouping.clone(),
                without: aggregate.without,
            })),
            ExprKind::Call(call) => ExprKind::Call(Box::new(Call {
                function: call.function,
                args: call.args.iter().map(change).collect::<Result<_, _>>()?,
            })),
        };
        Ok(self.of_kind(kind))
    }

    /// Another expression at the same place of the query.
    #[must_use]
    pub fn of_kind(&self, kind: ExprKind) -> Self {
        Self {
            kind,
            span: self.span,
        }
    }
}
