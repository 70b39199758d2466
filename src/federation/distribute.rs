//! Cuts an expression into what partitions compute and what is computed here.

use std::{convert::Infallible, sync::Arc};

use super::{
    Dialect, Fragment, Partition, Question, Version, World, ask,
    dialect::{self, Habits},
    guard,
    reach::Reach,
    scope::{self, Scope, Scopes},
};
use crate::promql::{
    Function, FunctionId,
    ast::{
        Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, ExprKind, ValueType, VectorMatching,
    },
    engine::{self, Steps},
    with_room,
};

pub(super) struct Distributor<'a> {
    pub(super) world: &'a World,
    pub(super) habits: Habits,
    pub(super) steps: Steps,
    pub(super) fragments: Vec<Fragment>,
}

impl Distributor<'_> {
    /// What is computed here of an expression.
    pub(super) fn local(&mut self, expr: &Expr, scopes: &Scopes) -> Expr {
        with_room(|| self.distributed(expr, scopes))
    }

    fn distributed(&mut self, expr: &Expr, scopes: &Scopes) -> Expr {
        if expr.value_type() == ValueType::Vector
            && let Scope::Union(reach) = &scopes.own
            && self.may_ask(reach, expr)
        {
            return self.fragment(expr, reach, &reach.carried, Sum::No);
        }
        let local = match &expr.kind {
            ExprKind::Aggregate(aggregate) => self.aggregate(expr, aggregate, scopes),
            ExprKind::Call(call) => self.call(expr, call, scopes),
            _ => None,
        };
        local.unwrap_or_else(|| self.below(expr, scopes))
    }

    fn below(&mut self, expr: &Expr, scopes: &Scopes) -> Expr {
        let mut below = scopes.below.iter();
        let Ok(local) = expr.with_children(|child| {
            let local = below.next().map(|scopes| self.local(child, scopes));
            Ok::<_, Infallible>(local.unwrap_or_else(|| child.clone()))
        });
        local
    }

    fn may_ask(&self, reach: &Reach, expr: &Expr) -> bool {
        if reach.partitions.is_empty() {
            // Nobody would say what is wrong with it.
            return matches!(expr.kind, ExprKind::Vector(_));
        }
        let overlap = self.overlap(reach);
        self.partitions(reach)
            .all(|partition| self.habits.may_ask(partition, overlap, expr))
    }

    fn partitions(&self, reach: &Reach) -> impl Iterator<Item = &Partition> {
        let places = reach.partitions.iter();
        places.filter_map(|at| self.world.partitions.get(*at))
    }

    /// Whether partitions may hold the same series.
    fn overlap(&self, reach: &Reach) -> bool {
        let mut partitions = self.partitions(reach);
        !reach.is_single() && partitions.any(|partition| partition.overlap)
    }

    /// How far instant selectors of a dialect look back.
    fn lookback(&self, dialect: Dialect) -> i64 {
        dialect::lookback(dialect, self.habits.options.lookback)
    }

    /// What replicas of a partition that are spoken to otherwise than the first are asked, if they may be.
    fn versions(&self, partition: &Partition, overlap: bool, expr: &Expr) -> Vec<Version> {
        let may = |one: &Partition| {
            ask::may_have(one, expr) && self.habits.may_ask_first(one, overlap, expr)
        };
        let others = partition.of_others().filter(may);
        let version = |one: Partition| {
            let lookback = self.lookback(one.dialect);
            Version {
                speech: one.speech(),
                query: ask::asked(&one, lookback, expr).to_string().into(),
                lookback,
            }
        };
        others.map(version).collect()
    }

    /// Asks each partition for an expression, whose elements carry some of the partitions' labels.
    fn fragment(&mut self, expr: &Expr, reach: &Reach, carried: &[String], sum: Sum) -> Expr {
        // Most partitions differ in the values of their labels only, of which nothing is asked.
        let mut last: Option<(&Partition, Arc<str>)> = None;
        let overlap = self.overlap(reach);
        let questions = reach.partitions.iter().filter_map(|at| {
            let partition = self.world.partitions.get(*at)?;
            let carries = |name: &str| carried.iter().any(|carried| carried == name);
            let lookback = self.lookback(partition.dialect);
            let query = match &last {
                Some((before, query)) if ask::is_asked_alike(before, partition) => {
                    Arc::clone(query)
                }
                Some(_) | None => ask::asked(partition, lookback, expr).to_string().into(),
            };
            last = Some((partition, Arc::clone(&query)));
            Some(Question {
                partition: *at,
                query,
                lookback,
                attach: partition
                    .ever_attached()
                    .filter_pairs(|name, _| carries(name)),
                speech: partition.speech(),
                others: self.versions(partition, overlap, expr),
                guards: guard::guards(partition, expr),
            })
        });
        let fragment = Fragment {
            questions: questions.collect(),
            span: expr.span,
            selects: matches!(expr.unwrap_parens().kind, ExprKind::Vector(_)),
            fixed: engine::is_fixed(expr, self.steps, self.habits.options).unwrap_or(false),
            nameless: dialect::is_nameless(expr),
            counters: sum != Sum::No && !expr.children().into_iter().any(dialect::yields_gauges),
            partial: sum != Sum::No,
            finite: sum == Sum::Finite,
        };
        self.fragments.push(fragment);
        expr.of_kind(ExprKind::Fragment(self.fragments.len() - 1))
    }

    /// An aggregation over several partitions, of parts that they aggregate themselves.
    fn aggregate(&mut self, expr: &Expr, aggregate: &Aggregate, scopes: &Scopes) -> Option<Expr> {
        use AggregateOp::{Avg, Bottomk, Count, CountValues, Group, Max, Min, Sum as Add, Topk};
        let Scope::Union(reach) = scopes.of_last() else {
            return None;
        };
        let param = match scopes.below.as_slice() {
            [param, _] => &param.own,
            _ => &Scope::Local,
        };
        if *param != Scope::Local || !self.may_ask(reach, expr) {
            return None;
        }
        let kept = scope::kept_of(aggregate, reach);
        match aggregate.op {
            Add | Min | Max | Group | Count => {
                let parts = self.fragment(expr, reach, &kept, Sum::Yes);
                Some(merged(expr, aggregate, parts))
            }
            Topk | Bottomk => {
                let parts = self.fragment(expr, reach, &reach.carried, Sum::No);
                Some(expr.of_kind(ExprKind::Aggregate(Box::new(Aggregate {
                    expr: parts,
                    ..aggregate.clone()
                }))))
            }
            CountValues => {
                let label = scope::counted_label(aggregate)?;
                if scope::overwrites(self.world, label, reach) {
                    return None;
                }
                let parts = self.fragment(expr, reach, &kept, Sum::Yes);
                Some(merged(expr, aggregate, parts))
            }
            Avg => self.average(expr, aggregate, reach, &kept),
            _ => None,
        }
    }

    /// An average as the sum of sums by the sum of counts.
    fn average(
        &mut self,
        expr: &Expr,
        aggregate: &Aggregate,
        reach: &Reach,
        kept: &[String],
    ) -> Option<Expr> {
        let names = |label: &String| label == "__name__";
        if !aggregate.without && aggregate.grouping.iter().any(names) {
            return None;
        }
        let mut part = |op, sum| {
            let part = Aggregate {
                op,
                ..aggregate.clone()
            };
            let whole = expr.of_kind(ExprKind::Aggregate(Box::new(part.clone())));
            let parts = self.fragment(&whole, reach, kept, sum);
            merged(&whole, &part, parts)
        };
        Some(expr.of_kind(ExprKind::Binary(Box::new(Binary {
            op: BinaryOp::Div,
            lhs: part(AggregateOp::Sum, Sum::Finite),
            rhs: part(AggregateOp::Count, Sum::Yes),
            matching: Some(VectorMatching::default_for(BinaryOp::Div)),
            return_bool: false,
        }))))
    }

    fn call(&mut self, expr: &Expr, call: &Call, scopes: &Scopes) -> Option<Expr> {
        match call.function.id {
            // They need more of samples than their values at the steps.
            FunctionId::Info | FunctionId::StartTimestamp => Some(expr.clone()),
            FunctionId::Timestamp if takes_selector(call) => Some(expr.clone()),
            FunctionId::Absent => {
                let written = call.args.first()?;
                self.absent(expr, written, written, scopes.below.first()?)
            }
            FunctionId::AbsentOverTime => {
                let present = expr.of_kind(ExprKind::Call(Box::new(Call {
                    function: Function::find("present_over_time")?,
                    args: call.args.clone(),
                })));
                let scopes = Scopes::of(self.world, &present);
                let Scope::Union(reach) = &scopes.own else {
                    return None;
                };
                let may_ask = self.may_ask(reach, &present);
                may_ask.then(|| self.absent(expr, call.args.first()?, &present, &scopes))?
            }
            _ => None,
        }
    }

    /// `absent`, of what says whether anything is present; its labels come from the selector that is written.
    fn absent(
        &mut self,
        expr: &Expr,
        written: &Expr,
        present: &Expr,
        scopes: &Scopes,
    ) -> Option<Expr> {
        let group = expr.of_kind(ExprKind::Aggregate(Box::new(Aggregate {
            op: AggregateOp::Group,
            expr: present.clone(),
            param: None,
            grouping: Vec::new(),
            without: false,
        })));
        let parts = match &scopes.own {
            Scope::Union(reach) if self.may_ask(reach, &group) => {
                self.fragment(&group, reach, &[], Sum::Yes)
            }
            _ => self.local(present, scopes),
        };
        let mut absent = call_of(expr, "absent", vec![parts])?;
        for (name, value) in &engine::absent_labels(scope::absent_matchers(written)) {
            let text = |text: String| expr.of_kind(ExprKind::String(text));
            let args = vec![
                absent,
                text(name.to_owned()),
                text(value.replace('$', "$$")),
                text(name.to_owned()),
                text(String::new()),
            ];
            absent = call_of(expr, "label_replace", args)?;
        }
        Some(absent)
    }
}

