//! Binary operators (`VectorBinop`, `VectorscalarBinop`, `VectorAnd` and others of `promql/engine.go`).

use super::{
    EvalError, Steps,
    evaluate::{Evaluated, Evaluator},
    matching::{Signatures, is_metadata, matched_labels},
    plan::{BinaryNode, Node},
    table::{Row, Table},
};
use crate::{
    labels::LabelSet,
    promql::{
        Annotations, Point, Span,
        ast::{BinaryOp, Cardinality, ValueType, VectorMatching},
        functions::{Operated, compare, of_numbers, of_points},
        is_stale,
    },
};

/// Whether an operator yields something else than its operands measure, so that the name no longer fits.
fn changes_schema(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Atan2, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Div | Mul | Pow | Mod | Atan2)
}

/// The value of a calculation; only operators that calculate come here.
fn calculate(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    of_numbers(op, lhs, rhs).unwrap_or(f64::NAN)
}

/// Whether a comparison holds; only operators that compare come here.
fn holds(op: BinaryOp, lhs: f64, rhs: f64) -> bool {
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
        for (row, group) in present.others.iter().enumerate() {
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

/// An operation of two vectors.
struct Join<'a> {
    op: BinaryOp,
    matching: &'a VectorMatching,
    return_bool: bool,
    delayed: bool,
    span: Span,
    notes: &'a mut Annotations,
}

/// The sides of a join: `many` is the left one unless the right one has many elements per group.
struct Sides<'a> {
    many: &'a Table,
    one: &'a Table,
    /// Rows of the "many" side by group.
    many_groups: Vec<usize>,
    one_groups: Vec<usize>,
    groups: usize,
}

