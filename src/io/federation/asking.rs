//! What is to be asked for a query: the questions of its fragments and windows, equal ones once.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    gather::Outcome,
    question::{Ask, Times},
    round::Round,
};
use crate::{
    federation::{Fetched, Fragment, Guard, Inquiry, Local, Question, Rates, Window, World, local},
    promql::engine::{Options, Steps},
};

/// A query whose questions are known, and not asked yet.
pub(super) struct Asking {
    pub(super) inquiry: Inquiry,
    pub(super) world: Arc<World>,
    pub(super) steps: Steps,
    pub(super) questions: Questions,
    pub(super) fragments: Vec<Vec<Source>>,
    pub(super) windows: Vec<Vec<Source>>,
}

/// The questions of a query, equal ones once.
pub(super) struct Questions {
    /// How many partitions have endpoints; those after them are here.
    remote: usize,
    locals: Vec<Arc<dyn Local>>,
    further: Arc<str>,
    options: Options,
    pub(super) asks: Vec<Arc<Ask>>,
    numbers: BTreeMap<Arc<Ask>, usize>,
    /// How often the answer to each is used.
    pub(super) uses: Vec<usize>,
    /// The fragment for which each is asked first.
    pub(super) fragments: Vec<Option<usize>>,
    guarded: Vec<Guarded>,
}

/// An answer that may be of no use, by the numbers of the questions.
struct Guarded {
    question: usize,
    beside: usize,
    guard: Guard,
}

/// Where an answer comes from.
pub(super) enum Source {
    /// From the question of this number.
    Asked(usize),
    /// It is known to be empty.
    Nothing,
    /// It was here already.
    Here(Fetched),
}

impl Asking {
    pub(super) fn new(round: &Round, inquiry: Inquiry, world: Arc<World>, steps: Steps) -> Self {
        let mut questions = Questions::new(round);
        let fragments = questions.of_fragments(&inquiry);
        questions.level();
        let windows = inquiry.windows().iter();
        let windows = windows.map(|windows| questions.of_windows(windows));
        let windows = windows.collect();
        Self {
            inquiry,
            world,
            steps,
            questions,
            fragments,
            windows,
        }
    }

    /// What endpoints are to be asked.
    pub(super) fn asks(&self) -> &[Arc<Ask>] {
        &self.questions.asks
    }

    /// The numbers of the questions that are to be answered by one look at the data: each with those that tell whether its
    /// answer is of use.
    pub(super) fn looks(&self) -> Vec<Vec<usize>> {
        let mut looks: Vec<Vec<usize>> =
            (0..self.asks().len()).map(|number| vec![number]).collect();
        for guarded in &self.questions.guarded {
            let place = |number| looks.iter().position(|look| look.contains(&number));
            let both = place(guarded.question).zip(place(guarded.beside));
            if let Some((one, other)) = both.filter(|(one, other)| one != other) {
                let more = looks.remove(one.max(other));
                if let Some(look) = looks.get_mut(one.min(other)) {
                    look.extend(more);
                }
            }
        }
        looks
    }

    pub(super) fn steps(&self) -> Steps {
        self.steps
    }

    pub(super) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Why an answer of a partition cannot be used as it is: its windows include something that they do not include here, or
    /// who answered is not who was asked about that.
    pub(super) fn doubt(&self, outcomes: &[Outcome]) -> Option<(usize, String)> {
        self.questions.guarded.iter().find_map(|guarded| {
            let answer = outcomes.get(guarded.question)?;
            let beside = outcomes.get(guarded.beside)?;
            let partition = self.asks().get(guarded.question)?.partition;
            let (Ok(_), found) = (&answer.result, &beside.result) else {
                return None;
            };
            let query = &guarded.guard.query;
            match found {
                Ok(values) if !guarded.guard.fires(&values.series) => {}
                Ok(_) => {
                    let why = format!("windows of Prometheus 2 make a difference: {query}");
                    return Some((partition, why));
                }
                // Samples may be had where this is too much.
                Err(failure) => {
                    let why = format!("{query} was not answered: {}", failure.reason);
                    return Some((partition, why));
                }
            }
            let both = answer.by.as_ref().zip(beside.by.as_ref());
            let planned = self.world.partitions.get(partition)?.rates;
            let fit = both.is_some_and(|(one, other)| {
                let rates = one.identity().map_or(Rates::Never, |one| one.rates());
                Arc::ptr_eq(one, other) && rates != Rates::Never && rates <= planned
            });
            let why = "another replica than the one that was to be asked answered parts of it";
            (!fit).then(|| (partition, why.to_owned()))
        })
    }

    /// What was asked.
    pub(super) fn into_asks(self) -> Vec<Arc<Ask>> {
        self.questions.asks
    }
}

