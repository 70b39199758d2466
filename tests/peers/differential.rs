//! One script of requests at Alertmanager 0.25 and at Watchfire: the same answers, but for a written list.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    differences::{self, DIFFERENCES},
    http::{self, Answer},
    node::{Node, Program, subject_is_upstream},
    normal::Normalizer,
    script::{CONFIG, Step, script},
};

/// Answers settle within this: both servers route alerts a moment after they took them.
const SETTLED: Duration = Duration::from_secs(2);

/// The headers that a client may act on.
const HEADERS: &[&str] = &[
    "content-type",
    "allow",
    "vary",
    "location",
    "cache-control",
    "retry-after",
    "www-authenticate",
    "x-content-type-options",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
];

struct Server {
    node: Node,
    normalizer: Normalizer,
    /// Whether the answers are those of the old version and must be brought to the form of 0.34.
    old: bool,
}

impl Server {
    fn start(program: &Path, directory: &Path, base: jiff::Timestamp, old: bool) -> Self {
        let node = Node::start(
            program,
            directory,
            CONFIG,
            &["--web.external-url=http://alerts.example/"],
        );
        let normalizer = Normalizer::new(base, node.address());
        Self {
            node,
            normalizer,
            old,
        }
    }

    /// Sends one step and returns its comparable answer.
    fn run(&mut self, step: &Step) -> String {
        let url = self.node.url(&self.normalizer.fill(&step.path));
        let headers = step
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect::<Vec<_>>();
        let body = step
            .body
            .as_ref()
            .map(|body| match std::str::from_utf8(body) {
                Ok(text) => self.normalizer.fill(text).into_bytes(),
                Err(_) => body.clone(),
            });
        let Ok(answer) = http::try_request(step.method, &url, &headers, body) else {
            return "the connection broke".to_owned();
        };
        if let Some(name) = step.saves
            && let Ok(json) = serde_json::from_str::<Value>(&answer.body)
            && let Some(id) = json["silenceID"].as_str()
        {
            self.normalizer.name_id(id, name);
        }
        self.comparable(step, &answer)
    }

    fn comparable(&mut self, step: &Step, answer: &Answer) -> String {
        let mut headers = answer
            .headers
            .iter()
            .filter(|(name, _)| HEADERS.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), in_order(name, value)))
            .filter(|(_, value)| !value.is_empty())
            .collect::<BTreeMap<_, _>>();
        if self.old {
            differences::modernize_headers(&step.path, answer.status, &mut headers);
        }
        if !step.compares_body {
            return format!("{} {headers:?}", answer.status);
        }
        let newline = if answer.body.ends_with('\n') {
            "\\n"
        } else {
            ""
        };
        let body = match serde_json::from_str::<Value>(&answer.body) {
            Ok(mut json) => {
                if self.old {
                    differences::modernize(&step.path, answer.status, &mut json);
                }
                json.to_string()
            }
            Err(_) => answer.body.trim_end().to_owned(),
        };
        let body = differences::shorten(&self.normalizer.text(&body));
        format!("{} {headers:?}\n    {body}{newline}", answer.status)
    }
}

/// Lists whose order varies from run to run upstream are sorted.
fn in_order(name: &str, value: &str) -> String {
    if name != "allow" && name != "vary" {
        return value.to_owned();
    }
    let mut parts = value.split(',').map(str::trim).collect::<Vec<_>>();
    // Compression is negotiated with every client, on top of what Alertmanager does.
    parts.retain(|part| !part.eq_ignore_ascii_case("accept-encoding"));
    parts.sort_unstable();
    parts.join(",")
}

/// Where two answers part, in characters.
fn first_difference(one: &str, other: &str) -> usize {
    one.chars()
        .zip(other.chars())
        .take_while(|(one, other)| one == other)
        .count()
}

/// The beginning of an answer, and some of it around the place where it differs.
fn excerpt(answer: &str, from: usize) -> String {
    if from < 200 {
        return answer.chars().take(400).collect();
    }
    let begin = answer.chars().take(100).collect::<String>();
    let around = answer.chars().skip(from - 60).take(300).collect::<String>();
    format!("{begin} … {around}")
}

/// Repeats a read until both answers are `fine`; a write is sent once.
fn run_both(
    step: &Step,
    theirs: &mut Server,
    ours: &mut Server,
    fine: impl Fn(&str, &str) -> bool,
) -> (String, String) {
    let started = std::time::Instant::now();
    loop {
        let answers = (theirs.run(step), ours.run(step));
        if fine(&answers.0, &answers.1) || step.method != "GET" || started.elapsed() > SETTLED {
            return answers;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn clients_cannot_tell_the_servers_apart() {
    let Some(upstream) = Program::Upstream.path() else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let base = jiff::Timestamp::now();
    let same_program = subject_is_upstream();
    let mut theirs = Server::start(&upstream, directories[0].path(), base, !same_program);
    let mut ours = Server::start(&subject, directories[1].path(), base, false);

    let steps = script();
    assert!(steps.len() >= 150, "only {} requests", steps.len());
    let mut wrong = Vec::new();
    for step in &steps {
        let listed = DIFFERENCES
            .iter()
            .find(|difference| difference.step == step.title && !same_program);
        let (their, our) = run_both(step, &mut theirs, &mut ours, |their, our| {
            listed.map_or(their == our, |difference| difference.is_seen(our))
        });
        let problem = match listed {
            None if their == our => continue,
            None => "the answers differ".to_owned(),
            Some(listed) if their == our => {
                format!("listed as different ({}), but is not", listed.reason)
            }
            Some(listed) if listed.is_seen(&our) => continue,
            Some(listed) => format!(
                "listed ({}), but the answer should begin with {:?}",
                listed.reason, listed.ours
            ),
        };
        let from = first_difference(&their, &our);
        wrong.push(format!(
            "{}: {problem}\n  {} {}\n  Alertmanager {}\n  Watchfire    {}",
            step.title,
            step.method,
            step.path,
            excerpt(&their, from),
            excerpt(&our, from)
        ));
    }
    for difference in DIFFERENCES {
        assert!(
            steps.iter().any(|step| step.title == difference.step),
            "no such step: {}",
            difference.step
        );
    }
    assert!(ours.node.process.is_running() && theirs.node.process.is_running());
    assert!(
        wrong.is_empty(),
        "{} of {} steps:\n\n{}",
        wrong.len(),
        steps.len(),
        wrong.join("\n\n")
    );
}
