//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`.

use std::cmp::Ordering;

use super::{
    super::{
        EvalError, Steps,
        evaluate::{Evaluated, Evaluator},
        plan::{CallNode, Node},
        table::Table,
    },
    text_of,
};
use crate::{
    labels::LabelSet,
    promql::{FunctionId, is_stale},
};

impl Evaluator<'_> {
    pub(super) fn sort(
        &mut self,
        node: &Node,
        call: &CallNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        use FunctionId::{Sort, SortByLabel, SortDesc};
        let table = self.arg(call, 0, steps)?.vector()?;
        if !steps.is_single() {
            self.notes.warn(
                node.span,
                "sort is ineffective for range queries since results are always ordered by labels",
            );
            return Ok(Evaluated::Vector(table));
        }
        let id = call.function.id;
        let mut order: Vec<usize> = (0..table.len()).collect();
        if matches!(id, Sort | SortDesc) {
            order.retain(|row| {
                table
                    .floats(*row)
                    .first()
                    .is_some_and(|value| !is_stale(*value))
            });
            order.sort_by(|a, b| by_value(&table, *a, *b, id == SortDesc));
        } else {
            let labels: Vec<&str> = (1..call.args.len()).map(|at| text_of(call, at)).collect();
            order.sort_by(|a, b| {
                let ordering = by_labels(&table, *a, *b, &labels);
                if id == SortByLabel {
                    ordering
                } else {
                    ordering.reverse()
                }
            });
        }
        Ok(Evaluated::Vector(table.reordered(&order)))
    }
}

/// By value; what is no number comes last either way.
fn by_value(table: &Table, a: usize, b: usize, descending: bool) -> Ordering {
    let value = |row: usize| table.floats(row).first().copied().unwrap_or(f64::NAN);
    let (a, b) = (value(a), value(b));
    match (a.is_nan(), b.is_nan()) {
        (false, false) if descending => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

fn by_labels(table: &Table, a: usize, b: usize, labels: &[&str]) -> Ordering {
    let set = |row: usize| {
        let row = table.rows.get(row);
        row.map(|row| row.labels.clone()).unwrap_or_default()
    };
    let (a, b): (LabelSet, LabelSet) = (set(a), set(b));
    for label in labels {
        let ordering = natural(a.value(label), b.value(label));
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    a.iter().cmp(b.iter())
}

/// Texts with numbers in them by the values of the numbers: `a2` before `a10` (`facette/natsort`).
fn natural(a: &str, b: &str) -> Ordering {
    let (chunks, others) = (chunks(a), chunks(b));
    for (own, other) in chunks.iter().zip(&others) {
        let (own, other) = (*own, *other);
        if own == other {
            continue;
        }
        let number = |chunk: &str| -> Option<u64> { chunk.parse().ok() };
        let ordering = match (number(own), number(other)) {
            (Some(own), Some(other)) => own.cmp(&other),
            _ => own.cmp(other),
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    chunks.len().cmp(&others.len()).then_with(|| a.cmp(b))
}

/// The runs of digits and of other characters.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits);
        let (chunk, after) = rest.split_at(end.unwrap_or(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_compared_as_numbers() {
        let mut names = ["a10", "a2", "b1", "a02", "a", "10", "9", "a2b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["9", "10", "a", "a02", "a2", "a2b", "a10", "b1"]);
    }
}
