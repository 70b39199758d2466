//! What of the future of its steps a query sees.

use crate::promql::{
    FunctionId,
    ast::{At, Duration, Expr, ExprKind, Extended, TimeShift, ValueType},
    with_room,
};

/// The latest samples that the value at a step can depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// How far after the step they may be; milliseconds.
    ahead: i64,
    /// The latest time that is looked at whatever the step is; Unix milliseconds.
    fixed: i64,
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug)]
enum When {
    /// So many milliseconds after the step.
    After(i64),
    /// At this time, Unix milliseconds, whatever the step is.
    At(i64),
}

impl Horizon {
    /// That of an expression; none if it reads no data, or if its value at a step depends on the other steps of the
    /// query: on `start()`, `end()`, `range()`, `step()`, and on whether there are any, as what `sort` does.
    #[must_use]
    pub fn of(expr: &Expr) -> Option<Self> {
        if !matches!(expr.value_type(), ValueType::Vector | ValueType::Scalar) {
            return None;
        }
        let mut seen = Seen::default();
        seen.look(expr, When::After(0))?;
        seen.any.then_some(seen.horizon)
    }

    /// The last time at which the value no longer changes if no samples until `settled` come or go any more.
    #[must_use]
    pub fn settled(self, settled: i64) -> Option<i64> {
        (self.fixed <= settled).then(|| settled.saturating_sub(self.ahead))
    }
}

struct Seen {
    horizon: Horizon,
    any: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            horizon: Horizon {
                ahead: 0,
                fixed: i64::MIN,
            },
            any: false,
        }
    }
}

impl Seen {
    fn look(&mut self, expr: &Expr, when: When) -> Option<()> {
        with_room(|| self.look_into(expr, when))
    }

    fn look_into(&mut self, expr: &Expr, when: When) -> Option<()> {
        match &expr.kind {
            ExprKind::Fragment(_) => return None,
            ExprKind::Vector(selector) => {
                self.select(when.shifted(&selector.shift)?, selector.extended)?;
            }
            ExprKind::Matrix(matrix) => {
                fixed(&matrix.range)?;
                let selector = &matrix.selector;
                self.select(when.shifted(&selector.shift)?, selector.extended)?;
            }
            ExprKind::Subquery(subquery) => {
                fixed(&subquery.range)?;
                if let Some(step) = &subquery.step {
                    fixed(step)?;
                }
                return self.look(&subquery.expr, when.shifted(&subquery.shift)?);
            }
            ExprKind::Call(call) => {
                use FunctionId::{
                    End, Range, Sort, SortByLabel, SortByLabelDesc, SortDesc, Start, Step,
                };
                // What sorts means something else where there is one step only.
                let sorts = [Sort, SortDesc, SortByLabel, SortByLabelDesc];
                if matches!(call.function.id, Start | End | Range | Step)
                    || sorts.contains(&call.function.id)
                {
                    return None;
                }
            }
            _ => {}
        }
        expr.children()
            .into_iter()
            .try_for_each(|child| self.look(child, when))
    }

    fn select(&mut self, when: When, extended: Extended) -> Option<()> {
        // What is smoothed looks for the next sample, as far away as that may be.
        if extended == Extended::Smoothed {
            return None;
        }
        self.any = true;
        match when {
            When::After(ahead) => self.horizon.ahead = self.horizon.ahead.max(ahead),
            When::At(time) => self.horizon.fixed = self.horizon.fixed.max(time),
        }
        Some(())
    }
}

impl When {
    fn shifted(self, shift: &TimeShift) -> Option<Self> {
        let offset = fixed(&shift.offset)?;
        let base = match shift.at {
            None => self,
            Some(At::Time(time)) => Self::At(time),
            Some(At::Start | At::End) => return None,
        };
        Some(match base {
            Self::After(ahead) => Self::After(ahead.saturating_sub(offset)),
            Self::At(time) => Self::At(time.saturating_sub(offset)),
        })
    }
}

/// A duration that does not depend on the query.
fn fixed(duration: &Duration) -> Option<i64> {
    match duration {
        Duration::Fixed(millis) => Some(*millis),
        Duration::Expr(_) => None,
    }
}
