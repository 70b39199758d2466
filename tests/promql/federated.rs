//! The engine over data that lies in three partitions, beside the engine over all of it.

use std::{cell::Cell, convert::Infallible};

use watchfire::{
    federation::{
        Dialect, Fetched, Inquiry, Marks, Partition, PartitionMode, Pushdown, Question, Refusal,
        Speech, Version, Window, World, joined, may_be_joined, parted,
    },
    labels::{LabelSet, MatcherMode, is_valid_label_name},
    promql::{
        Function, Sample, Samples, Series, Value,
        ast::{Duration, Expr, ExprKind},
        engine::{self, Options, Output, Selection, Steps},
        parse::{Features, parse},
    },
};

use crate::{
    same,
    storage::{Storage, Stored},
    subject::{OPTIONS, Subject},
};

const PARTITIONS: usize = 3;

/// Nothing experimental, as most are run.
pub(crate) const STABLE: Options = Options {
    delayed_name_removal: false,
    use_start_timestamps: false,
    ..OPTIONS
};

/// The label by which partitions differ, if they differ by one.
const LABEL: &str = "shard";

/// Evaluates in several worlds. In the first, partitions have no labels, so that what comes out must be as the files
/// expect it; in the others it must be what the engine finds over all data with the label.
pub(crate) struct Federated {
    worlds: Vec<Divided>,
    /// Whether each expression is evaluated in all worlds, and not in the first and one of the others.
    all: bool,
}

/// Data that lies in partitions.
pub(crate) struct Divided {
    name: &'static str,
    world: World,
    parts: Vec<Storage>,
    /// All of it, with the labels of partitions.
    whole: Storage,
    options: Options,
    counts: Cell<Counts>,
}

/// What was asked, to see that not all is selected and computed here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) evaluations: usize,
    pub(crate) pushed_whole: usize,
    pub(crate) with_windows: usize,
    pub(crate) again: usize,
    pub(crate) with_values: usize,
    pub(crate) failed: usize,
}

impl Default for Federated {
    fn default() -> Self {
        use Dialect::{Prometheus2, Prometheus3, VictoriaMetrics};
        use PartitionMode::{Attach, Present};
        let three = |dialect| [dialect; PARTITIONS];
        let divided = |name, dialects, mode, pushdown, labelled| {
            Divided::new(name, dialects, mode, pushdown, labelled)
        };
        Self {
            all: std::env::var("PROMQLTEST_WORLDS").is_ok(),
            worlds: vec![
                divided(
                    "bare",
                    three(Prometheus3),
                    Present,
                    Pushdown::Aggregate,
                    false,
                ),
                divided(
                    "attached",
                    three(Prometheus3),
                    Attach,
                    Pushdown::Aggregate,
                    true,
                ),
                divided(
                    "experimental",
                    three(Prometheus3),
                    Attach,
                    Pushdown::Aggregate,
                    true,
                )
                .with(OPTIONS),
                divided("present", three(Prometheus3), Present, Pushdown::Full, true),
                divided(
                    "selectors",
                    three(Prometheus3),
                    Attach,
                    Pushdown::Selector,
                    true,
                ),
                divided("old", three(Prometheus2), Attach, Pushdown::Aggregate, true),
                divided(
                    "replicas",
                    three(Prometheus3),
                    Attach,
                    Pushdown::Aggregate,
                    true,
                )
                .with_replicas(),
                divided(
                    "mixed",
                    [Prometheus3, Prometheus2, VictoriaMetrics],
                    Attach,
                    Pushdown::Aggregate,
                    true,
                ),
            ],
        }
    }
}

impl Subject for Federated {
    fn clear(&mut self) {
        for divided in &mut self.worlds {
            divided.parts.iter_mut().for_each(Storage::clear);
            divided.whole.clear();
        }
    }

    fn append(&mut self, labels: &LabelSet, samples: Vec<Stored>) -> Result<(), String> {
        for divided in &mut self.worlds {
            divided.append(labels, samples.clone())?;
        }
        Ok(())
    }

    fn evaluate(&self, expr: &Expr, steps: Steps) -> Result<Output, String> {
        let (bare, others) = self.worlds.split_first().ok_or("no world")?;
        bare.check(expr, steps)?;
        // What is remarked then is not wholly known, which `check` allows for.
        let output = if same::takes_statistics(expr) {
            over(&bare.whole, expr, steps, bare.options)
        } else {
            bare.evaluate(expr, steps)
        };
        let turn = LabelSet::from_pairs([(expr.to_string(), steps.start.to_string())]);
        let turn = place(&turn, others.len());
        for (at, divided) in others.iter().enumerate() {
            if !self.all && at != turn {
                continue;
            }
            divided
                .check(expr, steps)
                .map_err(|why| format!("in the world {}: {why}", divided.name))?;
        }
        output
    }
}

