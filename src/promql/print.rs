//! Expressions as Prometheus prints them (`promql/parser/printer.go`); what is printed parses to the same tree.

use std::{
    fmt::{self, Display, Formatter, Write as _},
    time,
};

use super::{
    ast::{
        Aggregate, At, Binary, BinaryOp, Cardinality, Duration, DurationExpr, DurationExprKind,
        Expr, ExprKind, Extended, MatrixSelector, NumberLiteral, Subquery, TimeShift, UnaryOp,
        VectorMatching, VectorSelector,
    },
    functions::go_float,
    with_room,
};
use crate::{
    labels::{MatchOp, Matcher, go_quote},
    promql::text::quote,
    time::format_prom_duration,
};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        with_room(|| print(f, self))
    }
}

/// The alternate form, `{:#}`, is that of an expression that an operator follows.
fn print(f: &mut Formatter<'_>, expr: &Expr) -> fmt::Result {
    match &expr.kind {
        ExprKind::Number(number) => number.fmt(f),
        ExprKind::String(text) => f.write_str(&quote(text)),
        ExprKind::Vector(selector) => print_vector(f, selector),
        ExprKind::Matrix(matrix) => print_matrix(f, matrix),
        ExprKind::Subquery(subquery) => {
            write!(f, "{}{}", subquery.expr, SubqueryWindow(subquery))
        }
        ExprKind::Paren(inner) => write!(f, "({inner})"),
        ExprKind::Unary(op, inner) => {
            f.write_str(sign(*op))?;
            inner.fmt(f)
        }
        ExprKind::Binary(binary) => {
            write!(f, "{:#} {} ", binary.lhs, Operator(binary))?;
            binary.rhs.fmt(f)
        }
        ExprKind::Aggregate(aggregate) => print_aggregate(f, aggregate),
        ExprKind::Fragment(number) => write!(f, "<fragment {number}>"),
        ExprKind::Call(call) => {
            write!(f, "{}(", call.function.name)?;
            separated(f, &call.args)?;
            f.write_char(')')
        }
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.duration {
            return print_millis(f, millis(self.value));
        }
        f.write_str(&go_float(self.value))
    }
}

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(millis) => print_millis(f, *millis),
            Self::Expr(expr) => expr.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DurationExprKind::Number(number) => number.fmt(f),
            DurationExprKind::Step => f.write_str("step()"),
            DurationExprKind::Range => f.write_str("range()"),
            DurationExprKind::Paren(inner) => write!(f, "({inner})"),
            DurationExprKind::Unary(UnaryOp::Plus, inner) => inner.fmt(f),
            DurationExprKind::Unary(UnaryOp::Minus, inner) => write!(f, "-{inner}"),
            DurationExprKind::Binary(op, lhs, rhs) => write!(f, "{lhs} {} {rhs}", op.as_str()),
            DurationExprKind::MinOf(first, second) => write!(f, "min_of({first}, {second})"),
            DurationExprKind::MaxOf(first, second) => write!(f, "max_of({first}, {second})"),
        }
    }
}

fn print_vector(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    let shift = &selector.shift;
    series(f, selector)?;
    let operator_next = f.alternate() && takes_operators(&shift.offset);
    if operator_next && (shift.at.is_some() || selector.extended != Extended::No) {
        // Prometheus writes the offset last, and then takes the operator that follows for one of durations.
        offset(f, shift)?;
        at(f, shift)?;
        return extended(f, selector.extended);
    }
    at(f, shift)?;
    extended(f, selector.extended)?;
    if operator_next {
        // After a sign, operators belong to what is around the selector.
        return write!(f, " offset +{}", shift.offset);
    }
    offset(f, shift)
}

/// Whether operators after an offset are taken for its own.
fn takes_operators(offset: &Duration) -> bool {
    let Duration::Expr(expr) = offset else {
        return false;
    };
    matches!(
        expr.kind,
        DurationExprKind::Paren(_) | DurationExprKind::Binary(..)
    )
}

fn print_matrix(f: &mut Formatter<'_>, matrix: &MatrixSelector) -> fmt::Result {
    let selector = &matrix.selector;
    series(f, selector)?;
    write!(f, "[{}]", matrix.range)?;
    extended(f, selector.extended)?;
    at(f, &selector.shift)?;
    offset(f, &selector.shift)
}

