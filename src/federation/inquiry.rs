//! A query under way: what is to be fetched for it, and what comes of what was fetched.

use std::sync::Arc;

use super::{
    Answer, Dialect, Fetched, Fragment, Missing, Overlap, Partition, Plan, Speech, Version, World,
    answer::Certainty,
    dialect, merge,
    notes::{self, Note},
    plan::plan,
    prune,
};
use crate::{
    labels::{LabelSet, Matcher},
    promql::{
        Annotations, Series, Severity, Span,
        ast::{Duration, Expr, ExprKind, Extended, MatrixSelector, TimeShift, VectorSelector},
        engine::{EvalError, Options, Prepared, Selection, Steps, Stop, prepare_with},
    },
};

/// A planned query and the times at which its parts are needed.
#[derive(Debug)]
pub struct Inquiry {
    plan: Arc<Plan>,
    prepared: Prepared,
    windows: Vec<Vec<Window>>,
    nothing: Steps,
}

/// The samples of series that one partition is asked for: those of `from < time <= to`.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The partition, by its place in the world.
    pub partition: usize,
    /// What the series match, without matchers of labels that are attached.
    pub matchers: Vec<Matcher>,
    /// Unix milliseconds; excluded.
    pub from: i64,
    /// Unix milliseconds; included.
    pub to: i64,
    /// A range selector that has these samples, but no stale markers, if it is evaluated at `to`.
    pub query: String,
    /// Whether stale markers are needed, which are not among the answers to queries.
    pub markers: bool,
    /// The labels that are attached to the answer.
    pub attach: LabelSet,
    /// For whom this is: how the replica that is asked first is spoken to.
    pub speech: Speech,
    /// The same for replicas that are spoken to otherwise.
    pub others: Vec<Version>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The expression cannot be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// Partitions contradict each other.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// A partition can be reached, but refuses what the query selects.
    #[error("partition {partition} refuses the series that the query needs: {reason}")]
    Selector {
        /// The labels of the partition.
        partition: LabelSet,
        /// What it says.
        reason: String,
    },
    /// Parts that partitions computed do not make up the whole: the query is to be asked again in a world of
    /// [selectors only](World::selectors_only).
    #[error("what partitions computed cannot be put together: {0}")]
    Again(String),
}

impl Inquiry {
    /// Plans a query.
    ///
    /// # Errors
    /// When the expression has no value for these steps.
    pub fn new(
        expr: &Expr,
        steps: Steps,
        options: Options,
        world: &World,
    ) -> Result<Self, EvalError> {
        let plan = plan(expr, steps, options, world)?;
        Self::of_plan(Arc::new(plan), steps, options, world)
    }

    /// Takes a plan that was made for an expression.
    ///
    /// # Errors
    /// When the expression has no value for these steps.
    pub fn of_plan(
        plan: Arc<Plan>,
        steps: Steps,
        options: Options,
        world: &World,
    ) -> Result<Self, EvalError> {
        let numbered = plan.fragments.iter().enumerate();
        let fixed = numbered
            .filter(|(_, fragment)| fragment.fixed)
            .map(|(number, _)| number);
        let prepared = prepare_with(&plan.local, steps, options, fixed.collect())?;
        let windows = prepared.selections().iter().enumerate();
        let windows = windows.map(|(at, selection)| {
            windows_of(world, selection, prepared.sees_marks(at), options.lookback)
        });
        Ok(Self {
            windows: windows.collect(),
            plan,
            prepared,
            nothing: Steps {
                end: steps.start.saturating_sub(1),
                ..steps
            },
        })
    }

    /// Says when the evaluation of what was fetched ends without a result.
    pub fn stop_when(&mut self, stop: Stop) {
        self.prepared.stop_when(stop);
    }

    /// How the query was cut.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The fragments and the steps at which each is to be evaluated.
    pub fn fragments(&self) -> impl ExactSizeIterator<Item = (&Fragment, Steps)> {
        let fragments = self.plan.fragments.iter().enumerate();
        fragments.map(|(number, fragment)| {
            let steps = self.prepared.fragments().get(&number);
            (fragment, steps.copied().unwrap_or(self.nothing))
        })
    }

