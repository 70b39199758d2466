//! What will be evaluated: the tree with all times resolved, and the data that it needs
//! (`PreprocessExpr` and `getTimeRangesForSelector` of `promql/engine.go`).

use std::collections::{BTreeMap, BTreeSet};

use super::{EvalError, Options, Output, Selection, Steps, Stop, evaluate, room::Room};
use crate::{
    labels::{MatchOp, Matcher},
    promql::{
        Function, FunctionId, Series, Span,
        ast::{
            Aggregate, AggregateOp, At, Binary, Call, Duration, DurationExpr, DurationExprKind,
            Expr, ExprKind, Extended, MatrixSelector, Subquery, TimeShift, UnaryOp, ValueType,
            VectorSelector,
        },
        functions::{max_of, min_of, of_numbers},
        with_room,
    },
};

/// A part of the plan.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) span: Span,
    pub(super) value_type: ValueType,
}

#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    Number(f64),
    Text(String),
    Instant(Instant),
    /// Values at exactly the steps, which were evaluated elsewhere.
    Fragment(usize),
    Range(Range),
    Subquery(Box<SubqueryNode>),
    /// What has a plus before it: the same, but no selector for those who look for one.
    Same(Box<Node>),
    Negate(Box<Node>),
    Binary(Box<BinaryNode>),
    Aggregate(Box<AggregateNode>),
    Call(Box<CallNode>),
    /// Has the same value at all steps: evaluated at the first.
    Invariant(Box<Node>),
}

/// When a selector looks at its data: `@` and `offset`, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shift {
    pub(super) at: Option<i64>,
    pub(super) offset: i64,
}

