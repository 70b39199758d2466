//! The data of a test in parts that do not always answer.

use std::sync::Arc;

use crate::{
    config::RuleTest,
    federation::{
        Answer, Dialect, Fetched, Inquiry, Local, OwnMetrics, Partition, PartitionMode,
        PartitionsUp, Pushdown, Refusal, Speech, World, local,
    },
    labels::{LabelSet, Matcher},
    promql::{
        Series,
        ast::Expr,
        engine::{Options, Steps},
        memory::{AppendError, Memory, Stored},
    },
    ruler::{Answered, Evaluation},
};

/// The parts; none if there is one database that always answers.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    all: Vec<Endpoint>,
    /// Which of them answer, as rules can read it.
    measured: OwnMetrics,
}

#[derive(Debug)]
struct Endpoint {
    name: String,
    labels: LabelSet,
    /// From when to when it does not answer; Unix milliseconds, the end excluded.
    outages: Vec<(i64, i64)>,
    held: Held,
}

#[derive(Debug, Default)]
struct Held(Memory);

impl Local for Held {
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        self.0.select_matching(matchers, from, to)
    }
}

impl Endpoints {
    pub(super) fn new(test: &RuleTest) -> Self {
        let all = test.endpoints.iter().map(|endpoint| {
            let labels = LabelSet::from_pairs(&endpoint.labels);
            let outages = endpoint.outages.iter();
            let outages = outages.map(|outage| super::run::span(test, outage));
            Endpoint {
                name: match endpoint.name.as_str() {
                    "" => labels.to_string(),
                    name => name.to_owned(),
                },
                labels,
                outages: outages.collect(),
                held: Held::default(),
            }
        });
        Self {
            all: all.collect(),
            measured: OwnMetrics::default(),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a series has a place.
    pub(super) fn takes(&self, labels: &LabelSet) -> bool {
        self.is_whole() || self.all.iter().any(|endpoint| endpoint.takes(labels))
    }

    pub(super) fn load(
        &mut self,
        labels: &LabelSet,
        samples: &[Stored],
    ) -> Result<(), AppendError> {
        let endpoint = self.all.iter_mut().find(|endpoint| endpoint.takes(labels));
        endpoint.map_or(Ok(()), |endpoint| {
            endpoint.held.0.append(labels, samples.to_vec())
        })
    }

    /// Notes which of them answer at a time in Unix milliseconds.
    pub(super) fn measure(&mut self, now: i64) {
        let up = self.all.iter().map(|endpoint| {
            let name = [("__name__", "watchfire_partition_up")];
            let labels = LabelSet::from_pairs(endpoint.labels.iter().chain(name));
            (labels, f64::from(u8::from(endpoint.is_there(now))))
        });
        let up = up.collect();
        self.measured.take(up, now);
    }

    /// Answers as the endpoints that are there at `now` would, together with what rules wrote.
    pub(super) fn answer(&self, evaluation: Evaluation, now: i64) -> Result<Answered, String> {
        let speech = Speech {
            dialect: Dialect::Prometheus3,
            mode: PartitionMode::Present,
            pushdown: Pushdown::Aggregate,
        };
        let partitions = self.all.iter();
        let partitions = partitions.map(|endpoint| Partition::new(endpoint.labels.clone(), speech));
        let own = evaluation.own.map(|own| Arc::new(own) as Arc<dyn Local>);
        let up = Arc::new(PartitionsUp::of(&self.measured)) as Arc<dyn Local>;
        let locals: Vec<Arc<dyn Local>> = own.into_iter().chain([up]).collect();
        let here = locals.iter().map(|here| local::partition(&**here));
        let world = World {
            partitions: partitions.chain(here).collect(),
        };
        let asked = Asked {
            endpoints: &self.all,
            locals: &locals,
            options: evaluation.options,
            now,
        };
        let answer = match asked.ask(&evaluation.expr, evaluation.at, &world) {
            Err(Refusal::Again(_)) => {
                asked.ask(&evaluation.expr, evaluation.at, &world.selectors_only())
            }
            answer => answer,
        };
        let answer = answer.map_err(|refusal| refusal.to_string())?;
        let missing = answer.missing.iter().zip(&answer.missing_labels);
        let missing = missing
            .map(|(missing, labels)| format!("partition {labels} is missing: {}", missing.reason));
        let missing = missing.collect();
        Answered::of_value(answer.output.value, answer.certainty, missing)
    }
}

impl Endpoint {
    fn is_there(&self, now: i64) -> bool {
        let mut outages = self.outages.iter();
        !outages.any(|(from, to)| (*from..*to).contains(&now))
    }

    fn takes(&self, labels: &LabelSet) -> bool {
        let mut own = self.labels.iter();
        own.all(|(name, value)| labels.get(name) == Some(value))
    }
}

/// One query.
struct Asked<'a> {
    endpoints: &'a [Endpoint],
    /// What is here: partitions after those of the endpoints.
    locals: &'a [Arc<dyn Local>],
    options: Options,
    now: i64,
}

impl Asked<'_> {
    fn ask(&self, expr: &Expr, at: i64, world: &World) -> Result<Answer, Refusal> {
        let inquiry = Inquiry::new(expr, Steps::instant(at), self.options, world)?;
        let fetch = |partition: usize, answer: &dyn Fn(&dyn Local) -> Fetched| {
            let Some(endpoint) = self.endpoints.get(partition) else {
                let here = self.locals.get(partition - self.endpoints.len());
                return here.map_or(Fetched::Series(Vec::new()), |here| answer(&**here));
            };
            if !endpoint.is_there(self.now) {
                return Fetched::Missing(format!("{} does not answer in this test", endpoint.name));
            }
            answer(&endpoint.held)
        };
        let mut fragments = Vec::new();
        for (fragment, steps) in inquiry.fragments() {
            let mut answers = Vec::new();
            for question in &fragment.questions {
                let options = Options {
                    lookback: question.lookback,
                    ..self.options
                };
                let answer =
                    |from: &dyn Local| local::answer(from, &question.query, steps, options);
                answers.push(match steps.count() {
                    0 => Fetched::Series(Vec::new()),
                    _ => fetch(question.partition, &answer),
                });
            }
            fragments.push(answers);
        }
        let mut windows = Vec::new();
        for selection in inquiry.windows() {
            let window = selection.iter().map(|window| {
                let select = |from: &dyn Local| {
                    Fetched::Series(from.select(&window.matchers, window.from, window.to))
                };
                fetch(window.partition, &select)
            });
            windows.push(window.collect());
        }
        inquiry.answer(world, fragments, windows)
    }
}