    /// The samples that are needed besides, for each selection the partitions to be asked.
    #[must_use]
    pub fn windows(&self) -> &[Vec<Window>] {
        &self.windows
    }

    /// Puts together what was fetched: for each fragment and each of its questions the answer, and for each selection
    /// and each of its windows.
    ///
    /// # Errors
    /// When the whole cannot be evaluated, partitions contradict each other, or other parts are needed.
    pub fn answer(
        &self,
        world: &World,
        fragments: Vec<Vec<Fetched>>,
        windows: Vec<Vec<Fetched>>,
    ) -> Result<Answer, Refusal> {
        let mut gathered = Gathered {
            world,
            annotations: Annotations::default(),
            missing: Vec::new(),
        };
        let parts = self.plan.fragments.iter().zip(fragments);
        let parts = parts.map(|(fragment, answers)| gathered.fragment(fragment, answers));
        let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
        let data = self.windows.iter().zip(windows);
        let data = data.map(|(windows, answers)| gathered.windows(windows, answers));
        let data: Vec<_> = data.collect::<Result<_, _>>()?;
        let mut output = self.prepared.evaluate_with(&data, &parts)?;
        output.annotations.merge(gathered.annotations);
        let mut missing = gathered.missing;
        missing.sort();
        missing.dedup_by_key(|missing| missing.partition);
        Ok(Answer {
            output,
            missing_labels: missing
                .iter()
                .map(|one| world.labels_of(one.partition))
                .collect(),
            certainty: Certainty::new(world, &self.plan.origin, &missing),
            missing,
        })
    }
}

/// The series of an answer and the remarks beside them.
type Answered = (Vec<Series>, Vec<Note>);

/// What was fetched so far.
struct Gathered<'a> {
    world: &'a World,
    annotations: Annotations,
    missing: Vec<Missing>,
}

impl Gathered<'_> {
    fn fragment(
        &mut self,
        fragment: &Fragment,
        answers: Vec<Fetched>,
    ) -> Result<Vec<Series>, Refusal> {
        let mut all = Vec::new();
        for (question, answer) in fragment.questions.iter().zip(answers) {
            if let (Fetched::Refused(reason), false) = (&answer, fragment.selects) {
                return Err(Refusal::Again(reason.clone()));
            }
            let Some((series, notes)) = self.answered(question.partition, answer)? else {
                continue;
            };
            if let Some((_, text)) = notes
                .iter()
                .find(|(severity, _)| fragment.partial && *severity == Severity::Warning)
            {
                return Err(Refusal::Again(text.clone()));
            }
            self.note(notes, fragment.span);
            if fragment.finite && !all_finite(&series) {
                return Err(Refusal::Again("a sum is not finite".to_owned()));
            }
            if fragment.counters && series.iter().any(has_histograms) {
                return Err(Refusal::Again("native histograms are added up".to_owned()));
            }
            // Prometheus drops names where it should; MetricsQL keeps some.
            let nameless = fragment.nameless && self.speaks_metrics_ql(question.partition);
            let series = merge::attach(series, &question.attach, nameless);
            let series = series.map_err(|overlap| of_fragment(fragment, overlap))?;
            all.push((question.partition, series));
        }
        if fragment.partial {
            return Ok(all.into_iter().flat_map(|(_, series)| series).collect());
        }
        merge::united(self.world, all).map_err(|overlap| of_fragment(fragment, overlap))
    }

    fn windows(
        &mut self,
        windows: &[Window],
        answers: Vec<Fetched>,
    ) -> Result<Vec<Series>, Refusal> {
        let mut all = Vec::new();
        for (window, answer) in windows.iter().zip(answers) {
            if let Some((series, notes)) = self.answered(window.partition, answer)? {
                self.note(notes, Span::default());
                let series = merge::attach(series, &window.attach, false)?;
                all.push((window.partition, series));
            }
        }
        Ok(merge::united(self.world, all)?)
    }

    /// The series and remarks of an answer. One that says itself that it is not whole is none.
    fn answered(&mut self, partition: usize, answer: Fetched) -> Result<Option<Answered>, Refusal> {
        let (series, warnings) = match answer {
            Fetched::Series(series) => (series, Vec::new()),
            Fetched::Remarked(series, warnings) => (series, warnings),
            Fetched::Refused(reason) => {
                let partition = self.world.labels_of(partition);
                return Err(Refusal::Selector { partition, reason });
            }
            Fetched::Missing(reason) => return Ok(self.lacks(partition, reason)),
        };
        let mut notes = Vec::new();
        for warning in warnings {
            match notes::note(&warning) {
                Some(note) => notes.push(note),
                None => return Ok(self.lacks(partition, warning)),
            }
        }
        Ok(Some((series, notes)))
    }

    fn speaks_metrics_ql(&self, partition: usize) -> bool {
        let partition = self.world.partitions.get(partition);
        partition.is_some_and(|partition| {
            let others = partition.others.iter().map(|other| other.dialect);
            let mut all = others.chain([partition.dialect]);
            all.any(|dialect| dialect == Dialect::VictoriaMetrics)
        })
    }

    fn lacks<T>(&mut self, partition: usize, reason: String) -> Option<T> {
        self.missing.push(Missing { partition, reason });
        None
    }

    fn note(&mut self, notes: Vec<Note>, span: Span) {
        for (severity, text) in notes {
            match severity {
                Severity::Warning => self.annotations.warn(span, text),
                Severity::Info => self.annotations.info(span, text),
            }
        }
    }
}

