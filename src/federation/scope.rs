//! Where the value of an expression comes from: from no data, from each partition its part, or from all of them at once.

use super::{
    World, prune,
    reach::{Kept, Reach, union},
};
use crate::{
    labels::Matcher,
    promql::{
        FunctionId,
        ast::{
            Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, ExprKind, ValueType,
            VectorMatching,
        },
        with_room,
    },
};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// It needs no data.
    Local,
    /// The value over all data is the union of its values over the data of each partition, where names of attached
    /// labels are taken out of the expression.
    Union(Reach),
    /// It needs the data of these partitions at once.
    Global(Vec<usize>),
}

impl Scope {
    fn partitions(&self) -> &[usize] {
        match self {
            Self::Local => &[],
            Self::Union(reach) => &reach.partitions,
            Self::Global(partitions) => partitions,
        }
    }

    fn global(self) -> Self {
        match self {
            Self::Union(reach) => Self::Global(reach.partitions),
            other => other,
        }
    }
}

/// The scope of an expression, and those of all below it in the order of [`Expr::children`].
#[derive(Debug)]
pub(super) struct Scopes {
    pub(super) own: Scope,
    pub(super) below: Vec<Self>,
}

impl Scopes {
    pub(super) fn of(world: &World, expr: &Expr) -> Self {
        with_room(|| {
            let children = expr.children().into_iter();
            let below: Vec<_> = children.map(|child| Self::of(world, child)).collect();
            let scopes: Vec<&Scope> = below.iter().map(|below| &below.own).collect();
            let own = scope(world, expr, &scopes);
            Self { own, below }
        })
    }

    /// The scope of the last expression below: of what is aggregated, for example.
    pub(super) fn of_last(&self) -> &Scope {
        self.below.last().map_or(&Scope::Local, |last| &last.own)
    }
}

/// The scope of an expression over others of these scopes.
pub(super) fn scope(world: &World, expr: &Expr, below: &[&Scope]) -> Scope {
    match (&expr.kind, below) {
        (ExprKind::Fragment(_), _) => Scope::Global(Vec::new()),
        (ExprKind::Vector(selector), _) => of_selector(world, &selector.matchers),
        (ExprKind::Matrix(matrix), _) => of_selector(world, &matrix.selector.matchers),
        (ExprKind::Aggregate(aggregate), [.., inner]) => {
            of_aggregate(world, aggregate, inner, below)
        }
        (ExprKind::Binary(binary), [lhs, rhs]) => of_binary(world, binary, lhs, rhs),
        (ExprKind::Call(call), _) => of_call(world, call, below),
        (_, [inner]) => (*inner).clone(),
        _ => Scope::Local,
    }
}

fn of_selector(world: &World, matchers: &[Matcher]) -> Scope {
    let partitions = prune::partitions(world, matchers);
    Scope::Union(Reach::of_selector(world, partitions))
}

/// What several values have together if each is a union on its own: all of the same partitions, or it is global.
fn together(scopes: &[&Scope]) -> Scope {
    let mut all = Scope::Local;
    for scope in scopes {
        all = match (all, (*scope).clone()) {
            (Scope::Local, scope) | (scope, Scope::Local) => scope,
            (Scope::Union(a), Scope::Union(b)) if a.partitions == b.partitions => {
                let carried = a.carried.iter().filter(|name| b.carried.contains(name));
                let carried = carried.cloned().collect();
                Scope::Union(a.carrying(carried))
            }
            (a, b) => Scope::Global(union(a.partitions(), b.partitions())),
        };
    }
    all
}

fn of_aggregate(world: &World, aggregate: &Aggregate, inner: &Scope, all: &[&Scope]) -> Scope {
    match (inner, together(all)) {
        (Scope::Union(reach), Scope::Union(_)) => grouped(world, aggregate, reach),
        (_, all) => all.global(),
    }
}

fn grouped(world: &World, aggregate: &Aggregate, reach: &Reach) -> Scope {
    use AggregateOp::{Bottomk, LimitRatio, Limitk, Topk};
    let kept = kept_by(aggregate).of(&reach.carried);
    let overwritten = counted_label(aggregate).is_some_and(|label| overwrites(world, label, reach));
    if overwritten || !(reach.is_single() || reach.is_apart(world, &kept)) {
        return Scope::Global(reach.partitions.clone());
    }
    Scope::Union(match aggregate.op {
        Topk | Bottomk | Limitk | LimitRatio => reach.clone(),
        _ => reach.carrying(kept),
    })
}

