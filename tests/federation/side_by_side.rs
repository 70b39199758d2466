//! A node over servers that each hold a part, beside one Prometheus that holds the whole.

use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use watchfire::labels::LabelSet;

use crate::{
    api::{self, Answer, When},
    data::Line,
    node::{Node, Program, webhook_config},
    proxy::Proxy,
    servers::{NO_LOOKS, Server},
};

/// Which data the servers get.
pub(crate) struct Plan<'a> {
    /// The label by which the partitions differ, which only the whole has.
    pub(crate) label: &'a str,
    /// Its value and the series of each partition. The first has two replicas; the last is a `VictoriaMetrics`.
    pub(crate) parts: [(&'a str, Vec<Line>); 3],
    /// The second replica of the first partition has no samples in this time; Unix milliseconds.
    pub(crate) gap: (i64, i64),
    /// `pushdown` of those that are Prometheus.
    pub(crate) pushdown: &'a str,
}

/// Everything runs until it is dropped.
pub(crate) struct SideBySide {
    pub(crate) whole: Server,
    /// The replicas of the first partition, the second partition, the third.
    pub(crate) parts: Vec<Option<Server>>,
    /// Each stands before its part.
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) node: Node,
}

/// What came of a query.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The answers are the same, and there is something in them or not.
    Same { empty: bool },
    /// Neither answers; what the whole says.
    Refused(String),
    /// What is different.
    Different(String),
}

impl SideBySide {
    pub(crate) fn start(directory: &Path, plan: &Plan<'_>) -> Self {
        let whole: Vec<Line> = plan
            .parts
            .iter()
            .flat_map(|(value, lines)| {
                let pairs = LabelSet::from_pairs([(plan.label, value)]);
                lines.iter().map(move |line| line.with(&pairs))
            })
            .collect();
        let [(_, first), (_, second), (_, third)] = &plan.parts;
        let gapped = with_gap(first, plan.gap);
        let (whole, parts) = thread::scope(|scope| {
            let prometheus =
                |name: &str, lines: &[Line]| Server::prometheus(&directory.join(name), lines);
            let parts = [
                scope.spawn(move || prometheus("a", first)),
                scope.spawn(move || prometheus("b", &gapped)),
                scope.spawn(move || prometheus("c", second)),
                scope.spawn(|| Server::victoria_metrics(&directory.join("d"), third)),
            ];
            let whole = prometheus("whole", &whole);
            (whole, parts.map(|part| part.join().unwrap()))
        });
        let proxies: Vec<_> = parts
            .iter()
            .map(|server| Proxy::before(server.address()))
            .collect();
        let file = directory.join("query.yml");
        fs::write(&file, config(plan, &proxies)).unwrap();
        let flag = format!("--query.config-file={}", file.display());
        let program = Program::Subject.path().unwrap();
        let place = directory.join("node");
        fs::create_dir_all(&place).unwrap();
        let nowhere = webhook_config("http://127.0.0.1:9/");
        Self {
            whole,
            parts: parts.into_iter().map(Some).collect(),
            proxies,
            node: Node::start(&program, &place, &nowhere, &[&flag]),
        }
    }

    /// What the node answers.
    pub(crate) fn ask(&self, query: &str, when: When) -> Result<Answer, String> {
        api::ask(&self.node.url("/prometheus"), query, when)
    }

    /// What the one that holds everything answers.
    pub(crate) fn expect(&self, query: &str, when: When) -> Result<Answer, String> {
        api::ask(&self.whole.url(""), query, when)
    }

    /// Asks both.
    pub(crate) fn compare(&self, query: &str, when: When) -> Verdict {
        let (expected, found) = (self.expect(query, when), self.ask(query, when));
        let (expected, found) = match (expected, found) {
            (Err(why), Err(_)) => return Verdict::Refused(why),
            (Ok(_), Err(why)) => return Verdict::Different(format!("refused: {why}")),
            (Err(why), Ok(found)) => {
                let found = found.elements;
                return Verdict::Different(format!("{found:?}, and should be refused: {why}"));
            }
            (Ok(expected), Ok(found)) => (expected, found),
        };
        let missing = found
            .warnings
            .iter()
            .find(|text| text.starts_with("partition "));
        if let Some(missing) = missing {
            return Verdict::Different(missing.clone());
        }
        match api::difference(&expected, &found) {
            Some(why) => Verdict::Different(why),
            None => Verdict::Same {
                empty: expected.elements.is_empty(),
            },
        }
    }

    /// Compares all, some at a time; the verdicts in the order of the questions.
    pub(crate) fn compare_all(&self, questions: &[(String, When)]) -> Vec<Verdict> {
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((query, when)) = questions.get(at) else {
                    return done;
                };
                done.push((at, self.compare(query, *when)));
            }
        };
        let mut done: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
            let done = workers.into_iter().map(|worker| worker.join().unwrap());
            done.flatten().collect()
        });
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, verdict)| verdict).collect()
    }
}

/// Fails if any answer is different, with the first of them.
pub(crate) fn expect_same(questions: &[(String, When)], verdicts: &[Verdict]) {
    let shown = env::var("FEDERATION_SHOW").map_or(5, |text| text.parse().unwrap());
    let different: Vec<_> = questions
        .iter()
        .zip(verdicts)
        .filter_map(|((query, when), verdict)| match verdict {
            Verdict::Different(why) => {
                let why: String = why.chars().take(1500).collect();
                Some(format!("{query}\n  {when:?}: {why}"))
            }
            Verdict::Same { .. } | Verdict::Refused(_) => None,
        })
        .collect();
    assert!(
        different.is_empty(),
        "{} of {} answers are different, the first of them:\n{}",
        different.len(),
        verdicts.len(),
        different[..shown.min(different.len())].join("\n\n")
    );
}

fn config(plan: &Plan<'_>, proxies: &[Proxy]) -> String {
    let values = plan.parts.each_ref().map(|(value, _)| *value);
    let pushdown = plan.pushdown;
    let endpoints = [
        (values[0], "a", pushdown),
        (values[0], "b", pushdown),
        (values[1], "", pushdown),
        (values[2], "", "aggregate"),
    ];
    let mut text = "endpoints:\n".to_owned();
    for ((value, replica, pushdown), proxy) in endpoints.into_iter().zip(proxies) {
        let (label, address) = (plan.label, proxy.address());
        text.push_str(&format!(
            "- name: {value}{replica}\n  url: http://{address}\n  partition: {{{label}: {value}}}\n  \
             replica: '{replica}'\n  partition_label_mode: attach\n  pushdown: {pushdown}\n  {NO_LOOKS}\n"
        ));
        if value == values[2] {
            // The `VictoriaMetrics` of Debian does not tell what it is.
            text.push_str("  kind: victoriametrics\n");
        }
    }
    text
}

fn with_gap(lines: &[Line], (from, to): (i64, i64)) -> Vec<Line> {
    let outside = |line: &Line| Line {
        samples: line
            .samples
            .iter()
            .filter(|(time, _)| !(from..to).contains(time))
            .copied()
            .collect(),
        ..line.clone()
    };
    let lines = lines.iter().map(outside);
    lines.filter(|line| !line.samples.is_empty()).collect()
}
