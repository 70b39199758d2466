//! What endpoints may be asked so that they answer as the engine would.

use std::convert::Infallible;

use super::{Dialect, Extent, Partition, Pushdown, guard, prune::is_classic, versions};
use crate::promql::{
    FunctionId,
    ast::{
        Aggregate, AggregateOp, Binary, BinaryOp, Call, Duration, Expr, ExprKind, Extended,
        UnaryOp, ValueType, VectorSelector,
    },
    engine::Options,
    with_room,
};

/// What is known of the query that a part is taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) options: Options,
    /// Whether names that are dropped later can be seen before (`promql-delayed-name-removal`).
    pub(super) names_matter: bool,
}

impl Habits {
    pub(super) fn new(expr: &Expr, options: Options) -> Self {
        Self {
            options,
            names_matter: options.delayed_name_removal && uses_names(expr),
        }
    }

    /// Whether a partition's answer to an expression is what the engine would make of its data. With `overlap`, other
    /// partitions may hold the same series.
    pub(super) fn may_ask(self, partition: &Partition, overlap: bool, expr: &Expr) -> bool {
        let may = |partition: &Partition| self.may_ask_first(partition, overlap, expr);
        let common = partition.extent == Extent::Common;
        may(partition) && (!common || partition.of_others().all(|other| may(&other)))
    }

    /// The same for the replica that is asked first.
    pub(super) fn may_ask_first(self, partition: &Partition, overlap: bool, expr: &Expr) -> bool {
        let selectors =
            partition.extent == Extent::Selectors || partition.pushdown == Pushdown::Selector;
        let asker = Asker {
            habits: self,
            partition,
            whole: !overlap && !selectors,
            exact: partition.pushdown != Pushdown::Full,
        };
        asker.may(expr)
    }
}

struct Asker<'a> {
    habits: Habits,
    partition: &'a Partition,
    /// Whether anything but selectors may be asked.
    whole: bool,
    /// Whether what differs between dialects may not be asked.
    exact: bool,
}

impl Asker<'_> {
    fn may(&self, expr: &Expr) -> bool {
        with_room(|| self.may_kind(expr))
    }

    fn may_kind(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Vector(selector) => selector.extended == Extended::No,
            ExprKind::Call(call) if is_timestamp_of_selector(call) => {
                self.may_drop_name(expr) && self.all(expr)
            }
            _ => self.whole && self.kind(expr) && self.may_drop_name(expr) && self.all(expr),
        }
    }

    fn all(&self, expr: &Expr) -> bool {
        expr.children().into_iter().all(|child| self.may(child))
    }

    fn kind(&self, expr: &Expr) -> bool {
        let metrics_ql = self.exact && self.partition.dialect == Dialect::VictoriaMetrics;
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Paren(_) => true,
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ExprKind::Vector(_) | ExprKind::Fragment(_) => false,
            _ if metrics_ql => false,
            ExprKind::Unary(..) => true,
            ExprKind::Matrix(matrix) => {
                matrix.selector.extended == Extended::No && self.window(&matrix.range)
            }
            // Guards are about the steps of the query, not about those of a subquery.
            ExprKind::Subquery(subquery) => {
                self.window(&subquery.range) && !guard::has_guarded(self.partition, &subquery.expr)
            }
            ExprKind::Binary(binary) => {
                let dialect = self.partition.dialect;
                plain(binary) && (!self.exact || versions::names_as_here(dialect, binary))
            }
            ExprKind::Call(call) => self.call(call),
        }
    }

    fn window(&self, range: &Duration) -> bool {
        shortened(self.partition.dialect, range).is_some()
    }

    fn aggregate(&self, aggregate: &Aggregate) -> bool {
        let label = super::scope::counted_label(aggregate);
        let writable = label.is_none_or(|label| self.knows_label(label));
        let dialect = self.partition.dialect;
        let same = !self.exact || versions::aggregates_as_here(dialect, aggregate);
        writable && same && !aggregate.op.is_experimental()
    }

    fn knows_label(&self, name: &str) -> bool {
        self.partition.dialect != Dialect::Prometheus2 || is_classic(name)
    }

    fn call(&self, call: &Call) -> bool {
        use FunctionId::{
            Delta, FirstOverTime, HistogramAvg, HistogramCount, HistogramFraction,
            HistogramQuantile, HistogramStddev, HistogramStdvar, HistogramSum, Increase, Info,
            LabelJoin, LabelReplace, Rate, Sort, SortByLabel, SortByLabelDesc, SortDesc,
        };
        let old = self.exact && self.partition.dialect == Dialect::Prometheus2;
        let windows = call
            .args
            .iter()
            .any(|arg| arg.value_type() == ValueType::Matrix);
        let starts = windows && self.habits.options.use_start_timestamps;
        let written = match call.args.get(1).map(|arg| &arg.unwrap_parens().kind) {
            Some(ExprKind::String(label)) => self.knows_label(label),
            _ => true,
        };
        match call.function.id {
            _ if call.function.experimental || starts => false,
            _ if self.exact && !versions::calls_as_here(self.partition.dialect, call) => false,
            Info | Sort | SortDesc | SortByLabel | SortByLabelDesc => false,
            // Younger than 3.0, or with another meaning since.
            FirstOverTime | HistogramFraction => false,
            Rate | Increase | Delta => !old || guard::guarded(self.partition, call).is_some(),
            // Its remarks tell names, which are there still if they are dropped late.
            HistogramQuantile if self.habits.options.delayed_name_removal => false,
            HistogramAvg | HistogramCount | HistogramQuantile | HistogramStddev
            | HistogramStdvar | HistogramSum => !old,
            LabelReplace | LabelJoin => written,
            _ => true,
        }
    }

    /// Endpoints drop names at once. That shows if names are dropped later here and are used or keep series apart until
    /// then.
    fn may_drop_name(&self, expr: &Expr) -> bool {
        let options = self.habits.options;
        if !drops_name(expr) {
            return true;
        }
        if options.type_and_unit_labels {
            return false;
        }
        !options.delayed_name_removal || !self.habits.names_matter && names_are_fixed(expr)
    }
}

