//! One test: the ruler from the first slot to the last moment that somebody asks about.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    data::{Data, shown},
    expect,
    failure::Failure,
};
use crate::{
    config::{RuleFile, RuleTest, RuleTestFile, TestAbsence},
    labels::LabelSet,
    promql::{
        engine::Options,
        parse::{Features, parse},
    },
    ruler::{Effect, Health, Members, RuleRecord, RuleSet, Ruler, Settings, Written},
    time::{Now, Timestamp, format_prom_duration},
};

/// What a test runs in.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The file of the test.
    pub file: &'a RuleTestFile,
    /// The rules.
    pub rules: &'a [RuleFile],
    /// How expressions are evaluated; the step of subqueries is the interval of the file.
    pub options: Options,
    /// The parts of PromQL that are on in expressions of the test.
    pub features: Features,
    /// Whether to tell what happens.
    pub debug: bool,
}

/// What came of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// What is not as expected, in the order of time.
    pub failures: Vec<Failure>,
    /// What happened, line by line, if it was to be told.
    pub story: Vec<String>,
}

/// Runs a test.
#[must_use]
pub fn run(test: &RuleTest, setting: Setting<'_>) -> Tested {
    match Rehearsal::new(test, setting) {
        Ok(rehearsal) => rehearsal.run(),
        Err(reason) => Tested {
            failures: vec![Failure::Test(reason)],
            ..Tested::default()
        },
    }
}

/// From when to when something is not there; Unix milliseconds.
pub(super) fn span(test: &RuleTest, absence: &TestAbsence) -> (i64, i64) {
    let at = |duration| test.start_timestamp.saturating_add(millis(duration));
    (at(absence.from), at(absence.to))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What nodes keep of alerts, by what it is about.
type Kept = BTreeMap<u64, Arc<RuleRecord>>;

/// A ruler that begins with the slots after now.
fn started(set: &Arc<RuleSet>, kept: &Kept, at: i64) -> Ruler {
    let mut ruler = Ruler::new(Arc::clone(set), now(at));
    let kept: Vec<_> = kept.values().map(Arc::clone).collect();
    ruler.learn(&kept, now(at));
    ruler.members(Members::alone(""), now(at));
    ruler
}

struct Rehearsal<'a> {
    test: &'a RuleTest,
    setting: Setting<'a>,
    data: Data,
    set: Arc<RuleSet>,
    ruler: Ruler,
    kept: Kept,
    /// When alerts are asked for, in the order of time.
    asked: VecDeque<Duration>,
    restarts: VecDeque<(i64, i64)>,
    tested: Tested,
}

impl<'a> Rehearsal<'a> {
    fn new(test: &'a RuleTest, setting: Setting<'a>) -> Result<Self, String> {
        for asked in &test.alert_rule_test {
            if asked.alertname.is_empty() {
                let at = format_prom_duration(asked.eval_time);
                return Err(format!(
                    "an item under alert_rule_test misses required attribute alertname at eval_time {at}"
                ));
            }
        }
        let interval = setting.file.evaluation_interval;
        let step = match test.interval {
            Duration::ZERO => interval,
            interval => interval,
        };
        let options = Options {
            subquery_step: millis(interval),
            ..setting.options
        };
        let set = Arc::new(rules(test, setting, options));
        let mut asked: Vec<Duration> = test
            .alert_rule_test
            .iter()
            .map(|one| one.eval_time)
            .collect();
        asked.sort_unstable();
        asked.dedup();
        Ok(Self {
            data: Data::new(test, millis(step), options)?,
            ruler: started(&set, &Kept::new(), test.start_timestamp),
            kept: Kept::new(),
            set,
            asked: asked.into(),
            restarts: test.restarts.iter().map(|one| span(test, one)).collect(),
            tested: Tested::default(),
            test,
            setting,
        })
    }

    fn run(mut self) -> Tested {
        if self.evaluate_rules() {
            for one in &self.test.promql_expr_test {
                self.ask(one);
            }
        }
        self.tested
    }

    /// The last moment that somebody asks about; Unix milliseconds.
    fn end(&self) -> i64 {
        let alerts = self.test.alert_rule_test.iter().map(|one| one.eval_time);
        let expressions = self.test.promql_expr_test.iter().map(|one| one.eval_time);
        let last = alerts.chain(expressions).max().unwrap_or_default();
        self.test.start_timestamp.saturating_add(millis(last))
    }

    /// Evaluates all slots, and compares alerts on the way; false if a rule could not be evaluated, which ends the test.
    fn evaluate_rules(&mut self) -> bool {
        let end = self.end();
        while let Some(slot) = self.ruler.poll_timeout().filter(|slot| *slot <= end) {
            if let Some((_, back)) = self.restarts.pop_front_if(|(from, _)| *from <= slot) {
                self.ruler = started(&self.set, &self.kept, back);
                continue;
            }
            self.compare_alerts(Some(slot));
            self.load(slot);
            self.ruler.handle_timeout(now(slot));
            self.settle(slot);
            if self.rules_failed(slot) {
                return false;
            }
        }
        // As promtool has it, samples after the last evaluation are not there.
        let interval = millis(self.setting.file.evaluation_interval);
        let start = self.test.start_timestamp;
        let over = end.saturating_sub(start).rem_euclid(interval);
        let last = if self.setting.file.group_intervals {
            end
        } else {
            end.saturating_sub(over)
        };
        self.load(last);
        self.compare_alerts(None);
        true
    }