impl Join<'_> {
    fn swapped(&self) -> bool {
        self.matching.cardinality == Cardinality::OneToMany
    }

    fn tables(&mut self, lhs: &Table, rhs: &Table) -> Result<Table, EvalError> {
        let (many, one) = if self.swapped() {
            (rhs, lhs)
        } else {
            (lhs, rhs)
        };
        let mut signatures = Signatures::new(&self.matching.labels, self.matching.on);
        let mut number = |table: &Table| -> Vec<usize> {
            let rows = table.rows.iter();
            rows.map(|row| signatures.number(&row.labels).0).collect()
        };
        let (many_groups, one_groups) = (number(many), number(one));
        let sides = Sides {
            many,
            one,
            many_groups,
            one_groups,
            groups: signatures.len(),
        };
        self.join(&sides)
    }

    fn join(&mut self, sides: &Sides<'_>) -> Result<Table, EvalError> {
        let steps = sides.many.steps();
        let mut result = Table::with_capacity(steps, sides.many.len());
        let mut ones: Vec<Vec<usize>> = vec![Vec::new(); sides.groups];
        for (row, group) in sides.one_groups.iter().enumerate() {
            if let Some(rows) = ones.get_mut(*group) {
                rows.push(row);
            }
        }
        self.refuse_many_on_one_side(sides, &ones)?;
        // Which groups had a match at a step, for one-to-one matching and for what is filled in.
        let mut matched = Matched::new(sides.groups, steps);
        // Prometheus takes `fill_left` for the side with many elements even where that is the right one.
        let (fill_many, fill_one) = (self.matching.fill_left, self.matching.fill_right);
        let mut results = Vec::new();
        for (row, group) in sides.many_groups.iter().enumerate() {
            let ones = ones.get(*group).map(Vec::as_slice).unwrap_or_default();
            for one in ones {
                self.pair(sides, (row, *one), *group, &mut matched, &mut result)?;
                results.push(*group);
                results.truncate(result.len());
            }
            if let Some(fill) = fill_one {
                let filled = Fill {
                    table: sides.many,
                    row,
                    value: fill,
                    is_many: true,
                };
                let absent = |step| !ones.iter().any(|one| sides.one.present(*one, step));
                self.fill(&filled, *group, &absent, &mut matched, &mut result)?;
                results.push(*group);
                results.truncate(result.len());
            }
        }
        if let Some(fill) = fill_many {
            let before = matched.clone();
            for (row, group) in sides.one_groups.iter().enumerate() {
                let filled = Fill {
                    table: sides.one,
                    row,
                    value: fill,
                    is_many: false,
                };
                let absent = |step| !before.get(*group, step);
                self.fill(&filled, *group, &absent, &mut matched, &mut result)?;
                results.push(*group);
                results.truncate(result.len());
            }
        }
        if self.matching.cardinality != Cardinality::OneToOne {
            refuse_ambiguous(&result, &results)?;
        }
        self.finish(&mut result);
        Ok(result)
    }

    /// Removes what a filter does not keep: rows hold all matches until then.
    fn finish(&self, result: &mut Table) {
        result.drop_empty_rows();
    }

    /// The values of two rows that belong together, at the steps where both have one.
    fn pair(
        &mut self,
        sides: &Sides<'_>,
        (many, one): (usize, usize),
        group: usize,
        matched: &mut Matched,
        result: &mut Table,
    ) -> Result<(), EvalError> {
        let (Some(many_row), Some(one_row)) = (sides.many.rows.get(many), sides.one.rows.get(one))
        else {
            return Ok(());
        };
        let labels = self.result_labels(&many_row.labels, &one_row.labels);
        let at = result.push(Row {
            labels,
            drop_name: self.return_bool,
        });
        let plain = !sides.many.has_histograms() && !sides.one.has_histograms();
        let trims = matches!(self.op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
        if plain && !trims {
            return self.pair_floats(sides, (many, one), group, matched, result.floats_mut(at));
        }
        for step in 0..result.steps() {
            let (Some(left), Some(right)) =
                (sides.many.point(many, step), sides.one.point(one, step))
            else {
                continue;
            };
            let point = self.value(left, right);
            if let Some(point) = point {
                self.mark(matched, group, step)?;
                result.set(at, step, point);
            }
        }
        Ok(())
    }

    fn pair_floats(
        &self,
        sides: &Sides<'_>,
        (many, one): (usize, usize),
        group: usize,
        matched: &mut Matched,
        into: &mut [f64],
    ) -> Result<(), EvalError> {
        let swapped = self.swapped();
        let pairs = sides.many.floats(many).iter().zip(sides.one.floats(one));
        for (step, (place, (many, one))) in into.iter_mut().zip(pairs).enumerate() {
            if is_stale(*many) || is_stale(*one) {
                continue;
            }
            self.mark(matched, group, step)?;
            let (lhs, rhs) = if swapped {
                (*one, *many)
            } else {
                (*many, *one)
            };
            *place = if !self.op.is_comparison() {
                calculate(self.op, lhs, rhs)
            } else if self.return_bool {
                f64::from(u8::from(holds(self.op, lhs, rhs)))
            } else if holds(self.op, lhs, rhs) {
                lhs
            } else {
                crate::promql::STALE
            };
        }
        Ok(())
    }

    /// The value of a match: none if the operands do not fit, none inside if a filter drops it.
    fn value(&mut self, many: Point, one: Point) -> Option<Option<Point>> {
        let (lhs, rhs) = if self.swapped() {
            (one, many)
        } else {
            (many, one)
        };
        let operated = of_points(self.op, &lhs, &rhs, self.span, self.notes)?;
        let Operated { point: value, keep } = operated;
        if self.return_bool {
            return Some(Some(Point::Float(f64::from(u8::from(keep)))));
        }
        Some(keep.then_some(value))
    }

    /// Notes a match; in one-to-one matching there may be one per group and step.
    fn mark(&self, matched: &mut Matched, group: usize, step: usize) -> Result<(), EvalError> {
        let before = matched.mark(group, step);
        if before && self.matching.cardinality == Cardinality::OneToOne {
            return Err(EvalError::failed(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            ));
        }
        Ok(())
    }

    /// Uses a fixed value where the other side has none.
    fn fill(
        &mut self,
        filled: &Fill<'_>,
        group: usize,
        absent: &dyn Fn(usize) -> bool,
        matched: &mut Matched,
        result: &mut Table,
    ) -> Result<(), EvalError> {
        let Some(row) = filled.table.rows.get(filled.row) else {
            return Ok(());
        };
        let other = matched_labels(&row.labels, &self.matching.labels, self.matching.on);
        let labels = if filled.is_many {
            self.result_labels(&row.labels, &other)
        } else {
            self.result_labels(&other, &row.labels)
        };
        let at = result.push(Row {
            labels,
            drop_name: self.return_bool,
        });
        for step in 0..result.steps() {
            let Some(point) = filled
                .table
                .point(filled.row, step)
                .filter(|_| absent(step))
            else {
                continue;
            };
            let value = Point::Float(filled.value);
            let (many, one) = if filled.is_many {
                (point, value)
            } else {
                (value, point)
            };
            if let Some(point) = self.value(many, one) {
                self.mark(matched, group, step)?;
                result.set(at, step, point);
            }
        }
        if result.row_is_empty(at) {
            result.pop();
        }
        Ok(())
    }

    /// The labels of a match.
    fn result_labels(&self, many: &LabelSet, one: &LabelSet) -> LabelSet {
        let matching = self.matching;
        let drop = changes_schema(self.op) || (self.return_bool && !self.delayed);
        let one_to_one = matching.cardinality == Cardinality::OneToOne;
        let included = |name: &str| matching.include.iter().any(|label| label == name);
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for (name, value) in many {
            if (drop && is_metadata(name)) || included(name) {
                continue;
            }
            let listed = matching.labels.iter().any(|label| label == name);
            if !one_to_one || listed == matching.on {
                pairs.push((name, value));
            }
        }
        for name in &matching.include {
            let value = one.value(name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        LabelSet::from_pairs(pairs)
    }

    /// Refuses two elements of one group on the side that must have one.
    fn refuse_many_on_one_side(
        &self,
        sides: &Sides<'_>,
        ones: &[Vec<usize>],
    ) -> Result<(), EvalError> {
        let fills = self.matching.fill_left.is_some() || self.matching.fill_right.is_some();
        for rows in ones.iter().filter(|rows| rows.len() > 1) {
            for step in 0..sides.one.steps() {
                let mut present = rows.iter().filter(|row| sides.one.present(**row, step));
                let (Some(first), Some(second)) = (present.next(), present.next()) else {
                    continue;
                };
                // A step at which the other side has nothing at all is not looked at.
                let other = (0..sides.many.len()).any(|row| sides.many.present(row, step));
                if other || fills {
                    return Err(self.duplicate(sides.one, *first, *second));
                }
            }
        }
        Ok(())
    }

    fn duplicate(&self, one: &Table, first: usize, second: usize) -> EvalError {
        let labels = |row: usize| {
            let row = one.rows.get(row);
            row.map(|row| row.labels.clone()).unwrap_or_default()
        };
        let (first, second) = (labels(first), labels(second));
        let group = matched_labels(&second, &self.matching.labels, self.matching.on);
        let (mut a, mut b) = (first.to_string(), second.to_string());
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        let side = if self.swapped() { "left" } else { "right" };
        EvalError::failed(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }
}

/// A row whose other side is filled in.
struct Fill<'a> {
    table: &'a Table,
    row: usize,
    value: f64,
    is_many: bool,
}

/// Which groups had a match, per step.
#[derive(Clone)]
struct Matched {
    steps: usize,
    marks: Vec<bool>,
}

impl Matched {
    fn new(groups: usize, steps: usize) -> Self {
        Self {
            steps,
            marks: vec![false; groups * steps],
        }
    }

    fn get(&self, group: usize, step: usize) -> bool {
        let at = group * self.steps + step;
        self.marks.get(at).copied().unwrap_or_default()
    }

    /// Notes a match, and says whether there was one before.
    fn mark(&mut self, group: usize, step: usize) -> bool {
        let mark = self.marks.get_mut(group * self.steps + step);
        mark.is_some_and(|mark| std::mem::replace(mark, true))
    }
}

/// Refuses two results of one group with equal labels at one step: the labels of `group_left` do not tell them apart.
fn refuse_ambiguous(result: &Table, groups: &[usize]) -> Result<(), EvalError> {
    use crate::promql::hash::FastMap;
    let mut seen: FastMap<(usize, &LabelSet), Vec<usize>> = FastMap::default();
    for (row, head) in result.rows.iter().enumerate() {
        let group = groups.get(row).copied().unwrap_or_default();
        let rows = seen.entry((group, &head.labels)).or_default();
        for step in 0..result.steps() {
            let here = result.present(row, step);
            if here && rows.iter().any(|other| result.present(*other, step)) {
                return Err(EvalError::failed(
                    "multiple matches for labels: grouping labels must ensure unique matches",
                ));
            }
        }
        rows.push(row);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_does_not_count_for_matching() {
        let set = LabelSet::from_pairs([("__name__", "a"), ("job", "x")]);
        assert_eq!(matched_labels(&set, &[], false).to_string(), "{job=\"x\"}");
        assert!(matched_labels(&set, &[], true).is_empty());
    }
}
