//! The words of a rule for each element of its result (`Eval` of Prometheus's `rules/alerting.go`).
//!
//! Templates may ask queries of their own. A text whose answer is not there yet waits for it and is then made again; what
//! several texts wait for is asked once.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    alerting::Element,
    apply::Outcome,
    effect::{Answered, Effect, EvaluationId, Word},
    machine::{Ruler, Running, Stage},
    recording::Recorded,
    set::{Rule, Settings},
};
use crate::{
    config::RuleKind,
    labels::LabelSet,
    promql::{Point, ast::Expr, parse},
    template::{Expanded, QueryReply, QuerySample, RuleData, Value, native_histogram},
    time::{Timestamp, format_prom_duration},
};

/// Queries of the templates of a rule that are asked at once: what can become one request.
const AT_ONCE: usize = 16;

/// Queries that the templates of a rule may ask in one slot.
const QUERIES: usize = 10_000;

/// Queries that one text may ask: it is made again after each.
const QUERIES_OF_TEXT: usize = 100;

/// The alerts of a rule whose words are being made.
#[derive(Debug)]
pub(super) struct Expanding {
    rule: Arc<Rule>,
    answered: Answered,
    /// What templates see besides the element.
    common: RuleData,
    /// The texts of each element; what waits is empty.
    texts: Vec<Vec<String>>,
    /// The texts that wait, by the query whose answer they wait for.
    waiting: BTreeMap<Arc<str>, Vec<Text>>,
    /// Those of these queries that are not asked yet.
    queue: VecDeque<(Arc<str>, Arc<Expr>)>,
    /// How many are asked and not answered.
    under_way: usize,
    /// How many there were.
    queries: usize,
    /// Why no more are asked.
    ended: Option<String>,
    /// What of the language is on in them.
    features: parse::Features,
    count: Count,
    failure: Option<Failure>,
}

/// A text of an element.
#[derive(Debug)]
struct Text {
    element: usize,
    number: usize,
    /// What the queries that it asked so far came to.
    replies: BTreeMap<Arc<str>, QueryReply>,
}

/// How many expansions there were.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u64,
    failed: u64,
}

/// A text that could not be made: of several the first by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Failure {
    /// What it is: `annotation summary`.
    text: String,
    /// Why.
    reason: String,
}

impl Expanding {
    /// Makes all that can be made without an answer; `at` is the time of the slot in Unix milliseconds.
    fn new(rule: Arc<Rule>, answered: Answered, settings: &Settings, at: i64) -> Self {
        let count = rule.words.count();
        let elements = answered.elements.len();
        let mut expanding = Self {
            rule,
            answered,
            common: RuleData {
                labels: LabelSet::empty(),
                external_labels: settings.external_labels.clone(),
                external_url: Arc::clone(&settings.external_url),
                value: Value::Float(0.0),
                now: Timestamp::from_millis(at),
            },
            texts: vec![vec![String::new(); count]; elements],
            waiting: BTreeMap::new(),
            queue: VecDeque::new(),
            under_way: 0,
            queries: 0,
            ended: None,
            features: settings.features,
            count: Count::default(),
            failure: None,
        };
        for element in 0..elements {
            let data = expanding.data(element);
            for number in 0..count {
                let replies = BTreeMap::new();
                let text = Text {
                    element,
                    number,
                    replies,
                };
                expanding.expand(&data, text);
            }
        }
        expanding
    }

    /// What the templates of an element see.
    fn data(&self, element: usize) -> RuleData {
        let common = self.common.clone();
        match self.answered.elements.get(element) {
            Some(sample) => RuleData {
                labels: sample.labels.clone(),
                value: value_of(&sample.point),
                ..common
            },
            None => common,
        }
    }

    fn expand(&mut self, data: &RuleData, text: Text) {
        let rule = Arc::clone(&self.rule);
        let Some(template) = rule.words.template(text.number) else {
            return;
        };
        let mut new = None;
        let expanded = template.expand(data, &mut |query| {
            if let Some(reply) = text.replies.get(query) {
                return reply.clone();
            }
            match self.admit(query, text.replies.len()) {
                Ok(expr) => {
                    new = expr;
                    QueryReply::Unknown
                }
                Err(reason) => QueryReply::Failed(reason),
            }
        });
        self.count.all += 1;
        let made = match expanded {
            Expanded::Text(made) => made,
            Expanded::Failed(made) => {
                self.fails(text.number, &made);
                made
            }
            Expanded::Needs(query) => {
                let query: Arc<str> = query.into();
                if let Some(expr) = new {
                    self.queries += 1;
                    self.queue.push_back((Arc::clone(&query), expr));
                }
                self.waiting.entry(query).or_default().push(text);
                return;
            }
        };
        let texts = self.texts.get_mut(text.element);
        if let Some(place) = texts.and_then(|texts| texts.get_mut(text.number)) {
            *place = made;
        }
    }