/// What follows the expression of a subquery.
pub(super) struct SubqueryWindow<'a>(pub(super) &'a Subquery);

impl Display for SubqueryWindow<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(subquery) = self;
        write!(f, "[{}:", subquery.range)?;
        if let Some(step) = &subquery.step {
            step.fmt(f)?;
        }
        f.write_char(']')?;
        at(f, &subquery.shift)?;
        offset(f, &subquery.shift)
    }
}

/// An operator with its modifiers.
pub(super) struct Operator<'a>(pub(super) &'a Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(binary) = self;
        f.write_str(binary.op.as_str())?;
        if binary.return_bool {
            f.write_str(" bool")?;
        }
        match &binary.matching {
            Some(matching) => print_matching(f, matching),
            None => Ok(()),
        }
    }
}

/// An aggregation without what it aggregates.
pub(super) struct AggregateHead<'a>(pub(super) &'a Aggregate);

impl Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(aggregate) = self;
        f.write_str(aggregate.op.as_str())?;
        if !aggregate.without && aggregate.grouping.is_empty() {
            return Ok(());
        }
        f.write_str(if aggregate.without {
            " without ("
        } else {
            " by ("
        })?;
        label_names(f, &aggregate.grouping)?;
        f.write_str(") ")
    }
}

fn print_matching(f: &mut Formatter<'_>, matching: &VectorMatching) -> fmt::Result {
    let group = match matching.cardinality {
        Cardinality::ManyToOne => Some("left"),
        Cardinality::OneToMany => Some("right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if !matching.labels.is_empty() || matching.on || group.is_some() {
        f.write_str(if matching.on { " on (" } else { " ignoring (" })?;
        label_names(f, &matching.labels)?;
        f.write_char(')')?;
    }
    if let Some(side) = group {
        write!(f, " group_{side} (")?;
        label_names(f, &matching.include)?;
        f.write_char(')')?;
    }
    match (matching.fill_left, matching.fill_right) {
        #[expect(
            clippy::float_cmp,
            reason = "one value is written for both if they are the same"
        )]
        (Some(left), Some(right)) if left == right => write!(f, " fill ({})", Shortest(left)),
        (left, right) => {
            if let Some(left) = left {
                write!(f, " fill_left ({})", Shortest(left))?;
            }
            if let Some(right) = right {
                write!(f, " fill_right ({})", Shortest(right))?;
            }
            Ok(())
        }
    }
}

fn print_aggregate(f: &mut Formatter<'_>, aggregate: &Aggregate) -> fmt::Result {
    write!(f, "{}(", AggregateHead(aggregate))?;
    if let Some(param) = &aggregate.param {
        write!(f, "{param}, ")?;
    }
    write!(f, "{})", aggregate.expr)
}

/// The name and the matchers of a selector, the matchers sorted as texts.
fn series(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    f.write_str(&selector.name)?;
    let named = |matcher: &&Matcher| {
        let equal = matcher.name() == "__name__" && matcher.op() == MatchOp::Equal;
        equal && matcher.value() == selector.name && !selector.name.is_empty()
    };
    let matchers = selector.matchers.iter().filter(|matcher| !named(matcher));
    let mut matchers: Vec<_> = matchers.map(matcher_text).collect();
    if matchers.is_empty() {
        return Ok(());
    }
    matchers.sort_unstable();
    write!(f, "{{{}}}", matchers.join(","))
}

fn matcher_text(matcher: &Matcher) -> String {
    let name = label_name(matcher.name());
    format!("{name}{}{}", matcher.op().as_str(), quote(matcher.value()))
}

fn label_names(f: &mut Formatter<'_>, names: &[String]) -> fmt::Result {
    let names: Vec<_> = names.iter().map(|name| label_name(name)).collect();
    separated(f, &names)
}

/// A label name, in quotes if it needs them.
fn label_name(name: &str) -> String {
    let word = |(at, byte): (usize, u8)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
    };
    if !name.is_empty() && name.bytes().enumerate().all(word) {
        name.to_owned()
    } else {
        go_quote(name)
    }
}

fn separated(f: &mut Formatter<'_>, items: &[impl Display]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn at(f: &mut Formatter<'_>, shift: &TimeShift) -> fmt::Result {
    match shift.at {
        None => Ok(()),
        #[expect(
            clippy::cast_precision_loss,
            reason = "Prometheus prints a float64 as well"
        )]
        Some(At::Time(millis)) => write!(f, " @ {:.3}", millis as f64 / 1000.0),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
    }
}

