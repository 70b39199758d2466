//! The functions of PromQL and what they take and return (`promql/parser/functions.go`).

use super::ast::ValueType;

/// A function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Which.
    pub id: FunctionId,
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments; the last one repeats if it is variadic.
    pub args: &'static [ValueType],
    /// How many arguments at the end may be missing or repeated.
    pub variadic: Variadic,
    /// The type of its result.
    pub returns: ValueType,
    /// Whether it needs `promql-experimental-functions`.
    pub experimental: bool,
}

/// How far the number of arguments may differ from the listed types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variadic {
    /// Exactly as listed.
    No,
    /// The last may be missing, or stand up to so many times.
    UpTo(usize),
    /// The last may be missing, or stand any number of times.
    Any,
}

impl Function {
    /// The function of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let at = FUNCTIONS.binary_search_by(|function| function.name.cmp(name));
        at.ok().and_then(|at| FUNCTIONS.get(at))
    }

    /// All functions, sorted by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        FUNCTIONS
    }
}

/// Names a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as Prometheus names it")]
pub enum FunctionId {
    Abs,
    Absent,
    AbsentOverTime,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    AvgOverTime,
    Ceil,
    Changes,
    Clamp,
    ClampMax,
    ClampMin,
    Cos,
    Cosh,
    CountOverTime,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Deg,
    Delta,
    Deriv,
    DoubleExponentialSmoothing,
    End,
    Exp,
    FirstOverTime,
    Floor,
    HistogramAvg,
    HistogramCount,
    HistogramFraction,
    HistogramQuantile,
    HistogramQuantiles,
    HistogramStddev,
    HistogramStdvar,
    HistogramSum,
    Hour,
    Idelta,
    Increase,
    Info,
    Irate,
    LabelJoin,
    LabelReplace,
    LastOverTime,
    Ln,
    Log10,
    Log2,
    MadOverTime,
    MaxOf,
    MaxOverTime,
    MinOf,
    MinOverTime,
    Minute,
    Month,
    Pi,
    PredictLinear,
    PresentOverTime,
    QuantileOverTime,
    Rad,
    Range,
    Rate,
    Resets,
    Round,
    Scalar,
    Sgn,
    Sin,
    Sinh,
    Sort,
    SortByLabel,
    SortByLabelDesc,
    SortDesc,
    Sqrt,
    Start,
    StartTimestamp,
    StddevOverTime,
    StdvarOverTime,
    Step,
    SumOverTime,
    Tan,
    Tanh,
    Time,
    Timestamp,
    TsOfFirstOverTime,
    TsOfLastOverTime,
    TsOfMaxOverTime,
    TsOfMinOverTime,
    Vector,
    Year,
}

const S: ValueType = ValueType::Scalar;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;
const T: ValueType = ValueType::String;

const fn function(
    id: FunctionId,
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
) -> Function {
    Function {
        id,
        name,
        args,
        variadic: Variadic::No,
        returns,
        experimental: false,
    }
}

impl Function {
    const fn up_to(mut self, most: usize) -> Self {
        self.variadic = Variadic::UpTo(most);
        self
    }

    const fn any(mut self) -> Self {
        self.variadic = Variadic::Any;
        self
    }

    const fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }
}