    /// Whether a text that asked so many queries before may ask this one, with its expression if nobody asked it.
    fn admit(&self, query: &str, before: usize) -> Result<Option<Arc<Expr>>, String> {
        if let Some(reason) = &self.ended {
            return Err(reason.clone());
        }
        if before >= QUERIES_OF_TEXT {
            return Err(format!("a text may ask {QUERIES_OF_TEXT} queries"));
        }
        if self.waiting.contains_key(query) {
            return Ok(None);
        }
        let expr = parse::parse(query, self.features);
        let expr = expr.map_err(|error| error.to_string())?;
        if self.queries >= QUERIES {
            return Err(format!(
                "the templates of a rule may ask {QUERIES} queries in one slot"
            ));
        }
        Ok(Some(Arc::new(expr)))
    }

    fn fails(&mut self, number: usize, made: &str) {
        self.count.failed += 1;
        let reason = made.strip_prefix("<error expanding template: ");
        let reason = reason.and_then(|reason| reason.strip_suffix('>'));
        let failure = Failure {
            text: self.rule.words.describe(number),
            reason: reason.unwrap_or(made).to_owned(),
        };
        if self.failure.as_ref().is_none_or(|first| failure < *first) {
            self.failure = Some(failure);
        }
    }

    /// Takes in the answer to a query, and goes on with what waits for it.
    fn answer(&mut self, query: &str, reply: &QueryReply) {
        let Some((query, waiting)) = self.waiting.remove_entry(query) else {
            return;
        };
        for mut text in waiting {
            text.replies.insert(Arc::clone(&query), reply.clone());
            let data = self.data(text.element);
            self.expand(&data, text);
        }
    }

    /// Asks no more: what is not asked yet fails.
    fn end(&mut self, reason: String) {
        let reply = QueryReply::Failed(reason.clone());
        self.ended = Some(reason);
        for (query, _) in std::mem::take(&mut self.queue) {
            self.answer(&query, &reply);
        }
    }