    fn load(&mut self, until: i64) {
        if let Err(error) = self.data.load(until) {
            self.tested.failures.push(Failure::Test(error.to_string()));
        }
    }

    fn settle(&mut self, slot: i64) {
        while let Some(effect) = self.ruler.poll_effect() {
            match effect {
                Effect::Evaluate(evaluation) => {
                    let id = evaluation.id;
                    let answer = self.data.answer(evaluation, slot);
                    self.ruler.evaluated(id, answer, now(slot));
                }
                Effect::Write(written) => {
                    self.tell(slot, &written);
                    self.data.write(&written);
                }
                Effect::Keep(records) => {
                    let kept = records.into_iter();
                    self.kept
                        .extend(kept.map(|one| (one.key.hash(), Arc::new(one))));
                }
                Effect::Tell(_) | Effect::Say(_) => {}
            }
        }
    }

    fn tell(&mut self, slot: i64, written: &[Written]) {
        if self.setting.debug {
            let at = format_prom_duration(Duration::from_millis(self.since_start(slot)));
            let line = |one: &Written| format!("{at} {} {}", one.labels, shown(&one.point));
            self.tested.story.extend(written.iter().map(line));
        }
    }

    fn since_start(&self, time: i64) -> u64 {
        u64::try_from(time.saturating_sub(self.test.start_timestamp)).unwrap_or(0)
    }

    /// Notes the rules that failed in a slot. One that fails because a partition is missing is as the test wants it.
    fn rules_failed(&mut self, slot: i64) -> bool {
        let at = self.since_start(slot);
        let groups = self.set.groups.iter().zip(&self.ruler.states().groups);
        let rules = groups.flat_map(|(group, state)| group.rules.iter().zip(&state.rules));
        let failed = rules.filter(|(_, state)| {
            let now = state.last_evaluation == Some(slot) && state.missing.is_empty();
            now && state.health == Health::Err
        });
        let failures = failed.map(|(rule, state)| Failure::Rule {
            name: rule.name().to_owned(),
            at,
            reason: state.last_error.clone(),
        });
        let before = self.tested.failures.len();
        self.tested.failures.extend(failures);
        self.tested.failures.len() > before
    }

    /// Compares the alerts that are asked for before a slot, or all that are left.
    fn compare_alerts(&mut self, before: Option<i64>) {
        while let Some(time) = self.asked.pop_front_if(|time| {
            let at = self.test.start_timestamp.saturating_add(millis(*time));
            before.is_none_or(|slot| at < slot)
        }) {
            let at = u64::try_from(millis(time)).unwrap_or(0);
            let asked = self.test.alert_rule_test.iter();
            let asked = asked.filter(|one| one.eval_time == time);
            let failures = asked.filter_map(|one| expect::alerts(one, &self.ruler, at));
            self.tested.failures.extend(failures);
        }
    }

    fn ask(&mut self, test: &crate::config::ExpressionTest) {
        let at = millis(test.eval_time);
        let time = self.test.start_timestamp.saturating_add(at);
        let got = parse(&test.expr, self.setting.features)
            .map_err(|error| error.to_string())
            .and_then(|expr| self.data.evaluate(&expr, time))
            .map(|answered| answered.elements);
        let fuzzy = self.setting.file.fuzzy_compare;
        let at = u64::try_from(at).unwrap_or(0);
        let failure = expect::samples(test, got, fuzzy, at);
        self.tested.failures.extend(failure);
    }
}

fn now(millis: i64) -> Now {
    Now {
        mono: Duration::from_millis(u64::try_from(millis).unwrap_or(0)),
        wall: Timestamp::from_millis(millis),
    }
}

/// The rules of a test, whose slots begin with the test.
fn rules(test: &RuleTest, setting: Setting<'_>, options: Options) -> RuleSet {
    let file = setting.file;
    let mut files = setting.rules.to_vec();
    for group in files.iter_mut().flat_map(|file| &mut file.groups) {
        let own = group.interval.filter(|_| file.group_intervals);
        let interval = own.unwrap_or(file.evaluation_interval);
        group.interval = Some(interval);
        let begins = test.start_timestamp.rem_euclid(millis(interval).max(1));
        let begins = Duration::from_millis(u64::try_from(begins).unwrap_or(0));
        let own = group.eval_offset.filter(|_| file.group_intervals);
        group.eval_offset = Some(own.unwrap_or(begins));
    }
    let settings = Settings {
        interval: file.evaluation_interval,
        query_offset: Duration::ZERO,
        on_partial: file.on_partial,
        hold_for: file.hold_for,
        resend_delay: Duration::from_mins(1),
        look_back: false,
        copied: LabelSet::empty(),
        external_labels: LabelSet::from_pairs(&test.external_labels),
        external_url: test.external_url.as_str().into(),
        options,
        features: setting.features,
    };
    RuleSet::new(files, settings)
}
