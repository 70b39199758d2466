//! The data of a test in parts that do not always answer.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    config::RuleTest,
    federation::{
        Answer, Dialect, Fetched, Inquiry, Local, Partition, PartitionMode, Pushdown, Refusal,
        World, local,
    },
    labels::{LabelSet, Matcher},
    promql::{
        Series,
        ast::Expr,
        engine::{Options, Steps},
        memory::{AppendError, Memory, Stored},
    },
    ruler::{Answered, Evaluation, Overlay},
};

/// The parts; none if there is one database that always answers.
#[derive(Debug, Default)]
pub(super) struct Endpoints(Vec<Endpoint>);

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
    fn names(&self) -> Arc<BTreeSet<String>> {
        let names = self.0.labels().map(|labels| labels.value("__name__"));
        Arc::new(names.map(str::to_owned).collect())
    }

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
        Self(all.collect())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a series has a place.
    pub(super) fn takes(&self, labels: &LabelSet) -> bool {
        self.is_whole() || self.0.iter().any(|endpoint| endpoint.takes(labels))
    }

    pub(super) fn load(
        &mut self,
        labels: &LabelSet,
        samples: &[Stored],
    ) -> Result<(), AppendError> {
        let endpoint = self.0.iter_mut().find(|endpoint| endpoint.takes(labels));
        endpoint.map_or(Ok(()), |endpoint| {
            endpoint.held.0.append(labels, samples.to_vec())
        })
    }

    /// Answers as the endpoints that are there at `now` would, together with what rules wrote.
    pub(super) fn answer(&self, evaluation: Evaluation, now: i64) -> Result<Answered, String> {
        let partitions = self.0.iter().map(|endpoint| Partition {
            labels: endpoint.labels.clone(),
            mode: PartitionMode::Present,
            dialect: Dialect::Prometheus3,
            pushdown: Pushdown::Aggregate,
            lookback: evaluation.options.lookback,
            optional: false,
            overlap: false,
            names: None,
        });
        let mut world = World {
            partitions: partitions.collect(),
        };
        if let Some(own) = &evaluation.own {
            let own = local::partition(own, evaluation.options.lookback);
            world.partitions.push(own);
        }
        let asked = Asked {
            endpoints: &self.0,
            own: evaluation.own.as_ref(),
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
    fn takes(&self, labels: &LabelSet) -> bool {
        let mut own = self.labels.iter();
        own.all(|(name, value)| labels.get(name) == Some(value))
    }
}

/// One query.
struct Asked<'a> {
    endpoints: &'a [Endpoint],
    own: Option<&'a Overlay>,
    options: Options,
    now: i64,
}

impl Asked<'_> {
    fn ask(&self, expr: &Expr, at: i64, world: &World) -> Result<Answer, Refusal> {
        let inquiry = Inquiry::new(expr, Steps::instant(at), self.options, world)?;
        let fetch = |partition: usize, answer: &dyn Fn(&dyn Local) -> Fetched| {
            let Some(endpoint) = self.endpoints.get(partition) else {
                return match self.own {
                    Some(own) => answer(own),
                    None => Fetched::Series(Vec::new()),
                };
            };
            let mut outages = endpoint.outages.iter();
            if outages.any(|(from, to)| (*from..*to).contains(&self.now)) {
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
