//! Operators between two vectors whose elements are matched (`VectorBinop` of `promql/engine.go`).

use super::{
    EvalError,
    binary::{calculate, changes_schema, holds},
    matching::{Signatures, is_metadata, matched_labels},
    room::Room,
    table::{Row, Table},
};
use crate::{
    labels::LabelSet,
    promql::{
        Annotations, Point, Span,
        ast::{BinaryOp, Cardinality, VectorMatching},
        functions::{Operated, of_points},
        hash::FastMap,
        is_stale,
    },
};

/// An operation of two vectors.
pub(super) struct Join<'a> {
    pub(super) op: BinaryOp,
    pub(super) matching: &'a VectorMatching,
    pub(super) return_bool: bool,
    pub(super) delayed: bool,
    pub(super) span: Span,
    pub(super) room: Room,
    /// The group of each row of the result.
    pub(super) groups: Vec<usize>,
    /// At which places of the result a filter dropped a match.
    pub(super) filtered: Vec<bool>,
    pub(super) notes: &'a mut Annotations,
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

    /// The values of all elements that match.
    pub(super) fn tables(&mut self, lhs: &Table, rhs: &Table) -> Result<Table, EvalError> {
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
        let mut turns: FastMap<usize, Vec<Option<usize>>> = FastMap::default();
        for (row, group) in sides.many_groups.iter().enumerate() {
            let ones = ones.get(*group).map(Vec::as_slice).unwrap_or_default();
            match ones {
                [] => {}
                [one] => self.pair(sides, (row, *one), *group, &mut matched, &mut result)?,
                several => {
                    let turns = turns.entry(*group);
                    let turns = turns.or_insert_with(|| taking_turns(sides.one, several));
                    self.pair_in_turns(sides, (row, turns), *group, &mut matched, &mut result)?;
                }
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
            }
        }
        if self.matching.cardinality != Cardinality::OneToOne {
            self.refuse_ambiguous(&result)?;
        }
        result.drop_empty_rows();
        Ok(result)
    }

    /// Adds a row to the result.
    fn push(
        &mut self,
        result: &mut Table,
        labels: LabelSet,
        group: usize,
    ) -> Result<usize, EvalError> {
        self.room.check(result.len() + 1, result.steps())?;
        self.groups.push(group);
        Ok(result.push(Row {
            labels,
            drop_name: self.return_bool,
        }))
    }

    /// Removes the last row of the result if nothing belongs to it, not even what a filter dropped.
    fn pop_if_unused(&mut self, result: &mut Table, at: usize) {
        let first = at * result.steps();
        if result.row_is_empty(at) && self.filtered.len() <= first {
            result.pop();
            self.groups.pop();
        }
    }

    /// Whether there may be results of one group with equal labels, so that matches count even if they are dropped.
    fn counts_filtered(&self) -> bool {
        self.matching.cardinality != Cardinality::OneToOne
            && self.op.is_comparison()
            && !self.return_bool
    }

    fn note_filtered(&mut self, place: usize) {
        if self.counts_filtered() {
            self.filtered
                .resize(self.filtered.len().max(place + 1), false);
            if let Some(filtered) = self.filtered.get_mut(place) {
                *filtered = true;
            }
        }
    }

    /// The values of a row with those of several rows of which one at most is there at a step.
    fn pair_in_turns(
        &mut self,
        sides: &Sides<'_>,
        (many, turns): (usize, &[Option<usize>]),
        group: usize,
        matched: &mut Matched,
        result: &mut Table,
    ) -> Result<(), EvalError> {
        let mut rows: FastMap<LabelSet, usize> = FastMap::default();
        let mut last = None;
        for (step, one) in turns.iter().enumerate() {
            let Some(one) = *one else { continue };
            let (Some(left), Some(right)) =
                (sides.many.point(many, step), sides.one.point(one, step))
            else {
                continue;
            };
            let Some(point) = self.value(left, right) else {
                continue;
            };
            self.mark(matched, group, step)?;
            let at = match last {
                Some((other, at)) if other == one => at,
                _ => {
                    let (Some(many), Some(one)) =
                        (sides.many.rows.get(many), sides.one.rows.get(one))
                    else {
                        continue;
                    };
                    let labels = self.result_labels(&many.labels, &one.labels);
                    match rows.get(&labels) {
                        Some(at) => *at,
                        None => {
                            let at = self.push(result, labels.clone(), group)?;
                            rows.insert(labels, at);
                            at
                        }
                    }
                }
            };
            last = Some((one, at));
            if point.is_none() {
                self.note_filtered(at * result.steps() + step);
            }
            result.set(at, step, point);
        }
        Ok(())
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
        let at = self.push(result, labels, group)?;
        let plain = !sides.many.has_histograms() && !sides.one.has_histograms();
        let trims = matches!(self.op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
        if plain && !trims {
            self.pair_floats(sides, (many, one), (group, at), matched, result)?;
            self.pop_if_unused(result, at);
            return Ok(());
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
                if point.is_none() {
                    self.note_filtered(at * result.steps() + step);
                }
                result.set(at, step, point);
            }
        }
        self.pop_if_unused(result, at);
        Ok(())
    }

    fn pair_floats(
        &mut self,
        sides: &Sides<'_>,
        (many, one): (usize, usize),
        (group, at): (usize, usize),
        matched: &mut Matched,
        result: &mut Table,
    ) -> Result<(), EvalError> {
        let swapped = self.swapped();
        let first = at * result.steps();
        let pairs = sides.many.floats(many).iter().zip(sides.one.floats(one));
        let into = result.floats_mut(at).iter_mut();
        for (step, (place, (many, one))) in into.zip(pairs).enumerate() {
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
                self.note_filtered(first + step);
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
        let at = self.push(result, labels, group)?;
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
                if point.is_none() {
                    self.note_filtered(at * result.steps() + step);
                }
                result.set(at, step, point);
            }
        }
        self.pop_if_unused(result, at);
        Ok(())
    }

    /// Refuses two results of one group with equal labels at one step: the labels of `group_left` do not tell them apart.
    fn refuse_ambiguous(&self, result: &Table) -> Result<(), EvalError> {
        let filtered = |row: usize, step: usize| {
            let place = row * result.steps() + step;
            self.filtered.get(place).copied().unwrap_or_default()
        };
        let matched = |row: usize, step: usize| result.present(row, step) || filtered(row, step);
        let mut seen: FastMap<(usize, &LabelSet), Vec<usize>> = FastMap::default();
        for (row, (head, group)) in result.rows.iter().zip(&self.groups).enumerate() {
            let rows = seen.entry((*group, &head.labels)).or_default();
            for step in 0..result.steps() {
                if !rows.is_empty()
                    && matched(row, step)
                    && rows.iter().any(|other| matched(*other, step))
                {
                    return Err(EvalError::failed(
                        "multiple matches for labels: grouping labels must ensure unique matches",
                    ));
                }
            }
            rows.push(row);
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

/// Which of several rows is there at each step; at most one is.
fn taking_turns(table: &Table, rows: &[usize]) -> Vec<Option<usize>> {
    let mut turns = vec![None; table.steps()];
    for row in rows {
        for (step, turn) in turns.iter_mut().enumerate() {
            if table.present(*row, step) {
                *turn = Some(*row);
            }
        }
    }
    turns
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
