//! Functions over the samples of a window: which there are, and what they do with numbers and histograms.

use super::{changes, histograms, instant, notes, over_time, rate, smoothing, trend};
use crate::promql::{
    Annotations, FunctionId, Point, Slice, Span, Window, ast::Extended, engine::EvalError,
};

/// What a function knows beside the samples of its window.
#[derive(Clone, Copy, Debug)]
pub struct WindowContext<'a> {
    /// Where the window starts after `offset` and `@`; Unix milliseconds, excluded.
    pub start: i64,
    /// Where it ends; Unix milliseconds, included.
    pub end: i64,
    /// The time of the step; Unix milliseconds.
    pub step: i64,
    /// The arguments that are scalars, in order, at this step.
    pub params: &'a [f64],
    /// Whether start timestamps mark resets of counters.
    pub use_start_timestamps: bool,
    /// Whether the window holds samples beyond its ends ([`Reach`](super::extended::Reach)).
    pub extended: Extended,
    /// `__name__` of the series as it comes into the function; empty if it has none.
    pub name: &'a str,
    /// Where the first argument stands; the default if the window is that of a subquery, as Prometheus has it.
    pub span: Span,
}

impl WindowContext<'_> {
    /// A parameter; 0 if it is missing, which the parser does not allow.
    pub(super) fn param(&self, at: usize) -> f64 {
        self.params.get(at).copied().unwrap_or_default()
    }

    /// The length of the window in seconds.
    pub(super) fn range_seconds(&self) -> f64 {
        let range = self.end - self.start;
        let (seconds, nanos) = ((range / 1000) as f64, (range % 1000 * 1_000_000) as f64);
        seconds + nanos / 1e9
    }
}

/// A function of numbers: those of a window without histograms, at least one.
pub type FloatFunction = fn(Slice<'_, f64>, &WindowContext<'_>) -> Option<f64>;

/// A function of a window that holds histograms.
pub(super) type AnyFunction = fn(Window<'_>, &WindowContext<'_>, &mut Annotations) -> Option<Point>;

/// What is examined before the function runs.
type Check = fn(Window<'_>, &WindowContext<'_>, &mut Annotations) -> Result<(), EvalError>;

/// What a function does when there are histograms.
#[derive(Clone, Copy)]
enum WithHistograms {
    /// It takes the numbers alone and says so; without any there is no result.
    Ignore,
    /// It takes histograms alone; a mix has no result, and it says so.
    Alone(AnyFunction),
    /// It takes both.
    Both(AnyFunction),
}

/// A function over windows, found once for all its steps.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it is functions only")]
pub struct WindowFunction {
    floats: FloatFunction,
    histograms: WithHistograms,
    check: Option<Check>,
}

impl WindowFunction {
    const fn ignoring(floats: FloatFunction) -> Self {
        Self {
            floats,
            histograms: WithHistograms::Ignore,
            check: None,
        }
    }

    const fn alone(floats: FloatFunction, histograms: AnyFunction) -> Self {
        Self {
            floats,
            histograms: WithHistograms::Alone(histograms),
            check: None,
        }
    }

    const fn both(floats: FloatFunction, both: AnyFunction) -> Self {
        Self {
            floats,
            histograms: WithHistograms::Both(both),
            check: None,
        }
    }

    const fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// The function of numbers alone, for a loop over windows that hold numbers only, and no start timestamps if those
    /// are used. `None` if the function may fail or annotate even then, so that [`call`](Self::call) has to be used.
    #[must_use]
    pub fn floats(&self, use_start_timestamps: bool) -> Option<FloatFunction> {
        let free = match self.check {
            None => true,
            Some(_) => matches!(self.histograms, WithHistograms::Alone(_)) && !use_start_timestamps,
        };
        free.then_some(self.floats)
    }

