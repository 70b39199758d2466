//! The words of alerts whose templates ask queries.

use std::{collections::BTreeSet, thread};

use super::harness::{Answer, now, of, rules};
use crate::{
    labels::LabelSet,
    promql::{Point, Sample},
    ruler::{Answered, Effect, Evaluation, Ruler, Word},
};

/// A rule in its slot.
struct Slot {
    ruler: Ruler,
    at: i64,
    /// What is asked and not answered.
    open: Vec<Evaluation>,
    said: Vec<Word>,
}

impl Slot {
    /// The expression of the only rule has this answer.
    fn begin(text: &str, elements: Answer) -> Self {
        let mut ruler = Ruler::alone(rules(text), now(0));
        let at = ruler.poll_timeout().unwrap();
        ruler.handle_timeout(now(at));
        let mut slot = Self {
            ruler,
            at,
            open: Vec::new(),
            said: Vec::new(),
        };
        slot.take();
        let expression = slot.open.remove(0);
        slot.answer(&expression, elements);
        slot
    }

    fn take(&mut self) {
        while let Some(effect) = self.ruler.poll_effect() {
            match effect {
                Effect::Evaluate(evaluation) => self.open.push(evaluation),
                Effect::Say(word) => self.said.push(word),
                Effect::Tell(_) | Effect::Write(_) | Effect::Keep(_) => {}
            }
        }
    }

    fn answer(&mut self, evaluation: &Evaluation, answer: Answer) {
        self.ruler.evaluated(evaluation.id, answer, now(self.at));
        self.take();
    }

    /// Answers all that is asked, round by round; gives the queries of each.
    fn answer_all(&mut self, answer: impl Fn(&str) -> Answer) -> Vec<Vec<String>> {
        let mut rounds = Vec::new();
        while !self.open.is_empty() {
            let open = std::mem::take(&mut self.open);
            let texts = open.iter().map(|one| one.expr.to_string());
            rounds.push(texts.collect());
            for one in open {
                self.answer(&one, answer(&one.expr.to_string()));
            }
        }
        rounds
    }

    /// How many expansions there were, and how many of them failed.
    fn expansions(&self) -> (u64, u64) {
        let states = self.ruler.states();
        (states.expansions, states.failed_expansions)
    }

    /// The values of an annotation, by the label `i`.
    fn annotations(&self, name: &str) -> Vec<(String, String)> {
        let rule = &self.ruler.states().groups[0].rules[0];
        let alerts = rule.alerts.active();
        let one = |(labels, of): (&LabelSet, &crate::ruler::Instance)| {
            let value = of.annotations.value(name).to_owned();
            (labels.value("i").to_owned(), value)
        };
        alerts.map(one).collect()
    }
}

/// A rule with these annotations.
fn rule(annotations: &str) -> String {
    format!(
        "groups: [{{name: g, interval: 30s, rules: [{{alert: A, expr: x > 0, annotations: {annotations}}}]}}]"
    )
}

/// So many elements, whose label `i` is their number after a prefix.
fn elements(count: usize, prefix: &str) -> Answer {
    let one = |number: usize| Sample {
        labels: LabelSet::from_pairs([("i", format!("{prefix}{number}"))]),
        time: 0,
        point: Point::Float(1.0),
    };
    Ok(Answered {
        elements: (0..count).map(one).collect(),
        ..Answered::default()
    })
}

/// Answers with one element of the value.
fn value(value: f64) -> Answer {
    of(&[(&[], value)])
}

/// Does something with little stack.
fn in_a_small_stack(what: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(512 << 10).spawn(what);
    thread.unwrap().join().unwrap();
}

const OF_EACH: &str =
    r#"{n: '{{ range query (printf "up{i=\"%s\"}" $labels.i) }}{{ .Value }}{{ end }}'}"#;

#[test]
fn queries_that_do_not_parse_need_neither_stack_nor_time_for_each_other() {
    in_a_small_stack(|| {
        let slot = Slot::begin(&rule(OF_EACH), elements(2_500, r"a\d"));
        assert!(slot.open.is_empty());
        let texts = slot.annotations("n");
        assert_eq!(texts.len(), 2_500);
        let failed =
            |(_, text): &(String, String)| text.contains("error calling query: 1:6: parse error");
        assert!(texts.iter().all(failed), "{:?}", texts[0]);
        assert_eq!(slot.expansions(), (2_500, 2_500));
    });
}