impl Shift {
    /// The time at which a step looks.
    pub(super) fn apply(self, step: i64) -> i64 {
        self.at.unwrap_or(step).saturating_sub(self.offset)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Instant {
    /// Which of the selections.
    pub(super) selection: usize,
    pub(super) matchers: Vec<Matcher>,
    pub(super) shift: Shift,
    pub(super) smoothed: bool,
    /// Whether only count and sum of histograms are needed.
    pub(super) statistics: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Range {
    pub(super) selection: usize,
    pub(super) matchers: Vec<Matcher>,
    pub(super) shift: Shift,
    pub(super) range: i64,
    pub(super) extended: Extended,
    /// Whether only count and sum of histograms are needed.
    pub(super) statistics: bool,
}

#[derive(Clone, Debug)]
pub(super) struct SubqueryNode {
    pub(super) expr: Node,
    pub(super) shift: Shift,
    pub(super) range: i64,
    pub(super) step: i64,
}

#[derive(Clone, Debug)]
pub(super) struct BinaryNode {
    pub(super) op: crate::promql::ast::BinaryOp,
    pub(super) lhs: Node,
    pub(super) rhs: Node,
    pub(super) matching: Option<crate::promql::ast::VectorMatching>,
    pub(super) return_bool: bool,
}

#[derive(Clone, Debug)]
pub(super) struct AggregateNode {
    pub(super) op: AggregateOp,
    pub(super) expr: Node,
    pub(super) param: Option<Node>,
    pub(super) grouping: Vec<String>,
    pub(super) without: bool,
}

#[derive(Clone, Debug)]
pub(super) struct CallNode {
    pub(super) function: &'static Function,
    pub(super) args: Vec<Node>,
    /// The selection of `info`'s metrics.
    pub(super) info: Option<Instant>,
}

impl SubqueryNode {
    /// The steps of the inner expression that the windows of `outer` need.
    pub(super) fn steps(&self, outer: Steps) -> Steps {
        let first = self.shift.apply(outer.start).saturating_sub(self.range);
        let mut start = self.step * (first / self.step);
        if start <= first {
            start = start.saturating_add(self.step);
        }
        Steps {
            start,
            end: self.shift.apply(outer.last()),
            step: self.step,
        }
    }
}

/// An expression with the data that it needs for its steps.
#[derive(Debug)]
pub struct Prepared {
    pub(super) root: Node,
    pub(super) steps: Steps,
    pub(super) options: Options,
    selections: Vec<Selection>,
    instants: BTreeSet<usize>,
    fragments: BTreeMap<usize, Steps>,
    pub(super) stop: Stop,
}

impl Prepared {
    /// Says when evaluations end without a result.
    pub fn stop_when(&mut self, stop: Stop) {
        self.stop = stop;
    }

    /// The data that is needed, in the order in which [`evaluate`](Self::evaluate) takes it.
    #[must_use]
    pub fn selections(&self) -> &[Selection] {
        &self.selections
    }

    /// Whether a selection, by its place, is needed with the marks of ended series: by instant selectors.
    #[must_use]
    pub fn sees_marks(&self, selection: usize) -> bool {
        self.instants.contains(&selection)
    }

    /// The steps at which each fragment is needed.
    #[must_use]
    pub fn fragments(&self) -> &BTreeMap<usize, Steps> {
        &self.fragments
    }

    /// Evaluates the expression over the series of each selection.
    ///
    /// # Errors
    /// When the data or a parameter does not allow it, or a limit is reached.
    pub fn evaluate(&self, data: &[Vec<Series>]) -> Result<Output, EvalError> {
        self.evaluate_with(data, &[])
    }

    /// Evaluates the expression over the series of each selection and the values of each fragment at its steps.
    ///
    /// # Errors
    /// When the data or a parameter does not allow it, or a limit is reached.
    pub fn evaluate_with(
        &self,
        data: &[Vec<Series>],
        fragments: &[Vec<Series>],
    ) -> Result<Output, EvalError> {
        evaluate::run(self, data, fragments)
    }
}

/// Finds the data that an expression needs.
///
/// # Errors
/// When a duration expression has no value, or one out of range.
pub fn prepare(expr: &Expr, steps: Steps, options: Options) -> Result<Prepared, EvalError> {
    prepare_with(expr, steps, options, Vec::new())
}

/// As [`prepare`]; the fragments of these numbers are the same at all steps, so that they are needed at the first only.
///
/// # Errors
/// When a duration expression has no value, or one out of range, and when a fragment is needed at more steps than can be held.
pub fn prepare_with(
    expr: &Expr,
    steps: Steps,
    options: Options,
    fixed: Vec<usize>,
) -> Result<Prepared, EvalError> {
    let mut planner = Planner::new(steps, options);
    planner.fixed = fixed;
    let mut root = planner.node(expr, steps)?;
    if root.invariant && root.wrap && !steps.is_single() {
        root.node = invariant(root.node);
    }
    // What would be fetched for more steps than can be held is not fetched.
    let room = Room::new(&options, 0);
    for steps in planner.fragments.values() {
        room.check(1, steps.count())?;
    }
    Ok(Prepared {
        root: root.node,
        steps,
        options,
        selections: planner.selections,
        instants: planner.instants,
        fragments: planner.fragments,
        stop: Stop::default(),
    })
}

/// Whether the value of an expression is the same at all steps.
///
/// # Errors
/// When a duration expression has no value, or one out of range.
pub fn is_fixed(expr: &Expr, steps: Steps, options: Options) -> Result<bool, EvalError> {
    let root = Planner::new(steps, options).node(expr, steps)?;
    Ok(root.invariant && root.wrap)
}

pub(super) struct Planner {
    query: Steps,
    options: Options,
    selections: Vec<Selection>,
    /// The selections of instant selectors.
    instants: BTreeSet<usize>,
    fragments: BTreeMap<usize, Steps>,
    /// Fragments that are the same at all steps.
    fixed: Vec<usize>,
    /// Calls around the expression at hand that take counts and sums of histograms only.
    takes_statistics: u32,
    /// What stands around it and needs buckets.
    needs_buckets: u32,
}

/// A planned node, and whether its value is the same at all steps.
struct Planned {
    node: Node,
    invariant: bool,
    /// Windows and texts are never evaluated as invariants of their own.
    wrap: bool,
}

fn invariant(node: Node) -> Node {
    if matches!(
        node.kind,
        NodeKind::Number(_) | NodeKind::Text(_) | NodeKind::Invariant(_)
    ) {
        return node;
    }
    Node {
        span: node.span,
        value_type: node.value_type,
        kind: NodeKind::Invariant(Box::new(node)),
    }
}

impl Planned {
    /// The node as part of one that is not invariant.
    fn wrapped(self) -> Node {
        if self.invariant && self.wrap {
            invariant(self.node)
        } else {
            self.node
        }
    }
}

impl Planner {
    pub(super) fn new(query: Steps, options: Options) -> Self {
        Self {
            query,
            options,
            selections: Vec::new(),
            instants: BTreeSet::new(),
            fragments: BTreeMap::new(),
            fixed: Vec::new(),
            takes_statistics: 0,
            needs_buckets: 0,
        }
    }

    /// The value of a function that depends on the range of the query alone.
    pub(super) fn folded(&self, id: FunctionId) -> Option<f64> {
        use FunctionId::{End, Range as RangeOf, Start, Step};
        let seconds = |ms: i64| ms as f64 / 1000.0;
        match id {
            Start => Some(seconds(self.query.start)),
            End => Some(seconds(self.query.end)),
            RangeOf => Some(seconds(self.query.end - self.query.start)),
            Step if self.query.is_single() => Some(0.0),
            Step => Some(seconds(self.query.step)),
            _ => None,
        }
    }

    /// Plans an expression that is evaluated at `steps`.
    fn node(&mut self, expr: &Expr, steps: Steps) -> Result<Planned, EvalError> {
        let (statistics, buckets) = needs_of(expr);
        self.takes_statistics += u32::from(statistics);
        self.needs_buckets += u32::from(buckets);
        let planned = with_room(|| self.kind(expr, steps));
        self.takes_statistics -= u32::from(statistics);
        self.needs_buckets -= u32::from(buckets);
        planned
    }

    fn kind(&mut self, expr: &Expr, steps: Steps) -> Result<Planned, EvalError> {
        let value_type = expr.value_type();
        let (kind, invariant, wrap) = match &expr.kind {
            ExprKind::Paren(inner) => return self.node(inner, steps),
            ExprKind::Unary(UnaryOp::Plus, inner) => {
                let inner = self.node(inner, steps)?;
                let kind = NodeKind::Same(Box::new(inner.node));
                (kind, inner.invariant, inner.wrap)
            }
            ExprKind::Unary(UnaryOp::Minus, inner) => {
                let inner = self.node(inner, steps)?;
                let kind = NodeKind::Negate(Box::new(inner.node));
                (kind, inner.invariant, inner.wrap)
            }
            ExprKind::Number(number) => (NodeKind::Number(number.value), true, false),
            ExprKind::String(text) => (NodeKind::Text(text.clone()), true, false),
            ExprKind::Vector(selector) => {
                let instant = self.instant(selector, steps)?;
                let fixed = instant.shift.at.is_some();
                (NodeKind::Instant(instant), fixed, fixed)
            }
            ExprKind::Fragment(number) => {
                let fixed = self.fixed.contains(number);
                let needed = if fixed { steps.first_only() } else { steps };
                self.fragments.insert(*number, needed);
                (NodeKind::Fragment(*number), fixed, fixed)
            }
            ExprKind::Matrix(matrix) => {
                let range = self.range(matrix, steps)?;
                let fixed = range.shift.at.is_some();
                (NodeKind::Range(range), fixed, false)
            }
            ExprKind::Subquery(subquery) => {
                let node = self.subquery(subquery, steps)?;
                let fixed = node.shift.at.is_some();
                (NodeKind::Subquery(Box::new(node)), fixed, false)
            }
            ExprKind::Binary(binary) => self.binary(binary, steps)?,
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, steps)?,
            ExprKind::Call(call) => self.call(call, steps)?,
        };
        let node = Node {
            kind,
            span: expr.span,
            value_type,
        };
        Ok(Planned {
            node,
            invariant,
            wrap,
        })
    }

    fn binary(
        &mut self,
        binary: &Binary,
        steps: Steps,
    ) -> Result<(NodeKind, bool, bool), EvalError> {
        let lhs = self.node(&binary.lhs, steps)?;
        let rhs = self.node(&binary.rhs, steps)?;
        let invariant = lhs.invariant && rhs.invariant;
        let (lhs, rhs) = if invariant {
            (lhs.node, rhs.node)
        } else {
            (lhs.wrapped(), rhs.wrapped())
        };
        let node = BinaryNode {
            op: binary.op,
            lhs,
            rhs,
            matching: binary.matching.clone(),
            return_bool: binary.return_bool,
        };
        Ok((NodeKind::Binary(Box::new(node)), invariant, invariant))
    }

    /// An aggregation is as invariant as what it aggregates; a parameter that is not is evaluated at the first step.
    fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        steps: Steps,
    ) -> Result<(NodeKind, bool, bool), EvalError> {
        let expr = self.node(&aggregate.expr, steps)?;
        let param = aggregate
            .param
            .as_ref()
            .map(|param| self.node(param, steps))
            .transpose()?;
        let invariant = expr.invariant;
        let node = AggregateNode {
            op: aggregate.op,
            expr: expr.node,
            param: param.map(Planned::wrapped),
            grouping: {
                let mut grouping = aggregate.grouping.clone();
                grouping.sort_unstable();
                grouping.dedup();
                grouping
            },
            without: aggregate.without,
        };
        Ok((NodeKind::Aggregate(Box::new(node)), invariant, expr.wrap))
    }

    fn call(&mut self, call: &Call, steps: Steps) -> Result<(NodeKind, bool, bool), EvalError> {
        use FunctionId::{StartTimestamp, Timestamp};
        if let Some(value) = self.folded(call.function.id) {
            return Ok((NodeKind::Number(value), true, false));
        }
        let info = self.info(call, steps)?;
        let taken = if info.is_some() { 1 } else { call.args.len() };
        let args = call.args.iter().take(taken);
        let args = args.map(|arg| self.node(arg, steps));
        let mut args = args.collect::<Result<Vec<_>, _>>()?;
        if let (Timestamp | StartTimestamp, [arg]) = (call.function.id, args.as_mut_slice())
            && let NodeKind::Instant(instant) = &mut arg.node.kind
            && instant.shift.at.is_some()
        {
            // Prometheus selects samples as the offset says, but looks at the time that `@` names.
            instant.shift.offset = 0;
        }
        let all = args.iter().all(|arg| arg.invariant);
        let selected = args
            .iter()
            .all(|arg| matches!(arg.node.kind, NodeKind::Instant(_)));
        let unsafe_at = depends_on_step(call.function.id);
        let invariant = all && (!unsafe_at || (call.function.id == Timestamp && selected));
        let unwrap = |arg: Planned| if invariant { arg.node } else { arg.wrapped() };
        let node = CallNode {
            function: call.function,
            args: args.into_iter().map(unwrap).collect(),
            info,
        };
        Ok((NodeKind::Call(Box::new(node)), invariant, invariant))
    }

    /// The metrics that `info` takes labels from: `target_info` unless a name is given.
    fn info(&mut self, call: &Call, steps: Steps) -> Result<Option<Instant>, EvalError> {
        if call.function.id != FunctionId::Info {
            return Ok(None);
        }
        let mut selector = match call.args.get(1).map(|arg| &arg.kind) {
            Some(ExprKind::Vector(selector)) => selector.clone(),
            _ => VectorSelector {
                name: String::new(),
                matchers: Vec::new(),
                shift: TimeShift::default(),
                extended: Extended::No,
            },
        };
        if let Some(first) = call.args.first()
            && let Some(shift) = self.first_shift(first)?
        {
            selector.shift = TimeShift {
                at: shift.at.map(At::Time),
                offset: Duration::Fixed(shift.offset),
            };
        }
        let mut names = selector.matchers.iter().filter(|m| m.name() == "__name__");
        let positive = |m: &Matcher| matches!(m.op(), MatchOp::Equal | MatchOp::Regex);
        let names = (names.clone().next().is_some(), names.any(positive));
        selector.matchers.extend(match names {
            (false, _) => Matcher::new(MatchOp::Equal, "__name__", "target_info").ok(),
            (true, false) => Matcher::new(MatchOp::Regex, "__name__", ".+_info").ok(),
            (true, true) => None,
        });
        self.instant(&selector, steps).map(Some)
    }

    fn instant(&mut self, selector: &VectorSelector, steps: Steps) -> Result<Instant, EvalError> {
        let shift = self.shift(&selector.shift)?;
        let smoothed = selector.extended == Extended::Smoothed;
        let lookback = self.options.lookback;
        let after = if smoothed { lookback } else { 0 };
        let selection = self.select(&selector.matchers, shift, steps, lookback, after);
        self.instants.insert(selection);
        Ok(Instant {
            selection,
            matchers: selector.matchers.clone(),
            shift,
            smoothed,
            statistics: self.statistics_only(),
        })
    }

    fn range(&mut self, matrix: &MatrixSelector, steps: Steps) -> Result<Range, EvalError> {
        let selector = &matrix.selector;
        let shift = self.shift(&selector.shift)?;
        let range = self.length(&matrix.range)?;
        let lookback = self.options.lookback;
        let (before, after) = match selector.extended {
            Extended::No => (0, 0),
            Extended::Anchored => (lookback, 0),
            Extended::Smoothed => (lookback, lookback),
        };
        let before = before.saturating_add(range);
        let selection = self.select(&selector.matchers, shift, steps, before, after);
        Ok(Range {
            selection,
            matchers: selector.matchers.clone(),
            shift,
            range,
            extended: selector.extended,
            statistics: self.statistics_only(),
        })
    }

    /// Whether the selector at hand is only needed for counts and sums of histograms: then hints of resets are found
    /// between whole samples before the buckets are dropped (`detectHistogramStatsDecoding`).
    fn statistics_only(&self) -> bool {
        self.takes_statistics > 0 && self.needs_buckets == 0
    }

    fn select(
        &mut self,
        matchers: &[Matcher],
        shift: Shift,
        steps: Steps,
        before: i64,
        after: i64,
    ) -> usize {
        let selection = Selection {
            matchers: matchers.to_vec(),
            from: shift.apply(steps.start).saturating_sub(before),
            to: shift.apply(steps.last()).saturating_add(after),
        };
        if let Some(same) = self.selections.iter().position(|other| *other == selection) {
            return same;
        }
        self.selections.push(selection);
        self.selections.len() - 1
    }

    fn subquery(&mut self, subquery: &Subquery, steps: Steps) -> Result<SubqueryNode, EvalError> {
        let shift = self.shift(&subquery.shift)?;
        let range = self.length(&subquery.range)?;
        let step = match &subquery.step {
            Some(step) => self.length(step)?,
            None => self.options.subquery_step,
        };
        let placeholder = Node {
            kind: NodeKind::Number(0.0),
            span: Span::default(),
            value_type: ValueType::Scalar,
        };
        let mut node = SubqueryNode {
            expr: placeholder,
            shift,
            range,
            step: step.max(1),
        };
        let inner = self.node(&subquery.expr, node.steps(steps))?;
        node.expr = inner.wrapped();
        Ok(node)
    }

    /// When the first selector below an expression looks at its data, so that `info` looks at the same time: offsets of
    /// subqueries around it add up, until an `@` says when.
    fn first_shift(&self, expr: &Expr) -> Result<Option<Shift>, EvalError> {
        with_room(|| self.first_shift_within(expr))
    }

    fn first_shift_within(&self, expr: &Expr) -> Result<Option<Shift>, EvalError> {
        match &expr.kind {
            ExprKind::Vector(selector) => self.shift(&selector.shift).map(Some),
            ExprKind::Matrix(matrix) => self.shift(&matrix.selector.shift).map(Some),
            ExprKind::Subquery(subquery) => {
                let Some(mut shift) = self.first_shift(&subquery.expr)? else {
                    return Ok(None);
                };
                if shift.at.is_none() {
                    let outer = self.shift(&subquery.shift)?;
                    shift.offset = shift.offset.saturating_add(outer.offset);
                    shift.at = outer.at;
                }
                Ok(Some(shift))
            }
            _ => {
                let mut children = expr.children();
                if matches!(expr.kind, ExprKind::Aggregate(_)) {
                    // Prometheus looks at a parameter last.
                    children.reverse();
                }
                for child in children {
                    if let Some(shift) = self.first_shift(child)? {
                        return Ok(Some(shift));
                    }
                }
                Ok(None)
            }
        }
    }

    pub(super) fn shift(&self, shift: &TimeShift) -> Result<Shift, EvalError> {
        let at = shift.at.map(|at| match at {
            At::Time(time) => time,
            At::Start => self.query.start,
            At::End => self.query.end,
        });
        let offset = match &shift.offset {
            Duration::Fixed(offset) => *offset,
            Duration::Expr(expr) => self.duration(expr, true)?,
        };
        Ok(Shift { at, offset })
    }

    pub(super) fn length(&self, duration: &Duration) -> Result<i64, EvalError> {
        match duration {
            Duration::Fixed(length) => Ok(*length),
            Duration::Expr(expr) => self.duration(expr, false),
        }
    }

    /// The value of a duration expression in milliseconds.
    fn duration(&self, expr: &DurationExpr, may_be_negative: bool) -> Result<i64, EvalError> {
        /// Nanoseconds in an `i64`, as Prometheus holds durations.
        const MOST_SECONDS: f64 = 9_223_372_036.854_775;
        let fail = |why: &str| {
            let Span { start, end } = expr.span;
            EvalError::failed(format!("{start}:{end}: {why}"))
        };
        let seconds = self.duration_seconds(expr)?;
        if !seconds.is_finite() {
            return Err(fail("duration is NaN or infinite"));
        }
        if seconds <= 0.0 && !may_be_negative {
            return Err(fail("duration must be greater than 0"));
        }
        if seconds.abs() > MOST_SECONDS {
            return Err(fail("duration is out of range"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let milliseconds = (seconds * 1000.0) as i64;
        Ok(milliseconds)
    }

    fn duration_seconds(&self, expr: &DurationExpr) -> Result<f64, EvalError> {
        with_room(|| self.seconds_of(expr))
    }

    fn seconds_of(&self, expr: &DurationExpr) -> Result<f64, EvalError> {
        use crate::promql::ast::BinaryOp::{Div, Mod};
        let fail = |why: &str| {
            let Span { start, end } = expr.span;
            EvalError::failed(format!("{start}:{end}: {why}"))
        };
        Ok(match &expr.kind {
            DurationExprKind::Number(number) => number.value,
            DurationExprKind::Step => self.query.step.max(0) as f64 / 1000.0,
            DurationExprKind::Range => (self.query.end - self.query.start) as f64 / 1000.0,
            DurationExprKind::Paren(inner) | DurationExprKind::Unary(UnaryOp::Plus, inner) => {
                self.duration_seconds(inner)?
            }
            DurationExprKind::Unary(UnaryOp::Minus, inner) => -self.duration_seconds(inner)?,
            DurationExprKind::MinOf(a, b) => {
                min_of(self.duration_seconds(a)?, self.duration_seconds(b)?)
            }
            DurationExprKind::MaxOf(a, b) => {
                max_of(self.duration_seconds(a)?, self.duration_seconds(b)?)
            }
            DurationExprKind::Binary(op, a, b) => {
                let (a, b) = (self.duration_seconds(a)?, self.duration_seconds(b)?);
                match op {
                    Div if b == 0.0 => return Err(fail("division by zero")),
                    Mod if b == 0.0 => return Err(fail("modulo by zero")),
                    op => of_numbers(*op, a, b).unwrap_or(f64::NAN),
                }
            }
        })
    }
}

/// Whether an expression takes only counts and sums of histograms, and whether it needs their buckets.
fn needs_of(expr: &Expr) -> (bool, bool) {
    use FunctionId::{
        HistogramAvg, HistogramCount, HistogramFraction, HistogramQuantile, HistogramQuantiles,
        HistogramSum,
    };

    use crate::promql::ast::BinaryOp::{TrimLower, TrimUpper};
    match &expr.kind {
        ExprKind::Subquery(_) => (false, true),
        ExprKind::Binary(binary) => (false, matches!(binary.op, TrimUpper | TrimLower)),
        ExprKind::Call(call) => match call.function.id {
            HistogramAvg | HistogramCount | HistogramSum => (true, false),
            HistogramFraction | HistogramQuantile | HistogramQuantiles => (false, true),
            _ => (false, false),
        },
        _ => (false, false),
    }
}

/// Functions whose value depends on the step even if their arguments do not (`AtModifierUnsafeFunctions`).
fn depends_on_step(id: FunctionId) -> bool {
    use FunctionId::{
        DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, Hour, Minute, Month, PredictLinear, Time,
        Timestamp, Year,
    };
    matches!(
        id,
        DaysInMonth
            | DayOfMonth
            | DayOfWeek
            | DayOfYear
            | Hour
            | Minute
            | Month
            | Year
            | PredictLinear
            | Time
            | Timestamp
    )
}
