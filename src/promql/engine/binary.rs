//! Binary operators (`VectorBinop`, `VectorscalarBinop`, `VectorAnd` and others of `promql/engine.go`).

use super::{
    EvalError, Steps,
    evaluate::{Evaluated, Evaluator},
    join::Join,
    matching::{Signatures, is_metadata},
    plan::{BinaryNode, Node},
    table::Table,
};
use crate::promql::{
    Point, Span,
    ast::{BinaryOp, ValueType, VectorMatching},
    functions::{Operated, compare, of_numbers, of_points},
    is_stale,
};

/// Whether an operator yields something else than its operands measure, so that the name no longer fits.
pub(super) fn changes_schema(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Atan2, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Div | Mul | Pow | Mod | Atan2)
}

/// The value of a calculation; only operators that calculate come here.
pub(super) fn calculate(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    of_numbers(op, lhs, rhs).unwrap_or(f64::NAN)
}

/// Whether a comparison holds; only operators that compare come here.
pub(super) fn holds(op: BinaryOp, lhs: f64, rhs: f64) -> bool {
    compare(op, lhs, rhs).unwrap_or_default()
}

impl Evaluator<'_> {
    pub(super) fn binary(
        &mut self,
        node: &Node,
        binary: &BinaryNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        let lhs = self.eval(&binary.lhs, steps)?;
        let rhs = self.eval(&binary.rhs, steps)?;
        let (left, right) = (binary.lhs.value_type, binary.rhs.value_type);
        let op = binary.op;
        match (left, right) {
            (ValueType::Scalar, ValueType::Scalar) => {
                let (lhs, rhs) = (lhs.scalar()?, rhs.scalar()?);
                let both = lhs.into_iter().zip(rhs);
                let values = both.map(|(a, b)| calculate(op, a, b)).collect();
                Ok(Evaluated::Scalar(values))
            }
            (ValueType::Scalar, _) => {
                let (scalar, table) = (lhs.scalar()?, rhs.vector()?);
                self.with_scalar(node, binary, table, &scalar, true)
            }
            (_, ValueType::Scalar) => {
                let (table, scalar) = (lhs.vector()?, rhs.scalar()?);
                self.with_scalar(node, binary, table, &scalar, false)
            }
            _ => {
                let (lhs, rhs) = (lhs.vector()?, rhs.vector()?);
                let default = VectorMatching::default_for(op);
                let matching = binary.matching.as_ref().unwrap_or(&default);
                let table = match op {
                    BinaryOp::And => set_and(lhs, &rhs, matching, true),
                    BinaryOp::Unless => set_and(lhs, &rhs, matching, false),
                    BinaryOp::Or => self.set_or(lhs, &rhs, matching, steps)?,
                    _ => {
                        let mut join = Join {
                            op,
                            matching,
                            return_bool: binary.return_bool,
                            delayed: self.options.delayed_name_removal,
                            span: node.span,
                            room: self.room(),
                            groups: Vec::new(),
                            filtered: Vec::new(),
                            notes: &mut self.notes,
                        };
                        let mut table = join.tables(&lhs, &rhs)?;
                        self.unique(&mut table, steps)?;
                        table
                    }
                };
                Ok(Evaluated::Vector(table))
            }
        }
    }

    /// An operation of a vector with a number per step; `swapped` if the number stands on the left.
    fn with_scalar(
        &mut self,
        node: &Node,
        binary: &BinaryNode,
        mut table: Table,
        scalar: &[f64],
        swapped: bool,
    ) -> Result<Evaluated, EvalError> {
        let op = binary.op;
        if table.has_histograms() || matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower) {
            self.points_with_scalar(node.span, binary, &mut table, scalar, swapped);
        } else {
            for row in 0..table.len() {
                floats_with_scalar(binary, table.floats_mut(row), scalar, swapped);
            }
        }
        if op.is_comparison() || table.has_histograms() {
            table.drop_empty_rows();
        }
        if changes_schema(op) || binary.return_bool {
            self.drop_names(&mut table)?;
        }
        Ok(Evaluated::Vector(table))
    }

    fn points_with_scalar(
        &mut self,
        span: Span,
        binary: &BinaryNode,
        table: &mut Table,
        scalar: &[f64],
        swapped: bool,
    ) {
        for row in 0..table.len() {
            for (step, number) in scalar.iter().enumerate() {
                let Some(point) = table.point(row, step) else {
                    continue;
                };
                let number = Point::Float(*number);
                let (lhs, rhs) = if swapped {
                    (&number, &point)
                } else {
                    (&point, &number)
                };
                let result = of_points(binary.op, lhs, rhs, span, &mut self.notes);
                let result = result.and_then(|Operated { point: value, keep }| {
                    if binary.return_bool {
                        return Some(Point::Float(f64::from(u8::from(keep))));
                    }
                    let value = if binary.op.is_comparison() {
                        point
                    } else {
                        value
                    };
                    keep.then_some(value)
                });
                table.set(row, step, result);
            }
        }
    }

    /// `a or b`: all of the left, and what of the right matches nothing of it.
    fn set_or(
        &self,
        lhs: Table,
        rhs: &Table,
        matching: &VectorMatching,
        steps: Steps,
    ) -> Result<Table, EvalError> {
        let present = Presence::new(&lhs, rhs, matching);
        let mut table = lhs;
        let room = self.room();
        for (row, group) in present.others.iter().enumerate() {
            room.check(table.len() + 1, table.steps())?;
            let at = table.push_from(rhs, row);
            for step in 0..table.steps() {
                if present.any(*group, step) {
                    table.set(at, step, None);
                }
            }
            if table.row_is_empty(at) {
                table.pop();
            }
        }
        self.unique(&mut table, steps)?;
        Ok(table)
    }
}

