//! Expressions over several lines where one would be too long, as `format_query` shows them
//! (`promql/parser/prettier.go`).

use std::fmt::{self, Display, Write};

use super::{
    ast::{Aggregate, Binary, Call, Expr, ExprKind, Subquery},
    print::{AggregateHead, Operator, SubqueryWindow, sign},
    with_room,
};

/// What is longer than so many bytes is split.
const LONGEST: usize = 100;

/// No more than so many bytes are indented; each line of what is nested deeply begins with thousands of spaces.
const MOST: usize = 1024 * 1024;

/// The indentation of one level.
const INDENT: &str = "  ";

impl Expr {
    /// The expression as `format_query` shows it: in one line if that has at most 100 bytes, else its parts in lines
    /// of their own, indented, and these in the same way; what would be longer than a mebibyte stays in one line.
    #[must_use]
    pub fn to_pretty(&self) -> String {
        let mut out = String::new();
        push(&mut out, self, 0, false);
        if out.len() > MOST {
            return self.to_string();
        }
        out
    }
}

/// `operand`: whether an operator follows, as for what [`Display`] calls the alternate form.
fn push(out: &mut String, expr: &Expr, level: usize, operand: bool) {
    if out.len() > MOST {
        return;
    }
    with_room(|| push_kind(out, expr, level, operand));
}

fn push_kind(out: &mut String, expr: &Expr, level: usize, operand: bool) {
    match &expr.kind {
        // Prometheus does not indent subqueries that stay whole.
        ExprKind::Subquery(subquery) => {
            if is_long(expr) {
                push_subquery(out, subquery, level);
            } else {
                put(out, expr);
            }
        }
        ExprKind::Unary(op, inner) => {
            indent(out, level);
            out.push_str(sign(*op));
            push_after_sign(out, inner, level, operand);
        }
        ExprKind::Aggregate(aggregate) if is_long(expr) => push_aggregate(out, aggregate, level),
        ExprKind::Binary(binary) if is_long(expr) => push_binary(out, binary, level, operand),
        ExprKind::Call(call) if is_long(expr) => push_call(out, call, level),
        ExprKind::Paren(inner) if is_long(expr) => {
            indent(out, level);
            out.push_str("(\n");
            push(out, inner, level + 1, false);
            close(out, level);
        }
        ExprKind::Aggregate(_)
        | ExprKind::Binary(_)
        | ExprKind::Call(_)
        | ExprKind::Paren(_)
        | ExprKind::Vector(_)
        | ExprKind::Matrix(_)
        | ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Fragment(_) => {
            indent(out, level);
            if operand {
                put(out, format_args!("{expr:#}"));
            } else {
                put(out, expr);
            }
        }
    }
}

/// What follows a sign: its first line is not indented.
fn push_after_sign(out: &mut String, expr: &Expr, level: usize, operand: bool) {
    let start = out.len();
    push(out, expr, level, operand);
    let blank = out
        .get(start..)
        .map_or(0, |text| text.len() - text.trim_start().len());
    out.replace_range(start..start + blank, "");
}

fn push_aggregate(out: &mut String, aggregate: &Aggregate, level: usize) {
    indent(out, level);
    put(out, AggregateHead(aggregate));
    out.push_str("(\n");
    if let Some(param) = &aggregate.param {
        push(out, param, level + 1, false);
        out.push_str(",\n");
    }
    push(out, &aggregate.expr, level + 1, false);
    close(out, level);
}

fn push_binary(out: &mut String, binary: &Binary, level: usize, operand: bool) {
    push(out, &binary.lhs, level + 1, true);
    out.push('\n');
    indent(out, level);
    put(out, Operator(binary));
    out.push('\n');
    push(out, &binary.rhs, level + 1, operand);
}

fn push_call(out: &mut String, call: &Call, level: usize) {
    indent(out, level);
    out.push_str(call.function.name);
    out.push_str("(\n");
    for (at, arg) in call.args.iter().enumerate() {
        if at > 0 {
            out.push_str(",\n");
        }
        push(out, arg, level + 1, false);
    }
    close(out, level);
}