fn kept_by(aggregate: &Aggregate) -> Kept<'_> {
    Kept {
        labels: &aggregate.grouping,
        without: aggregate.without,
    }
}

/// The labels that an aggregation of a union still has of its partitions.
pub(super) fn kept_of(aggregate: &Aggregate, reach: &Reach) -> Vec<String> {
    kept_by(aggregate).of(&reach.carried)
}

/// The label that `count_values` writes values to.
pub(super) fn counted_label(aggregate: &Aggregate) -> Option<&str> {
    let param = aggregate.param.as_ref()?.unwrap_parens();
    match (&param.kind, aggregate.op) {
        (ExprKind::String(label), AggregateOp::CountValues) => Some(label),
        _ => None,
    }
}

/// Whether a label that is written is one of the partitions': the elements have it, or it is taken out of what is asked.
pub(super) fn overwrites(world: &World, label: &str, reach: &Reach) -> bool {
    reach.carried.iter().any(|name| name == label) || reach.attaches_label(world, label)
}

fn of_binary(world: &World, binary: &Binary, lhs: &Scope, rhs: &Scope) -> Scope {
    let is_vector = |expr: &Expr| expr.value_type() == ValueType::Vector;
    let vectors = is_vector(&binary.lhs) && is_vector(&binary.rhs);
    let matching = binary.matching.as_ref().filter(|_| vectors);
    let Some(matching) = matching else {
        let of_vector = match (is_vector(&binary.lhs), lhs, rhs) {
            (true, Scope::Union(reach), _) | (false, _, Scope::Union(reach)) => {
                reach.carried.clone()
            }
            _ => Vec::new(),
        };
        return match together(&[lhs, rhs]) {
            Scope::Union(reach) => Scope::Union(reach.carrying(of_vector)),
            other => other,
        };
    };
    let sides = Sides {
        world,
        op: binary.op,
        matching,
    };
    match (lhs, rhs) {
        (Scope::Union(lhs), Scope::Union(rhs)) if lhs.partitions == rhs.partitions => {
            sides.unions(lhs, rhs)
        }
        (Scope::Union(lhs), Scope::Local) => sides.with_local_right(lhs),
        (Scope::Local, Scope::Union(rhs)) => sides.with_local_left(rhs),
        (lhs, rhs) => together(&[lhs, rhs]).global(),
    }
}

/// Two vectors whose elements are matched.
struct Sides<'a> {
    world: &'a World,
    op: BinaryOp,
    matching: &'a VectorMatching,
}

impl Sides<'_> {
    fn unions(&self, lhs: &Reach, rhs: &Reach) -> Scope {
        let (left, right) = (self.key(lhs), self.key(rhs));
        // Taken out of the expression, an attached label no longer keeps apart what has it and what does not.
        let even = left == right || !lhs.attaches(self.world);
        let apart = lhs.is_single()
            || (lhs.is_apart(self.world, &left) && rhs.is_apart(self.world, &right));
        let same = lhs.carried == rhs.carried || !lhs.attaches(self.world) && lhs.is_single();
        let included = self.matching.include.iter();
        let mut included = included.filter(|name| union(&lhs.carried, &rhs.carried).contains(name));
        let whole = self.op != BinaryOp::Or || same;
        if !(even && apart && whole && included.next().is_none()) {
            return Scope::Global(lhs.partitions.clone());
        }
        let carried = match (self.op.is_set(), self.matching.cardinality) {
            (true, _) | (false, Cardinality::ManyToOne) => lhs.carried.clone(),
            (false, Cardinality::OneToMany) => rhs.carried.clone(),
            (false, _) => left,
        };
        Scope::Union(lhs.carrying(carried))
    }

    /// `x and on () hour() > 8`: the right side is the same everywhere.
    fn with_local_right(&self, lhs: &Reach) -> Scope {
        if lhs.is_single() {
            return self.unions(lhs, &lhs.carrying(Vec::new()));
        }
        let each = matches!(self.op, BinaryOp::And | BinaryOp::Unless)
            || self.matching.cardinality == Cardinality::ManyToOne;
        self.with_local(lhs, each)
    }

    fn with_local_left(&self, rhs: &Reach) -> Scope {
        if rhs.is_single() {
            return self.unions(&rhs.carrying(Vec::new()), rhs);
        }
        self.with_local(rhs, self.matching.cardinality == Cardinality::OneToMany)
    }

    /// A vector whose elements are each matched on their own.
    fn with_local(&self, reach: &Reach, each: bool) -> Scope {
        let even = self.key(reach).is_empty() || !reach.attaches(self.world);
        let included = self.matching.include.iter();
        let mut included = included.filter(|name| reach.carried.contains(name));
        if each && even && included.next().is_none() {
            Scope::Union(reach.clone())
        } else {
            Scope::Global(reach.partitions.clone())
        }
    }

    /// The partition labels that are compared.
    fn key(&self, reach: &Reach) -> Vec<String> {
        let kept = Kept {
            labels: &self.matching.labels,
            without: !self.matching.on,
        };
        kept.of(&reach.carried)
    }
}