    /// The value for one window; `None` if there is none.
    ///
    /// # Errors
    /// When a parameter is out of range.
    #[inline]
    pub fn call(
        &self,
        window: Window<'_>,
        context: &WindowContext<'_>,
        notes: &mut Annotations,
    ) -> Result<Option<Point>, EvalError> {
        let (has_floats, has_histograms) =
            (!window.floats.is_empty(), !window.histograms.is_empty());
        if !has_floats && !has_histograms {
            return Ok(None);
        }
        if let Some(check) = self.check {
            check(window, context, notes)?;
        }
        if !has_histograms {
            return Ok((self.floats)(window.floats, context).map(Point::Float));
        }
        Ok(match self.histograms {
            WithHistograms::Both(both) => both(window, context, notes),
            WithHistograms::Alone(_) if has_floats => {
                notes::mixed_floats_histograms(notes, context);
                None
            }
            WithHistograms::Alone(histograms) => histograms(window, context, notes),
            WithHistograms::Ignore if has_floats => {
                notes::histogram_ignored(notes, context);
                (self.floats)(window.floats, context).map(Point::Float)
            }
            WithHistograms::Ignore => None,
        })
    }
}

/// The function of an id, if it is one over windows. That of `absent_over_time` yields 1 where there is a sample, as
/// that of `present_over_time`; the engine turns it round for all series together.
#[must_use]
pub fn resolve(id: FunctionId) -> Option<WindowFunction> {
    use FunctionId as Id;
    type F = WindowFunction;
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others take no window")]
    Some(match id {
        Id::Rate => F::alone(rate::rate, histograms::rate).checked(rate::check_overlap),
        Id::Increase => F::alone(rate::increase, histograms::increase).checked(rate::check_overlap),
        Id::Delta => F::alone(rate::delta, histograms::delta),
        Id::Irate => F::both(instant::irate, instant::irate_any),
        Id::Idelta => F::both(instant::idelta, instant::idelta_any),
        Id::Resets => F::both(changes::resets, changes::resets_any),
        Id::Changes => F::both(changes::changes, changes::changes_any),
        Id::Deriv => F::ignoring(trend::deriv),
        Id::PredictLinear => F::ignoring(trend::predict_linear),
        Id::DoubleExponentialSmoothing => {
            F::ignoring(smoothing::smooth).checked(smoothing::check_factors)
        }
        Id::SumOverTime => F::alone(over_time::sum, histograms::sum),
        Id::AvgOverTime => F::alone(over_time::avg, histograms::avg),
        Id::MinOverTime => F::ignoring(over_time::min),
        Id::MaxOverTime => F::ignoring(over_time::max),
        Id::StddevOverTime => F::ignoring(over_time::stddev),
        Id::StdvarOverTime => F::ignoring(over_time::stdvar),
        Id::QuantileOverTime => {
            F::ignoring(over_time::quantile_of).checked(over_time::check_quantile)
        }
        Id::MadOverTime => F::ignoring(over_time::mad),
        Id::TsOfMaxOverTime => F::ignoring(over_time::ts_of_max),
        Id::TsOfMinOverTime => F::ignoring(over_time::ts_of_min),
        Id::CountOverTime => F::both(over_time::count, over_time::count_any),
        Id::FirstOverTime => F::both(over_time::first, over_time::first_any),
        Id::LastOverTime => F::both(over_time::last, over_time::last_any),
        Id::TsOfFirstOverTime => F::both(over_time::ts_of_first, over_time::ts_of_first_any),
        Id::TsOfLastOverTime => F::both(over_time::ts_of_last, over_time::ts_of_last_any),
        Id::PresentOverTime | Id::AbsentOverTime => {
            F::both(over_time::present, over_time::present_any)
        }
        _ => return None,
    })
}

/// The value of a function for one window; `None` if there is none, or if the function takes no window.
///
/// # Errors
/// When a parameter is out of range.
pub fn over_window(
    id: FunctionId,
    window: Window<'_>,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) -> Result<Option<Point>, EvalError> {
    resolve(id).map_or(Ok(None), |function| function.call(window, context, notes))
}
