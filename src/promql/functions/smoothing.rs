//! `double_exponential_smoothing`: Holt's smoothing of values and of their trend.

use super::{notes::fixed, window::WindowContext};
use crate::promql::{Annotations, Slice, Window, engine::EvalError};

pub(super) fn check_factors(
    _: Window<'_>,
    context: &WindowContext<'_>,
    _: &mut Annotations,
) -> Result<(), EvalError> {
    for (at, (name, short)) in [("smoothing", "sf"), ("trend", "tf")]
        .into_iter()
        .enumerate()
    {
        let factor = context.param(at);
        // NaN is let through, as Prometheus does.
        if factor <= 0.0 || factor >= 1.0 {
            let got = fixed(factor);
            return Err(EvalError::Failed(format!(
                "invalid {name} factor. Expected: 0 < {short} < 1, got: {got}"
            )));
        }
    }
    Ok(())
}

pub(super) fn smooth(floats: Slice<'_, f64>, context: &WindowContext<'_>) -> Option<f64> {
    let (smoothing, trending) = (context.param(0), context.param(1));
    let [first, second, ..] = *floats.values else {
        return None;
    };
    let (mut before, mut level, mut trend) = (0.0, first, second - first);
    for (at, value) in floats.values.iter().enumerate().skip(1) {
        if at > 1 {
            trend = trending * (level - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + trend);
        (before, level) = (level, next);
    }
    Some(level)
}