    /// What is to be asked next, if fewer than so many are.
    fn next(&mut self, at_once: usize) -> Option<(Arc<str>, Arc<Expr>)> {
        if self.under_way >= at_once {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.under_way += 1;
        Some(next)
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    fn outcome(self) -> Outcome {
        let rule = &self.rule;
        let name = ("alertname", rule.name());
        let samples = self.answered.elements.iter().zip(self.texts);
        let elements = samples.map(|(sample, texts)| {
            let (labels, annotations) = rule.words.named(texts);
            Element {
                source: sample.labels.clone(),
                labels: relabelled(&without_name(&sample.labels), &labels, name),
                annotations: LabelSet::from_pairs(&annotations),
                value: match &sample.point {
                    Point::Float(value) => *value,
                    Point::Histogram(_) => 0.0,
                },
                proven: rule.grows,
            }
        });
        Outcome::Alerts {
            elements: elements.collect(),
            answered: self.answered,
        }
    }
}

impl Ruler {
    /// Makes of an answer what its rule makes of it.
    pub(super) fn expand(
        &mut self,
        (id, running): (EvaluationId, Running),
        rule: Arc<Rule>,
        answered: Answered,
        now: i64,
    ) {
        if matches!(rule.definition.kind, RuleKind::Recording { .. }) {
            let outcome = series(&rule, answered);
            self.finish(&running, outcome, now);
            return;
        }
        let expanding = Expanding::new(rule, answered, &self.set.settings, running.slot);
        self.ask_further((id, running), Box::new(expanding), now);
    }

    /// Takes in the answer to a query of a template.
    pub(super) fn replied(
        &mut self,
        (rule, query): (EvaluationId, Arc<str>),
        result: Result<Answered, String>,
        now: i64,
    ) {
        let Some(mut running) = self.running.remove(&rule) else {
            return;
        };
        match std::mem::replace(&mut running.stage, Stage::Expression) {
            Stage::Template(mut expanding) => {
                expanding.under_way = expanding.under_way.saturating_sub(1);
                expanding.answer(&query, &reply(result));
                self.ask_further((rule, running), expanding, now);
            }
            stage @ (Stage::Expression | Stage::Range(_)) => {
                running.stage = stage;
                self.running.insert(rule, running);
            }
        }
    }

    /// Has asked what may be asked now, and ends the evaluation of a rule whose words are made.
    fn ask_further(
        &mut self,
        (id, mut running): (EvaluationId, Running),
        mut expanding: Box<Expanding>,
        now: i64,
    ) {
        if now >= running.until {
            let most = running.until.saturating_sub(running.began);
            let most = Duration::from_millis(u64::try_from(most).unwrap_or(0));
            let most = format_prom_duration(most);
            expanding.end(format!("the rule and its templates take more than {most}"));
        }
        let group = self.set.groups.get(running.group);
        let own = group.and_then(|group| group.definition.concurrency);
        let at_once = own.map_or(AT_ONCE, |own| own.min(AT_ONCE));
        while let Some((query, expr)) = expanding.next(at_once) {
            let reads_own = self.set.reads_own(&expr);
            if let Some(evaluation) = self.evaluation(&running, expr, reads_own, now) {
                self.asked.insert(evaluation.id, (id, query));
                self.effects.push_back(Effect::Evaluate(evaluation));
            }
        }
        if expanding.is_done() {
            self.note_failure(&running, &expanding);
            self.finish(&running, expanding.outcome(), now);
        } else {
            running.stage = Stage::Template(expanding);
            self.running.insert(id, running);
        }
    }

    /// Notes what of the words of a rule could not be made, and says it once.
    fn note_failure(&mut self, running: &Running, expanding: &Expanding) {
        self.states.expansions += expanding.count.all;
        self.states.failed_expansions += expanding.count.failed;
        if expanding.answered.elements.is_empty() {
            return;
        }
        let failure = expanding.failure.clone().unwrap_or_default();
        let key = self.group_key(running.group);
        self.with_rule(running.group, running.rule, |ruler, state| {
            if state.failure == failure {
                return;
            }
            if !failure.reason.is_empty() {
                ruler.effects.push_back(Effect::Say(Word::Unexpanded {
                    group: key.map(|key| key.joined()).unwrap_or_default(),
                    rule: expanding.rule.name().to_owned(),
                    text: failure.text.clone(),
                    reason: failure.reason.clone(),
                }));
            }
            state.failure = failure;
        });
    }
}

fn series(rule: &Rule, answered: Answered) -> Outcome {
    let mut recorded = Vec::with_capacity(answered.elements.len());
    for sample in &answered.elements {
        recorded.push(Recorded {
            source: sample.labels.clone(),
            labels: labelled(rule, &sample.labels),
            point: sample.point.clone(),
        });
    }
    Outcome::Series { answered, recorded }
}

fn reply(result: Result<Answered, String>) -> QueryReply {
    match result {
        Err(reason) => QueryReply::Failed(reason),
        Ok(answered) => {
            let samples = answered.elements.into_iter().map(|sample| {
                Arc::new(QuerySample {
                    value: value_of(&sample.point),
                    labels: sample.labels,
                })
            });
            QueryReply::Samples(samples.collect())
        }
    }
}

fn value_of(point: &Point) -> Value {
    match point {
        Point::Float(value) => Value::Float(*value),
        Point::Histogram(histogram) => native_histogram(histogram.to_string()),
    }
}

/// The labels of the series that a recording rule makes of an element.
pub(super) fn labelled(rule: &Rule, element: &LabelSet) -> LabelSet {
    relabelled(element, &rule.definition.labels, ("__name__", rule.name()))
}

fn without_name(labels: &LabelSet) -> LabelSet {
    labels.filter_pairs(|name, _| name != "__name__")
}

/// The labels of a result with those of the rule above them, and the name above all.
fn relabelled(of: &LabelSet, own: &BTreeMap<String, String>, name: (&str, &str)) -> LabelSet {
    let replaced = |label: &str| label == name.0 || own.contains_key(label);
    let kept = of.iter().filter(|(label, _)| !replaced(label));
    let own = own
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let own = own.filter(|(label, value)| *label != name.0 && !value.is_empty());
    LabelSet::from_pairs(kept.chain(own).chain([name]))
}
