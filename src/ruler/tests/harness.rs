//! A ruler, a clock that jumps, and answers that a test decides.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    config::{OnPartial, RuleOptions, load_rules},
    federation::{Certainty, Local as _},
    labels::{LabelSet, MatchOp, Matcher},
    promql::{
        Point, Sample, Value,
        engine::{Options, Steps, prepare},
        parse::Features,
    },
    ruler::{
        Answered, Effect, Evaluation, Instance, Members, Overlay, Phase, RuleRecord, RuleSet,
        Ruler, Settings, Told, Word, Written,
    },
    time::{Now, Timestamp},
};

/// What a test answers to an evaluation.
pub(super) type Answer = Result<Answered, String>;

pub(super) struct Harness {
    pub(super) ruler: Ruler,
    pub(super) now: i64,
    pub(super) told: Vec<(i64, Told)>,
    pub(super) written: Vec<Written>,
    pub(super) said: Vec<Word>,
    pub(super) asked: Vec<(i64, String)>,
    /// The ranges that rules were asked about.
    pub(super) ranges: Vec<(Steps, String)>,
    /// Where ranges wait for their answers, if they do.
    pub(super) waiting: Option<Vec<Evaluation>>,
    /// What other nodes are told.
    pub(super) kept: Vec<RuleRecord>,
    /// What was asked for and is not answered.
    pub(super) open: Vec<Evaluation>,
}

pub(super) fn settings() -> Settings {
    Settings {
        interval: Duration::from_secs(60),
        query_offset: Duration::ZERO,
        on_partial: OnPartial::Hold,
        hold_for: Duration::from_secs(3600),
        resend_delay: Duration::from_secs(60),
        look_back: false,
        copied: LabelSet::empty(),
        external_labels: LabelSet::empty(),
        external_url: "http://here:9093".into(),
        options: Options {
            lookback: 300_000,
            subquery_step: 60_000,
            max_samples: 50_000_000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
        },
        features: Features::none(),
    }
}

pub(super) fn rules(text: &str) -> Arc<RuleSet> {
    let file = load_rules("rules.yml", text.as_bytes(), &RuleOptions::default());
    let file = file.unwrap_or_else(|errors| panic!("{errors:?}"));
    Arc::new(RuleSet::new(vec![file], settings()))
}

/// The same, of which alerts have a past.
pub(super) fn rules_that_look_back(text: &str) -> Arc<RuleSet> {
    let file = load_rules("rules.yml", text.as_bytes(), &RuleOptions::default());
    let settings = Settings {
        look_back: true,
        ..settings()
    };
    Arc::new(RuleSet::new(vec![file.unwrap()], settings))
}

pub(super) fn now(millis: i64) -> Now {
    Now {
        mono: Duration::from_millis(u64::try_from(millis).unwrap()),
        wall: Timestamp::from_millis(millis),
    }
}

impl Harness {
    pub(super) fn new(text: &str) -> Self {
        Self::of(rules(text), 0, &[])
    }

    /// Begins at that second, with what was kept.
    pub(super) fn of(rules: Arc<RuleSet>, seconds: i64, kept: &[Arc<RuleRecord>]) -> Self {
        let at = seconds * 1000;
        let mut ruler = Ruler::new(rules, now(at));
        ruler.learn(kept, now(at));
        ruler.members(Members::alone("a"), now(at));
        Self {
            kept: Vec::new(),
            ruler,
            now: at,
            told: Vec::new(),
            written: Vec::new(),
            said: Vec::new(),
            asked: Vec::new(),
            open: Vec::new(),
            ranges: Vec::new(),
            waiting: None,
        }
    }

