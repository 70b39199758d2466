//! What is printed, in one line or in several, is read as the same tree; and whatever is read, nothing breaks.

use std::{convert::Infallible, sync::LazyLock};

use regex::Regex;
use watchfire::promql::{
    ast::{Expr, ExprKind, MatrixSelector, UnaryOp},
    parse::{Features, MAX_BYTES, parse},
};

use crate::{corpus, expressions::Chance};

static SPAN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"Span \{ start: \d+, end: \d+ \}").unwrap());

/// A tree without the places of its parts, which are where they are written.
fn tree(expr: &Expr) -> String {
    SPAN.replace_all(&format!("{:?}", normal(expr)), "_")
        .into_owned()
}

/// A tree without what Prometheus's way to print does not keep: the order of matchers, and a plus, which +Inf has.
fn normal(expr: &Expr) -> Expr {
    let Ok(mut expr) = expr.with_children(|child| Ok::<_, Infallible>(normal(child)));
    if let ExprKind::Unary(UnaryOp::Plus, inner) = &expr.kind {
        return (**inner).clone();
    }
    if let ExprKind::Vector(selector) | ExprKind::Matrix(MatrixSelector { selector, .. }) =
        &mut expr.kind
    {
        selector.matchers.sort_by_key(ToString::to_string);
    }
    expr
}

fn read(text: &str) -> Result<Expr, String> {
    parse(text, Features::all()).map_err(|error| error.to_string())
}

/// Why an expression is not the same after it was printed.
fn difference(expr: &Expr) -> Option<String> {
    for text in [expr.to_string(), expr.to_pretty()] {
        let again = match read(&text) {
            Ok(again) => again,
            Err(error) => return Some(format!("printed as {text:?}, which is refused: {error}")),
        };
        if tree(&again) != tree(expr) {
            return Some(format!(
                "printed as {text:?}, which is\n{}\nand not\n{}",
                tree(&again),
                tree(expr)
            ));
        }
    }
    None
}

#[test]
fn what_people_write_is_read_as_it_is_printed() {
    let expressions = corpus::expressions();
    let mut wrong = Vec::new();
    for text in &expressions {
        match read(text) {
            Ok(expr) => wrong.extend(difference(&expr).map(|why| format!("{text}: {why}"))),
            Err(error) => wrong.push(format!("{text}: {error}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        expressions.len(),
        wrong.join("\n")
    );
    println!("{} expressions", expressions.len());
}

#[test]
fn random_expressions_are_read_as_they_are_printed() {
    let mut chance = Chance::new(1);
    let (mut taken, mut wrong) = (0, Vec::new());
    for _ in 0..8_000 {
        let depth = u32::try_from(chance.below(6)).unwrap();
        let text = chance.expression(depth);
        if let Ok(expr) = read(&text) {
            taken += 1;
            wrong.extend(difference(&expr).map(|why| format!("{text}: {why}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {taken}:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    assert!(taken > 3_000, "only {taken} are expressions");
}

#[test]
fn broken_texts_end_in_errors() {
    let expressions = corpus::expressions();
    let mut chance = Chance::new(2);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..6 {
        for text in &expressions {
            let text = if round == 0 {
                chance.noise()
            } else {
                chance.changed(text)
            };
            match read(&text) {
                Ok(expr) => {
                    taken += 1;
                    assert_eq!(difference(&expr), None, "{text:?}");
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{taken} taken, {refused} refused");
    assert!(
        taken > 1_000 && refused > 1_000,
        "{taken} taken, {refused} refused"
    );
}

/// Texts as long as is allowed, that repeat what might take ever longer.
#[test]
fn long_texts_are_read_in_no_time() {
    let repeated = |part: &str| part.repeat(MAX_BYTES / part.len());
    for part in [
        "(",
        "-",
        "a+",
        "a or ",
        "sum(",
        "abs(",
        "{",
        "\"",
        "a[5m:1m]",
        "a[1m:1m][",
        "1^",
        "((((a))))+",
        "sum by (a) (",
        "topk(1,",
        "#\n",
        "\\",
        "a{b=\"c\"} + ",
        "a[min_of(1,",
        "a offset ",
        "on(",
        "1.",
        "0x",
        "1e+",
        "5m",
        "é",
        "'\\'",
        "a @ ",
        "label_replace(a,'b',\"c\",`d`,'e')+",
    ] {
        let _ = read(&repeated(part));
    }
    let labels: String = (0..5_000).map(|at| format!("l{at}=\"v\",")).collect();
    assert!(read(&format!("a{{{labels}}}")).is_ok());
    let sum = format!("({})", vec!["a"; 900].join("+"));
    let sums = vec![sum; 30].join("+");
    let expr = read(&sums).unwrap();
    assert!(expr.to_pretty().len() >= sums.len());
    let error = read(&"a".repeat(MAX_BYTES + 1)).unwrap_err();
    assert!(
        error.contains("more than the 65536 that are allowed"),
        "{error}"
    );
}
