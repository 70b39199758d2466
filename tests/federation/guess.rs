//! Series that the selectors of expressions find, and whose labels fit together where expressions join them.

use std::collections::{BTreeMap, BTreeSet};

use watchfire::{
    labels::{LabelSet, MatchOp, Matcher},
    promql::ast::{Expr, ExprKind, VectorSelector},
};

use crate::data::Line;

/// Things of each kind: `pod-0`, `pod-1`, …
const THINGS: usize = 4;

/// What expressions say about the series that there must be.
#[derive(Default)]
pub(crate) struct Guess {
    /// The labels that the expressions of a metric use.
    labels: BTreeMap<String, BTreeSet<String>>,
    /// The matchers of each selector, without that of the name.
    selectors: BTreeMap<String, Vec<Vec<Matcher>>>,
    /// The metrics whose rates are taken.
    counters: BTreeSet<String>,
}

impl Guess {
    pub(crate) fn of(expressions: &[Expr]) -> Self {
        let mut guess = Self::default();
        for expr in expressions {
            let mut used = BTreeSet::new();
            let mut selectors = Vec::new();
            visit(expr, &mut used, &mut selectors);
            for selector in selectors {
                guess.add(selector, &used);
            }
            guess.add_counters(expr);
        }
        guess
    }

    fn add(&mut self, selector: &VectorSelector, used: &BTreeSet<String>) {
        let is_name = |matcher: &&Matcher| matcher.name() == "__name__";
        let name = match selector.matchers.iter().find(is_name) {
            Some(matcher) => some_value(&[matcher], 0).unwrap_or_default(),
            None => "nameless".to_owned(),
        };
        let others = selector.matchers.iter().filter(|m| !is_name(m)).cloned();
        let others: Vec<_> = others.collect();
        let labels = self.labels.entry(name.clone()).or_default();
        labels.extend(used.iter().cloned());
        labels.extend(others.iter().map(|matcher| matcher.name().to_owned()));
        if name.ends_with("_bucket") {
            labels.insert("le".to_owned());
        }
        labels.insert("instance".to_owned());
        for attached in ["cluster", "__name__"] {
            labels.remove(attached);
        }
        let known = self.selectors.entry(name).or_default();
        if !known.contains(&others) {
            known.push(others);
        }
    }

    fn add_counters(&mut self, expr: &Expr) {
        if let ExprKind::Call(call) = &expr.kind
            && matches!(call.function.name, "rate" | "irate" | "increase")
            && let Some(ExprKind::Matrix(matrix)) = call.args.first().map(|arg| &arg.kind)
        {
            self.counters.insert(matrix.selector.name.clone());
        }
        for child in expr.children() {
            self.add_counters(child);
        }
    }

    /// The series of a partition, with samples until `now`.
    pub(crate) fn lines(&self, partition: &str, now: i64) -> Vec<Line> {
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        for (name, selectors) in &self.selectors {
            for matchers in selectors {
                for thing in 0..THINGS {
                    for (bucket, le) in ["0.1", "1", "5", "30", "+Inf"].iter().enumerate() {
                        let labels = self.series(name, matchers, thing, le);
                        let key = labels.to_string();
                        lines.entry(key).or_insert_with(|| Line {
                            samples: self.samples(name, partition, thing, bucket, now),
                            labels,
                        });
                    }
                }
            }
        }
        lines.into_values().collect()
    }

    /// Samples of a counter or a gauge: every half minute in the last quarter of an hour, and rarely in the days before.
    fn samples(
        &self,
        name: &str,
        partition: &str,
        thing: usize,
        bucket: usize,
        now: i64,
    ) -> Vec<(i64, f64)> {
        let now = now / 60_000 * 60_000 + 7;
        let old = (1..=16).rev().map(|at| now - at * 5 * 3_600_000);
        let recent = (0..=30).rev().map(|at| now - at * 30_000);
        let times: Vec<i64> = old.chain(recent).collect();
        // Each metric has all kinds of series somewhere.
        let kind = name
            .bytes()
            .fold(0, |sum, byte| sum * 31 % 65_521 + usize::from(byte));
        let place = ["eu", "us", "ap"].iter().position(|one| *one == partition);
        let kind = (kind + thing + place.unwrap_or_default() * THINGS) % 7;
        let suffixes = ["_total", "_count", "_sum", "_bucket"];
        let counter =
            self.counters.contains(name) || suffixes.iter().any(|suffix| name.ends_with(suffix));
        let first = times[0];
        let value = |time: i64| {
            let passed = (time - first) as f64 / 1000.0;
            let bucket = (bucket + 1) as f64;
            if counter {
                // What is whole keeps sums exact, whatever their order.
                let rate = [0.0, 1.0, 2.0, 8.0, 0.5, 4096.0, 0.125][kind];
                return (1_000_000.0 + passed * rate).floor() * bucket;
            }
            if name.contains("time") || name.contains("created") {
                return (now / 1000) as f64
                    - [60.0, 4000.0, 1e6, 0.0, 7200.0, -5e5, 90_000.0][kind];
            }
            match kind {
                0 => 0.0,
                1 => 1.0,
                2 => 3.0,
                3 => 0.5 + (time / 30_000 % 4) as f64 * 0.125,
                4 => 1_000_000.0 - passed.floor(),
                5 => 512.0 * 1024.0 * 1024.0 * (thing + 1) as f64,
                _ => 0.0625 * (thing + 1) as f64,
            }
        };
        times.into_iter().map(|time| (time, value(time))).collect()
    }

