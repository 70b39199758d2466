//! Expressions, by the precedence of their operators.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a place takes few of the kinds, and refuses all others alike"
)]

use super::{
    number::unquote,
    parser::{Deep, Parsed, Parser, Stop},
    token::{Kind, Token},
};
use crate::{
    labels::go_quote,
    promql::{
        Function, Span,
        ast::{
            Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, ExprKind,
            NumberLiteral, UnaryOp, VectorMatching,
        },
    },
};

pub(super) type Node = Deep<Expr>;

/// Binds tighter than any binary operator but `^`.
const UNARY_PRECEDENCE: u8 = 6;

pub(super) fn leaf(kind: ExprKind, span: Span) -> Node {
    let node = Box::new(Expr { kind, span });
    Deep { node, depth: 1 }
}

/// Stands for what could not be made; there is an error that says why.
pub(super) fn broken(span: Span) -> Node {
    let number = NumberLiteral {
        value: 0.0,
        duration: false,
    };
    leaf(ExprKind::Number(number), span)
}

/// What stands between a binary operator and its right side.
struct Modifiers {
    matching: VectorMatching,
    return_bool: bool,
}

impl Parser<'_> {
    /// A whole query.
    pub(super) fn query(&mut self) -> Parsed<Expr> {
        if self.peek()?.kind == Kind::Eof {
            self.error(Span::default(), "no expression found in input".to_owned());
            return Err(Stop::Reported);
        }
        let expr = self.expr(0)?;
        self.end()?;
        Ok(*expr.node)
    }

    fn expr(&mut self, least: u8) -> Parsed<Node> {
        let mut lhs = self.operand()?;
        loop {
            let token = self.peek()?;
            let Kind::Op(op) = token.kind else {
                return Ok(lhs);
            };
            if op.precedence() < least {
                return Ok(lhs);
            }
            self.take()?;
            let modifiers = self.modifiers()?;
            let right_least = op.precedence() + u8::from(op != BinaryOp::Pow);
            let rhs = self.deeper(|parser| parser.expr(right_least))?;
            lhs = self.binary(lhs, op, modifiers, rhs)?;
        }
    }

    fn binary(&mut self, lhs: Node, op: BinaryOp, modifiers: Modifiers, rhs: Node) -> Parsed<Node> {
        let span = lhs.node.span.to(rhs.node.span);
        let matching = modifiers.matching;
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if fills && !self.features.fill_modifiers {
            let message = "binop fill modifiers are experimental and not enabled";
            self.error(span, message.to_owned());
        }
        let depth = self.depth(lhs.depth.max(rhs.depth), span)?;
        let kind = ExprKind::Binary(Box::new(Binary {
            op,
            lhs: *lhs.node,
            rhs: *rhs.node,
            matching: Some(matching),
            return_bool: modifiers.return_bool,
        }));
        let node = Box::new(Expr { kind, span });
        Ok(Deep { node, depth })
    }

    fn modifiers(&mut self) -> Parsed<Modifiers> {
        let return_bool = self.accept(Kind::Bool)?.is_some();
        let mut matching = VectorMatching {
            cardinality: Cardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        let token = self.peek()?;
        if matches!(token.kind, Kind::On | Kind::Ignoring) {
            self.take()?;
            matching.on = token.kind == Kind::On;
            matching.labels = self.label_names()?;
            self.group_modifier(&mut matching)?;
        }
        self.fill_modifiers(&mut matching)?;
        Ok(Modifiers {
            matching,
            return_bool,
        })
    }

    fn group_modifier(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        matching.cardinality = match self.peek()?.kind {
            Kind::GroupLeft => Cardinality::ManyToOne,
            Kind::GroupRight => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.take()?;
        if self.peek()?.kind == Kind::LeftParen {
            matching.include = self.label_names()?;
        }
        Ok(())
    }

    fn fill_modifiers(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        let first = self.peek()?.kind;
        match first {
            Kind::Fill => {
                let value = self.fill_value()?;
                matching.fill_left = Some(value);
                matching.fill_right = Some(value);
            }
            Kind::FillLeft => {
                matching.fill_left = Some(self.fill_value()?);
                if self.peek()?.kind == Kind::FillRight {
                    matching.fill_right = Some(self.fill_value()?);
                }
            }
            Kind::FillRight => {
                matching.fill_right = Some(self.fill_value()?);
                if self.peek()?.kind == Kind::FillLeft {
                    matching.fill_left = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A number between parentheses, after a word.
    fn fill_value(&mut self) -> Parsed<f64> {
        self.take()?;
        self.expect(Kind::LeftParen)?;
        let minus = self.accept(Kind::Op(BinaryOp::Sub))?.is_some();
        if !minus {
            self.accept(Kind::Op(BinaryOp::Add))?;
        }
        let token = self.peek()?;
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(Stop::Unexpected(token));
        }
        let number = self.take_number()?;
        self.expect(Kind::RightParen)?;
        Ok(if minus { -number.value } else { number.value })
    }

    /// What stands beside a binary operator, with the modifiers that follow it.
    fn operand(&mut self) -> Parsed<Node> {
        let token = self.peek()?;
        if let Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) = token.kind {
            self.take()?;
            let operand = self.deeper(|parser| parser.expr(UNARY_PRECEDENCE))?;
            return self.unary(token, op, operand);
        }
        let primary = self.primary(token)?;
        self.postfix(primary)
    }

    fn unary(&mut self, token: Token, op: BinaryOp, operand: Node) -> Parsed<Node> {
        let span = token.span().to(operand.node.span);
        let minus = op == BinaryOp::Sub;
        if let ExprKind::Number(mut number) = operand.node.kind {
            if minus {
                number.value = -number.value;
            }
            return Ok(leaf(ExprKind::Number(number), span));
        }
        let depth = self.depth(operand.depth, span)?;
        let op = if minus { UnaryOp::Minus } else { UnaryOp::Plus };
        let kind = ExprKind::Unary(op, operand.node);
        let node = Box::new(Expr { kind, span });
        Ok(Deep { node, depth })
    }

    fn primary(&mut self, token: Token) -> Parsed<Node> {
        match token.kind {
            Kind::LeftParen => self.parenthesized_expr(),
            Kind::Number | Kind::Duration => {
                let number = self.take_number()?;
                Ok(leaf(ExprKind::Number(number), token.span()))
            }
            Kind::String => {
                self.take()?;
                let text = unquote(token.text(self.input));
                Ok(leaf(ExprKind::String(text), token.span()))
            }
            Kind::LeftBrace => self.selector(token),
            Kind::Aggregate(op) => self.aggregate_or_selector(token, op),
            kind if kind == Kind::Identifier || kind.is_time_word() => self.call_or_selector(token),
            kind if kind.is_metric_name() => self.selector(token),
            _ => Err(Stop::Unexpected(token)),
        }
    }

    fn parenthesized_expr(&mut self) -> Parsed<Node> {
        let open = self.take()?;
        let inner = self.deeper(|parser| parser.expr(0))?;
        let close = self.expect(Kind::RightParen)?;
        let span = open.span().to(close.span());
        let depth = self.depth(inner.depth, span)?;
        let kind = ExprKind::Paren(inner.node);
        let node = Box::new(Expr { kind, span });
        Ok(Deep { node, depth })
    }

    fn selector(&mut self, first: Token) -> Parsed<Node> {
        if first.kind != Kind::LeftBrace {
            self.take()?;
        }
        self.selector_of(first)
    }

    /// A selector whose name, unless it is the brace that opens it, is taken already.
    fn selector_of(&mut self, first: Token) -> Parsed<Node> {
        let name = if first.kind == Kind::LeftBrace {
            ""
        } else {
            first.text(self.input)
        };
        let (selector, end) = self.named_selector(name)?;
        let span = Span::new(first.start, end.unwrap_or(first.end));
        Ok(leaf(ExprKind::Vector(selector), span))
    }

    fn call_or_selector(&mut self, name: Token) -> Parsed<Node> {
        self.take()?;
        if self.peek()?.kind != Kind::LeftParen {
            return self.selector_of(name);
        }
        let (args, depth) = self.arguments()?;
        let span = Span::new(name.start, self.last_closing);
        let text = name.text(self.input);
        let Some(function) = Function::find(text) else {
            let message = format!("unknown function with name {}", go_quote(text));
            self.error(name.span(), message);
            return Ok(broken(span));
        };
        if function.experimental && !self.features.experimental_functions {
            let message = format!("function {} is not enabled", go_quote(text));
            self.error(name.span(), message);
        }
        let depth = self.depth(depth, span)?;
        let kind = ExprKind::Call(Box::new(Call { function, args }));
        let node = Box::new(Expr { kind, span });
        Ok(Deep { node, depth })
    }

    /// Arguments between parentheses, and how deep the deepest is.
    fn arguments(&mut self) -> Parsed<(Vec<Expr>, u32)> {
        self.expect(Kind::LeftParen)?;
        let mut args = Vec::new();
        let mut depth = 0;
        if self.accept(Kind::RightParen)?.is_some() {
            return Ok((args, depth));
        }
        loop {
            let arg = self.deeper(|parser| parser.expr(0))?;
            depth = depth.max(arg.depth);
            args.push(*arg.node);
            if !self.next_argument()? {
                return Ok((args, depth));
            }
        }
    }

    /// What follows an argument: whether another one does.
    fn next_argument(&mut self) -> Parsed<bool> {
        loop {
            let token = self.take()?;
            match token.kind {
                Kind::RightParen => return Ok(false),
                Kind::Comma if self.peek()?.kind.starts_expression() => return Ok(true),
                Kind::Comma => {
                    let message = "trailing commas not allowed in function call args";
                    self.error(token.span(), message.to_owned());
                }
                _ => return Err(Stop::Unexpected(token)),
            }
        }
    }

    fn aggregate_or_selector(&mut self, name: Token, op: AggregateOp) -> Parsed<Node> {
        self.take()?;
        if !matches!(
            self.peek()?.kind,
            Kind::LeftParen | Kind::By | Kind::Without
        ) {
            return self.selector_of(name);
        }
        let result = self.aggregate(name, op);
        self.within(result, "aggregation", "")
    }

    fn aggregate(&mut self, name: Token, op: AggregateOp) -> Parsed<Node> {
        let mut modifier = self.aggregate_modifier()?;
        let (args, depth) = self.arguments()?;
        let mut end = self.last_closing;
        if modifier.is_none() {
            modifier = self.aggregate_modifier()?;
            end = if modifier.is_some() {
                self.last_closing
            } else {
                self.end_before_lookahead()
            };
        }
        let (grouping, without) = modifier.unwrap_or_default();
        let span = Span::new(name.start, end);
        let Some((param, expr)) = self.aggregate_arguments(op, args, span) else {
            return Ok(broken(span));
        };
        let depth = self.depth(depth, span)?;
        let kind = ExprKind::Aggregate(Box::new(Aggregate {
            op,
            expr,
            param,
            grouping,
            without,
        }));
        let node = Box::new(Expr { kind, span });
        Ok(Deep { node, depth })
    }

    /// `by (…)` or `without (…)`.
    fn aggregate_modifier(&mut self) -> Parsed<Option<(Vec<String>, bool)>> {
        let kind = self.peek()?.kind;
        if !matches!(kind, Kind::By | Kind::Without) {
            return Ok(None);
        }
        self.take()?;
        let names = self.label_names()?;
        Ok(Some((names, kind == Kind::Without)))
    }

    fn aggregate_arguments(
        &mut self,
        op: AggregateOp,
        args: Vec<Expr>,
        span: Span,
    ) -> Option<(Option<Expr>, Expr)> {
        let given = args.len();
        if given == 0 {
            let message = "no arguments for aggregate expression provided";
            self.error(span, message.to_owned());
            return None;
        }
        if op.is_experimental() && !self.features.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            self.error(span, message);
            return None;
        }
        let wanted = 1 + usize::from(op.has_parameter());
        let mut args = args.into_iter();
        let first = args.next()?;
        let (param, expr) = match (op.has_parameter(), args.next()) {
            (true, Some(second)) if given == wanted => (Some(first), second),
            (false, None) => (None, first),
            _ => {
                let message = format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {given}"
                );
                self.error(span, message);
                return None;
            }
        };
        Some((param, expr))
    }
}