    /// Runs until `seconds`; no evaluation is answered. Gives those that are asked for.
    pub(super) fn hang(&mut self, seconds: i64) -> Vec<Evaluation> {
        let end = seconds * 1000;
        let mut open = Vec::new();
        while let Some(next) = self.ruler.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.ruler.handle_timeout(now(self.now));
            while let Some(effect) = self.ruler.poll_effect() {
                open.extend(self.take(effect));
            }
        }
        self.now = end;
        open
    }

    /// An evaluation is answered now, and what is asked for then as well.
    pub(super) fn answer_one(&mut self, asked: &Evaluation, answer: impl Fn() -> Answer) {
        self.ruler.evaluated(asked.id, answer(), now(self.now));
        self.settle(&mut |_| answer());
    }

    /// Evaluations are answered now; gives those that are asked for then.
    pub(super) fn answer_all(
        &mut self,
        asked: &[Evaluation],
        answer: impl Fn() -> Answer,
    ) -> Vec<Evaluation> {
        for one in asked {
            self.ruler.evaluated(one.id, answer(), now(self.now));
        }
        let mut open = Vec::new();
        while let Some(effect) = self.ruler.poll_effect() {
            open.extend(self.take(effect));
        }
        open
    }

    /// Runs until `seconds`; each evaluation is answered after so many milliseconds, or when its time is over. Gives those
    /// that were answered before that.
    pub(super) fn run_slowly(
        &mut self,
        seconds: i64,
        takes: i64,
        answer: impl Fn(&Evaluation) -> Answer,
    ) -> Vec<Evaluation> {
        let (mut open, mut whole) = (BTreeMap::new(), Vec::new());
        loop {
            while let Some(effect) = self.ruler.poll_effect() {
                if let Some(one) = self.take(effect) {
                    open.insert((self.now + takes.min(one.within), one.id), one);
                }
            }
            let due = self.ruler.poll_timeout();
            let ends = open.first_key_value().map(|((at, _), _)| *at);
            let next = due.into_iter().chain(ends).min().unwrap_or(i64::MAX);
            if next > seconds * 1000 {
                return whole;
            }
            self.now = self.now.max(next);
            self.ruler.handle_timeout(now(self.now));
            if ends == Some(next)
                && let Some((_, one)) = open.pop_first()
            {
                self.ruler.evaluated(one.id, answer(&one), now(self.now));
                whole.extend((one.within >= takes).then_some(one));
            }
        }
    }

    /// Runs until `seconds`, each evaluation answered at once.
    pub(super) fn run(&mut self, seconds: i64, mut answer: impl FnMut(&Evaluation) -> Answer) {
        let end = seconds * 1000;
        while let Some(next) = self.ruler.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.ruler.handle_timeout(now(self.now));
            self.settle(&mut answer);
        }
        self.now = end;
    }

    /// Goes on to when something is asked, which stays open. Tells when that is.
    pub(super) fn begin(&mut self) -> i64 {
        let before = self.open.len();
        while self.open.len() == before {
            let due = self.ruler.poll_timeout().unwrap();
            self.now = self.now.max(due);
            self.ruler.handle_timeout(now(self.now));
            self.collect_slots();
        }
        self.now
    }

    /// Takes in what is asked about slots; of what was before them there is nothing.
    pub(super) fn collect_slots(&mut self) {
        self.collect();
        while let Some(place) = self.open.iter().position(|one| one.range.is_some()) {
            let one = self.open.remove(place);
            let result = over_range(&one, one.steps(), &mut |_| of(&[]));
            self.ruler.evaluated(one.id, result, now(self.now));
            self.collect();
        }
    }

    /// Answers the ranges that wait, and all that come.
    pub(super) fn answer_ranges(&mut self, mut answer: impl FnMut(&Evaluation) -> Answer) {
        for evaluation in self.waiting.take().unwrap_or_default() {
            let result = over_range(&evaluation, evaluation.steps(), &mut answer);
            self.ruler.evaluated(evaluation.id, result, now(self.now));
        }
        self.settle(&mut answer);
    }

    /// Other rules; what is asked stays open.
    pub(super) fn load(&mut self, text: &str) {
        self.ruler.load(rules(text), now(self.now));
        self.collect_slots();
    }

    /// Answers the first evaluation of that expression that is open.
    pub(super) fn answer(&mut self, expr: &str, answer: Answer) {
        let mut open = self.open.iter();
        let place = open.position(|one| one.expr.to_string() == expr);
        let one = self
            .open
            .remove(place.unwrap_or_else(|| panic!("{expr}: {:?}", self.waiting())));
        self.ruler.evaluated(one.id, answer, now(self.now));
        self.collect_slots();
    }

    /// The expressions that are open.
    pub(super) fn waiting(&self) -> Vec<String> {
        let open = self.open.iter();
        open.map(|one| one.expr.to_string()).collect()
    }

    fn settle(&mut self, answer: &mut impl FnMut(&Evaluation) -> Answer) {
        loop {
            self.collect();
            if self.open.is_empty() {
                return;
            }
            for evaluation in std::mem::take(&mut self.open) {
                let result = match evaluation.range {
                    Some(steps) => over_range(&evaluation, steps, answer),
                    None => answer(&evaluation),
                };
                self.ruler.evaluated(evaluation.id, result, now(self.now));
            }
        }
    }

    pub(super) fn collect(&mut self) {
        while let Some(effect) = self.ruler.poll_effect() {
            if let Some(evaluation) = self.take(effect) {
                let text = evaluation.expr.to_string();
                match evaluation.range {
                    Some(steps) => {
                        self.ranges.push((steps, text));
                        match &mut self.waiting {
                            Some(waiting) => waiting.push(evaluation),
                            None => self.open.push(evaluation),
                        }
                    }
                    None => {
                        self.asked.push((evaluation.at, text));
                        self.open.push(evaluation);
                    }
                }
            }
        }
    }

    /// Notes what the ruler wants; an evaluation is to be answered.
    fn take(&mut self, effect: Effect) -> Option<Evaluation> {
        match effect {
            Effect::Evaluate(evaluation) => return Some(evaluation),
            Effect::Tell(told) => self
                .told
                .extend(told.into_iter().map(|one| (self.now, one))),
            Effect::Write(written) => self.written.extend(written),
            Effect::Say(word) => self.said.push(word),
            Effect::Keep(records) => self.kept.extend(records),
        }
        None
    }

    /// The alerts of all rules by their labels.
    pub(super) fn alerts(&self) -> BTreeMap<String, Instance> {
        let rules = self
            .ruler
            .states()
            .groups
            .iter()
            .flat_map(|group| &group.rules);
        let all = rules.flat_map(|rule| rule.alerts.all());
        all.map(|(labels, instance)| (format!("{labels:?}"), instance.clone()))
            .collect()
    }

    /// The phase of the only alert.
    pub(super) fn phase(&self) -> Option<Phase> {
        let alerts = self.alerts();
        assert!(alerts.len() <= 1, "{alerts:?}");
        alerts.into_values().next().map(|instance| instance.phase)
    }

    /// What is said of evaluations that were not made up for: how many, the first rule, and why.
    pub(super) fn lost(&self) -> Vec<(u64, &str, &str)> {
        let mut all = Vec::new();
        for word in &self.said {
            if let Word::Lost {
                evaluations,
                rule,
                reason,
                ..
            } = word
            {
                all.push((*evaluations, rule.as_str(), reason.as_str()));
            }
        }
        all
    }

    /// The last error of the only rule.
    pub(super) fn error(&self) -> String {
        let groups = &self.ruler.states().groups;
        groups[0].rules[0].last_error.clone()
    }
}