/// Whether a fragment's answers are parts of sums, so that several may have the same labels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sum {
    No,
    Yes,
    /// Sums whose quotient is taken: if they are not finite, they say nothing.
    Finite,
}

fn call_of(expr: &Expr, name: &str, args: Vec<Expr>) -> Option<Expr> {
    let function = Function::find(name)?;
    Some(expr.of_kind(ExprKind::Call(Box::new(Call { function, args }))))
}

/// The aggregation of what partitions aggregated.
fn merged(expr: &Expr, aggregate: &Aggregate, parts: Expr) -> Expr {
    let mut grouping = aggregate.grouping.clone();
    let label = scope::counted_label(aggregate);
    if aggregate.without {
        grouping.retain(|name| Some(name.as_str()) != label);
    } else {
        grouping.extend(label.map(str::to_owned));
    }
    expr.of_kind(ExprKind::Aggregate(Box::new(Aggregate {
        op: match aggregate.op {
            AggregateOp::Count | AggregateOp::CountValues => AggregateOp::Sum,
            op => op,
        },
        expr: parts,
        param: None,
        grouping,
        without: aggregate.without,
    })))
}

fn takes_selector(call: &Call) -> bool {
    let arg = call.args.first().map(|arg| &arg.unwrap_parens().kind);
    matches!(arg, Some(ExprKind::Vector(_)))
}
