//! The functions and operators of PromQL that work on the samples of one series: over windows, of numbers, of dates
//! (`promql/functions.go`). Those that need whole vectors or labels are the engine's.

mod arithmetic;
mod changes;
mod date;
mod extended;
mod extended_histograms;
mod histograms;
mod instant;
mod math;
mod merged;
mod notes;
mod over_time;
mod quantile;
mod rate;
mod smoothing;
#[cfg(test)]
mod tests;
mod trend;
mod window;

pub use arithmetic::{Operated, compare, of_numbers, of_points};
pub use date::{DateFunction, date_function};
pub use extended::{Reach, check_function, extend, smoothed_at};
pub use math::{MathFunction, clamp, math_function, max_of, min_of, round};
pub use notes::{
    HistogramOperation, bounds_reconciled, check_counter_name, check_quantile, general, go_float,
    reset_collision,
};
pub use quantile::quantile;
pub use window::{FloatFunction, WindowContext, WindowFunction, over_window, resolve};
