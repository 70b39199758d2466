//! Durations in ranges, steps and offsets, and the expressions that compute them (`promql-duration-expr`).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a place takes few of the kinds, and refuses all others alike"
)]

use super::{
    number,
    parser::{Deep, Parsed, Parser, Stop},
    token::{Kind, Token},
};
use crate::promql::{
    Span,
    ast::{BinaryOp, Duration, DurationExpr, DurationExprKind, NumberLiteral, UnaryOp},
};

type Node = Deep<DurationExpr>;

/// What may stand in a range, for errors.
pub(super) const EXPECTED: &str = "number, duration, step(), or range()";

/// Binds tighter than any binary operator but `^`.
const UNARY_PRECEDENCE: u8 = 6;

impl Parser<'_> {
    /// A duration in a range: literals must be greater than 0.
    pub(super) fn positive_duration(&mut self) -> Parsed<Duration> {
        let mut expr = self.duration_expr(0)?.node;
        if let DurationExprKind::Number(number) = &mut expr.kind
            && number.value <= 0.0
        {
            number.value = 0.0;
            self.error(expr.span, "duration must be greater than 0".to_owned());
        }
        Ok(settled(expr))
    }

    /// A duration after `offset`. Operators after it are those of the expression around it, unless it begins with a
    /// parenthesis.
    pub(super) fn offset_duration(&mut self) -> Parsed<Duration> {
        let token = self.peek()?;
        let node = match token.kind {
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.take()?;
                match self.signed_offset(token, op == BinaryOp::Sub)? {
                    Signed::Whole(node) => node,
                    Signed::Operand(lhs) => self.duration_operators(lhs, 0)?,
                }
            }
            Kind::LeftParen => self.duration_expr(0)?,
            _ => self.duration_operand()?,
        };
        Ok(settled(node.node))
    }

    fn signed_offset(&mut self, sign: Token, minus: bool) -> Parsed<Signed> {
        let token = self.peek()?;
        Ok(match token.kind {
            Kind::Number | Kind::Duration => {
                let number = self.take_number()?;
                Signed::Whole(self.signed_number(sign, minus, number, token.span()))
            }
            Kind::Step | Kind::Range | Kind::MinOf | Kind::MaxOf => {
                let operand = self.duration_operand()?;
                Signed::Whole(self.signed_expr(sign, minus, operand)?)
            }
            Kind::LeftParen => {
                self.take()?;
                let inner = self.deeper(|parser| parser.duration_expr(0))?;
                self.expect(Kind::RightParen)?;
                let start = inner.node.span.start as usize;
                let inner = self.parenthesized(inner, start)?;
                Signed::Whole(self.signed_expr(sign, minus, inner)?)
            }
            _ => {
                let operand = self.deeper(|parser| parser.duration_expr(UNARY_PRECEDENCE))?;
                Signed::Operand(self.signed(sign, minus, operand)?)
            }
        })
    }

    fn duration_expr(&mut self, least: u8) -> Parsed<Node> {
        let lhs = self.duration_operand()?;
        self.duration_operators(lhs, least)
    }

    /// The operators after an operand that bind at least so tightly.
    fn duration_operators(&mut self, mut lhs: Node, least: u8) -> Parsed<Node> {
        use BinaryOp::{Add, Div, Mod, Mul, Pow, Sub};
        loop {
            let token = self.peek()?;
            let Kind::Op(op @ (Add | Sub | Mul | Div | Mod | Pow)) = token.kind else {
                return Ok(lhs);
            };
            if op.precedence() < least {
                return Ok(lhs);
            }
            self.take()?;
            let right_least = op.precedence() + u8::from(op != Pow);
            let rhs = self.deeper(|parser| parser.duration_expr(right_least))?;
            lhs = self.binary_duration(lhs, op, token, rhs)?;
        }
    }

    fn binary_duration(
        &mut self,
        lhs: Node,
        op: BinaryOp,
        token: Token,
        rhs: Node,
    ) -> Parsed<Node> {
        self.duration_feature(lhs.node.span);
        let span = lhs.node.span.to(rhs.node.span);
        if let DurationExprKind::Number(number) = &rhs.node.kind
            && number.value == 0.0
        {
            match op {
                BinaryOp::Div => self.error(token.span(), "division by zero".to_owned()),
                BinaryOp::Mod => self.error(token.span(), "modulo by zero".to_owned()),
                _ => {}
            }
        }
        let depth = self.depth(lhs.depth.max(rhs.depth), span)?;
        let kind = DurationExprKind::Binary(op, lhs.node, rhs.node);
        let node = Box::new(DurationExpr { kind, span });
        Ok(Deep { node, depth })
    }

    fn duration_operand(&mut self) -> Parsed<Node> {
        let token = self.peek()?;
        match token.kind {
            Kind::Number | Kind::Duration => {
                let number = self.take_number()?;
                Ok(self.number_in_range(number, token.span(), token.span()))
            }
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.take()?;
                let operand = self.deeper(|parser| parser.duration_expr(UNARY_PRECEDENCE))?;
                self.signed(token, op == BinaryOp::Sub, operand)
            }
            Kind::LeftParen => {
                self.take()?;
                let inner = self.deeper(|parser| parser.duration_expr(0))?;
                self.expect(Kind::RightParen)?;
                self.duration_feature(inner.node.span);
                self.parenthesized(inner, token.start)
            }
            Kind::Step => self.constant(DurationExprKind::Step),
            Kind::Range => self.constant(DurationExprKind::Range),
            Kind::MinOf => self.of_two(DurationExprKind::MinOf),
            Kind::MaxOf => self.of_two(DurationExprKind::MaxOf),
            _ => Err(Stop::Unexpected(token)),
        }
    }

    /// `step()` or `range()`.
    fn constant(&mut self, kind: DurationExprKind) -> Parsed<Node> {
        let word = self.take()?;
        self.expect(Kind::LeftParen)?;
        let close = self.expect(Kind::RightParen)?;
        let span = word.span().to(close.span());
        self.duration_feature(span);
        let node = Box::new(DurationExpr { kind, span });
        Ok(Deep { node, depth: 1 })
    }

    /// `min_of(a, b)` or `max_of(a, b)`.
    fn of_two(
        &mut self,
        kind: fn(Box<DurationExpr>, Box<DurationExpr>) -> DurationExprKind,
    ) -> Parsed<Node> {
        self.take()?;
        self.expect(Kind::LeftParen)?;
        let first = self.deeper(|parser| parser.duration_expr(0))?;
        self.expect(Kind::Comma)?;
        let second = self.deeper(|parser| parser.duration_expr(0))?;
        self.expect(Kind::RightParen)?;
        let span = first.node.span.to(second.node.span);
        self.duration_feature(span);
        let depth = self.depth(first.depth.max(second.depth), span)?;
        let kind = kind(first.node, second.node);
        let node = Box::new(DurationExpr { kind, span });
        Ok(Deep { node, depth })
    }

    /// Takes a number or a duration.
    pub(super) fn take_number(&mut self) -> Parsed<NumberLiteral> {
        let token = self.take()?;
        let text = token.text(self.input);
        let duration = match token.kind {
            Kind::Number => false,
            Kind::Duration => true,
            _ => return Err(Stop::Unexpected(token)),
        };
        let value = if duration {
            number::seconds(text)
        } else {
            number::value(text)
        };
        let value = value.unwrap_or_else(|message| {
            self.error(token.span(), message);
            0.0
        });
        Ok(NumberLiteral { value, duration })
    }

    /// A number as a duration, unless it is beyond 292 years.
    fn number_in_range(&mut self, mut number: NumberLiteral, span: Span, complaint: Span) -> Node {
        const MOST: f64 = 9_223_372_036.854_776;
        if number.value > MOST || number.value < -MOST {
            self.error(complaint, "duration out of range".to_owned());
            number.value = 0.0;
        }
        let kind = DurationExprKind::Number(number);
        let node = Box::new(DurationExpr { kind, span });
        Deep { node, depth: 1 }
    }

    fn signed_number(
        &mut self,
        sign: Token,
        minus: bool,
        mut number: NumberLiteral,
        span: Span,
    ) -> Node {
        if minus {
            number.value = -number.value;
        }
        self.number_in_range(number, sign.span().to(span), sign.span())
    }

    fn signed(&mut self, sign: Token, minus: bool, operand: Node) -> Parsed<Node> {
        match operand.node.kind {
            DurationExprKind::Number(number) => {
                Ok(self.signed_number(sign, minus, number, operand.node.span))
            }
            _ if minus => self.signed_expr(sign, minus, operand),
            _ => Ok(operand),
        }
    }

    /// A plus before an expression is dropped.
    fn signed_expr(&mut self, sign: Token, minus: bool, operand: Node) -> Parsed<Node> {
        if !minus {
            return Ok(operand);
        }
        let span = sign.span().to(operand.node.span);
        let depth = self.depth(operand.depth, span)?;
        let kind = DurationExprKind::Unary(UnaryOp::Minus, operand.node);
        let node = Box::new(DurationExpr { kind, span });
        Ok(Deep { node, depth })
    }

    /// Parentheses around others, or around an expression, do not change its place.
    fn parenthesized(&mut self, inner: Node, start: usize) -> Parsed<Node> {
        let span = match inner.node.kind {
            DurationExprKind::Paren(_) => return Ok(inner),
            DurationExprKind::Number(_) => Span::new(start, start).to(inner.node.span),
            _ => inner.node.span,
        };
        let depth = self.depth(inner.depth, span)?;
        let kind = DurationExprKind::Paren(inner.node);
        let node = Box::new(DurationExpr { kind, span });
        Ok(Deep { node, depth })
    }

    fn duration_feature(&mut self, span: Span) {
        if !self.features.duration_expressions {
            let message = "experimental duration expression is not enabled";
            self.error(span, message.to_owned());
        }
    }
}

enum Signed {
    /// No operator may follow.
    Whole(Node),
    /// Operators may follow.
    Operand(Node),
}

/// A number becomes a fixed duration.
fn settled(expr: Box<DurationExpr>) -> Duration {
    match expr.kind {
        DurationExprKind::Number(number) => Duration::Fixed(millis(number.value)),
        _ => Duration::Expr(expr),
    }
}

/// Prometheus rounds to nanoseconds and cuts to milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn millis(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64 / 1_000_000
}