/// Operators and modifiers that all endpoints know.
fn plain(binary: &Binary) -> bool {
    let trims = matches!(binary.op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
    let matching = binary.matching.as_ref();
    let fills = matching.is_some_and(|m| m.fill_left.is_some() || m.fill_right.is_some());
    !trims && !fills
}

/// `timestamp(x)` cannot be computed from the values of `x`.
fn is_timestamp_of_selector(call: &Call) -> bool {
    let arg = call.args.first().map(|arg| &arg.unwrap_parens().kind);
    call.function.id == FunctionId::Timestamp && matches!(arg, Some(ExprKind::Vector(_)))
}

/// The window that holds the same samples at an endpoint, if there is one: windows of Prometheus 2 include their start.
pub(super) fn shortened(dialect: Dialect, range: &Duration) -> Option<Duration> {
    match (dialect, range) {
        (Dialect::Prometheus2, Duration::Fixed(range)) if *range > 1 => {
            Some(Duration::Fixed(range - 1))
        }
        (Dialect::Prometheus2, _) => None,
        (_, range) => Some(range.clone()),
    }
}

/// How far the selectors of an endpoint are to look back, so that they find what the engine would find.
pub(super) fn lookback(dialect: Dialect, lookback: i64) -> i64 {
    lookback - i64::from(dialect == Dialect::Prometheus2)
}

/// What an endpoint was asked, as the engine evaluates it over the endpoint's samples, and how far its instant selectors
/// look back then: what was shortened for windows that include their start is as long as it was.
#[must_use]
pub fn as_here(dialect: Dialect, asked: &Expr, lookback: i64) -> (Expr, i64) {
    if dialect == Dialect::Prometheus2 {
        (lengthened(asked), lookback.saturating_add(1))
    } else {
        (asked.clone(), lookback)
    }
}

fn lengthened(asked: &Expr) -> Expr {
    let Ok(mut expr) = asked.with_children(|child| Ok::<_, Infallible>(lengthened(child)));
    let range = match &mut expr.kind {
        ExprKind::Matrix(matrix) => Some(&mut matrix.range),
        ExprKind::Subquery(subquery) => Some(&mut subquery.range),
        _ => None,
    };
    if let Some(Duration::Fixed(range)) = range {
        *range = range.saturating_add(1);
    }
    expr
}

/// Whether the elements lose their names right here.
fn drops_name(expr: &Expr) -> bool {
    use FunctionId::{
        Absent, FirstOverTime, LabelJoin, LabelReplace, LastOverTime, Scalar, Sort, SortDesc,
    };
    match &expr.kind {
        ExprKind::Unary(op, inner) => {
            *op == UnaryOp::Minus && inner.value_type() == ValueType::Vector
        }
        ExprKind::Binary(binary) => {
            expr.value_type() == ValueType::Vector
                && !binary.op.is_set()
                && (!binary.op.is_comparison() || binary.return_bool)
        }
        ExprKind::Call(call) => {
            let keeps = matches!(
                call.function.id,
                Absent
                    | FirstOverTime
                    | LabelJoin
                    | LabelReplace
                    | LastOverTime
                    | Scalar
                    | Sort
                    | SortDesc
            );
            call.function.returns == ValueType::Vector && !keeps
        }
        _ => false,
    }
}

/// Whether an expression has names dropped by what it computes.
pub(super) fn is_nameless(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) => is_nameless(inner),
        ExprKind::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Topk | AggregateOp::Bottomk => is_nameless(&aggregate.expr),
            _ => aggregate.without || !aggregate.grouping.iter().any(|label| label == NAME),
        },
        _ => drops_name(expr),
    }
}

/// Whether each selector below names its metric.
fn names_are_fixed(expr: &Expr) -> bool {
    let named = |selector: &VectorSelector| {
        let mut matchers = selector.matchers.iter();
        matchers.any(|m| m.name() == NAME && m.op() == crate::labels::MatchOp::Equal)
    };
    match &expr.kind {
        ExprKind::Vector(selector) => named(selector),
        ExprKind::Matrix(matrix) => named(&matrix.selector),
        _ => expr.children().into_iter().all(names_are_fixed),
    }
}

/// Whether an expression uses names, or what is dropped with them, other than to select by them.
fn uses_names(expr: &Expr) -> bool {
    let dropped = |label: &str| matches!(label, NAME | "__type__" | "__unit__");
    let any = |labels: &[String]| labels.iter().any(|label| dropped(label));
    let here = match &expr.kind {
        ExprKind::String(text) => dropped(text),
        ExprKind::Aggregate(aggregate) => aggregate.without || any(&aggregate.grouping),
        ExprKind::Binary(binary) => {
            let matching = binary.matching.as_ref();
            matching.is_some_and(|matching| {
                !matching.on || any(&matching.labels) || any(&matching.include)
            })
        }
        _ => false,
    };
    here || expr.children().into_iter().any(uses_names)
}

const NAME: &str = "__name__";

/// Whether the native histograms that an expression yields are no counters, so that nothing is said of resets.
pub(super) fn yields_gauges(expr: &Expr) -> bool {
    use FunctionId::{Delta, Idelta, Increase, Irate, Rate};
    match &expr.unwrap_parens().kind {
        ExprKind::Call(call) => {
            matches!(call.function.id, Rate | Increase | Delta | Irate | Idelta)
        }
        _ => false,
    }
}