fn of_call(world: &World, call: &Call, scopes: &[&Scope]) -> Scope {
    use FunctionId::{
        Absent, AbsentOverTime, HistogramFraction, HistogramQuantile, HistogramQuantiles, Info,
        LabelJoin, LabelReplace, Scalar, Vector,
    };
    let carried = of_data(call, scopes);
    let reach = match together(scopes) {
        Scope::Union(reach) => reach,
        other => return other,
    };
    let global = || Scope::Global(reach.partitions.clone());
    let single = |carried: Vec<String>| {
        if reach.is_single() {
            Scope::Union(reach.carrying(carried))
        } else {
            global()
        }
    };
    match call.function.id {
        Info => global(),
        Absent | AbsentOverTime if names_attached(world, call, &reach) => global(),
        Absent | AbsentOverTime | Scalar | Vector => single(Vec::new()),
        // Their buckets belong together.
        HistogramFraction | HistogramQuantile | HistogramQuantiles
            if !reach.is_apart(world, &reach.carried) =>
        {
            single(carried)
        }
        LabelJoin | LabelReplace => relabelled(world, call, &reach),
        _ => Scope::Union(reach.carrying(carried)),
    }
}

/// The partition labels of the vector or window among the arguments.
fn of_data(call: &Call, scopes: &[&Scope]) -> Vec<String> {
    let data = |arg: &Expr| matches!(arg.value_type(), ValueType::Vector | ValueType::Matrix);
    let mut args = call.args.iter().zip(scopes);
    match args.find(|(arg, _)| data(arg)) {
        Some((_, Scope::Union(reach))) => reach.carried.clone(),
        _ => Vec::new(),
    }
}

/// Whether `absent` would tell of a label that is only attached here.
fn names_attached(world: &World, call: &Call, reach: &Reach) -> bool {
    let matchers = call.args.first().map(absent_matchers).unwrap_or_default();
    let mut names = matchers.iter().map(Matcher::name);
    names.any(|name| reach.attaches_label(world, name))
}

/// What the labels that `absent` yields are made of.
pub(super) fn absent_matchers(arg: &Expr) -> &[Matcher] {
    match &arg.unwrap_parens().kind {
        ExprKind::Vector(selector) => &selector.matchers,
        ExprKind::Matrix(matrix) => &matrix.selector.matchers,
        _ => &[],
    }
}

/// `label_replace`, `label_join`: the label that is written, and those that are read.
fn relabelled(world: &World, call: &Call, reach: &Reach) -> Scope {
    let text = |at: usize| match call.args.get(at).map(|arg| &arg.unwrap_parens().kind) {
        Some(ExprKind::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let sources = match call.function.id {
        FunctionId::LabelReplace => 3..4,
        _ => 3..call.args.len().max(3),
    };
    let mut named = std::iter::once(1).chain(sources).filter_map(text);
    if named.any(|name| reach.attaches_label(world, name)) {
        return Scope::Global(reach.partitions.clone());
    }
    let kept = reach.carried.iter().filter(|name| text(1) != Some(name));
    Scope::Union(reach.carrying(kept.cloned().collect()))
}
