//! Answers to rules about the past. A rule that reads nothing that rules write is asked for many slots at once, by a query over
//! a range, which has the same values.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    federation::{Certainty, Local},
    io::federation::{Federation, Query, QueryError, Reply},
    promql::{
        Point, Sample, Series, Value,
        ast::Expr,
        engine::{Options, Steps},
    },
    ruler::{Answered, Evaluation, differs_over_a_range},
};

/// How long a query may take.
const WITHIN: Duration = Duration::from_mins(2);

/// Queries at once.
const QUERIES: usize = 16;

/// Slots that are asked for at once at first, and how many if that does not do.
const AT_ONCE: [i64; 2] = [240, 24];

/// The most slots that are asked for at once, where they have few elements.
const MOST_AT_ONCE: i64 = 960;

/// From so many elements on, an answer is not followed by a larger one.
const MANY: usize = 10_000;

/// With more elements than that, nothing is asked for before it is needed.
const VERY_MANY: usize = 200_000;

/// Asks endpoints about the past.
#[derive(Debug)]
pub(super) struct Answers {
    federation: Arc<Federation>,
    /// The last moment that anybody asks about; Unix milliseconds.
    until: i64,
    places: Semaphore,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The texts of expressions by their addresses, at which they are held; none of those that are asked about each slot.
    texts: HashMap<usize, (Arc<Expr>, Option<Arc<str>>)>,
    ahead: HashMap<Key, Ahead>,
    /// By whom each is asked: who comes second finds the answer.
    asking: HashMap<Key, Arc<tokio::sync::Mutex<()>>>,
    /// What was too much for endpoints, or for what a query may hold, at more slots than at first.
    heavy: HashSet<Key>,
}

/// What is asked again and again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    text: Arc<str>,
    params: Arc<[(String, String)]>,
    /// From slot to slot; milliseconds.
    interval: i64,
    /// The place of the slots in it.
    place: i64,
}

/// What is known of an expression.
#[derive(Debug)]
struct Ahead {
    steps: Steps,
    /// The elements of those slots that were not gone through yet, from the last to the first.
    elements: Vec<Vec<Sample>>,
    certainty: Certainty,
    missing: Vec<String>,
    /// How many slots to ask for after these; none if not before they are needed.
    then: Option<i64>,
    next: Option<JoinHandle<Option<Self>>>,
}

/// What is to be asked about several slots.
#[derive(Clone, Debug)]
struct Question {
    expr: Arc<Expr>,
    params: Arc<[(String, String)]>,
    options: Options,
    steps: Steps,
}

impl Answers {
    pub(super) fn new(federation: Arc<Federation>, until: i64) -> Arc<Self> {
        Arc::new(Self {
            federation,
            until,
            places: Semaphore::new(QUERIES),
            known: Mutex::default(),
        })
    }

    /// The answer, if it is known already.
    pub(super) fn known(&self, evaluation: &Evaluation) -> Option<Answered> {
        let mut known = self.lock();
        let key = known.key(evaluation)?;
        known.ahead.get_mut(&key)?.answered(evaluation.at)
    }

    /// The answer.
    pub(super) async fn answer(
        self: &Arc<Self>,
        evaluation: Evaluation,
    ) -> Result<Answered, String> {
        let Some(key) = self.lock().key(&evaluation) else {
            return self.at_once(evaluation).await;
        };
        let asking = Arc::clone(self.lock().asking.entry(key.clone()).or_default());
        let _asking = asking.lock().await;
        if let Some(answered) = self.known(&evaluation) {
            return Ok(answered);
        }
        let begun = self.lock().ahead.remove(&key);
        let next = begun.and_then(|ahead| ahead.next);
        if let Some(next) = next {
            if let Ok(Some(ahead)) = next.await
                && let Some(answered) = self.keep(&key, ahead, &evaluation)
            {
                return Ok(answered);
            }
            self.lock().heavy.insert(key.clone());
        }
        // Where a long range is too much, a short one may do.
        for count in AT_ONCE {
            let Some(steps) = self.steps(evaluation.at, key.interval, count) else {
                break;
            };
            if let Some(ahead) = self.ahead(Question::of(&evaluation, steps)).await
                && let Some(answered) = self.keep(&key, ahead, &evaluation)
            {
                return Ok(answered);
            }
        }
        self.at_once(evaluation).await
    }

    /// Keeps what was answered about several slots, and asks about those after them meanwhile.
    fn keep(
        self: &Arc<Self>,
        key: &Key,
        mut ahead: Ahead,
        evaluation: &Evaluation,
    ) -> Option<Answered> {
        let answered = ahead.answered(evaluation.at)?;
        let is_heavy = self.lock().heavy.contains(key);
        ahead.then = ahead.then.filter(|_| !is_heavy);
        let after = ahead.steps.end.saturating_add(key.interval);
        let steps = ahead
            .then
            .and_then(|then| self.steps(after, key.interval, then));
        ahead.next = steps.map(|steps| {
            let (answers, question) = (Arc::clone(self), Question::of(evaluation, steps));
            // One that lacks a partition may have been asked for too much.
            tokio::spawn(async move {
                let ahead = answers.ahead(question).await;
                ahead.filter(|ahead| ahead.missing.is_empty())
            })
        });
        self.lock().ahead.insert(key.clone(), ahead);
        Some(answered)
    }