/// What a test answers at each of several times.
pub(super) fn over_range(
    evaluation: &Evaluation,
    steps: Steps,
    answer: &mut impl FnMut(&Evaluation) -> Answer,
) -> Answer {
    Answered::of_each(evaluation, steps, |at_once| answer(&at_once))
}

/// A complete answer with these elements.
pub(super) fn of(elements: &[(&[(&str, &str)], f64)]) -> Answer {
    Ok(Answered {
        elements: elements
            .iter()
            .map(|(labels, value)| Sample {
                labels: LabelSet::from_pairs(labels.iter().copied()),
                time: 0,
                point: Point::Float(*value),
            })
            .collect(),
        ..Answered::default()
    })
}

/// The same without a partition.
pub(super) fn without(hole: &[(&str, &str)], answer: Answer) -> Answer {
    let hole = LabelSet::from_pairs(hole.iter().copied());
    let missing = vec![format!("partition {hole:?} is missing")];
    answer.map(|answered| Answered {
        certainty: Certainty::without(vec![hole]),
        missing,
        ..answered
    })
}

/// What the expression is over what rules wrote alone.
pub(super) fn over_own(evaluation: &Evaluation) -> Answer {
    let prepared = prepare(
        &evaluation.expr,
        Steps::instant(evaluation.at),
        evaluation.options,
    );
    let prepared = prepared.map_err(|error| error.to_string())?;
    let own = evaluation.own.clone().unwrap_or_default();
    let selections = prepared.selections().iter();
    let data = selections.map(|one| own.select(&one.matchers, one.from, one.to));
    let output = prepared.evaluate(&data.collect::<Vec<_>>());
    let elements = match output.map_err(|error| error.to_string())?.value {
        Value::Vector(samples) => samples,
        Value::Scalar { time, value } => vec![Sample {
            labels: LabelSet::empty(),
            time,
            point: Point::Float(value),
        }],
        other @ (Value::Matrix(_) | Value::String { .. }) => return Err(format!("{other:?}")),
    };
    Ok(Answered {
        elements,
        ..Answered::default()
    })
}

/// How many samples of a metric rules see of the two minutes before.
pub(super) fn samples_of(own: &Overlay, name: &str, at: i64) -> usize {
    let matcher = Matcher::new(MatchOp::Equal, "__name__", name).unwrap();
    let series = own.select(&[matcher], at - 120_000, at);
    series.iter().map(|one| one.floats.times.len()).sum()
}
