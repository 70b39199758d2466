//! Expressions that are asked again and again, as dashboards do: what was planned is planned once, as long as the world stays
//! as it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Claim, Plan, World, local, plan, size};
use crate::promql::{
    FunctionId,
    ast::{At, Duration, Expr, ExprKind, TimeShift},
    engine::{EvalError, Options, Steps},
    with_room,
};

/// Plans that are kept: those of the worlds in which one query is asked, one after the other.
const KEPT: usize = 3;

/// What these may take together, roughly. One that takes more is for so many partitions that planning is the least of it.
const MOST_BYTES: usize = 24 * 1024;

/// An expression, and the plans that were made of it last. A plan follows from the expression, the options and the world
/// alone, so that one is used again if these are the same, whatever was configured meanwhile.
#[derive(Debug)]
pub struct Recurring {
    expr: Expr,
    /// What the expression takes.
    bytes: usize,
    /// Whether its plan is the same at any time.
    is_timeless: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The one that was used last first.
    plans: Vec<Made>,
    claims: Vec<(Claim, bool)>,
}

/// A plan, and what it was made for.
#[derive(Debug)]
struct Made {
    options: Options,
    world: Arc<World>,
    plan: Arc<Plan>,
    bytes: usize,
}

impl Recurring {
    /// Keeps what is planned for an expression.
    #[must_use]
    pub fn new(expr: Expr) -> Self {
        Self {
            is_timeless: is_timeless(&expr),
            bytes: size_of::<Self>().saturating_add(size::of_query(&expr)),
            expr,
            known: Mutex::default(),
        }
    }

    /// The expression.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// How many bytes it may take with all that is kept, roughly and rather too many.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.saturating_add(MOST_BYTES)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`plan`] makes of it.
    ///
    /// # Errors
    /// When the expression has no value for these steps.
    pub fn plan(
        &self,
        steps: Steps,
        options: Options,
        world: &Arc<World>,
    ) -> Result<Arc<Plan>, EvalError> {
        let make = || plan(&self.expr, steps, options, world).map(Arc::new);
        // With steps more depends on them.
        if !self.is_timeless || steps.step != 0 {
            return make();
        }
        let known = self.known().find(options, world);
        if let Some(plan) = known {
            return Ok(plan);
        }
        // Nobody waits for it who asks the same.
        let plan = make()?;
        self.known().keep(options, world, &plan);
        Ok(plan)
    }

    /// Whether it has a selector that is claimed.
    #[must_use]
    pub fn is_claimed(&self, claim: Claim) -> bool {
        let mut known = self.known();
        if let Some((_, is)) = known.claims.iter().find(|(one, _)| *one == claim) {
            return *is;
        }
        let is = local::is_claimed(claim, &self.expr);
        known.claims.push((claim, is));
        is
    }
}

impl Known {
    fn find(&mut self, options: Options, world: &Arc<World>) -> Option<Arc<Plan>> {
        let fits = |made: &Made| made.options == options && made.world == *world;
        let place = self.plans.iter().position(fits)?;
        let used = self.plans.get_mut(..=place)?;
        used.rotate_right(1);
        let made = used.first_mut()?;
        // The next one is found by its place, and worlds of the past go.
        made.world = Arc::clone(world);
        Some(Arc::clone(&made.plan))
    }

    fn keep(&mut self, options: Options, world: &Arc<World>, plan: &Arc<Plan>) {
        let bytes = size::of_plan(plan, world);
        // Others may have planned the same meanwhile.
        if bytes > MOST_BYTES || self.find(options, world).is_some() {
            return;
        }
        let made = Made {
            options,
            world: Arc::clone(world),
            plan: Arc::clone(plan),
            bytes,
        };
        self.plans.insert(0, made);
        self.plans.truncate(KEPT);
        while self.plans.iter().map(|made| made.bytes).sum::<usize>() > MOST_BYTES {
            self.plans.pop();
        }
    }
}

