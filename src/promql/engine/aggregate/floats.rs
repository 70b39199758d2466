//! Aggregations of floats: one cell per group and step, fed row by row.

use super::Groups;
use crate::promql::{Kahan, STALE, ast::AggregateOp, engine::table::Table, is_stale};

/// What a group has seen at a step.
trait Cell: Clone + Default {
    fn add(&mut self, value: f64);

    /// The result; none if nothing was added.
    fn result(&self) -> Option<f64>;
}

pub(super) fn aggregate(op: AggregateOp, table: &Table, groups: Groups) -> Table {
    match op {
        AggregateOp::Sum => run::<Sum>(table, groups),
        AggregateOp::Avg => run::<Average>(table, groups),
        AggregateOp::Min => run::<Min>(table, groups),
        AggregateOp::Max => run::<Max>(table, groups),
        AggregateOp::Count => run::<Count>(table, groups),
        AggregateOp::Stdvar => run::<Variance>(table, groups),
        AggregateOp::Stddev => run::<Deviation>(table, groups),
        _ => run::<Group>(table, groups),
    }
}

/// As [`aggregate`], but groups without any value keep their rows.
pub(super) fn aggregate_all(op: AggregateOp, table: &Table, groups: Groups) -> Table {
    if op == AggregateOp::Avg {
        fill::<Average>(table, groups)
    } else {
        fill::<Sum>(table, groups)
    }
}

/// `count` and `group`, which take any value.
pub(super) fn aggregate_present(op: AggregateOp, table: &Table, groups: Groups) -> Table {
    let mut present = Table::with_capacity(table.steps(), table.len());
    for (row, head) in table.rows.iter().enumerate() {
        let value = |step| if table.present(row, step) { 1.0 } else { STALE };
        present.push_floats(head.clone(), (0..table.steps()).map(value));
    }
    aggregate(op, &present, groups)
}

fn run<C: Cell>(table: &Table, groups: Groups) -> Table {
    let mut result = fill::<C>(table, groups);
    result.drop_empty_rows();
    result
}

fn fill<C: Cell>(table: &Table, groups: Groups) -> Table {
    let steps = table.steps();
    let members = groups.members();
    let mut result = Table::with_capacity(steps, groups.len());
    let mut cells = vec![C::default(); steps];
    for (head, rows) in groups.heads.into_iter().zip(&members) {
        cells.fill(C::default());
        for row in rows {
            for (cell, value) in cells.iter_mut().zip(table.floats(*row)) {
                if !is_stale(*value) {
                    cell.add(*value);
                }
            }
        }
        result.push_floats(
            head,
            cells.iter().map(|cell| cell.result().unwrap_or(STALE)),
        );
    }
    result
}

#[derive(Clone, Default)]
struct Sum {
    seen: bool,
    sum: Kahan,
}

impl Cell for Sum {
    fn add(&mut self, value: f64) {
        if self.seen {
            self.sum = self.sum.add(value);
        } else {
            (self.seen, self.sum.sum) = (true, value);
        }
    }

    fn result(&self) -> Option<f64> {
        self.seen.then_some(self.sum.total())
    }
}

/// The sum divided by the number, or, once the sum would overflow, a mean that is moved by each value.
#[derive(Clone, Default)]
struct Average {
    count: f64,
    /// The sum, or the mean.
    total: Kahan,
    moved: bool,
}

impl Cell for Average {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.total.sum = value;
            return;
        }
        if !self.moved {
            let total = self.total.add(value);
            if !total.sum.is_infinite() {
                self.total = total;
                return;
            }
            self.moved = true;
            self.total.sum /= self.count - 1.0;
            self.total.rest /= self.count - 1.0;
        }
        let kept = (self.count - 1.0) / self.count;
        let mean = Kahan {
            sum: kept * self.total.sum,
            rest: kept * self.total.rest,
        };
        self.total = mean.add(value / self.count);
    }

    fn result(&self) -> Option<f64> {
        let value = if self.moved {
            self.total.total()
        } else {
            self.total.sum / self.count + self.total.rest / self.count
        };
        (self.count > 0.0).then_some(value)
    }
}

#[derive(Clone, Default)]
struct Min(Option<f64>);

impl Cell for Min {
    fn add(&mut self, value: f64) {
        match self.0 {
            Some(least) if !(least > value || least.is_nan()) => {}
            _ => self.0 = Some(value),
        }
    }

    fn result(&self) -> Option<f64> {
        self.0
    }
}

#[derive(Clone, Default)]
struct Max(Option<f64>);

impl Cell for Max {
    fn add(&mut self, value: f64) {
        match self.0 {
            Some(most) if !(most < value || most.is_nan()) => {}
            _ => self.0 = Some(value),
        }
    }

    fn result(&self) -> Option<f64> {
        self.0
    }
}

#[derive(Clone, Default)]
struct Count(u64);

impl Cell for Count {
    fn add(&mut self, _: f64) {
        self.0 += 1;
    }

    fn result(&self) -> Option<f64> {
        (self.0 > 0).then_some(self.0 as f64)
    }
}

#[derive(Clone, Default)]
struct Group(bool);

impl Cell for Group {
    fn add(&mut self, _: f64) {
        self.0 = true;
    }

    fn result(&self) -> Option<f64> {
        self.0.then_some(1.0)
    }
}

/// Welford's algorithm.
#[derive(Clone, Default)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Cell for Variance {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn result(&self) -> Option<f64> {
        (self.count > 0.0).then_some(self.squares / self.count)
    }
}

#[derive(Clone, Default)]
struct Deviation(Variance);

impl Cell for Deviation {
    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(&self) -> Option<f64> {
        self.0.result().map(f64::sqrt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<C: Cell>(values: &[f64]) -> Option<f64> {
        let mut cell = C::default();
        for value in values {
            cell.add(*value);
        }
        cell.result()
    }

    #[test]
    fn sums_do_not_lose_small_values() {
        assert_eq!(of::<Sum>(&[1.0, 1e100, 1.0, -1e100]), Some(2.0));
        assert_eq!(of::<Sum>(&[]), None);
    }

    #[test]
    fn means_do_not_overflow() {
        assert_eq!(of::<Average>(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(of::<Average>(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(of::<Average>(&[f64::INFINITY, 1.0]), Some(f64::INFINITY));
    }

    #[test]
    fn any_number_is_better_than_none_for_extremes() {
        assert_eq!(of::<Min>(&[f64::NAN, 2.0, 1.0]), Some(1.0));
        assert_eq!(of::<Max>(&[f64::NAN, 2.0, 1.0]), Some(2.0));
    }

    #[test]
    fn deviations_of_values_without_end_are_no_numbers() {
        assert!(of::<Deviation>(&[f64::INFINITY]).unwrap().is_nan());
        assert_eq!(of::<Variance>(&[1.0, 3.0]), Some(1.0));
    }
}
