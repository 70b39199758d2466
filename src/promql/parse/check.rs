//! The types of an expression and its parts (`checkAST`).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a place takes few of the kinds, and refuses all others alike"
)]

use super::{chars::is_space, parser::Parser, selector::METRIC_NAME};
use crate::{
    labels::go_quote,
    promql::{
        Function, Span, Variadic,
        ast::{
            Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, ExprKind, ValueType,
            VectorMatching, VectorSelector,
        },
        with_room,
    },
};

/// Checks an expression, reports what is wrong to the parser, and settles how vectors are matched.
pub(super) fn check(expr: &mut Expr, parser: &mut Parser<'_>) -> ValueType {
    Check { parser }.expr(expr)
}

struct Check<'p, 'a> {
    parser: &'p mut Parser<'a>,
}

impl Check<'_, '_> {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.parser.error(span, message.into());
    }

    fn expr(&mut self, expr: &mut Expr) -> ValueType {
        with_room(|| self.kind(expr))
    }

    fn kind(&mut self, expr: &mut Expr) -> ValueType {
        let span = expr.span;
        match &mut expr.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Fragment(_) => ValueType::Vector,
            ExprKind::Vector(selector) => {
                self.selector(selector, span);
                ValueType::Vector
            }
            ExprKind::Matrix(matrix) => {
                self.selector(&matrix.selector, matrix.selector_span);
                ValueType::Matrix
            }
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Unary(_, inner) => {
                let found = self.expr(inner);
                if !is_number(found) {
                    let found = go_quote(found.documented());
                    self.error(span, format!("unary expression only allowed on expressions of type scalar or instant vector, got {found}"));
                }
                found
            }
            ExprKind::Subquery(subquery) => {
                let found = self.expr(&mut subquery.expr);
                if found != ValueType::Vector {
                    let found = found.as_str();
                    self.error(
                        span,
                        format!("subquery is only allowed on instant vector, got {found} instead"),
                    );
                }
                ValueType::Matrix
            }
            ExprKind::Aggregate(aggregate) => {
                self.aggregate(aggregate);
                ValueType::Vector
            }
            ExprKind::Call(call) => {
                self.call(call, span);
                call.function.returns
            }
            ExprKind::Binary(binary) => self.binary(binary, span),
        }
    }

    fn selector(&mut self, selector: &VectorSelector, span: Span) {
        if let Some((_, others)) = selector.matchers.split_last()
            && !selector.name.is_empty()
        {
            for matcher in others
                .iter()
                .filter(|matcher| matcher.name() == METRIC_NAME)
            {
                let (outside, inside) = (go_quote(&selector.name), go_quote(matcher.value()));
                self.error(
                    span,
                    format!("metric name must not be set twice: {outside} or {inside}"),
                );
            }
        } else if selector
            .matchers
            .iter()
            .all(|matcher| matcher.matches_value(""))
        {
            self.error(
                span,
                "vector selector must contain at least one non-empty matcher",
            );
        }
    }

    fn aggregate(&mut self, aggregate: &mut Aggregate) {
        self.expect(
            &mut aggregate.expr,
            ValueType::Vector,
            "aggregation expression",
        );
        if let Some(param) = &mut aggregate.param {
            let wanted = if aggregate.op == AggregateOp::CountValues {
                ValueType::String
            } else {
                ValueType::Scalar
            };
            self.expect(param, wanted, "aggregation parameter");
        }
    }

    fn expect(&mut self, expr: &mut Expr, wanted: ValueType, place: &str) {
        let found = self.expr(expr);
        if found != wanted {
            let (wanted, found) = (wanted.documented(), found.documented());
            self.error(
                expr.span,
                format!("expected type {wanted} in {place}, got {found}"),
            );
        }
    }

    fn call(&mut self, call: &mut Call, span: Span) {
        let function = call.function;
        self.argument_count(function, call.args.len(), span);
        let info = function.name == "info";
        if let Some(labels) = call.args.get(1).filter(|_| info) {
            self.info_labels(labels, span);
        }
        for (at, arg) in call.args.iter_mut().enumerate() {
            let wanted = match function.args.get(at) {
                Some(wanted) => *wanted,
                None if function.variadic == Variadic::No => break,
                None => match function.args.last() {
                    Some(wanted) => *wanted,
                    None => break,
                },
            };
            // The second argument of info() names labels, and may accept all.
            let labels_only = info && at == 1 && matches!(arg.kind, ExprKind::Vector(_));
            let found = if labels_only {
                self.info_selector(arg)
            } else {
                self.expr(arg)
            };
            if found != wanted {
                let (wanted, found) = (wanted.documented(), found.documented());
                let name = function.name;
                self.error(
                    arg.span,
                    format!("expected type {wanted} in call to function {name:?}, got {found}"),
                );
            }
        }
    }

    fn argument_count(&mut self, function: &Function, given: usize, span: Span) {
        let (name, listed) = (function.name, function.args.len());
        let least = listed.saturating_sub(1);
        match function.variadic {
            Variadic::No if given != listed => {
                self.error(
                    span,
                    format!("expected {listed} argument(s) in call to {name:?}, got {given}"),
                );
            }
            Variadic::UpTo(_) | Variadic::Any if given < least => {
                self.error(
                    span,
                    format!(
                        "expected at least {least} argument(s) in call to {name:?}, got {given}"
                    ),
                );
            }
            Variadic::UpTo(more) if given > least + more => {
                let most = least + more;
                self.error(
                    span,
                    format!("expected at most {most} argument(s) in call to {name:?}, got {given}"),
                );
            }
            _ => {}
        }
    }

    fn info_labels(&mut self, labels: &Expr, span: Span) {
        let found = labels.value_type();
        if found != ValueType::Vector {
            let (wanted, found) = (ValueType::Vector.documented(), found.documented());
            self.error(
                span,
                format!("expected type {wanted} in call to function \"info\", got {found}"),
            );
        }
        match &labels.kind {
            ExprKind::Vector(selector) if selector.name.is_empty() => {}
            ExprKind::Vector(_) => {
                self.error(
                    labels.span,
                    "expected label selectors only, got vector selector instead",
                );
            }
            _ => self.error(labels.span, "expected label selectors only"),
        }
    }

    fn info_selector(&mut self, expr: &mut Expr) -> ValueType {
        if let ExprKind::Vector(selector) = &expr.kind
            && !selector.name.is_empty()
        {
            return self.expr(expr);
        }
        ValueType::Vector
    }

    fn binary(&mut self, binary: &mut Binary, span: Span) -> ValueType {
        let left = self.expr(&mut binary.lhs);
        let right = self.expr(&mut binary.rhs);
        let both = |wanted| left == wanted && right == wanted;
        let (comparison, set) = (binary.op.is_comparison(), binary.op.is_set());
        if binary.return_bool && !comparison {
            self.error(
                self.operator(binary),
                "bool modifier can only be used on comparison operators",
            );
        }
        if comparison && !binary.return_bool && both(ValueType::Scalar) {
            self.error(
                self.operator(binary),
                "comparisons between scalars must use BOOL modifier",
            );
        }
        self.twice_named_labels(binary);
        for (side, found) in [(&binary.lhs, left), (&binary.rhs, right)] {
            if !is_number(found) {
                self.error(
                    side.span,
                    "binary expression must contain only scalar and instant vector types",
                );
            }
        }
        if let Some(mut matching) = binary.matching.take() {
            if both(ValueType::Vector) {
                if set {
                    self.set_matching(binary.op, &mut matching, span);
                }
                binary.matching = Some(matching);
            } else {
                self.no_matching(&matching, span);
            }
        }
        if set && (left == ValueType::Scalar || right == ValueType::Scalar) {
            let op = binary.op.as_str();
            self.error(
                span,
                format!("set operator {op:?} not allowed in binary scalar expression"),
            );
        }
        if both(ValueType::Scalar) {
            ValueType::Scalar
        } else {
            ValueType::Vector
        }
    }

    fn twice_named_labels(&mut self, binary: &Binary) {
        let Some(matching) = binary.matching.as_ref().filter(|matching| matching.on) else {
            return;
        };
        for label in &matching.labels {
            for _ in matching.include.iter().filter(|other| *other == label) {
                let label = go_quote(label);
                self.error(
                    self.operator(binary),
                    format!("label {label} must not occur in ON and GROUP clause at once"),
                );
            }
        }
    }

    fn no_matching(&mut self, matching: &VectorMatching, span: Span) {
        if !matching.labels.is_empty() {
            self.error(span, "vector matching only allowed between instant vectors");
        }
        if fills(matching) {
            self.error(
                span,
                "filling in missing series only allowed between instant vectors",
            );
        }
    }

    fn set_matching(&mut self, op: BinaryOp, matching: &mut VectorMatching, span: Span) {
        if matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
        } else {
            let op = op.as_str();
            self.error(span, format!("no grouping allowed for {op:?} operation"));
            self.error(span, "set operations must always be many-to-many");
        }
        if fills(matching) {
            self.error(
                span,
                "filling in missing series not allowed for set operators",
            );
        }
    }

    /// The operator and its modifiers: what stands between the two sides, without space around it.
    fn operator(&self, binary: &Binary) -> Span {
        let start = binary.lhs.span.end as usize;
        let end = binary.rhs.span.start as usize;
        let between = self
            .parser
            .input
            .as_bytes()
            .get(start..end)
            .unwrap_or_default();
        let first = between.iter().position(|byte| !is_space(*byte));
        let last = between.iter().rposition(|byte| !is_space(*byte));
        // Prometheus ends this one range at its last character, not after it.
        Span::new(start + first.unwrap_or(0), start + last.unwrap_or(0))
    }
}

fn is_number(found: ValueType) -> bool {
    matches!(found, ValueType::Scalar | ValueType::Vector)
}

fn fills(matching: &VectorMatching) -> bool {
    matching.fill_left.is_some() || matching.fill_right.is_some()
}
