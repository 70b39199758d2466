//! The tree of a parsed expression (`promql/parser/ast.go`).

use super::{Function, Span, with_room};
use crate::labels::Matcher;

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueType {
    /// One number per step.
    Scalar,
    /// One sample per series and step.
    Vector,
    /// A window of samples per series and step.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// The name in Prometheus's documentation and error texts.
    #[must_use]
    pub fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }

    /// The name in results: `resultType` of the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }
}

/// An expression and where it stands.
#[derive(Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands in the query.
    pub span: Span,
}

impl Clone for Expr {
    fn clone(&self) -> Self {
        with_room(|| Self {
            kind: self.kind.clone(),
            span: self.span,
        })
    }
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1`, `0x1F`, `1m30s`.
    Number(NumberLiteral),
    /// `"text"`.
    String(String),
    /// `up{job="a"}`.
    Vector(VectorSelector),
    /// `up[5m]`.
    Matrix(MatrixSelector),
    /// `rate(x[5m])[1h:1m]`.
    Subquery(Box<Subquery>),
    /// `(a)`.
    Paren(Box<Expr>),
    /// `-a`.
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`.
    Binary(Box<Binary>),
    /// `sum by (job) (a)`.
    Aggregate(Box<Aggregate>),
    /// `rate(a[5m])`.
    Call(Box<Call>),
    /// An instant vector that was evaluated elsewhere, by its number. No query is parsed to one: federation puts them
    /// in the place of what endpoints evaluate.
    Fragment(usize),
}

/// A number, perhaps written as a duration in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberLiteral {
    /// The number; seconds, if it was written as a duration.
    pub value: f64,
    /// Whether it was written as a duration, such as `5m`.
    pub duration: bool,
}

/// The two signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

/// A duration: fixed, or to be computed for the steps of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Duration {
    /// Milliseconds.
    Fixed(i64),
    /// Experimental: `step() * 2`.
    Expr(Box<DurationExpr>),
}

/// An arithmetic expression of durations (`promql-duration-expr`).
#[derive(Clone, Debug, PartialEq)]
pub struct DurationExpr {
    /// What it is.
    pub kind: DurationExprKind,
    /// Where it stands in the query.
    pub span: Span,
}

/// The kinds of duration expressions; all values are seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExprKind {
    /// `5m`, `300`.
    Number(NumberLiteral),
    /// `step()`: the distance of two steps.
    Step,
    /// `range()`: from the first step to the last.
    Range,
    /// `(a)`.
    Paren(Box<DurationExpr>),
    /// `-a`.
    Unary(UnaryOp, Box<DurationExpr>),
    /// `a * b`; one of `+ - * / % ^`.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>),
    /// `min_of(a, b)`.
    MinOf(Box<DurationExpr>, Box<DurationExpr>),
    /// `max_of(a, b)`.
    MaxOf(Box<DurationExpr>, Box<DurationExpr>),
}

/// The time that `@` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Unix milliseconds.
    Time(i64),
    /// `start()`: the first step of the query.
    Start,
    /// `end()`: the last step of the query.
    End,
}

/// When a selector looks at its data.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeShift {
    /// `@`.
    pub at: Option<At>,
    /// `offset`; 0 if there is none.
    pub offset: Duration,
}

impl Default for TimeShift {
    fn default() -> Self {
        Self {
            at: None,
            offset: Duration::Fixed(0),
        }
    }
}

/// What a range selector takes beyond its window (`promql-extended-range-selectors`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extended {
    /// Nothing.
    #[default]
    No,
    /// `anchored`: the last sample at or before the start.
    Anchored,
    /// `smoothed`: interpolated samples at start and end.
    Smoothed,
}

/// Selects series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric name before the braces; empty if there is none.
    pub name: String,
    /// All matchers in the order in which they are written; that of [`name`](Self::name) is the last.
    pub matchers: Vec<Matcher>,
    /// `@` and `offset`.
    pub shift: TimeShift,
    /// `anchored`, `smoothed`.
    pub extended: Extended,
}

/// Selects a window of samples. `@`, `offset` and `anchored` stand in its vector selector.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// The series.
    pub selector: VectorSelector,
    /// The span of the selector without its window and modifiers.
    pub selector_span: Span,
    /// The length of the window.
    pub range: Duration,
}

/// A window of values of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// The expression.
    pub expr: Expr,
    /// The length of the window.
    pub range: Duration,
    /// The distance of two evaluations; the default if it is not written.
    pub step: Option<Duration>,
    /// `@` and `offset`.
    pub shift: TimeShift,
}

/// The binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as Prometheus names it")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `</`: drops what of a histogram is above a value.
    TrimUpper,
    /// `>/`: drops what of a histogram is below a value.
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// `==`, `!=`, `<`, `<=`, `>`, `>=`.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(
            self,
            Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual
        )
    }

    /// `and`, `or`, `unless`.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// How tightly it binds; a larger number binds tighter.
    #[must_use]
    pub fn precedence(self) -> u8 {
        use BinaryOp::{Add, And, Atan2, Div, Mod, Mul, Or, Pow, Sub, Unless};
        match self {
            Or => 1,
            And | Unless => 2,
            Add | Sub => 4,
            Mul | Div | Mod | Atan2 => 5,
            Pow => 6,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::TrimUpper
            | Self::TrimLower => 3,
        }
    }
}