/// Only of series that were asked for it is known that they are what partitions have.
fn of_fragment(fragment: &Fragment, overlap: Overlap) -> Refusal {
    match fragment.selects {
        true => Refusal::Overlap(overlap),
        false => Refusal::Again(overlap.to_string()),
    }
}

fn has_histograms(series: &Series) -> bool {
    !series.histograms.times.is_empty()
}

fn all_finite(series: &[Series]) -> bool {
    let finite = |series: &Series| {
        series.floats.values.iter().all(|value| value.is_finite())
            && series
                .histograms
                .values
                .iter()
                .all(|value| value.sum.is_finite())
    };
    series.iter().all(finite)
}

fn windows_of(world: &World, selection: &Selection, markers: bool, lookback: i64) -> Vec<Window> {
    let partitions = prune::partitions(world, &selection.matchers);
    let window = |at: usize| {
        let partition = world.partitions.get(at)?;
        let others = partition.of_others();
        let others = others.filter(|one| prune::may_match(one, &selection.matchers));
        let version = |one: Partition| Version {
            speech: one.speech(),
            query: window_query(&one, selection).into(),
            lookback,
        };
        Some(Window {
            partition: at,
            query: window_query(partition, selection),
            matchers: prune::matchers(partition, &selection.matchers),
            from: selection.from,
            to: selection.to,
            markers,
            attach: partition.ever_attached(),
            speech: partition.speech(),
            others: others.map(version).collect(),
        })
    };
    partitions.into_iter().filter_map(window).collect()
}

/// A range selector as the replica that is asked first is asked for it.
fn window_query(partition: &Partition, selection: &Selection) -> String {
    let range = Duration::Fixed(selection.to.saturating_sub(selection.from));
    let range = dialect::shortened(partition.dialect, &range).unwrap_or(range);
    range_selector(prune::matchers(partition, &selection.matchers), range)
}

fn range_selector(matchers: Vec<Matcher>, range: Duration) -> String {
    let selector = VectorSelector {
        name: String::new(),
        matchers,
        shift: TimeShift::default(),
        extended: Extended::No,
    };
    let matrix = MatrixSelector {
        selector,
        selector_span: Span::default(),
        range,
    };
    let expr = Expr {
        kind: ExprKind::Matrix(matrix),
        span: Span::default(),
    };
    expr.to_string()
}
