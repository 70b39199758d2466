//! Aggregations that choose elements and keep their labels: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use xxhash_rust::xxh64::Xxh64;

use super::Groups;
use crate::{
    labels::LabelSet,
    promql::{
        ast::AggregateOp,
        engine::{
            EvalError, Steps,
            evaluate::Evaluator,
            plan::{AggregateNode, Node},
            table::Table,
        },
        functions::general,
        is_stale,
    },
};

/// The bounds of Go's `int64` as floats.
const LEAST_INT: f64 = -9_223_372_036_854_775_808.0;
const MOST_INT: f64 = 9_223_372_036_854_775_807.0;

impl Evaluator<'_> {
    pub(super) fn largest(
        &mut self,
        node: &Node,
        aggregate: &AggregateNode,
        table: &Table,
        groups: &Groups,
        params: &[f64],
        steps: Steps,
    ) -> Result<Table, EvalError> {
        let op = aggregate.op;
        if !self.check_parameters(aggregate, params)? || table.len() == 0 {
            return Ok(Table::new(table.steps()));
        }
        if table.holds_histogram() && matches!(op, AggregateOp::Topk | AggregateOp::Bottomk) {
            self.notes.info(
                node.span,
                format!("ignored histogram in {} aggregation", op.as_str()),
            );
        }
        let members = groups.members();
        let mut result = Table::with_capacity(table.steps(), table.len());
        for row in 0..table.len() {
            let head = table.rows.get(row).cloned();
            head.map(|head| result.push(head));
        }
        let mut order = Vec::new();
        for (step, param) in params.iter().enumerate() {
            for rows in &members {
                let chosen = choose(op, table, rows, step, *param);
                for row in &chosen {
                    result.set(*row, step, table.point(*row, step));
                }
                order.extend(chosen);
            }
        }
        if steps.is_single() {
            return Ok(result.reordered(&order));
        }
        result.drop_empty_rows();
        Ok(result)
    }

    /// Whether anything is chosen at all.
    fn check_parameters(
        &mut self,
        aggregate: &AggregateNode,
        params: &[f64],
    ) -> Result<bool, EvalError> {
        let most = params.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = params.iter().copied().fold(f64::INFINITY, f64::min);
        let any_nan = params.iter().any(|param| param.is_nan());
        if aggregate.op == AggregateOp::LimitRatio {
            if most == 0.0 && least == 0.0 {
                return Ok(false);
            }
            if any_nan {
                return Err(EvalError::failed("Ratio value is NaN"));
            }
            self.warn_of_ratios(aggregate, least, most);
            return Ok(true);
        }
        if most < 1.0 && !any_nan {
            return Ok(false);
        }
        if any_nan {
            return Err(EvalError::failed("Parameter value is NaN"));
        }
        if least <= LEAST_INT {
            let text = format!("Scalar value {} underflows int64", general(least));
            return Err(EvalError::failed(text));
        }
        if most >= MOST_INT {
            let text = format!("Scalar value {} overflows int64", general(most));
            return Err(EvalError::failed(text));
        }
        Ok(true)
    }

    fn warn_of_ratios(&mut self, aggregate: &AggregateNode, least: f64, most: f64) {
        let span = aggregate.param.as_ref().map(|param| param.span);
        let mut warn = |value: f64, to: &str| {
            let value = general(value);
            self.notes.warn(
                span.unwrap_or_default(),
                format!("ratio value should be between -1 and 1, got {value}, capping to {to}"),
            );
        };
        if most > 1.0 {
            warn(most, "1");
        }
        if least < -1.0 {
            warn(least, "-1");
        }
    }
}

/// The rows of a group that are chosen at a step, in the order of the result.
fn choose(op: AggregateOp, table: &Table, rows: &[usize], step: usize, param: f64) -> Vec<usize> {
    let present = rows.iter().copied().filter(|row| table.present(*row, step));
    match op {
        AggregateOp::LimitRatio => {
            let ratio = param.clamp(-1.0, 1.0);
            let in_ratio = |row: &usize| {
                let row = table.rows.get(*row);
                row.is_some_and(|row| is_sampled(&row.labels, ratio))
            };
            present.filter(in_ratio).collect()
        }
        AggregateOp::Limitk => present.take(whole(param)).collect(),
        _ => extremes(op, table, rows, step, whole(param)),
    }
}

/// A parameter as a number of elements.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the fraction does not count, and `as` ends at the bounds"
)]
fn whole(param: f64) -> usize {
    if param < 1.0 { 0 } else { param as usize }
}

fn extremes(
    op: AggregateOp,
    table: &Table,
    rows: &[usize],
    step: usize,
    count: usize,
) -> Vec<usize> {
    let float = |row: usize| table.floats(row).get(step).copied();
    let values = rows.iter().filter_map(|row| Some((*row, float(*row)?)));
    let mut values: Vec<(usize, f64)> = values.filter(|(_, value)| !is_stale(*value)).collect();
    let compare = |a: &(usize, f64), b: &(usize, f64)| {
        let ordered = if op == AggregateOp::Topk {
            b.1.partial_cmp(&a.1)
        } else {
            a.1.partial_cmp(&b.1)
        };
        // What is no number comes last.
        ordered.unwrap_or_else(|| a.1.is_nan().cmp(&b.1.is_nan()))
    };
    if count < values.len() && count > 0 {
        let by_place = |a: &(usize, f64), b: &(usize, f64)| compare(a, b).then(a.0.cmp(&b.0));
        values.select_nth_unstable_by(count - 1, by_place);
        values.truncate(count);
        values.sort_unstable_by(by_place);
    } else {
        values.truncate(count);
        values.sort_by(compare);
    }
    values.into_iter().map(|(row, _)| row).collect()
}

/// Whether a series belongs to a share of all series, chosen by the hash of its labels (`HashRatioSampler`): `0.3` and
/// `-0.7` are disjoint and together everything.
fn is_sampled(labels: &LabelSet, ratio: f64) -> bool {
    let offset = prometheus_hash(labels) as f64 / u64::MAX as f64;
    (ratio >= 0.0 && offset < ratio) || (ratio < 0.0 && offset >= 1.0 + ratio)
}

/// `labels.Labels.Hash` of Prometheus's default build: xxHash64 of names and values with their lengths before them.
fn prometheus_hash(labels: &LabelSet) -> u64 {
    let mut hash = Xxh64::new(0);
    for part in labels.iter().flat_map(|(name, value)| [name, value]) {
        let length = part.len();
        match u8::try_from(length) {
            Ok(short) if short < 255 => hash.update(&[short]),
            _ => {
                let [low, middle, high, ..] = length.to_le_bytes();
                hash.update(&[255, low, middle, high]);
            }
        }
        hash.update(part.as_bytes());
    }
    hash.digest()
}