/// How many elements of the two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One on each side.
    OneToOne,
    /// `group_left`: many on the left.
    ManyToOne,
    /// `group_right`: many on the right.
    OneToMany,
    /// Sets: `and`, `or`, `unless`.
    ManyToMany,
}

/// Which elements of two vectors belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatching {
    /// How many.
    pub cardinality: Cardinality,
    /// The labels that are compared (`on`) or not compared (`ignoring`).
    pub labels: Vec<String>,
    /// Whether the labels are those of `on`.
    pub on: bool,
    /// Labels that are taken from the "one" side: those of `group_left` or `group_right`.
    pub include: Vec<String>,
    /// The value of elements missing on the left (`fill_left`).
    pub fill_left: Option<f64>,
    /// The value of elements missing on the right (`fill_right`).
    pub fill_right: Option<f64>,
}

impl VectorMatching {
    /// How elements are matched if nothing is said.
    #[must_use]
    pub fn default_for(op: BinaryOp) -> Self {
        Self {
            cardinality: if op.is_set() {
                Cardinality::ManyToMany
            } else {
                Cardinality::OneToOne
            },
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        }
    }
}

/// A binary operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// The left side.
    pub lhs: Expr,
    /// The right side.
    pub rhs: Expr,
    /// How elements are matched, if both sides are vectors.
    pub matching: Option<VectorMatching>,
    /// `bool`: 0 or 1 instead of filtering.
    pub return_bool: bool,
}

/// The aggregation operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as Prometheus names it")]
pub enum AggregateOp {
    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    Limitk,
    LimitRatio,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,
}

impl AggregateOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Bottomk => "bottomk",
            Self::Count => "count",
            Self::CountValues => "count_values",
            Self::Group => "group",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
            Self::Max => "max",
            Self::Min => "min",
            Self::Quantile => "quantile",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Sum => "sum",
            Self::Topk => "topk",
        }
    }

    /// The operator of a name in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        use AggregateOp::{
            Avg, Bottomk, Count, CountValues, Group, LimitRatio, Limitk, Max, Min, Quantile,
            Stddev, Stdvar, Sum, Topk,
        };
        let all = [
            Avg,
            Bottomk,
            Count,
            CountValues,
            Group,
            Limitk,
            LimitRatio,
            Max,
            Min,
            Quantile,
            Stddev,
            Stdvar,
            Sum,
            Topk,
        ];
        all.into_iter().find(|op| op.as_str() == name)
    }

    /// Whether it takes a parameter before its vector.
    #[must_use]
    pub fn has_parameter(self) -> bool {
        use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Quantile, Topk};
        matches!(
            self,
            Topk | Bottomk | CountValues | Quantile | Limitk | LimitRatio
        )
    }

    /// Whether it needs `promql-experimental-functions`.
    #[must_use]
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Expr,
    /// The parameter of `topk`, `quantile`, `count_values` and others.
    pub param: Option<Expr>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether the labels are those of `without`.
    pub without: bool,
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
}

impl Expr {
    /// The selector that it is, of an instant or of a window.
    #[must_use]
    pub fn selector(&self) -> Option<&VectorSelector> {
        match &self.kind {
            ExprKind::Vector(selector) => Some(selector),
            ExprKind::Matrix(matrix) => Some(&matrix.selector),
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Subquery(_)
            | ExprKind::Paren(_)
            | ExprKind::Unary(..)
            | ExprKind::Binary(_)
            | ExprKind::Aggregate(_)
            | ExprKind::Call(_)
            | ExprKind::Fragment(_) => None,
        }
    }

    /// What it evaluates to.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Vector(_) | ExprKind::Aggregate(_) | ExprKind::Fragment(_) => {
                ValueType::Vector
            }
            ExprKind::Matrix(_) | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => inner.value_type(),
            ExprKind::Call(call) => call.function.returns,
            ExprKind::Binary(binary) => {
                let scalar = |side: &Self| side.value_type() == ValueType::Scalar;
                // Of a chain of operators, the side that ends it mostly settles this.
                let chain = |side: &Self| {
                    matches!(
                        side.kind,
                        ExprKind::Binary(_) | ExprKind::Paren(_) | ExprKind::Unary(..)
                    )
                };
                let (first, second) = if chain(&binary.rhs) {
                    (&binary.lhs, &binary.rhs)
                } else {
                    (&binary.rhs, &binary.lhs)
                };
                if scalar(first) && scalar(second) {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
        }
    }

    /// The expressions directly below it, in the order in which they are evaluated.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Vector(_)
            | ExprKind::Fragment(_)
            | ExprKind::Matrix(_) => Vec::new(),
            ExprKind::Subquery(subquery) => vec![&subquery.expr],
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => vec![inner],
            ExprKind::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            ExprKind::Aggregate(aggregate) => {
                let mut children: Vec<_> = aggregate.param.iter().collect();
                children.push(&aggregate.expr);
                children
            }
            ExprKind::Call(call) => call.args.iter().collect(),
        }
    }

    /// The expression without parentheses around it.
    #[must_use]
    pub fn unwrap_parens(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}