/// A comparison or calculation of the floats of a row with a number per step.
fn floats_with_scalar(binary: &BinaryNode, floats: &mut [f64], scalar: &[f64], swapped: bool) {
    let op = binary.op;
    let pairs = floats.iter_mut().zip(scalar);
    if op.is_comparison() {
        for (float, number) in pairs {
            if is_stale(*float) {
                continue;
            }
            let keep = if swapped {
                holds(op, *number, *float)
            } else {
                holds(op, *float, *number)
            };
            if binary.return_bool {
                *float = f64::from(u8::from(keep));
            } else if !keep {
                *float = crate::promql::STALE;
            }
        }
        return;
    }
    for (float, number) in pairs {
        if !is_stale(*float) {
            *float = if swapped {
                calculate(op, *number, *float)
            } else {
                calculate(op, *float, *number)
            };
        }
    }
}

/// At which steps a group of rows of one table has a value, and to which groups the rows of the other belong.
struct Presence {
    steps: usize,
    present: Vec<bool>,
    others: Vec<usize>,
}

impl Presence {
    fn new(table: &Table, other: &Table, matching: &VectorMatching) -> Self {
        let mut signatures = Signatures::new(&matching.labels, matching.on);
        let steps = table.steps();
        let mut present = Vec::new();
        for (row, head) in table.rows.iter().enumerate() {
            let (group, new) = signatures.number(&head.labels);
            if new {
                present.resize((group + 1) * steps, false);
            }
            let marks = present.get_mut(group * steps..).unwrap_or_default();
            for (step, mark) in marks.iter_mut().take(steps).enumerate() {
                *mark |= table.present(row, step);
            }
        }
        let others = other.rows.iter();
        let others = others.map(|row| signatures.number(&row.labels).0).collect();
        Self {
            steps,
            present,
            others,
        }
    }

    fn any(&self, group: usize, step: usize) -> bool {
        let at = group * self.steps + step;
        self.present.get(at).copied().unwrap_or_default()
    }
}

/// `a and b` (`wanted`), or `a unless b`.
fn set_and(mut lhs: Table, rhs: &Table, matching: &VectorMatching, wanted: bool) -> Table {
    let presence = Presence::new(rhs, &lhs, matching);
    for (row, group) in presence.others.iter().enumerate() {
        for step in 0..lhs.steps() {
            if presence.any(*group, step) != wanted {
                lhs.set(row, step, None);
            }
        }
    }
    lhs.drop_empty_rows();
    lhs
}

impl Evaluator<'_> {
    /// Drops metric names now, or later if that is asked for.
    pub(super) fn drop_names(&self, table: &mut Table) -> Result<(), EvalError> {
        self.drop_names_but(table, |name| !is_metadata(name))
    }

    /// Drops now what `keeps` does not keep, or later all that belongs to names.
    pub(super) fn drop_names_but(
        &self,
        table: &mut Table,
        keeps: impl Fn(&str) -> bool,
    ) -> Result<(), EvalError> {
        for row in &mut table.rows {
            row.drop_name = true;
            if !self.options.delayed_name_removal {
                row.labels = row.labels.filter_pairs(|name, _| keeps(name));
            }
        }
        if self.options.delayed_name_removal {
            return Ok(());
        }
        table.merge_equal_rows()
    }

    /// Rows with equal labels become one; where names are still to be dropped, an instant query checks at the end.
    fn unique(&self, table: &mut Table, steps: Steps) -> Result<(), EvalError> {
        if steps.is_single() && self.options.delayed_name_removal {
            return Ok(());
        }
        table.merge_equal_rows()
    }
}