#[test]
fn what_each_element_asks_is_asked_once_and_some_of_it_together() {
    in_a_small_stack(|| {
        let mut slot = Slot::begin(&rule(OF_EACH), elements(2_500, "a"));
        let asked = slot.answer_all(|_| value(7.0));
        assert!(asked.iter().all(|round| round.len() <= 16));
        assert_eq!(asked.len(), 2_500_usize.div_ceil(16));
        let all: Vec<&String> = asked.iter().flatten().collect();
        assert_eq!(all.len(), 2_500);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 2_500);
        let texts = slot.annotations("n");
        assert_eq!(texts.len(), 2_500);
        assert!(texts.iter().all(|(_, text)| text == "7"));
        assert_eq!(slot.expansions(), (5_000, 0));
    });
}

#[test]
fn what_all_elements_ask_is_asked_once() {
    let twice = r#"{n: '{{ query "a" | first | value }}{{ query "b" | first | value }}', m: '{{ query "a" | first | value }}'}"#;
    let mut slot = Slot::begin(&rule(twice), elements(100, ""));
    let asked = slot.answer_all(|query| value(if query == "a" { 1.0 } else { 2.0 }));
    assert_eq!(asked, [["a"], ["b"]]);
    assert!(slot.annotations("n").iter().all(|(_, text)| text == "12"));
    assert!(slot.annotations("m").iter().all(|(_, text)| text == "1"));
    assert_eq!(slot.expansions(), (500, 0));
}

#[test]
fn a_query_may_follow_from_the_answer_to_another() {
    let inner = r#"{n: '{{ range query "a" }}{{ query (printf "b{i=\"%s\"}" .Labels.i) | first | value }},{{ end }}'}"#;
    let mut slot = Slot::begin(&rule(inner), elements(2, ""));
    let asked = slot.answer_all(|query| match query {
        "a" => of(&[(&[("i", "1")], 1.0), (&[("i", "2")], 1.0)]),
        r#"b{i="1"}"# => value(5.0),
        _ => Err("no endpoint answers".to_owned()),
    });
    assert_eq!(asked, [["a"], [r#"b{i="1"}"#], [r#"b{i="2"}"#]]);
    for (_, text) in slot.annotations("n") {
        let reason = "error calling query: no endpoint answers>";
        assert!(
            text.starts_with("<error expanding template") && text.ends_with(reason),
            "{text}"
        );
    }
}

#[test]
fn a_group_that_allows_less_at_once_has_less_asked() {
    let text = rule(OF_EACH).replace("interval: 30s", "interval: 30s, concurrency: 3");
    let mut slot = Slot::begin(&text, elements(7, "a"));
    let rounds = slot.answer_all(|_| value(7.0));
    let rounds = rounds.iter().map(Vec::len);
    assert_eq!(rounds.collect::<Vec<_>>(), [3, 3, 1]);
}

#[test]
fn a_rule_and_its_templates_have_one_time() {
    let mut slot = Slot::begin(&rule(OF_EACH), elements(50, "a"));
    assert!(slot.open.iter().all(|one| one.within == 24_000));
    let first = std::mem::take(&mut slot.open);
    slot.at += 20_000;
    for one in &first {
        slot.answer(one, value(7.0));
    }
    assert!(slot.open.iter().all(|one| one.within == 4_000));
    let second = std::mem::take(&mut slot.open);
    assert_eq!(second.len(), 16);
    slot.at += 4_000;
    for one in &second {
        slot.answer(one, Err("query timed out".to_owned()));
    }
    assert!(slot.open.is_empty());
    let texts = slot.annotations("n");
    let ends = |end: &str| texts.iter().filter(|(_, text)| text.ends_with(end)).count();
    assert_eq!(texts.len(), 50);
    assert_eq!(ends("7"), 16);
    assert_eq!(ends("error calling query: query timed out>"), 16);
    assert_eq!(
        ends("error calling query: the rule and its templates take more than 24s>"),
        18
    );
    assert_eq!(slot.expansions(), (100, 34));
}

#[test]
fn the_templates_of_a_rule_ask_so_many_queries_at_most() {
    in_a_small_stack(|| {
        let mut slot = Slot::begin(&rule(OF_EACH), elements(10_020, "a"));
        let asked = slot.answer_all(|_| value(7.0));
        assert_eq!(asked.iter().flatten().count(), 10_000);
        let texts = slot.annotations("n");
        let refused =
            "error calling query: the templates of a rule may ask 10000 queries in one slot>";
        let refused = texts.iter().filter(|(_, text)| text.ends_with(refused));
        assert_eq!((texts.len(), refused.count()), (10_020, 20));
    });
}

#[test]
fn a_text_asks_so_many_queries_at_most() {
    let inner = r#"{n: '{{ range query "a" }}{{ query (printf "b{i=\"%s\"}" .Labels.i) | first | value }}{{ end }}'}"#;
    let mut slot = Slot::begin(&rule(inner), elements(1, ""));
    let asked = slot.answer_all(|query| match query {
        "a" => elements(1_000, ""),
        _ => value(7.0),
    });
    assert_eq!(asked.len(), 100);
    let (_, text) = &slot.annotations("n")[0];
    assert!(
        text.ends_with("error calling query: a text may ask 100 queries>"),
        "{text}"
    );
    assert_eq!(slot.expansions(), (101, 1));
}

#[test]
fn an_answer_to_a_rule_that_is_gone_is_passed_over() {
    let mut slot = Slot::begin(&rule(OF_EACH), elements(3, "a"));
    let open = std::mem::take(&mut slot.open);
    slot.ruler.load(rules("groups: []"), now(slot.at));
    for one in &open {
        slot.answer(one, value(7.0));
    }
    assert!(slot.open.is_empty());
}

#[test]
fn what_a_template_reads_of_other_rules_is_here() {
    let text = "groups: [{name: g, rules: [{record: r, expr: z}, {alert: B, expr: r > 9},
        {alert: A, expr: x > 0, annotations: {n: '{{ query \"r\" }}{{ query \"y\" }}'}}]}]";
    let mut ruler = Ruler::alone(rules(text), now(0));
    let at = ruler.poll_timeout().unwrap();
    ruler.handle_timeout(now(at));
    let mut own = Vec::new();
    while let Some(effect) = ruler.poll_effect() {
        if let Effect::Evaluate(evaluation) = effect {
            own.push((evaluation.expr.to_string(), evaluation.own.is_some()));
            ruler.evaluated(evaluation.id, value(1.0), now(at));
        }
    }
    for (query, reads) in [("r", true), ("y", false)] {
        assert!(own.contains(&(query.to_owned(), reads)), "{own:?}");
    }
}

