//! Aggregations (`aggregation` and `aggregationK` of `promql/engine.go`).

mod count_values;
mod dispatch;
mod floats;
mod histograms;
mod largest;

use dispatch::{Groups, group_labels, text};
