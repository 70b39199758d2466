//! Straight lines through numbers: `deriv` and `predict_linear`.

use super::window::WindowContext;
use crate::promql::{Kahan, Slice};

/// Slope per second, and value at a time.
struct Line {
    slope: f64,
    intercept: f64,
}

/// The line with the least squares; `zero` is the time where its `intercept` lies.
fn regression(floats: Slice<'_, f64>, zero: i64) -> Option<Line> {
    let first = *floats.values.first()?;
    let constant = !floats.values.iter().skip(1).any(|value| *value != first);
    if constant {
        return Some(constant_line(first));
    }
    let mut n = 0.0;
    let (mut xs, mut ys) = (Kahan::default(), Kahan::default());
    let (mut products, mut squares) = (Kahan::default(), Kahan::default());
    for (time, y) in floats.iter() {
        let x = (time - zero) as f64 / 1e3;
        n += 1.0;
        xs = xs.add(x);
        ys = ys.add(*y);
        products = products.add(x * y);
        squares = squares.add(x * x);
    }
    let (sum_x, sum_y) = (xs.total(), ys.total());
    let covariance = products.total() - sum_x * sum_y / n;
    let variance = squares.total() - sum_x * sum_x / n;
    let slope = covariance / variance;
    Some(Line {
        slope,
        intercept: sum_y / n - slope * sum_x / n,
    })
}

fn constant_line(value: f64) -> Line {
    if value.is_infinite() {
        return Line {
            slope: f64::NAN,
            intercept: f64::NAN,
        };
    }
    Line {
        slope: 0.0,
        intercept: value,
    }
}

pub(super) fn deriv(floats: Slice<'_, f64>, _: &WindowContext<'_>) -> Option<f64> {
    // A time near those of the samples keeps the squares small.
    let (zero, _) = floats.first().filter(|_| floats.len() > 1)?;
    regression(floats, zero).map(|line| line.slope)
}

pub(super) fn predict_linear(floats: Slice<'_, f64>, context: &WindowContext<'_>) -> Option<f64> {
    if floats.len() < 2 {
        return None;
    }
    let line = regression(floats, context.step)?;
    Some(line.slope * context.param(0) + line.intercept)
}