fn push_subquery(out: &mut String, subquery: &Subquery, level: usize) {
    push(out, &subquery.expr, level, false);
    put(out, SubqueryWindow(subquery));
}

fn close(out: &mut String, level: usize) {
    out.push('\n');
    indent(out, level);
    out.push(')');
}

fn indent(out: &mut String, level: usize) {
    for _ in 0..level {
        out.push_str(INDENT);
    }
}

fn put(out: &mut String, part: impl Display) {
    // A string takes everything.
    let _ = write!(out, "{part}");
}

/// Whether an expression has to be split. No more of it is printed than that takes.
fn is_long(expr: &Expr) -> bool {
    write!(Room(LONGEST), "{expr}").is_err()
}

/// Counts what is written, and fails when it is too much.
struct Room(usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Features, parse};

    #[track_caller]
    fn check(query: &str, lines: &[&str]) {
        let expr = parse(query, Features::all()).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(expr.to_pretty(), lines.join("\n"));
    }

    /// A name of so many bytes.
    fn name(length: usize) -> String {
        "n".repeat(length)
    }

    #[test]
    fn what_fits_in_a_line_stays_there() {
        let fits = name(96);
        check(
            &format!("abs({})", name(95)),
            &[&format!("abs({})", name(95))],
        );
        check(
            &format!("abs({fits})"),
            &["abs(", &format!("  {fits}"), ")"],
        );
        let long = name(120);
        check(&long, &[&long]);
        check(&format!("{long}[5m]"), &[&format!("{long}[5m]")]);
        // Bytes are counted, not characters.
        check(
            &format!("{{a=\"{}\"}} + 1", "é".repeat(47)),
            &[&format!("  {{a=\"{}\"}}", "é".repeat(47)), "+", "  1"],
        );
    }

    #[test]
    fn each_part_of_what_is_long_has_lines_of_its_own() {
        let (long, half) = (name(99), name(60));
        check(
            &format!("sum by (a, \"b c\") ({half} / on (a) group_left () {half}) > bool 1"),
            &[
                "  sum by (a, \"b c\") (",
                &format!("      {half}"),
                "    / on (a) group_left ()",
                &format!("      {half}"),
                "  )",
                "> bool",
                "  1",
            ],
        );
        check(
            &format!("topk(1 + 2, {long})"),
            &["topk(", "  1 + 2,", &format!("  {long}"), ")"],
        );
        check(&format!("-(-{long})"), &["-(", &format!("  -{long}"), ")"]);
        check(
            &format!("{half} or -{half}"),
            &[&format!("  {half}"), "or", &format!("  -{half}")],
        );
    }

    #[test]
    fn windows_follow_the_last_line_of_a_subquery() {
        let (long, half) = (name(99), name(60));
        check(
            &format!("max_over_time(rate({long}[1m])[1h:1m] @ start() offset 5m)"),
            &[
                "max_over_time(",
                "  rate(",
                &format!("    {long}[1m]"),
                "  )[1h:1m] @ start() offset 5m",
                ")",
            ],
        );
        // A short one is not indented, as in Prometheus.
        check(
            &format!("clamp_min(last_over_time({half}[1h:]), 1234567890) + a"),
            &[
                "  clamp_min(",
                &format!("    last_over_time({half}[1h:]),"),
                "    1234567890",
                "  )",
                "+",
                "  a",
            ],
        );
        check(
            &format!("quantile_over_time(0.12345678901234567890, {half}[1h:1m] @ 1)"),
            &[
                "quantile_over_time(",
                "  0.12345678901234568,",
                &format!("{half}[1h:1m] @ 1.000"),
                ")",
            ],
        );
    }

    #[test]
    fn the_deepest_do_not_fill_the_memory() {
        let chain = vec!["a"; 900].join("+");
        let expr = parse(&vec![format!("({chain})"); 30].join("*"), Features::none()).unwrap();
        assert_eq!(expr.to_pretty(), expr.to_string());
    }
}
