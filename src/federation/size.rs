//! What queries and plans take of memory, roughly and rather too much than too little: of what is kept of them, so much may be.

use super::{Fragment, Plan, Question, World};
use crate::{
    labels::{LabelSet, Matcher},
    promql::{
        ast::{Expr, ExprKind},
        with_room,
    },
};

/// What a unit of a pattern's cost takes at most when it is compiled, which it is at its first use.
const PATTERN: usize = 1024;

/// What any text or list takes besides what is in it.
const HEAD: usize = 32;

/// The bytes of an expression with its patterns.
pub(super) fn of_query(expr: &Expr) -> usize {
    let here = expr
        .selector()
        .map_or(0, |selector| of_patterns(&selector.matchers));
    below(expr, of_query).fold(here.saturating_add(of_node(expr)), usize::saturating_add)
}

/// The bytes of a plan, whose patterns are those of its query, and of the world that it was made for.
pub(super) fn of_plan(plan: &Plan, world: &World) -> usize {
    let fragments = plan.fragments.iter().map(of_fragment);
    let partitions = world.partitions.iter().map(|partition| {
        let others = partition.others.iter().map(size_of_val);
        size_of_val(partition) + HEAD + others.sum::<usize>() + size_of::<usize>()
    });
    size_of_val(plan) + of_tree(&plan.local) + fragments.chain(partitions).sum::<usize>()
}

fn of_tree(expr: &Expr) -> usize {
    below(expr, of_tree).fold(of_node(expr), usize::saturating_add)
}

fn below(expr: &Expr, of: impl Fn(&Expr) -> usize) -> impl Iterator<Item = usize> {
    let children = expr.children().into_iter();
    children.map(move |child| with_room(|| of(child)))
}

/// An expression without those within.
fn of_node(expr: &Expr) -> usize {
    let selector = expr.selector().map_or(0, |selector| {
        let matchers = selector.matchers.iter().map(|one| {
            let texts = one.name().len() + one.value().len();
            size_of_val(one) + 2 * HEAD + texts
        });
        selector.name.len() + matchers.sum::<usize>()
    });
    let own = match &expr.kind {
        ExprKind::String(text) => text.len(),
        ExprKind::Binary(binary) => size_of_val(&**binary),
        ExprKind::Subquery(subquery) => size_of_val(&**subquery),
        ExprKind::Call(call) => size_of_val(&**call),
        ExprKind::Aggregate(aggregate) => {
            let labels = aggregate.grouping.iter();
            let labels = labels.map(|label| HEAD + label.len());
            size_of_val(&**aggregate) + labels.sum::<usize>()
        }
        _ => 0,
    };
    size_of::<Expr>() + HEAD + selector + own
}

fn of_patterns(matchers: &[Matcher]) -> usize {
    let costs = matchers.iter().filter_map(Matcher::regex);
    let bytes = costs.map(|pattern| {
        let cost = usize::try_from(pattern.cost()).unwrap_or(usize::MAX);
        cost.saturating_mul(PATTERN)
    });
    bytes.fold(0, usize::saturating_add)
}

fn of_fragment(fragment: &Fragment) -> usize {
    size_of_val(fragment) + fragment.questions.iter().map(of_question).sum::<usize>()
}

fn of_question(question: &Question) -> usize {
    let text = |text: &str| HEAD + text.len();
    let others = question.others.iter();
    let others = others.map(|other| size_of_val(other) + text(&other.query));
    let guards = question.guards.iter();
    let guards = guards.map(|guard| size_of_val(guard) + text(&guard.query));
    let own = size_of_val(question) + text(&question.query) + of_labels(&question.attach);
    own + others.chain(guards).sum::<usize>()
}

fn of_labels(labels: &LabelSet) -> usize {
    let pairs = labels.iter();
    pairs.fold(HEAD, |sum, (name, value)| {
        sum + HEAD + name.len() + value.len()
    })
}