impl Divided {
    pub(crate) fn new(
        name: &'static str,
        dialects: [Dialect; PARTITIONS],
        mode: PartitionMode,
        pushdown: Pushdown,
        labelled: bool,
    ) -> Self {
        let partition = |(at, dialect)| {
            let labels = if labelled {
                label(at)
            } else {
                LabelSet::empty()
            };
            let speech = Speech {
                dialect,
                mode,
                pushdown,
            };
            Partition::new(labels, speech)
        };
        Self {
            name,
            world: World {
                partitions: dialects.into_iter().enumerate().map(partition).collect(),
            },
            parts: vec![Storage::default(); PARTITIONS],
            whole: Storage::default(),
            options: if labelled { STABLE } else { OPTIONS },
            counts: Cell::default(),
        }
    }

    /// Where the first two partitions have another label in common that the third lacks.
    pub(crate) fn zoned(mut self) -> Self {
        for partition in self.world.partitions.iter_mut().take(2) {
            let zone = [("zone", "z")];
            partition.labels = LabelSet::from_pairs(partition.labels.iter().chain(zone));
        }
        self
    }

    pub(crate) fn with(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Where each partition has replicas of other kinds, any of which may answer a question; one of them has all partitions.
    pub(crate) fn with_replicas(mut self) -> Self {
        let speech = |dialect, mode| Speech {
            dialect,
            mode,
            pushdown: Pushdown::Aggregate,
        };
        for partition in &mut self.world.partitions {
            partition.others = vec![
                speech(Dialect::Prometheus2, PartitionMode::Attach),
                speech(Dialect::Thanos, PartitionMode::Present),
                speech(Dialect::VictoriaMetrics, PartitionMode::Attach),
            ];
        }
        self
    }

    pub(crate) fn append(&mut self, labels: &LabelSet, samples: Vec<Stored>) -> Result<(), String> {
        let at = place(labels, PARTITIONS);
        let classic = |(name, _)| is_valid_label_name(name, MatcherMode::Classic);
        let partition = &self.world.partitions[at];
        let dialects = partition.others.iter().map(|other| other.dialect);
        let mut dialects = dialects.chain([partition.dialect]);
        if dialects.any(|one| one == Dialect::Prometheus2) && !labels.iter().all(classic) {
            // Such series are not there, so none can be found.
            return Ok(());
        }
        let partition = &self.world.partitions[at].labels;
        let all = LabelSet::from_pairs(labels.iter().chain(partition.iter()));
        let attached = self.world.partitions[at].mode == PartitionMode::Attach;
        let own = if attached { labels } else { &all };
        let appended = self.parts[at].append(own, samples.clone());
        let appended = appended.and_then(|()| self.whole.append(&all, samples));
        appended.map_err(|error| error.to_string())
    }

    pub(crate) fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// Whether the same comes out as of all data at once.
    pub(crate) fn check(&self, expr: &Expr, steps: Steps) -> Result<(), String> {
        let wanted = over(&self.whole, expr, steps, self.options);
        let found = self.evaluate(expr, steps);
        let queries = || self.queries(expr, steps);
        match (wanted, found) {
            (Ok(wanted), Ok(found)) => same::outputs(expr, &wanted, &found)
                .map_err(|why| format!("{why}; asked {:#?}", queries())),
            (Err(wanted), Err(found)) if same::errors(&wanted, &found) => Ok(()),
            (wanted, found) => Err(format!(
                "expected {wanted:?} but got {found:?}; asked {:#?}",
                queries()
            )),
        }
    }

    fn queries(&self, expr: &Expr, steps: Steps) -> Vec<String> {
        let Ok(inquiry) = Inquiry::new(expr, steps, self.options, &self.world) else {
            return Vec::new();
        };
        let plan = inquiry.plan();
        let asked = plan
            .fragments
            .iter()
            .flat_map(|fragment| &fragment.questions);
        let mut all: Vec<_> = asked.map(|question| question.query.to_string()).collect();
        all.push(plan.local.to_string());
        all
    }

    pub(crate) fn evaluate(&self, expr: &Expr, steps: Steps) -> Result<Output, String> {
        let mut counts = self.counts.get();
        counts.evaluations += 1;
        let first = Inquiry::new(expr, steps, self.options, &self.world).map_err(text)?;
        counts.with_windows += usize::from(!first.windows().is_empty());
        counts.pushed_whole +=
            usize::from(matches!(first.plan().local.kind, ExprKind::Fragment(_)));
        let output = match self.answer(&first, &self.world) {
            Err(Refusal::Again(_)) => {
                counts.again += 1;
                let world = self.world.selectors_only();
                let inquiry = Inquiry::new(expr, steps, self.options, &world).map_err(text)?;
                self.answer(&inquiry, &world)
            }
            other => other,
        };
        counts.failed += usize::from(output.is_err());
        counts.with_values += usize::from(output.as_ref().is_ok_and(has_values));
        self.counts.set(counts);
        output.map_err(text)
    }

    fn answer(&self, inquiry: &Inquiry, world: &World) -> Result<Output, Refusal> {
        let fragments = inquiry.fragments().map(|(fragment, steps)| {
            let questions = fragment.questions.iter();
            questions
                .map(|question| self.question(question, steps))
                .collect()
        });
        let fragments: Vec<Vec<Fetched>> = fragments.collect();
        self.assert_same_if_joined(inquiry, &fragments);
        let windows = inquiry.windows().iter();
        let windows = windows.map(|windows| windows.iter().map(|one| self.window(one)).collect());
        let answer = inquiry.answer(world, fragments, windows.collect())?;
        assert!(answer.missing.is_empty(), "{:?}", answer.missing);
        Ok(answer.output)
    }

    /// Questions about one time must be answered together as they are alone, if there is nothing to remark.
    fn assert_same_if_joined(&self, inquiry: &Inquiry, answers: &[Vec<Fetched>]) {
        for (partition, of_partition) in self.world.partitions.iter().enumerate() {
            if !may_be_joined(of_partition.dialect, false) {
                continue;
            }
            let mut asked: Vec<(&Question, &Vec<Series>, Steps)> = Vec::new();
            for ((fragment, steps), answers) in inquiry.fragments().zip(answers) {
                for (question, answer) in fragment.questions.iter().zip(answers) {
                    if let Fetched::Remarked(series, notes) = answer
                        && notes.is_empty()
                        && question.others.is_empty()
                        && question.partition == partition
                        && steps.count() == 1
                        && asked
                            .first()
                            .is_none_or(|(_, _, first)| first.start == steps.start)
                    {
                        asked.push((question, series, steps));
                    }
                }
            }
            let Some((first, _, steps)) = asked.first() else {
                continue;
            };
            let queries: Vec<&str> = asked.iter().map(|(one, _, _)| &*one.query).collect();
            let question = Question {
                query: joined(&queries, Marks::All).into(),
                ..(*first).clone()
            };
            let Fetched::Remarked(series, notes) = self.question(&question, *steps) else {
                panic!("{} is refused", question.query);
            };
            assert_eq!(notes, Vec::<String>::new(), "{}", question.query);
            let parts = parted(series, queries.len(), Marks::All).unwrap();
            for (part, (_, alone, _)) in parts.iter().zip(&asked) {
                let sorted = |all: &[Series]| {
                    let mut all: Vec<String> = all.iter().map(|one| format!("{one:?}")).collect();
                    all.sort();
                    all
                };
                assert_eq!(sorted(part), sorted(alone), "{}", question.query);
            }
        }
    }

    /// What the endpoint of a partition answers.
    fn question(&self, question: &Question, steps: Steps) -> Fetched {
        let own = Version {
            speech: question.speech,
            query: question.query.clone(),
            lookback: question.lookback,
        };
        let turn = LabelSet::from_pairs([(&*question.query, &*steps.start.to_string())]);
        let turn = place(&turn, question.others.len() + 1);
        let asked = question.others.get(turn).unwrap_or(&own);
        // Whoever shows the labels of partitions beside others that do not may have all of them.
        let storage = match asked.speech.mode {
            PartitionMode::Present if turn < question.others.len() => &self.whole,
            PartitionMode::Present | PartitionMode::Attach => &self.parts[question.partition],
        };
        answer_to(asked, storage, steps)
    }

    fn window(&self, window: &Window) -> Fetched {
        let selection = Selection {
            matchers: window.matchers.clone(),
            from: window.from,
            to: window.to,
        };
        Fetched::Series(self.parts[window.partition].select(&selection))
    }
}

/// What an endpoint with some data answers.
fn answer_to(asked: &Version, storage: &Storage, steps: Steps) -> Fetched {
    let dialect = asked.speech.dialect;
    let closed = dialect == Dialect::Prometheus2;
    let query = &asked.query;
    let read = |text: &str| {
        let parsed = parse(text, Features::none());
        parsed.unwrap_or_else(|error| panic!("{query}: {error}"))
    };
    let expr = match dialect {
        // No other function of windows is asked there.
        Dialect::VictoriaMetrics => {
            let text = query.replace("default_rollup(", "last_over_time(");
            without_rollups(&read(&text.replace("timestamp(", "increase(")))
        }
        Dialect::Prometheus2
        | Dialect::Prometheus3
        | Dialect::EarlyPrometheus3
        | Dialect::Thanos
        | Dialect::Cortex
        | Dialect::Mimir => {
            let expr = read(query);
            assert_eq!(*expr.to_string(), **query);
            if closed {
                with_closed_windows(&expr)
            } else {
                expr
            }
        }
    };
    let options = Options {
        lookback: asked.lookback + i64::from(closed),
        // An endpoint has its own.
        subquery_step: 7_000,
        max_samples: usize::MAX,
        delayed_name_removal: false,
        use_start_timestamps: false,
        type_and_unit_labels: false,
    };
    match over(storage, &expr, steps, options) {
        Ok(output) => {
            let notes = output.annotations.iter();
            let notes = notes.map(|note| note.to_text(query));
            Fetched::Remarked(series_of(output.value), notes.collect())
        }
        Err(error) => Fetched::Refused(error),
    }
}

/// One of so many.
fn place(labels: &LabelSet, many: usize) -> usize {
    usize::try_from(labels.fingerprint().0 % many as u64).unwrap()
}

fn label(partition: usize) -> LabelSet {
    LabelSet::from_pairs([(LABEL, format!("s{partition}"))])
}

fn has_values(output: &Output) -> bool {
    match &output.value {
        Value::Vector(vector) => !vector.is_empty(),
        Value::Matrix(matrix) => !matrix.is_empty(),
        Value::Scalar { .. } | Value::String { .. } => true,
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The engine over one storage.
fn over(storage: &Storage, expr: &Expr, steps: Steps, options: Options) -> Result<Output, String> {
    let prepared = engine::prepare(expr, steps, options).map_err(text)?;
    let selections = prepared.selections().iter();
    let data: Vec<_> = selections
        .map(|selection| storage.select(selection))
        .collect();
    prepared.evaluate(&data).map_err(text)
}

/// An expression whose windows have their start as well, as those of Prometheus 2.
fn with_closed_windows(expr: &Expr) -> Expr {
    let mut expr = expr
        .with_children(|child| Ok::<_, ()>(with_closed_windows(child)))
        .unwrap();
    let range = match &mut expr.kind {
        ExprKind::Matrix(matrix) => &mut matrix.range,
        ExprKind::Subquery(subquery) => &mut subquery.range,
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Vector(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Binary(_)
        | ExprKind::Aggregate(_)
        | ExprKind::Call(_)
        | ExprKind::Fragment(_) => return expr,
    };
    if let Duration::Fixed(range) = range {
        *range += 1;
    }
    expr
}

/// Selectors in place of what `MetricsQL` is asked for them, with functions that this parser knows.
fn without_rollups(expr: &Expr) -> Expr {
    let Ok(mut expr) = expr.with_children(|child| Ok::<_, Infallible>(without_rollups(child)));
    let ExprKind::Call(call) = &mut expr.kind else {
        return expr;
    };
    if let ExprKind::Matrix(matrix) = &call.args[0].kind {
        let selector = ExprKind::Vector(matrix.selector.clone());
        if call.function.name == "last_over_time" {
            expr.kind = selector;
        } else {
            call.function = Function::find("timestamp").unwrap();
            call.args[0].kind = selector;
        }
    }
    expr
}

fn series_of(value: Value) -> Vec<Series> {
    match value {
        Value::Vector(vector) => vector.into_iter().map(series_of_sample).collect(),
        Value::Matrix(matrix) => matrix,
        other @ (Value::Scalar { .. } | Value::String { .. }) => {
            panic!("an endpoint was asked for {other:?}")
        }
    }
}

fn series_of_sample(sample: Sample) -> Series {
    use watchfire::promql::Point;
    let mut series = Series {
        labels: sample.labels,
        ..Series::default()
    };
    match sample.point {
        Point::Float(value) => series.floats = one(sample.time, value),
        Point::Histogram(value) => series.histograms = one(sample.time, value),
    }
    series
}

fn one<T>(time: i64, value: T) -> Samples<T> {
    Samples {
        times: vec![time],
        values: vec![value],
        starts: Vec::new(),
    }
}
