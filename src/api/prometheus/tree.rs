//! The tree of an expression as JSON, for the tree view of Prometheus's page (`web/api/v1/translate_ast.go`).

use serde_json::{Value, json};

use crate::{
    json::push_value,
    labels::Matcher,
    promql::{
        Function, Variadic,
        ast::{
            At, Cardinality, Duration, DurationExpr, DurationExprKind, Expr, ExprKind, Extended,
            NumberLiteral, TimeShift, UnaryOp, ValueType, VectorMatching, VectorSelector,
        },
        go_float, on_large_stack,
    },
};

/// Appends the tree.
pub(super) fn push_tree(out: &mut String, expr: &Expr) {
    on_large_stack(|| push_value(out, &tree(expr)));
}

fn tree(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(number) => {
            json!({"type": "numberLiteral", "val": go_float(number.value)})
        }
        ExprKind::String(text) => json!({"type": "stringLiteral", "val": text}),
        ExprKind::Paren(inner) => json!({"type": "parenExpr", "expr": tree(inner)}),
        ExprKind::Unary(op, inner) => {
            json!({"type": "unaryExpr", "op": sign(*op), "expr": tree(inner)})
        }
        ExprKind::Vector(selector) => with(selector_members(selector), "vectorSelector", &[]),
        ExprKind::Matrix(matrix) => {
            let range = [
                ("range", fixed(&matrix.range)),
                ("rangeExpr", computed(&matrix.range)),
            ];
            with(selector_members(&matrix.selector), "matrixSelector", &range)
        }
        ExprKind::Subquery(subquery) => {
            let step = subquery.step.as_ref();
            let more = [
                ("expr", tree(&subquery.expr)),
                ("range", fixed(&subquery.range)),
                ("rangeExpr", computed(&subquery.range)),
                ("step", step.map_or_else(|| json!(0), fixed)),
                ("stepExpr", step.map_or(Value::Null, computed)),
            ];
            with(shift_members(&subquery.shift), "subquery", &more)
        }
        ExprKind::Binary(binary) => json!({
            "type": "binaryExpr",
            "op": binary.op.as_str(),
            "lhs": tree(&binary.lhs),
            "rhs": tree(&binary.rhs),
            "matching": binary.matching.as_ref().map(matching),
            "bool": binary.return_bool,
        }),
        ExprKind::Aggregate(aggregate) => json!({
            "type": "aggregation",
            "op": aggregate.op.as_str(),
            "expr": tree(&aggregate.expr),
            "param": aggregate.param.as_ref().map(tree),
            "grouping": aggregate.grouping,
            "without": aggregate.without,
        }),
        ExprKind::Call(call) => json!({
            "type": "call",
            "func": function(call.function),
            "args": call.args.iter().map(tree).collect::<Vec<_>>(),
        }),
        ExprKind::Fragment(number) => json!({"type": "fragment", "number": number}),
    }
}

fn with(mut members: Value, kind: &str, more: &[(&str, Value)]) -> Value {
    if let Some(object) = members.as_object_mut() {
        object.insert("type".to_owned(), json!(kind));
        for (name, value) in more {
            object.insert((*name).to_owned(), value.clone());
        }
    }
    members
}

fn selector_members(selector: &VectorSelector) -> Value {
    let more = [
        ("name", json!(selector.name)),
        (
            "matchers",
            selector
                .matchers
                .iter()
                .map(matcher)
                .collect::<Vec<_>>()
                .into(),
        ),
        ("anchored", json!(selector.extended == Extended::Anchored)),
        ("smoothed", json!(selector.extended == Extended::Smoothed)),
    ];
    with(shift_members(&selector.shift), "", &more)
}

fn shift_members(shift: &TimeShift) -> Value {
    let (timestamp, word) = match shift.at {
        None => (Value::Null, Value::Null),
        Some(At::Time(time)) => (json!(time), Value::Null),
        Some(At::Start) => (Value::Null, json!("start")),
        Some(At::End) => (Value::Null, json!("end")),
    };
    json!({
        "offset": fixed(&shift.offset),
        "offsetExpr": computed(&shift.offset),
        "timestamp": timestamp,
        "startOrEnd": word,
    })
}

fn matcher(matcher: &Matcher) -> Value {
    json!({"name": matcher.name(), "value": matcher.value(), "type": matcher.op().as_str()})
}

fn matching(matching: &VectorMatching) -> Value {
    let card = match matching.cardinality {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    json!({
        "card": card,
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
        "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
    })
}

fn function(function: &Function) -> Value {
    let types = function.args.iter().map(|arg: &ValueType| arg.as_str());
    let variadic = match function.variadic {
        Variadic::No => 0,
        Variadic::UpTo(most) => i64::try_from(most).unwrap_or(i64::MAX),
        Variadic::Any => -1,
    };
    json!({
        "name": function.name,
        "argTypes": types.collect::<Vec<_>>(),
        "variadic": variadic,
        "returnType": function.returns.as_str(),
    })
}

fn fixed(duration: &Duration) -> Value {
    match duration {
        Duration::Fixed(millis) => json!(millis),
        Duration::Expr(_) => json!(0),
    }
}

fn computed(duration: &Duration) -> Value {
    match duration {
        Duration::Fixed(_) => Value::Null,
        Duration::Expr(expr) => duration_tree(expr, false),
    }
}

fn duration_tree(expr: &DurationExpr, wrapped: bool) -> Value {
    let node = |op: &str, lhs: Value, rhs: Value| json!({"type": "durationExpr", "op": op, "lhs": lhs, "rhs": rhs, "wrapped": wrapped});
    let child = |expr: &DurationExpr| duration_tree(expr, false);
    match &expr.kind {
        DurationExprKind::Number(NumberLiteral { value, duration }) => {
            json!({"type": "numberLiteral", "val": go_float(*value), "duration": duration})
        }
        DurationExprKind::Step => node("step", Value::Null, Value::Null),
        DurationExprKind::Range => node("range", Value::Null, Value::Null),
        DurationExprKind::Paren(inner) => duration_tree(inner, true),
        DurationExprKind::Unary(op, inner) => node(sign(*op), Value::Null, child(inner)),
        DurationExprKind::Binary(op, lhs, rhs) => node(op.as_str(), child(lhs), child(rhs)),
        DurationExprKind::MinOf(lhs, rhs) => node("min_of", child(lhs), child(rhs)),
        DurationExprKind::MaxOf(lhs, rhs) => node("max_of", child(lhs), child(rhs)),
    }
}

fn sign(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Plus => "+",
        UnaryOp::Minus => "-",
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::promql::parse::{Features, MAX_DEPTH, parse};

    #[test]
    fn the_deepest_trees_need_little_stack() {
        let count = MAX_DEPTH as usize - 2;
        let query = format!("{}a{}", "abs(".repeat(count), ")".repeat(count));
        let work = move || {
            let expr = parse(&query, Features::none()).unwrap();
            let mut out = String::new();
            push_tree(&mut out, &expr);
            out
        };
        let out = thread::Builder::new().stack_size(1024 * 1024).spawn(work);
        let out = out.unwrap().join().unwrap();
        assert_eq!(out.matches("\"name\":\"abs\"").count(), count);
    }
}