    /// So many slots, or as many as there are; none if that is one.
    fn steps(&self, start: i64, step: i64, count: i64) -> Option<Steps> {
        let last = start.saturating_add((count - 1).saturating_mul(step));
        let over = self.until.saturating_sub(start).rem_euclid(step);
        let end = last.min(self.until.saturating_sub(over));
        (end > start).then_some(Steps { start, end, step })
    }

    async fn ahead(&self, question: Question) -> Option<Ahead> {
        let reply = self.ask(&question, Vec::new()).await.ok()?;
        Ahead::of(reply, question.steps)
    }

    async fn at_once(&self, evaluation: Evaluation) -> Result<Answered, String> {
        let own = evaluation.own.clone();
        let own = own.map(|own| Arc::new(own) as Arc<dyn Local>);
        let question = Question::of(&evaluation, evaluation.steps());
        let reply = self.ask(&question, own.into_iter().collect()).await;
        let reply = reply.map_err(|error| error.to_string())?;
        let missing = reply.warnings();
        let answer = reply.answer;
        Answered::of(&evaluation, answer.output.value, answer.certainty, missing)
    }

    async fn ask(
        &self,
        question: &Question,
        own: Vec<Arc<dyn Local>>,
    ) -> Result<Reply, QueryError> {
        let _place = self.places.acquire().await;
        let query = Query::new(&question.expr, question.steps, question.options, WITHIN);
        self.federation
            .query_beside(query, own, &question.params)
            .await
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Under which key answers to an evaluation are kept; none if it is asked about one slot only.
    fn key(&mut self, evaluation: &Evaluation) -> Option<Key> {
        let interval = evaluation.every?.max(1);
        if evaluation.own.is_some() || evaluation.range.is_some() {
            return None;
        }
        let expr = &evaluation.expr;
        let (_, text) = self
            .texts
            .entry(Arc::as_ptr(expr).addr())
            .or_insert_with(|| {
                let text = (!differs_over_a_range(expr)).then(|| expr.to_string().into());
                (Arc::clone(expr), text)
            });
        Some(Key {
            text: text.clone()?,
            params: Arc::clone(&evaluation.params),
            interval,
            place: evaluation.at.rem_euclid(interval),
        })
    }
}

impl Question {
    fn of(evaluation: &Evaluation, steps: Steps) -> Self {
        Self {
            expr: Arc::clone(&evaluation.expr),
            params: Arc::clone(&evaluation.params),
            options: evaluation.options,
            steps,
        }
    }
}

impl Ahead {
    fn of(reply: Reply, steps: Steps) -> Option<Self> {
        let missing = reply.warnings();
        let Value::Matrix(all) = reply.answer.output.value else {
            return None;
        };
        let slots = usize::try_from((steps.end - steps.start) / steps.step).ok()? + 1;
        let mut elements = vec![Vec::new(); slots];
        let mut count = 0;
        for sample in all.into_iter().flat_map(samples) {
            let before_last = usize::try_from((steps.end - sample.time) / steps.step).ok()?;
            elements.get_mut(before_last)?.push(sample);
            count += 1;
        }
        let asked = i64::try_from(slots).ok()?;
        let then = match count {
            ..MANY => Some(asked.max(AT_ONCE[0]).saturating_mul(4).min(MOST_AT_ONCE)),
            MANY..VERY_MANY => Some(asked),
            VERY_MANY.. => None,
        };
        Some(Self {
            steps,
            elements,
            certainty: reply.answer.certainty,
            missing,
            then,
            next: None,
        })
    }

    fn answered(&mut self, at: i64) -> Option<Answered> {
        let Steps { start, end, step } = self.steps;
        if !(start..=end).contains(&at) {
            return None;
        }
        // Several rules may ask the same, so that a slot is kept until the next one.
        let left = usize::try_from((end - at) / step).ok()? + 1;
        self.elements.truncate(left);
        Some(Answered {
            elements: self.elements.get(left - 1)?.clone(),
            certainty: self.certainty.clone(),
            missing: self.missing.clone(),
            ..Answered::default()
        })
    }
}

/// The samples of a series, each with its labels.
fn samples(series: Series) -> impl Iterator<Item = Sample> {
    let floats = series.floats.times.into_iter().zip(series.floats.values);
    let floats = floats.map(|(time, value)| (time, Point::Float(value)));
    let histograms = series.histograms;
    let histograms = histograms.times.into_iter().zip(histograms.values);
    let histograms = histograms.map(|(time, value)| (time, Point::Histogram(value)));
    let labels = series.labels;
    floats.chain(histograms).map(move |(time, point)| Sample {
        labels: labels.clone(),
        time,
        point,
    })
}