impl Questions {
    fn new(round: &Round) -> Self {
        Self {
            remote: round.endpoints.partitions.len(),
            locals: round.locals.clone(),
            further: Arc::clone(&round.further),
            options: round.options,
            asks: Vec::new(),
            numbers: BTreeMap::new(),
            uses: Vec::new(),
            fragments: Vec::new(),
            guarded: Vec::new(),
        }
    }

    fn of_fragments(&mut self, inquiry: &Inquiry) -> Vec<Vec<Source>> {
        let fragments = inquiry.fragments().enumerate();
        let of = |(number, (fragment, steps)): (usize, (&Fragment, Steps))| {
            let questions = fragment.questions.iter();
            let sources =
                questions.map(|question| self.of_fragment((number, fragment), question, steps));
            sources.collect()
        };
        fragments.map(of).collect()
    }

    /// Asks a question of a fragment, with those that tell whether its answer is of use.
    fn of_fragment(
        &mut self,
        (number, fragment): (usize, &Fragment),
        question: &Question,
        steps: Steps,
    ) -> Source {
        if steps.count() == 0 {
            return Source::Nothing;
        }
        if let Some(local) = self.local(question.partition) {
            let options = Options {
                lookback: question.lookback,
                ..self.options
            };
            return Source::Here(local::answer(&*local, &question.query, steps, options));
        }
        let ask = Ask {
            partition: question.partition,
            query: Arc::clone(&question.query),
            times: Times::of(steps),
            lookback: question.lookback,
            selects: fragment.selects,
            marks: false,
            further: Arc::clone(&self.further),
            speech: Some(question.speech),
            others: question.others.clone(),
        };
        let guards = question.guards.iter();
        let guards = guards.map(|guard| (guard.clone(), beside(&ask, guard)));
        let guards: Vec<_> = guards.collect();
        let source = self.ask(ask, Some(number));
        self.guard(&source, guards, number);
        source
    }

    /// Has guards look back as far as what they stand beside, which makes no difference to them: so they can be asked in one
    /// request.
    fn level(&mut self) {
        for guarded in &self.guarded {
            let lookback = self.asks.get(guarded.question).map(|ask| ask.lookback);
            if let (Some(lookback), Some(ask)) = (lookback, self.asks.get_mut(guarded.beside)) {
                Arc::make_mut(ask).lookback = lookback;
            }
        }
    }

    /// Asks what tells whether an answer is of use.
    fn guard(&mut self, source: &Source, guards: Vec<(Guard, Ask)>, fragment: usize) {
        let Source::Asked(question) = source else {
            return;
        };
        for (guard, ask) in guards {
            if let Source::Asked(beside) = self.ask(ask, Some(fragment)) {
                self.guarded.push(Guarded {
                    question: *question,
                    beside,
                    guard,
                });
            }
        }
    }

    fn of_windows(&mut self, windows: &[Window]) -> Vec<Source> {
        let window = |window: &Window| {
            if window.to <= window.from {
                return Source::Nothing;
            }
            if let Some(local) = self.local(window.partition) {
                let series = local.select(&window.matchers, window.from, window.to);
                return Source::Here(Fetched::Series(series));
            }
            let ask = Ask {
                partition: window.partition,
                query: (&*window.query).into(),
                times: Times::Window {
                    from: window.from,
                    to: window.to,
                },
                lookback: self.options.lookback,
                selects: true,
                marks: window.markers,
                further: Arc::clone(&self.further),
                speech: Some(window.speech),
                others: window.others.clone(),
            };
            self.ask(ask, None)
        };
        windows.iter().map(window).collect()
    }

    fn local(&self, partition: usize) -> Option<Arc<dyn Local>> {
        self.locals
            .get(partition.checked_sub(self.remote)?)
            .cloned()
    }

    fn ask(&mut self, ask: Ask, fragment: Option<usize>) -> Source {
        let ask = Arc::new(ask);
        let number = match self.numbers.get(&ask) {
            Some(number) => *number,
            None => {
                let number = self.asks.len();
                self.numbers.insert(Arc::clone(&ask), number);
                self.asks.push(ask);
                self.uses.push(0);
                self.fragments.push(fragment);
                number
            }
        };
        if let Some(uses) = self.uses.get_mut(number) {
            *uses += 1;
        }
        Source::Asked(number)
    }
}

/// The question that a guard is, beside another one.
fn beside(ask: &Ask, guard: &Guard) -> Ask {
    Ask {
        query: Arc::clone(&guard.query),
        lookback: guard.lookback,
        selects: false,
        others: Vec::new(),
        ..ask.clone()
    }
}