fn offset(f: &mut Formatter<'_>, shift: &TimeShift) -> fmt::Result {
    if shift.offset == Duration::Fixed(0) {
        return Ok(());
    }
    write!(f, " offset {}{}", signs(&shift.offset), shift.offset)
}

/// What has to stand before a calculated offset without parentheses, so that its operators are taken for its own.
fn signs(offset: &Duration) -> &'static str {
    let Duration::Expr(expr) = offset else {
        return "";
    };
    let mut first = expr;
    while let DurationExprKind::Binary(_, lhs, _) = &first.kind {
        first = lhs;
    }
    let negative = match &first.kind {
        DurationExprKind::Paren(_) => return "",
        DurationExprKind::Unary(..) => true,
        DurationExprKind::Number(number) => number.value < 0.0,
        DurationExprKind::Step
        | DurationExprKind::Range
        | DurationExprKind::Binary(..)
        | DurationExprKind::MinOf(..)
        | DurationExprKind::MaxOf(..) => false,
    };
    match (std::ptr::eq(first, expr), negative) {
        (true, _) => "",
        (false, true) => "+",
        (false, false) => "++",
    }
}

fn extended(f: &mut Formatter<'_>, extended: Extended) -> fmt::Result {
    f.write_str(match extended {
        Extended::No => "",
        Extended::Anchored => " anchored",
        Extended::Smoothed => " smoothed",
    })
}

pub(super) fn sign(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Plus => BinaryOp::Add.as_str(),
        UnaryOp::Minus => BinaryOp::Sub.as_str(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "durations end at 292 years"
)]
fn millis(seconds: f64) -> i64 {
    (seconds * 1e9) as i64 / 1_000_000
}

fn print_millis(f: &mut Formatter<'_>, millis: i64) -> fmt::Result {
    if millis < 0 {
        f.write_char('-')?;
    }
    let duration = time::Duration::from_millis(millis.unsigned_abs());
    f.write_str(&format_prom_duration(duration))
}

/// A number as Go's `%v` prints it: very large and very small ones with an exponent.
struct Shortest(f64);

impl Display for Shortest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        let plain = NumberLiteral {
            value,
            duration: false,
        };
        let size = value.abs();
        if !value.is_finite() || size == 0.0 || (1e-4..1e21).contains(&size) {
            return plain.fmt(f);
        }
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(f, "{digits}e{sign}{exponent:0>2}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Features, parse};

    #[test]
    fn expressions_are_printed_as_prometheus_prints_them() {
        for (input, printed) in [
            ("sum by() (a{b='c',a=\"d\"})", "sum(a{a=\"d\",b=\"c\"})"),
            ("sum without(x,\"y.z\") (a)", "sum without (x, \"y.z\") (a)"),
            ("topk(5,a)", "topk(5, a)"),
            ("a - on() group_left(x) c", "a - on () group_left (x) c"),
            ("a+group_left", ""),
            ("a == bool ignoring(x) b", "a == bool ignoring (x) b"),
            ("a+fill(1e22)b", "a + fill (1e+22) b"),
            ("a[1m] offset -5m @ 3", "a[1m] @ 3.000 offset -5m"),
            ("a anchored @ end()", "a @ end() anchored"),
            (
                "a[90s] smoothed offset (step()*2)",
                "a[1m30s] smoothed offset (step() * 2)",
            ),
            (
                "a[(1m)+-step():max_of(1,2s)]",
                "a[(1m) + -step():max_of(1, 2s)]",
            ),
            ("{\"foo.bar\",x!~'a'}", "{__name__=\"foo.bar\",x!~\"a\"}"),
            ("-(1e3+0x10)*-2m", "-(1000 + 16) * -2m"),
            (
                "label_join(a, 'b\\n', `c`)",
                "label_join(a, \"b\\n\", \"c\")",
            ),
        ] {
            match parse(input, Features::all()) {
                Ok(expr) => {
                    assert_eq!(expr.to_string(), printed, "{input}");
                    let again = parse(printed, Features::all()).map(|expr| expr.to_string());
                    assert_eq!(again.as_deref(), Ok(printed));
                }
                Err(error) => assert_eq!(printed, "", "{input}: {error}"),
            }
        }
    }
}