    fn series(&self, name: &str, matchers: &[Matcher], thing: usize, le: &str) -> LabelSet {
        let mut pairs = vec![("__name__".to_owned(), name.to_owned())];
        for label in &self.labels[name] {
            let about: Vec<_> = matchers.iter().filter(|m| m.name() == label).collect();
            let value = match &**label {
                "le" if about.iter().all(|matcher| matcher.matches_value(le)) => le.to_owned(),
                "le" => some_value(&about, thing).unwrap_or_default(),
                _ if about.is_empty() => format!("{label}-{thing}"),
                _ => some_value(&about, thing).unwrap_or_default(),
            };
            pairs.push((label.clone(), value));
        }
        LabelSet::from_pairs(
            pairs
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (&**name, &**value)),
        )
    }
}

/// The labels that an expression uses, and its selectors.
fn visit<'a>(expr: &'a Expr, used: &mut BTreeSet<String>, selectors: &mut Vec<&'a VectorSelector>) {
    match &expr.kind {
        ExprKind::Vector(selector) => selectors.push(selector),
        ExprKind::Matrix(matrix) => selectors.push(&matrix.selector),
        ExprKind::Aggregate(aggregate) if !aggregate.without => {
            used.extend(aggregate.grouping.iter().cloned());
        }
        ExprKind::Binary(binary) => {
            if let Some(matching) = &binary.matching {
                let compared = matching.labels.iter().filter(|_| matching.on);
                used.extend(compared.chain(&matching.include).cloned());
            }
        }
        ExprKind::Call(call) if call.function.name == "label_replace" => {
            if let Some(ExprKind::String(source)) = call.args.get(3).map(|arg| &arg.kind) {
                used.insert(source.clone());
            }
        }
        ExprKind::Call(_)
        | ExprKind::Aggregate(_)
        | ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Subquery(_)
        | ExprKind::Fragment(_) => {}
    }
    for child in expr.children() {
        visit(child, used, selectors);
    }
}

/// A value that all of the matchers of a label match; another one for each number, if there are.
fn some_value(matchers: &[&Matcher], number: usize) -> Option<String> {
    let mut candidates = Vec::new();
    for matcher in matchers {
        match matcher.op() {
            MatchOp::Equal => candidates.push(matcher.value().to_owned()),
            MatchOp::Regex => candidates.extend(examples(matcher.value())),
            MatchOp::NotEqual | MatchOp::NotRegex => {
                candidates.push(format!("{}-{number}", matcher.name()));
                candidates.push("other".to_owned());
            }
        }
    }
    candidates.retain(|value| matchers.iter().all(|m| m.matches_value(value)));
    let many = candidates.len();
    candidates.into_iter().nth(number % many.max(1))
}

/// Texts that a regular expression may match.
fn examples(regex: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut done = Vec::new();
    let mut rest = regex;
    while let Some(first) = rest.chars().next() {
        let (piece, length) = if first == '|' {
            done.append(&mut texts);
            texts.push(String::new());
            rest = &rest[1..];
            continue;
        } else if first == '('
            && let Some(end) = rest.find(')')
        {
            (
                rest[1..end].split('|').map(ToOwned::to_owned).collect(),
                end + 1,
            )
        } else if first == '['
            && let Some(end) = rest.find(']')
        {
            (vec![rest[1..2].to_owned()], end + 1)
        } else if first == '\\' {
            (vec![rest[1..2].to_owned()], 2)
        } else if first == '.' {
            (vec!["5".to_owned()], 1)
        } else if "*+?^$".contains(first) {
            (vec![String::new()], 1)
        } else {
            (vec![first.to_string()], first.len_utf8())
        };
        let grown = texts.iter().flat_map(|text| {
            piece
                .iter()
                .map(move |piece: &String| format!("{text}{piece}"))
        });
        texts = grown.collect();
        rest = &rest[length..];
    }
    done.append(&mut texts);
    done
}