#[test]
fn a_template_that_fails_is_said_once() {
    let text = rule("{m: fine, n: '{{ humanize $labels.i }}', o: 'plain'}");
    let mut slot = Slot::begin(&text, elements(3, ""));
    let said = |slot: &mut Slot| {
        let mut all = Vec::new();
        for word in std::mem::take(&mut slot.said) {
            if let Word::Unexpanded {
                rule, text, reason, ..
            } = word
            {
                all.push((rule, text, reason));
            }
        }
        all
    };
    assert_eq!(said(&mut slot), []);
    // A number is one that can be read.
    let mut slot = Slot::begin(&text, elements(3, "a"));
    let reason = "error executing template __alert_A: template: __alert_A:1:115: executing \"__alert_A\" at \
                  <humanize $labels.i>: error calling humanize: strconv.ParseFloat: parsing \"a0\": invalid syntax";
    let expected = ("A".to_owned(), "annotation n".to_owned(), reason.to_owned());
    assert_eq!(said(&mut slot), std::slice::from_ref(&expected));
    let next = |slot: &mut Slot, answer: Answer| {
        slot.at += 30_000;
        slot.ruler.handle_timeout(now(slot.at));
        slot.take();
        let expression = slot.open.remove(0);
        slot.answer(&expression, answer);
    };
    next(&mut slot, elements(2, "a"));
    next(&mut slot, elements(0, "a"));
    next(&mut slot, elements(2, "a"));
    assert_eq!(said(&mut slot), []);
    next(&mut slot, elements(2, ""));
    next(&mut slot, elements(2, "a"));
    assert_eq!(said(&mut slot), [expected]);
}

#[test]
fn a_label_of_the_group_that_is_no_template_is_an_error_in_alerts() {
    let text = "groups: [{name: g, interval: 30s, labels: {team: '{{ $labels.x'}, rules: [{alert: A, expr: x > 0}]}]";
    let slot = Slot::begin(text, elements(1, ""));
    let rule = &slot.ruler.states().groups[0].rules[0];
    let (labels, _) = rule.alerts.active().next().unwrap();
    assert_eq!(
        labels.value("team"),
        "<error expanding template: error parsing template __alert_A: template: __alert_A:1: unclosed action>"
    );
    assert!(matches!(&slot.said[..], [Word::Unexpanded { text, .. }] if text == "label team"));
}
