//! What may follow a selector or a subquery: `[5m]`, `offset`, `@`, `anchored`, `smoothed`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a place takes few of the kinds, and refuses all others alike"
)]

use super::{
    duration::EXPECTED,
    expr::{Node, broken},
    parser::{Deep, Parsed, Parser, Stop},
    token::{Kind, Token},
};
use crate::promql::{
    Span,
    ast::{At, BinaryOp, Duration, Expr, ExprKind, Extended, MatrixSelector, Subquery, TimeShift},
};

impl Parser<'_> {
    /// Everything that follows an operand.
    pub(super) fn postfix(&mut self, mut node: Node) -> Parsed<Node> {
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::LeftBracket => node = self.range(node)?,
                Kind::Offset => {
                    self.take()?;
                    let offset = self.offset_duration();
                    let offset = self.within(offset, "offset", EXPECTED)?;
                    self.set_offset(&mut node.node, offset);
                }
                Kind::At => {
                    self.take()?;
                    let at = self.at();
                    let at = self.within(at, "@", "timestamp")?;
                    self.set_at(&mut node.node, at);
                }
                Kind::Anchored | Kind::Smoothed => {
                    self.take()?;
                    self.set_extended(&mut node.node, token.kind == Kind::Anchored);
                }
                _ => return Ok(node),
            }
        }
    }

    fn range(&mut self, node: Node) -> Parsed<Node> {
        let open = self.take()?;
        let range = self.positive_duration();
        let range = self.within(range, "subquery or range selector", EXPECTED)?;
        let token = self.take()?;
        match token.kind {
            Kind::RightBracket => Ok(self.matrix(node, range, open, token)),
            Kind::Colon => self.subquery(node, range),
            _ => Err(self.unexpected(token, "subquery or range", "\":\" or \"]\"")),
        }
    }

    fn matrix(&mut self, node: Node, range: Duration, open: Token, close: Token) -> Node {
        let expr = *node.node;
        let span = expr.span.to(close.span());
        let brackets = open.span().to(close.span());
        let ExprKind::Vector(selector) = expr.kind else {
            let message = "ranges only allowed for vector selectors";
            self.error(brackets, message.to_owned());
            return broken(span);
        };
        if selector.shift.offset != Duration::Fixed(0) {
            let message = "no offset modifiers allowed before range";
            self.error(brackets, message.to_owned());
        } else if selector.shift.at.is_some() {
            let message = "no @ modifiers allowed before range";
            self.error(brackets, message.to_owned());
        }
        let kind = ExprKind::Matrix(MatrixSelector {
            selector,
            selector_span: expr.span,
            range,
        });
        let node = Box::new(Expr { kind, span });
        Deep { node, depth: 1 }
    }

    fn subquery(&mut self, node: Node, range: Duration) -> Parsed<Node> {
        const PLACE: &str = "subquery selector";
        let mut step = None;
        if self.peek()?.kind != Kind::RightBracket {
            let duration = self.positive_duration();
            let expected = format!("{}, or \"]\"", EXPECTED.replace(", or ", ", "));
            step = Some(self.within(duration, PLACE, &expected)?);
        }
        let close = self.expect(Kind::RightBracket);
        let close = self.within(close, PLACE, "\"]\"")?;
        let span = node.node.span.to(close.span());
        let depth = self.depth(node.depth, span)?;
        let kind = ExprKind::Subquery(Box::new(Subquery {
            expr: *node.node,
            range,
            step,
            shift: TimeShift::default(),
        }));
        let node = Box::new(Expr { kind, span });
        Ok(Deep { node, depth })
    }

    /// What follows `@`.
    fn at(&mut self) -> Parsed<Moment> {
        let token = self.peek()?;
        let minus = match token.kind {
            Kind::Start | Kind::End => {
                self.take()?;
                self.expect(Kind::LeftParen)?;
                self.expect(Kind::RightParen)?;
                return Ok(if token.kind == Kind::Start {
                    Moment::At(At::Start)
                } else {
                    Moment::At(At::End)
                });
            }
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.take()?;
                op == BinaryOp::Sub
            }
            _ => false,
        };
        let token = self.peek()?;
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(Stop::Unexpected(token));
        }
        let number = self.take_number()?;
        let seconds = if minus { -number.value } else { number.value };
        Ok(Moment::Seconds(seconds))
    }

    fn set_at(&mut self, expr: &mut Expr, moment: Moment) {
        let at = match moment {
            Moment::At(at) => at,
            Moment::Seconds(seconds) => {
                if !seconds.is_finite() || seconds.abs() >= 9_223_372_036_854_775_808.0 {
                    let message = format!(
                        "timestamp out of bounds for @ modifier: {}",
                        six_places(seconds)
                    );
                    self.error(expr.span, message);
                }
                At::Time(millis(seconds))
            }
        };
        let span = expr.span;
        let Some(shift) = shift(expr) else {
            let message = "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return self.error(span, message.to_owned());
        };
        if shift.at.is_some() {
            let message = "@ <timestamp> may not be set multiple times";
            return self.error(span, message.to_owned());
        }
        shift.at = Some(at);
        self.extend(expr);
    }

    fn set_offset(&mut self, expr: &mut Expr, offset: Duration) {
        let span = expr.span;
        let Some(shift) = shift(expr) else {
            let message = "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return self.error(span, message.to_owned());
        };
        if shift.offset == Duration::Fixed(0) {
            shift.offset = offset;
        } else {
            let message = "offset may not be set multiple times";
            self.error(span, message.to_owned());
        }
        self.extend(expr);
    }

    /// The expression now reaches to the last token that can end one.
    fn extend(&self, expr: &mut Expr) {
        expr.span.end = Span::new(0, self.last_closing).end;
    }

    fn set_extended(&mut self, expr: &mut Expr, anchored: bool) {
        let (name, mode, other) = if anchored {
            ("anchored", Extended::Anchored, Extended::Smoothed)
        } else {
            ("smoothed", Extended::Smoothed, Extended::Anchored)
        };
        if !self.features.extended_range_selectors {
            let message = format!("{name} modifier is experimental and not enabled");
            return self.error(expr.span, message);
        }
        let extended = match &mut expr.kind {
            ExprKind::Vector(selector) => &mut selector.extended,
            ExprKind::Matrix(matrix) => &mut matrix.selector.extended,
            ExprKind::Subquery(_) => {
                let message = format!("{name} modifier is not supported for subqueries");
                return self.error(expr.span, message);
            }
            _ => {
                let message = format!("{name} modifier not implemented");
                return self.error(expr.span, message);
            }
        };
        let both = *extended == other;
        *extended = mode;
        if both {
            let message = "anchored and smoothed modifiers cannot be used together";
            self.error(expr.span, message.to_owned());
        }
    }
}

enum Moment {
    At(At),
    Seconds(f64),
}

fn shift(expr: &mut Expr) -> Option<&mut TimeShift> {
    match &mut expr.kind {
        ExprKind::Vector(selector) => Some(&mut selector.shift),
        ExprKind::Matrix(matrix) => Some(&mut matrix.selector.shift),
        ExprKind::Subquery(subquery) => Some(&mut subquery.shift),
        _ => None,
    }
}

/// As Go's `%f`.
fn six_places(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        format!("{value:.6}")
    }
}

/// Rounded to milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn millis(seconds: f64) -> i64 {
    (seconds * 1e3).round() as i64
}
