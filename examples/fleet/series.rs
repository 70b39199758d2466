//! The series of a cluster: those that rules read, once for each pod or node.

use std::collections::BTreeMap;

use watchfire::{
    federation::Local,
    labels::{LabelSet, Matcher},
    promql::{Samples, Series},
};

use crate::data::Line;

/// Templates of series, and how many things there are.
#[derive(Debug)]
pub(crate) struct Fleet {
    templates: BTreeMap<String, Vec<Line>>,
    pods: usize,
    nodes: usize,
}

impl Fleet {
    pub(crate) fn new(lines: Vec<Line>, (pods, nodes): (usize, usize)) -> Self {
        let mut templates: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for line in lines {
            let name = line.labels.value("__name__").to_owned();
            templates.entry(name).or_default().push(line);
        }
        Self {
            templates,
            pods,
            nodes,
        }
    }

    /// Adds series of each pod that no rule reads, as most of a cluster's are: they are behind the endpoint, and stay there.
    pub(crate) fn add_unread(&mut self, of_each_pod: usize, now: i64) {
        for number in 0..of_each_pod {
            let name = format!("unread_{number}");
            let line = |thing: usize| {
                let pairs = [
                    ("__name__", name.clone()),
                    ("namespace", format!("namespace-{thing}")),
                    ("pod", format!("pod-{thing}")),
                ];
                let pairs = pairs.map(|(label, value)| (label.to_owned(), value));
                Line {
                    labels: LabelSet::from_pairs(pairs),
                    samples: vec![(now, 1.0)],
                }
            };
            self.templates
                .insert(name.clone(), (0..4).map(line).collect());
        }
    }

    /// How many series there are.
    pub(crate) fn count(&self) -> usize {
        let lines = self.templates.values().flatten();
        lines.map(|line| self.copies(&line.labels)).sum()
    }

    /// Each template is there for one of four things already.
    fn copies(&self, labels: &LabelSet) -> usize {
        let has = |label: &str| labels.get(label).is_some();
        if has("pod") {
            self.pods / 4
        } else if has("node") || has("instance") {
            self.nodes / 4
        } else {
            1
        }
    }

    /// The labels of one of the copies.
    fn copy(&self, labels: &LabelSet, number: usize) -> LabelSet {
        let value = |name: &str, value: &str| {
            let thing = value
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('-'));
            let Some(thing) = thing.and_then(|thing| thing.parse::<usize>().ok()) else {
                return value.to_owned();
            };
            let number = number * 4 + thing;
            match name {
                "pod" => format!("pod-{number}"),
                "namespace" => format!("namespace-{}", number % 200),
                "node" | "instance" => format!("{name}-{}", number % self.nodes),
                _ => value.to_owned(),
            }
        };
        let pairs = labels
            .iter()
            .map(|(name, old)| (name.to_owned(), value(name, old)));
        LabelSet::from_pairs(pairs)
    }
}

impl Local for Fleet {
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        let named = |name: &str| {
            let mut of_name = matchers.iter().filter(|one| one.name() == "__name__");
            of_name.all(|matcher| matcher.matches_value(name))
        };
        let lines = self.templates.iter().filter(|(name, _)| named(name));
        let mut found: BTreeMap<LabelSet, Series> = BTreeMap::new();
        for line in lines.flat_map(|(_, lines)| lines) {
            let within = line
                .samples
                .iter()
                .filter(|(time, _)| from < *time && *time <= to);
            let (times, values): (Vec<i64>, Vec<f64>) = within.copied().unzip();
            if times.is_empty() {
                continue;
            }
            for number in 0..self.copies(&line.labels) {
                let labels = self.copy(&line.labels, number);
                if !Matcher::all_match(matchers, &labels) {
                    continue;
                }
                found.entry(labels.clone()).or_insert_with(|| Series {
                    labels,
                    floats: Samples {
                        times: times.clone(),
                        values: values.clone(),
                        starts: Vec::new(),
                    },
                    ..Series::default()
                });
            }
        }
        found.into_values().collect()
    }
}