/// Sorted by name.
static FUNCTIONS: &[Function] = &[
    function(FunctionId::Abs, "abs", &[V], V),
    function(FunctionId::Absent, "absent", &[V], V),
    function(FunctionId::AbsentOverTime, "absent_over_time", &[M], V),
    function(FunctionId::Acos, "acos", &[V], V),
    function(FunctionId::Acosh, "acosh", &[V], V),
    function(FunctionId::Asin, "asin", &[V], V),
    function(FunctionId::Asinh, "asinh", &[V], V),
    function(FunctionId::Atan, "atan", &[V], V),
    function(FunctionId::Atanh, "atanh", &[V], V),
    function(FunctionId::AvgOverTime, "avg_over_time", &[M], V),
    function(FunctionId::Ceil, "ceil", &[V], V),
    function(FunctionId::Changes, "changes", &[M], V),
    function(FunctionId::Clamp, "clamp", &[V, S, S], V),
    function(FunctionId::ClampMax, "clamp_max", &[V, S], V),
    function(FunctionId::ClampMin, "clamp_min", &[V, S], V),
    function(FunctionId::Cos, "cos", &[V], V),
    function(FunctionId::Cosh, "cosh", &[V], V),
    function(FunctionId::CountOverTime, "count_over_time", &[M], V),
    function(FunctionId::DayOfMonth, "day_of_month", &[V], V).up_to(1),
    function(FunctionId::DayOfWeek, "day_of_week", &[V], V).up_to(1),
    function(FunctionId::DayOfYear, "day_of_year", &[V], V).up_to(1),
    function(FunctionId::DaysInMonth, "days_in_month", &[V], V).up_to(1),
    function(FunctionId::Deg, "deg", &[V], V),
    function(FunctionId::Delta, "delta", &[M], V),
    function(FunctionId::Deriv, "deriv", &[M], V),
    function(
        FunctionId::DoubleExponentialSmoothing,
        "double_exponential_smoothing",
        &[M, S, S],
        V,
    )
    .experimental(),
    function(FunctionId::End, "end", &[], S).experimental(),
    function(FunctionId::Exp, "exp", &[V], V),
    function(FunctionId::FirstOverTime, "first_over_time", &[M], V),
    function(FunctionId::Floor, "floor", &[V], V),
    function(FunctionId::HistogramAvg, "histogram_avg", &[V], V),
    function(FunctionId::HistogramCount, "histogram_count", &[V], V),
    function(
        FunctionId::HistogramFraction,
        "histogram_fraction",
        &[S, S, V],
        V,
    ),
    function(
        FunctionId::HistogramQuantile,
        "histogram_quantile",
        &[S, V],
        V,
    ),
    function(
        FunctionId::HistogramQuantiles,
        "histogram_quantiles",
        &[V, T, S, S],
        V,
    )
    .up_to(9)
    .experimental(),
    function(FunctionId::HistogramStddev, "histogram_stddev", &[V], V),
    function(FunctionId::HistogramStdvar, "histogram_stdvar", &[V], V),
    function(FunctionId::HistogramSum, "histogram_sum", &[V], V),
    function(FunctionId::Hour, "hour", &[V], V).up_to(1),
    function(FunctionId::Idelta, "idelta", &[M], V),
    function(FunctionId::Increase, "increase", &[M], V),
    function(FunctionId::Info, "info", &[V, V], V)
        .up_to(1)
        .experimental(),
    function(FunctionId::Irate, "irate", &[M], V),
    function(FunctionId::LabelJoin, "label_join", &[V, T, T, T], V).any(),
    function(
        FunctionId::LabelReplace,
        "label_replace",
        &[V, T, T, T, T],
        V,
    ),
    function(FunctionId::LastOverTime, "last_over_time", &[M], V),
    function(FunctionId::Ln, "ln", &[V], V),
    function(FunctionId::Log10, "log10", &[V], V),
    function(FunctionId::Log2, "log2", &[V], V),
    function(FunctionId::MadOverTime, "mad_over_time", &[M], V).experimental(),
    function(FunctionId::MaxOf, "max_of", &[S, S], S).experimental(),
    function(FunctionId::MaxOverTime, "max_over_time", &[M], V),
    function(FunctionId::MinOf, "min_of", &[S, S], S).experimental(),
    function(FunctionId::MinOverTime, "min_over_time", &[M], V),
    function(FunctionId::Minute, "minute", &[V], V).up_to(1),
    function(FunctionId::Month, "month", &[V], V).up_to(1),
    function(FunctionId::Pi, "pi", &[], S),
    function(FunctionId::PredictLinear, "predict_linear", &[M, S], V),
    function(FunctionId::PresentOverTime, "present_over_time", &[M], V),
    function(
        FunctionId::QuantileOverTime,
        "quantile_over_time",
        &[S, M],
        V,
    ),
    function(FunctionId::Rad, "rad", &[V], V),
    function(FunctionId::Range, "range", &[], S).experimental(),
    function(FunctionId::Rate, "rate", &[M], V),
    function(FunctionId::Resets, "resets", &[M], V),
    function(FunctionId::Round, "round", &[V, S], V).up_to(1),
    function(FunctionId::Scalar, "scalar", &[V], S),
    function(FunctionId::Sgn, "sgn", &[V], V),
    function(FunctionId::Sin, "sin", &[V], V),
    function(FunctionId::Sinh, "sinh", &[V], V),
    function(FunctionId::Sort, "sort", &[V], V),
    function(FunctionId::SortByLabel, "sort_by_label", &[V, T], V)
        .any()
        .experimental(),
    function(
        FunctionId::SortByLabelDesc,
        "sort_by_label_desc",
        &[V, T],
        V,
    )
    .any()
    .experimental(),
    function(FunctionId::SortDesc, "sort_desc", &[V], V),
    function(FunctionId::Sqrt, "sqrt", &[V], V),
    function(FunctionId::Start, "start", &[], S).experimental(),
    function(FunctionId::StartTimestamp, "start_timestamp", &[V], V).experimental(),
    function(FunctionId::StddevOverTime, "stddev_over_time", &[M], V),
    function(FunctionId::StdvarOverTime, "stdvar_over_time", &[M], V),
    function(FunctionId::Step, "step", &[], S).experimental(),
    function(FunctionId::SumOverTime, "sum_over_time", &[M], V),
    function(FunctionId::Tan, "tan", &[V], V),
    function(FunctionId::Tanh, "tanh", &[V], V),
    function(FunctionId::Time, "time", &[], S),
    function(FunctionId::Timestamp, "timestamp", &[V], V),
    function(
        FunctionId::TsOfFirstOverTime,
        "ts_of_first_over_time",
        &[M],
        V,
    )
    .experimental(),
    function(
        FunctionId::TsOfLastOverTime,
        "ts_of_last_over_time",
        &[M],
        V,
    )
    .experimental(),
    function(FunctionId::TsOfMaxOverTime, "ts_of_max_over_time", &[M], V).experimental(),
    function(FunctionId::TsOfMinOverTime, "ts_of_min_over_time", &[M], V).experimental(),
    function(FunctionId::Vector, "vector", &[S], V),
    function(FunctionId::Year, "year", &[V], V).up_to(1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name() {
        assert!(FUNCTIONS.is_sorted_by_key(|function| function.name));
        for function in Function::all() {
            assert_eq!(Function::find(function.name), Some(function));
        }
        assert_eq!(Function::find("Rate"), None);
    }
}
