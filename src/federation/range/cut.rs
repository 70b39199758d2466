//! What is kept of an answer.

use super::{
    block::{Block, Row, STEPS, block_of, by_labels, place_of},
    query::{Gap, RangeQuery},
};
use crate::promql::{Annotation, Series, Severity, Together, Value, engine::Output};

/// The part of an answer to the steps of `gap` that no longer changes, if samples until `settled` (Unix milliseconds) do
/// not, in blocks. Nothing is kept of what has warnings or remarks that count steps.
#[must_use]
pub fn cut(query: &RangeQuery, gap: Gap, output: &Output, settled: i64) -> Vec<Block> {
    let Some(settled) = query.last_settled(settled) else {
        return Vec::new();
    };
    let last = gap.last.min(settled);
    let Value::Matrix(series) = &output.value else {
        return Vec::new();
    };
    let plain =
        |note: Annotation| note.severity == Severity::Info && note.together == Together::Nothing;
    if !output.annotations.iter().all(plain) || !is_on_grid(query, series) {
        return Vec::new();
    }
    let mut blocks = Vec::new();
    let mut first = gap.first;
    while first <= last {
        let end = (block_of(first) + 1).saturating_mul(STEPS) - 1;
        let end = end.min(last);
        let times = (query.time(first), query.time(end));
        let place = |time: i64| query.number(time).map_or(0, place_of);
        let rows = series.iter().map(|one| Row::new(one, times, place));
        blocks.push(Block {
            first,
            last: end,
            rows: rows.filter(|row| !row.is_empty()).collect(),
            notes: output.annotations.clone(),
        });
        first = end + 1;
    }
    blocks
}

/// Whether the result is as those of the engine are: sorted, each value at a step, and without start times.
fn is_on_grid(query: &RangeQuery, series: &[Series]) -> bool {
    let at_steps = |times: &[i64]| times.iter().all(|time| query.number(*time).is_some());
    series.is_sorted_by(|a, b| by_labels(&a.labels, &b.labels).is_lt())
        && series.iter().all(|one| {
            at_steps(&one.floats.times)
                && at_steps(&one.histograms.times)
                && one.floats.starts.is_empty()
                && one.histograms.starts.is_empty()
        })
}