/// Whether nothing in the plan of an expression for one time depends on which time that is.
fn is_timeless(expr: &Expr) -> bool {
    let fixed = |duration: &Duration| matches!(duration, Duration::Fixed(_));
    let shift =
        |shift: &TimeShift| fixed(&shift.offset) && !matches!(shift.at, Some(At::Start | At::End));
    let here = match &expr.kind {
        ExprKind::Vector(selector) => shift(&selector.shift),
        ExprKind::Matrix(matrix) => fixed(&matrix.range) && shift(&matrix.selector.shift),
        ExprKind::Subquery(subquery) => {
            let step = subquery.step.as_ref().is_none_or(fixed);
            fixed(&subquery.range) && step && shift(&subquery.shift)
        }
        ExprKind::Call(call) => !matches!(
            call.function.id,
            FunctionId::Start | FunctionId::End | FunctionId::Range | FunctionId::Step
        ),
        _ => true,
    };
    let mut below = expr.children().into_iter();
    here && below.all(|child| with_room(|| is_timeless(child)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        federation::{Dialect, PartitionMode, tests::plans::partition},
        promql::parse::{Features, parse},
    };

    const OPTIONS: Options = Options {
        lookback: 300_000,
        subquery_step: 60_000,
        max_samples: 1_000_000,
        delayed_name_removal: false,
        use_start_timestamps: false,
        type_and_unit_labels: false,
    };

    fn world(cluster: &str) -> Arc<World> {
        let partition = partition(cluster, PartitionMode::Attach, Dialect::Prometheus3);
        Arc::new(World {
            partitions: vec![partition],
        })
    }

    fn recurring(query: &str) -> Recurring {
        Recurring::new(parse(query, Features::all()).unwrap())
    }

    #[test]
    fn the_same_is_planned_once() {
        let query = recurring("sum(rate(x[5m]))");
        let at = |time| Steps::instant(time);
        let (one, other) = (world("a"), world("b"));
        let first = query.plan(at(1_000), OPTIONS, &one).unwrap();
        for (time, world) in [(2_000, &one), (3_000, &world("a"))] {
            let again = query.plan(at(time), OPTIONS, world).unwrap();
            assert!(Arc::ptr_eq(&first, &again), "{time}");
        }
        let elsewhere = query.plan(at(1_000), OPTIONS, &other).unwrap();
        let lookback = Options {
            lookback: 1_000,
            ..OPTIONS
        };
        let otherwise = query.plan(at(1_000), lookback, &one).unwrap();
        assert!(!Arc::ptr_eq(&first, &elsewhere) && !Arc::ptr_eq(&first, &otherwise));
        // All three are known; a fourth takes the place of the one that was not used for longest.
        assert!(Arc::ptr_eq(
            &first,
            &query.plan(at(1), OPTIONS, &one).unwrap()
        ));
        query.plan(at(1), lookback, &other).unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &query.plan(at(1), OPTIONS, &one).unwrap()
        ));
        let anew = query.plan(at(1), OPTIONS, &other).unwrap();
        assert!(!Arc::ptr_eq(&elsewhere, &anew));
        assert_eq!(elsewhere, anew);
    }

    #[test]
    fn worlds_that_are_gone_are_not_kept() {
        let query = recurring("sum(rate(x[5m]))");
        let (before, after) = (world("a"), world("a"));
        let plan = |world| query.plan(Steps::instant(1_000), OPTIONS, world).unwrap();
        assert!(Arc::ptr_eq(&plan(&before), &plan(&after)));
        assert_eq!(
            (Arc::strong_count(&before), Arc::strong_count(&after)),
            (1, 2)
        );
    }

    #[test]
    fn plans_that_take_much_are_not_kept() {
        let query = recurring("sum(rate(x[5m]))");
        let of = |count: usize| {
            let partitions = (0..count).map(|number| {
                partition(
                    &number.to_string(),
                    PartitionMode::Attach,
                    Dialect::Prometheus3,
                )
            });
            Arc::new(World {
                partitions: partitions.collect(),
            })
        };
        let kept = |world| {
            let plan = || query.plan(Steps::instant(1_000), OPTIONS, world).unwrap();
            Arc::ptr_eq(&plan(), &plan())
        };
        let (few, some, many) = (of(3), of(30), of(300));
        assert!(kept(&few) && kept(&some) && !kept(&many));
        let bytes = || {
            query
                .known()
                .plans
                .iter()
                .map(|made| made.bytes)
                .sum::<usize>()
        };
        assert!((1_000..=MOST_BYTES).contains(&bytes()));
        // A larger one takes the place of others.
        let more = of(40);
        assert!(kept(&more) && bytes() <= MOST_BYTES);
        assert!(query.bytes() < 2 * MOST_BYTES);
    }

    #[test]
    fn what_depends_on_the_time_is_planned_each_time() {
        for query in [
            "x @ start()",
            "sum(x offset step())",
            "rate(x[5m] @ end())",
            "x + end()",
            "max_over_time(x[5m:step()])",
        ] {
            let query = recurring(query);
            let plan = |time| query.plan(Steps::instant(time), OPTIONS, &world("a"));
            let Ok(first) = plan(1_000) else { continue };
            assert!(!Arc::ptr_eq(&first, &plan(2_000).unwrap()), "{query:?}");
        }
    }

    #[test]
    fn plans_of_other_times_are_the_same() {
        for query in [
            "x",
            "x @ 100 offset 1m",
            "sum by (a) (rate(x[5m] offset 1m)) / 2 > bool 1",
            "topk(3, max_over_time(rate(x[1m])[5m:30s] @ 50))",
            "time() - timestamp(x) + hour() or vector(1)",
            "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
            "absent(x{a=\"b\"}) unless label_replace(y, \"a\", \"b\", \"\", \"\")",
        ] {
            let query = recurring(query);
            assert!(query.is_timeless, "{query:?}");
            for world in [world("a"), Arc::new(World::default())] {
                let of = |time| plan(query.expr(), Steps::instant(time), OPTIONS, &world).unwrap();
                assert_eq!(of(1_000), of(1_700_000_000_123), "{query:?}");
                assert_eq!(of(1_000), of(-5), "{query:?}");
            }
        }
    }

    #[test]
    fn what_is_claimed_is_known() {
        let claim = |value| Claim {
            label: "__name__",
            value,
        };
        let query = recurring("sum(x) + y");
        for _ in 0..2 {
            assert!(query.is_claimed(claim("y")) && !query.is_claimed(claim("z")));
        }
    }
}
